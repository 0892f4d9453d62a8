"""`Network.layer_output`: what each layer gives, against the same by hand and against `forward`."""

import numpy as np
import pytest

from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Network,
    Rescaling,
    Residual,
    Scale,
)

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
    expected = {0: 0.5 * X, 1: dense, 2: normal, 3: active, 5: block, 6: block, -1: last}
    for layer, array in expected.items():
        np.testing.assert_allclose(net.layer_output(X, layer), array, rtol=1e-12)


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
    assert all((one == other).all() for one, other in zip(net.get_weights(), before, strict=True))


def test_layers_before_the_first_dense_one():
    net = Network([3, Embedding((4,), 2), Scale(), Dense(5, "relu"), 1], seed=0)
    tables, factors = net.get_weights()[:2]
    rows = np.float32([[0.5, -1.0, 3], [0.25, 2.0, 0]])
    looked_up = np.hstack([rows[:, :2], tables.reshape(4, 2)[[3, 0]]])
    net.set_weights([tables, factors * 3, *net.get_weights()[2:]])
    assert (net.layer_output(rows, 0) == looked_up).all()
    assert (net.layer_output(rows[1], 1) == 3 * looked_up[1]).all()
    assert (Network([3, Dropout(0.5), 2], seed=0).layer_output(rows, 0) == rows).all()


def test_the_precision_is_the_networks():
    net = Network([64, 96, 64], seed=0, matmul_precision="medium")
    rows = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
    assert (net.layer_output(rows, 0) == net.forward(rows)[0]).all()
    net.matmul_precision = "highest"
    exact = net.layer_output(rows, 0)
    net.matmul_precision = "medium"
    assert (net.layer_output(rows, 0) != exact).any()
