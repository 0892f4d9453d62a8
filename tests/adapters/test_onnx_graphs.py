"""Graphs of ONNX operators: which are chains of layers, and what is said of those that are none."""

import numpy as np
import pytest

import fastmlp.onnx
from fastmlp import Dropout, ModelFileError
from helpers import assert_same_bits
from onnx_helpers import oracle, run
from onnx_models import B, W, graph_of, inputs, node, onnx


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


@pytest.mark.parametrize(
    "nodes", [[("Mul", "$ S")], [("Add", "$ S"), ("Sub", "S $")], [("Mul", "$ U"), ("MatMul", "$ V")]]
)
def test_factors_and_sums_after_slopes_of_columns(nodes):
    """No layer takes them but the next: they are no slopes."""
    rng = np.random.default_rng(12)
    constants = [("W", rng.normal(size=(4, 3))), ("slopes", [0.1, 0.2, 0.3]), ("S", 3), ("U", [2, 0.5, -3])]
    constants.append(("V", rng.normal(size=(3, 2))))
    made = [node("MatMul", ["x", "W"], "w"), node("PRelu", ["w", "slopes"], "h0")]
    for i, (op, operands) in enumerate(nodes):
        end = "y" if i == len(nodes) - 1 else f"h{i + 1}"
        made.append(node(op, operands.replace("$", f"h{i}").split(), end))
    model = graph_of(*made, constants=[(name, np.asarray(value, np.float32)) for name, value in constants])
    X = inputs(columns=4).astype(np.float32)
    theirs = run(model, X)
    assert abs(fastmlp.onnx.from_model(model).predict(X) - theirs).max() < 1e-5 * abs(theirs).max()


def test_no_factor_beside_a_dropout_is_lost():
    """A sum, dropout, and a factor between two layers."""
    nodes = [node("MatMul", ["x", "W"], "a"), node("Tanh", ["a"], "b"), node("Add", ["b", "B"], "c")]
    nodes += [dropout("c", "d", "half"), node("Mul", ["d", "S"], "e"), node("MatMul", ["e", "V"], "y")]
    V, scale = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([2, 3, 5], np.float32)
    constants = [W, B, ("V", V), ("S", scale), ("half", np.float32(0.5))]
    net = fastmlp.onnx.from_model(graph_of(*nodes, constants=constants))
    assert_same_bits(net.weights[1], V * scale[:, None])
    assert_same_bits(net.biases[1], scale @ V)


@pytest.mark.parametrize(
    "nodes, message",
    [
        ([("Conv", ["x", "W"], "y", "conv1")], "node 0, 'conv1' (Conv), takes 'x': expected one of Gemm, "),
        ([("MatMul", ["x", "W"], "h"), ("Hardmax", ["h"], "y")], "node 1 (Hardmax), takes 'h': expected one"),
        (
            [("Relu", ["x"], "h"), ("Add", ["x", "h"], "y", "residual")],
            "node 1, 'residual' (Add), takes 'x': it adds 'x', the network's input, expected the output",
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
        ([("Gemm", ["x", "W"], "y", "", {"alpha": 2})], "its attribute 'alpha' has type int, expected float"),
        ([("MatMul", ["x", "W"], "h"), ("Div", ["B", "h"], "y")], "it divides a constant by a tensor"),
        ([("MatMul", ["x", "W"], "h"), ("Tanh", ["h"], "s"), ("Log", ["s"], "y")], "node 2 (Log)"),
        (
            [("MatMul", ["x", "W"], "h"), ("Shrink", ["h"], "y", "", {"lambd": 0.5, "bias": 0.25})],
            "node 1 (Shrink), takes 'h': its lambd is 0.5 and its bias 0.25, expected a bias of 0",
        ),
        ([("MatMul", ["x", "W"], "h"), ("Add", ["h"], "y")], "node 1 (Add), takes 'h'"),
        ([("If", ["x"], "y")], "node 0 (If), takes 'x': expected one of"),
        ([("MatMul", ["x", "W"], "h"), ("Erf", ["h", "T"], "y")], "node 1 (Erf), takes 'h': no activation"),
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
