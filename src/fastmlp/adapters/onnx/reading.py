"""Reading: a file's bytes checked, parsed, and its graph turned into a `Network`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...network import Network
from .._optional import require
from . import description, wire
from .assembly import assemble
from .chain import steps
from .graph import Graph
from .tensors import Reader

MAX_BYTES = 2**31 - 1  # a message of protocol buffers cannot be larger


def load(path: str | os.PathLike[str], *, output: str | None = None) -> Network:
    """Read a multi-layer perceptron from an ONNX file, whoever wrote it.

    Understood are chains of Gemm, MatMul, Add, Sub, Mul, Div, BatchNormalization, LayerNormalization,
    Dropout, Scaler, Flatten, Reshape and the activations of `fastmlp.registry.ACTIVATIONS`, each as its own
    operator or composed of others, as PyTorch's two exporters, Keras, skl2onnx and `save` write them.  Labels
    and tables of probabilities (ArgMax, ZipMap) are left out: the output is what they are made of.

    Parameters
    ----------
    path : str or path
        Weights in a second file, as PyTorch writes them, are read from the same folder.
    output : str, optional
        The graph's output to take, if it has several that are not made of one another.

    Returns
    -------
    Network
        Of the dtype of the file's weights, which keep their bits where nothing had to be folded into them;
        what stands before the first layer becomes `Rescaling` or `Standardize`.  scikit-learn's binary
        classifiers have two columns in ONNX, 1 - p and p: here they are one sigmoid output, p.  A file of
        `save` gives the layers of the network that was saved.

    Raises
    ------
    ModelFileError
        If the file is no ONNX file, is damaged, or is no such chain; a node that is not understood is named
        with what it takes.  It is a ValueError.
    ImportError
        Without the package onnx.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import fastmlp.onnx, os, tempfile
    >>> net = fastmlp.Network([4, 3], output="softmax", seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.onnx")
    ...     fastmlp.onnx.save(net, path)
    ...     fastmlp.onnx.load(path)
    Network([4, Dense(3, 'softmax')], dtype='float32', seed=0)
    """
    onnx = require("onnx", "onnx")
    target = os.path.realpath(os.fspath(path))
    with open(target, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise ModelFileError(f"{path} has {size} bytes, expected at most {MAX_BYTES}")
        data = file.read(size + 1)
    try:
        if len(data) != size or not data:
            raise ModelFileError(f"has {len(data)} bytes, expected {size or 'some'}")
        wire.check(data)
        model = _parsed(onnx, data)
        return _network(model, Reader(os.path.dirname(target), len(data)), output)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)} {error}") from None


def from_model(model: Any, *, output: str | None = None) -> Network:
    """The network of a model in memory, an ``onnx.ModelProto``; see `load`.

    Examples
    --------
    >>> import fastmlp.onnx
    >>> net = fastmlp.Network([4, 3], output="softmax", seed=0)
    >>> fastmlp.onnx.from_model(fastmlp.onnx.to_model(net))
    Network([4, Dense(3, 'softmax')], dtype='float32', seed=0)
    """
    onnx = require("onnx", "onnx")
    if not isinstance(model, onnx.ModelProto):
        raise TypeError(f"model is a {type(model).__name__}, expected an onnx.ModelProto")
    try:
        return _network(model, Reader(None, model.ByteSize()), output)
    except ModelFileError as error:
        raise ModelFileError(f"model {error}") from None


def _parsed(onnx: Any, data: bytes) -> Any:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # DecodeError, of a package that onnx brings
        raise ModelFileError(f"is damaged or no ONNX file: {error}") from None
    return model


def _network(model: Any, reader: Reader, output: str | None) -> Network:
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused with the weights
            graph = Graph(model, reader, output)
            found = assemble(steps(graph, reader), graph.width, reader.use)
        layers, seed = description.restored(model, found)
        net = Network([found.n_in, *layers], dtype=found.dtype, seed=seed)
        net.load_state_dict(_state(found.parameters))
    except ModelFileError:
        raise
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"is no network: {error}") from None
    return net


def _state(parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Arrays by the names of `Network.state_dict`."""
    layers = enumerate(parameters)
    return {f"layers.{i}.{name}": array for i, arrays in layers for name, array in arrays.items()}
