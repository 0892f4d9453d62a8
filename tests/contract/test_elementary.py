"""Elementary functions of every instruction set, in units of the last place."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from activation_formulas import DERIVATIVE, FORWARD, LIMITS
from fastmlp import _kernels
from helpers import ELEMENTWISE, FMA_ISAS
from ulps import BITS, LOG_MAX, LOG_TINY, POINTS, any_numbers, assert_equal, assert_ulps, errors, exact

# Formula, ulp with fma, ulp on the baseline, and ranges of arguments, the last of which are where errors were
# found to be largest.
ELEMENTARY = {
    "exp": (lambda m, x: m.exp(x), 1.15, 1.15, [("tiny", "max"), (-1, 1), (5.19, 5.2), (-5.9, -5.8)]),
    "expm1": (lambda m, x: m.expm1(x), 2.0, 2.2, [("tiny", "max"), (-3, 3), (0.34, 0.4)]),
    "log": (lambda m, x: m.log(x), 1.4, 1.6, [(1e-6, 4), (0.99, 1.01), (0.62, 0.71), (5.6, 6.1), (1, 1e30)]),
    "log1p": (lambda m, x: m.log1p(x), 1.8, 1.9, [(-0.999, 4), (-0.01, 0.01), (0.41, 0.51), (1, 1e38)]),
    "tanh": (lambda m, x: m.tanh(x), 2.0, 2.15, [(-20, 20), (-1, 1), (0.173, 0.22), (0.5, 0.52)]),
    "erf": (lambda m, x: m.erf(x), 2.0, 2.3, [(-6, 6), (-1, 1), (0.2, 0.25)]),
    "sigmoid": (
        lambda m, x: 1 / (1 + m.exp(-x)), 2.6, 2.6, [("tiny", 100), (-3, 3), (-16.7, -16.5), (-36.8, -36.7)]
    ),
    "sin": (lambda m, x: m.sin(x), 2.5, 2.5, [(-7, 7), (1, 2.2), (-6400, 6400), (565.73, 565.75)]),
    "cos": (lambda m, x: m.cos(x), 2.5, 2.5, [(-7, 7), (0.04, 0.16), (-6400, 6400), (26.44, 26.46)]),
}  # fmt: skip
SMALL = {"expm1", "log1p", "tanh", "erf", "sin"}  # f(x) ~ x: arguments of every size
SPECIAL = {  # argument: value
    "exp": {0: 1, np.inf: np.inf, -np.inf: 0, 1e4: np.inf, -1e4: 0, 1e30: np.inf, -1e30: 0},
    "expm1": {0: 0, np.inf: np.inf, -np.inf: -1, 1e4: np.inf, -1e4: -1, -1e30: -1},
    "log": {0: -np.inf, 1: 0, -1e-40: np.nan, -1: np.nan, -np.inf: np.nan, np.inf: np.inf},
    "log1p": {0: 0, -1: -np.inf, -1.5: np.nan, -1e30: np.nan, -np.inf: np.nan, np.inf: np.inf},
    "tanh": {0: 0, np.inf: 1, -np.inf: -1, 30: 1, -30: -1, 1e30: 1, -1e30: -1},
    "erf": {0: 0, np.inf: 1, -np.inf: -1, 7: 1, -7: -1, 1e30: 1, -1e30: -1},
    "sigmoid": {0: 0.5, np.inf: 1, -np.inf: 0, 50: 1, 1e30: 1, -1e4: 0, -1e30: 0},
    "sin": {0: 0, np.inf: np.nan, -np.inf: np.nan, 1e-30: 1e-30, 1.1e6: np.nan, -1e30: np.nan},
    "cos": {0: 1, np.inf: np.nan, -np.inf: np.nan, 1e-30: 1, 1.1e6: np.nan, -1e30: np.nan},
}


def every_size(dtype, count, low, high, rng):
    """Numbers of both signs whose exponents of two spread over [low, high)."""
    size = np.ldexp(rng.uniform(1, 2, count), rng.integers(low, high, count))
    return (size * rng.choice([-1, 1], count)).astype(dtype)


@functools.cache
def elementary_case(name, dtype):
    """Arguments and exact values, computed once for all instruction sets."""
    rng, n = np.random.default_rng(7), POINTS[dtype]
    formula, _, _, ranges = ELEMENTARY[name]
    ends = {"tiny": LOG_TINY[dtype], "max": LOG_MAX[dtype]}
    parts = [rng.uniform(ends.get(low, low), ends.get(high, high), n).astype(dtype) for low, high in ranges]
    info = np.finfo(dtype)
    if name in SMALL:
        parts.append(every_size(dtype, n, info.minexp - info.nmant, 0, rng))
    if name == "log":
        parts.append(np.abs(every_size(dtype, n, info.minexp - info.nmant, info.maxexp, rng)))
        parts.append(np.array([info.tiny, info.smallest_subnormal, info.max], dtype))
    if name == "log1p":
        parts.append(np.abs(every_size(dtype, n, 0, info.maxexp, rng)))
        parts.append(np.array([info.max, -info.epsneg - 0.5], dtype))
    x = np.concatenate(parts)
    return x, exact(formula, x)


def test_tables_are_complete():
    assert set(ELEMENTARY) == set(SPECIAL)
    assert set(FORWARD) == set(DERIVATIVE) == set(LIMITS) <= set(ELEMENTWISE)


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary(name, dtype, isa):
    x, expected = elementary_case(name, dtype.name)
    _, bound, baseline, _ = ELEMENTARY[name]
    got = _kernels.elementary(name, x, isa=isa)
    assert got.dtype == dtype
    assert_ulps(got, expected, baseline if isa == "baseline" else bound)


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_special_values(name, dtype, isa):
    x = np.array(list(SPECIAL[name]), dtype)
    assert_equal(_kernels.elementary(name, x, isa=isa), np.array(list(SPECIAL[name].values()), dtype))
    infinity, quiet = int(dtype.type(np.inf).view(BITS[dtype.name])), 1 << (np.finfo(dtype).nmant - 1)
    nans = np.array([infinity | payload for payload in (quiet, quiet | 3, 1)], BITS[dtype.name]).view(dtype)
    assert np.isnan(_kernels.elementary(name, np.concatenate([nans, -nans]), isa=isa)).all()


def test_exp_overflows_where_it_must(dtype, isa):
    """exp of the largest argument with a finite value, and of the next number."""
    largest = dtype.type({"float32": 88.72283172607422, "float64": 709.782712893384}[dtype.name])
    x = np.array([largest, np.nextafter(largest, dtype.type(np.inf))])
    for name in ("exp", "expm1"):
        finite, over = _kernels.elementary(name, x, isa=isa)
        assert np.finfo(dtype).max * 0.9 < finite < np.inf and over == np.inf


@pytest.mark.parametrize("name", ["exp", "sigmoid"])
def test_underflow_stays_below_the_smallest_normal(name, dtype, isa):
    """Where the value is below the smallest normal number, so is the error; twice it is not flushed."""
    tiny = np.finfo(dtype).tiny
    x = np.linspace(LOG_TINY[dtype.name] - 40, LOG_TINY[dtype.name] - 0.01, 400).astype(dtype)
    got, expected = _kernels.elementary(name, x, isa=isa), exact(ELEMENTARY[name][0], x)
    assert np.all(got >= 0) and np.all(np.diff(got) >= 0) and np.all(errors(got, expected)[0] <= tiny)
    assert np.all(_kernels.elementary(name, np.full(5, LOG_TINY[dtype.name] + 0.7, dtype), isa=isa) > tiny)


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("isa", FMA_ISAS)
def test_sine_and_cosine_of_large_arguments(name, dtype, isa):
    """Up to 2^20, and beside multiples of pi / 2, where most of the argument cancels."""
    rng, n = np.random.default_rng(8), POINTS[dtype.name]
    beside = (rng.integers(1, 667_000, n) * (np.pi / 2)).astype(dtype)
    x = np.concatenate([rng.uniform(-(2.0**20), 2.0**20, n).astype(dtype), beside, -beside])
    formula, bound, _, _ = ELEMENTARY[name]
    x = np.append(x, dtype.type(2**20))
    assert_ulps(_kernels.elementary(name, x, isa=isa), exact(formula, x), bound)


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_of_any_length(name, dtype, isa, rng):
    """The last, partial vector has the bits of a whole one."""
    x = rng.uniform(0.1, 3, 70).astype(dtype)
    whole = _kernels.elementary(name, x, isa=isa)
    assert np.isfinite(whole).all()
    for n in [*range(1, 36), 63, 65, 70]:
        assert_equal(_kernels.elementary(name, x[:n], isa=isa), whole[:n])
        assert_equal(_kernels.elementary(name, x[-n:], isa=isa), whole[-n:])


@pytest.mark.skipif(len(FMA_ISAS) < 2, reason="this machine has only one instruction set with fma")
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_has_the_same_bits_everywhere(name, dtype, rng):
    x = any_numbers(dtype, rng)
    first, *others = (_kernels.elementary(name, x, isa=isa) for isa in FMA_ISAS)
    for other in others:
        assert_equal(other, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("exp", 1e-4, 88.7), ("exp", -1e-4, -87.3), ("expm1", 1e-4, 88.7), ("expm1", -1e-4, -18),
     ("log", 0.3, 4), ("log1p", 1e-4, 50), ("log1p", -1e-4, -0.99999), ("tanh", 1e-4, 10),
     ("erf", 1e-4, 4.2), ("sigmoid", 1e-4, 20), ("sigmoid", -1e-4, -87.3), ("sin", 1e-4, 6400),
     ("cos", 1e-4, 6400)],
)  # fmt: skip
def test_every_float32(name, low, high):
    """The exact values, which take most of the time, are computed once for all instruction sets."""
    formula, bound, baseline, _ = ELEMENTARY[name]
    start, stop = (int(np.float32(end).view(np.uint32)) for end in (low, high))
    for first in range(start, stop, 1 << 22):
        x = np.arange(first, min(first + (1 << 22), stop), dtype=np.uint32).view(np.float32)
        expected = exact(formula, x)
        assert_ulps(_kernels.elementary(name, x, isa="baseline"), expected, baseline)
        found = [_kernels.elementary(name, x, isa=isa) for isa in FMA_ISAS]
        for i, got in enumerate(found):
            if i:
                assert_equal(got, found[0])
            else:
                assert_ulps(got, expected, bound)
