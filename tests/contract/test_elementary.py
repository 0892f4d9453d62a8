"""Elementary functions and activations of every instruction set, in units of the last place.

The oracles are NumPy and SciPy in float64 for float32, and mpmath for float64.  One formula serves both: its
first argument `m` is the namespace of its functions.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from scipy import special

from fastmlp import _kernels, registry
from helpers import ELEMENTWISE, FMA_ISAS

WIDE = SimpleNamespace(
    exp=np.exp, expm1=np.expm1, log=np.log, log1p=np.log1p, tanh=np.tanh, erf=special.erf, ncdf=special.ndtr,
    sqrt=np.sqrt, pi=np.pi, where=np.where,
)  # fmt: skip
MP = mpmath.mp.clone()
MP.prec = 200  # formulas below may cancel
EXACT = SimpleNamespace(
    exp=MP.exp, expm1=MP.expm1, log=MP.log, log1p=MP.log1p, tanh=MP.tanh, erf=MP.erf, ncdf=MP.ncdf,
    sqrt=MP.sqrt, pi=+MP.pi, where=lambda condition, a, b: a if condition else b,
)  # fmt: skip
POINTS = {"float32": 100_000, "float64": 400}  # in each range; mpmath is slow
BITS = {"float32": np.uint32, "float64": np.uint64}
FLUSH = {"float32": 2.0**-100, "float64": 2.0**-900}  # smaller deltas are stored as zero


# Comparison


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


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_errors_count_steps(dtype, steps):
    x = np.array([1.0, 1.5, -3.25, 1e-10, 1e20, np.finfo(dtype).smallest_subnormal * 4], dtype)
    got = x.copy()
    for _ in range(steps):
        got = np.nextafter(got, np.array(np.inf, dtype) * np.sign(x))
    for expected in (x.astype(np.float64), exact(lambda m, v: v, x)):
        np.testing.assert_array_equal(errors(got, expected)[1], steps)


def test_errors_count_halves(dtype):
    """An exact value between two numbers, and one just below a power of two."""
    eps = float(np.finfo(dtype).eps)
    between = np.array([MP.mpf(1) + MP.mpf(eps) / 4, MP.mpf(1) - MP.mpf(eps) * 3 / 8], object)
    np.testing.assert_allclose(errors(np.ones(2, dtype), between)[1], [0.25, 0.75], rtol=1e-6)


@pytest.mark.parametrize("planted", ["five ulp", "nan", "inf", "zero", "sign"])
def test_assert_ulps_finds_a_planted_error(dtype, planted):
    x = np.linspace(0.1, 2, 101).astype(dtype)
    expected, got = exact(lambda m, v: m.tanh(v), x), _kernels.elementary("tanh", x)
    assert_ulps(got, expected, 2.1)
    value = got[40]
    got[40] = {
        "five ulp": value + 5 * np.spacing(value), "nan": np.nan, "inf": np.inf, "zero": 0, "sign": -value
    }[planted]  # fmt: skip
    with pytest.raises(AssertionError, match="1 of 101 are wrong"):
        assert_ulps(got, expected, 2.1)
    with pytest.raises(AssertionError):
        assert_ulps(np.zeros_like(got), expected, 2.1, floor=10.0)


# Elementary functions: formula, ulp with fma, ulp on the baseline, and ranges of arguments, the last of which
# are where errors were found to be largest.  "max", "tiny": the logarithms of the largest and smallest normal
# number.

LOG_MAX = {dtype: float(np.log(np.float64(np.finfo(dtype).max))) - 1e-3 for dtype in POINTS}
LOG_TINY = {dtype: float(np.log(np.float64(np.finfo(dtype).tiny))) + 1e-3 for dtype in POINTS}
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
}  # fmt: skip
SMALL = {"expm1", "log1p", "tanh", "erf"}  # f(x) ~ x: arguments of every size
SPECIAL = {  # argument: value
    "exp": {0: 1, np.inf: np.inf, -np.inf: 0, 1e4: np.inf, -1e4: 0, 1e30: np.inf, -1e30: 0},
    "expm1": {0: 0, np.inf: np.inf, -np.inf: -1, 1e4: np.inf, -1e4: -1, -1e30: -1},
    "log": {0: -np.inf, 1: 0, -1e-40: np.nan, -1: np.nan, -np.inf: np.nan, np.inf: np.inf},
    "log1p": {0: 0, -1: -np.inf, -1.5: np.nan, -1e30: np.nan, -np.inf: np.nan, np.inf: np.inf},
    "tanh": {0: 0, np.inf: 1, -np.inf: -1, 30: 1, -30: -1, 1e30: 1, -1e30: -1},
    "erf": {0: 0, np.inf: 1, -np.inf: -1, 7: 1, -7: -1, 1e30: 1, -1e30: -1},
    "sigmoid": {0: 0.5, np.inf: 1, -np.inf: 0, 50: 1, 1e30: 1, -1e4: 0, -1e30: 0},
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


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_of_any_length(name, dtype, isa, rng):
    """The last, partial vector has the bits of a whole one."""
    x = rng.uniform(0.1, 3, 70).astype(dtype)
    whole = _kernels.elementary(name, x, isa=isa)
    assert np.isfinite(whole).all()
    for n in [*range(1, 36), 63, 65, 70]:
        assert_equal(_kernels.elementary(name, x[:n], isa=isa), whole[:n])
        assert_equal(_kernels.elementary(name, x[-n:], isa=isa), whole[-n:])


def any_numbers(dtype, rng):
    """Every kind of number: any bits, and the ranges in which functions are not constant."""
    raw = rng.integers(0, np.iinfo(BITS[dtype.name]).max, 50_000, BITS[dtype.name], endpoint=True).view(dtype)
    return np.concatenate([raw, *(rng.uniform(-s, s, 50_000).astype(dtype) for s in (1, 12, 110, 750))])


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
     ("erf", 1e-4, 4.2), ("sigmoid", 1e-4, 20), ("sigmoid", -1e-4, -87.3)],
)  # fmt: skip
def test_every_float32(name, low, high, isa):
    formula, bound, baseline, _ = ELEMENTARY[name]
    start, stop = (int(np.float32(end).view(np.uint32)) for end in (low, high))
    for first in range(start, stop, 1 << 22):
        x = np.arange(first, min(first + (1 << 22), stop), dtype=np.uint32).view(np.float32)
        got = _kernels.elementary(name, x, isa=isa)
        assert_ulps(got, exact(formula, x), baseline if isa == "baseline" else bound)


# Activations.  A forward's entry: formula of (m, z, p), ulp, and floor in eps |z|; a derivative's: formula of
# (m, u, p), where u is what the registry says, ulp, floor in eps, and the range of u.

LAMBDA, LAMBDA_ALPHA = "1.0507009873554804934193349852946", "1.7580993408473768599402175208123"
PARAMETER = {"leaky_relu": 0.01, "elu": 1.3}


def real(m, digits):
    """A constant in the oracle's arithmetic."""
    return MP.mpf(digits) if m is EXACT else np.float64(digits)


