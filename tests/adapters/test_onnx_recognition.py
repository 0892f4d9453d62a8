"""Activations that an ONNX file composes of operators: which are known, and which only look like one."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import fastmlp
from fastmlp import LayerNormalization, ModelFileError, PReLU, Scale, registry
from helpers import assert_same_bits
from onnx_helpers import oracle, run

onnx = pytest.importorskip("onnx")
import fastmlp.onnx  # noqa: E402


class Composed:
    """A graph of x @ W, then what is called on it: ``g.Max(x, 0.0)`` adds a node and gives its tensor."""

    def __init__(self, dtype="float32", opset=20):
        self.dtype, self.opset = dtype, opset
        self.nodes, self.constants = [], []
        self.W = np.random.default_rng(0).normal(size=(5, 4)).astype(dtype)

    def constant(self, value):
        name = f"c{len(self.constants)}"
        array = np.asarray(value, np.int64 if isinstance(value, list) else self.dtype)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def __getattr__(self, op):
        def add(*operands, **attributes):
            names = [item if isinstance(item, str) else self.constant(item) for item in operands]
            self.nodes.append(onnx.helper.make_node(op, names, [f"t{len(self.nodes)}"], **attributes))
            return f"t{len(self.nodes) - 1}"

        return add

    def mean(self, x):
        return self.ReduceMean(x, [-1]) if self.opset >= 18 else self.ReduceMean(x, axes=[-1])

    def model(self, compose):
        helper = onnx.helper
        end = compose(self, self.MatMul("x", self.constant(self.W)))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        values = [
            helper.make_tensor_value_info(name, kind, ["rows", n]) for name, n in (("x", 5), (end, None))
        ]
        graph = helper.make_graph(self.nodes, "composed", values[:1], values[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def read(compose, dtype="float32", opset=20):
    return fastmlp.onnx.from_model(Composed(dtype, opset).model(compose))


def softplus(g, x):
    return g.Log(g.Add(1.0, g.Exp(x)))


def gelu_tanh(g, x, cubic=0.044715):
    inner = g.Mul(0.7978845608028654, g.Add(x, g.Mul(cubic, g.Pow(x, 3.0))))
    return g.Mul(g.Mul(0.5, x), g.Add(1.0, g.Tanh(inner)))


def normalized(g, x, epsilon=1e-3):
    centred = g.Sub(x, g.mean(x))
    return g.Div(centred, g.Sqrt(g.Add(g.mean(g.Pow(centred, 2.0)), epsilon)))


COMPOSED = [
    ("step", lambda g, x: g.Cast(g.Greater(x, 0.0), to=1)),
    ("step", lambda g, x: g.Where(g.Less(0.0, x), 1.0, 0.0)),
    ("sigmoid", lambda g, x: g.Div(1.0, g.Add(1.0, g.Exp(g.Neg(x))))),
    ("sigmoid", lambda g, x: g.Reciprocal(g.Add(g.Exp(g.Mul(x, -1.0)), 1.0))),
    ("sigmoid", lambda g, x: g.Add(0.5, g.Mul(0.5, g.Tanh(g.Mul(0.5, x))))),
    ("tanh", lambda g, x: g.Sub(g.Mul(2.0, g.Sigmoid(g.Mul(2.0, x))), 1.0)),
    ("relu", lambda g, x: g.Max(x, 0.0)),
    ("relu", lambda g, x: g.Clip(x, 0.0)),
    ("relu", lambda g, x: g.Mul(0.5, g.Add(x, g.Abs(x)))),
    ("relu", lambda g, x: g.Where(g.LessOrEqual(x, 0.0), 0.0, x)),
    (("leaky_relu", 0.2), lambda g, x: g.Where(g.Greater(x, 0.0), x, g.Mul(0.2, x))),
    (("leaky_relu", 0.2), lambda g, x: g.Where(g.GreaterOrEqual(x, 0.0), x, g.Mul(0.2, x))),
    (("leaky_relu", 0.2), lambda g, x: g.Max(x, g.Mul(x, 0.2))),
    (("leaky_relu", 0.2), lambda g, x: g.PRelu(x, 0.2)),
    (("leaky_relu", 0.2), lambda g, x: g.Max(x, g.Mul(g.Mul(x, 0.5), 0.4))),
    (("leaky_relu", -0.5), lambda g, x: g.Where(g.Less(x, 0.0), g.Div(x, -2.0), x)),
    (("elu", 0.5), lambda g, x: g.Add(g.Max(x, 0.0), g.Div(g.Sub(g.Exp(g.Min(x, 0.0)), 1.0), 2.0))),
    (("elu", 0.3), lambda g, x: g.Where(g.Greater(x, 0.0), x, g.Mul(0.3, g.Sub(g.Exp(x), 1.0)))),
    ("gelu", lambda g, x: g.Mul(x, g.Mul(0.5, g.Add(1.0, g.Erf(g.Div(x, 1.4142135623730951)))))),
    ("gelu", lambda g, x: g.Mul(g.Mul(x, 0.5), g.Add(g.Erf(g.Mul(0.7071067811865476, x)), 1.0))),
    ("gelu_tanh", gelu_tanh),
    ("silu", lambda g, x: g.Div(x, g.Add(1.0, g.Exp(g.Neg(x))))),
    ("mish", lambda g, x: g.Mul(x, g.Tanh(softplus(g, x)))),
    ("mish", lambda g, x: g.Mul(x, g.Tanh(g.Where(g.Greater(x, 20.0), x, g.Softplus(x))))),
    ("softplus", softplus),
    ("softplus", lambda g, x: g.Where(g.Greater(x, 20.0), x, softplus(g, x))),
    ("softplus", lambda g, x: g.Neg(g.Log(g.Sigmoid(g.Neg(x))))),
    ("softsign", lambda g, x: g.Div(x, g.Add(g.Abs(x), 1.0))),
    ("relu6", lambda g, x: g.Clip(x, 0.0, 6.0)),
    ("relu6", lambda g, x: g.Min(g.Relu(x), 6.0)),
    ("hard_tanh", lambda g, x: g.Clip(x, -1.0, 1.0)),
    ("hard_tanh", lambda g, x: g.Max(g.Min(x, 1.0), -1.0)),
    ("hard_sigmoid", lambda g, x: g.HardSigmoid(x, alpha=1 / 6)),
    ("hard_sigmoid", lambda g, x: g.Clip(g.Add(g.Div(x, 6.0), 0.5), 0.0, 1.0)),
    ("hard_sigmoid", lambda g, x: g.Div(g.Clip(g.Add(x, 3.0), 0.0, 6.0), 6.0)),
    ("hard_swish", lambda g, x: g.Mul(x, g.HardSigmoid(x, alpha=1 / 6, beta=0.5))),
    ("hard_swish", lambda g, x: g.Div(g.Mul(x, g.Clip(g.Add(x, 3.0), 0.0, 6.0)), 6.0)),
    (("hard_shrink", 0.25), lambda g, x: g.Shrink(x, lambd=0.25)),
    (("hard_shrink", 0.25), lambda g, x: g.Where(g.Or(g.Greater(x, 0.25), g.Less(x, -0.25)), x, 0.0)),
    (("hard_shrink", 0.25), lambda g, x: g.Where(g.LessOrEqual(g.Abs(x), 0.25), 0.0, x)),
    (("soft_shrink", 0.25), lambda g, x: g.Shrink(x, lambd=0.25, bias=0.25)),
    (("soft_shrink", 0.25), lambda g, x: g.Sub(g.Relu(g.Sub(x, 0.25)), g.Relu(g.Sub(g.Neg(x), 0.25)))),
    (("soft_shrink", 0.25), lambda g, x: g.Mul(g.Sign(x), g.Relu(g.Sub(g.Abs(x), 0.25)))),
    ("tanh_shrink", lambda g, x: g.Sub(x, g.Tanh(x))),
    (("thresholded_relu", -0.5), lambda g, x: g.ThresholdedRelu(x, alpha=-0.5)),
    (("thresholded_relu", 0.5), lambda g, x: g.Where(g.Greater(x, 0.5), x, 0.0)),
    ("log_sigmoid", lambda g, x: g.Neg(g.Softplus(g.Neg(x)))),
    ("log_sigmoid", lambda g, x: g.Log(g.Sigmoid(x))),
    ("sparse_sigmoid", lambda g, x: g.Clip(g.Div(g.Add(x, 1.0), 2.0), 0.0, 1.0)),
    (("squareplus", 1.5), lambda g, x: g.Div(g.Add(x, g.Sqrt(g.Add(g.Pow(x, 2.0), 1.5))), 2.0)),
    ("squareplus", lambda g, x: g.Mul(0.5, g.Sub(g.Sqrt(g.Add(g.Mul(x, x), 4.0)), g.Neg(x)))),
    (("celu", 0.5), lambda g, x: g.Add(g.Relu(x), g.Mul(0.5, g.Sub(g.Exp(g.Mul(2.0, g.Min(x, 0.0))), 1.0)))),
    *((("celu", p), lambda g, x, p=p: g.Celu(x, alpha=p)) for p in (0.01, 0.3, 2.0, 50.0, 1e3)),
    ("elu", lambda g, x: g.Celu(x)),
    ("softmax", lambda g, x: g.Div(g.Exp(x), g.ReduceSum(g.Exp(x), [-1]))),
    ("log_softmax", lambda g, x: g.Log(g.Softmax(x))),
    ("log_softmax", lambda g, x: g.Sub(x, g.Log(g.ReduceSum(g.Exp(x), [1])))),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize(("expected", "compose"), COMPOSED)
def test_however_it_is_composed(expected, compose, opset, dtype):
    net = read(compose, dtype, opset)
    name, parameter = registry.resolve_activation(net.layers[0].activation)
    wanted, exact = registry.resolve_activation(expected)
    assert len(net.layers) == 1 and name == wanted and np.float32(parameter) == np.float32(exact)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, 1e-12])
def test_layer_normalization_however_it_is_composed(epsilon, opset, dtype):
    net = read(lambda g, x: normalized(g, x, epsilon), dtype, opset)
    assert net.layers[1] == LayerNormalization(epsilon)


def holed(g, x, value, least, most):
    """A relu that is 0 where the value is between two numbers."""
    return g.Where(g.Greater(value, least), g.Where(g.Less(value, most), 0.0, x), g.Max(x, 0.0))


SIMILAR = {
    "a limit beyond what most numbers are": lambda g, x: g.Clip(x, 0.0, 1e35),
    "a window at a sum of constants": lambda g, x: holed(g, x, g.Sub(x, 3.3), 1.7131, 1.71311),
    "a window at the logarithm of one": lambda g, x: holed(g, x, g.Exp(x), 1000.5, 1000.51),
    "a window at the root of one": lambda g, x: holed(g, x, g.Mul(x, x), 7.531, 7.5311),
    "a window that three constants make": lambda g, x: holed(g, x, g.Sub(g.Mul(x, 3.7), 1.77), 5.1, 5.1001),
    "a window round a place": lambda g, x: g.Where(
        g.Less(g.Abs(g.Sub(g.Sub(x, 3.3), 1.7131)), 1e-5), 0.0, g.Max(x, 0.0)
    ),
    "a window in a row of a softmax": lambda g, x: g.Softmax(holed(g, x, g.Exp(x), 1000.5, 1000.51)),
    "a narrow peak": lambda g, x: g.Add(
        g.Relu(x), g.Div(1e-3, g.Add(g.Pow(g.Mul(1e8, g.Sub(g.Sub(x, 3.3), 1.7131)), 2.0), 1.0))
    ),
    "a narrow peak of a product": lambda g, x: g.Add(
        g.Relu(x), g.Exp(g.Mul(g.Mul(g.Sub(x, 3.3), 1e8), g.Mul(g.Sub(3.3, x), 1e8)))
    ),
    "a squareplus of another slope": lambda g, x: g.Mul(g.Add(x, g.Sqrt(g.Add(g.Mul(x, x), 4.0))), 0.501),
    "a pole": lambda g, x: g.Add(g.Relu(x), g.Div(1e-12, g.Sub(g.Sub(x, 3.3), 1.7131))),
    "no number beyond 40": lambda g, x: g.Add(g.Relu(x), g.Mul(0.0, g.Sqrt(g.Sub(40.0, x)))),
    "no number beyond 4000": lambda g, x: g.Add(g.Relu(x), g.Mul(0.0, g.Sqrt(g.Sub(4000.0, x)))),
    "infinite beyond 40": lambda g, x: g.Where(g.Greater(x, 40.0), g.Exp(g.Exp(x)), g.Max(x, 0.0)),
    "another slope below -1000": lambda g, x: g.Where(
        g.Greater(x, 0.0), x, g.Mul(g.Where(g.Less(x, -1000.0), 0.3, 0.2), x)
    ),
    "an elu with a slope far out": lambda g, x: g.Add(g.Elu(x), g.Mul(1e-6, g.Min(x, 0.0))),
    "a floor beside 0": lambda g, x: g.Max(x, 1e-7),
    "a step at 0 itself": lambda g, x: g.Where(g.Less(x, 0.0), 0.0, 1.0),
    "a step of nearly 1": lambda g, x: g.Where(g.Greater(x, 0.0), 1.00001, 0.0),
    "a limit far out": lambda g, x: g.Clip(x, 0.0, 1e21),
    "limits on one side": lambda g, x: g.Clip(x, -3.0, 1.0),
    "limits of nearly the same size": lambda g, x: g.Clip(x, -2.0, 2.00001),
    "a limit of its own below 2": lambda g, x: g.Clip(x, 0.5, 2.0),
    "a limit above": lambda g, x: g.Min(x, 2.0),
    "a sharp softplus that is cut at 5": lambda g, x: g.Where(
        g.Greater(g.Mul(x, 2.0), 5.0), x, g.Div(g.Softplus(g.Mul(x, 2.0)), 2.0)
    ),
    "a sharp softplus with another factor behind": lambda g, x: g.Where(
        g.Greater(g.Mul(x, 2.0), 25.0), x, g.Div(g.Softplus(g.Mul(x, 2.0)), 2.00001)
    ),
    "a window between two constants": lambda g, x: g.Where(
        g.Greater(x, 3.0), g.Where(g.Less(x, 3.00002), 0.0, x), g.Max(x, 0.0)
    ),
    "a relu that is no number below 0": lambda g, x: g.Mul(g.Sqrt(x), g.Sqrt(x)),
    "a tanh of other bounds": lambda g, x: g.Clip(x, -1.0, 1.001),
    "a shifted relu": lambda g, x: g.Max(x, -1e-4),
    "another slope beyond 20": lambda g, x: g.Where(g.Greater(x, 20.0), g.Mul(1.0001, x), g.Max(x, 0.0)),
    "softplus cut at 10": lambda g, x: g.Where(g.Greater(x, 10.0), x, softplus(g, x)),
    "gelu of a sigmoid": lambda g, x: g.Mul(x, g.Sigmoid(g.Mul(1.702, x))),
    "gelu_tanh with fewer digits": lambda g, x: gelu_tanh(g, x, 0.0447),
    "a soft shrink of two bounds": lambda g, x: g.Sub(x, g.Clip(x, -0.25, 0.2501)),
    "a hard shrink of two bounds": lambda g, x: g.Where(g.Or(g.Greater(x, 0.25), g.Less(x, -0.2501)), x, 0.0),
    "a hard shrink with its bound": lambda g, x: g.Where(g.Less(g.Abs(x), 0.25), 0.0, x),
    "a thresholded relu with its bound": lambda g, x: g.Where(g.Less(x, 0.5), 0.0, x),
    "a sparse plus with a kink": lambda g, x: g.Where(
        g.Greater(x, 1.0001), x, g.Pow(g.Div(g.Clip(g.Add(x, 1.0), 0.0, 2.0), 2.0), 2.0)
    ),
    "swish with beta": lambda g, x: g.Mul(x, g.Sigmoid(g.Mul(1.0001, x))),
    "a hard sigmoid of onnx": lambda g, x: g.HardSigmoid(x),
    "a hard sigmoid without its half": lambda g, x: g.HardSigmoid(x, alpha=1 / 6, beta=0.0),
    "a hard swish of another slope": lambda g, x: g.Mul(x, g.HardSigmoid(x, alpha=0.1667)),
    "a rational tanh": lambda g, x: g.Div(x, g.Sqrt(g.Add(1.0, g.Mul(x, x)))),
    "selu with fewer digits": lambda g, x: g.Selu(x, alpha=1.673, gamma=1.0507),
    "a celu with a kink": lambda g, x: g.Add(
        g.Relu(x), g.Mul(0.5, g.Sub(g.Exp(g.Mul(2.001, g.Min(x, 0.0))), 1.0))
    ),
    "a softmax of columns": lambda g, x: g.Softmax(x, axis=0),
    "a sum of columns": lambda g, x: g.Div(g.Exp(x), g.ReduceSum(g.Exp(x), [0])),
    "a mean of all": lambda g, x: g.Sub(x, g.ReduceMean(x)),
    "epsilon beside the root": lambda g, x: g.Div(
        g.Sub(x, g.mean(x)), g.Add(g.Sqrt(g.mean(g.Pow(g.Sub(x, g.mean(x)), 2.0))), 1e-3)
    ),
    "a difference of columns": lambda g, x: g.Add(g.Relu(x), g.Mul(1e-6, g.ReduceMax(x, axes=[1]))),
}


@pytest.mark.parametrize("opset", [14, 20])
def test_hard_swish_is_an_operator(opset):
    assert read(lambda g, x: g.HardSwish(x), opset=opset).layers[0].activation == "hard_swish"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SIMILAR)
def test_what_is_only_similar_is_refused(name, dtype):
    expected = "expected a (layer or an activation|chain of layers|tensor and a constant)"
    with pytest.raises(ModelFileError, match=expected):
        read(SIMILAR[name], dtype, 17)


# What stands between two factors: folded where both are powers of two, else layers that are not trained.
BETWEEN = {
    "a hard tanh to 2": (lambda g, x: g.Clip(x, -2.0, 2.0), "hard_tanh", True),
    "a hard tanh to 1/64, of two nodes": (lambda g, x: g.Min(g.Max(x, -1 / 64), 1 / 64), "hard_tanh", True),
    "a hard tanh to 3": (lambda g, x: g.Clip(x, -3.0, 3.0), "hard_tanh", False),
    "a hard tanh to a tenth": (lambda g, x: g.Max(-0.1, g.Min(0.1, x)), "hard_tanh", False),
    "a relu3": (lambda g, x: g.Clip(x, 0.0, 3.0), "relu6", True),
    "a relu7": (lambda g, x: g.Clip(x, 0.0, 7.0), "relu6", False),
    "a limit far out": (lambda g, x: g.Clip(x, 0.0, 1e9), "relu6", False),
    "a limit far in": (lambda g, x: g.Max(g.Min(x, 3e-9), 0.0), "relu6", False),
    "a limit below": (lambda g, x: g.Clip(x, -1.5, 0.0), "relu6", True),
    "a limit below of 1": (lambda g, x: g.Clip(x, -1.0, 0.0), "relu6", False),
    "nothing above 0": (lambda g, x: g.Min(x, 0.0), "relu", True),
    "a hard sigmoid": (lambda g, x: g.Clip(g.Add(g.Mul(x, 0.2), 0.5), 0.0, 1.0), "relu6", False),
    "a sharp softplus": (
        lambda g, x: g.Where(
            g.Greater(g.Mul(x, 2.5), 40.0), x, g.Div(softplus(g, g.Mul(x, 2.5)), 2.5)
        ),
        "softplus",
        False,
    ),
    "a blunt softplus": (
        lambda g, x: g.Where(
            g.Greater(g.Mul(x, 0.125), 20.0), x, g.Div(softplus(g, g.Mul(x, 0.125)), 0.125)
        ),
        "softplus",
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("end", ["output", "dense", "tanh"])
def test_an_activation_between_two_factors(name, end, dtype):
    """It predicts what ONNX Runtime does, and the weights keep their bits where they were not multiplied."""
    compose, activation, folded = BETWEEN[name]
    g = Composed(dtype, 17)
    V = np.random.default_rng(1).normal(size=(4, 3)).astype(dtype)
    follows = {"output": lambda t: t, "dense": lambda t: g.MatMul(t, g.constant(V)), "tanh": g.Tanh}[end]
    model = g.model(lambda g, x: follows(compose(g, x)))
    net = fastmlp.onnx.from_model(model)
    assert activation in [getattr(layer, "activation", "") for layer in net.layers]
    assert Scale(trainable=False) in net.layers if not folded or end == "output" else True
    if not folded and name != "a hard sigmoid":
        assert_same_bits(net.get_weights()[0], g.W)
    X = np.random.default_rng(2).normal(size=(200, 5)).astype(dtype) * 3
    exact, bound = oracle(net, X, rounded=3)
    for result in (net.predict(X), run(model, X)):
        assert np.all(abs(result - exact) <= bound)
    assert name.startswith("a limit far") or np.any(abs(exact) > bound)


@pytest.mark.parametrize("slopes", [None, np.array([0.1, 0.2, 0.3, 0.4], np.float32)])
def test_an_activation_between_two_factors_behind_no_dense_layer(slopes):
    """A factor that nothing takes is a layer of its own: no dense layer, which could be too wide."""
    before = (lambda g, x: g.Tanh(x)) if slopes is None else (lambda g, x: g.PRelu(x, slopes))
    model = Composed().model(lambda g, x: g.Add(g.Mul(g.Clip(before(g, x), -0.25, 0.25), 5.0), 1.0))
    net = fastmlp.onnx.from_model(model)
    X = np.random.default_rng(2).normal(size=(50, 5)).astype(np.float32)
    assert abs(net.predict(X) - run(model, X)).max() < 1e-6
    assert [type(layer) for layer in net.layers].count(Scale) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors_and_sums_that_cancel_are_no_activation(dtype):
    net = read(lambda g, x: g.Add(g.Mul(x, 1.0000001), 0.0), dtype, 17)
    assert net.layers[0].activation == "identity"
    assert np.array_equal(
        net.weights[0], (Composed(dtype).W * np.asarray(1.0000001, dtype).astype(float)).astype(dtype)
    )


@pytest.mark.parametrize(
    "compose", [lambda g, x: g.Relu(g.Mul(x, 1 + 1e-9)), lambda g, x: g.Mul(g.Relu(x), 1 + 1e-9)]
)
def test_a_factor_of_float64_is_not_taken_for_rounding(compose):
    net = read(compose, "float64", 17)
    X = np.random.default_rng(1).normal(size=(7, 5))
    exact = np.maximum(X @ Composed("float64").W, 0) * (1 + 1e-9)
    assert abs(net.predict(X) - exact).max() < 1e-13 * abs(exact).max()


def test_what_does_nothing_is_the_identity():
    assert read(lambda g, x: g.LeakyRelu(x, alpha=1.0)).layers[0].activation == "identity"
    assert read(lambda g, x: g.Sub(g.Relu(x), g.Relu(g.Neg(x)))).layers[0].activation == "identity"


def test_a_factor_before_an_activation_stays():
    g = Composed()
    net = fastmlp.onnx.from_model(g.model(lambda g, x: g.Softmax(g.Mul(x, 1.001))))
    assert net.layers[0].activation == "softmax"
    assert np.array_equal(net.weights[0], (g.W * np.float64(np.float32(1.001))).astype(np.float32))


def test_a_constant_for_each_column_is_a_slope_of_it():
    slopes = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    net = fastmlp.onnx.from_model(Composed().model(lambda g, x: g.PRelu(x, slopes)))
    assert net.layers[-1] == PReLU() and np.array_equal(net.get_weights()[-1], slopes)


# ---- what a hostile file may hold ----


def tensor_attribute(location):
    tensor = onnx.TensorProto(data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value=str(location))
    return tensor


@pytest.mark.parametrize("constant", [False, True])
def test_an_attribute_names_no_file(constant, monkeypatch):
    """onnx's evaluator would read it as it looks at the attributes of any operator."""
    read_tensors = []
    monkeypatch.setattr(
        onnx.numpy_helper, "to_array", lambda *given: read_tensors.append(given) or np.ones(1)
    )

    def compose(g, x):
        end = g.Identity(1.0) if constant else g.Relu(x)
        g.nodes[-1].attribute.append(onnx.helper.make_attribute("extra", tensor_attribute("secret")))
        return g.Mul(x, end) if constant else end

    with pytest.raises(ModelFileError, match=r"\((Relu|Identity)\)"):
        read(compose)
    assert read_tensors == []


