"""Residual networks in ONNX files: an Add of a tensor and of what layers make of it, and other sums."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp import Activation, Add, Dense, Dropout, ModelFileError, Scale
from helpers import assert_same_bits, assert_within
from onnx_helpers import oracle, randomize_norms, run
from onnx_models import graph_of, node

onnx = pytest.importorskip("onnx")
import fastmlp.onnx  # noqa: E402

# ---- PyTorch ----


def residual_module(torch, activation, order, norm):
    """6-6-6-3 of two blocks; `order` says where activation and normalisation stand."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow = nn.Linear(6, 11), nn.Linear(11, 6)
            made = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "": nn.Identity}[norm]
            self.norm = made(6, eps=2**-17)  # an attribute is float32

        def forward(self, x):
            h = self.norm(x) if order in ("pre", "before") else x
            h = activation(h) if order == "pre" else h
            h = self.narrow(activation(self.wide(h)))
            if order == "post":
                return self.norm(torch.relu(h + x))
            return x + h

    module = nn.Sequential(nn.Linear(6, 6), Block(), Block(), nn.Linear(6, 3))
    return randomize_norms(nn, module)


def exported(torch, module, X, path, dynamo, opset):
    """The module's predictions, and its file by one of PyTorch's two exporters."""
    example = torch.from_numpy(X)
    options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    if dynamo:
        pytest.importorskip("onnxscript")
        options = {"dynamic_shapes": ({0: "batch"},), "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (example,), path, dynamo=dynamo, opset_version=opset, **options)
    return module(example).detach().numpy()


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


# An export takes most of a test, and by dynamo half a second.
EXPORTERS = [
    (False, 18),
    pytest.param(False, 13, marks=pytest.mark.slow),
    pytest.param(True, 18, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dynamo, opset", EXPORTERS)
@pytest.mark.parametrize(
    "activation, order, norm",
    [
        ("relu", "plain", ""),
        ("relu", "pre", ""),
        ("silu", "pre", "layer"),
        ("gelu", "post", "layer"),
        ("gelu_tanh", "before", "layer"),
        ("softplus", "before", "batch"),
        ("mish", "post", "batch"),
        ("relu", "pre", "batch"),
    ],
)
def test_residual_modules_of_pytorch(torch, activation, order, norm, dynamo, opset, dtype, tmp_path):
    """Of several nodes, in branches: activations whose x is read twice are no sums."""
    functional = torch.nn.functional
    torch.manual_seed(0)
    tanh = lambda x: functional.gelu(x, approximate="tanh")  # noqa: E731
    function = tanh if activation == "gelu_tanh" else getattr(functional, activation)
    module = residual_module(torch, function, order, norm).to(getattr(torch, dtype))
    X = np.random.default_rng(0).normal(size=(7, 6)).astype(dtype)
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo, opset)
    net = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert [type(layer) for layer in net.layers].count(Add) == 2 and net.dtype == dtype
    exact, bound = oracle(net, X, rounded=3)
    assert_within(net.predict(X), exact, bound)
    assert_within(expected, exact, bound)
    if norm != "batch":
        for ours, theirs in zip(net.weights, linear(torch, module), strict=True):
            assert_same_bits(ours, theirs)


def linear(torch, module):
    found = [part for part in module.modules() if isinstance(part, torch.nn.Linear)]
    return [part.weight.detach().numpy().T for part in found]


@pytest.mark.parametrize("dynamo", [False, True])
def test_connections_that_cross_each_other(torch, dynamo, tmp_path):
    """Sources that are outputs within a branch, sums, and read several times; h + f(h) of no layer."""

    class Crossing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.ModuleList([torch.nn.Linear(6, 6) for _ in range(5)])

        def forward(self, x):
            h = torch.tanh(self.parts[0](x))
            u = torch.relu(self.parts[1](h))
            v = self.parts[2](u) + h
            w = self.parts[3](torch.nn.functional.silu(v)) + u
            z = w + torch.relu(w)
            return self.parts[4](z) + h

    torch.manual_seed(1)
    module = Crossing()
    X = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
    expected = exported(torch, module, X, tmp_path / "net.onnx", dynamo, 18)
    net = fastmlp.onnx.load(tmp_path / "net.onnx")
    assert [layer for layer in net.layers if not isinstance(layer, Dense)] == [
        *(Add(1), Activation("silu"), Add(2), Scale(trainable=False), Activation("relu"), Add(7), Add(1))
    ]
    exact, bound = oracle(net, X)
    assert_within(net.predict(X), exact, bound)
    assert_within(expected, exact, bound)


def test_the_advice_for_modules_with_a_forward_of_their_own(torch, tmp_path):
    """`from_torch` refuses them and names the way by a file, which works for residual ones."""
    module = residual_module(torch, torch.relu, "plain", "")[1]
    whole = torch.nn.Sequential(torch.nn.Linear(6, 6), module)
    for given, path, what in ((whole, "module.1", "the whole"), (module, "module", "it")):
        with pytest.raises(TypeError) as caught:
            fastmlp.torch.from_torch(given)
        message = str(caught.value)
        assert message.startswith(f"{path} is Block, whose forward() is not read, expected a Sequential")
        assert message.endswith(f"; fastmlp.onnx reads what torch.onnx.export makes of {what}")
    X = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
    expected = exported(torch, whole, X, tmp_path / "net.onnx", False, 17)
    exact, bound = oracle(fastmlp.onnx.load(tmp_path / "net.onnx"), X)
    assert_within(expected, exact, bound)


# ---- graphs ----

RNG = np.random.default_rng(5)
CONSTANTS = {
    "W": RNG.normal(size=(4, 3)), "E": RNG.normal(size=(3, 3)), "F": RNG.normal(size=(3, 3)),
    "V": RNG.normal(size=(3, 2)), "B": RNG.normal(size=3), "S": np.array([2, 0.5, -3]), "two": np.array(2),
    "seven": np.array(7), "zero": np.array(0), "slopes": np.array([0.1, 0.2, 0.3]),
    "mean": np.array([0.1, -0.2, 0.3]), "variance": np.array([1, 2, 0.5]), "T": RNG.normal(size=(3, 1)),
}  # fmt: skip


def graph(lines, dtype="float32", shape=("rows", 4)):
    """A graph of lines "y = Op(a, b)", each of tensors and constants."""
    made = []
    for line in lines.split("; "):
        end, call = line.split(" = ")
        op, operands = call.rstrip(")").split("(")
        attributes = {"axes": [-1]} if op == "ReduceMean" else {"axis": 1} if op == "Concat" else {}
        made.append(node(op, operands.split(", "), end, **attributes))
    constants = [(name, value.astype(dtype)) for name, value in CONSTANTS.items()]
    return graph_of(*made, constants=constants, shape=shape, kind=1 if dtype == "float32" else 11)


READ = {
    "a sum": (
        "a = MatMul(x, W); h = Relu(a); e = MatMul(h, E); y = Add(h, e)",
        "Dense Dense Add",
    ),
    "the branch first": (
        "h = MatMul(x, W); e = MatMul(h, E); b = Add(e, B); s = Add(b, h); y = Relu(s)",
        "Dense Dense Add Activation",
    ),
    "the other name of a sum": ("h = MatMul(x, W); e = MatMul(h, E); y = Sum(h, e)", "Dense Dense Add"),
    "a bias is part of the source": (
        "a = MatMul(x, W); h = Add(a, B); e = MatMul(h, E); y = Add(h, e)",
        "Dense Dense Add",
    ),
    "a bias after the source": (
        "h = MatMul(x, W); a = Add(h, B); e = MatMul(a, E); y = Add(h, e)",
        "Dense Dense Add",
    ),
    "an activation of the source": (
        "h = MatMul(x, W); a = Tanh(h); e = MatMul(a, E); y = Add(e, h)",
        "Dense Scale Activation Dense Add",
    ),
    "an activation of a sum that is a source": (
        "h = MatMul(x, W); e = MatMul(h, E); s = Add(e, h); r = Relu(s); f = MatMul(r, F); y = Add(f, s)",
        "Dense Dense Add Scale Activation Dense Add",
    ),
    "a factor of the branch": (
        "h = MatMul(x, W); e = MatMul(h, E); t = Tanh(e); m = Mul(t, S); y = Add(h, m)",
        "Dense Dense Dense Add",
    ),
    "a factor of the source is a layer": (
        "a = MatMul(x, W); t = Tanh(a); h = Mul(t, S); e = MatMul(h, E); y = Add(h, e)",
        "Dense Dense Dense Add",
    ),
    "a factor between source and branch": (
        "a = MatMul(x, W); h = Tanh(a); m = Mul(h, S); e = MatMul(m, E); y = Add(h, e)",
        "Dense Dense Add",
    ),
    "a factor and a bias after the sum": (
        "h = MatMul(x, W); e = MatMul(h, E); s = Add(h, e); m = Mul(s, two); b = Add(m, B); y = MatMul(b, V)",
        "Dense Dense Add Dense",
    ),
    "no layer between": ("h = MatMul(x, W); t = Tanh(h); y = Add(h, t)", "Dense Scale Activation Add"),
    "the source itself within a silu": (
        "h = MatMul(x, W); s = Sigmoid(h); m = Mul(h, s); e = MatMul(m, E); y = Add(h, e)",
        "Dense Scale Activation Dense Add",
    ),
    "normalised before": (
        "h = MatMul(x, W); n = BatchNormalization(h, S, B, mean, variance); r = Relu(n); e = MatMul(r, E);"
        " y = Add(h, e)",
        "Dense BatchNormalization Activation Dense Add",
    ),
    "normalised behind": (
        "h = MatMul(x, W); e = MatMul(h, E); s = Add(h, e); n = BatchNormalization(s, S, B, mean, variance);"
        " f = MatMul(n, F); y = Add(f, n)",
        "Dense Dense Add BatchNormalization Dense Add",
    ),
    "a source without a dense layer": (
        "h = BatchNormalization(x, Q, Q, Q, Q); e = MatMul(h, G); y = Add(h, e)",
        "BatchNormalization Dense Add",
    ),
    "slopes": (
        "h = MatMul(x, W); p = PRelu(h, slopes); e = MatMul(p, E); s = Add(h, e); q = PRelu(s, slopes);"
        " f = MatMul(q, F); y = Add(q, f)",
        "Dense PReLU Dense Add PReLU Dense Add",
    ),
}  # fmt: skip
CONSTANTS |= {"Q": np.array([0.5, 1, 2, 3]), "G": RNG.normal(size=(4, 4))}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [("rows", 4), ("rows", None)])
@pytest.mark.parametrize("name", READ)
def test_sums_that_are_read(name, shape, dtype):
    lines, kinds = READ[name]
    model = graph(lines, dtype, shape)
    net = fastmlp.onnx.from_model(model)
    assert " ".join(type(layer).__name__ for layer in net.layers) == kinds
    X = np.random.default_rng(2).normal(size=(50, 4)).astype(dtype)
    theirs = run(model, X)
    # ONNX Runtime has an epsilon of float32 in float64 too.
    assert abs(net.predict(X) - theirs).max() <= max(50 * np.finfo(dtype).eps, 1e-12) * abs(theirs).max()


def test_what_is_read_keeps_its_bits():
    net = fastmlp.onnx.from_model(graph(READ["an activation of the source"][0]))
    assert_same_bits(net.weights[0], CONSTANTS["W"].astype(np.float32))
    assert_same_bits(net.weights[1], CONSTANTS["E"].astype(np.float32))


def test_a_dropped_source_is_read_behind_its_dropout():
    """Dropout acts on what the next layer takes: factors of 1 take it, and are the source."""
    lines = "a = MatMul(x, W); h = Dropout(a, half); e = MatMul(h, E); y = Add(h, e)"
    CONSTANTS["half"] = np.array(0.5)
    net = fastmlp.onnx.from_model(graph(lines))
    assert [type(layer) for layer in net.layers] == [Dense, Dropout, Scale, Dense, Add]
    assert net.layers[-1] == Add(3)
    net = fastmlp.onnx.from_model(graph("h = MatMul(x, W); e = MatMul(h, E); d = Dropout(e); y = Add(h, d)"))
    assert [type(layer) for layer in net.layers] == [Dense, Dense, Dropout, Add]


@pytest.mark.parametrize(
    "lines, message",
    [
        ("h = MatMul(x, W); y = Add(h, h)", "node 1 (Add), takes 'h': 'h', 'h' meet there, expected a"),
        (
            "h = MatMul(x, W); m = Mul(h, two); e = MatMul(h, E); y = Add(m, e)",
            "node 3 (Add), takes 'm': 'm', 'e' meet there, expected a chain of layers, or an Add of a",
        ),
        (
            "h = MatMul(x, W); f = MatMul(h, F); e = MatMul(h, E); y = Add(f, e)",
            "node 3 (Add), takes 'f': 'f', 'e' meet there, expected a chain of layers, or an Add of a",
        ),
        (
            "h = MatMul(x, G); y = Add(h, x)",
            "node 1 (Add), takes 'h': it adds 'x', the network's input, expected the output of a layer",
        ),
        (
            "s = Add(x, Q); h = MatMul(s, G); y = Add(h, s)",
            "node 2 (Add), takes 'h': it adds the network's input, expected the output of a layer",
        ),
        (
            "h = MatMul(x, W); v = MatMul(h, V); y = Add(v, h)",
            "node 2 (Add), takes 'v': it adds tensors of 2 and 3 columns, expected as many in each",
        ),
        (
            "h = MatMul(x, W); v = MatMul(h, T); y = Add(v, h)",
            "node 2 (Add), takes 'v': it adds tensors of 1 and 3 columns, expected as many in each",
        ),
        (
            "h = MatMul(x, W); s = Sigmoid(h); m = Mul(h, s); e = MatMul(m, E); y = Add(e, s)",
            "node 4 (Add), takes 'e': it adds 's', which is computed within an activation or a layer,",
        ),
        ("h = MatMul(x, W); e = MatMul(h, E); y = Mul(h, e)", "node 2 (Mul), takes 'h': 'h', 'e' meet there"),
        ("h = MatMul(x, W); e = MatMul(h, E); y = Sub(h, e)", "node 2 (Sub), takes 'h': 'h', 'e' meet there"),
        ("h = MatMul(x, W); e = MatMul(h, E); y = Concat(h, e)", "node 2 (Concat), takes 'h': 'h', 'e' meet"),
        ("h = MatMul(x, W); e = MatMul(h, E); y = Sum(h, e, h)", "node 2 (Sum), takes 'h'"),
        ("h = MatMul(x, W); m = ReduceMean(h); y = Add(h, m)", "node 1 (ReduceMean), takes 'h'"),
        (
            "h = MatMul(x, W); s = Softmax(h); e = MatMul(s, E); y = Add(h, e)",
            "softmax before other layers, expected it at the end",
        ),
    ],
)  # fmt: skip
def test_sums_that_are_refused(lines, message):
    with pytest.raises(ModelFileError) as caught:
        fastmlp.onnx.from_model(graph(lines))
    assert message in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


def test_an_input_of_unknown_width_is_added_to_no_other():
    lines = "n = BatchNormalization(x, Q, Q, Q, Q); h = MatMul(n, W); y = Add(n, h)"
    with pytest.raises(ModelFileError, match="it adds 4 columns to 3, expected as many"):
        fastmlp.onnx.from_model(graph(lines, shape=("rows", None)))


def test_thousands_of_sums_take_no_more_time_than_their_number():
    """A tensor that is added after every node, and sums without a layer, which are tried one by one."""
    nodes = [node("MatMul", ["x", "W"], "h0")]
    for i in range(1500):
        nodes += [node("PRelu", [f"h{i}", "p"], f"p{i}"), node("Add", [f"p{i}", "h0"], f"h{i + 1}")]
    constants = [("W", np.eye(4, dtype=np.float32)), ("p", np.full(4, 0.5, np.float32))]
    nodes[-1].output[0] = "y"
    net = fastmlp.onnx.from_model(graph_of(*nodes, constants=constants))
    assert [type(layer) for layer in net.layers].count(Add) == 1500
    nodes = [node("MatMul", ["x", "W"], "h0")]
    for i in range(1500):
        nodes += [node("Tanh", [f"h{i}"], f"t{i}"), node("Add", [f"t{i}", "h0"], f"h{i + 1}")]
    nodes[-1].output[0] = "y"
    with pytest.raises(ModelFileError, match="meet there"):
        fastmlp.onnx.from_model(graph_of(*nodes, constants=constants))
