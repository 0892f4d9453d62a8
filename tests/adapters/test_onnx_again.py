"""ONNX files of ours, read again."""

import sys

import numpy as np
import pytest

import fastmlp.onnx
from fastmlp import Dense, Dropout, Network, registry
from helpers import assert_same_bits
from onnx_models import NEWEST, NORMALIZING, both_dtypes, inputs, network, normalizing, without_description


@both_dtypes
@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@pytest.mark.parametrize("opset", [13, 17, 20, NEWEST])
def test_a_file_of_ours_gives_the_same_network(name, opset, dtype, tmp_path):
    net = network(name, dtype)
    fastmlp.onnx.save(net, tmp_path / "net.onnx", opset=opset)
    again = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert (again.layers, again.seed, again.dtype) == (net.layers, net.seed, net.dtype)
    assert_same_bits(again.get_weights(), net.get_weights())
    assert_same_bits(again.predict(inputs()), net.predict(inputs()))


@both_dtypes
@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@pytest.mark.parametrize("opset", [13, 17, 20, NEWEST])
def test_the_graph_alone_tells_the_layers(name, opset, dtype):
    net = network(name, dtype)
    again = fastmlp.onnx.from_model(without_description(fastmlp.onnx.to_model(net, opset=opset)))
    expected = [layer for layer in net.layers if isinstance(layer, Dense)]
    assert [(layer.units, layer.use_bias) for layer in again.layers] == [
        (d.units, d.use_bias) for d in expected
    ]
    for found, layer in zip(again.layers, expected, strict=True):
        one, other = map(registry.resolve_activation, (found.activation, layer.activation))
        assert one[0] == other[0] and np.float32(one[1]) == np.float32(other[1])
    assert_same_bits(again.get_weights(), net.get_weights())
    assert_same_bits(again.predict(inputs().astype(dtype)), net.predict(inputs().astype(dtype)))


@both_dtypes
@pytest.mark.parametrize("name", [name for name, (default, _) in registry.ACTIVATIONS.items() if default])
@pytest.mark.parametrize("parameter", [-3.0, -1.0, -0.2, 1e-6, 0.01, 0.999, 1.001, 1.7, 300.0])
def test_the_graph_alone_tells_a_parameter(name, parameter, dtype):
    if name in ("celu", "squareplus"):  # of which none is known below its bounds
        parameter = abs(parameter) + 0.002
    if name in ("hard_shrink", "soft_shrink"):  # which are straight lines there
        parameter = abs(parameter)
    net = Network([3, Dense(3, (name, parameter))], dtype=dtype, seed=5)
    again = fastmlp.onnx.from_model(without_description(fastmlp.onnx.to_model(net)))
    found, value = registry.resolve_activation(again.layers[0].activation)
    came, expected = (np.dtype(dtype).type(number) for number in (value, parameter))
    assert found == name and came == expected


@both_dtypes
@pytest.mark.parametrize("name", NORMALIZING)
@pytest.mark.parametrize("opset", [13, 17, 20])
def test_the_graph_alone_tells_normalizations(name, opset, dtype):
    net = normalizing(name, dtype)
    again = fastmlp.onnx.from_model(without_description(fastmlp.onnx.to_model(net, opset=opset)))
    if name == "both":  # the activation is the dense layer's own
        assert again.layers[-1].activation == "softmax"
    expected = [type(layer) for layer in net.layers if not isinstance(layer, Dropout)]
    assert [type(layer) for layer in again.layers] == expected[: 3 if name == "both" else None]
    assert_same_bits(again.get_weights(), net.get_weights())
    assert_same_bits(again.predict(inputs().astype(dtype)), net.predict(inputs().astype(dtype)))


def test_a_changed_graph_counts_more_than_its_description():
    model = fastmlp.onnx.to_model(Network([3, Dense(4, "relu"), Dropout(0.5), 2], seed=9))
    assert fastmlp.onnx.from_model(model).layers[1] == Dropout(0.5)
    model.graph.node[1].op_type = "Tanh"
    again = fastmlp.onnx.from_model(model)
    assert [layer.activation for layer in again.layers] == ["tanh", "identity"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", "[" * 100_000, '{"layers": 3, "seed": 0}', '{"layers": [{"type": "Dense"}]}'],
)
def test_a_damaged_description_is_left_out(text):
    model = fastmlp.onnx.to_model(Network([3, Dropout(0.5), 2], seed=9))
    model.metadata_props[0].value = text
    again = fastmlp.onnx.from_model(model)
    assert (again.layer_sizes, again.seed, len(again.layers)) == ((3, 2), 0, 1)


def test_without_onnx_the_message_names_the_group(monkeypatch, tmp_path):
    saved = tmp_path / "net.onnx"
    fastmlp.onnx.save(Network([2, 1]), saved)
    monkeypatch.setitem(sys.modules, "onnx", None)
    for call in (
        lambda: fastmlp.onnx.load(saved),
        lambda: fastmlp.onnx.save(Network([2, 1]), saved),
        lambda: fastmlp.onnx.to_model(Network([2, 1])),
        lambda: fastmlp.onnx.from_model(None),
    ):
        with pytest.raises(ImportError, match=r'onnx is not installed.*pip install "\.\[onnx\]"'):
            call()
