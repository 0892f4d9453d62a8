"""The twin's activations against written formulas, limits and differences."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from differences import assert_same_gradient, central_difference
from fastmlp import reference
from fastmlp.reference import functions
from helpers import ELEMENTWISE, ROWWISE, TRAINABLE

KINKED = {"step", "relu", "leaky_relu", "elu", "celu", "selu"}


# Activations


@pytest.mark.parametrize("name", TRAINABLE)
@pytest.mark.parametrize("parameter", [None, 0.3])
def test_elementwise_derivative_is_the_slope(name, parameter):
    entry = reference.ACTIVATIONS[name]
    z = np.linspace(-4, 4, 81) + 0.013  # no point within the difference's reach of a kink at 0
    a = reference.activation_forward(name, z, parameter)
    da = np.random.default_rng(0).normal(size=z.shape)
    dz = reference.activation_backward(name, da, z if entry.saved == "z" else a, parameter)
    numeric = central_difference(lambda: float(da @ reference.activation_forward(name, z, parameter)), z)
    assert_same_gradient(dz, numeric)


@pytest.mark.parametrize("name", ROWWISE)
def test_rowwise_backward_is_the_slope(name):
    rng = np.random.default_rng(1)
    z, da = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    dz = reference.activation_backward(name, da, reference.activation_forward(name, z))
    numeric = central_difference(lambda: float((da * reference.activation_forward(name, z)).sum()), z)
    assert_same_gradient(dz, numeric)


def test_step_steps_and_has_no_slope():
    z = np.array([-2.0, 0.0, 1e-9, 3.0])
    np.testing.assert_array_equal(reference.activation_forward("step", z), [0, 0, 1, 1])
    np.testing.assert_array_equal(functions.step_derivative(z), np.zeros(4))


@pytest.mark.parametrize("name", sorted(KINKED - {"step"}))
def test_continuous_at_the_kink(name):
    around = reference.activation_forward(name, np.array([-1e-12, 0.0, 1e-12]))
    assert around[1] == 0 and np.abs(around).max() < 1e-11
    entry = reference.ACTIVATIONS[name]
    slopes = entry.derivative(np.array([-1e-12, 1e-12]), entry.parameter or 0.0)
    assert slopes[0] != slopes[1] or name in ("elu", "celu")  # elu with alpha 1 has no kink, and celu none


def written_activations(z):
    """The activations as textbooks write them, for one moderate number, without care for stability."""
    cdf = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    softplus = math.log(1 + math.exp(z))
    inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
    return {
        "identity": z,
        "step": float(z > 0),
        "sigmoid": 1 / (1 + math.exp(-z)),
        "tanh": math.tanh(z),
        "relu": max(z, 0.0),
        "leaky_relu": z if z > 0 else 0.01 * z,
        "elu": z if z > 0 else math.exp(z) - 1,
        "celu": z if z > 0 else math.exp(z) - 1,
        "selu": 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (math.exp(z) - 1)),
        "gelu": z * cdf,
        "gelu_tanh": 0.5 * z * (1 + math.tanh(inner)),
        "silu": z / (1 + math.exp(-z)),
        "mish": z * math.tanh(softplus),
        "softplus": softplus,
        "softsign": z / (1 + abs(z)),
        "relu6": min(max(z, 0.0), 6.0),
        "hard_tanh": min(max(z, -1.0), 1.0),
        "hard_sigmoid": min(max(z / 6 + 0.5, 0.0), 1.0),
        "hard_swish": z * min(max(z / 6 + 0.5, 0.0), 1.0),
        "exp": math.exp(z),
        "log_sigmoid": -math.log(1 + math.exp(-z)),
        "hard_shrink": z if abs(z) > 0.5 else 0.0,
        "soft_shrink": math.copysign(max(abs(z) - 0.5, 0.0), z),
        "tanh_shrink": z - math.tanh(z),
        "thresholded_relu": z if z > 1 else 0.0,
        "squareplus": (z + math.sqrt(z * z + 4)) / 2,
        "sparse_plus": z if z > 1 else max((z + 1) / 2, 0.0) ** 2,
        "sparse_sigmoid": min(max((z + 1) / 2, 0.0), 1.0),
    }


@pytest.mark.parametrize("name", written_activations(1.0))
@pytest.mark.parametrize("z", [-3.0, -0.7, 0.4, 2.5])
def test_forward_is_the_written_formula(name, z):
    got = reference.activation_forward(name, np.array([z]))[0]
    assert got == pytest.approx(written_activations(z)[name], rel=1e-13)


# At minus and plus infinity.
LIMITS = {
    "identity": (-np.inf, np.inf),
    "step": (0, 1),
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "relu": (0, np.inf),
    "leaky_relu": (-np.inf, np.inf),
    "elu": (-1, np.inf),
    "celu": (-1, np.inf),
    "selu": (-functions.SELU_SCALE * functions.SELU_ALPHA, np.inf),
    "gelu": (0, np.inf),
    "gelu_tanh": (0, np.inf),
    "silu": (0, np.inf),
    "mish": (0, np.inf),
    "softplus": (0, np.inf),
    "softsign": (-1, 1),
    "relu6": (0, 6),
    "hard_tanh": (-1, 1),
    "hard_sigmoid": (0, 1),
    "hard_swish": (0, np.inf),
    "exp": (0, np.inf),
    "log_sigmoid": (-np.inf, 0),
    "hard_shrink": (-np.inf, np.inf),
    "soft_shrink": (-np.inf, np.inf),
    "tanh_shrink": (-np.inf, np.inf),
    "thresholded_relu": (0, np.inf),
    "squareplus": (0, np.inf),
    "sparse_plus": (0, np.inf),
    "sparse_sigmoid": (0, 1),
}

FALLING = {"identity", "log_sigmoid", "hard_shrink", "soft_shrink", "tanh_shrink"}  # without end


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_have_their_limits_without_warnings(name, dtype):
    largest = float(np.finfo(dtype).max)
    z = np.array([-np.inf, -largest, -1e4, 1e4, largest, np.inf], dtype)
    with np.errstate(divide="raise", invalid="raise"):
        a = reference.activation_forward(name, z)
        entry = reference.ACTIVATIONS[name]
        slope = entry.derivative(z if entry.saved == "z" else a, entry.parameter)
    assert a.dtype == slope.dtype == np.dtype(dtype)
    low, high = LIMITS[name]
    np.testing.assert_allclose([a[0], a[-1]], [low, high], rtol=1e-6)
    assert not np.isnan(a).any() and np.isfinite(a[2])
    assert not np.isnan(slope).any()
    assert slope[0] == (entry.parameter if name == "leaky_relu" else name in FALLING)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays_nan(name):
    assert np.isnan(reference.activation_forward(name, np.array([np.nan]))).all()


@pytest.mark.parametrize("name", list(reference.ACTIVATIONS))
def test_float32_is_float64_rounded(name):
    z = np.linspace(-5, 5, 64).reshape(8, 8)
    narrow = reference.activation_forward(name, z.astype(np.float32))
    assert narrow.dtype == np.float32
    wide = reference.activation_forward(name, z.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(narrow, wide, rtol=5e-6, atol=1e-7)


def erf_series(x):
    """erf by its Taylor series in exact fractions."""
    x = Fraction(x)
    term, total, n = x, x, 0
    while abs(term) > Fraction(1, 10**40):
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return float(2 * total / Fraction(math.sqrt(math.pi)))


def test_erf_has_all_its_digits():
    x = np.concatenate([-np.geomspace(1e-12, 4, 30), [0.0], np.geomspace(1e-12, 4, 30)])
    expected = np.array([erf_series(value) for value in x])
    np.testing.assert_allclose(functions.erf(x), expected, rtol=1e-15, atol=0)
    np.testing.assert_array_equal(functions.erf(np.array([-np.inf, 7.0, np.inf])), [-1, 1, 1])


def test_normal_cdf_keeps_the_tail():
    # Abramowitz and Stegun, table 26.2: -log10 Q(x)
    tail = functions.normal_cdf(np.array([-5.0, -10.0, -20.0]))
    np.testing.assert_allclose(-np.log10(tail), [6.54265, 23.11805, 88.56010], atol=6e-6)


# Softmax


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_is_stable(dtype):
    with np.errstate(all="raise", under="ignore"):
        large = functions.softmax(np.array([1010, 1000, 990], dtype))
        far = functions.softmax(np.array([1e4, -1e4], dtype))
        logs = functions.log_softmax(np.array([1e4, -1e4], dtype))
    np.testing.assert_allclose(large, [9.99954600e-01, 4.53978686e-05, 2.06106005e-09], rtol=1e-6)
    assert large.sum() == pytest.approx(1, abs=4 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(far, [1, 0])
    np.testing.assert_array_equal(logs, [0, -2e4])


def test_softmax_does_not_care_for_a_shift_and_rows_are_apart():
    z = np.random.default_rng(2).normal(size=(4, 6))
    a = functions.softmax(z)
    np.testing.assert_allclose(functions.softmax(z + 100.0), a, rtol=1e-12)
    np.testing.assert_allclose(a.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_array_equal(functions.softmax(z[2]), a[2])
    np.testing.assert_allclose(np.exp(functions.log_softmax(z)), a, rtol=1e-13)
