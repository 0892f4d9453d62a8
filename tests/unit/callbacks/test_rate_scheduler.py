"""`LearningRateScheduler`: the rates that the steps are made with."""

import functools

import pytest

from fastmlp import optimizers, schedules
from fastmlp.callbacks import LearningRateScheduler
from helpers import assert_same_bits
from scripts import network

RATES = [0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda epoch: RATES[epoch],
        lambda epoch, rate: rate / 2 if epoch else 0.5,
        functools.partial(lambda start, epoch, rate: start / 2**epoch, 0.5),
    ],
)
def test_the_rates_reach_the_weights(data, schedule):
    scheduled, by_hand = (network(optimizers.SGD(7.0, momentum=0.5)) for _ in range(2))
    history = scheduled.fit(*data, epochs=3, batch_size=8, callbacks=[LearningRateScheduler(schedule)])
    for rate in RATES:
        by_hand.learning_rate = rate
        by_hand.fit(*data, batch_size=8)
    assert history.history["learning_rate"] == RATES and scheduled.learning_rate == 0.125
    assert_same_bits(scheduled.get_weights(), by_hand.get_weights())


def test_each_rate_may_be_printed(data, capsys):
    network().fit(*data, epochs=2, callbacks=[LearningRateScheduler(lambda epoch: 0.5**epoch, verbose=1)])
    assert capsys.readouterr().out == "epoch 1: learning rate 1\nepoch 2: learning rate 0.5\n"


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (-1.0, ValueError, "^the schedule's learning rate of epoch 0 is -1, expected a finite number at"),
        ("0.1", TypeError, "^the schedule's learning rate of epoch 0 is '0.1', expected a number$"),
        (None, TypeError, "^the schedule's learning rate of epoch 0 is None, expected a number$"),
    ],
)
def test_what_is_no_rate_is_refused(data, rate, error, message):
    net = network()
    with pytest.raises(error, match=message):
        net.fit(*data, callbacks=[LearningRateScheduler(lambda epoch: rate)])
    assert net.plan.step == 0


def test_an_error_inside_the_schedule_is_its_own(data):
    def wrong(epoch, rate):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="^mine$"):
        network().fit(*data, callbacks=[LearningRateScheduler(wrong)])


def test_a_schedule_is_not_replaced(data):
    net = network(optimizers.SGD(schedules.StepDecay(0.1)))
    with pytest.raises(ValueError, match="^learning_rate is a schedule, LearningRateScheduler expects a n"):
        net.fit(*data, callbacks=[LearningRateScheduler(lambda epoch: 0.1)])
    with pytest.raises(TypeError, match="^schedule is 0.1, expected a function$"):
        LearningRateScheduler(0.1)
    with pytest.raises(ValueError, match="^verbose is 2, expected 0 or 1$"):
        LearningRateScheduler(lambda epoch: 0.1, verbose=2)
