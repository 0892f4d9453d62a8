"""Networks in the units of y, written for another package and read again."""

from __future__ import annotations

import pytest

from fastmlp import Dropout, Network, OutputRescaling, keras, onnx, sklearn, torch
from helpers import assert_close, assert_same_bits


@pytest.fixture
def net():
    rescaling = OutputRescaling([10.0, 20.0], [100.0, -5.0])
    return Network([3, Dropout(0.25), 5, 2, rescaling], activation="tanh", dtype="float64", seed=2)


def test_onnx_keeps_it_and_a_graph_alone_has_it_in_the_weights(net, rng):
    pytest.importorskip("onnx")
    X = rng.standard_normal((6, 3))
    model = onnx.to_model(net)
    again = onnx.from_model(model)
    assert again.layers == net.layers and again.seed == 2
    assert_same_bits(again.predict(X), net.predict(X))
    del model.metadata_props[:]
    again = onnx.from_model(model)
    assert len(again.layers) < len(net.layers)
    assert_close(again.predict(X), net.predict(X), 1e-14)


def test_torch_keeps_it(net, rng):
    pytest.importorskip("torch")
    X = rng.standard_normal((6, 3))
    module = torch.to_torch(net)
    for fold in (False, True):
        again = torch.from_torch(module, fold=fold)
        assert again.layers == (net.layers[:-1] if fold else net.layers)
        assert_close(again.predict(X), net.predict(X), 1e-14)


def test_keras_keeps_it(net, rng):
    pytest.importorskip("keras")
    again = keras.from_keras(keras.to_keras(net))
    assert again.layers[-1] == net.layers[-1]
    X = rng.standard_normal((6, 3))
    assert_close(again.predict(X), net.predict(X), 1e-14)


def test_scikit_learn_has_it_in_the_weights(net, rng):
    X = rng.standard_normal((6, 3))
    assert_close(sklearn.to_sklearn(net).predict(X), net.predict(X), 1e-14)


def test_it_stands_at_the_end_of_what_is_read(net):
    pytest.importorskip("torch")
    module = torch.to_torch(net)
    longer = type(module)(*module, *torch.to_torch(Network([2, 1], dtype="float64")))
    with pytest.raises(ValueError, match="4: it is OutputRescaling, expected it at the end"):
        torch.from_torch(longer)