def logistic(m, z):
    return 1 / (1 + m.exp(-z))


def mish_tanh(m, z):
    w = m.exp(z)
    return w * (w + 2) / (w * (w + 2) + 2)


def gelu_tanh_argument(m, z):
    return 2 * m.sqrt(2 / (m.pi + 0 * z)) * (z + real(m, "0.044715") * z**3)


def gelu_tanh_slope(m, z):
    return 2 * m.sqrt(2 / (m.pi + 0 * z)) * (1 + 3 * real(m, "0.044715") * z**2)


def times_slope(m, v, factor):
    """factor * the logistic function's derivative at v"""
    s = logistic(m, v)
    return factor * s * (1 - s)


def mish_derivative(m, z, p):
    t = mish_tanh(m, z)
    return t + z * (1 - t) * (1 + t) * logistic(m, z)


FORWARD = {
    "identity": (lambda m, z, p: z, 0, 0),
    "step": (lambda m, z, p: m.where(z > 0, 1 + 0 * z, 0 * z), 0, 0),
    "sigmoid": (lambda m, z, p: logistic(m, z), 2.6, 0),
    "tanh": (lambda m, z, p: m.tanh(z), 2.1, 0),
    "relu": (lambda m, z, p: m.where(z > 0, z, 0 * z), 0, 0),
    "leaky_relu": (lambda m, z, p: m.where(z > 0, z, p * z), 0.51, 0),
    "elu": (lambda m, z, p: m.where(z > 0, z, p * m.expm1(z)), 2.2, 0),
    "selu": (lambda m, z, p: m.where(z > 0, real(m, LAMBDA) * z, real(m, LAMBDA_ALPHA) * m.expm1(z)), 2.0, 0),
    "gelu": (lambda m, z, p: z * m.ncdf(z), 4, 1.4),
    "gelu_tanh": (lambda m, z, p: z * logistic(m, gelu_tanh_argument(m, z)), 4, 0.4),
    "silu": (lambda m, z, p: z * logistic(m, z), 2.5, 0),
    "mish": (lambda m, z, p: z * mish_tanh(m, z), 3.8, 0),
    "softplus": (lambda m, z, p: m.log1p(m.exp(z)), 2.1, 0),
    "softsign": (lambda m, z, p: z / (1 + abs(z)), 1.6, 0),
    "exp": (lambda m, z, p: m.exp(z), 1.15, 0),
}
DERIVATIVE = {
    "identity": (lambda m, a, p: 1 + 0 * a, 0, 0, (-9, 9)),
    "step": (lambda m, a, p: 0 * a, 0, 0, (0, 1)),
    "sigmoid": (lambda m, a, p: a * (1 - a), 1.6, 0, (0, 1)),
    "tanh": (lambda m, a, p: (1 - a) * (1 + a), 1.6, 0, (-1, 1)),
    "relu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, 0 * a), 0, 0, (-1, 9)),
    "leaky_relu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, p + 0 * a), 0, 0, (-9, 9)),
    "elu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, a + p), 0.51, 0, (-1.3, 2)),
    "selu": (
        lambda m, a, p: m.where(a > 0, real(m, LAMBDA) + 0 * a, a + real(m, LAMBDA_ALPHA)), 1, 1, (-1.758, 2)
    ),
    "gelu": (lambda m, z, p: m.ncdf(z) + z * m.exp(-z * z / 2) / m.sqrt(2 * m.pi + 0 * z), 4, 1.3, (-9, 9)),
    "gelu_tanh": (
        lambda m, z, p: logistic(m, gelu_tanh_argument(m, z))
        + times_slope(m, gelu_tanh_argument(m, z), z * gelu_tanh_slope(m, z)), 4, 0.8, (-9, 9),
    ),
    "silu": (lambda m, z, p: logistic(m, z) + times_slope(m, z, z), 4, 0.6, (-50, 30)),
    "mish": (mish_derivative, 4, 0.7, (-50, 30)),
    "softplus": (lambda m, z, p: logistic(m, z), 2.6, 0, (-50, 30)),
    "softsign": (lambda m, a, p: (1 - abs(a)) ** 2, 2.1, 0, (-1, 1)),
    "exp": (lambda m, a, p: a, 0, 0, (0, 9)),
}  # fmt: skip
# At inf, -inf, 1e30, -1e30: the activation, and the derivative where it is computed from z.
FAR = np.array([np.inf, -np.inf, 1e30, -1e30])
STEP, SIGN, LINE = [1, 0, 1, 0], [1, -1, 1, -1], [np.inf, 0, 1e30, 0]
LIMITS = {
    "identity": FAR, "step": STEP, "sigmoid": STEP, "tanh": SIGN, "relu": LINE,
    "leaky_relu": [np.inf, -np.inf, 1e30, None], "elu": [np.inf, -1.3, 1e30, -1.3],
    "selu": [np.inf, -1.7580993408473769, None, -1.7580993408473769],
    "gelu": LINE, "gelu_tanh": LINE, "silu": LINE, "mish": LINE, "softplus": LINE, "softsign": SIGN,
    "exp": [np.inf, 0, np.inf, 0],
}  # fmt: skip


