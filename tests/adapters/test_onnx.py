"""ONNX files of ours, in onnx's evaluator and ONNX Runtime, and read again; what is refused."""

import os
import sys
import tracemalloc

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    ModelFileError,
    Network,
    Rescaling,
    Standardize,
    registry,
)
from helpers import assert_same_bits, assert_within
from onnx_helpers import ULPS, oracle, run

onnx = pytest.importorskip("onnx")
import fastmlp.onnx  # noqa: E402

NEWEST = onnx.defs.onnx_opset_version()
RUNTIME_OPSETS = [13, 17, 18, 20, 21, 24]  # ONNX Runtime knows fewer than onnx does
DTYPES = ["float32", "float64"]


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


def ways(net, model, X):
    """Predictions of the network, of onnx's evaluator and of ONNX Runtime."""
    from onnx.reference import ReferenceEvaluator

    X = np.asarray(X, net.dtype)
    yield net.predict(X)
    yield ReferenceEvaluator(model).run(None, {"X": X})[0]
    if model.opset_import[0].version in RUNTIME_OPSETS:
        yield run(model, X)


def parameterized(name):
    """The activation with a parameter of its own, if it takes one."""
    return (name, 0.37) if registry.ACTIVATIONS[name][0] else name


def network(name, dtype, n_out=3):
    """13-37-n_out: the activation in the hidden layer, if it may stand there, and in the last one."""
    hidden = "tanh" if registry.ACTIVATIONS[name][1] == "row" else parameterized(name)
    layers = [13, Dense(37, hidden), Dropout(0.2), Dense(n_out, parameterized(name), use_bias=n_out > 1)]
    net = Network(layers, dtype=dtype, seed=5)
    rng = np.random.default_rng(8)
    net.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in net.get_weights()])
    return net


def inputs(rows=7, columns=13):
    return np.random.default_rng(7).normal(size=(rows, columns))


def without_description(model):
    """As another program would write it."""
    del model.metadata_props[:]
    return model


# ---- what we write ----


@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@pytest.mark.parametrize("n_out", [1, 3])
def test_every_activation_is_the_same_elsewhere(name, n_out, dtype):
    net = network(name, dtype, n_out)
    model = fastmlp.onnx.to_model(net)
    for rows in (1, 7):
        exact, bound = oracle(net, inputs(rows))
        results = list(ways(net, model, inputs(rows)))
        assert len(results) == 3
        for result in results:
            assert result.dtype == dtype
            if name == "step" or (name, n_out) == ("log_softmax", 1):
                assert np.array_equal(result, exact)
            elif name == "relu":  # may be zeros alone
                assert np.all(abs(result - exact) <= bound)
            else:
                assert_within(result, exact, bound)


