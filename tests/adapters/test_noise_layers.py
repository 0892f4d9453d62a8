"""GaussianNoise and AlphaDropout in other packages' networks, and back."""

from __future__ import annotations

import pytest

from fastmlp import AlphaDropout, Dense, GaussianNoise, Network, keras, onnx, torch
from helpers import assert_close, assert_same_bits


@pytest.fixture
def net():
    selu = Dense(5, "selu", initializer="lecun_normal")
    return Network([3, GaussianNoise(0.25), selu, AlphaDropout(0.2), 2], dtype="float64", seed=2)


def test_torch_gives_them_back(net, rng):
    pytest.importorskip("torch")
    module = torch.to_torch(net)
    X = rng.standard_normal((6, 3))
    again = torch.from_torch(module)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in net.layers]
    assert again.layers[0] == net.layers[0] and again.layers[2] == net.layers[2]
    assert_same_bits(again.predict(X), net.predict(X))
    tensor = pytest.importorskip("torch").from_numpy(X)
    assert_close(module(tensor).detach().numpy(), net.predict(X), 1e-13)
    module.train()
    assert not (module[0](tensor) == tensor).any()


def test_keras_gives_them_back(net, rng):
    pytest.importorskip("keras")
    again = keras.from_keras(keras.to_keras(net))
    assert again.layers[0] == net.layers[0] and again.layers[2] == net.layers[2]
    X = rng.standard_normal((6, 3))
    assert_same_bits(again.predict(X), net.predict(X))


def test_onnx_does_without_them(net, rng):
    pytest.importorskip("onnx")
    model = onnx.to_model(net)
    assert not {node.op_type for node in model.graph.node} & {"RandomNormal", "RandomNormalLike", "Dropout"}
    X = rng.standard_normal((6, 3))
    assert_close(onnx.from_model(model).predict(X), net.predict(X), 1e-13)
