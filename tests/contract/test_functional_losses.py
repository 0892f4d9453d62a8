"""`fastmlp.functional`: losses against written formulas and central differences."""

import numpy as np
import pytest

from differences import assert_is_gradient
from fastmlp import functional, reference, registry
from formulas import sigmoid, softmax
from functional_cases import DTYPES, tolerance
from helpers import outputs_of, targets

VALUES = {
    name: lambda y, p, loss=loss: loss.value(p, y, *loss.parameters)
    for name, loss in reference.LOSSES.items()
} | {
    "sparse_categorical_crossentropy": lambda y, z: -np.log(softmax(z))[np.arange(len(y)), y],
    "categorical_crossentropy": lambda y, z: -(y * np.log(softmax(z))).sum(axis=1),
    "binary_crossentropy": lambda y, z: (
        -(y * np.log(sigmoid(z)) + (1 - y) * np.log(1 - sigmoid(z))).mean(axis=1)
    ),
    "mse": lambda y, p: ((p - y) ** 2).mean(axis=1),
    "mae": lambda y, p: np.abs(p - y).mean(axis=1),
    "huber": lambda y, p: np.where(np.abs(p - y) <= 1, (p - y) ** 2 / 2, np.abs(p - y) - 0.5).mean(axis=1),
    "poisson": lambda y, z: (np.exp(z) - y * z).mean(axis=1),
    "gaussian_nll": lambda y, p: (p[:, 4:] / 2 + (p[:, :4] - y) ** 2 / (2 * np.exp(p[:, 4:]))).mean(axis=1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", registry.LOSSES)
def test_loss_values(name, dtype, rng):
    n = outputs_of(name, 4)
    y, p = targets(rng, name, 9, n, np.float64), rng.normal(size=(9, n)).astype(dtype)
    weight = rng.uniform(size=9).astype(dtype)
    expected = VALUES[name](y, p.astype(np.float64))
    function = getattr(functional, name)
    np.testing.assert_allclose(function(y, p), expected.mean(), rtol=tolerance(dtype))
    np.testing.assert_allclose(
        function(y, p, sample_weight=weight), (weight * expected).sum() / 9, rtol=tolerance(dtype)
    )
    assert type(function(y, p)) is float


@pytest.mark.parametrize("name", registry.LOSSES)
def test_loss_gradients(name, rng):
    n = outputs_of(name, 4)
    y, p, weight = targets(rng, name, 9, n, np.float64), rng.normal(size=(9, n)), rng.uniform(size=9)
    value, gradient = getattr(functional, f"{name}_loss_gradient")(y, p, sample_weight=weight)
    function = getattr(functional, name)
    assert value == function(y, p, sample_weight=weight)
    assert_is_gradient(gradient, lambda p: function(y, p, sample_weight=weight), p)


def test_huber_takes_its_parameter():
    assert functional.huber([0.0], [3.0], 2.0) == 2.0 * (3.0 - 1.0)
    assert functional.huber_loss_gradient([0.0], [3.0], 2.0)[1].tolist() == [2.0]
    with pytest.raises(ValueError, match="delta is 0"):
        functional.huber([0.0], [3.0], 0.0)


def test_flat_predictions_keep_their_shape():
    value, gradient = functional.mse_loss_gradient([1.0, 2.0], [1.0, 4.0])
    assert value == 2.0 and gradient.tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional.mse([1.0], [1.0, 2.0]), "y_true has 1 rows, expected 2"),
        (lambda: functional.mse([], []), r"y_pred has shape \(0,\)"),
        (lambda: functional.sparse_categorical_crossentropy([2], [[1.0, 2.0]]), "y_true contains 2 at row 0"),
        (lambda: functional.mse([1.0], [1.0], sample_weight=[-1.0]), "sample_weight contains -1"),
        (lambda: functional.gaussian_nll([1.0], [1.0]), r"has shape \(1,\), expected 2 outputs a target"),
        (lambda: functional.gaussian_nll([1.0], [[1.0, 2.0, 3.0]]), "expected 2 outputs a target"),
    ],
)
def test_bad_losses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_functional_loss_is_a_python_loss():
    """`Network.compile` takes functions of the form (y_true, y_pred) -> (value, gradient)."""
    from fastmlp import Network

    X, y = [[1.0, 2.0], [3.0, -1.0]], [[0.5], [1.5]]
    nets = [Network([2, 3, 1], activation="tanh", dtype="float64", seed=0) for _ in range(2)]
    nets[0].compile("sgd", loss="mse")
    nets[1].compile("sgd", loss=functional.mse_loss_gradient)
    for net in nets:
        net.train_on_batch(X, y)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
