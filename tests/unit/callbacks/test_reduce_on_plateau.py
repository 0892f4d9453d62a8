"""`ReduceLROnPlateau`: the rates of Keras."""

import pytest

from fastmlp import optimizers
from fastmlp.callbacks import (
    ReduceLROnPlateau,
)
from helpers import assert_same_bits
from scripts import network, scripted


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
