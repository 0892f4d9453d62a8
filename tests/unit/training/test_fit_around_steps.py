"""`use_ema`, lookahead and gradient accumulation in `Network.fit`: ends, files, callbacks, refusals."""

import copy
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Network, functional
from fastmlp.callbacks import Callback, EarlyStopping, TerminateOnNaN
from fastmlp.optimizers import SGD, Adam
from fastmlp.schedules import StepDecay


def network(optimizer, dtype="float64"):
    net = Network([3, Dense(5, "tanh"), 1], dtype=dtype, seed=3)
    net.compile(optimizer, "mse")
    return net


@pytest.fixture
def data(rng):
    X = rng.standard_normal((40, 3))
    return X, X[:, :1] * X[:, 1:2]


class Kept(Callback):
    """The weights after every epoch."""

    def __init__(self):
        self.seen = []

    def on_epoch_end(self, epoch, logs):
        self.seen.append(self.network.get_weights())


def same(a, b):
    return all((x == y).all() for x, y in zip(a, b, strict=True))


def test_fit_ends_with_the_average(data):
    net, kept = network(Adam(0.01, use_ema=True, ema_momentum=0.5)), Kept()
    net.fit(*data, epochs=6, batch_size=None, callbacks=[kept])
    average = kept.seen[0]
    for weights in kept.seen[1:]:
        average = [0.5 * a + 0.5 * w for a, w in zip(average, weights, strict=True)]
    for got, expected, last in zip(net.get_weights(), average, kept.seen[-1], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        assert (got != last).any()
    plain = network(Adam(0.01))
    plain.fit(*data, epochs=6, batch_size=None)
    assert same(plain.get_weights(), kept.seen[-1])


def test_best_weights_come_after_the_average(data):
    net, kept = network(Adam(0.01, use_ema=True)), Kept()
    stop = EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    net.fit(*data, epochs=5, validation_data=data, callbacks=[stop, kept])
    assert same(net.get_weights(), kept.seen[stop.best_epoch])


def test_a_fit_that_ends_early_has_the_average_too(data):
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                raise KeyboardInterrupt

    nets = [network(Adam(0.01, use_ema=True)) for _ in range(2)]
    nets[0].fit(*data, epochs=9, callbacks=[Stop()])
    nets[1].fit(*data, epochs=3)
    assert same(nets[0].get_weights(), nets[1].get_weights())
    X, y = data[0], data[1].copy()
    y[30] = 1e200
    net = network(SGD(0.01, use_ema=True))
    before = net.get_weights()
    with pytest.raises(FloatingPointError):
        net.fit(X, y, batch_size=None)
    assert same(net.get_weights(), before), "no step was made, so there is no average"
    with pytest.warns(RuntimeWarning):
        net.fit(X, y, batch_size=None, callbacks=[TerminateOnNaN()])
    assert same(net.get_weights(), before)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(
    "options",
    [{"use_ema": True}, {"lookahead_steps": 4}, {"gradient_accumulation_steps": 3}],
    ids=lambda options: next(iter(options)),
)
def test_a_saved_training_goes_on_with_the_same_bits(tmp_path, data, options, suffix):
    """5 batches an epoch: gradients of two wait for the third where three make a step."""
    path = str(tmp_path / ("net" + suffix))

    class Save(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 0:
                self.network.save(path, include_optimizer=True)

    net = network(Adam(0.01, **options))
    net.fit(*data, epochs=3, batch_size=8, callbacks=[Save()])
    loaded = fastmlp.load(path)
    assert loaded.optimizer == net.optimizer and loaded.plan.batches == 5
    for other in (loaded, pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded)):
        other.fit(*data, epochs=2, batch_size=8)
        assert same(other.get_weights(), net.get_weights())


def test_schedules_count_steps_not_batches(data):
    rates = StepDecay(0.1, every=1, factor=0.5)
    ours = network(SGD(rates, gradient_accumulation_steps=2))
    ours.fit(*data, epochs=3, batch_size=8, shuffle=False)  # 15 batches, 7 steps, one that waits
    assert (ours.plan.step, ours.plan.batches, ours.learning_rate) == (7, 15, 0.1 * 0.5**7)
    by_hand, X, y = network(SGD(0.1)), *data
    for step in range(7):
        by_hand.learning_rate = 0.1 * 0.5**step
        by_hand.zero_gradient()
        for batch in (2 * step % 5, (2 * step + 1) % 5):
            rows = slice(8 * batch, 8 * batch + 8)
            by_hand.backward(2 * (by_hand(X[rows], training=True) - y[rows]) / 8 / 2)
        by_hand.step()
    for a, b in zip(ours.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_a_loss_in_python_accumulates_alike(data):
    def mse(y_true, y_pred):
        return float(((y_pred - y_true) ** 2).mean()), 2 * (y_pred - y_true) / y_pred.size

    net = network(Adam(0.01, gradient_accumulation_steps=3))
    other = network("sgd")
    other.compile(Adam(0.01, gradient_accumulation_steps=3), mse)
    net.fit(*data, epochs=3, batch_size=8)
    other.fit(*data, epochs=3, batch_size=8)
    assert net.plan.step == other.plan.step == 5
    for a, b in zip(other.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_one_batch_a_step_is_the_plain_step(data):
    nets = [network(Adam(0.01, **more)) for more in ({}, {"gradient_accumulation_steps": 1})]
    for net in nets:
        net.fit(*data, epochs=2, batch_size=8)
    assert same(nets[0].get_weights(), nets[1].get_weights())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_ema": 1}, "use_ema is 1"),
        ({"use_ema": True, "ema_momentum": 1.5}, "ema_momentum is 1.5"),
        ({"ema_overwrite_frequency": 3}, "ema_overwrite_frequency came without use_ema=True"),
        ({"use_ema": True, "ema_overwrite_frequency": 0}, "ema_overwrite_frequency is 0"),
        ({"lookahead_steps": 0}, "lookahead_steps is 0"),
        ({"lookahead_steps": 5, "lookahead_alpha": 0.0}, "lookahead_alpha is 0"),
        ({"lookahead_steps": 5, "use_ema": True}, "use_ema and lookahead_steps came together"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps is 0"),
        ({"gradient_accumulation_steps": 2.5}, "gradient_accumulation_steps is 2.5"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Adam(0.01, **options)


def test_there_are_no_steps_around_those_of_an_array():
    optimizer = SGD(0.1, lookahead_steps=5)
    with pytest.raises(ValueError, match="lookahead_steps is 5 for a plain array"):
        optimizer.on(np.zeros(3))
    with pytest.raises(ValueError, match="use_ema is True for a function of arrays"):
        functional.sgd_update([1.0], [1.0], use_ema=True)


def test_estimators_refuse_them(data):
    sklearn = pytest.importorskip("fastmlp.sklearn")
    estimator = sklearn.MLPRegressor(optimizer=Adam(gradient_accumulation_steps=2), max_iter=2)
    with pytest.raises(ValueError, match="gradient_accumulation_steps is 2 for an estimator"):
        estimator.fit(data[0], data[1].ravel())
