"""`fastmlp.functional`: dense layers against NumPy and central differences."""

import numpy as np
import pytest

from differences import assert_is_gradient
from fastmlp import functional
from functional_cases import DTYPES, tolerance


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense(dtype, rng):
    X, W, b = (rng.normal(size=shape).astype(dtype) for shape in [(4, 40), (40, 20), (20,)])
    # An inner product of 40 rounds 40 times; the bound is in terms of the sizes of what is added.
    bound = 41 * np.finfo(dtype).eps * (np.abs(X).astype(np.float64) @ np.abs(W) + np.abs(b))
    exact = X.astype(np.float64) @ W + b
    assert (np.abs(functional.dense(X, W, b) - exact) <= bound).all()
    assert (np.abs(functional.dense(X, W) - (exact - b)) <= bound).all()
    np.testing.assert_allclose(
        functional.dense(X, W, b, "tanh"), np.tanh(exact), atol=float(bound.max()) + tolerance(dtype)
    )
    assert functional.dense(X[0], W, b).tobytes() == functional.dense(X, W, b)[0].tobytes()
    assert functional.dense(X.reshape(2, 2, 40), W, b).shape == (2, 2, 20)


def test_dense_backward(rng):
    X, W, b, dz = (rng.normal(size=shape) for shape in [(6, 5), (5, 3), (3,), (6, 3)])
    dX, dW, db = functional.dense_backward(dz, X, W)
    assert_is_gradient(dX, lambda X: float((dz * functional.dense(X, W, b)).sum()), X)
    assert_is_gradient(dW, lambda W: float((dz * functional.dense(X, W, b)).sum()), W)
    assert_is_gradient(db, lambda b: float((dz * functional.dense(X, W, b)).sum()), b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional.dense([[1.0]], [[1.0], [2.0]]), r"X has shape \(1, 1\), expected \(..., 2\)"),
        (lambda: functional.dense([[1.0]], [1.0]), r"W has shape \(1,\), expected \(n_in, n_out\)"),
        (lambda: functional.dense([[1.0]], [[1.0]], [1.0, 2.0]), r"b has shape \(2,\), expected \(1,\)"),
        (lambda: functional.dense_backward([[1.0]], [[1.0], [2.0]], [[1.0]]), r"dz has shape \(1, 1\)"),
        (lambda: functional.dense([[1.0]], [[1.0]], activation="rely"), "unknown activation 'rely'"),
    ],
)
def test_bad_dense(call, message):
    with pytest.raises(ValueError, match=message):
        call()