@pytest.mark.parametrize(
    "name", ["elu", "selu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "leaky_relu"]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the evaluator
def test_large_and_small_arguments_survive(name, dtype):
    """Composed forms must not overflow, nor lose what is small, as an exp or a subtraction easily does."""
    net = Network([1, Dense(1, parameterized(name))], dtype=dtype)
    net.set_weights([[[1.0]], [0.0]])
    X = np.array([-1e4, -90, -30, -6, -1, -1e-3, -1e-9, 1e-9, 1e-3, 1, 6, 30, 90, 1e4])[:, None]
    for opset in (17, 20):
        for result in ways(net, fastmlp.onnx.to_model(net, opset=opset), X):
            exact, bound = oracle(net, X)
            small = abs(X) < 1e-2  # where float64's composed forms keep all digits
            size = abs(exact) if dtype == "float64" else 1
            assert np.isfinite(result).all()
            assert np.all(abs(result - exact) <= np.where(small, ULPS * np.finfo(dtype).eps * size, bound))


@pytest.mark.parametrize("opset", range(13, NEWEST + 1))
def test_every_opset_is_valid_and_equal(opset, dtype):
    names = ["gelu", "gelu_tanh", "mish", "silu", "elu", "softplus"]
    net = Network([5, *(Dense(4, name) for name in names), Dense(3, "softmax")], dtype=dtype, seed=8)
    model = fastmlp.onnx.to_model(net, opset=opset)
    assert model.opset_import[0].version == opset
    exact, bound = oracle(net, inputs(columns=5))
    for result in ways(net, model, inputs(columns=5)):
        assert_within(result, exact, bound)
    assert_same_bits(fastmlp.onnx.from_model(model).get_weights(), net.get_weights(), zeros=True)


def test_newer_opsets_use_their_own_operators():
    net = Network([2, Dense(2, "gelu"), Dense(2, "mish")], seed=0)
    ops = {
        opset: {node.op_type for node in fastmlp.onnx.to_model(net, opset=opset).graph.node}
        for opset in (13, 20)
    }
    assert ops[20] == {"Gemm", "Gelu", "Mish"} and {"Erf", "Softplus", "Tanh"} <= ops[13]


@pytest.mark.parametrize(
    "layer",
    [Rescaling(1 / 255), Rescaling(0.5, -1.0), Standardize(np.linspace(-1, 1, 13), np.linspace(0.5, 3, 13))],
)
def test_preprocessing_is_part_of_the_graph(layer, dtype):
    net = Network([13, layer, Dense(5, "tanh"), 2], dtype=dtype, seed=1)
    model = fastmlp.onnx.to_model(net)
    X = np.random.default_rng(1).integers(0, 256, (7, 13)).astype(dtype)
    exact, bound = oracle(net, X)
    for result in ways(net, model, X):
        assert_within(result, exact, bound)
    again = fastmlp.onnx.from_model(without_description(model))
    assert_same_bits(again.predict(X), net.predict(X))


NORMALIZING = {
    "first": [13, LayerNormalization(1e-5), Dense(5, "tanh"), 3],
    "bare": [13, Dense(7, use_bias=False), BatchNormalization(0.9), Activation("relu"), Dropout(0.2), 3],
    "last": [13, Dense(5, "tanh"), BatchNormalization(epsilon=1e-4), Activation(("elu", 0.3))],
    "both": [13, BatchNormalization(), LayerNormalization(), 3, Activation("softmax")],
}


def normalizing(name, dtype):
    """A network with normalisations whose parameters are as training leaves them."""
    net = Network(NORMALIZING[name], dtype=dtype, seed=4)
    rng = np.random.default_rng(4)
    state = {name: array + 0.3 * rng.standard_normal(array.shape) for name, array in net.state_dict().items()}
    state |= {name: array**2 + 0.1 for name, array in state.items() if name.endswith("variance")}
    net.load_state_dict(state)
    return net


@pytest.mark.parametrize("name", NORMALIZING)
@pytest.mark.parametrize("opset", [13, 17, 18, 20, NEWEST])
def test_normalizations_are_the_same_elsewhere_and_read_again(name, opset, dtype):
    net = normalizing(name, dtype)
    model = fastmlp.onnx.to_model(net, opset=opset)
    exact, bound = oracle(net, inputs())
    for result in ways(net, model, inputs()):
        assert_within(result, exact, bound)
    again = fastmlp.onnx.from_model(model)
    assert again.layers == net.layers
    assert_same_bits(again.get_weights(), net.get_weights())


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


def test_the_number_of_rows_is_any_or_fixed():
    net = Network([3, 2], seed=0)
    for batch, expected in ((None, "rows"), (4, 4)):
        model = fastmlp.onnx.to_model(net, batch=batch)
        for item in (*model.graph.input, *model.graph.output):
            axis = item.type.tensor_type.shape.dim[0]
            assert (axis.dim_param or axis.dim_value) == expected
    assert run(model, np.zeros((4, 3), np.float32)).shape == (4, 2)


def test_names_and_versions_are_those_of_the_documentation():
    model = fastmlp.onnx.to_model(Network([3, 2], seed=0))
    assert [item.name for item in model.graph.input] == ["X"]
    assert [item.name for item in model.graph.output] == ["output"]
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    assert (model.producer_name, model.producer_version) == ("fastmlp", fastmlp.__version__)


@pytest.mark.parametrize("opset", [0, 12, NEWEST + 1])
def test_other_opsets_are_refused(opset, tmp_path):
    with pytest.raises(ValueError, match=rf"opset is {opset}, expected an integer from 13 to {NEWEST}"):
        fastmlp.onnx.save(Network([2, 1]), tmp_path / "net.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked(tmp_path):
    net = Network([2, 1])
    with pytest.raises(TypeError, match="net is a list, expected a Network"):
        fastmlp.onnx.save([2, 1], tmp_path / "net.onnx")
    with pytest.raises(TypeError, match="opset is '17', expected an integer"):
        fastmlp.onnx.save(net, tmp_path / "net.onnx", opset="17")
    with pytest.raises(ValueError, match="batch is 0, expected an integer"):
        fastmlp.onnx.save(net, tmp_path / "net.onnx", batch=0)
    with pytest.raises(TypeError, match="model is a Network, expected an onnx.ModelProto"):
        fastmlp.onnx.from_model(net)
    assert list(tmp_path.iterdir()) == []


def test_what_no_file_can_hold_is_refused(monkeypatch):
    monkeypatch.setattr("fastmlp.adapters.onnx.writing._MAX_BYTES", 100)
    with pytest.raises(ValueError, match="net has more than 100 bytes of weights"):
        fastmlp.onnx.to_model(Network([5, 5]))


def test_an_older_file_survives_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    fastmlp.onnx.save(Network([2, 1], seed=0), path)
    old = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        fastmlp.onnx.save(Network([2, 3], seed=0), path)
    monkeypatch.undo()
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


# ---- our own files, read again ----


@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@pytest.mark.parametrize("opset", [13, 17, 20, NEWEST])
def test_a_file_of_ours_gives_the_same_network(name, opset, dtype, tmp_path):
    net = network(name, dtype)
    fastmlp.onnx.save(net, tmp_path / "net.onnx", opset=opset)
    again = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert (again.layers, again.seed, again.dtype) == (net.layers, net.seed, net.dtype)
    assert_same_bits(again.get_weights(), net.get_weights())
    assert_same_bits(again.predict(inputs()), net.predict(inputs()))


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


# ---- what is refused ----


def graph_of(*nodes, constants=(), shape=("rows", 4), outputs=("y",), opset=17, kind=1, more_inputs=()):
    """A model of nodes from x to y, unchecked."""
    helper = onnx.helper
    values = [helper.make_tensor_value_info("x", kind, shape), *more_inputs]
    ends = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    graph = helper.make_graph(list(nodes), "test", values, ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op, operands, output, name="", **attributes):
    return onnx.helper.make_node(op, operands, [output], name=name, **attributes)


W = ("W", np.arange(12, dtype=np.float32).reshape(4, 3) / 10)
B = ("B", np.ones(3, np.float32))


def test_a_plain_graph_is_read():
    net = fastmlp.onnx.from_model(
        graph_of(node("MatMul", ["x", "W"], "h"), node("Add", ["h", "B"], "y"), constants=[W, B])
    )
    assert_same_bits(net.get_weights(), [W[1], B[1]])


@pytest.mark.parametrize(
    "nodes, expected",
    [
        ([("Tanh", "x"), ("MatMul", "$ W")], ["Dense(4, 'tanh'", "Dense(3, 'identity'"]),
        ([("MatMul", "x W"), ("Tanh", "$"), ("Mul", "$ S")], ["Dense(3, 'tanh'", "Dense(3, 'identity'"]),
        (
            [("MatMul", "x W"), ("Tanh", "$"), ("Mul", "$ U"), ("Add", "B $"), ("Gemm", "$ E B")],
            ["Dense(3, 'tanh'", "Dense(3, 'identity'"],
        ),
        ([("MatMul", "x W"), ("Mul", "U $"), ("Sub", "B $"), ("Relu", "$")], ["Dense(3, 'relu'"]),
        ([("MatMul", "x W"), ("Relu", "$"), ("Tanh", "$")], ["Dense(3, 'relu'", "Dense(3, 'tanh'"]),
        ([("Div", "x V"), ("Sub", "$ S"), ("MatMul", "$ W")], ["Dense(3, 'identity'"]),  # V is not positive
        ([("Mul", "x S"), ("Add", "$ S"), ("MatMul", "$ W")], ["Rescaling(3.0, offset=3.0)", "Dense(3"]),
        ([("Neg", "x"), ("MatMul", "$ W"), ("Div", "$ S"), ("Sigmoid", "$")], ["Rescaling(-1.0)", "Dense(3"]),
        (
            [("Flatten", "x"), ("MatMul", "$ W"), ("Exp", "$"), ("Add", "$ one"), ("Log", "$")],
            ["Dense(3, 'softplus'"],
        ),
        (
            [("MatMul", "x W"), ("Neg", "$"), ("Exp", "$"), ("Add", "one $"), ("Reciprocal", "$")],
            ["Dense(3, 'sigmoid'"],
        ),
        ([("MatMul", "x W"), ("Clip", "$ zero"), ("Cast", "$")], ["Dense(3, 'relu'"]),
        ([("MatMul", "x W"), ("PRelu", "$ S")], ["Dense(3, ('leaky_relu', 3.0)"]),
        (
            [("MatMul", "x W"), ("LeakyRelu", "$"), ("Gemm", "$ E"), ("Elu", "$")],
            ["Dense(3, 'leaky_relu'", "Dense(3, 'elu'"],
        ),
    ],
)
def test_what_no_layer_is_alone_becomes_part_of_one(nodes, expected):
    """The names are operands, "$" is what the node before gives; the last gives y."""
    rng = np.random.default_rng(12)
    constants = [
        *(
            ("W", rng.normal(size=(4, 3))),
            ("E", rng.normal(size=(3, 3))),
            ("U", [2, 0.5, -3]),
            ("B", [1, 1, 1]),
        ),
        *(("V", [1, 2, 0.5, -1]), ("S", 3), ("one", 1), ("zero", 0)),
    ]
    made = []
    for i, (op, operands) in enumerate(nodes):
        end = "y" if i == len(nodes) - 1 else f"h{i}"
        attributes = {"to": 1} if op == "Cast" else {"alpha": 2.0, "beta": 0.5} if op == "Gemm" else {}
        made.append(node(op, operands.replace("$", f"h{i - 1}").split(), end, **attributes))
    model = graph_of(*made, constants=[(name, np.asarray(value, np.float32)) for name, value in constants])
    net = fastmlp.onnx.from_model(model)
    assert len(net.layers) == len(expected)
    assert all(repr(layer).startswith(text) for layer, text in zip(net.layers, expected, strict=True)), net
    exact, bound = oracle(net, inputs(columns=4), rounded=3)
    for result in (net.predict(inputs(columns=4)), run(model, inputs(columns=4).astype(np.float32))):
        assert np.all(abs(result - exact) <= bound) and np.any(abs(exact) > bound)


@pytest.mark.parametrize(
    "nodes, message",
    [
        ([("Conv", ["x", "W"], "y", "conv1")], "node 0, 'conv1' (Conv), takes 'x': expected one of Gemm, "),
        ([("MatMul", ["x", "W"], "h"), ("Shrink", ["h"], "y")], "node 1 (Shrink), takes 'h': expected one"),
        (
            [("Relu", ["x"], "h"), ("Add", ["x", "h"], "y", "residual")],
            "node 1, 'residual' (Add), takes 'x': 'x', 'h' meet there, expected a chain",
        ),
        ([("MatMul", ["W", "x"], "y")], "node 0 (MatMul), takes 'W': its first operand is a constant"),
        ([("MatMul", ["x", "x"], "y")], "node 0 (MatMul), takes 'x': its operand 1, 'x', is computed"),
        ([("Relu", ["x"], "h"), ("Gemm", ["h", "W", "x"], "y")], "'h', 'x' meet there"),
        ([("MatMul", ["x", "B"], "y")], "its weights are float32 of shape (3,)"),
        ([("MatMul", ["x", "missing"], "y")], "tensor 'missing' is computed nowhere"),
        ([("Relu", ["y"], "y")], "is part of a loop"),
        ([("Relu", ["b"], "a"), ("Tanh", ["a"], "b"), ("Relu", ["b"], "y")], "is part of a loop"),
        ([("Relu", ["x"], "y"), ("Tanh", ["x"], "y")], "writes tensor 'y' twice, in node 0 and node 1"),
        ([("Relu", ["x"], "z")], "has the output 'y', which is never computed"),
        ([("Transpose", ["W"], "y")], "computes its output 'y' from no input"),
        ([("Relu", ["x"], "y")], "has no Gemm and no MatMul"),
        ([("Gemm", ["x", "W"], "h"), ("Softmax", ["h"], "s"), ("Gemm", ["s", "V"], "y")], "softmax before"),
        ([("MatMul", ["x", "V"], "y")], "its weights have shape (3, 3), expected (4, n_out)"),
        ([("MatMul", ["x", "W"], "h"), ("Add", ["h", "C"], "y")], "a constant has shape (4,), expected (3,)"),
        ([("MatMul", ["x", "D"], "h"), ("MatMul", ["h", "V"], "y")], "expected float64"),
        ([("MatMul", ["x", "I"], "y")], "holds tensor 'I' of data type 9"),
        ([("Transpose", ["x"], "h"), ("MatMul", ["h", "W"], "y")], "node 0 (Transpose), takes 'x'"),
        ([("Cast", ["x"], "h", "", {"to": 10}), ("MatMul", ["h", "W"], "y")], "node 0 (Cast)"),
        ([("Gemm", ["x", "W"], "y", "", {"transA": 1})], "expected transA 0"),
        ([("Gemm", ["x", "W"], "y", "", {"alpha": 2})], "its attribute 'alpha' has type 2, expected 1"),
        ([("MatMul", ["x", "W"], "h"), ("Div", ["B", "h"], "y")], "it divides a constant by a tensor"),
        ([("MatMul", ["x", "W"], "h"), ("Sigmoid", ["h"], "s"), ("Log", ["s"], "y")], "node 2 (Log)"),
        ([("MatMul", ["x", "W"], "h"), ("Add", ["h"], "y")], "node 1 (Add), takes 'h'"),
        ([("If", ["x"], "y")], "node 0 (If), takes 'x': expected one of"),
        ([("Cos", ["W"], "V2"), ("MatMul", ["x", "V2"], "y")], "node 0 (Cos), takes 'W', of constants"),
        ([("MatMul", ["x", "W"], "h"), ("Dropout", ["h", "", "T"], "y")], "it is in training mode"),
    ],
)  # fmt: skip
def test_what_is_no_chain_of_layers_is_named(nodes, message):
    constants = [
        W,
        B,
        ("V", np.eye(3, dtype=np.float32)),
        ("C", np.ones(4, np.float32)),
        ("D", np.ones((4, 3))),
    ]
    constants += [("I", np.ones((4, 3), bool)), ("T", np.array(1))]
    made = [node(*item[:3], *item[3:4], **(item[4] if len(item) > 4 else {})) for item in nodes]
    with pytest.raises(ModelFileError) as caught:
        fastmlp.onnx.from_model(graph_of(*made, constants=constants))
    assert message in str(caught.value), caught.value


def dropout(operand, output, rate):
    return node("Dropout", [operand, rate], output)


def test_dropouts_mean_what_they_do_elsewhere():
    """Two are one of their product, one before relu goes behind it, and one at the end does nothing."""
    nodes = [node("MatMul", ["x", "W"], "a"), dropout("a", "b", "half"), node("Relu", ["b"], "c")]
    nodes += [dropout("c", "d", "fifth"), dropout("d", "e", "none"), node("MatMul", ["e", "V"], "f")]
    nodes += [node("Softmax", ["f"], "g"), dropout("g", "y", "half")]
    constants = [W, ("V", np.ones((3, 2), np.float32)), ("none", np.float32(0))]
    constants += [("half", np.float32(0.5)), ("fifth", np.float32(0.2))]
    net = fastmlp.onnx.from_model(graph_of(*nodes, constants=constants))
    assert [getattr(layer, "activation", layer) for layer in net.layers] == ["relu", Dropout(0.6), "softmax"]


def test_no_factor_beside_a_dropout_is_lost():
    """A sum, dropout, and a factor between two layers."""
    nodes = [node("MatMul", ["x", "W"], "a"), node("Tanh", ["a"], "b"), node("Add", ["b", "B"], "c")]
    nodes += [dropout("c", "d", "half"), node("Mul", ["d", "S"], "e"), node("MatMul", ["e", "V"], "y")]
    V, scale = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([2, 3, 5], np.float32)
    constants = [W, B, ("V", V), ("S", scale), ("half", np.float32(0.5))]
    net = fastmlp.onnx.from_model(graph_of(*nodes, constants=constants))
    assert_same_bits(net.weights[1], V * scale[:, None])
    assert_same_bits(net.biases[1], scale @ V)


def test_a_small_file_cannot_make_many_wide_normalizations():
    """Of a scale and a shift that are numbers, while the rows are wide."""
    wide = np.ones((1, 50_000), np.float32)
    nodes = [node("MatMul", ["x", "W"], "h0")]
    nodes += [node("LayerNormalization", [f"h{i}", "one", "one"], f"h{i + 1}") for i in range(1000)]
    model = graph_of(
        *nodes, constants=[("W", wide), ("one", np.float32(1))], shape=("rows", 1), outputs=("h1000",)
    )
    with pytest.raises(ModelFileError, match="bytes of parameters, expected at most 8 times as many"):
        fastmlp.onnx.from_model(model)


def test_a_second_input_or_output_is_refused_but_may_be_chosen():
    other = onnx.helper.make_tensor_value_info("other", 1, ["rows", 4])
    nodes = [node("MatMul", ["x", "W"], "h"), node("Relu", ["h"], "y"), node("Tanh", ["h"], "z")]
    model = graph_of(*nodes, constants=[W], outputs=("y", "z"))
    with pytest.raises(ModelFileError, match="has the outputs y, z, expected one, or its name as `output`"):
        fastmlp.onnx.from_model(model)
    assert fastmlp.onnx.from_model(model, output="z").layers[-1].activation == "tanh"
    with pytest.raises(ModelFileError, match="has no output 'w', expected one of y, z"):
        fastmlp.onnx.from_model(model, output="w")
    nodes = [node("Add", ["x", "other"], "h"), node("MatMul", ["h", "W"], "y")]
    with pytest.raises(ModelFileError, match="'other' is a second input beside 'x'"):
        fastmlp.onnx.from_model(graph_of(*nodes, constants=[W], more_inputs=[other]))


@pytest.mark.parametrize("opset", [1, 6])
def test_graphs_from_before_broadcasting_are_refused(opset):
    with pytest.raises(ModelFileError, match=f"is written in opset {opset}, expected 7 or newer"):
        fastmlp.onnx.from_model(graph_of(node("MatMul", ["x", "W"], "y"), constants=[W], opset=opset))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.onnx"
    fastmlp.onnx.save(network("silu", "float32"), path)
    return path


def read(data, tmp_path):
    """What becomes of bytes: a network, or None where they are refused; anything else is an error."""
    path = tmp_path / "damaged.onnx"
    path.write_bytes(data)
    try:
        return fastmlp.onnx.load(path)
    except ValueError as error:
        assert isinstance(error, ModelFileError) and str(error).startswith(str(path)), repr(error)
        return None


def test_a_truncated_file_is_refused(saved, tmp_path):
    data = saved.read_bytes()
    cuts = [*range(40), *range(40, len(data), 37), *range(len(data) - 40, len(data))]
    readable = [cut for cut in cuts if read(data[:cut], tmp_path) is not None]
    # The operators' version comes last: without it, or the graph's end, nothing can be read.
    assert readable == []


@pytest.mark.parametrize("name", ["silu", "both", "first"])
def test_flipped_bytes_give_a_network_or_an_error(name, dtype, tmp_path):
    net = network(name, dtype) if name == "silu" else normalizing(name, dtype)
    data = fastmlp.onnx.to_model(net).SerializeToString()
    rng = np.random.default_rng(11)
    structure = [i for i in range(len(data)) if data[i : i + 1].isascii()]
    refused = 0
    for _ in range(150):
        changed = bytearray(data)
        for at in rng.choice(structure, rng.integers(1, 4)):
            changed[at] ^= 1 << int(rng.integers(8))
        refused += read(bytes(changed), tmp_path) is None
    assert 20 < refused < 150


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"PK\x03\x04", b"hello, this is text\n" * 10, b"\xff" * 1000, os.urandom(5000)]
)
def test_what_is_no_onnx_file_is_refused(data, tmp_path):
    assert read(data, tmp_path) is None


def peak_of_reading(data, tmp_path):
    tracemalloc.start()
    try:
        assert read(data, tmp_path) is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def hostile(change):
    model = graph_of(node("MatMul", ["x", "W"], "y"), constants=[W])
    change(model.graph)
    return model.SerializeToString()


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.initializer[0].dims.__setitem__(0, 2**62),
        lambda graph: graph.initializer[0].dims.extend([2**62] * 100),
        lambda graph: graph.initializer[0].dims.__setitem__(0, -4),
        lambda graph: graph.initializer[0].dims.extend([0, 2**62]),
        lambda graph: setattr(graph.initializer[0], "data_type", 11),
        lambda graph: setattr(graph.initializer[0], "data_type", 10),
        lambda graph: setattr(graph.initializer[0], "raw_data", b""),
        lambda graph: (
            setattr(graph.initializer[0], "raw_data", b""),
            graph.initializer[0].float_data.extend([1, 2]),
        ),
        lambda graph: setattr(
            graph.initializer[0], "raw_data", np.full((4, 3), np.nan, np.float32).tobytes()
        ),
    ],
)
def test_sizes_are_not_believed(change, tmp_path):
    assert peak_of_reading(hostile(change), tmp_path) < 2**20


