"""Hooks: their order, what they hear and may do."""

import numpy as np
import pytest

import fastmlp
from fastmlp import Network, optimizers, schedules
from fastmlp.callbacks import (
    Callback,
    History,
    LambdaCallback,
)
from helpers import assert_same_bits
from refusals import assert_refused
from scripts import HOOKS, network, scripted


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


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("on_batch_begin", "expected on_train_batch_begin"),
        ("on_batch_end", "expected on_train_batch_end"),
        ("on_test_begin", "expected a hook of fit, the one call that has any"),
        ("on_predict_batch_end", "expected a hook of fit, the one call that has any"),
        ("set_model", "expected on_train_begin, which has self.network"),
    ],
)
def test_hooks_of_keras_that_nothing_calls_are_refused(data, hook, expected):
    own = type("Own", (Callback,), {hook: lambda self, *arguments: None})()
    net = network()
    message = f"^callbacks holds a Own with {hook}, which is not called, {expected}$"
    assert_refused(lambda: net.fit(*data, callbacks=[own]), TypeError, message, net)


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


@pytest.mark.parametrize(
    ("hook", "epochs", "steps"),
    [("on_epoch_end", [0], 5), ("on_epoch_begin", [0], 5), ("on_train_batch_end", [], 1)],
)
def test_stop_training_ends_after_the_epoch_or_the_batch(data, hook, epochs, steps):
    net, ends = network(), []

    def stop(number, logs):
        net.stop_training = True

    end = LambdaCallback(**{hook: stop}, on_train_end=lambda logs: ends.append(logs))
    history = net.fit(*data, epochs=9, batch_size=4, callbacks=[end])
    assert history.epoch == epochs and net.plan.step == steps and len(ends) == 1
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
