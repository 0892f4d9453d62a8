"""ONNX files that are damaged or hostile: they are refused, before anything large is made of them."""

import os
import tracemalloc

import numpy as np
import pytest

import fastmlp.onnx
from fastmlp import ModelFileError
from onnx_models import W, both_dtypes, graph_of, network, node, normalizing


def read(data, tmp_path):
    """What becomes of bytes: a network, or None where they are refused; anything else is an error."""
    path = tmp_path / "damaged.onnx"
    path.write_bytes(data)
    try:
        return fastmlp.onnx.load(path)
    except ValueError as error:
        assert isinstance(error, ModelFileError) and str(error).startswith(str(path)), repr(error)
        return None


def test_a_truncated_file_is_refused(tmp_path):
    data = fastmlp.onnx.to_model(network("silu", "float32")).SerializeToString()
    cuts = [*range(40), *range(40, len(data), 37), *range(len(data) - 40, len(data))]
    readable = [cut for cut in cuts if read(data[:cut], tmp_path) is not None]
    # The operators' version comes last: without it, or the graph's end, nothing can be read.
    assert readable == []


@both_dtypes
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


@pytest.mark.parametrize("unit", [b"\x0a\x00", b"\x3a\x02\x0a\x00", b"\x3a\x04\x0a\x02\x2a\x00"])
def test_a_file_of_many_empty_messages_is_refused_before_it_inflates(unit, tmp_path):
    (tmp_path / "net.onnx").write_bytes(unit * 300_000)
    with pytest.raises(ModelFileError, match="has more than 200000 fields"):
        fastmlp.onnx.load(tmp_path / "net.onnx")
