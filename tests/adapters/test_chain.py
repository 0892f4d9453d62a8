"""What parts of a chain mean beside each other: one set of rules for PyTorch, Keras and ONNX."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from fastmlp import (
    Activation,
    Add,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Rescaling,
    Scale,
    Standardize,
    registry,
)
from fastmlp.adapters.chain import Part, named, network, part, settled, total

RNG = np.random.default_rng(3)


def parts(*layers, n_in=3):
    """Parts "p0", "p1", ... of layers; a number is a dense layer of that width."""
    made, width = [], n_in
    for i, layer in enumerate(layers):
        arrays = ()
        if isinstance(layer, int):
            layer, arrays = (
                Dense(layer, "identity"),
                (RNG.normal(size=(width, layer)), RNG.normal(size=layer)),
            )
            width = layer.units
        elif isinstance(layer, (BatchNormalization, LayerNormalization)):
            count = 4 if isinstance(layer, BatchNormalization) else 2
            arrays = tuple(RNG.uniform(1, 2, size=width) for _ in range(count))
        made.append(Part(f"p{i}", layer, arrays))
    return made


RELU, TANH, SOFTMAX = Activation("relu"), Activation("tanh"), Activation("softmax")
NORM = LayerNormalization()


def summed(*layers):
    """Parts as above, "h" a name there and "+h" a sum with it."""
    made = parts(*(Activation("identity") if isinstance(layer, str) else layer for layer in layers))
    put = {"h": named, "+h": total}
    return [
        put[layer](part.path, "h") if isinstance(layer, str) else part
        for layer, part in zip(layers, made, strict=True)
    ]


ONES = Scale(trainable=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([2, "h", 2, "+h"], [Dense(2, "identity"), Dense(2, "identity"), Add(1)]),
        ([2, RELU, "h", 2, "+h", RELU], [Dense(2, "relu"), Dense(2, "identity"), Add(1), RELU]),
        ([2, "h", RELU, 2, "+h"], [Dense(2, "identity"), ONES, RELU, Dense(2, "identity"), Add(1)]),
        ([2, NORM, RELU, "h", 2, "+h"], [Dense(2, "identity"), NORM, RELU, Dense(2, "identity"), Add(3)]),
        (
            [2, Dropout(0.2), "h", 2, Dropout(0.1), "+h"],
            [Dense(2, "identity"), Dropout(0.2), ONES, Dense(2, "identity"), Dropout(0.1), Add(3)],
        ),
        (  # dropout that relu went before, and one that another would have been merged with
            [2, Dropout(0.2), RELU, "h", Dropout(0.5), 2, "+h"],
            [Dense(2, "relu"), Dropout(0.2), ONES, Dropout(0.5), Dense(2, "identity"), Add(3)],
        ),
        (
            [2, "h", Dropout(0.5), RELU, 2, "+h"],
            [Dense(2, "identity"), Dropout(0.5), ONES, RELU, Dense(2, "identity"), Add(1)],
        ),
        (
            [2, Dropout(0), "h", Activation("identity"), 2, "+h"],
            [Dense(2, "identity"), Dense(2, "identity"), Add(1)],
        ),
    ],
)
def test_what_a_sum_adds_stays_as_it_is(given, expected):
    n_in, made = settled(summed(*given), "it", 3)
    assert [part.layer for part in made] == expected
    net = network(summed(*given), "it", n_in=3, dtype="float64", seed=0)
    assert [type(layer) for layer in net.layers] == [type(layer) for layer in expected]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["h", 3, "+h"], r"p2: it adds the network's input, expected the output of a layer"),
        ([Rescaling(2.0), "h", 3, "+h"], r"p3: it adds the network's input, expected the output of a layer"),
        ([2, "h", 4, "+h"], r"p3: it adds 2 columns to 4, expected as many"),
    ],
)
def test_what_a_sum_cannot_add(given, message):
    with pytest.raises(ValueError, match=message):
        settled(summed(*given), "it", 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([2, RELU, 1], [Dense(2, "relu"), Dense(1, "identity")]),
        ([2, Activation("identity"), RELU, 1], [Dense(2, "relu"), Dense(1, "identity")]),
        ([2, NORM, TANH, 1], [Dense(2, "identity"), NORM, TANH, Dense(1, "identity")]),
        ([2, TANH, NORM, 1], [Dense(2, "tanh"), NORM, Dense(1, "identity")]),
        ([2, Dropout(0.5), RELU, 1], [Dense(2, "relu"), Dropout(0.5), Dense(1, "identity")]),
        (
            [2, NORM, Dropout(0.5), RELU, 1],
            [Dense(2, "identity"), NORM, RELU, Dropout(0.5), Dense(1, "identity")],
        ),
        ([Dropout(0.5), Dropout(0.2), 1], [Dropout(0.6), Dense(1, "identity")]),
        ([2, Dropout(0.5), RELU, Dropout(0.2), 1], [Dense(2, "relu"), Dropout(0.6), Dense(1, "identity")]),
        ([2, Dropout(0.0), TANH, Dropout(0.0), 1], [Dense(2, "tanh"), Dense(1, "identity")]),
        ([1, Dropout(0.0)], [Dense(1, "identity")]),
        ([Rescaling(2.0), Dropout(0.1), 1, SOFTMAX], [Rescaling(2.0), Dropout(0.1), Dense(1, "softmax")]),
    ],
)
def test_what_parts_mean(given, expected):
    chain = parts(*given)
    width, found = settled(chain, "model", 3)
    assert width == 3 and [item.layer for item in found] == expected
    net = network(chain, "model", n_in=None, dtype="float64", seed=0)
    arrays = [array for item in chain for array in item.arrays]
    assert all((a == b).all() for a, b in zip(net.get_weights(), arrays, strict=True))


def test_two_dropouts_are_one_of_their_product():
    """The two of PyTorch on 10^6 ones: which values there are, and how often, within 5 deviations."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    both = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Dropout(0.2)).train()
    dropped = both(torch.ones(1_000_000)).numpy()
    rate = settled(parts(Dropout(0.5), Dropout(0.2), 1), "model", 3)[1][0].layer.rate
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / (1 - rate))}
    assert abs((dropped == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / len(dropped))


def test_dropout_commutes_with_what_is_homogeneous_alone():
    torch = pytest.importorskip("torch")
    z = torch.linspace(-3, 3, 101)
    for module, same in [(torch.nn.ReLU(), True), (torch.nn.LeakyReLU(0.3), True), (torch.nn.ELU(), False)]:
        assert torch.allclose(module(2.5 * z), 2.5 * module(z)) == same


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "model has no dense layer"),
        ([NORM, RELU], "model has no dense layer"),
        ([RELU, 1], "p0: it is the activation 'relu' after the input, expected it after a dense layer"),
        (
            [2, RELU, TANH, 1],
            r"p2: it is the activation 'tanh' after Dense\(2, 'relu'\), expected it after a",
        ),
        ([2, RELU, Dropout(0.1), RELU, 1], r"p3: it is the activation 'relu' after Dense\(2, 'relu'\)"),
        ([2, NORM, RELU, TANH, 1], r"p3: it is the activation 'tanh' after Activation\('relu'\)"),
        ([Dropout(0.1), RELU, 1], "p1: it is the activation 'relu' after the input"),
        ([2, Dropout(0.1), TANH, 1], "p1: it is Dropout before 'tanh', expected it after that"),
        ([2, SOFTMAX, 1], "p1: it is softmax before other layers, expected it at the end"),
        ([2, Activation("log_softmax"), Dropout(0.1), 1], "p1: it is log_softmax before other layers"),
        ([1, Dropout(0.1)], "p1: it is Dropout at the end, expected a layer after it"),
        ([2, Rescaling(2.0), 1], "p1: it is Rescaling after p0, expected it directly after the input"),
        ([Rescaling(2.0), Standardize([0.0] * 3, [1.0] * 3), 1], "p1: it is Standardize after p0"),
        ([Standardize([0.0] * 4, [1.0] * 4), 1], "p0: it takes 4 inputs, expected the 3 of the input"),
    ],
)
def test_what_means_nothing_is_refused(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        network(parts(*given), "model", n_in=3, dtype="float32", seed=0)
    assert "\n" not in str(caught.value)


def test_widths_are_held_against_each_other():
    first, second = parts(4, n_in=3), parts(2, n_in=5)
    with pytest.raises(ValueError, match="p0: it takes 5 inputs, expected the 4 of p0"):
        settled([*first, *second], "model", None)


def test_a_layers_own_error_names_the_part():
    with pytest.raises(ValueError, match=r"module\.1: rate is 2, expected"):
        part("module.1", Dropout, 2)
    with pytest.raises(ValueError, match=r"module\.1: .*'leaky_relu'.* nan"):
        part("module.1", Activation, ("leaky_relu", np.nan))


def test_an_activation_without_a_layer_may_have_one_made():
    def identity(path, width):
        return Part(path, Dense(width, "identity", use_bias=False), (np.eye(width),))

    chain = parts(RELU, 4, TANH, RELU, Dropout(0.1), TANH, 2)
    width, found = settled(chain, "model", None, identity)
    names = [item.layer.activation for item in found if isinstance(item.layer, Dense)]
    assert width == 3 and names == ["relu", "tanh", "relu", "tanh", "identity"]
    assert [item.arrays[0].shape for item in found if item.arrays] == [(3, 3), (3, 4), (4, 4), (4, 4), (4, 2)]
    assert isinstance(found[3].layer, Dropout)


# ---- the same chain from each package ----


def from_torch_chain():
    nn = pytest.importorskip("torch").nn
    from fastmlp.torch import from_torch

    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    chain = [nn.Dropout(0.0), first, nn.Dropout(0.5), nn.ReLU(), nn.Dropout(0.2), nn.LayerNorm(4, eps=1e-3)]
    return from_torch(nn.Sequential(*chain, second, nn.Softmax(-1)), seed=0)


def from_keras_chain():
    keras = pytest.importorskip("keras")
    from fastmlp.keras import from_keras

    L = keras.layers
    chain = [keras.Input((3,)), L.Dropout(0.0), L.Dense(4), L.Dropout(0.5), L.ReLU(), L.Dropout(0.2)]
    return from_keras(keras.Sequential([*chain, L.LayerNormalization(), L.Dense(2, "softmax")]), seed=0)


def from_onnx_chain():
    onnx = pytest.importorskip("onnx")
    import fastmlp.onnx

    arrays = {
        "W": np.ones((3, 4)),
        "V": np.ones((4, 2)),
        "gamma": np.ones(4),
        "none": 0,
        "half": 0.5,
        "fifth": 0.2,
    }
    steps = [("Dropout", "none"), ("MatMul", "W"), ("Dropout", "half"), ("Relu",), ("Dropout", "fifth")]
    steps += [("LayerNormalization", "gamma"), ("MatMul", "V"), ("Softmax",)]
    nodes = [
        onnx.helper.make_node(op, [f"t{i}", *rest], [f"t{i + 1}"]) for i, (op, *rest) in enumerate(steps)
    ]
    ends = [onnx.helper.make_tensor_value_info(name, 1, ["n", None]) for name in ("t0", f"t{len(steps)}")]
    given = [onnx.numpy_helper.from_array(np.asarray(a, np.float32), name) for name, a in arrays.items()]
    graph = onnx.helper.make_graph(nodes, "chain", ends[:1], ends[1:], given)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return fastmlp.onnx.from_model(model)


@pytest.mark.parametrize("make", [from_torch_chain, from_keras_chain, from_onnx_chain])
def test_a_chain_means_the_same_from_everywhere(make):
    kinds = [
        (type(layer), getattr(layer, "rate", getattr(layer, "activation", None))) for layer in make().layers
    ]
    assert kinds == [
        (Dense, "relu"), (Dropout, 0.6), (LayerNormalization, None), (Dense, "softmax"),
    ]  # fmt: skip


# ---- a parameter that an activation does not take ----


@pytest.fixture
def from_zero_on(monkeypatch):
    """leaky_relu and elu take no number below 0: their derivatives are told from the sign of a."""
    resolve = registry.resolve_activation

    def checked(value, argument="activation"):
        name, parameter = resolve(value, argument)
        if name in ("leaky_relu", "elu") and parameter < 0:
            raise ValueError(f"{argument} {name!r} came with the parameter {parameter}, expected at least 0")
        return name, parameter

    monkeypatch.setattr(registry, "resolve_activation", checked)


def torch_activation(name, parameter):
    nn = pytest.importorskip("torch").nn
    from fastmlp.torch import from_torch

    made = {"leaky_relu": nn.LeakyReLU, "elu": nn.ELU}[name](parameter)
    return lambda: from_torch(nn.Sequential(nn.Linear(3, 2), made))


def keras_activation(name, parameter):
    keras = pytest.importorskip("keras")
    from fastmlp.keras import from_keras

    L, key = keras.layers, {"leaky_relu": "negative_slope", "elu": "alpha"}[name]
    function = functools.partial(getattr(keras.activations, name), **{key: parameter})
    return lambda: from_keras(
        keras.Sequential([keras.Input((3,)), L.Dense(2), L.Activation(function, name="a")])
    )


def onnx_activation(name, parameter):
    onnx = pytest.importorskip("onnx")
    import fastmlp.onnx

    op = {"leaky_relu": "LeakyRelu", "elu": "Elu"}[name]
    nodes = [onnx.helper.make_node("MatMul", ["x", "W"], ["h"])]
    nodes += [onnx.helper.make_node(op, ["h"], ["y"], "a", alpha=parameter)]
    ends = [onnx.helper.make_tensor_value_info(end, 1, ["n", None]) for end in ("x", "y")]
    W = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "W")
    graph = onnx.helper.make_graph(nodes, "one", ends[:1], ends[1:], [W])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return lambda: fastmlp.onnx.from_model(model)


PLACES = [
    (torch_activation, r"module\.1: activation"),
    (keras_activation, r"layer 1, 'a' \(Activation\): activation"),
    (onnx_activation, r"node 1, 'a' \((LeakyRelu|Elu)\), takes 'h': activation"),
]


@pytest.mark.parametrize(("make", "place"), PLACES)
@pytest.mark.parametrize("name", ["leaky_relu", "elu"])
def test_a_parameter_out_of_range_is_named_with_its_place(make, place, name, from_zero_on):
    read = make(name, -0.25)
    with pytest.raises(ValueError, match=rf"{place} '{name}' .*-0\.25") as caught:
        read()
    assert "\n" not in str(caught.value)
    assert make(name, 0.25)().layers[0].activation == (name, 0.25)
