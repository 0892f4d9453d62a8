"""`Network.fit`: what it computes, resuming, held-out rows, weights, Ctrl-C, divergence, bad arguments."""

import copy
import dataclasses
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastmlp
from fastmlp import BusyError, Dense, Dropout, Network, optimizers, reference
from fastmlp.callbacks import Callback, LambdaCallback
from fastmlp.registry import LABEL_LOSSES
from fastmlp.schedules import CosineDecay, Schedule, Warmup
from fastmlp.training import fit, passes
from helpers import (
    FMA_ISAS,
    LINKS,
    LOSSES,
    OUTPUT_OF,
    RULES,
    assert_close,
    assert_same_bits,
    assert_trained,
    outputs_of,
    targets,
    train_epoch,
)

ROWS, N_IN, N_OUT = 23, 5, 3
SCHEDULE = Warmup(CosineDecay(0.05, steps=20), steps=4)
ALL_OPTIMIZERS = [
    *(dataclasses.replace(optimizer, learning_rate=SCHEDULE) for optimizer in RULES.values()),
    optimizers.SGD(SCHEDULE, momentum=0.9, nesterov=True),
    optimizers.RMSprop(SCHEDULE, rho=0.8),
    optimizers.Adam(SCHEDULE, l2=0.01),
    optimizers.AdamW(SCHEDULE, clipvalue=0.5),
]


def network(loss="sparse_categorical_crossentropy", optimizer="sgd", dtype="float64", **options):
    net = Network(
        [N_IN, Dense(8, "tanh"), Dropout(0.3), outputs_of(loss, N_OUT)],
        output=OUTPUT_OF[LINKS[loss]],
        dtype=dtype,
        seed=5,
        **options,
    )
    net.compile(optimizer, loss)
    return net


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, N_IN)), rng.integers(0, N_OUT, ROWS)


def twin_of(net):
    """The reference's Plan with the network's weights, compiled alike."""
    plan = reference.Plan(net.plan.n_in, net.plan.layers, dtype=net.dtype.name)
    plan.set_weights(net.get_weights())
    plan.compile(net.plan.loss, net.loss_parameter, net.optimizer.rule, net.optimizer.hyperparameters())
    return plan


def by_hand(net, X, y, epochs, batch_size, shuffle):
    """What `fit` should do, batch by batch on the twin: weights, each epoch's loss and accuracy."""
    plan, numbers, rows = twin_of(net), [], len(X)
    for epoch in range(epochs):
        order = reference.shuffled(net.seed, epoch, rows) if shuffle else np.arange(rows)
        total = right = 0.0
        for first in range(0, rows, batch_size):
            chosen = order[first : first + batch_size]
            rate = net.optimizer.learning_rates(plan.step, 1)
            loss, correct = train_epoch(
                plan, X[chosen], y[chosen], batch_size=len(chosen), seed=net.seed, shuffle=False,
                learning_rates=rate,
            )  # fmt: skip
            total, right = total + loss, right + correct
        numbers.append((total / rows, right / rows))
    return plan.get_weights(), np.array(numbers).T


# What it computes


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
    weights, (losses, _) = by_hand(net, X, y, 3, 6, True)
    history = net.fit(X, y, epochs=3, batch_size=6).history
    assert_close(net.get_weights(), weights, 1e-10)
    assert_close(history["loss"], losses, 1e-10)
    assert list(history) == ["loss"]


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


def mse(y_true, y_pred):
    difference = y_pred - y_true
    return np.mean(difference**2), 2 * difference / difference.size


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


# The same bits: in pieces, from files, on every instruction set, with any number of threads