def parameter_of(name, dtype):
    """The parameter as the kernel sees it, a number of the dtype."""
    return float(np.dtype(dtype).type(PARAMETER.get(name, 0.0)))


@functools.cache
def forward_case(name, dtype):
    """Arguments and exact values; above -87 (-700) no factor of z underflows."""
    rng, n, p = np.random.default_rng(8), POINTS[dtype], parameter_of(name, dtype)
    parts = [rng.uniform(-size, size, n) for size in (0.01, 1, 5, 40)]
    z = np.concatenate([*parts, rng.uniform(LOG_TINY[dtype] + 1, 80, n), [0]]).astype(dtype)
    return z, exact(lambda m, v: FORWARD[name][0](m, v, p), z)


@functools.cache
def derivative_case(name, dtype):
    rng, n, p = np.random.default_rng(9), POINTS[dtype], parameter_of(name, dtype)
    formula, _, _, (low, high) = DERIVATIVE[name]
    u = np.concatenate([rng.uniform(low, high, n), np.clip(rng.uniform(-2, 2, n), low, high)]).astype(dtype)
    return u, exact(lambda m, v: formula(m, v, p), u)


@pytest.mark.parametrize("name", FORWARD)
def test_activation_forward(name, dtype, isa):
    z, expected = forward_case(name, dtype.name)
    _, bound, floor = FORWARD[name]
    slack = 0.3 if isa == "baseline" and bound > 1 else 0
    floor = floor * float(np.finfo(dtype).eps) * np.abs(z) + np.abs(z) * float(np.finfo(dtype).tiny)
    got = _kernels.activation_forward(name, z, parameter_of(name, dtype), isa=isa)
    if name in ("step", "relu"):
        assert_equal(got, expected.astype(np.float64))
    else:
        assert_ulps(got, expected, bound + slack, floor)


