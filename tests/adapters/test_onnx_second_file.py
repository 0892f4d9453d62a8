"""Weights in a second file beside the model: from its own folder alone, and of the size that is claimed."""

import os

import pytest

import fastmlp.onnx
from fastmlp import ModelFileError
from helpers import assert_same_bits
from onnx_models import W, graph_of, node, onnx


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