def test_a_small_file_cannot_make_a_large_network(tmp_path):
    """One matrix, used by many layers."""
    side = 512
    nodes = [node("MatMul", [f"h{i}" if i else "x", "W"], f"h{i + 1}") for i in range(200)]
    model = graph_of(
        *nodes, constants=[("W", np.eye(side, dtype=np.float32))], shape=("rows", side), outputs=("h200",)
    )
    assert peak_of_reading(model.SerializeToString(), tmp_path) < 100 * 2**20


@pytest.mark.parametrize("unit", [b"\x0a\x00", b"\x3a\x02\x0a\x00", b"\x3a\x04\x0a\x02\x2a\x00"])
def test_a_file_of_many_empty_messages_is_refused_before_it_inflates(unit, tmp_path):
    (tmp_path / "net.onnx").write_bytes(unit * 300_000)
    with pytest.raises(ModelFileError, match="has more than 200000 fields"):
        fastmlp.onnx.load(tmp_path / "net.onnx")


def test_a_tree_that_grows_with_every_node_is_refused(tmp_path):
    """y = x + x, z = y + y, ...: few nodes, but an expression of 2^60 terms."""
    nodes = [node("Sigmoid", ["x"], "h0")]
    nodes += [node("Mul", [f"h{i}", f"h{i}"], f"h{i + 1}") for i in range(60)]
    nodes += [node("Add", ["h60", "x"], "y")]
    with pytest.raises(ModelFileError, match="meet there"):
        fastmlp.onnx.from_model(graph_of(*nodes))