@pytest.mark.parametrize("optimizer", ALL_OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("copied", ["not at all", "file", "pickle", "deepcopy"])
def test_a_resumed_run_ends_with_the_bits_of_one(tmp_path, data, dtype, optimizer, copied):
    X, y = data
    whole, first = network(optimizer=optimizer, dtype=dtype), network(optimizer=optimizer, dtype=dtype)
    whole.fit(X, y, epochs=5, batch_size=8)
    first.fit(X, y, epochs=2, batch_size=8)
    assert any(np.any(a != b) for a, b in zip(first.get_weights(), whole.get_weights(), strict=True))
    if copied == "file":
        first.save(tmp_path / "net.npz", include_optimizer=True)
        second = fastmlp.load(tmp_path / "net.npz")
    elif copied == "pickle":
        second = pickle.loads(pickle.dumps(first))
    else:
        second = copy.deepcopy(first) if copied == "deepcopy" else first
    if second is not first:
        first.fit(X, y, epochs=9)  # a copy shares nothing with its origin
    second.fit(X, y, epochs=3, batch_size=8)
    assert_same_bits(second.get_weights(), whole.get_weights())
    assert second.plan.step == whole.plan.step == 15
    for one, other in zip(second.plan.get_state()["slots"], whole.plan.get_state()["slots"], strict=True):
        assert_same_bits(one, other)


def wide(isa, threads, optimizer, dtype):
    """A training run large enough for several threads."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(700, 64)), rng.integers(0, 10, 700)
    net = Network(
        [64, 96, Dropout(0.2), 48, 10], activation="gelu", output="softmax", dtype=dtype, seed=1, isa=isa
    )
    net.compile(optimizer)
    before = net.get_weights()
    history = net.fit(X, y, epochs=3, batch_size=256, validation_split=0.1, threads=threads)
    assert_trained(net.get_weights(), before)
    return net.get_weights(), history.history


@pytest.mark.parametrize(
    "optimizer", [optimizers.Adam(0.01, global_clipnorm=0.5), optimizers.SGD(0.1, momentum=0.9)]
)
def test_instruction_sets_and_threads_train_the_same_bits(dtype, optimizer):
    expected, numbers = wide(FMA_ISAS[-1], 1, optimizer, dtype)
    for isa in FMA_ISAS:
        for threads in (1, 2, 3):
            weights, history = wide(isa, threads, optimizer, dtype)
            assert_same_bits(weights, expected)
            assert history == numbers and len(numbers) == 4


def test_slices_of_time_do_not_change_the_numbers(rng, monkeypatch):
    """An epoch's loss adds its rows in one order, wherever the slices end."""
    X, y = rng.normal(size=(3000, N_IN)), rng.integers(0, N_OUT, 3000)
    results = []
    for seconds in (0.0, 1e-4, 1e9):
        monkeypatch.setattr(passes, "SLICE", seconds)
        net = network(optimizer="adam")
        history = net.fit(X, y, epochs=2, batch_size=7)
        results.append((net.get_weights(), history.history))
    for weights, history in results:
        assert_same_bits(weights, results[0][0])
        assert history == results[0][1]


# Held-out rows


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


# Weights of rows and classes


def test_sample_and_class_weights_multiply(rng, data):
    X, y = data
    weight = rng.integers(1, 5, ROWS).astype(float)
    classes = {0: 2.0, 2: 0.25}
    factor = np.array([2.0, 1.0, 0.25])[y]
    both, product, neither = network(), network(), network()
    history = both.fit(X, y, epochs=2, sample_weight=weight, class_weight=classes, validation_data=(X, y))
    product.fit(X, y, epochs=2, sample_weight=weight * factor)
    neither.fit(X, y, epochs=2)
    assert_same_bits(both.get_weights(), product.get_weights())
    assert np.any(both.weights[0] != neither.weights[0])
    assert history.history["val_loss"][-1] == both.evaluate(X, y)["loss"]  # held-out rows are not weighed


def test_class_weights_know_every_form_of_target(data):
    X, labels = data
    nets = []
    for loss, y in (
        ("sparse_categorical_crossentropy", labels),
        ("categorical_crossentropy", np.eye(N_OUT)[labels]),
    ):
        net = network(loss)
        net.fit(X, y, epochs=2, class_weight={1: 4})
        other = network(loss)
        other.fit(X, y, epochs=2, sample_weight=np.where(labels == 1, 4, 1))
        assert_same_bits(net.get_weights(), other.get_weights())
        nets.append(net)
    assert_close(nets[0].get_weights(), nets[1].get_weights(), 1e-10)
    binary, other = (Network([N_IN, 1], output="sigmoid", dtype="float64", seed=5) for _ in range(2))
    for net, options in (
        (binary, {"class_weight": {1: 4}}),
        (other, {"sample_weight": np.where(labels == 1, 4, 1)}),
    ):
        net.compile("sgd")
        net.fit(X, labels == 1, epochs=2, **options)
    assert_same_bits(binary.get_weights(), other.get_weights())


def test_whole_weights_are_duplicated_rows(rng, data):
    X, y = data
    times = rng.integers(0, 4, ROWS)
    repeated = np.repeat(np.arange(ROWS), times)
    share = len(repeated) / ROWS  # a loss is divided by the number of rows, whatever they weigh
    weighted = Network([N_IN, 8, N_OUT], output="softmax", dtype="float64", seed=5)
    duplicated = copy.deepcopy(weighted)
    weighted.compile(optimizers.SGD(0.5))
    duplicated.compile(optimizers.SGD(0.5 * share))
    one = weighted.fit(X, y, epochs=20, batch_size=None, sample_weight=times)
    two = duplicated.fit(X[repeated], y[repeated], epochs=20, batch_size=None)
    assert_close(weighted.get_weights(), duplicated.get_weights(), 1e-10)
    assert_close(one.history["loss"], np.multiply(two.history["loss"], share), 1e-10)


# Penalties and clipping


@pytest.mark.parametrize("penalty", ["l1", "l2", "weight_decay"])
def test_penalties_do_not_depend_on_the_batch(data, penalty):
    """Rows of weight 0 leave nothing but the penalty, once a step."""
    results = []
    for rows in (1, 8, ROWS):
        net = Network([N_IN, 8, N_OUT], dtype="float64", seed=5)
        before = net.get_weights()
        net.compile(optimizers.SGD(0.5, **{penalty: 0.125}), "mse")
        X, y = data[0][:rows], np.zeros((rows, N_OUT))
        net.fit(X, y, epochs=1, batch_size=None, sample_weight=np.zeros(rows))
        results.append(net.get_weights())
    for result in results:
        assert_same_bits(result, results[0], zeros=True)  # the biases are
    for old, new in zip(before, results[0], strict=True):
        if old.ndim == 1:
            assert_same_bits(new, old, zeros=True)
        else:
            shrunk = np.sign(old) if penalty == "l1" else old
            assert_close(new, old - 0.5 * 0.125 * shrunk, 1e-14)


@pytest.mark.parametrize("split", [False, True])
def test_held_out_rows_without_weight_are_refused(data, split):
    """Their loss would be 0 from the first epoch on."""
    X, y = data
    weights = np.r_[np.ones(ROWS - 5), np.zeros(5)]
    held_out = {"validation_split": 5 / ROWS} if split else {"validation_data": (X[-5:], y[-5:], np.zeros(5))}
    net = network()
    with pytest.raises(ValueError, match="^sample_weight is 0 in all 5 held-out rows, expected one above 0"):
        net.fit(X, y, sample_weight=weights, **held_out)
    assert net.plan.step == 0


def test_doubled_rows_take_the_same_penalized_steps(data):
    X, y = data
    results = []
    for times in (1, 2):
        net = Network([N_IN, 8, N_OUT], output="softmax", dtype="float64", seed=5)
        net.compile(optimizers.SGD(0.5, l1=0.01, l2=0.1, weight_decay=0.05))
        net.fit(np.tile(X, (times, 1)), np.tile(y, times), epochs=10, batch_size=None)
        results.append(net.get_weights())
    assert_close(results[1], results[0], 1e-10)


def clipped_step(data, **clip):
    """A gradient, and how far one step of rate 1 went against it."""
    net = Network([N_IN, 8, N_OUT], output="softmax", dtype="float64", seed=5)
    net.compile(optimizers.SGD(1.0, **clip))
    before = net.get_weights()
    _, pairs = net.gradients(*data)
    net.fit(*data, batch_size=None)
    gradient = np.concatenate([array.ravel() for pair in pairs for array in pair])
    return gradient, np.concatenate(
        [(old - new).ravel() for old, new in zip(before, net.get_weights(), strict=True)]
    )


def test_clipping_by_value(data):
    gradient, step = clipped_step(data, clipvalue=0.03)
    assert 0 < np.mean(np.abs(gradient) > 0.03) < 1
    assert_close(step, np.clip(gradient, -0.03, 0.03), 1e-10)


def test_clipping_by_global_norm(data):
    gradient, step = clipped_step(data, global_clipnorm=0.1)
    norm = np.sqrt(np.sum(gradient**2))
    assert norm > 0.2
    assert_close(step, gradient * (0.1 / norm), 1e-10)
    gradient, step = clipped_step(data, global_clipnorm=2 * norm)
    assert_close(step, gradient, 1e-10)


# History


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


# Others at the same time


def slow(net):
    """A fit of several slices, undisturbed unless callbacks do something."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20000, N_IN)), rng.integers(0, N_OUT, 20000)
    return lambda callbacks=(): net.fit(X, y, epochs=5, batch_size=4, callbacks=callbacks)


def test_predict_during_fit_is_safe(data):
    undisturbed, net = network(), network()
    slow(undisturbed)()
    X = data[0]
    begun, done, seen = threading.Event(), threading.Event(), []

    def look():
        begun.wait()
        while not done.is_set():
            seen.append(net.predict(X, threads=2))
            seen.append(net.evaluate(*data)["loss"])

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        slow(net)([LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.set())])
    finally:
        done.set()
        begun.set()
        for thread in threads:
            thread.join()
    assert len(seen) > 4 and all(np.isfinite(value).all() for value in seen)
    assert_same_bits(net.get_weights(), undisturbed.get_weights())


def test_fit_during_fit_is_refused(data):
    undisturbed, net = network(), network()
    undisturbed.fit(*data, epochs=2)
    errors = []

    def intrude():
        for change in (lambda: net.fit(*data), net.compile):
            try:
                change()
            except BusyError as error:
                errors.append(str(error))

    def from_both_sides(epoch, logs):
        intrude()
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()

    net.fit(*data, epochs=2, callbacks=[LambdaCallback(on_epoch_end=from_both_sides)])
    assert len(errors) == 8 and all("network" in error for error in errors)
    assert_same_bits(net.get_weights(), undisturbed.get_weights())


# Interruption


class InterruptAt(Callback):
    def __init__(self, hook, number):
        self.seen = None

        def interrupt(index, logs):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == number:
                self.seen = self.network.get_weights()
                raise KeyboardInterrupt

        setattr(self, hook, interrupt)


def test_an_interrupt_between_epochs_loses_nothing(data):
    whole, net = network(optimizer="adam"), network(optimizer="adam")
    whole.fit(*data, epochs=5, batch_size=8)
    history = net.fit(*data, epochs=5, batch_size=8, callbacks=[InterruptAt("on_epoch_end", 2)])
    assert history.interrupted and history.epoch == [0, 1] and len(history.history["loss"]) == 2
    assert not net.fit(*data, epochs=3, batch_size=8).interrupted
    assert_same_bits(net.get_weights(), whole.get_weights())


@pytest.fixture
def several(monkeypatch):
    """Every epoch counts as brief; the list of how many each call was asked for."""
    asked, several = [], passes.Passes.several

    def counted(passes, epochs):
        asked.append(epochs)
        several(passes, epochs)

    monkeypatch.setattr(fit, "BRIEF", np.inf)
    monkeypatch.setattr(passes.Passes, "several", counted)
    return asked


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that interrupt")
def test_an_interrupt_among_short_epochs_leaves_a_history_of_all_of_them(data, several):
    """Epochs of a few microseconds are many to a call, and Ctrl-C is heard when it returns."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    net, again = network(), network()
    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        history = net.fit(*data, epochs=10**9, batch_size=ROWS, verbose=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert history.interrupted and net.plan.step == len(history.epoch) > 1
    assert several[0] == fit.BATCHES_AHEAD
    assert history.epoch == list(range(net.plan.step))
    longer = again.fit(*data, epochs=net.plan.step, batch_size=ROWS, callbacks=[Callback()])
    assert longer.history == history.history
    assert_same_bits(again.get_weights(), net.get_weights())


@pytest.mark.parametrize("metrics", [[], ["accuracy"]])
def test_epochs_that_nobody_watches_are_those_that_are_watched(data, several, metrics):
    watched, alone = network(optimizer="adam"), network(optimizer="adam")
    histories = []
    for net, callbacks in ((watched, [Callback()]), (alone, [])):
        net.compile(optimizers.Adam(CosineDecay(0.05, 60)), net.loss, metrics=metrics)
        histories.append(net.fit(*data, epochs=20, batch_size=8, callbacks=callbacks, verbose=0))
        assert several == ([] if callbacks else [19])
    assert histories[1].history == histories[0].history
    assert histories[1].epoch == histories[0].epoch == list(range(20))
    assert_same_bits(alone.get_weights(), watched.get_weights())
    assert alone.epochs_done == watched.epochs_done == 20


@pytest.mark.parametrize("what", ["callback", "held out", "metric", "python loss", "progress"])
def test_epochs_that_somebody_watches_are_calls_of_their_own(data, several, capsys, what):
    X, y = data[0], np.eye(N_OUT)[data[1]]
    net = network("mse")
    net.compile("sgd", mse if what == "python loss" else "mse", metrics=["mae"] if what == "metric" else [])
    net.fit(
        X, y, epochs=5, batch_size=8, callbacks=[Callback()] if what == "callback" else None,
        validation_split=0.5 if what == "held out" else 0.0, verbose=2 if what == "progress" else 0,
    )  # fmt: skip
    assert several == [] and net.plan.step > 0
    capsys.readouterr()


def test_a_fit_that_is_to_stop_ends_after_the_epoch(data):
    net = network()
    stop = LambdaCallback(on_train_begin=lambda logs: setattr(net, "stop_training", True))
    assert net.fit(*data, epochs=5, callbacks=[stop]).epoch == [0]


class Explodes(Schedule):
    """A rate that is too high from step 7 on."""

    def _at(self, steps):
        return np.where(steps < 7, 0.05, np.inf)


def test_divergence_among_short_epochs_tells_the_epoch_and_keeps_those_before(data, several):
    net, before = network(), network()
    for each in (net, before):
        each.compile(optimizers.SGD(Explodes()), each.loss)
    with pytest.raises(
        FloatingPointError, match="^training diverged in epoch 8: the step of batch 0 leads to weights"
    ):
        net.fit(*data, epochs=20, batch_size=ROWS, verbose=0)
    assert several == [19]
    before.fit(*data, epochs=7, batch_size=ROWS)
    assert net.plan.step == net.epochs_done == 7
    assert_same_bits(net.get_weights(), before.get_weights())


@pytest.mark.parametrize("python_loss", [False, True])
def test_an_interrupt_within_an_epoch_leaves_the_weights_of_that_moment(data, python_loss):
    X, y = data[0], np.eye(N_OUT)[data[1]]
    net = network("mse")
    net.compile("sgd", mse if python_loss else "mse")
    stop = InterruptAt("on_train_batch_end", 5)
    history = net.fit(X, y, epochs=5, batch_size=8, callbacks=[stop])
    assert history.interrupted and history.epoch == [0] and len(history.history["loss"]) == 1
    assert net.plan.step == 5
    assert_same_bits(net.get_weights(), stop.seen)
    assert np.isfinite(net.predict(X)).all()
    before = net.get_weights()
    net.fit(X, y)
    assert_trained(net.get_weights(), before)


LONG_FIT = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
import numpy as np
from fastmlp import Network
from fastmlp.callbacks import LambdaCallback

rng = np.random.default_rng(0)
X, y = rng.normal(size=(100_000, 40)).astype("float32"), rng.integers(0, 10, 100_000)
net = Network([40, 256, 256, 10], output="softmax", seed=0)
net.compile("sgd")
begun = LambdaCallback(on_train_begin=lambda logs: print("begun", flush=True))
history = net.fit(X, y, epochs=1_000_000, callbacks=[begun])
assert history.interrupted and all(len(values) == len(history.epoch) for values in history.history.values())
assert net.plan.step > 0 and all(np.isfinite(w).all() for w in net.get_weights())
net.fit(X[:100], y[:100])
print("usable", net.predict(X[:3]).shape)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_control_c_ends_a_long_fit():
    child = subprocess.Popen(
        [sys.executable, "-c", LONG_FIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.3)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        waited = time.monotonic() - sent
    finally:
        child.kill()
    assert (child.returncode, out, err) == (0, "usable (3, 10)\n", "")
    assert waited < 20  # a slice, not the million epochs


# Divergence


@pytest.mark.parametrize("python_loss", [False, True])
@pytest.mark.parametrize(("rate", "epochs"), [(1e30, 1), (1e30, 5), (1e3, 200)])
def test_divergence_keeps_the_last_finite_weights(data, python_loss, rate, epochs):
    X, y = data[0], data[0][:, :N_OUT]
    net = Network([N_IN, 8, N_OUT], dtype="float32", seed=5)
    net.compile(optimizers.SGD(rate), mse if python_loss else "mse")
    seen = [net.get_weights()]
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(net.get_weights()))
    X = X * 1e15 if epochs == 1 else X  # one step to weights beyond float32
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="^training diverged in epoch"),
    ):
        net.fit(X, y, epochs=epochs, batch_size=None, callbacks=[watch])
    weights = net.get_weights()
    assert all(np.isfinite(array).all() for array in weights)
    assert any(all(np.array_equal(a, b) for a, b in zip(weights, older, strict=True)) for older in seen)
    net.compile(optimizers.SGD(1e-6), "mse")  # the network is free, and may go on
    net.set_weights(seen[0])
    net.fit(data[0], y)
    assert_trained(net.get_weights(), seen[0])