@pytest.mark.parametrize("name", DERIVATIVE)
def test_activation_backward(name, dtype, isa):
    u, expected = derivative_case(name, dtype.name)
    _, bound, floor, _ = DERIVATIVE[name]
    slack = 0.3 if isa == "baseline" and bound > 1 else 0
    got = _kernels.activation_backward(name, np.ones_like(u), u, parameter_of(name, dtype), isa=isa)
    if name == "step":
        assert np.all(got == 0)
    elif bound == 0:
        assert_equal(got, expected.astype(np.float64))
    else:
        floor = floor * float(np.finfo(dtype).eps) + FLUSH[dtype.name] + np.zeros(u.shape)
        assert_ulps(got, expected, bound + slack, floor)


def test_activation_backward_multiplies(dtype, isa, rng):
    """da * derivative, and a delta too small to matter becomes zero."""
    a, da = rng.uniform(0.1, 0.9, 37).astype(dtype), rng.normal(size=37).astype(dtype)
    slope = _kernels.activation_backward("sigmoid", np.ones_like(a), a, isa=isa)
    assert_equal(_kernels.activation_backward("sigmoid", da, a, isa=isa), da * slope)
    small = np.full(37, FLUSH[dtype.name], dtype)
    assert not _kernels.activation_backward("sigmoid", small, a, isa=isa).any()
    assert _kernels.activation_backward("sigmoid", 64 * small, a, isa=isa).all()


@pytest.mark.parametrize("name", LIMITS)
def test_activation_limits(name, dtype, isa):
    far, p = FAR.astype(dtype), parameter_of(name, dtype)
    got = _kernels.activation_forward(name, far, p, isa=isa)
    assert not np.isnan(got).any()
    for value, limit in zip(got, LIMITS[name], strict=True):
        assert limit is None or value == dtype.type(limit)
    assert np.isnan(_kernels.activation_forward(name, np.full(3, np.nan, dtype), p, isa=isa)).all()


@pytest.mark.parametrize("name", [name for name in LIMITS if registry.ACTIVATIONS[name][1] == "z"])
def test_derivative_limits(name, dtype, isa):
    ones = np.ones(4, dtype)
    assert_equal(_kernels.activation_backward(name, ones, FAR.astype(dtype), isa=isa), np.array(STEP, dtype))
    nan = np.full(4, np.nan, dtype)
    assert np.isnan(_kernels.activation_backward(name, ones, nan, isa=isa)).all()


def test_gelu_keeps_its_tail(dtype, fma_isa):
    """5.3 ulp without any floor, down to where exp(-z^2/2) leaves the normal numbers."""
    rng = np.random.default_rng(10)
    z = rng.uniform(-12.5 if dtype == np.float32 else -37, 3, POINTS[dtype.name]).astype(dtype)
    expected = exact(lambda m, v: v * m.ncdf(v), z)
    assert_ulps(_kernels.activation_forward("gelu", z, isa=fma_isa), expected, 5.3)


@pytest.mark.skipif(len(FMA_ISAS) < 2, reason="this machine has only one instruction set with fma")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_have_the_same_bits_everywhere(name, dtype, rng):
    x, p = any_numbers(dtype, rng), parameter_of(name, dtype)
    first, *others = (_kernels.activation_forward(name, x, p, isa=isa) for isa in FMA_ISAS)
    for other in others:
        assert_equal(other, first)
    first, *others = (_kernels.activation_backward(name, np.ones_like(x), x, p, isa=isa) for isa in FMA_ISAS)
    assert name == "step" or np.any(first != 0)
    for other in others:
        assert np.array_equal(other, first, equal_nan=True)