def test_a_chain_of_hundreds_beside_another_is_refused():
    nodes = [node("Sigmoid", ["x"], "h0")]
    nodes += [node("Sqrt" if i % 2 else "Abs", [f"h{i}"], f"h{i + 1}") for i in range(5000)]
    nodes += [node("Neg", [f"n{i}" if i else "x"], f"n{i + 1}") for i in range(480)]
    for end in ("h5000", "n480"):
        model = graph_of(*nodes, node("Mul", ["x", end], "y"))
        with pytest.raises(ModelFileError, match="meet there"):
            fastmlp.onnx.from_model(model)


def test_an_output_that_is_rounded_is_not_taken_for_what_it_is_made_of():
    nodes = [node("MatMul", ["x", "W"], "h"), node("Identity", ["h"], "i"), node("Cast", ["i"], "y", to=7)]
    with pytest.raises(ModelFileError, match=r"node 2 \(Cast\), takes 'i'"):
        fastmlp.onnx.from_model(graph_of(*nodes, constants=[W]))


# ---- weights in a second file ----


def split(path, location="net.bin", offset=None, length=None):
    """A model of one layer, its weights in another file."""
    model = graph_of(node("MatMul", ["x", "W"], "y"), constants=[W])
    tensor = model.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    return data


def test_weights_in_a_second_file_are_read(tmp_path):
    data = split(tmp_path / "net.onnx", offset=5, length=48)
    (tmp_path / "net.bin").write_bytes(b"other" + data)
    assert_same_bits(fastmlp.onnx.load(tmp_path / "net.onnx").get_weights(), [W[1]])