@pytest.mark.parametrize("python_loss", [False, True])
def test_divergence_takes_the_optimizers_state_back_too(data, python_loss):
    """The only step leads beyond float32; then there was none, for weights, momentum and count alike."""
    net = Network([N_IN, 8, N_OUT], dtype="float32", seed=5)
    net.compile(optimizers.SGD(1e30, momentum=0.9), mse if python_loss else "mse")
    before = net.get_weights()
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="^training diverged"),
    ):
        net.fit(data[0] * 1e15, data[0][:, :N_OUT], batch_size=None)
    assert_same_bits(net.get_weights(), before, zeros=True)
    state = net.plan.get_state()
    assert state["step"] == 0 and len(state["slots"]) == 1
    assert all(not array.any() for array in state["slots"][0])


# Losses and metrics in Python that misbehave


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (1.0, TypeError, r"loss returned a float, expected \(value, gradient\)"),
        ((1.0,), TypeError, "loss returned a tuple"),
        ((1.0, np.zeros(3)), ValueError, r"gradient of shape \(3,\), expected \(23, 3\)"),
        ((np.zeros(2), np.zeros((ROWS, N_OUT))), TypeError, "loss returned the value"),
        (("1", np.zeros((ROWS, N_OUT))), TypeError, "loss returned the value '1'"),
        ((1.0, np.zeros((ROWS, N_OUT), complex)), TypeError, "gradient of complex128"),
    ],
)
def test_what_a_loss_returns_is_checked(data, result, error, message):
    net = network()
    net.compile("sgd", lambda y_true, y_pred: result)
    before = net.get_weights()
    with pytest.raises(error, match=message):
        net.fit(*data, batch_size=None)
    assert_same_bits(net.get_weights(), before, zeros=True)


