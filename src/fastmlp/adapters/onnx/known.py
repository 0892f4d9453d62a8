"""What is known before any input comes: constants, and shapes, which onnx's evaluator tells of zeros.

onnx's shape inference is not asked: in a hostile file it adds up shapes that double with every node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import ModelFileError, listed
from .evaluation import evaluated
from .nodes import Array, Node
from .recognition import ELEMENTWISE
from .tensors import DTYPES, Reader

Shape = tuple[int, ...]

# Primes, which no shape in a file has by chance, for numbers of rows and columns that the file does not tell.
ANY_ROWS, ANY_COLUMNS = 1_000_003, 1_000_033
REARRANGING = ("Flatten", "Reshape", "Squeeze")  # numbers in the order that they have
_SMALL = 64  # numbers of a shape that is computed from other shapes
_AS_LARGE = ("Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Sqrt", "Neg", "ReduceL2")
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div")
_FOLDED = (*_AS_LARGE, *_ELEMENTWISE, "Gather", "Concat", "Slice")


def constant(node: Node, reader: Reader, opset: int) -> Array:
    """The value of a node without operands, or of constants alone.

    It is refused unless sure to be no larger than what it is made of, or small.
    """
    if node.op == "Constant":
        return _given(node, reader)
    arrays = [node.constant(i) for i in range(len(node.operands))]
    if node.op not in _FOLDED or not arrays or arrays[0] is None:
        raise ModelFileError(f"{node}, of constants: expected one of {listed(_FOLDED)}")
    sizes = [array.size for array in arrays if array is not None]
    bounded = node.op in _AS_LARGE or (node.op in _ELEMENTWISE and _broadcast(arrays) <= max(sizes))
    if not bounded and sum(sizes) > _SMALL:
        expected = "a tensor and what makes it no larger, or a shape"
        raise ModelFileError(f"{node}, of {sum(sizes)} constants: expected {expected}")
    if node.op == "Cast":
        _check_cast(node, arrays[0])
    try:
        result = evaluated(node, arrays, opset)
    except ValueError as error:
        raise ModelFileError(f"{node}: it cannot be computed: {error}") from None
    if not np.may_share_memory(result, arrays[0]):
        reader.use(result.nbytes)
    return result


def _broadcast(arrays: Sequence[Array | None]) -> float:
    """How many numbers an elementwise operator makes of the arrays; infinity where they do not fit."""
    try:
        return math.prod(np.broadcast_shapes(*(array.shape for array in arrays if array is not None)))
    except ValueError:
        return math.inf


def _given(node: Node, reader: Reader) -> Array:
    """The value of a Constant."""
    (value,) = node.attributes.values() if len(node.attributes) == 1 else (None,)
    if hasattr(value, "raw_data"):
        return reader.array(value)
    if not isinstance(value, (float, int, tuple)):
        raise node.error(f"a Constant of {listed(node.attributes) or 'nothing'}", "numbers")
    array = np.array(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _check_cast(node: Node, array: Array) -> None:
    kind = node.attribute("to", 0)
    if kind not in DTYPES:
        raise node.error(f"a constant as data type {kind}", listed(map(str, DTYPES)))
    if array.dtype.kind == "i" and (array[array != 0] % ANY_ROWS == 0).any():
        raise node.error("it computes with the number of rows", "any number of them")


def shape(node: Node, before: Shape, opset: int) -> Array:
    """What Shape gives."""
    if ANY_COLUMNS in before:
        raise node.error("of a tensor whose shape is not known", "a chain of layers")
    return evaluated(node, [_zeros(before)], opset)


def rearranged(node: Node, before: Shape, opset: int, *, last: bool) -> Shape:
    """The shape after a node that must leave rows as they are, or make one of all that belongs to it.

    The last node may also put all numbers in one column, as skl2onnx does with those of several outputs.
    """
    constants = [node.constant(i) for i in range(1, len(node.operands))]
    lengths = [array.ravel()[:_SMALL] for array in constants if array is not None and array.dtype.kind == "i"]
    wanted = [n for array in lengths for n in array.tolist()]
    if ANY_COLUMNS in before and wanted and wanted[-1] > 0:
        before = (before[0], wanted[-1])
    count, after = math.prod(before), Shape()
    try:
        after = evaluated(node, [_zeros(before), *constants], opset).shape
    except ValueError:
        pass
    if after[:1] == before[:1]:
        return after
    if count == 1 or (last and after[:1] == (count,) == (math.prod(after),)):
        return before
    came = "" if ANY_COLUMNS in before else f" of shape (rows, {listed(map(str, before[1:]))})"
    to = f" to {wanted}" if wanted else ""
    raise ModelFileError(f"{node}{came}{to}: expected Flatten, or Reshape to (-1, columns)")


def after_layer(node: Node, before: set[Shape]) -> Shape:
    """The shape after a node that computes something of tensors."""
    shape = next(iter(before))
    constants = [operand for operand in node.operands if isinstance(operand, np.ndarray)]
    axes = max((array.ndim for array in constants), default=0)
    if axes > len(shape):  # broadcasting would put an axis before the rows
        raise node.error(f"a constant has {axes} axes", f"at most {len(shape)}")
    alike = node.op in (*ELEMENTWISE, "Dropout") and all(array.size == 1 for array in constants)
    if len(before) > 1 and node.op in ("Add", "Sum"):
        before = {shape for shape in before if ANY_COLUMNS not in shape} or before
        shape = next(iter(before))
        widths = [str(math.prod(shape[1:])) for shape in sorted(before)]
        if len(before) > 1 and all(len(shape) == 2 for shape in before):
            raise node.error(f"it adds tensors of {' and '.join(widths)} columns", "as many in each")
    if len(before) > 1 or (len(shape) != 2 and not alike):
        rows = listed(f"({listed(map(str, shape[1:]))})" for shape in sorted(before))
        raise ModelFileError(f"{node}, rows of shape {rows}: expected Flatten before it")
    if node.op in ("Gemm", "MatMul") and constants and constants[0].ndim == 2:
        turned = node.op == "Gemm" and node.attribute("transB", 0)
        return (shape[0], constants[0].shape[0 if turned else 1])
    return (shape[0], ANY_COLUMNS) if node.op == "Concat" else shape


def _zeros(shape: Shape) -> Array:
    return np.broadcast_to(np.float32(0), shape)
