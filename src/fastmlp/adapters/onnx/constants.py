"""Constants that are computed: a node of constants alone has a value before any input comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .evaluation import evaluated
from .nodes import Node
from .tensors import DTYPES, Reader

Array = np.ndarray[Any, Any]

SMALL = 64  # numbers of a shape that is computed from other shapes
ANY_ROWS = 1_000_003  # a prime, for a number of rows that the file does not tell
_AS_LARGE = ("Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Sqrt", "Neg")
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div")
_FOLDED = (*_AS_LARGE, *_ELEMENTWISE, "Gather", "Concat", "Slice")


def computed(node: Node, reader: Reader, opset: int) -> Array:
    """The value of a node without operands, or of constants alone; of a size that its operands bound."""
    if node.op == "Constant":
        return _constant(node, reader)
    arrays = [node.constant(i) for i in range(len(node.operands))]
    _check(node, arrays)
    try:
        result = evaluated(node, arrays, opset)
    except ValueError as error:
        raise ModelFileError(f"{node}: it cannot be computed: {error}") from None
    if not np.may_share_memory(result, arrays[0]):
        reader.use(result.nbytes)
    return result


def _constant(node: Node, reader: Reader) -> Array:
    (value,) = node.attributes.values() if len(node.attributes) == 1 else (None,)
    if hasattr(value, "raw_data"):
        return reader.array(value)
    if not isinstance(value, (float, int, tuple)):
        names = listed(node.attributes) or "nothing"
        raise ModelFileError(f"{node}: a Constant of {names}, expected numbers")
    array = np.array(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _check(node: Node, arrays: list[Array | None]) -> None:
    """Raises ModelFileError unless the result is sure to be no larger than what it is made of, or small."""
    if node.op not in _FOLDED or not arrays or arrays[0] is None:
        raise ModelFileError(f"{node}, of constants: expected one of {listed(_FOLDED)}")
    sizes = [array.size for array in arrays if array is not None]
    bounded = node.op in _AS_LARGE or (node.op in _ELEMENTWISE and min(sizes) <= 1)
    if not bounded and sum(sizes) > SMALL:
        raise ModelFileError(f"{node}, of {sum(sizes)} constants: expected a tensor and a number, or a shape")
    if node.op == "Cast":
        _check_cast(node, arrays[0])


def _check_cast(node: Node, array: Array) -> None:
    kind = node.attribute("to", 0)
    if kind not in DTYPES:
        raise ModelFileError(f"{node}: a constant as data type {kind}, expected {listed(map(str, DTYPES))}")
    if array.dtype.kind == "i" and (array[array != 0] % ANY_ROWS == 0).any():
        raise ModelFileError(f"{node}: it computes with the number of rows, expected any number of them")