@pytest.mark.parametrize(("value", "gradient"), [(np.nan, 0.0), (np.inf, 0.0), (1.0, np.nan), (1.0, -np.inf)])
def test_a_loss_in_python_must_be_finite(data, value, gradient):
    calls = []

    def loss(y_true, y_pred):
        calls.append(len(y_pred))
        return (value, np.full_like(y_pred, gradient)) if len(calls) == 3 else mse(y_true[:, None], y_pred)

    net = network("mse", "adam")
    net.compile("adam", loss)
    seen = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(net.get_weights()))
    with pytest.raises(
        FloatingPointError, match="^training diverged in epoch 1: the loss of batch 2 is not finite; "
    ):
        net.fit(*data, batch_size=5, callbacks=[watch])
    assert net.plan.step == len(seen) == 2 and len(calls) == 3
    assert_same_bits(net.get_weights(), seen[1])


@pytest.mark.parametrize("value", ["high", None, np.zeros(2)])
def test_what_a_metric_returns_is_checked(data, value):
    def odd(y_true, y_pred):
        return value

    net = network()
    net.compile("sgd", metrics=[odd])
    with pytest.raises(TypeError, match="^metric 'odd' returned a .*, expected a number$"):
        net.evaluate(*data)


# Bad arguments: one sentence that names them, and nothing changes