@pytest.mark.parametrize(
    "arguments",
    [
        {"location": "../net.bin"}, {"location": "/etc/passwd"}, {"location": "sub/net.bin"},
        {"location": "sub\\net.bin"}, {"location": ".."}, {"location": ""}, {"location": "a\0b"},
        {"location": "missing.bin"}, {"location": "link.bin"}, {"location": "folder"}, {"location": "pipe"},
        {"offset": 1}, {"offset": -1}, {"offset": 10**17}, {"offset": "9" * 5000}, {"offset": "x"},
        {"length": 47}, {"length": 2**60},
    ],
)  # fmt: skip
def test_a_second_file_elsewhere_or_of_another_size_is_refused(arguments, tmp_path):
    folder = tmp_path / "inner"
    (folder / "folder").mkdir(parents=True)
    data = split(folder / "net.onnx", **arguments)
    for path in (tmp_path / "net.bin", folder / "net.bin"):
        path.write_bytes(data)
    if hasattr(os, "mkfifo"):
        os.symlink(tmp_path / "net.bin", folder / "link.bin")
        os.mkfifo(folder / "pipe")
    with pytest.raises(ModelFileError, match="tensor 'W'"):
        fastmlp.onnx.load(folder / "net.onnx")


def test_a_model_in_memory_has_no_second_file(tmp_path):
    split(tmp_path / "net.onnx")
    with pytest.raises(ModelFileError, match="expected a file in the model's own folder"):
        fastmlp.onnx.from_model(onnx.load(tmp_path / "net.onnx", load_external_data=False))


# ---- without onnx ----


def test_without_onnx_the_message_names_the_group(monkeypatch, saved):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for call in (
        lambda: fastmlp.onnx.load(saved),
        lambda: fastmlp.onnx.save(Network([2, 1]), saved),
        lambda: fastmlp.onnx.to_model(Network([2, 1])),
        lambda: fastmlp.onnx.from_model(None),
    ):
        with pytest.raises(ImportError, match=r'onnx is not installed.*pip install "fastmlp\[onnx\]"'):
            call()
