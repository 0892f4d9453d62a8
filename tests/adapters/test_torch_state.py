"""State dicts of PyTorch without torch: order, kinds of layers, dtypes, damaged and hostile files."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

from fastmlp import Activation, BatchNormalization, Dense, LayerNormalization, ModelFileError, Network
from fastmlp.torch import from_state_dict, from_torch
from helpers import assert_same_bits

RNG = np.random.default_rng(12)


def linear(prefix, n_in, n_out, bias=True, dtype="float32"):
    state = {f"{prefix}.weight": RNG.normal(0, n_in**-0.5, (n_out, n_in)).astype(dtype)}
    if bias:
        state[f"{prefix}.bias"] = RNG.normal(0, 0.3, n_out).astype(dtype)
    return state


def norm(prefix, n, *leaves, dtype="float32"):
    return {f"{prefix}.{leaf}": (0.5 + RNG.random(n)).astype(dtype) for leaf in leaves}


def batch(prefix, n, dtype="float32"):
    state = norm(prefix, n, "weight", "bias", "running_mean", "running_var", dtype=dtype)
    return state | {f"{prefix}.num_batches_tracked": np.array(7)}


def shuffled(state):
    names = list(state)
    return {names[i]: state[names[i]] for i in RNG.permutation(len(names))}


# ---- order and kinds ----


def test_numbers_give_the_order(dtype):
    state = {}
    for i in range(12):
        state |= linear(f"net.{2 * i}", 5, 5, bias=i % 3 > 0, dtype=dtype.name)
    net = from_state_dict(shuffled(state), activation=["tanh"] * 11, output=("leaky_relu", 0.2))
    assert net.dtype == dtype
    assert [layer.activation for layer in net.layers] == ["tanh"] * 11 + [("leaky_relu", 0.2)]
    assert [layer.use_bias for layer in net.layers] == [i % 3 > 0 for i in range(12)]
    for i, W in enumerate(net.weights):
        assert_same_bits(W, state[f"net.{2 * i}.weight"].T)


def test_numbers_inside_words_give_the_order():
    state = linear("fc10", 2, 3) | linear("fc2", 4, 2) | linear("fc1", 3, 4)
    assert from_state_dict(state, activation="relu").layer_sizes == (3, 4, 2, 3)


@pytest.mark.parametrize("hidden", [1, 3])
def test_no_activation_is_guessed(hidden):
    """Two networks that differ in it alone have the same state dict."""
    state = {}
    for i in range(hidden + 1):
        state |= linear(str(2 * i), 3, 3)
    message = f"activation is None, expected that of the {hidden} hidden layers, which a state dict does not"
    with pytest.raises(ValueError, match=message) as caught:
        from_state_dict(state)
    assert 'activation="relu"' in str(caught.value) and "\n" not in str(caught.value)
    net = from_state_dict(state, activation=["tanh"] * hidden)
    assert [layer.activation for layer in net.layers] == ["tanh"] * hidden + ["identity"]


def test_one_layer_without_a_name():
    W = RNG.normal(size=(3, 2))
    net = from_state_dict({"weight": W, "bias": np.ones(3)}, output="softmax", seed=0)
    assert repr(net) == "Network([2, Dense(3, 'softmax')], dtype='float64', seed=0)"
    assert_same_bits(net.weights[0], W.T)


POLICY = (
    linear("mlp_extractor.policy_net.0", 4, 64)
    | linear("mlp_extractor.policy_net.2", 64, 64)
    | linear("mlp_extractor.value_net.0", 4, 64)
    | linear("mlp_extractor.value_net.2", 64, 64)
    | linear("action_net", 64, 2)
    | linear("value_net", 64, 1)
    | {"log_std": np.zeros(2, np.float32)}
)


def test_layers_choose_and_order():
    actor = from_state_dict(POLICY, layers=["mlp_extractor.policy_net", "action_net"], activation="tanh")
    assert actor.layer_sizes == (4, 64, 64, 2)
    assert_same_bits(actor.weights[1], POLICY["mlp_extractor.policy_net.2.weight"].T)
    critic = from_state_dict(POLICY, layers=["mlp_extractor.value_net", "value_net"], activation="tanh")
    assert critic.layer_sizes == (4, 64, 64, 1)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (None, r"state has '', 'action_net', .*, names that tell no order, expected layers=\[...\] in order"),
        (["mlp_extractor"], "names that tell no order, expected each of them in layers in the place of"),
        (["action_net", "nothing"], "layers has 'nothing', expected names out of"),
        (["action_net", "action_net"], "layers has 'action_net' twice"),
        (
            ["mlp_extractor.value_net", "action_net", "value_net"],
            "value_net: it takes 64 inputs, expected the 2 of",
        ),
        ([], "state has no dense layer"),
    ],
)
def test_no_order_is_guessed(layers, message):
    with pytest.raises(ValueError, match=message):
        from_state_dict(POLICY, layers=layers, activation="tanh")


def test_layers_is_a_list():
    for layers in ("action_net", [1]):
        with pytest.raises(TypeError, match="layers is .*, expected a list of names"):
            from_state_dict(POLICY, layers=layers)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (1, [Dense, BatchNormalization, Activation, Dense]),  # 0 Linear, 1 norm, (2 activation), 3 Linear
        (2, [Dense, BatchNormalization, Dense]),  # 0 Linear, (1 activation), 2 norm, 3 Linear
    ],
)
def test_the_activation_stands_where_the_numbers_leave_room(second, expected):
    state = linear("0", 3, 4) | batch(str(second), 4) | linear("3", 4, 2)
    net = from_state_dict(state, activation="tanh", fold=False)
    assert [type(layer) for layer in net.layers] == expected
    assert net.layers[expected.index(BatchNormalization)] == BatchNormalization(momentum=0.9, epsilon=1e-5)
    assert net.layers[0].activation == ("identity" if second == 1 else "tanh")


def test_normalisations_are_recognised(dtype):
    state = (
        norm("0", 3, "weight", "bias", dtype=dtype.name)
        | linear("1", 3, 4, dtype=dtype.name)
        | norm("2", 4, "running_mean", "running_var", dtype=dtype.name)  # affine=False
        | linear("4", 4, 2, dtype=dtype.name)
        | batch("5", 2, dtype=dtype.name)
    )
    net = from_state_dict(state, activation="relu", output="sigmoid", fold=False, epsilon=1e-4)
    assert [type(layer) for layer in net.layers] == [
        LayerNormalization, Dense, BatchNormalization, Activation, Dense, BatchNormalization, Activation,
    ]  # fmt: skip
    assert {layer.epsilon for layer in net.layers if hasattr(layer, "epsilon")} == {1e-4}
    assert [layer.activation for layer in net.layers if isinstance(layer, Activation)] == ["relu", "sigmoid"]
    weights = net.state_dict()
    assert_same_bits(weights["layers.2.gamma"], np.ones(4, dtype))
    assert_same_bits(weights["layers.2.variance"], state["2.running_var"])
    assert_same_bits(weights["layers.4.beta"], state["5.bias"])
    folded = from_state_dict(state, activation="relu", output="sigmoid", epsilon=1e-4)
    assert [type(layer) for layer in folded.layers] == [LayerNormalization, Dense, Dense]
    X = RNG.normal(size=(5, 3)).astype(dtype)
    # Two layers of at most 4 products each, 20 roundings in all, amplified by norms of at most 4.
    assert np.abs(folded.predict(X) - net.predict(X)).max() < 80 * np.finfo(dtype).eps


def test_dtypes():
    halves = linear("0", 3, 2, dtype="float16")
    net = from_state_dict(halves)
    assert net.dtype == np.float32
    assert_same_bits(net.weights[0], halves["0.weight"].T.astype(np.float32))
    assert from_state_dict(halves, dtype="float64").dtype == np.float64
    mixed = linear("0", 3, 2) | linear("1", 2, 2, dtype="float64")
    with pytest.raises(TypeError, match="state holds float32 and float64, expected one of them, or dtype="):
        from_state_dict(mixed, activation="relu")
    assert from_state_dict(mixed, dtype="float32", activation="relu").dtype == np.float32


WRONG = [
    ({}, ValueError, "state has no dense layer"),
    (
        {"0.weight": np.ones((2, 3, 3))},
        ValueError,
        r"a weight of shape \(2, 3, 3\) in '0', expected those of Linear",
    ),
    ({"0.weight": np.ones(1)}, ValueError, r"a weight of shape \(1,\) in '0'"),  # PReLU's
    ({"0.bias": np.ones(1)}, ValueError, "no weight in '0'"),
    (
        {"0.weight": np.ones((2, 3)), "0.bias": np.ones(3)},
        ValueError,
        r"0.bias has shape \(3,\), expected \(2,\)",
    ),
    (
        {"0.weight": np.ones((2, 3)), "0.scale": np.ones(3)},
        ValueError,
        "state has '0.scale', expected weight, bias",
    ),
    ({"0.weight_hh_l0": np.ones((2, 3))}, ValueError, "state has '0.weight_hh_l0'"),
    (linear("0", 3, 2) | norm("1", 2, "running_mean"), ValueError, "state lacks '1.running_var'"),
    (
        linear("0", 3, 2) | norm("1", 3, "weight", "bias"),
        ValueError,
        "1: it takes 3 inputs, expected the 2 of 0",
    ),
    (
        linear("0", 3, 2) | norm("1", 2, "weight") | norm("1", 3, "bias"),
        ValueError,
        r"1.bias has shape \(3,\), expected one number a column as 1.weight",
    ),
    (linear("0", 3, 2) | linear("1", 4, 2), ValueError, "1: it takes 4 inputs, expected the 2 of 0"),
    ({"0.weight": np.ones((2, 3), int)}, TypeError, "0.weight holds int64, expected real numbers"),
    ({"0.weight": "BF16"}, TypeError, "0.weight is BF16, expected one of F16, F32, F64"),
    ({"0.weight": np.ones((0, 3))}, ValueError, "units is 0"),
    ({"0.weight": np.ones((3, 0))}, ValueError, "input's width"),
    ({"0.weight": np.full((2, 3), np.nan)}, ValueError, "contains nan"),
    ({0: np.ones((2, 3))}, TypeError, "state has the name 0, expected strings"),
    (None, TypeError, "state is a NoneType, expected a path or names with their tensors"),
]


@pytest.mark.parametrize(("state", "error", "message"), WRONG, ids=lambda value: None)
def test_what_makes_no_network(state, error, message):
    with pytest.raises(error, match=message) as caught:
        from_state_dict(state, activation="relu")
    assert type(caught.value) is error and "\n" not in str(caught.value)


def test_wrong_activations():
    state = linear("0", 3, 2) | linear("1", 2, 2)
    with pytest.raises(ValueError, match="unknown activation 'tan'"):
        from_state_dict(state, activation="tan")
    with pytest.raises(ValueError, match="activation has 2 names, expected one for each of 1 hidden layers"):
        from_state_dict(state, activation=["tanh", "tanh"])
    with pytest.raises(ValueError, match="0: it is softmax before other layers, expected it at the end"):
        from_state_dict(state, activation="softmax")


# ---- files ----


@pytest.fixture
def written(tmp_path):
    """The path of a state dict in a file."""
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "state.safetensors"

    def write(state):
        safetensors.save_file(state, path)
        return path

    return write


def test_a_file_gives_the_bits_of_its_mapping(written, dtype):
    state = {}
    for i in range(11):
        state |= linear(str(i), 3, 3, dtype=dtype.name)
    state |= batch("11", 3, dtype=dtype.name)
    path = written(state)
    for given in (path, str(path)):
        net = from_state_dict(given, activation="tanh", fold=False)
        assert net.dtype == dtype
        assert_same_bits(
            net.get_weights(), from_state_dict(state, activation="tanh", fold=False).get_weights()
        )


def test_real_modules(tmp_path, dtype):
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    nn = torch.nn
    module = nn.Sequential(
        nn.Sequential(nn.LayerNorm(13), nn.Linear(13, 37), nn.BatchNorm1d(37), nn.Tanh(), nn.Dropout(0.1)),
        nn.Sequential(nn.Linear(37, 5, bias=False), nn.Tanh()),
        nn.Linear(5, 3),
    ).to(getattr(torch, dtype.name))
    module(torch.randn(20, 13, dtype=getattr(torch, dtype.name)))  # moves the running statistics
    path = tmp_path / "module.safetensors"
    safetensors.save_file(module.state_dict(), path)
    X = RNG.normal(size=(6, 13)).astype(dtype)
    expected = from_torch(module.eval()).predict(X)
    for given in (path, module.state_dict()):
        assert_same_bits(from_state_dict(given, activation="tanh").predict(X), expected)


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, size, dtype="F32", start=0):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}


HOSTILE = {
    "empty": b"",
    "short": b"\x08\0\0",
    "a header of an exabyte": struct.pack("<Q", 2**60) + b"{}",
    "a header longer than the file": struct.pack("<Q", 100) + b"{}",
    "no JSON": file_of(b"[1, 2"),
    "a list": file_of(b"[1, 2]"),
    "an entry of another kind": file_of({"0.weight": 5}),
    "2**80 numbers": file_of({"0.weight": entry([2**40, 2**40], 4)}, b"1234"),
    "2**40 numbers in 4 bytes": file_of({"0.weight": entry([2**20, 2**20], 4)}, b"1234"),
    "numbers beyond the end": file_of({"0.weight": entry([2, 2**38], 2**41)}, b"1234"),
    "overlapping tensors": file_of({"0.weight": entry([1, 2], 8), "1.weight": entry([1, 2], 8)}, bytes(8)),
    "a negative offset": file_of({"0.weight": entry([1, 1], 4, start=-4)}, bytes(4)),
    "a width of 2**40 and no numbers": file_of({"0.weight": entry([0, 2**40], 0)}),
    "2**40 units and no numbers": file_of({"0.weight": entry([2**40, 0], 0)}),
    "2**30 units of 0 inputs": file_of({"0.weight": entry([2**30, 0], 0)}),
    "an unknown dtype": file_of({"0.weight": entry([1, 1], 4, "F33")}, bytes(4)),
    "a name of no numbers": file_of(
        {"٣.weight": entry([1, 1], 4), "x.weight": entry([1, 1], 4, start=4)}, bytes(8)
    ),
    "a long number": file_of({f"{'9' * 9000}.weight": entry([1, 0], 0)}),
    "text": b"this is no model, it is a text of some length",
    "a pickle": b"\x80\x02}q\x00.",
    "PyTorch's own format": b"PK\x03\x04" + bytes(60),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files(content, tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "state.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=".") as caught:
        from_state_dict(path)
    assert len(str(caught.value)) < 500


def test_truncated_and_altered_files(written):
    path = written(linear("0", 3, 4) | batch("1", 4) | linear("2", 4, 2))
    whole = path.read_bytes()
    assert from_state_dict(path, activation="relu").layer_sizes == (3, 4, 2)
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelFileError, match="state.safetensors is not a readable safetensors file"):
            from_state_dict(path)
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for at in range(header):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert isinstance(
                from_state_dict(path, activation="relu"), Network
            )  # a changed name or shape may still be one
        except (ValueError, TypeError) as error:
            assert type(error) in (ValueError, TypeError, ModelFileError)


def test_pytorchs_pickles_are_named(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    for new in (True, False):
        torch.save({}, tmp_path / "model.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(
            ModelFileError, match=re.escape("a pickle, which is not read, expected safetensors")
        ):
            from_state_dict(tmp_path / "model.pt")


def test_half_precision_that_numpy_lacks(tmp_path):
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "state.safetensors"
    safetensors.save_file(torch.nn.Sequential(torch.nn.Linear(2, 2)).bfloat16().state_dict(), path)
    with pytest.raises(TypeError, match=r"0\.(weight|bias) is BF16, expected one of F16, F32, F64"):
        from_state_dict(path)


def test_a_missing_file(tmp_path):
    pytest.importorskip("safetensors")
    with pytest.raises(FileNotFoundError):
        from_state_dict(tmp_path / "none.safetensors")


# ---- without torch ----

BLOCKED = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # importing it raises ImportError
import fastmlp, fastmlp.torch, numpy as np
"""


def run(blocked, code, *arguments):
    command = [sys.executable, "-c", BLOCKED + code, blocked, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_state_dict_loads_without_torch(written, tmp_path):
    state = linear("0", 3, 4) | batch("1", 4) | linear("3", 4, 2)
    code = """
net = fastmlp.torch.from_state_dict(sys.argv[2], activation="tanh", output="softmax")
np.save(sys.argv[3], net.predict(np.load(sys.argv[4])))
"""
    X = RNG.normal(size=(5, 3)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    run("torch", code, written(state), tmp_path / "out.npy", tmp_path / "X.npy")
    expected = from_state_dict(state, activation="tanh", output="softmax").predict(X)
    assert_same_bits(np.load(tmp_path / "out.npy"), expected)


def test_what_is_missing_is_said():
    code = """
for call in (lambda: fastmlp.torch.from_torch(None), lambda: fastmlp.torch.to_torch(fastmlp.Network([1, 1])),
             lambda: fastmlp.torch.from_state_dict(__import__("os").devnull)):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    assert run("torch,safetensors", code).splitlines() == [
        f'{name} is not installed, expected it for this call: pip install ".[{name}]" in a clone of fastmlp'
        for name in ("torch", "torch", "safetensors")
    ]
