"""Files that `save` wrote: a graph is ours where writing what its metadata describes gives it again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ... import validation
from ...layers import Layer, chain
from ...layers.lowering import nodes_of
from ...network import Network
from ...optional import require
from . import description
from .nodes import Array
from .tensors import DTYPES, Reader
from .writing import INPUT, OUTPUT, Writer


def read(model: Any, reader: Reader) -> Network | None:
    """The network that was saved, every layer as it was; None of a graph that is another's or was changed."""
    told = [item.value for item in model.metadata_props if item.key == description.KEY]
    graph = model.graph
    try:
        saved = json.loads(told[-1])
        layers: list[Layer] = [chain.from_config(item) for item in saved["layers"]]
        kind = graph.input[0].type.tensor_type
        n_in, dtype = int(kind.shape.dim[1].dim_value), np.dtype(DTYPES[kind.elem_type][1])
        chain.check(layers, n_in)
        arrays = _arrays(graph, reader, layers, n_in, dtype)
        seed = validation.integer(saved["seed"], "seed", 0, 2**64 - 1)
        net = Network([n_in, *layers], dtype=dtype, seed=seed)
        net.set_weights(arrays)
        writer = Writer(require("onnx", "onnx"), net, int(model.opset_import[0].version))
        writer.end(writer.written(INPUT), OUTPUT)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        return None
    same = writer.nodes == list(graph.node) and writer.constants == list(graph.initializer)
    return net if same else None


def _arrays(graph: Any, reader: Reader, layers: list[Layer], n_in: int, dtype: np.dtype[Any]) -> list[Array]:
    """The described arrays; where one is not there in its shape, no memory is taken for a network."""
    tensors = {each.name: each for each in graph.initializer}
    found: list[Array] = []
    count = 0
    for node in nodes_of(n_in, layers):
        for name, shape in node.shapes.items():
            tensor = tensors[f"layers.{count}.{name}"]
            if tuple(tensor.dims) != shape or DTYPES[tensor.data_type][1] != dtype.newbyteorder("<").str:
                raise ValueError("the tensor is another")
            reader.use(2 * tensor.ByteSize())  # as an array, and written again
            found.append(reader.array(tensor))
        count += bool(node.shapes)
    return found