@pytest.mark.parametrize(
    "make",
    [
        lambda g: g.ConstantOfShape([2**40]),
        lambda g: g.Expand(1.0, [2**40]),
        lambda g: g.Tile(1.0, [2**40]),
        lambda g: g.Range(0.0, 1e12, 1.0),
        lambda g: g.Add(np.ones((5000, 1)), np.ones((1, 5000))),
        lambda g: g.Gather(np.ones(100), [0] * 100),
        lambda g: g.Concat(*[np.ones(100)] * 100, axis=0),
        lambda g: g.Reshape(np.ones(4), [2**40, -1]),
        lambda g: g.Unsqueeze(np.ones(4), [2**40]),
        lambda g: g.Cast(1.0, to=8),
    ],
)
def test_a_constant_cannot_be_made_large(make):
    with pytest.raises(ModelFileError, match=r"node 1 \(\w+\)") as caught:
        read(lambda g, x: g.Mul(x, make(g)))
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def peak_of_refusing(compose):
    model = Composed(opset=17).model(compose)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="meet there|no activation"):
            fastmlp.onnx.from_model(model)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_columns_side_by_side_do_not_grow_without_end():
    def compose(g, x):
        for _ in range(4):
            x = g.Concat(*[x] * 30, axis=1)
        return x

    assert peak_of_refusing(compose) < 50 * 2**20


def test_rows_and_columns_do_not_make_tables():
    """The largest of each row as a column plus those of all as a row, a hundred times beside a relu."""

    def compose(g, x):
        column, row = g.ReduceMax(x, axes=[1]), g.ReduceMax(x, axes=[1], keepdims=0)
        table = g.Add(column, row)
        for _ in range(100):
            table = g.Add(table, column)
        return g.Add(g.Relu(x), g.Mul(0.0, g.ReduceMax(table, axes=[1])))

    assert peak_of_refusing(compose) < 50 * 2**20


def test_many_nodes_of_many_constants_are_not_tried_for_ever():
    """The functions tried are those of a few constants, and the nodes looked at those of a few blocks."""

    def compose(g, x):
        for i in range(300):
            x = g.Add(g.Mul(x, 1 + i / 7), g.Tanh(x))
        return x

    with pytest.raises(ModelFileError, match=r"node 3 \(Add\), .* meet there"):
        read(compose)
