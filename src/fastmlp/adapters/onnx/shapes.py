"""Shapes of tensors on their way from the input: what onnx's evaluator makes of zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .constants import SMALL
from .evaluation import evaluated
from .nodes import Node
from .recognition import ELEMENTWISE

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

ANY_COLUMNS = 1_000_033  # another prime than ANY_ROWS, which no shape in a file has by chance either
REARRANGING = ("Flatten", "Reshape", "Squeeze")  # numbers in the order that they have


def shape(node: Node, before: Shape, opset: int) -> Array:
    """What Shape gives."""
    if ANY_COLUMNS in before:
        raise ModelFileError(f"{node}: of a tensor whose shape is not known, expected a chain of layers")
    return evaluated(node, [_zeros(before)], opset)


def rearranged(node: Node, before: Shape, opset: int, *, last: bool) -> Shape:
    """The shape after a node that must leave rows as they are, or make one of all that belongs to it.

    The last node may also put all numbers in one column, as skl2onnx does with those of several outputs.
    """
    constants = [node.constant(i) for i in range(1, len(node.operands))]
    lengths = [array.ravel()[:SMALL] for array in constants if array is not None and array.dtype.kind == "i"]
    wanted = [n for array in lengths for n in array.tolist()]
    if ANY_COLUMNS in before and wanted and wanted[-1] > 0:
        before = (before[0], wanted[-1])
    try:
        after = evaluated(node, [_zeros(before), *constants], opset).shape
    except ValueError:
        after = ()
    if after[:1] == before[:1]:
        return after
    if (last and after[:1] == (math.prod(before),) == (math.prod(after),)) or math.prod(before) == 1:
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
        raise ModelFileError(f"{node}: a constant has {axes} axes, expected at most {len(shape)}")
    alike = node.op in (*ELEMENTWISE, "Dropout") and all(array.size == 1 for array in constants)
    if len(before) > 1 or (len(shape) != 2 and not alike):
        rows = listed(f"({listed(map(str, shape[1:]))})" for shape in sorted(before))
        raise ModelFileError(f"{node}, rows of shape {rows}: expected Flatten before it")
    if node.op in ("Gemm", "MatMul") and constants and constants[0].ndim == 2:
        turned = node.op == "Gemm" and node.attribute("transB", 0)
        return (shape[0], constants[0].shape[0 if turned else 1])
    return (shape[0], ANY_COLUMNS) if node.op == "Concat" else shape


def _zeros(shape: Shape) -> Array:
    return np.broadcast_to(np.float32(0), shape)
