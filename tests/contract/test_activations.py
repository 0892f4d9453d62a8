"""Activations of every instruction set, in units of the last place."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from activation_formulas import DERIVATIVE, FAR, FORWARD, LIMITS, SLOPES_FAR, STEP, parameter_of
from fastmlp import _kernels, reference, registry
from helpers import ELEMENTWISE, FMA_ISAS
from ulps import FLUSH, LOG_TINY, POINTS, any_numbers, assert_equal, assert_ulps, exact


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
    if bound == 0:
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
    ones, slopes = np.ones(4, dtype), np.array(SLOPES_FAR.get(name, STEP), dtype)
    p = parameter_of(name, dtype)
    found = _kernels.activation_backward(name, ones, FAR.astype(dtype), p, isa=isa)
    assert_equal(np.where(found < 1e-30, 0, found), slopes)
    nan = np.full(4, np.nan, dtype)
    assert np.isnan(_kernels.activation_backward(name, ones, nan, p, isa=isa)).all()


CUT_OFF = [name for name in FORWARD if name.startswith("hard_")]
CUT_OFF += ["relu6", "soft_shrink", "thresholded_relu", "sparse_plus", "sparse_sigmoid"]


@pytest.mark.parametrize("name", CUT_OFF)
def test_what_is_cut_off_has_the_bits_of_numpy(name, dtype, isa, rng):
    """Sums, quotients and choices alone, each rounded once."""
    ends = [-3, -1, 0, 1, 3, 6, -np.inf, np.inf, np.nan]
    z = np.concatenate([rng.uniform(-8, 8, 5000), ends]).astype(dtype)
    p = parameter_of(name, dtype)
    a = _kernels.activation_forward(name, z, p, isa=isa)
    assert_equal(a, reference.activation_forward(name, z, p))
    saved = z if registry.ACTIVATIONS[name][1] == "z" else a
    slopes = _kernels.activation_backward(name, np.ones_like(z), saved, p, isa=isa)
    assert_equal(slopes, reference.activation_backward(name, np.ones_like(z), saved, p))


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
