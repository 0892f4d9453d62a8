"""Reading: a file's bytes checked, parsed, and its graph turned into a `Network`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ... import registry
from ...errors import ModelFileError
from ...layers import Activation
from ...network import Network
from ...optional import require
from .. import chain
from . import affine, description, own, wire
from .affine import Step
from .graph import Graph
from .nodes import Array
from .steps import shortest, steps
from .tensors import Reader
from .writing import OUTPUT

MAX_BYTES = 2**31 - 1  # a message of protocol buffers cannot be larger


def load(path: str | os.PathLike[str], *, output: str | None = None) -> Network:
    """Read a multi-layer perceptron from an ONNX file, whoever wrote it.

    Understood are chains of Gemm, MatMul, Add, Sub, Mul, Div, Neg, BatchNormalization, LayerNormalization,
    Dropout, Scaler, Flatten, Reshape, Squeeze and the activations of `fastmlp.registry.ACTIVATIONS`, each as
    its own operator or composed of others, as PyTorch's two exporters, Keras, skl2onnx and `save` write them;
    and Clip from -c to c, 0 to c or -c to 0, and softplus(beta x) / beta, activations between two factors.
    An Add of the output of a layer and of what further layers make of it is a skip connection, `fastmlp.Add`.
    Labels and tables of probabilities (ArgMax, ZipMap) are left out: the output is what they are made of.

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
        `save` gives the network that was saved, with layers of all kinds.

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
        wire.check(data, onnx.ModelProto.DESCRIPTOR)
        model = onnx.ModelProto()
        try:
            model.ParseFromString(data)
        except Exception as error:  # DecodeError, of a package that onnx brings
            raise ModelFileError(f"is damaged or no ONNX file: {error}") from None
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


def _network(model: Any, reader: Reader, output: str | None) -> Network:
    ours = own.read(model, reader) if output in (None, OUTPUT) else None
    if ours is not None:
        return ours
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused with the weights
            graph = Graph(model, reader, output)
            found = steps(graph, reader.use)
            first = _checked_weights(found)
            parts = affine.folded(found, graph.width or len(first), reader.use)
            if first.dtype == np.float32:
                parts = [_shortened(part) for part in parts]
            n_in, parts = chain.settled(parts, "it", graph.width, partial(affine.identity, use=reader.use))
            arrays = [np.asarray(array, first.dtype) for part in parts for array in part.arrays]
        layers, seed = description.restored(model, [part.layer for part in parts], n_in, first.dtype)
        net = Network([n_in, *layers], dtype=first.dtype, seed=seed)
        net.set_weights(arrays)
    except ModelFileError:
        raise
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"is no network: {error}") from None
    return net


def _checked_weights(steps: Sequence[Step]) -> Array:
    """Those of the first dense layer; all must be of one dtype."""
    dense = [step for step in steps if isinstance(step, chain.Part) and chain.has_matrix(step)]
    if not dense:
        raise ModelFileError("has no Gemm and no MatMul, expected at least one layer")
    first = dense[0].arrays[0]
    for step in dense:
        came = step.arrays[0].dtype
        if came != first.dtype:
            expected = f"expected {first.dtype} as those before it"
            raise ModelFileError(f"{step.path}: it has {came} weights, {expected}")
    return first


def _shortened(part: chain.Part) -> chain.Part:
    """FLOAT attributes as a person would write them, where that is the same number to a float32 network."""
    layer: Any = part.layer
    for name in registry.LAYER_KINDS.get(layer.kind, ()):
        if hasattr(layer, name):
            layer = replace(layer, **{name: shortest(getattr(layer, name))})
    activation = layer.applies()
    if activation is not None and not isinstance(activation, str):
        layer = Activation((activation[0], shortest(activation[1])))
    return replace(part, layer=layer)
