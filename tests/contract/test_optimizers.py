"""Update rules against PyTorch's formulas in extended precision; their division, flush and penalties."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fastmlp import _kernels, reference
from helpers import (
    FMA_ISAS,
    HYPER,
    OPTIMIZERS,
    RULES,
    assert_same_bits,
    assert_within,
    fractions,
    rounded,
)

SLOTS = _kernels.optimizer_names()
WITH_EPSILON = [name for name in OPTIMIZERS if "epsilon" in HYPER[name]]  # they divide by a root
SQUARES = {name: optimizer.squares for name, optimizer in RULES.items()}  # which slots are sums of squares
VARIANTS = {name: [{}] for name in OPTIMIZERS} | {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "adagrad": [{}, {"epsilon": 1e-3}],
    "rmsprop": [{}, {"rho": 0.5, "epsilon": 1e-3}],
    "adam": [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4}],
    "adamw": [{}, {"weight_decay": 0.2}],
    "amsgrad": [{}, {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-4}],
}
COMMON = [
    {},
    {"l1": 0.01},
    {"l2": 0.05},
    {"weight_decay": 0.1},
    {"clipvalue": 0.4},
    {"l1": 0.02, "l2": 0.03, "weight_decay": 0.05, "clipvalue": 0.6},
]
CASES = [
    (name, {**HYPER[name], **own, **more}) for name in OPTIMIZERS for own in VARIANTS[name] for more in COMMON
]


def formula(name, w, g, slots, h, rate, t):
    """Step t = 1, 2, ... on longdouble arrays, in place: the formulas of PyTorch's documentation.

    The twin's for a rule that has none here.
    """
    clip = h["clipvalue"] or np.inf
    g = np.minimum(np.maximum(g, -clip), clip)
    g = g + h.get("l1", 0) * np.sign(w) + h.get("l2", 0) * w
    w *= 1 - rate * np.longdouble(h.get("weight_decay", 0))
    if name == "sgd":
        if h["momentum"]:
            slots[0][:] = h["momentum"] * slots[0] + g
            g = g + h["momentum"] * slots[0] if h["nesterov"] else slots[0]
        w -= rate * g
    elif name == "adagrad":
        slots[0] += g * g
        w -= rate * g / (np.sqrt(slots[0]) + h["epsilon"])
    elif name == "rmsprop":
        slots[0][:] = h["rho"] * slots[0] + (1 - h["rho"]) * g * g
        w -= rate * g / (np.sqrt(slots[0]) + h["epsilon"])
    elif name in ("adam", "adamw", "amsgrad"):
        b1, b2 = np.longdouble(h["beta_1"]), np.longdouble(h["beta_2"])
        slots[0][:] = b1 * slots[0] + (1 - b1) * g
        slots[1][:] = b2 * slots[1] + (1 - b2) * g * g
        v = slots[1]
        if name == "amsgrad":
            slots[2][:] = v = np.maximum(slots[2], v)
        w -= rate * (slots[0] / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + h["epsilon"])
    else:
        now = reference.optimizers.BEFORE_THE_FIRST
        for _ in range(t):
            now = reference.optimizers.following(name, h, now)
        reference.OPTIMIZERS[name].update(w, g, slots, rate, h, now)


def slots_for(name, h, like):
    idle = reference.OPTIMIZERS[name].by_momentum and h["momentum"] == 0
    count = 0 if idle else SLOTS[name]
    return [np.zeros_like(like) for _ in range(count)]


def identity_of(case):
    name, h = case
    changed = {key: value for key, value in h.items() if HYPER[name].get(key) != value}
    return "-".join([name, *(f"{key}={value}" for key, value in changed.items())])


@pytest.mark.parametrize("case", CASES, ids=identity_of)
def test_fifty_steps(isa, dtype, case):
    name, h = case
    rng = np.random.default_rng(11)
    w = (rng.choice([-1, 1], 37) * rng.uniform(0.8, 1.5, 37)).astype(
        dtype
    )  # far from 0, where l1 changes its sign
    slots = slots_for(name, h, w)
    exact_w, exact_slots = w.astype(np.longdouble), [s.astype(np.longdouble) for s in slots]
    start, moved = w.copy(), np.zeros(37, np.longdouble)
    for t in range(50):
        g = rng.standard_normal(37).astype(dtype)
        rate = 0.004 if t % 2 else 0.002
        _kernels.optimizer_update(name, w, g, slots, h, rate, t, isa=isa)
        before = exact_w.copy()
        formula(name, exact_w, g.astype(np.longdouble), exact_slots, h, rate, t + 1)
        moved += np.abs(exact_w - before)
    eps = np.finfo(dtype).eps
    if name == "sgd":  # the quickest: no sum of its updates is far below one of them
        assert np.abs(exact_w - start).max() > 0.01
    # each step rounds w once, and its own size a few dozen times over the memory of a moving average
    assert_within(w - start, exact_w - start, 50 * eps * np.abs(start) + 60 * eps * moved)
    for i, (got, exact) in enumerate(zip(slots, exact_slots, strict=True)):
        size = exact if i in SQUARES[name] else np.abs(exact).max()
        assert_within(got, exact, 200 * eps * size)


def test_learning_rate_and_step_count(isa, dtype):
    """Adam's first step is the learning rate's size whatever the gradient; step tells how many were done."""
    w = np.zeros(3, dtype)
    slots = [np.zeros_like(w), np.zeros_like(w)]
    _kernels.optimizer_update(
        "adam", w, np.array([1e-3, -5, 100], dtype), slots, HYPER["adam"], 0.25, 0, isa=isa
    )
    assert_within(w, np.array([-0.25, 0.25, -0.25]), 3e-6)
    again = np.zeros(3, dtype)
    slots = [np.zeros_like(w), np.zeros_like(w)]
    _kernels.optimizer_update("adam", again, np.ones(3, dtype), slots, HYPER["adam"], 0.25, 9, isa=isa)
    expected = -0.25 * (0.1 / (1 - 0.9**10)) / np.sqrt(0.001 / (1 - 0.999**10))
    assert_within(again, np.full(3, expected), 1e-5)


def test_sgd_is_one_multiply_add(dtype):
    rng = np.random.default_rng(0)
    w, g = rng.standard_normal(40).astype(dtype), rng.standard_normal(40).astype(dtype)
    rate = Fraction(float(dtype.type(-0.1)))
    expected = [float(rounded(x + rate * y, dtype)) for x, y in zip(fractions(w), fractions(g), strict=True)]
    for fma_isa in FMA_ISAS:
        moved = w.copy()
        _kernels.optimizer_update("sgd", moved, g, [], HYPER["sgd"], 0.1, isa=fma_isa)
        assert_same_bits(moved, np.array(expected, dtype))


# The division: Newton's iteration and a residual instead of the hardware's


def quotients(a, b_squared, epsilon, isa):
    """a / (sqrt(b_squared) + epsilon) as the rules divide.

    With rho = 1 rmsprop's state stays, and w ends at minus the quotient.
    """
    w = np.zeros_like(a)
    _kernels.optimizer_update(
        "rmsprop", w, a, [b_squared.copy()], {"rho": 1.0, "epsilon": epsilon}, 1.0, isa=isa
    )
    return -w


def division_operands(dtype, count=20000):
    rng = np.random.default_rng(8)
    most = 30 if dtype == np.float32 else 250
    a = (rng.choice([-1, 1], count) * np.exp2(rng.uniform(-most, most, count))).astype(dtype)
    squared = np.exp2(rng.uniform(-2 * most, 2 * most, count)).astype(dtype)
    squared[:2000] = np.exp2(np.linspace(-2, 2, 2000)).astype(dtype)  # densely over mantissas
    a[:1000:2] = 1
    return a, squared


def test_division_is_nearly_correctly_rounded(isa, dtype):
    a, squared = division_operands(dtype)
    epsilon = float(dtype.type(1e-12 if dtype == np.float32 else 1e-90))
    b = np.sqrt(squared) + dtype.type(epsilon)
    got = quotients(a, squared, epsilon, isa)
    error = np.abs(got.astype(np.longdouble) - a.astype(np.longdouble) / b.astype(np.longdouble))
    ulps = error / np.spacing(np.abs(got)).astype(np.longdouble)
    assert ulps.max() <= (1.5 if isa == "baseline" else 0.52)  # nearly always what IEEE division gives
    assert np.mean(got == a / b) > (0.7 if isa == "baseline" else 0.99)


def test_division_has_the_same_bits_on_every_instruction_set(dtype):
    a, squared = division_operands(dtype)
    first, *others = (quotients(a, squared, 1e-8, fma_isa) for fma_isa in FMA_ISAS)
    for other in others:
        assert_same_bits(other, first)


def test_division_at_its_limits(isa, dtype):
    """Exact powers of two, a zero over the smallest denominator, huge over tiny."""
    limit = 2.0 ** (60 if dtype == np.float32 else 500)
    a = np.array([limit, 1 / limit, -1, 0, 3, limit], dtype)
    squared = np.array([0, limit**2, 1, 0, 9, 0], dtype)
    epsilon = 2.0 ** (-40 if dtype == np.float32 else -400)
    expected = a / (np.sqrt(squared) + dtype.type(epsilon))
    expected[np.abs(expected) < 2.0 ** (-100 if dtype == np.float32 else -900)] = 0
    assert_within(
        quotients(a, squared, epsilon, isa), expected, np.spacing(np.abs(expected)) * (isa == "baseline")
    )


def at_rest(name, size, dtype):
    """What a rule keeps of gradients that were always zero: nothing, but of a maximum epsilon."""
    slots = [np.zeros(size, dtype) for _ in range(SLOTS[name])]
    if name == "adamax":
        slots[1] += dtype.type(HYPER[name]["epsilon"])
    return slots


@pytest.mark.parametrize("name", WITH_EPSILON)
def test_dead_weight_does_not_move(isa, dtype, name):
    """A gradient that is always zero divides zero by epsilon."""
    w = np.array([0.5, 0.0, -3], dtype)
    slots = [np.zeros_like(w) for _ in range(SLOTS[name])]
    for t in range(5):
        h = {**HYPER[name], "weight_decay": 0.0}
        _kernels.optimizer_update(name, w, np.zeros(3, dtype), slots, h, 0.1, t, isa=isa)
    assert_same_bits(w, np.array([0.5, 0.0, -3], dtype))
    assert_same_bits(slots, at_rest(name, 3, dtype), zeros=True)


@pytest.mark.parametrize("epsilon", [1e-38, 1e-40, 1e-50])
@pytest.mark.parametrize("name", WITH_EPSILON)
def test_epsilon_too_small_for_the_type_is_refused_or_works(isa, name, epsilon):
    """An epsilon that float32 cannot hold must not turn a dead weight into NaN."""
    w = np.ones(3, np.float32)
    slots = [np.zeros_like(w) for _ in range(SLOTS[name])]
    h = {**HYPER[name], "weight_decay": 0.0, "epsilon": epsilon}
    try:
        _kernels.optimizer_update(name, w, np.zeros(3, np.float32), slots, h, 0.1, isa=isa)
    except ValueError as error:
        assert "epsilon" in str(error)
    assert_same_bits(w, np.ones(3, np.float32))


# Numbers too small to matter


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_tiny_weights_and_state_become_zero(isa, dtype, name):
    limit = 2.0 ** (-100 if dtype == np.float32 else -900)
    below = np.nextafter(dtype.type(limit), dtype.type(0))
    tiny = np.finfo(dtype).smallest_subnormal
    w = np.array([limit, -limit, below, -below, tiny, -tiny, -0.0, 1.0], dtype)
    kept = np.array([limit, -limit, 0, 0, 0, 0, 0, 1], dtype)
    h = {
        **HYPER[name],
        "weight_decay": 0.0,
        "rho": 1.0,
        "beta_1": 1 - 2.0**-10,
        "beta_2": 1 - 2.0**-10,
        "momentum": 0.5,
    }
    slots = [np.full(8, below) for _ in range(SLOTS[name])]
    _kernels.optimizer_update(name, w, np.zeros(8, dtype), slots, h, 0.0, isa=isa)
    assert_same_bits(w, kept)
    assert not np.signbit(w[2:]).any()
    assert_same_bits(slots, at_rest(name, 8, dtype), zeros=True)


def test_a_dying_average_reaches_zero(isa, dtype):
    """Without the flush it would stay at the smallest denormal for ever."""
    w, slots = np.ones(4, dtype), [np.ones(4, dtype)]
    for _ in range(200 if dtype == np.float32 else 1500):
        _kernels.optimizer_update("sgd", w, np.zeros(4, dtype), slots, {"momentum": 0.6}, 0.01, isa=isa)
    assert_same_bits(slots[0], np.zeros(4, dtype), zeros=True)


# Penalties and clipping by hand


def test_penalties_by_hand(isa, dtype):
    w, g = np.array([2, -2, 0, 4], dtype), np.array([1, 1, 1, -8], dtype)

    def step(h):
        moved = w.copy()
        _kernels.optimizer_update("sgd", moved, g, [], h, 0.5, isa=isa)
        return moved.tolist()

    assert step({}) == [1.5, -2.5, -0.5, 8]
    assert step({"l1": 0.25}) == [1.375, -2.375, -0.5, 7.875]
    assert step({"l2": 0.25}) == [1.25, -2.25, -0.5, 7.5]
    assert step({"weight_decay": 0.5}) == [1.0, -2.0, -0.5, 7.0]
    assert step({"clipvalue": 0.5}) == [1.75, -2.25, -0.25, 4.25]
    assert step({"clipvalue": 0.5, "l2": 1.0}) == [0.75, -1.25, -0.25, 2.25]  # clipped before the penalty
    assert step({"clipvalue": None, "l1": 0.0}) == step({})


def test_clipping_keeps_not_a_number(isa, dtype):
    w = np.zeros(2, dtype)
    _kernels.optimizer_update("sgd", w, np.array([np.nan, 5], dtype), [], {"clipvalue": 1.0}, 1.0, isa=isa)
    assert np.isnan(w[0]) and w[1] == -1


def test_global_clipnorm_on_one_array(isa, dtype):
    w = np.zeros(2, dtype)
    _kernels.optimizer_update("sgd", w, np.array([3, 4], dtype), [], {"global_clipnorm": 1.0}, 1.0, isa=isa)
    assert_within(w, np.array([-0.6, -0.8]), 2 * np.finfo(dtype).eps)


# Arguments


def test_arrays_of_any_shape_and_stride_change_in_place(isa, dtype):
    memory = np.full((7, 10), 123, dtype)
    w = memory[1:-1:2, 1:-1:3]
    w[...] = np.arange(9).reshape(3, 3)
    g = np.ones((3, 3), dtype)
    v = np.zeros((3, 3), dtype, order="F")
    _kernels.optimizer_update("sgd", w, g.T, [v], {"momentum": 0.5}, 0.5, isa=isa)
    assert w.tolist() == (np.arange(9).reshape(3, 3) - 0.5).tolist() and v.tolist() == g.tolist()
    outside = np.ones(memory.shape, bool)
    outside[1:-1:2, 1:-1:3] = False
    assert (memory[outside] == 123).all()


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 100])
def test_each_element_is_alone(isa, dtype, size):
    rng = np.random.default_rng(size)
    w, g = rng.standard_normal(size).astype(dtype), rng.standard_normal(size).astype(dtype)
    for name in OPTIMIZERS:
        whole, slots = w.copy(), slots_for(name, HYPER[name], w)
        _kernels.optimizer_update(name, whole, g, slots, HYPER[name], 0.1, isa=isa)
        for i in range(size):
            one = w[i : i + 1].copy()
            one_slots = slots_for(name, HYPER[name], one)
            _kernels.optimizer_update(name, one, g[i : i + 1], one_slots, HYPER[name], 0.1, isa=isa)
            assert_same_bits(one, whole[i : i + 1])


def test_what_does_not_fit_is_refused_and_nothing_changes(isa, dtype):
    w, g, m, v = (np.full(5, value, dtype) for value in (1, 2, 3, 4))
    frozen = w.copy()
    frozen.flags.writeable = False
    other = np.float64 if dtype == np.float32 else np.float32
    h = HYPER["adam"]
    for arguments in [
        ("nonsense", w, g, [m, v], h),
        ("adam", frozen, g, [m, v], h),
        ("adam", w.tolist(), g, [m, v], h),
        ("adam", w, g[:4], [m, v], h),
        ("adam", w, g.astype(other), [m, v], h),
        ("adam", w, g, [m], h),
        ("adam", w, g, [m, v, v], h),
        ("adam", w, g, [m, frozen], h),
        ("adam", w, g, [m, v.astype(other)], h),
        ("adam", w, g, [m, v], {**h, "epsilon": 0.0}),
        ("adam", w, g, [m, v], {**h, "epsilon": -1.0}),
        ("adam", w, g, [m, v], {**h, "surprise": 1.0}),
        ("amsgrad", w, g, [m, v], h),
        ("sgd", w, g, [], {"momentum": 0.5}),
        ("adagrad", w.astype(np.int64), g.astype(np.int64), [m.astype(np.int64)], HYPER["adagrad"]),
    ]:
        with pytest.raises((ValueError, TypeError)):
            _kernels.optimizer_update(*arguments, 0.1, isa=isa)
        assert_same_bits([w, g, m, v], [np.full(5, value, dtype) for value in (1, 2, 3, 4)])
