"""`Network.layer_output`: what each layer gives, against the same by hand and against `forward`."""

import numpy as np
import pytest

from fastmlp import Activation, BatchNormalization, Dense, Dropout, Network, Rescaling, Residual

rng = np.random.default_rng(0)
X = rng.normal(size=(7, 3))


def network():
    net = Network(
        [3, Rescaling(0.5), Dense(4, "identity"), BatchNormalization(), Activation("tanh"),
         Residual([Dense(4, "relu")]), Dropout(0.5), Dense(2, "softmax")],
        dtype="float64", seed=1,
    )  # fmt: skip
    net.set_weights([rng.uniform(0.2, 1.0, array.shape) for array in net.get_weights()])
    return net


def test_each_layer_is_what_it_computes():
    net = network()
    W1, b1, gamma, beta, mean, variance, W2, b2, W3, b3 = net.get_weights()
    dense = 0.5 * X @ W1 + b1
    normal = (dense - mean) / np.sqrt(variance + net.layers[2].epsilon) * gamma + beta
    active = np.tanh(normal)
    block = active + np.maximum(active @ W2 + b2, 0)
    z = block @ W3 + b3
    last = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    for layer, expected in ((1, dense), (2, normal), (3, active), (5, block), (6, block), (-1, last)):
        np.testing.assert_allclose(net.layer_output(X, layer), expected, rtol=1e-12)


def test_the_last_is_predict_and_dense_ones_are_forwards():
    net = Network([3, 5, 4, 2], seed=0)
    outputs = [net.layer_output(X, layer) for layer in range(3)]
    assert all((one == other).all() for one, other in zip(outputs, net.forward(X), strict=True))
    assert (net.layer_output(X[0], -1) == net.predict(X[0])).all()


def test_what_is_no_layer_is_refused_and_the_network_is_left_alone():
    net = network()
    before = net.get_weights()
    for layer in (len(net.layers), -len(net.layers) - 1):
        with pytest.raises(ValueError, match=f"layer is {layer}"):
            net.layer_output(X, layer)
    with pytest.raises(TypeError, match="layer is 'dense'"):
        net.layer_output(X, "dense")
    with pytest.raises(ValueError):
        net.layer_output(X, 0)
    assert all((one == other).all() for one, other in zip(net.get_weights(), before, strict=True))
