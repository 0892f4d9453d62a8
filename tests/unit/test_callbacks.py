"""Callbacks: the order of hooks, early stopping, checkpoints, falling learning rates."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Network, optimizers, schedules
from fastmlp.callbacks import (
    Callback,
    EarlyStopping,
    History,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from helpers import assert_same_bits

ROWS = 20
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, 4)), rng.integers(0, 3, ROWS)


def network(optimizer="sgd", metrics=None):
    net = Network([4, 6, 3], activation="tanh", output="softmax", dtype="float64", seed=2)
    net.compile(optimizer, metrics=metrics)
    return net


class Script(Callback):
    """Gives each epoch the number a test wants, under the name that another callback watches."""

    def __init__(self, values, name="script"):
        self.values, self.name = values, name

    def on_train_begin(self, logs):
        self.params["metrics"].append(self.name)

    def on_epoch_end(self, epoch, logs):
        logs[self.name] = self.values[epoch]


def scripted(data, callback, values, *, net=None, **options):
    """A fit of as many epochs as there are values; the history, and the weights after each epoch."""
    net = net or network()
    weights = []
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    callbacks = [Script(values), spy, callback]
    return net.fit(*data, epochs=len(values), callbacks=callbacks, **options), weights, net


# Hooks


class Recorder(Callback):
    """Writes down every call it hears."""

    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name in HOOKS:
            return lambda *arguments: self.calls.append((name, *arguments[:-1], sorted(arguments[-1])))
        return super().__getattribute__(name)


class BatchRecorder(Recorder):
    def on_train_batch_begin(self, batch, logs): ...


def test_hooks_come_in_order(data):
    recorder = BatchRecorder()
    net = network()
    net.fit(*data, epochs=2, batch_size=8, validation_data=data, callbacks=[recorder])
    numbers, epoch_numbers = ["accuracy", "loss"], ["accuracy", "loss", "val_accuracy", "val_loss"]
    expected = [("on_train_begin", [])]
    for epoch in range(2):
        expected.append(("on_epoch_begin", epoch, []))
        for batch in range(3):
            expected += [("on_train_batch_begin", batch, []), ("on_train_batch_end", batch, numbers)]
        expected.append(("on_epoch_end", epoch, epoch_numbers))
    assert recorder.calls == [*expected, ("on_train_end", epoch_numbers)]
    assert recorder.network is net
    assert (
        recorder.params["epochs"] == 2
        and recorder.params["steps"] == 3
        and recorder.params["batch_size"] == 8
    )
    assert recorder.params["metrics"] == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_callbacks_are_called_in_their_order(data):
    order = []
    net = network()
    callbacks = [LambdaCallback(on_epoch_end=lambda *_, name=name: order.append(name)) for name in "abc"]
    net.fit(*data, epochs=2, callbacks=iter(callbacks))
    assert order == list("abcabc")
    net.fit(*data, callbacks=callbacks[1])  # one alone is welcome
    assert order[6:] == ["b"]


@pytest.mark.parametrize("python_loss", [False, True])
@pytest.mark.parametrize("shape", [(4, 6, 3), (400, 80, 3)])
def test_every_batch_is_heard_and_changes_nothing(rng, shape, python_loss):
    """A network of many weights is where a slice of time would hold several batches."""

    def loss(y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2), 2 * (y_pred - y_true) / y_true.size

    X, y = rng.normal(size=(200, shape[0])), rng.normal(size=(200, 3))
    heard, watched, unwatched = [], Network(shape, seed=2), Network(shape, seed=2)
    for net in (watched, unwatched):
        net.compile(optimizers.SGD(0.01), loss if python_loss else "mse")
    spy = LambdaCallback(
        on_train_batch_end=lambda batch, logs: heard.append((batch, watched.plan.step, logs["loss"]))
    )
    history = watched.fit(X, y, epochs=2, batch_size=48, callbacks=[spy])
    assert unwatched.fit(X, y, epochs=2, batch_size=48).history == history.history
    assert_same_bits(watched.get_weights(), unwatched.get_weights())
    assert [batch for batch, _, _ in heard] == [0, 1, 2, 3, 4] * 2
    assert [step for _, step, _ in heard] == list(range(1, 11))
    rows = np.array([48, 48, 48, 48, 8] * 2)
    means = (rows * [loss for _, _, loss in heard]).reshape(2, 5).sum(axis=1) / 200
    assert np.allclose(means, history.history["loss"], rtol=1e-12, atol=0) and means.min() > 0.1


def test_watched_batches_keep_their_own_rates_and_loss(data):
    """A schedule moves by the batch; a hook that evaluates other targets does not change the loss of fit."""
    X, y = data

    def look(batch, logs):
        seen.append(watched.evaluate(X, np.eye(3)[y])["loss"])

    seen, watched, unwatched = [], *(Network([X.shape[1], 8, 3], output="softmax", seed=2) for _ in range(2))
    for net in (watched, unwatched):
        net.compile(optimizers.SGD(schedules.ExponentialDecay(0.5, factor=0.5, every=2)))
    watched.fit(X, y, epochs=2, batch_size=6, callbacks=[LambdaCallback(on_train_batch_end=look)])
    unwatched.fit(X, y, epochs=2, batch_size=6)
    assert len(seen) == watched.plan.step == 2 * -(-len(X) // 6)
    assert_same_bits(watched.get_weights(), unwatched.get_weights())


def test_a_hook_may_look_at_the_network_and_set_its_weights(data, tmp_path):
    net, seen = network("adam"), []
    start = net.get_weights()

    def look(epoch, logs):
        seen.append(net.evaluate(data[0], np.eye(3)[data[1]])["loss"])  # targets of another form than fit's
        net.predict(data[0])
        net.save(tmp_path / "net.npz", include_optimizer=True)
        net.set_weights(start)

    net.fit(*data, epochs=3, callbacks=[LambdaCallback(on_epoch_end=look)])
    assert len(seen) == 3 and all(np.isfinite(seen))
    assert_same_bits(net.get_weights(), start, zeros=True)
    assert fastmlp.load(tmp_path / "net.npz").plan.step == 3


def test_stop_training_ends_after_the_epoch(data):
    net, ends = network(), []

    def stop(batch, logs):
        net.stop_training = True

    end = LambdaCallback(on_train_batch_end=stop, on_train_end=lambda logs: ends.append(logs))
    history = net.fit(*data, epochs=9, batch_size=4, callbacks=[end])
    assert history.epoch == [0] and net.plan.step == 5 and len(ends) == 1
    assert net.fit(*data, epochs=2).epoch == [0, 1]  # the flag does not outlive its fit


def test_an_exception_in_a_hook_frees_the_network(data):
    def fail(epoch, logs):
        raise RuntimeError("mine")

    net = network()
    with pytest.raises(RuntimeError, match="mine"):
        net.fit(*data, callbacks=[LambdaCallback(on_epoch_begin=fail)])
    net.fit(*data)


def test_lambda_callback(data):
    calls = []
    callback = LambdaCallback(
        on_train_begin=lambda logs: calls.append("begin"),
        on_epoch_begin=lambda epoch, logs: calls.append(epoch),
        on_epoch_end=lambda epoch, logs: calls.append(sorted(logs)),
        on_train_end=lambda logs: calls.append("end"),
    )
    network().fit(*data, epochs=2, callbacks=[callback])
    assert calls == ["begin", 0, ["accuracy", "loss"], 1, ["accuracy", "loss"], "end"]


def test_numbers_of_a_callback_are_recorded(data):
    history, _, _ = scripted(data, Callback(), [3.0, 2.0])
    assert history.history["script"] == [3.0, 2.0] and list(history.history)[0] == "loss"


def test_history_keeps_what_is_complete():
    history = History()
    history.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5})
    history.epoch.append(1)
    history.history["loss"].append(0.5)  # Ctrl-C came here
    history.end_interrupted()
    assert history.interrupted
    assert (history.epoch, history.history) == ([0], {"loss": [1.0], "accuracy": [0.5]})


# EarlyStopping: the rules of Keras 3


@pytest.mark.parametrize(
    ("options", "values", "epochs", "best_epoch"),
    [
        ({}, [5, 4, 3, 3, 1], 4, 2),  # no better is worse: patience 0 ends at once
        ({"patience": 1}, [5, 4, 3, 3, 1], 4, 2),
        ({"patience": 2}, [5, 4, 4, 3, 3, 3, 1], 6, 3),
        ({"patience": 3}, [5, 6, 7, 4, 5, 6, 7, 0], 7, 3),
        ({"patience": 3}, [5, 6, 7, 4, 5, 6, 3, 3], 8, 6),  # never three in a row
        ({"min_delta": 0.5, "patience": 2}, [5, 4.75, 4.5, 9], 3, 0),  # two small steps do not add up
        ({"min_delta": 0.5, "patience": 2}, [5, 4.25, 3.5, 9], 4, 2),
        ({"mode": "max"}, [1, 2, 3, 3, 9], 4, 2),
        ({"mode": "max", "min_delta": 1, "patience": 1}, [1, 2, 9], 2, 0),
        ({"mode": "max"}, [-3, -2, -2.5, -1], 3, 1),
        ({"baseline": 3.0, "patience": 3}, [5, 4, 3, 1], 3, 2),
        ({"baseline": 3.0, "patience": 3}, [5, 4, 2, 3, 3, 3, 1], 6, 2),
        ({"start_from_epoch": 3}, [1, 2, 3, 4, 3, 3, 1], 6, 4),
        ({"patience": 2}, [5, np.nan, np.nan, 1], 3, 0),
    ],
)
def test_early_stopping(data, options, values, epochs, best_epoch):
    stop = EarlyStopping("script", **{"mode": "min", **options})
    history, _, _ = scripted(data, stop, values)
    assert len(history.epoch) == epochs
    assert stop.best_epoch == best_epoch and stop.best == values[best_epoch]
    assert stop.stopped_epoch == (epochs - 1 if epochs < len(values) else -1)


@pytest.mark.parametrize("values", [[5, 3, 4, 4, 4], [5, 4, 3], [1, 2, 3]])
@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_come_back_exactly(data, values, restore):
    stop = EarlyStopping("script", mode="min", patience=2, restore_best_weights=restore)
    history, weights, net = scripted(data, stop, values)
    best = int(np.argmin(values[: len(history.epoch)]))
    assert stop.best_epoch == best
    assert_same_bits(net.get_weights(), weights[best if restore else -1])


def test_the_best_weights_come_back_after_an_interrupt(data):
    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    weights, net = [], network()
    callbacks = [
        Script([5, 3, 4, 4]),
        LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights())),
        EarlyStopping("script", mode="min", patience=3, restore_best_weights=True),
        LambdaCallback(on_epoch_begin=interrupt),
    ]
    assert net.fit(*data, epochs=4, callbacks=callbacks).interrupted
    assert len(weights) == 2
    assert_same_bits(net.get_weights(), weights[1])


def test_early_stopping_begins_anew(data):
    stop = EarlyStopping("script", mode="min", patience=2, restore_best_weights=True)
    _, _, net = scripted(data, stop, [1, 2, 3])
    history, weights, _ = scripted(data, stop, [9, 8, 9, 9, 9], net=net)
    assert len(history.epoch) == 4 and stop.best == 8
    assert_same_bits(net.get_weights(), weights[1])


@pytest.mark.parametrize(
    ("monitor", "values", "epochs"),
    [
        ("val_accuracy", [0.5, 0.6, 0.6], 3),
        ("my_error", [3, 2, 2], 3),
        ("val_loss", [1, 2], 2),
        ("accuracy", [2, 1], 2),
    ],
)
def test_auto_knows_which_way_is_better(data, monitor, values, epochs):
    stop = EarlyStopping(monitor)
    net = network(metrics=[])
    net.fit(*data, epochs=9, callbacks=[Script([*values, *[values[-1]] * 9], monitor), stop])
    assert stop.stopped_epoch == epochs - 1


# ModelCheckpoint


def test_every_epoch_is_saved_under_its_name(data, tmp_path):
    path = tmp_path / "net-{epoch:03d}-{val_loss:.3f}.npz"
    net, weights = network(), []
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    history = net.fit(*data, epochs=3, validation_split=0.3, callbacks=[ModelCheckpoint(path), spy])
    losses = history.history["val_loss"]
    names = [f"net-{epoch:03d}-{loss:.3f}.npz" for epoch, loss in zip((1, 2, 3), losses, strict=True)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name, expected in zip(names, weights, strict=True):
        assert_same_bits(fastmlp.load(tmp_path / name).get_weights(), expected)


def test_folders_of_checkpoints_are_made(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = network()
    net.fit(*data, epochs=2, callbacks=[ModelCheckpoint("runs/{epoch}/net.npz"), ModelCheckpoint("net.npz")])
    for path in ("runs/2/net.npz", "net.npz"):
        assert_same_bits(fastmlp.load(path).get_weights(), net.get_weights())
    assert fastmlp.load("runs/1/net.npz").layer_sizes == net.layer_sizes


@pytest.mark.parametrize(("mode", "saved"), [("min", [0, 1, 4]), ("max", [0, 5])])
def test_only_the_best_is_saved(data, tmp_path, mode, saved):
    path = str(tmp_path / "net-{epoch}.npz")
    checkpoint = ModelCheckpoint(path, monitor="script", mode=mode, save_best_only=True)
    _, weights, _ = scripted(data, checkpoint, [5, 3, 4, 3, 2, 6])
    assert {path.name for path in tmp_path.iterdir()} == {f"net-{epoch + 1}.npz" for epoch in saved}
    for epoch in saved:
        assert_same_bits(fastmlp.load(path.format(epoch=epoch + 1)).get_weights(), weights[epoch])


def test_a_checkpoint_resumes(data, tmp_path):
    path = tmp_path / "net.npz"
    whole, net = network("adam"), network("adam")
    whole.fit(*data, epochs=5, batch_size=8)
    net.fit(*data, epochs=2, batch_size=8, callbacks=[ModelCheckpoint(path, include_optimizer=True)])
    resumed = fastmlp.load(path)
    resumed.fit(*data, epochs=3, batch_size=8)
    assert_same_bits(resumed.get_weights(), whole.get_weights())


# What ends a fit


class File(Callback):
    """Something to be closed; writes down when it is opened and closed, and with which logs."""

    def __init__(self):
        self.events = []

    def on_train_begin(self, logs):
        self.events.append("open")

    def on_train_end(self, logs):
        self.events.append(sorted(logs))


def raising(error, hook="on_epoch_end", call=3):
    """A callback that raises in a call of a hook."""
    calls = []

    def fail(number, logs):
        calls.append(number)
        if len(calls) > call:
            raise error

    return LambdaCallback(**{hook: fail})


def diverging(epoch, *, net):
    """A callback after which the loss of an epoch cannot be finite."""

    def jump(number, logs):
        if number == epoch:
            net.optimizer = optimizers.SGD(1e200)

    return LambdaCallback(on_epoch_begin=jump)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_batch_end"])
@pytest.mark.parametrize("error", [RuntimeError("mine"), FloatingPointError("mine"), SystemExit("mine")])
def test_an_error_restores_the_best_weights_and_closes(data, hook, error):
    net, weights, file = network(), [], File()
    stop = EarlyStopping("script", mode="min", patience=9, restore_best_weights=True)
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    with pytest.raises(type(error), match="mine"):
        net.fit(*data, epochs=5, callbacks=[Script([5, 3, 4, 6, 7]), spy, stop, file, raising(error, hook)])
    assert stop.best_epoch == 1
    assert_same_bits(net.get_weights(), weights[1])
    assert not np.array_equal(weights[1][0], weights[-1][0])
    assert file.events == ["open", ["accuracy", "loss", "script"]]
    net.fit(*data)  # the network is free


@pytest.mark.parametrize("batch_size", [5, None])
def test_a_divergence_restores_the_best_weights(rng, batch_size):
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    net = Network([3, 8, 1], seed=0, dtype="float64")
    net.compile(optimizers.SGD(0.05))
    stop = EarlyStopping("val_loss", patience=50, restore_best_weights=True)
    with pytest.raises(FloatingPointError, match="^training diverged in epoch"):
        net.fit(
            X, y, epochs=20, batch_size=batch_size, validation_data=(X[:9], y[:9]),
            callbacks=[diverging(4, net=net), stop, file := File()],
        )  # fmt: skip
    assert 0 <= stop.best_epoch <= 3 and file.events[0] == "open" and len(file.events) == 2
    assert net.evaluate(X[:9], y[:9])["loss"] == stop.best


def test_who_did_not_begin_is_not_ended(data):
    first, last = File(), File()
    begin = LambdaCallback(
        on_train_begin=lambda logs: 1 / 0, on_train_end=lambda logs: first.events.append(0)
    )
    with pytest.raises(ZeroDivisionError):
        network().fit(*data, callbacks=[first, begin, last])
    assert first.events == ["open", []] and last.events == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_all_are_ended_though_one_fails(data, interrupted):
    file = File()
    callbacks = [
        LambdaCallback(on_train_end=lambda logs: 1 / 0),
        LambdaCallback(on_train_end=lambda _: {}["a"]),
    ]
    callbacks += [file, *([raising(KeyboardInterrupt, call=1)] if interrupted else [])]
    with (
        pytest.warns(RuntimeWarning, match="^on_train_end of LambdaCallback failed after .* KeyError"),
        pytest.raises(ZeroDivisionError),
    ):
        network().fit(*data, epochs=3, callbacks=callbacks)
    assert len(file.events) == 2


def test_the_fits_error_is_the_one_that_is_raised(data):
    end = LambdaCallback(on_train_end=lambda logs: logs["loss"])
    with pytest.warns(RuntimeWarning, match="KeyError"), pytest.raises(RuntimeError, match="mine"):
        network().fit(*data, callbacks=[end, raising(RuntimeError("mine"), "on_epoch_begin", call=0)])


# The weights that a number belongs to: by hand, from weights written down as epochs begin and end


def watched(net, data, callback, *, batch_size, epochs=6):
    """A fit whose best loss is not the last one; the history, weights as epochs begin, as they end."""
    begins, ends = [], []

    def begin(epoch, logs):
        begins.append(net.get_weights())
        net.optimizer = optimizers.SGD(0.3 if epoch != 3 else 40.0)  # the step of epoch 3 spoils it

    spy = LambdaCallback(on_epoch_begin=begin, on_epoch_end=lambda *_: ends.append(net.get_weights()))
    history = net.fit(*data, epochs=epochs, batch_size=batch_size, shuffle=False, callbacks=[spy, callback])
    return history.history, begins, ends


@pytest.mark.parametrize("python_loss", [False, True])
@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_the_best_loss_of_one_batch_is_that_of_the_weights_it_began_with(data, monitor, python_loss):
    def loss(y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2), 2 * (y_pred - y_true) / y_true.size

    net = network()
    X, y = data
    if python_loss:
        net.compile("sgd", loss)
        y, monitor = np.eye(3)[y], "loss"
    stop = EarlyStopping(monitor, patience=9, restore_best_weights=True)
    history, begins, ends = watched(net, (X, y), stop, batch_size=None)
    pick = np.argmax if monitor == "accuracy" else np.argmin
    best = int(pick(history[monitor]))
    assert stop.best_epoch == best and stop.best == history[monitor][best]
    assert_same_bits(net.get_weights(), begins[best])
    assert net.evaluate(X, y)[monitor] == stop.best  # rows in their order: the same sum
    assert not np.array_equal(begins[best][0], ends[best][0])


def test_numbers_of_the_epochs_end_belong_to_its_weights(data):
    net = network()
    net.compile("sgd", metrics=["mse"])
    stop = EarlyStopping("mse", patience=9, restore_best_weights=True)
    history, begins, ends = watched(net, data, stop, batch_size=None)
    assert_same_bits(net.get_weights(), ends[int(np.argmin(history["mse"]))])
    assert net.evaluate(*data)["mse"] == stop.best


def test_the_loss_of_several_batches_counts_for_the_epochs_end(data):
    net = network()
    stop = EarlyStopping("loss", patience=9, restore_best_weights=True)
    history, begins, ends = watched(net, data, stop, batch_size=8)
    assert_same_bits(net.get_weights(), ends[int(np.argmin(history["loss"]))])


@pytest.mark.parametrize("include_optimizer", [False, True])
def test_the_best_checkpoint_has_the_weights_of_its_loss(data, include_optimizer, tmp_path):
    path = tmp_path / "best.npz"
    checkpoint = ModelCheckpoint(
        path, monitor="loss", save_best_only=True, include_optimizer=include_optimizer
    )
    net = network("adam")
    begins, states = [], []

    def begin(epoch, logs):
        begins.append(net.get_weights())
        states.append(net.plan.get_state())
        net.optimizer = optimizers.Adam(0.01 if epoch < 4 else 5.0)

    spy = LambdaCallback(on_epoch_begin=begin)
    history = net.fit(*data, epochs=7, batch_size=None, shuffle=False, callbacks=[checkpoint, spy]).history
    best = int(np.argmin(history["loss"]))
    assert 0 < best < 6
    saved = fastmlp.load(path)
    assert_same_bits(saved.get_weights(), begins[best])
    if not include_optimizer:
        assert saved.evaluate(*data)["loss"] == history["loss"][best]
        return
    assert saved.plan.step == best == states[best]["step"]
    for slot, expected in zip(saved.plan.get_state()["slots"], states[best]["slots"], strict=True):
        assert_same_bits(slot, expected)
    resumed = saved.fit(*data, batch_size=None, shuffle=False).history
    assert resumed["loss"] == [history["loss"][best]]


def test_every_checkpoint_has_the_weights_of_its_epochs_end(data, tmp_path):
    path = tmp_path / "net-{epoch}-{loss:.3f}.npz"
    net = network()
    _, _, ends = watched(net, data, ModelCheckpoint(path), batch_size=None, epochs=2)
    for name, expected in zip(sorted(tmp_path.iterdir()), ends, strict=True):
        assert_same_bits(fastmlp.load(name).get_weights(), expected)


# ReduceLROnPlateau: the rates of Keras


@pytest.mark.parametrize(
    ("options", "values", "rates"),
    [
        ({"patience": 2}, [5, 4, 4, 4, 4, 4, 3], [1, 1, 1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 1}, [5, 5, 5, 4, 4], [1, 1, 0.5, 0.25, 0.25]),
        ({"patience": 1, "cooldown": 2}, [5, 5, 5, 5, 5, 5], [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 2, "cooldown": 1}, [5, 5, 5, 5, 5, 5, 5], [1, 1, 1, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 1, "min_lr": 0.3}, [5, 5, 5, 5], [1, 1, 0.5, 0.3]),
        ({"patience": 1, "min_lr": 2.0}, [5, 5, 5, 5], [1, 1, 1, 1]),  # what is lower already is not raised
        ({"patience": 1, "factor": 0.1}, [5, 5, 5], [1, 1, 0.1]),
        ({"patience": 1, "min_delta": 1.0}, [5, 4.5, 4, 3.5], [1, 1, 0.5, 0.25]),
        ({"patience": 1}, [5, 5 - 1e-5, 5 - 2e-5], [1, 1, 0.5]),  # min_delta is 1e-4 by default
        ({"patience": 1, "mode": "max"}, [5, 6, 6, 7], [1, 1, 1, 0.5]),
    ],
)
def test_reduce_on_plateau(data, options, values, rates):
    reduce = ReduceLROnPlateau("script", **{"factor": 0.5, "mode": "min", **options})
    net = network(optimizers.SGD(1.0, momentum=0.5))
    history, _, _ = scripted(data, reduce, values, net=net)
    assert history.history["learning_rate"] == rates
    assert net.optimizer.momentum == 0.5 and net.optimizer.learning_rate <= rates[-1]


def test_reduce_on_plateau_begins_anew(data):
    reduce = ReduceLROnPlateau("script", factor=0.5, patience=2, cooldown=3, mode="min")
    _, _, net = scripted(data, reduce, [1, 2, 2, 2], net=network(optimizers.SGD(1.0)))
    history, _, _ = scripted(data, reduce, [5, 4, 4, 4, 3], net=net)
    assert history.history["learning_rate"] == [0.5, 0.5, 0.5, 0.5, 0.25]


def test_the_lower_rate_reaches_the_weights(data):
    reduced, by_hand = network(optimizers.SGD(1.0)), network(optimizers.SGD(1.0))
    scripted(data, ReduceLROnPlateau("script", factor=0.5, patience=1, mode="min"), [5, 5, 5], net=reduced)
    for rate in (1.0, 1.0, 0.5):
        by_hand.optimizer = optimizers.SGD(rate)
        by_hand.fit(*data)
    assert_same_bits(reduced.get_weights(), by_hand.get_weights())
    assert reduced.optimizer == optimizers.SGD(0.25)


# What does not fit is refused before anything is trained


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EarlyStopping(5), TypeError, "^monitor is 5"),
        (
            lambda: EarlyStopping("loss", mode="down"),
            ValueError,
            "^unknown mode 'down', expected one of auto, min, max$",
        ),
        (lambda: EarlyStopping("f1"), ValueError, "^mode is 'auto' for the monitor 'f1'"),
        (lambda: EarlyStopping(patience=-1), ValueError, "^patience is -1"),
        (lambda: EarlyStopping(patience=1.5), TypeError, "^patience is 1.5"),
        (lambda: EarlyStopping(min_delta=-1), ValueError, "^min_delta is -1"),
        (lambda: EarlyStopping(baseline="1"), TypeError, "^baseline is '1'"),
        (lambda: EarlyStopping(restore_best_weights=1), TypeError, "^restore_best_weights is 1"),
        (lambda: EarlyStopping(start_from_epoch=-1), ValueError, "^start_from_epoch is -1"),
        (lambda: ModelCheckpoint(5), TypeError, "^filepath is a int, expected a str or a path$"),
        (
            lambda: ModelCheckpoint("net.keras"),
            ValueError,
            "^filepath is 'net.keras', expected a name that ends with",
        ),
        (lambda: ModelCheckpoint("net.npz", save_best_only="yes"), TypeError, "^save_best_only is 'yes'"),
        (lambda: ModelCheckpoint("net.npz", include_optimizer=1), TypeError, "^include_optimizer is 1"),
        (lambda: ReduceLROnPlateau(factor=1.0), ValueError, "^factor is 1"),
        (lambda: ReduceLROnPlateau(factor=0.0), ValueError, "^factor is 0"),
        (lambda: ReduceLROnPlateau(patience=0), ValueError, "^patience is 0"),
        (lambda: ReduceLROnPlateau(cooldown=-1), ValueError, "^cooldown is -1"),
        (lambda: ReduceLROnPlateau(min_lr=-1), ValueError, "^min_lr is -1"),
        (
            lambda: LambdaCallback(on_epoch=print),
            ValueError,
            "^unknown hook 'on_epoch', expected one of .*on_epoch_end",
        ),
        (lambda: LambdaCallback(on_epoch_end=5), TypeError, "^on_epoch_end is a int, expected a function$"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            EarlyStopping(),
            "^monitor is 'val_loss', expected one of loss, accuracy; validation_split or validation_data",
        ),
        (EarlyStopping("lossy_loss"), "^monitor is 'lossy_loss', expected one of loss, accuracy$"),
        (
            ReduceLROnPlateau("val_loss"),
            "^monitor is 'val_loss', expected one of loss, accuracy; validation_split",
        ),
        (
            ModelCheckpoint("net.npz", save_best_only=True),
            "^monitor is 'val_loss', expected one of loss, accuracy;",
        ),
        (
            ModelCheckpoint("{val_loss}.npz"),
            "^filepath is '{val_loss}.npz', expected only the fields epoch, loss, accuracy",
        ),
        (ModelCheckpoint("{}.npz"), "^filepath is '{}.npz', expected only the fields epoch"),
        (ModelCheckpoint("{epoch:q}.npz"), "^filepath is '{epoch:q}.npz', expected only the fields epoch"),
    ],
)
def test_unknown_names_are_refused_before_the_first_epoch(data, callback, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = network("adam")
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        net.fit(*data, callbacks=[callback])
    assert_same_bits(net.get_weights(), before, zeros=True)
    assert net.plan.step == 0 and list(tmp_path.iterdir()) == []
    net.fit(*data)


def test_a_schedule_cannot_be_lowered(data):
    net = network(optimizers.SGD(schedules.StepDecay(0.1)))
    with pytest.raises(ValueError, match="^learning_rate is a schedule, ReduceLROnPlateau expects a number"):
        net.fit(*data, callbacks=[ReduceLROnPlateau("loss")])
    assert net.plan.step == 0
