"""Activations known by their values: what a few nodes compute is held against the twin's on many numbers.

The numbers are negative, zero and positive, from 1e-30 to 1e30, close together up to 12, and on both sides of
each constant of the nodes, of the constants' products and quotients, and between them: where a composed
function bends, a constant says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ... import reference, registry
from .evaluation import evaluated
from .nodes import Node

Array = np.ndarray[Any, Any]
Found = tuple[str, float]

ELEMENTWISE = frozenset(
    "Abs Add Clip Div Elu Erf Exp Gelu Greater GreaterOrEqual LeakyRelu Less LessOrEqual Log Max Min Mish "
    "Mul Neg PRelu Pow Reciprocal Relu Selu Sigmoid Softplus Softsign Sqrt Sub Swish Tanh Where".split()
)
OPERATORS = ELEMENTWISE | {"Concat", "LogSoftmax", "ReduceMax", "ReduceMean", "ReduceSum", "Softmax"}
NORMALIZED, TWO_COLUMNS = "normalized", "two columns"  # what is found beside activations

MOST_BLOCKS = 8  # 1 / (1 + exp(-x)) has four
_MOST_NODES = 200  # gelu in float64 has 60
_MOST_NUMBERS = 64
_COLUMNS = 4
_SAMPLE = np.random.default_rng(1).normal(scale=3.0, size=(8, _COLUMNS))  # for a first look
_FAR = 30.0  # where a composed function may overflow
# The constants of a file are rounded to float32, which a tail x exp(-u) feels u times; 1 + erf(x) and the
# like lose what is small beside 1.
_RELATIVE, _ABSOLUTE = 5e-7, 1e-11


def recognized(blocks: Sequence[Sequence[Node]], start: str, opset: int) -> tuple[int, Found] | None:
    """How many of the blocks, from the first on, are one activation of the tensor `start`, and which.

    The longest run counts, and the closest of the functions within the bounds.
    """
    first_look = _values(blocks, start, _SAMPLE, opset)
    for count in range(len(first_look), 0, -1):
        numbers = _numbers(blocks[:count])
        if len(numbers) > _MOST_NUMBERS:
            continue
        likely = _distances(_SAMPLE, first_look[count - 1], _functions(numbers))
        if not likely:
            continue
        x = _probes(numbers)
        values = _values(blocks[:count], start, x, opset)
        found = _distances(x, values[-1], list(likely)) if len(values) == count else {}
        if found:
            return count, min(found, key=found.__getitem__)
    return None


def _values(blocks: Sequence[Sequence[Node]], start: str, x: Array, opset: int) -> list[Array]:
    """What each block gives of x, up to the first that cannot be computed or makes too many nodes."""
    values, result = {start: x}, list[Array]()
    try:
        for block in blocks:
            if len(values) + len(block) > _MOST_NODES or not OPERATORS.issuperset(node.op for node in block):
                break
            for node in block:
                operands = list(_operands(node, values))
                if _size(node, operands) > 2 * x.size:
                    return result
                values[node.output] = evaluated(node, operands, opset)
            result.append(values[block[-1].output])
    except (ValueError, KeyError):
        pass
    return result


def _operands(node: Node, values: dict[str, Array]) -> Iterator[Array | None]:
    """The operands in float64; constants are single numbers, or axes.  ValueError for others."""
    for i, operand in enumerate(node.operands):
        if isinstance(operand, str):
            value = values[operand]
            yield value if node.op == "Where" and i == 0 else value.astype(np.float64)
        elif operand is None or (node.op.startswith("Reduce") and i == 1):
            yield operand
        elif operand.size == 1 and operand.ndim <= 2:
            yield operand.reshape(()).astype(bool if operand.dtype == bool else np.float64)
        else:
            raise ValueError("a constant for each column")


def _size(node: Node, operands: Sequence[Array | None]) -> int:
    """Numbers that the node gives, at most."""
    if node.op.startswith("Reduce"):
        return 0
    arrays = [array for array in operands if array is not None]
    if node.op == "Concat":
        return sum(array.size for array in arrays)
    return math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))


def _numbers(blocks: Sequence[Sequence[Node]]) -> tuple[float, ...]:
    """The constants of the blocks, sorted."""
    nodes = [node for block in blocks for node in block]
    arrays = [o for node in nodes for o in node.operands if isinstance(o, np.ndarray) and o.size == 1]
    found = {float(array.reshape(-1)[0]) for array in arrays}
    found |= {value for node in nodes for value in node.attributes.values() if isinstance(value, float)}
    return tuple(sorted(filter(np.isfinite, found)))


@lru_cache(16)
def _probes(numbers: tuple[float, ...]) -> Array:
    """Rows of _COLUMNS numbers; those of one row are far from each other, but for the last rows."""
    sizes = np.unique(np.abs([1.0, *numbers]))
    sizes = sizes[sizes > 0]
    few = sizes[:: max(1, len(sizes) // 16)]
    marks = np.unique(np.concatenate([sizes, np.outer(few, few).ravel(), np.outer(few, 1 / few).ravel()]))
    marks = marks[(marks > 1e-30) & (marks < 1e30)]
    between = (marks[1:] + marks[:-1]) / 2
    beside = [marks * factor for factor in (1 - 1e-3, 1 - 1e-6, 1, 1 + 1e-6, 1 + 1e-3)]
    grid = [10.0 ** np.linspace(-30, 30, 481), np.linspace(0.0, 12.0, 241)]
    half = np.unique(np.concatenate([*grid, between, *beside]))
    half = np.concatenate([half, half[-1:].repeat(-len(half) % _COLUMNS)])
    spread = np.concatenate([-half, half]).reshape(_COLUMNS, -1).T
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(64, _COLUMNS)) * 10.0 ** np.linspace(-6, 1, 64)[:, None]
    return np.concatenate([spread, rows, rows + rng.normal(size=(64, 1))])


def _functions(numbers: tuple[float, ...]) -> list[Found]:
    """Everything that may be found, with each parameter that it may have; those without one come first."""
    defaults = {name: entry[0] for name, entry in registry.ACTIVATIONS.items() if name != "identity"}
    plain = [(name, 0.0) for name, default in defaults.items() if not default]
    taking = [(name, p) for name, default in defaults.items() if default for p in (default, *numbers)]
    return [(TWO_COLUMNS, 0.0), *plain, *taking, *((NORMALIZED, p) for p in numbers if p > 0)]


def _exact(x: Array, function: Found) -> Array:
    name, parameter = function
    if name == TWO_COLUMNS:
        return np.concatenate([1 - x, x], axis=1)
    if name == NORMALIZED:
        mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
        return reference.normalized(x, mean, variance, parameter)
    return reference.activation_forward(name, x, parameter)


@lru_cache(1024)
def _at_sample(function: Found) -> Array:
    return _exact(_SAMPLE, function)


def _distances(x: Array, y: Array, functions: Sequence[Found]) -> dict[Found, float]:
    """The functions that y may be of x, each with its largest difference in terms of the bound."""
    wide = y.shape == (len(x), 2 * _COLUMNS)
    if not wide and y.shape != x.shape:
        return {}
    functions = [function for function in functions if (function[0] == TWO_COLUMNS) == wide]
    exact = [_at_sample(function) if x is _SAMPLE else _exact(x, function) for function in functions]
    values, magnitude = np.stack(exact), np.abs(exact)
    x = np.tile(x, 2) if wide else x
    tail = 1 - np.log(np.clip(magnitude, 1e-30, 1))
    off = np.abs(y - values) / (_RELATIVE * magnitude * tail + _ABSOLUTE * (1 + np.abs(x)))
    off[~np.isfinite(off)] = np.inf
    off[values == y] = 0.0
    # A composed function may overflow far out, one along a row by any number of the row.
    row = np.array([registry.ACTIVATIONS.get(name, (0, "row"))[1] == "row" for name, _ in functions])
    size = np.where(row[:, None, None], np.abs(x).max(axis=1, keepdims=True), np.abs(x))
    off[(size > _FAR) & ~np.isfinite(y)] = 0.0
    largest = off.max(axis=(1, 2))
    return {function: float(d) for function, d in zip(functions, largest, strict=True) if d <= 1}
