"""Arrays that begin with random numbers: the engine's, and what is made of them.

All of it is the engine's arithmetic in float64, in an order of its own, so that a seed gives the same weights
on every machine, and both types the same to their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _kernels
from .layers.lowering import Node

Array = np.ndarray[Any, Any]

_STEPS = 8  # of Halley's method, from the middle to two deviations
_ROWS = 64  # that are made orthogonal at a time


def begin(plan: _kernels.Plan, nodes: Sequence[Node], seed: int) -> None:
    """Draws the arrays of a plan's nodes that begin with random numbers."""
    for i, node in enumerate(nodes):
        for name, (kind, scale) in node.layer.starts(node.n_in).items():
            place = list(node.shapes).index(name)
            if scale > 0 and kind not in _MADE:
                plan.initialize(i, kind, scale, seed, place)
            elif scale > 0:
                drawn = _drawn(_MADE_OF[kind], node.shapes[name], i, seed)
                blocks = np.split(drawn, node.layer.matrices())
                made = np.concatenate([_MADE[kind](block) for block in blocks])
                _put(plan, nodes[: i + 1], place, scale * made)


def _put(plan: _kernels.Plan, nodes: Sequence[Node], place: int, values: Array) -> None:
    """Array `place` of the last of the nodes."""
    weights = plan.get_weights()
    at = sum(len(node.shapes) for node in nodes[:-1]) + place
    weights[at] = values.astype(plan.dtype)
    plan.set_weights(weights)


def _drawn(kind: str, shape: tuple[int, ...], layer: int, seed: int) -> Array:
    """float64 numbers of the first array of a layer by its number, as `Plan.initialize` draws them."""
    n_in, units = shape
    before = [{"kind": "scale"}] * layer
    own = {"kind": "dense", "units": units, "use_bias": False}
    plan = _kernels.Plan(n_in, [*before, own], dtype="float64")
    plan.initialize(layer, kind, 1.0, seed)
    return np.asarray(plan.get_weights()[-1])


def _truncated_normal(uniform: Array) -> Array:
    """Normal numbers of deviation 1 within two of it, by the inverse of their distribution."""
    p = uniform * _elementary("erf", np.array([math.sqrt(2)]))
    half_root_pi = math.sqrt(math.pi) / 2
    t = p * half_root_pi
    for _ in range(_STEPS):  # erf(t) = p
        step = (_elementary("erf", t) - p) * half_root_pi * _elementary("exp", t * t)
        t = t - step / (1 + t * step)
    return np.asarray(math.sqrt(2) * t)


def _elementary(name: str, x: Array) -> Array:
    return np.asarray(_kernels.elementary(name, x))


def _orthogonal(normal: Array) -> Array:
    """Orthonormal columns, or where those are more than the rows orthonormal rows."""
    rows, columns = normal.shape
    return orthonormal(normal.T).T if rows >= columns else orthonormal(normal)


def orthonormal(matrix: Array) -> Array:
    """Orthonormal rows: Q of matrix = L Q, L with a positive diagonal and zeros above it.

    Gram and Schmidt's method, each row twice to be exact.

    Parameters
    ----------
    matrix : ndarray of float64, shape (m, n)
        m <= n, its rows independent.

    Examples
    --------
    >>> import numpy as np
    >>> Q = orthonormal(np.array([[3.0, 4.0], [1.0, 2.0]]))
    >>> Q.round(3).tolist()
    [[0.6, 0.8], [-0.8, 0.6]]
    """
    Q = np.array(matrix, np.float64, order="C")
    for first in range(0, len(Q), _ROWS):
        last = min(first + _ROWS, len(Q))
        Q[first:last] = _apart(Q[first:last], Q[:first])
        for i in range(first, last):
            row = _apart(Q[i : i + 1], Q[first:i])
            Q[i] = (row / np.sqrt(_product(row, row.T)))[0]
    return Q


def _apart(rows: Array, others: Array) -> Array:
    """What of rows is orthogonal to others, which are orthonormal."""
    for _ in range(2 if len(others) else 0):
        rows = rows - _product(_product(others, rows.T).T, others)
    return rows


def _product(a: Array, b: Array) -> Array:
    return np.asarray(_kernels.dense_forward(np.ascontiguousarray(a), np.ascontiguousarray(b)))


_MADE: dict[str, Callable[[Array], Array]] = {
    "truncated_normal": _truncated_normal,
    "orthogonal": _orthogonal,
}
_MADE_OF = {"truncated_normal": "uniform", "orthogonal": "normal"}
