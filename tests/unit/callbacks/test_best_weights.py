"""The weights that a number belongs to: by hand, from weights written down as epochs begin and end."""

import numpy as np
import pytest

import fastmlp
from fastmlp import optimizers
from fastmlp.callbacks import (
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
)
from helpers import assert_same_bits
from scripts import network


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