X0, Y0 = np.random.default_rng(1).normal(size=(ROWS, N_IN)), np.arange(ROWS) % N_OUT


def with_value(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[7] = value
    return array


def assert_refused(net, error, name, X, y, **options):
    """fit raises one sentence about the argument; weights, optimizer and epochs are as before."""
    before, state, epochs, loss = net.get_weights(), net.plan.get_state(), net.epochs_done, net.plan.loss
    calls = []
    if "callbacks" not in options:
        options["callbacks"] = [LambdaCallback(on_epoch_begin=lambda epoch, logs: calls.append(epoch))]
    with pytest.raises(error) as caught:
        net.fit(X, y, **options)
    message = str(caught.value)
    assert message.startswith(name), message
    assert "expected" in message or "cannot hold" in message, message
    assert "\n" not in message and not message.endswith(".") and len(message) < 200
    assert_same_bits(net.get_weights(), before)
    assert_same_bits(net.plan.get_state()["slots"], state["slots"])
    now = net.plan.get_state()
    assert (now["step"], now["beta_powers"], net.epochs_done, net.plan.loss, calls) == (
        state["step"], state["beta_powers"], epochs, loss, [],
    )  # fmt: skip
    net.fit(X0, np.eye(N_OUT)[Y0] if loss != "sparse_categorical_crossentropy" else Y0)  # the flag is free


def trained(loss="sparse_categorical_crossentropy", y=Y0):
    net = network(loss, "adam", "float32")
    net.fit(X0, y, epochs=2)
    return net


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"epochs": -1}, ValueError, "epochs is -1"),
        ({"epochs": 2.5}, TypeError, "epochs is 2.5"),
        ({"epochs": True}, TypeError, "epochs is True"),
        ({"epochs": None}, TypeError, "epochs is None"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"batch_size": -1}, ValueError, "batch_size is -1"),
        ({"batch_size": 2.0}, TypeError, "batch_size is 2.0"),
        ({"batch_size": "32"}, TypeError, "batch_size is '32'"),
        ({"validation_split": 1.0}, ValueError, "validation_split is 1"),
        ({"validation_split": -0.1}, ValueError, "validation_split is -0.1"),
        ({"validation_split": np.nan}, ValueError, "validation_split is nan"),
        ({"validation_split": "0.2"}, TypeError, "validation_split is '0.2'"),
        ({"validation_split": 0.99}, ValueError, "validation_split is 0.99 of 23 rows"),
        ({"validation_split": 0.2, "validation_data": (X0, Y0)}, ValueError, "validation_split is 0.2"),
        ({"validation_data": 5}, TypeError, "validation_data is a int"),
        ({"validation_data": X0}, TypeError, "validation_data is a ndarray"),
        ({"validation_data": (X0,)}, ValueError, "validation_data has 1 elements"),
        ({"validation_data": (X0, Y0, None, None)}, ValueError, "validation_data has 4 elements"),
        ({"validation_data": (X0[:, 1:], Y0)}, ValueError, "validation_data X has shape (23, 4)"),
        ({"validation_data": (with_value(X0, np.nan), Y0)}, ValueError, "validation_data X contains nan"),
        ({"validation_data": (X0, Y0[:5])}, ValueError, "validation_data y has 5 rows"),
        ({"validation_data": (X0, Y0 + 1)}, ValueError, "validation_data y contains 3 at row 2"),
        ({"validation_data": (X0, Y0, Y0 - 1)}, ValueError, "validation_data sample_weight contains -1"),
        ({"callbacks": 5}, TypeError, "callbacks is a int"),
        ({"callbacks": [5]}, TypeError, "callbacks holds a int"),
        ({"callbacks": "stop"}, TypeError, "callbacks holds a str"),
        ({"callbacks": [Callback]}, TypeError, "callbacks holds a type"),
        ({"sample_weight": np.ones(5)}, ValueError, "sample_weight has shape (5,)"),
        ({"sample_weight": np.ones((ROWS, 2))}, ValueError, "sample_weight has shape (23, 2)"),
        ({"sample_weight": -np.ones(ROWS)}, ValueError, "sample_weight contains -1 at row 0"),
        ({"sample_weight": with_value(np.ones(ROWS), np.inf)}, ValueError, "sample_weight contains inf"),
        ({"sample_weight": ["1"] * ROWS}, TypeError, "sample_weight holds strings"),
        ({"class_weight": [1, 2, 3]}, TypeError, "class_weight is a list"),
        ({"class_weight": {3: 1.0}}, ValueError, "class_weight has the class 3"),
        ({"class_weight": {-1: 1.0}}, ValueError, "class_weight has the class -1"),
        ({"class_weight": {"a": 1.0}}, ValueError, "class_weight has the class 'a'"),
        ({"class_weight": {0: -1.0}}, ValueError, "class_weight of class 0 is -1"),
        ({"class_weight": {0: np.nan}}, ValueError, "class_weight of class 0 is nan"),
        ({"class_weight": {0: "2"}}, TypeError, "class_weight of class 0 is '2'"),
        (
            {"class_weight": {0: 1e30}, "sample_weight": 1e30 * np.ones(ROWS)},
            ValueError,
            "sample_weight times",
        ),
        ({"shuffle": 1}, TypeError, "shuffle is 1"),
        ({"verbose": 7}, ValueError, "verbose is 7"),
        ({"verbose": -1}, ValueError, "verbose is -1"),
        ({"verbose": "loud"}, ValueError, "verbose is 'loud'"),
        ({"verbose": None}, ValueError, "verbose is None"),
        ({"verbose": 1.5}, ValueError, "verbose is 1.5"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"threads": 1.5}, TypeError, "threads is 1.5"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_options_change_nothing(options, error, name):
    assert_refused(trained(), error, name, X0, Y0, **options)


