"""`Network`: gradients against central differences."""

import numpy as np

from fastmlp import Dense, Network
from formulas import RTOL


def test_gradients_are_central_differences(rng):
    net = Network(
        [4, 6, Dense(3, use_bias=False)], activation="tanh", output="softmax", dtype="float64", seed=1
    )
    net.compile()
    X, y, weight = rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0]), np.array([1.0, 2.0, 0.0, 0.5, 1.0])
    loss, gradients, dX = net.gradients(X, y, weight, input_gradient=True)
    assert gradients[1][1] is None
    flat = [array for pair in gradients for array in pair if array is not None]
    weights, h = net.get_weights(), 1e-6

    def loss_with(values, X):
        net.set_weights(values)
        return net.gradients(X, y, weight)[0]

    def difference(arrays, array, index, X):
        up, down = ([a.copy() for a in arrays] for _ in range(2))
        up[array][index] += h
        down[array][index] -= h
        return (loss_with(up, X) - loss_with(down, X)) / (2 * h)

    for k, gradient in enumerate(flat):
        numeric = np.array([difference(weights, k, i, X) for i in np.ndindex(gradient.shape)])
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(gradient.ravel(), numeric, rtol=1e-6, atol=1e-9)
    net.set_weights(weights)
    assert loss == net.gradients(X, y, weight)[0]
    numeric_x = np.empty_like(X)
    for i in np.ndindex(X.shape):
        shifted = [X.copy(), X.copy()]
        shifted[0][i] += h
        shifted[1][i] -= h
        numeric_x[i] = (loss_with(weights, shifted[0]) - loss_with(weights, shifted[1])) / (2 * h)
    assert np.abs(dX).max() > 1e-3
    np.testing.assert_allclose(dX, numeric_x, rtol=1e-6, atol=1e-9)


def test_a_loss_in_python_has_the_gradients_of_its_twin(dtype, rng):
    def mean_square(y_true, y_pred):
        residual = y_pred - y_true
        return float((residual**2).mean()), 2 * residual / residual.size

    net = Network([4, 5, 2], activation="tanh", output="sigmoid", dtype=dtype, seed=1)
    X, y = rng.normal(size=(6, 4)), rng.uniform(size=(6, 2))
    net.compile(loss="mse")
    loss, gradients = net.gradients(X, y)
    net.compile(loss=mean_square)
    own_loss, own_gradients = net.gradients(X, y)
    np.testing.assert_allclose(own_loss, loss, rtol=50 * RTOL[dtype.name])
    for (dW, db), (own_dW, own_db) in zip(gradients, own_gradients, strict=True):
        assert np.abs(dW).max() > 1e-4
        np.testing.assert_allclose(own_dW, dW, rtol=50 * RTOL[dtype.name], atol=RTOL[dtype.name])
        np.testing.assert_allclose(own_db, db, rtol=50 * RTOL[dtype.name], atol=RTOL[dtype.name])
