"""`EarlyStopping`, by the rules of Keras 3."""

import numpy as np
import pytest

from fastmlp.callbacks import (
    EarlyStopping,
    LambdaCallback,
)
from helpers import assert_same_bits
from scripts import Script, network, scripted


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
