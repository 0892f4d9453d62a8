"""`fastmlp.functional`: activations and elementary functions against formulas and central differences."""

import math

import numpy as np
import pytest

from differences import assert_is_gradient
from fastmlp import functional, reference, registry
from formulas import erf, sigmoid, softmax
from functional_cases import DTYPES, tolerance
from helpers import ROWWISE, TRAINABLE

# Formulas written here once more; what has none is compared with the twin.
EXPECTED = {name: activation.forward for name, activation in reference.ACTIVATIONS.items()} | {
    "identity": lambda z: z,
    "step": lambda z: np.where(z > 0, 1.0, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "celu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
    "gelu_tanh": lambda z: z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z * sigmoid(z),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "relu6": lambda z: np.minimum(np.maximum(z, 0), 6),
    "hard_tanh": lambda z: np.minimum(np.maximum(z, -1), 1),
    "hard_sigmoid": lambda z: np.minimum(np.maximum(z / 6 + 0.5, 0), 1),
    "hard_swish": lambda z: z * np.minimum(np.maximum(z / 6 + 0.5, 0), 1),
    "exp": np.exp,
    "log_sigmoid": lambda z: -np.log(1 + np.exp(-z)),
    "hard_shrink": lambda z: z * (np.abs(z) > 0.5),
    "soft_shrink": lambda z: np.sign(z) * np.maximum(np.abs(z) - 0.5, 0),
    "tanh_shrink": lambda z: z - np.tanh(z),
    "thresholded_relu": lambda z: z * (z > 1),
    "squareplus": lambda z: (z + np.sqrt(z * z + 4)) / 2,
    "sparse_plus": lambda z: np.where(z > 1, z, np.maximum(z + 1, 0) ** 2 / 4),
    "sparse_sigmoid": lambda z: np.clip((z + 1) / 2, 0, 1),
    "softmax": softmax,
    "log_softmax": lambda z: np.log(softmax(z)),
}


# ---- activations ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXPECTED)
def test_activations_follow_their_formula(name, dtype, rng):
    z = rng.normal(scale=2.0, size=(7, 13)).astype(dtype)
    a = getattr(functional, name)(z)
    assert a.dtype == dtype
    expected = EXPECTED[name](z.astype(np.float64))
    np.testing.assert_allclose(a, expected, rtol=tolerance(dtype), atol=tolerance(dtype))
    assert np.unique(a).size > 1


@pytest.mark.parametrize("name", TRAINABLE)
def test_elementwise_derivatives(name, rng):
    z = rng.normal(scale=2.0, size=40)
    z[np.abs(z) < 1e-3] = 0.5  # away from the kinks
    da = rng.normal(size=40)
    forward, backward = getattr(functional, name), getattr(functional, f"{name}_backward")
    saved = z if registry.ACTIVATIONS[name][1] == "z" else forward(z)
    assert_is_gradient(backward(da, saved), lambda z: float((da * forward(z)).sum()), z)


@pytest.mark.parametrize("name", ROWWISE)
def test_row_derivatives(name, rng):
    z, da = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    forward, backward = getattr(functional, name), getattr(functional, f"{name}_backward")
    assert_is_gradient(backward(da, forward(z)), lambda z: float((da * forward(z)).sum()), z)


def test_step_has_no_derivative():
    assert functional.step_backward([1.0, 2.0], [0.0, 1.0]).tolist() == [0.0, 0.0]


def test_parameters_are_taken():
    assert functional.leaky_relu([-2.0, 2.0], 0.25).tolist() == [-0.5, 2.0]
    assert functional.leaky_relu_backward([1.0, 1.0], [-2.0, 2.0], 0.25).tolist() == [0.25, 1.0]
    np.testing.assert_allclose(functional.elu([-1.0], 2.0), 2 * math.expm1(-1), rtol=1e-15)
    np.testing.assert_allclose(functional.celu([-1.0], 2.0), 2 * math.expm1(-0.5), rtol=1e-15)
    with pytest.raises(ValueError, match="'relu' takes none"):
        functional.relu([1.0], 0.5)
    with pytest.raises(ValueError, match="parameter is nan"):
        functional.elu([1.0], math.nan)
    assert functional.leaky_relu([-2.0, 2.0], -0.25).tolist() == [0.5, 2.0]
    with pytest.raises(ValueError, match=r"parameter is -0\.25, expected 0 to 1e\+30, where the der"):
        functional.leaky_relu_backward([1.0], [1.0], -0.25)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_is_stable(dtype):
    for row in ([1010, 1000, 990], [1e4, -1e4]):
        a = functional.softmax(np.array(row, dtype))
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a.sum(), 1, rtol=tolerance(dtype))
        np.testing.assert_array_equal(np.isnan(functional.log_softmax(np.array(row, dtype))), False)
    np.testing.assert_allclose(
        functional.softmax([0.3, 2.9, 4.0]), [0.01821127, 0.24519181, 0.73659691], atol=1e-8
    )


# ---- any array ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "expected", "low", "high"),
    [
        ("exp", np.exp, -20, 20),
        ("log", np.log, 0.01, 50),
        ("log1p", np.log1p, -0.9, 50),
        ("expm1", np.expm1, -5, 20),
        ("tanh", np.tanh, -9, 9),
        ("erf", erf, -4, 4),
        ("sigmoid", sigmoid, -20, 20),
        ("sin", np.sin, -9, 9),
        ("cos", np.cos, -9, 9),
    ],
)
def test_elementary_functions(name, expected, low, high, dtype):
    x = np.linspace(low, high, 997).astype(dtype)
    np.testing.assert_allclose(
        getattr(functional, name)(x), expected(x.astype(np.float64)), rtol=4 * np.finfo(dtype).eps, atol=0
    )
