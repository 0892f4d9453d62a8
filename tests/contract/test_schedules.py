"""Schedules beside PyTorch's and Keras' at every step; rates, decays and dropout in training."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Dropout, Network, optimizers, reference, schedules
from fastmlp.callbacks import Callback
from fastmlp.schedules import (
    Constant,
    CosineDecay,
    CosineRestarts,
    CosLog4,
    ExponentialDecay,
    FlatCosine,
    FunctionOfStep,
    InverseScaling,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    StepDecay,
    Warmup,
)
from helpers import assert_close, assert_same_bits, run_of

STEPS = 120
RATE = 0.3

# Ours, PyTorch's class and its arguments; some end where PyTorch's goes on or refuses: so many steps.
TORCH = [
    (Constant(RATE), "ConstantLR", {"factor": 1.0}, STEPS),
    (StepDecay(RATE, 0.7, every=9), "StepLR", {"step_size": 9, "gamma": 0.7}, STEPS),
    (MultiStepDecay(RATE, [5, 30, 30, 80]), "MultiStepLR", {"milestones": [5, 30, 30, 80]}, STEPS),
    (ExponentialDecay(RATE, 0.9, every=1), "ExponentialLR", {"gamma": 0.9}, STEPS),
    (PolynomialDecay(RATE, 70), "PolynomialLR", {"total_iters": 70}, STEPS),
    (PolynomialDecay(RATE, 70, power=2.5), "PolynomialLR", {"total_iters": 70, "power": 2.5}, STEPS),
    (CosineDecay(RATE, 90, 0.01), "CosineAnnealingLR", {"T_max": 90, "eta_min": 0.01}, 91),
    (CosineRestarts(RATE, 17), "CosineAnnealingWarmRestarts", {"T_0": 17}, STEPS),
    (
        CosineRestarts(RATE, 9, stretch=2, minimum=0.02),
        "CosineAnnealingWarmRestarts",
        {"T_0": 9, "T_mult": 2, "eta_min": 0.02},
        STEPS,
    ),
    (OneCycle(RATE, STEPS), "OneCycleLR", {"max_lr": RATE, "total_steps": STEPS}, STEPS),
    (
        OneCycle(RATE, STEPS, climb=0.11, start_divisor=7, end_divisor=30, linear=True),
        "OneCycleLR",
        {
            "max_lr": RATE, "total_steps": STEPS, "pct_start": 0.11, "div_factor": 7, "final_div_factor": 30,
            "anneal_strategy": "linear",
        },
        STEPS,
    ),
    (Warmup(RATE, 20), "LinearLR", {"start_factor": 1 / 20, "total_iters": 19}, STEPS),
    (FunctionOfStep(lambda step: RATE / (1 + step)), "LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}, STEPS),
]  # fmt: skip

KERAS = [
    (ExponentialDecay(RATE, 0.8, every=7), "ExponentialDecay", (RATE, 7, 0.8)),
    (StepDecay(RATE, 0.8, every=7), "ExponentialDecay", (RATE, 7, 0.8, True)),
    (PolynomialDecay(RATE, 70, power=0.5, minimum=0.05), "PolynomialDecay", (RATE, 70, 0.05, 0.5)),
    (InverseScaling(RATE, power=1, every=8), "InverseTimeDecay", (RATE, 8, 1.0)),
    (CosineDecay(RATE, 90, 0.1 * RATE), "CosineDecay", (RATE, 90, 0.1)),
    (CosineRestarts(RATE, 9, stretch=2, factor=0.7), "CosineDecayRestarts", (RATE, 9, 2.0, 0.7)),
]

# Of every class an object.
ALL = {
    type(schedule): schedule
    for schedule in (
        *(row[0] for row in TORCH),
        *(row[0] for row in KERAS),
        CosLog4(RATE, 90),
        FlatCosine(RATE, 90, 0.3),
    )
}


def test_every_schedule_is_here():
    assert set(ALL) == {*schedules.SCHEDULES.values(), FunctionOfStep}


@pytest.mark.parametrize(("schedule", "peer", "arguments", "steps"), TORCH, ids=[case[1] for case in TORCH])
def test_rates_are_those_of_pytorch(schedule, peer, arguments, steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = getattr(torch.optim.lr_scheduler, peer)(optimizer, **arguments)
    expected = []
    for step in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    # PyTorch's chained forms multiply step by step, ours are closed
    np.testing.assert_allclose(schedule.values(0, steps), expected, rtol=1e-11, atol=1e-15)
    assert max(expected) > 0.25


@pytest.mark.parametrize(("schedule", "peer", "arguments"), KERAS, ids=[case[1] for case in KERAS])
def test_rates_are_those_of_keras(schedule, peer, arguments):
    keras = pytest.importorskip("keras")
    theirs = getattr(keras.optimizers.schedules, peer)(*arguments)
    expected = [float(theirs(step)) for step in range(STEPS)]  # float32
    np.testing.assert_allclose(schedule.values(0, STEPS), expected, rtol=2e-5, atol=1e-6)
    assert max(expected) > 0.25


def test_warmup_goes_before_any_schedule():
    for schedule in ALL.values():
        if isinstance(schedule, Warmup):
            continue
        rates = Warmup(schedule, 4).values(0, 30)
        np.testing.assert_allclose(rates[:4], schedule(0) * np.arange(1, 5) / 4, rtol=1e-15)
        assert_same_bits(rates[4:], schedule.values(0, 26))


def test_formulas_of_realmlp():
    t = np.arange(90) / 90
    waves = 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * t)))
    np.testing.assert_allclose(CosLog4(RATE, 90).values(0, 90), RATE * waves, rtol=0, atol=1e-14)
    flat = np.where(t < 0.5, 1, 0.5 * (1 + np.cos(np.pi * (2 * t - 1))))
    np.testing.assert_allclose(FlatCosine(RATE, 90).values(0, 90), RATE * flat, rtol=0, atol=1e-15)
    for schedule in (CosLog4(RATE, 90), FlatCosine(RATE, 90)):
        assert schedule.values(90, 3).tolist() == [0, 0, 0]


def test_inverse_scaling_is_scikit_learns():
    np.testing.assert_allclose(
        InverseScaling(RATE, 0.3).values(0, 50), RATE / np.arange(1, 51) ** 0.3, rtol=1e-14
    )


@pytest.mark.parametrize("schedule", ALL.values(), ids=lambda schedule: type(schedule).__name__)
def test_any_cut_has_the_same_bits_and_steps_are_checked(schedule):
    whole = schedule.values(0, STEPS)
    assert_same_bits(
        np.concatenate([schedule.values(a, b - a) for a, b in itertools.pairwise([0, 1, 7, 50, STEPS])]),
        whole,
    )
    assert [schedule(step) for step in range(STEPS)] == whole.tolist()
    assert np.isfinite(schedule(2**53 - 1)) and schedule.values(5, 0).shape == (0,)
    for step in (-1, 2**53, 2**63, 10**30):
        with pytest.raises(ValueError, match="step is"):
            schedule(step)
        with pytest.raises(ValueError, match="first_step is"):
            schedule.values(step, 1)


def _slow(step):
    return 0.1 / (1 + step)


@pytest.mark.parametrize("schedule", ALL.values(), ids=lambda schedule: type(schedule).__name__)
def test_schedules_of_rate_decay_and_dropout_are_saved(tmp_path, schedule):
    if isinstance(schedule, FunctionOfStep):
        schedule = FunctionOfStep(_slow)
    net = Network([3, Dropout(0.2), 2], seed=0)
    net.compile(optimizers.SGD(schedule, weight_decay=schedule), "mse", dropout_schedule=schedule)
    again = [pickle.loads(pickle.dumps(net)), copy.deepcopy(net)]
    if isinstance(schedule, FunctionOfStep):
        with pytest.raises(ValueError, match="learning_rate is a FunctionOfStep"):
            net.save(tmp_path / "net.npz", include_optimizer=True)
    else:
        net.save(tmp_path / "net.npz", include_optimizer=True)
        again.append(fastmlp.load(tmp_path / "net.npz"))
    for other in again:
        assert other.optimizer == net.optimizer and other.dropout_schedule == schedule
        assert other.learning_rate == schedule(0)


# In training


def twin_of(net):
    plan = reference.Plan(net.plan.n_in, net.plan.layers, dtype=net.dtype.name)
    plan.set_weights(net.get_weights())
    plan.compile(net.plan.loss, 0.0, net.optimizer.rule, net.optimizer.hyperparameters())
    return plan


@pytest.fixture
def data(rng):
    return rng.normal(size=(23, 5)), rng.normal(size=(23, 2))


def network(optimizer, loss="mse", dtype="float64", **more):
    net = Network([5, Dense(9, "tanh"), Dropout(0.4), 2], dtype=dtype, seed=3)
    net.compile(optimizer, loss, **more)
    return net


SCHEDULED = {
    "optimizer": optimizers.AdamW(CosineDecay(0.02, 20), weight_decay=FlatCosine(0.5, 12)),
    "dropout_schedule": FlatCosine(1.5, 10),
}


def test_decay_and_dropout_of_each_step_are_the_twins(data):
    X, y = data
    net = network(**SCHEDULED)
    plan = twin_of(net)
    run = run_of(plan, X, y, batch_size=6, seed=net.seed, shuffle=True)
    run.begin(
        net.optimizer.learning_rates(0, 20).reshape(5, 4),
        weight_decay=net.optimizer.weight_decay.values(0, 20).reshape(5, 4),
        dropout=net.dropout_schedule.values(0, 20).reshape(5, 4),
    )
    run.advance()
    net.fit(X, y, epochs=5, batch_size=6)
    assert_close(net.get_weights(), plan.get_weights(), 1e-10)
    for changed in (
        {"optimizer": optimizers.AdamW(CosineDecay(0.02, 20), weight_decay=0.5)},
        {"dropout_schedule": None},
    ):
        other = network(**{**SCHEDULED, **changed})
        other.fit(X, y, epochs=5, batch_size=6)
        assert np.abs(other.get_weights()[0] - net.get_weights()[0]).max() > 1e-4


TAKES = {
    "rate": lambda value: {"optimizer": optimizers.AdamW(value, weight_decay=0.5)},
    "decay": lambda value: {"optimizer": optimizers.AdamW(0.1, weight_decay=value)},
    "dropout": lambda value: {"optimizer": optimizers.AdamW(0.1), "dropout_schedule": value},
}


@pytest.mark.parametrize("what", TAKES)
@pytest.mark.parametrize("schedule", ALL.values(), ids=lambda schedule: type(schedule).__name__)
def test_rate_decay_and_dropout_take_every_schedule_and_any_function_of_the_step(data, schedule, what):
    X, y = data
    values = schedule.values(0, 40)
    given = {"rate": np.full(40, 0.1), "decay": np.full(40, 0.5), "dropout": np.ones(40), what: values}
    net = network(**TAKES[what](schedule))
    if what == "dropout":
        given["decay"] = np.full(40, net.optimizer.weight_decay)
    plan = twin_of(net)
    run = run_of(plan, X, y, batch_size=6, seed=net.seed, shuffle=True)
    shaped = {name: each.reshape(10, 4) for name, each in given.items()}
    run.begin(shaped["rate"], weight_decay=shaped["decay"], dropout=shaped["dropout"])
    run.advance()
    net.fit(X, y, epochs=10, batch_size=6)
    assert_close(net.get_weights(), plan.get_weights(), 1e-10)
    called = network(**TAKES[what](lambda step: float(values[step])))
    called.fit(X, y, epochs=10, batch_size=6)
    assert_same_bits(called.get_weights(), net.get_weights())
    begun = network(**TAKES[what](float(values[0])))
    begun.fit(X, y, epochs=10, batch_size=6)
    moved = np.abs(begun.get_weights()[0] - net.get_weights()[0]).max()
    assert moved > 1e-6 if np.ptp(values) else moved == 0


def test_schedules_have_the_same_bits_in_pieces_with_callbacks_and_losses_in_python(data, dtype):
    X, y = data[0].astype(dtype), data[1].astype(dtype)
    whole, pieces, watched = (network(**SCHEDULED, dtype=dtype.name) for _ in range(3))
    whole.fit(X, y, epochs=5, batch_size=6)
    for epochs in (2, 3):
        pieces.fit(X, y, epochs=epochs, batch_size=6)

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs):
            pass

    watched.fit(X, y, epochs=5, batch_size=6, callbacks=[Watch()])
    for other in (pieces, watched):
        assert_same_bits(other.get_weights(), whole.get_weights())
    python = network(**SCHEDULED, loss=fastmlp.functional.mse_loss_gradient, dtype=dtype.name)
    python.fit(X, y, epochs=5, batch_size=6)
    assert_close(python.get_weights(), whole.get_weights(), 1e-4 if dtype == np.float32 else 1e-10)


def test_dropout_of_factor_0_drops_nothing(data):
    off, none = (
        network("sgd", dropout_schedule=0.0),
        Network([5, Dense(9, "tanh"), 2], dtype="float64", seed=3),
    )
    none.compile("sgd", "mse")
    none.set_weights(off.get_weights())
    for net in (off, none):
        net.fit(*data, epochs=3, batch_size=6)
    assert_same_bits(off.get_weights(), none.get_weights())


def test_dropout_rates_stay_below_1(data):
    net = network("sgd", dropout_schedule=2.5)
    before = net.get_weights()
    with pytest.raises(ValueError, match="dropout is 2.5, expected numbers of 0 to less than 2.5"):
        net.fit(*data, epochs=1)
    assert_same_bits(net.weights, (before[0], before[2]))


@pytest.mark.parametrize("loss", ["mse", fastmlp.functional.mse_loss_gradient], ids=["engine", "python"])
@pytest.mark.parametrize("how", ["network", "optimizer", "replaced"])
@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_begin"])
def test_a_rate_that_a_callback_sets_holds_from_the_next_step(data, loss, how, hook):
    """Rate 0 leaves the weights: the steps that moved tell when it began."""

    class Stop(Callback):
        def set(self, at, logs=None):
            if at != 1:
                return
            if how == "network":
                self.network.learning_rate = 0.0
            elif how == "optimizer":
                self.network.optimizer.learning_rate = 0.0
            else:
                self.network.optimizer = dataclasses.replace(self.network.optimizer, learning_rate=0)

    setattr(Stop, hook, Stop.set)
    net, same = network(optimizers.SGD(0.1), loss), network(optimizers.SGD(0.1), loss)
    net.fit(*data, epochs=2 if hook == "on_epoch_begin" else 1, batch_size=6, callbacks=[Stop()])
    steps = {"on_train_batch_begin": 1, "on_train_batch_end": 2, "on_epoch_begin": 4}[hook]
    same.learning_rate = lambda step: 0.1 if step < steps else 0
    same.fit(*data, epochs=2 if hook == "on_epoch_begin" else 1, batch_size=6)
    assert_same_bits(net.get_weights(), same.get_weights())
    assert net.learning_rate == 0


def test_the_rate_is_read_and_set_between_steps(data):
    given = optimizers.SGD(Warmup(0.4, 4))
    net = network(given)
    assert net.learning_rate == 0.1
    net.train_on_batch(*data)
    assert net.learning_rate == 0.2
    net.learning_rate = 0.0
    before = net.get_weights()
    net.train_on_batch(*data)
    assert_same_bits(net.get_weights(), before)
    net.optimizer.learning_rate = 0.3
    net.train_on_batch(*data)
    assert np.abs(net.get_weights()[0] - before[0]).max() > 1e-3
    assert given == optimizers.SGD(Warmup(0.4, 4))  # compile took a copy
    for bad in (-1, float("nan"), "fast", None, True):
        with pytest.raises((ValueError, TypeError), match="learning_rate is"):
            net.learning_rate = bad
        with pytest.raises((ValueError, TypeError), match="learning_rate is"):
            net.optimizer.learning_rate = bad
    assert net.learning_rate == 0.3
    with pytest.raises(dataclasses.FrozenInstanceError, match="momentum"):
        net.optimizer.momentum = 0.5
    with pytest.raises(fastmlp.NotCompiledError):
        _ = Network([2, 1]).learning_rate


def test_what_a_function_gives_is_checked(data):
    for bad in (lambda step: -1.0, lambda step: float("inf"), lambda step: "fast"):
        net = network(optimizers.SGD(bad))
        with pytest.raises((ValueError, TypeError), match="what the schedule's function gives for step 0 is"):
            net.fit(*data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiStepDecay(0.1, [3, 1]), "milestones is .3, 1., expected ascending"),
        (lambda: MultiStepDecay(0.1, [0]), "a milestone is 0"),
        (lambda: MultiStepDecay(0.1, "30"), "milestones is '30'"),
        (lambda: PolynomialDecay(0.1, 10, power=0), "power is 0"),
        (lambda: InverseScaling(0.1, power=-1), "power is -1"),
        (lambda: InverseScaling(0.1, every=0), "every is 0"),
        (lambda: CosineRestarts(0.1, 10, stretch=0), "stretch is 0"),
        (lambda: CosineRestarts(0.1, 10, factor=2), "factor is 2"),
        (lambda: FlatCosine(0.1, 10, flat=1.5), "flat is 1.5"),
        (lambda: OneCycle(0.1, 1), "steps is 1"),
        (lambda: OneCycle(0.1, 10, climb=1), "climb is 1"),
        (lambda: OneCycle(0.1, 10, start_divisor=0.5), "start_divisor is 0.5"),
        (lambda: OneCycle(0.1, 10, linear=1), "linear is 1"),
        (lambda: CosLog4(-0.1, 10), "learning_rate is -0.1"),
        (lambda: FunctionOfStep(3), "function is 3"),
        (
            lambda: optimizers.SGD(CosineDecay),
            "learning_rate is the class CosineDecay, expected an object of it",
        ),
        (lambda: optimizers.SGD(weight_decay="much"), "weight_decay is 'much'"),
    ],
)
def test_misuse_is_one_sentence(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
