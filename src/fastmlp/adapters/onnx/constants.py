"""Constants that are computed: a node of constants alone has a value before any input comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .nodes import SMALL, Node
from .tensors import Reader

Array = np.ndarray[Any, Any]


def computed(node: Node, reader: Reader) -> Array:
    """The value of a node without operands, or of constants alone."""
    if node.op == "Constant":
        return _constant(node, reader)
    arrays = [node.constant(i) for i in range(len(node.operands))]
    try:
        result = None if not arrays or arrays[0] is None else _FOLDED[node.op](node, *arrays)
    except KeyError:
        result = None
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise ModelFileError(f"{node}: it cannot be computed: {error}") from None
    if result is None:
        raise ModelFileError(f"{node}, of constants: expected one of {listed(_FOLDED)}")
    if result.base is None:
        reader.use(result.nbytes)
    return np.asarray(result)


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


def _cast(node: Node, x: Array, *_: Any) -> Array:
    dtype = {1: np.float32, 11: np.float64, 6: np.int32, 7: np.int64}[node.integer("to", 0)]
    return x.astype(dtype, copy=False)


def _squeeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    chosen = node.axes(axes)
    return np.squeeze(x, None if chosen is None else tuple(chosen))


def _unsqueeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(x, tuple(node.axes(axes) or ()))


def _reshape(node: Node, x: Array, shape: Array) -> Array:
    wanted = [int(n) for n in shape.ravel()[:SMALL]]
    if not node.integer("allowzero", 0):
        wanted = [n if n else x.shape[i] for i, n in enumerate(wanted)]
    return x.reshape(wanted)


def _transpose(node: Node, x: Array) -> Array:
    return x.transpose(node.integers("perm"))


def _gather(node: Node, x: Array, indices: Array) -> Array:
    if x.size > SMALL or indices.size > SMALL:
        raise ValueError(f"of {x.size} numbers, expected those of a shape")
    return np.asarray(np.take(x, indices.astype(np.int64), axis=node.integer("axis", 0)))


def _concat(node: Node, *arrays: Array | None) -> Array:
    parts = [array for array in arrays if array is not None]
    if sum(part.size for part in parts) > SMALL:
        raise ValueError("it has too many numbers, expected those of a shape")
    return np.concatenate(parts, axis=node.integer("axis", 0))


def _add(node: Node, x: Array, y: Array) -> Array:
    if x.size > 1 and y.size > 1:
        raise ValueError("of two tensors, expected a tensor and a number")
    return np.asarray(x + y)


def _sqrt(node: Node, x: Array) -> Array:
    if not (x >= 0).all():
        raise ValueError("of negative numbers")
    return np.asarray(np.sqrt(x))


_FOLDED: dict[str, Any] = {
    "Add": _add,
    "Sqrt": _sqrt,
    "Identity": lambda node, x: x,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Concat": _concat,
}
