"""Shapes in graphs of ONNX operators: rows must stay rows, whatever is flattened, squeezed or broadcast."""

import tracemalloc

import numpy as np
import pytest

import fastmlp.onnx
from fastmlp import ModelFileError
from helpers import assert_same_bits
from onnx_models import B, W, graph_of, node

COLUMN = ("C", np.ones((4, 1), np.float32))
PICTURE = ("P", np.arange(24, dtype=np.float32).reshape(12, 2) - 11.5)
AXIS = ("axis", np.array([1]))


def squeezed(*nodes, constants=()):
    """One number a row, as a tensor of one axis "q"."""
    first = [node("MatMul", ["x", "C"], "h"), node("Squeeze", ["h", "axis"], "q")]
    return graph_of(*first, *nodes, constants=[COLUMN, AXIS, *constants])


def picture(*nodes, constants=(), shape=("rows", 3, 4)):
    """Rows of 3 x 4 numbers, which the nodes make the tensor "p" of."""
    return graph_of(*nodes, node("MatMul", ["p", "P"], "y"), constants=[PICTURE, *constants], shape=shape)


MIXED = {
    "a softmax of all rows": squeezed(node("Softmax", ["q"], "y")),
    "a product of each row with each": squeezed(node("Mul", ["h", "q"], "y")),
    "a product with each row, of an activation": squeezed(
        node("Sigmoid", ["q"], "s"), node("Mul", ["h", "s"], "y")
    ),
    "one axis, then weights": squeezed(
        node("MatMul", ["q", "R"], "y"), constants=[("R", np.ones((1, 2), np.float32))]
    ),
    "an axis before the rows, then Flatten": picture(
        node("Mul", ["x", "s"], "m"),
        node("Flatten", ["m"], "p"),
        constants=[("s", np.full((1, 1, 1, 1), 2, np.float32))],
    ),
    "an axis before the rows, then a softmax of axis 1": graph_of(
        node("MatMul", ["x", "W"], "h"),
        node("Add", ["h", "b"], "a"),
        node("Softmax", ["a"], "y", axis=1),
        constants=[W, ("b", np.ones((1, 1, 3), np.float32))],
    ),
    "rows cut in three": graph_of(
        node("Reshape", ["x", "to"], "p"),
        node("MatMul", ["p", "C"], "y"),
        constants=[COLUMN, ("to", np.array([-1, 4]))],
        shape=("rows", 3, 4),
    ),
    "columns flattened with the rows": picture(node("Flatten", ["x"], "p", axis=0)),
    "a softmax of a picture's lines": picture(node("Softmax", ["x"], "s"), node("Flatten", ["s"], "p")),
    "a size that no memory holds": picture(node("Flatten", ["x"], "p"), shape=("rows", 2**40, 2**40)),
}


@pytest.mark.parametrize("name", MIXED)
def test_what_mixes_rows_is_refused(name):
    with pytest.raises(ModelFileError, match=r"node \d .*, expected (Flatten|at most)|: expected Flatten"):
        fastmlp.onnx.from_model(MIXED[name])


KEPT = {
    "Flatten": ([node("Flatten", ["x"], "p")], []),
    "Reshape": ([node("Reshape", ["x", "to"], "p")], [("to", np.array([-1, 12]))]),
    "by way of another shape": (
        [node("Reshape", ["x", "six"], "s"), node("Reshape", ["s", "to"], "p")],
        [("six", np.array([0, 2, 6])), ("to", np.array([0, -1]))],
    ),
    "to a shape that is computed": (
        [
            node("Shape", ["x"], "s"),
            node("Gather", ["s", "first"], "n"),
            node("Concat", ["n", "rest"], "to", axis=0),
            node("Reshape", ["x", "to"], "p"),
        ],
        [("first", np.array([0])), ("rest", np.array([-1]))],
    ),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("shape", [("rows", 3, 4), (5, 3, 4), (1, 3, 4)])
def test_rows_of_several_axes_may_be_flattened(name, shape):
    nodes, constants = KEPT[name]
    net = fastmlp.onnx.from_model(picture(*nodes, constants=constants, shape=shape))
    assert net.layer_sizes == (12, 2)
    assert_same_bits(net.get_weights(), [PICTURE[1]])


@pytest.mark.parametrize("name", KEPT)
def test_a_look_at_shapes_takes_no_memory(name):
    """A copy of the zeros that shapes are told by would take 48 MB."""
    model = picture(*KEPT[name][0], constants=KEPT[name][1])
    tracemalloc.start()
    try:
        fastmlp.onnx.from_model(model)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_the_number_of_rows_is_no_factor():
    nodes = [node("Shape", ["x"], "s"), node("Gather", ["s", "first"], "n"), node("Cast", ["n"], "f", to=1)]
    nodes += [node("Div", ["x", "f"], "m"), node("MatMul", ["m", "W"], "y")]
    model = graph_of(*nodes, constants=[W, ("first", np.array([0]))])
    with pytest.raises(ModelFileError, match=r"node 2 \(Cast\), .*: it computes with the number of rows"):
        fastmlp.onnx.from_model(model)


def test_an_activation_may_stand_before_flatten():
    net = fastmlp.onnx.from_model(picture(node("Relu", ["x"], "r"), node("Flatten", ["r"], "p")))
    X = np.random.default_rng(0).integers(-3, 4, (7, 12)).astype(np.float32)
    assert np.array_equal(net.predict(X), np.maximum(X, 0) @ PICTURE[1])  # of whole and half numbers: exact


def test_one_number_a_row_may_lose_its_axis():
    net = fastmlp.onnx.from_model(squeezed(node("Sigmoid", ["q"], "s"), node("Dropout", ["s"], "y")))
    assert [layer.activation for layer in net.layers] == ["sigmoid"] and net.layer_sizes == (4, 1)


def test_a_shape_is_asked_of_a_branch_that_ends_there():
    nodes = [node("MatMul", ["x", "W"], "h"), node("Relu", ["h"], "r"), node("Shape", ["r"], "s")]
    nodes += [node("Tanh", ["h"], "t"), node("Reshape", ["t", "s"], "y")]
    assert fastmlp.onnx.from_model(graph_of(*nodes, constants=[W])).layers[0].activation == "tanh"


def test_nodes_may_stand_in_any_order():
    nodes = [node("Relu", ["a"], "y"), node("Add", ["h", "B"], "a"), node("MatMul", ["x", "W"], "h")]
    net = fastmlp.onnx.from_model(graph_of(*nodes, constants=[W, B]))
    assert net.layers[0].activation == "relu"
    assert_same_bits(net.get_weights(), [W[1], B[1]])
