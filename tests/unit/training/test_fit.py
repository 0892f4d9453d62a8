"""`Network.fit`: what it computes, held-out rows, history."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Network, reference
from fastmlp.registry import LABEL_LOSSES
from fits import ALL_OPTIMIZERS, N_IN, N_OUT, ROWS, by_hand, mse, network
from helpers import (
    LOSSES,
    assert_close,
    assert_same_bits,
    assert_trained,
    targets,
)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [7, ROWS, None, 1000, 1])
def test_fit_is_a_loop_over_batches(data, batch_size, shuffle):
    X, y = data
    net = network()
    before = net.get_weights()
    weights, (losses, accuracies) = by_hand(net, X, y, 4, min(batch_size or ROWS, ROWS), shuffle)
    history = net.fit(X, y, epochs=4, batch_size=batch_size, shuffle=shuffle).history
    assert_close(net.get_weights(), weights, 1e-10)
    assert_trained(net.get_weights(), before)
    assert_close(history["loss"], losses, 1e-10)
    assert history["accuracy"] == accuracies.tolist() and 0 < accuracies.min() < 1
    steps = 4 * (-(-ROWS // batch_size) if batch_size else 1)
    assert net.plan.step == steps


@pytest.mark.parametrize("optimizer", ALL_OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss not in LABEL_LOSSES])
def test_every_optimizer_and_loss_follows_the_twin(rng, data, optimizer, loss):
    net = network(loss, optimizer)
    X, y = data[0], targets(rng, loss, ROWS, net.plan.n_out, np.float64)
    net.compile(optimizer, loss, metrics=[])
    batch_size = ROWS if optimizer.all_rows else 6
    weights, (losses, _) = by_hand(net, X, y, 3, batch_size, True)
    history = net.fit(X, y, epochs=3, batch_size=batch_size).history
    assert_close(net.get_weights(), weights, 1e-10)
    assert_close(history["loss"], losses, 1e-10)
    assert list(history) == ["loss"]


def test_rprop_needs_all_rows(data):
    """Signs of gradients of other rows turn at random, and its steps would shrink to nothing."""
    net = network(optimizer="Rprop", dtype="float32")
    before = net.get_weights()
    with pytest.raises(ValueError, match="batch_size is 22 of 23 rows, expected all of them with Rprop: it"):
        net.fit(*data, batch_size=22)
    for one, other in zip(net.get_weights(), before, strict=True):
        assert (one == other).all()
    history = net.fit(*data, epochs=40, batch_size=None).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_each_epoch_has_its_own_order(data):
    X, y = data
    orders = []

    class Spy:
        """A loss that looks at the first feature of nothing but y."""

        def __call__(self, y_true, y_pred):
            orders.append(y_true[:, 0].copy())
            return 0.0, np.zeros_like(y_pred)

    net = Network([N_IN, 1], dtype="float64", seed=5)
    net.compile("sgd", Spy())
    numbers = np.arange(ROWS, dtype=float)
    net.fit(X, numbers, epochs=3, batch_size=None)
    for epoch, order in enumerate(orders):
        assert order.tolist() == reference.shuffled(5, epoch, ROWS).tolist() != numbers.tolist()
    assert orders[0].tolist() != orders[1].tolist()


class Unhashable:
    """A loss that is an object with a value, as a dataclass would be."""

    __hash__ = None
    __call__ = staticmethod(mse)


@pytest.mark.parametrize("loss", [mse, Unhashable()])
@pytest.mark.parametrize("batch_size", [7, None])
def test_a_loss_in_python_is_the_built_in_one(rng, data, loss, batch_size):
    X, y = data[0], rng.normal(size=(ROWS, N_OUT))
    compiled, python = network("mse", "adam"), network("mse", "adam")
    python.compile("adam", loss, metrics=["accuracy", "mae"])
    compiled.compile("adam", "mse", metrics=["accuracy", "mae"])
    one, other = (
        net.fit(X, y, epochs=3, batch_size=batch_size, validation_split=0.3) for net in (compiled, python)
    )
    assert_close(python.get_weights(), compiled.get_weights(), 1e-10)
    assert list(one.history) == list(other.history)
    for name, values in one.history.items():
        assert_close(other.history[name], values, 1e-10)


def test_train_on_batch_is_a_step_of_fit(rng, data):
    X, y = data
    fitted, stepped = network(optimizer="adam"), network(optimizer="adam")
    fitted.fit(X, y, epochs=2, batch_size=8, shuffle=False)
    for first in (0, 8, 16) * 2:
        stepped.train_on_batch(X[first : first + 8], y[first : first + 8])
    assert_same_bits(stepped.get_weights(), fitted.get_weights())


def test_train_on_batch_tells_the_loss_before_its_step(data):
    X, y = data
    net = Network([N_IN, 8, N_OUT], output="softmax", seed=5)  # without dropout
    net.compile("sgd", metrics=["accuracy", "mae"])
    weight = np.linspace(0, 2, ROWS)
    before = net.evaluate(X, y, weight)
    assert net.train_on_batch(X, y, weight) == before
    assert net.evaluate(X, y, weight)["loss"] < before["loss"]


def test_validation_split_takes_the_last_rows_before_shuffling(data):
    X, y = data
    weight = np.linspace(1, 2, ROWS)
    split, given, changed = network(), network(), network()
    one = split.fit(X, y, epochs=3, batch_size=4, validation_split=0.3, sample_weight=weight)
    rest = (X[16:], y[16:], weight[16:])
    two = given.fit(X[:16], y[:16], epochs=3, batch_size=4, validation_data=rest, sample_weight=weight[:16])
    assert_same_bits(split.get_weights(), given.get_weights())
    assert one.history == two.history and list(one.history) == [
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    ]
    after = given.evaluate(*rest)
    assert (one.history["val_loss"][-1], one.history["val_accuracy"][-1]) == (
        after["loss"],
        after["accuracy"],
    )
    X[16:], y[16:] = 100.0, 0
    changed.fit(X, y, epochs=3, batch_size=4, validation_split=0.3, sample_weight=weight)
    assert_same_bits(changed.get_weights(), split.get_weights())


@pytest.mark.parametrize(("share", "kept"), [(0.9, 1), (0.1, 9), (0.3, 7), (0.25, 7), (0.5, 5)])
def test_the_split_is_exact(rng, share, kept):
    X, y = rng.normal(size=(10, N_IN)), rng.integers(0, N_OUT, 10)
    net = network()
    history = net.fit(X, y, batch_size=1, validation_split=share)
    assert history.params["steps"] == kept
    assert history.history["val_loss"] == [net.evaluate(X[kept:], y[kept:])["loss"]]


def test_history(data):
    def largest(y_true, y_pred):
        assert y_true.shape == (len(y_pred),) and y_pred.shape[1] == N_OUT
        return y_pred.max()

    X, y = data
    net = network(optimizer="adam")
    net.compile("adam", metrics=["accuracy", largest])
    history = net.fit(X, y, epochs=3, batch_size=5, validation_split=0.2)
    assert history.epoch == [0, 1, 2] and not history.interrupted
    assert list(history.history) == ["loss", "accuracy", "largest", "val_loss", "val_accuracy", "val_largest"]
    assert all(
        len(values) == 3 and all(type(v) is float for v in values) for values in history.history.values()
    )
    assert history.history["largest"][-1] == float(net.predict(X[:18]).max())
    assert history.history["val_largest"][-1] == float(net.predict(X[18:]).max())
    assert (
        history.params["epochs"] == 3 and history.params["steps"] == 4 and history.params["batch_size"] == 5
    )
    assert isinstance(history, fastmlp.History) and "epochs=3" in repr(history)
    assert net.fit(X, y).epoch == [0]  # each fit has its own
