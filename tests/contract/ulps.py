"""Values in wider arithmetic, and errors in units of the last place.

The oracles are NumPy and SciPy in float64 for float32, and mpmath for float64.  One formula serves both: its
first argument `m` is the namespace of its functions.
"""

from __future__ import annotations

from types import SimpleNamespace

import mpmath
import numpy as np
from scipy import special

WIDE = SimpleNamespace(
    exp=np.exp, expm1=np.expm1, log=np.log, log1p=np.log1p, tanh=np.tanh, erf=special.erf, ncdf=special.ndtr,
    sin=np.sin, cos=np.cos, sqrt=np.sqrt, pi=np.pi, where=np.where,
)  # fmt: skip
MP = mpmath.mp.clone()
MP.prec = 200  # formulas below may cancel
EXACT = SimpleNamespace(
    exp=MP.exp, expm1=MP.expm1, log=MP.log, log1p=MP.log1p, tanh=MP.tanh, erf=MP.erf, ncdf=MP.ncdf,
    sin=MP.sin, cos=MP.cos, sqrt=MP.sqrt, pi=+MP.pi, where=lambda condition, a, b: a if condition else b,
)  # fmt: skip
POINTS = {"float32": 100_000, "float64": 400}  # in each range; mpmath is slow
BITS = {"float32": np.uint32, "float64": np.uint64}
FLUSH = {"float32": 2.0**-100, "float64": 2.0**-900}  # smaller deltas are stored as zero


def exact(formula, x):
    """formula(x) in wider arithmetic: float64 for float32, mpmath's numbers for float64."""
    with np.errstate(all="ignore"):
        if x.dtype == np.float32:
            return np.asarray(formula(WIDE, x.astype(np.float64)), np.float64)
        return np.frompyfunc(lambda v: +MP.mpf(formula(EXACT, MP.mpf(v))), 1, 1)(x)


def errors(got, expected):
    """|got - expected|, and the same in units of the last place that `expected` has in got's dtype."""
    info = np.finfo(got.dtype)
    exponent = np.maximum(np.frexp(expected.astype(np.float64))[1] - 1, info.minexp)
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(expected.dtype) - expected)
    return error, (error / np.ldexp(1.0, exponent - info.nmant)).astype(np.float64)


def assert_ulps(got, expected, bound, floor=0.0):
    """Every element is within `bound` ulp or within its `floor`, and zeros would not pass."""
    assert got.shape == expected.shape and expected.size
    error, ulps = errors(got, expected)
    large = (np.abs(expected) > 4 * floor).astype(bool)
    assert large.mean() > 0.5, "the floor is so high that zeros would pass"
    wrong = ~((ulps <= bound) | (error <= floor).astype(bool))
    worst = np.argmax(np.where(wrong, np.nan_to_num(ulps, nan=np.inf), -1.0))
    assert not wrong.any(), (
        f"{wrong.sum()} of {wrong.size} are wrong: {got[worst]!r} for {float(expected[worst])!r}, "
        f"off by {ulps[worst]:.3f} ulp, allowed {bound}"
    )


def assert_equal(got, expected):
    """The same values, NaN for NaN."""
    assert got.shape == np.shape(expected) and np.any(expected != 0)
    assert np.array_equal(got, np.asarray(expected, got.dtype), equal_nan=True), f"{got} for {expected}"


# The logarithms of the largest and smallest normal number.
LOG_MAX = {dtype: float(np.log(np.float64(np.finfo(dtype).max))) - 1e-3 for dtype in POINTS}
LOG_TINY = {dtype: float(np.log(np.float64(np.finfo(dtype).tiny))) + 1e-3 for dtype in POINTS}


def any_numbers(dtype, rng):
    """Every kind of number: any bits, and the ranges in which functions are not constant."""
    raw = rng.integers(0, np.iinfo(BITS[dtype.name]).max, 50_000, BITS[dtype.name], endpoint=True).view(dtype)
    return np.concatenate([raw, *(rng.uniform(-s, s, 50_000).astype(dtype) for s in (1, 12, 110, 750))])
