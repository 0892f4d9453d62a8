"""What ends a fit: errors, divergence, Ctrl-C, and what callbacks then hear."""

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fastmlp.callbacks import (
    Callback,
    EarlyStopping,
    LambdaCallback,
)
from helpers import assert_same_bits
from scripts import Script, network


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
