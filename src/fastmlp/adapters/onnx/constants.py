"""Constants that are computed: a node of constants alone has a value before any input comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .evaluation import evaluated
from .nodes import SMALL, Node
from .tensors import FLOATS, Reader

Array = np.ndarray[Any, Any]

_AS_LARGE = ("Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Sqrt")  # as their operand
_SHAPES = ("Gather", "Concat")  # of the few numbers of a shape
_FOLDED = ("Add", *_AS_LARGE, *_SHAPES)


def computed(node: Node, reader: Reader, opset: int) -> Array:
    """The value of a node without operands, or of constants alone."""
    if node.op == "Constant":
        return _constant(node, reader)
    arrays = [node.constant(i) for i in range(len(node.operands))]
    if node.op not in _FOLDED or not arrays or arrays[0] is None:
        raise ModelFileError(f"{node}, of constants: expected one of {listed(_FOLDED)}")
    sizes = [array.size for array in arrays if array is not None]
    if node.op in _SHAPES and sum(sizes) > SMALL:
        raise ModelFileError(f"{node}, of {sum(sizes)} constants: expected those of a shape")
    if node.op == "Add" and min(sizes) > 1:
        raise ModelFileError(f"{node}, of two constant tensors: expected a tensor and a number")
    if node.op == "Cast" and node.integer("to", 0) not in (*FLOATS, 6, 7):
        raise ModelFileError(f"{node}: a constant as data type {node.integer('to', 0)}, expected a number's")
    try:
        result = evaluated(node, arrays, opset)
    except ValueError as error:
        raise ModelFileError(f"{node}: it cannot be computed: {error}") from None
    if not np.may_share_memory(result, arrays[0]):
        reader.use(result.nbytes)
    return result


def _constant(node: Node, reader: Reader) -> Array:
    for key, kind, member, dtype in (
        ("value_float", 1, "f", "f4"), ("value_int", 2, "i", "i8"),
        ("value_floats", 6, "floats", "f4"), ("value_ints", 7, "ints", "i8"),
    ):  # fmt: skip
        if key in node.attributes:
            return np.array(node.attribute(key, kind, member, None), dtype)
    if "value" not in node.attributes:
        raise ModelFileError(
            f"{node}: a Constant of {listed(node.attributes) or 'nothing'}, expected numbers"
        )
    return reader.array(node.attribute("value", 4, "t", None))