@pytest.mark.parametrize(
    ("X", "error", "name"),
    [
        (with_value(X0, np.nan), ValueError, "X contains nan at row 1, column 2"),
        (with_value(X0, -np.inf), ValueError, "X contains -inf at row 1, column 2"),
        (
            with_value(X0, 1e300),
            ValueError,
            "X contains 1e+300 at row 1, column 2, which float32 cannot hold",
        ),
        (X0[:, 1:], ValueError, "X has shape (23, 4), expected (rows, 5)"),
        (X0[0], ValueError, "X has shape (5,)"),
        (X0[:, None], ValueError, "X has shape (23, 1, 5)"),
        (X0[:0], ValueError, "X is empty"),
        (X0 + 0j, TypeError, "X holds complex numbers"),
        (X0.astype(str), TypeError, "X holds strings"),
        (None, TypeError, "X holds None"),
        ([[1.0] * 5, [1.0] * 4], ValueError, "X has rows of different lengths"),
    ],
)
def test_bad_inputs_change_nothing(X, error, name):
    assert_refused(trained(), error, name, X, Y0)


@pytest.mark.parametrize(
    ("loss", "y", "error", "name"),
    [
        ("sparse_categorical_crossentropy", Y0[:5], ValueError, "y has 5 rows, expected 23"),
        (
            "sparse_categorical_crossentropy",
            Y0 + 1,
            ValueError,
            "y contains 3 at row 2, expected classes 0 to 2",
        ),
        ("sparse_categorical_crossentropy", Y0 - 1, ValueError, "y contains -1 at row 0"),
        ("sparse_categorical_crossentropy", Y0 + 0.5, ValueError, "y contains 0.5 at row 0, expected whole"),
        ("sparse_categorical_crossentropy", with_value(Y0, np.nan), ValueError, "y contains nan at row 7"),
        ("sparse_categorical_crossentropy", np.eye(N_OUT)[Y0], ValueError, "y has shape (23, 3)"),
        ("sparse_categorical_crossentropy", Y0.astype(str), TypeError, "y holds strings"),
        ("sparse_categorical_crossentropy", 1, ValueError, "y is a single number"),
        ("categorical_crossentropy", Y0, ValueError, "y has shape (23,), expected (23, 3)"),
        ("categorical_crossentropy", 2 * np.eye(N_OUT)[Y0], ValueError, "y row 0 sums to 2"),
        ("categorical_crossentropy", np.eye(N_OUT)[Y0] * 3 - 2 / 3, ValueError, "y contains -0.666667"),
        (
            "binary_crossentropy",
            2 * np.eye(N_OUT)[Y0],
            ValueError,
            "y contains 2 at row 0, column 0, expected 0 to 1",
        ),
        ("binary_crossentropy", Y0, ValueError, "y has shape (23,), expected (23, 3)"),
        ("poisson", -np.eye(N_OUT)[Y0], ValueError, "y contains -1"),
        ("mse", with_value(np.eye(N_OUT)[Y0], np.nan), ValueError, "y contains nan at row 2, column 1"),
        ("mse", np.eye(N_OUT)[Y0, :2], ValueError, "y has shape (23, 2), expected (23, 3)"),
        ("mse", Y0[:, None], ValueError, "y has shape (23, 1), expected (23, 3)"),
    ],
)
def test_bad_targets_change_nothing(loss, y, error, name):
    right = Y0 if loss == "sparse_categorical_crossentropy" else np.eye(N_OUT)[Y0]
    assert_refused(trained(loss, right), error, name, X0, y)


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
def test_class_weights_need_one_class_a_row(loss):
    y = np.eye(N_OUT)[Y0]
    assert_refused(
        trained(loss, y), ValueError, "class_weight came with the loss", X0, y, class_weight={0: 2.0}
    )


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": np.ones(ROWS)},
        {"class_weight": {0: 2.0}},
        {"validation_data": (X0, np.eye(N_OUT)[Y0], np.ones(ROWS))},
    ],
)
def test_a_loss_in_python_takes_no_weights(options):
    net = network("mse", "adam", "float32")
    net.compile("adam", mse)
    net.fit(X0, np.eye(N_OUT)[Y0])
    assert_refused(net, ValueError, "sample_weight or class_weight", X0, np.eye(N_OUT)[Y0], **options)


def test_a_refused_fit_does_not_choose_a_loss():
    """Without a loss of its own a network takes the one that fits y; what was refused did not count."""
    net = Network([N_IN, N_OUT], output="softmax", dtype="float64", seed=5)
    net.compile("adam")
    net.fit(X0, Y0, epochs=2)
    other = copy.deepcopy(net)
    with pytest.raises(ValueError, match="^y row 0 sums to 2"):
        net.fit(X0, 2 * np.eye(N_OUT)[Y0])
    for each in (net, other):
        each.fit(X0, Y0)
    assert_same_bits(net.get_weights(), other.get_weights())
