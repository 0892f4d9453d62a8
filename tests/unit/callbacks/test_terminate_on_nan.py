"""`TerminateOnNaN`: a divergence ends the fit without an error, with finite weights."""

import numpy as np
import pytest

from fastmlp import optimizers
from fastmlp.callbacks import CSVLogger, EarlyStopping, LambdaCallback, TerminateOnNaN
from helpers import assert_same_bits
from scripts import network


def fit_that_diverges(data, callbacks, *, epochs=6, metrics=None):
    """Epoch 3 leads beyond the finite numbers; network, history and the weights of each epoch's end."""
    net, ends = network(metrics=metrics), []

    def begin(epoch, logs):
        net.optimizer = optimizers.SGD(0.3 if epoch != 3 else 1e308)

    spy = LambdaCallback(on_epoch_begin=begin, on_epoch_end=lambda *_: ends.append(net.get_weights()))
    X, y = data
    with np.errstate(over="ignore", invalid="ignore"):
        history = net.fit(X * 10, y, epochs=epochs, batch_size=5, callbacks=[spy, *callbacks])
    return net, history, ends


def test_the_fit_ends_with_a_warning_and_finite_weights(data, tmp_path):
    stop = TerminateOnNaN()
    with pytest.warns(RuntimeWarning, match="^training diverged in epoch 4: .*the last finite ones"):
        net, history, ends = fit_that_diverges(data, [stop, CSVLogger(tmp_path / "log.csv")])
    assert history.epoch == [0, 1, 2] and stop.stopped_epoch == 3 and not history.interrupted
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    assert all(np.isfinite(array).all() for array in net.get_weights())
    net.set_weights(ends[0])
    net.fit(*data)  # the network is free
    with pytest.raises(FloatingPointError, match="^training diverged in epoch 4"):
        fit_that_diverges(data, [])


def test_the_best_weights_come_back(data):
    with pytest.warns(RuntimeWarning, match="^training diverged"):
        best = EarlyStopping("loss", patience=9, restore_best_weights=True)
        net, history, ends = fit_that_diverges(data, [TerminateOnNaN(), best])
    assert_same_bits(net.get_weights(), ends[int(np.argmin(history.history["loss"]))])


def test_every_callback_hears_of_it(data):
    heard = []
    spy = LambdaCallback(on_divergence=lambda epoch, message: heard.append((epoch, message[:17])))
    with pytest.warns(RuntimeWarning, match="^training diverged"):
        fit_that_diverges(data, [TerminateOnNaN(), spy])
    with pytest.raises(FloatingPointError, match="^training diverged"):
        fit_that_diverges(data, [spy])  # which does not take it
    assert heard == [(3, "training diverged")] * 2


def test_an_error_of_a_callback_stays_one(data):
    def fail(epoch, logs):
        raise FloatingPointError("mine")

    with pytest.raises(FloatingPointError, match="^mine$"):
        network().fit(*data, callbacks=[TerminateOnNaN(), LambdaCallback(on_epoch_end=fail)])


def test_a_held_out_loss_that_is_not_finite_ends_the_fit(data):
    def spoil(epoch, logs):
        if epoch == 1:
            logs["val_loss"] = float("inf")

    stop, spy = TerminateOnNaN(), LambdaCallback(on_epoch_end=spoil)
    with pytest.warns(RuntimeWarning, match="^val_loss is inf in epoch 2; training ends$"):
        history = network().fit(*data, epochs=5, validation_data=data, callbacks=[spy, stop])
    assert history.epoch == [0, 1] and stop.stopped_epoch == 1
