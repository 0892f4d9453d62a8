"""Shapes of tensors on their way from the input: the lengths of all axes but the first, that of the rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .nodes import SMALL, Node

Array = np.ndarray[Any, Any]

_ARITHMETIC = ("Add", "Sub", "Mul", "Div")


def shape(node: Node, lengths: list[int] | None) -> Array:
    """What Shape gives, with 0 rows: to Reshape that means as many as come."""
    if lengths is None:
        raise ModelFileError(f"{node}: of a tensor whose shape is not known, expected a chain of layers")
    whole = [0, *lengths]
    return np.array(whole[node.integer("start", 0) : node.integer("end", len(whole))])


def row_shape(node: Node, lengths: list[int] | None, rows: int, *, last: bool) -> list[int] | None:
    """The lengths after a node that must leave rows as they are, or make one of all that belongs to it.

    The last node may also put all numbers in one column, as skl2onnx does with those of several outputs.
    """
    width = math.prod(lengths) if lengths is not None else None
    known = None if width is None else [width]
    if node.op == "Flatten" and node.integer("axis", 1) == 1:
        return known
    if node.op == "Squeeze" and lengths == [1] and node.axes(node.constant(1)) in ([1], [-1], None):
        return known
    target = node.constant(1) if node.op == "Reshape" else None
    if target is not None and target.size <= 2 and target.dtype.kind == "i":
        wanted = target.ravel().tolist()
        if (last or width == 1) and wanted in ([-1], [-1, 1]):
            return known
        if len(wanted) == 2 and wanted[0] in (-1, 0, rows) and wanted != [-1, -1]:
            if wanted[1] in (-1, width) or width is None:
                return known or ([wanted[1]] if wanted[1] > 0 else None)
    came = "" if lengths is None else f" of shape (rows, {listed(map(str, lengths))})"
    to = "" if target is None else f" to {target.ravel()[:SMALL].tolist()}"
    raise ModelFileError(f"{node}{came}{to}: expected Flatten, or Reshape to (-1, columns)")


def next_shape(node: Node, lengths: list[int] | None) -> list[int] | None:
    """The lengths after a node that is kept."""
    if lengths is not None and len(lengths) > 1:
        constants = [operand for operand in node.operands if isinstance(operand, np.ndarray)]
        if node.op not in _ARITHMETIC or any(constant.size != 1 for constant in constants):
            raise ModelFileError(
                f"{node}, rows of shape ({listed(map(str, lengths))}): expected Flatten before it"
            )
    if node.op in ("Gemm", "MatMul"):
        W = node.operands[1] if len(node.operands) > 1 else None
        turned = node.op == "Gemm" and node.integer("transB", 0)
        return [W.shape[0 if turned else 1]] if isinstance(W, np.ndarray) and W.ndim == 2 else None
    return None if node.op == "Concat" else lengths
