"""Matrix products of bfloat16, to the bits of the engine's.

With `matmul_precision` "medium" the factors of a float32 product are rounded to bfloat16, 8 bits of mantissa;
with "high" each is a sum of two such numbers, and the product three of theirs, without the lower two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PLANES = {"highest": 0, "medium": 1, "high": 2}  # bfloat16 numbers that each factor is the sum of
BLOCK = 32  # products that are added to a sum together
LEAST_WIDTH = 64  # of a layer's inputs and outputs: narrower ones are always float32

_ORDER = {1: [(0, 0)], 2: [(1, 0), (0, 1), (0, 0)]}  # planes of the factors, as their products are added


def takes_planes(shape: tuple[int, ...], dtype: Any) -> bool:
    """Whether the products of a dense layer with weights of that shape may be of bfloat16."""
    return bool(min(shape) >= LEAST_WIDTH and dtype == np.float32)


def bfloat16(x: Array) -> Array:
    """The nearest numbers of 8 bits, ties to even, as float32; denormals become 0.

    >>> bfloat16(np.array([1.0, 1.00390625, 3.39e38, 1e-40], np.float32)).tolist()[:2]
    [1.0, 1.0]
    """
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    usual = np.abs(x) >= np.finfo(np.float32).tiny
    return np.where(usual, rounded, np.where(np.isnan(x), x, np.float32(0)))


def split(x: Array, planes: int) -> list[Array]:
    """The numbers that x is the sum of, but for an error of 2^-8 or, of two planes, 2^-17 of it."""
    with np.errstate(invalid="ignore"):
        high = bfloat16(x)
        return [high, bfloat16(x - high)][:planes]


def _rounded(exact: Array) -> Array:
    """float64 to float32; what would be denormal, after rounding to 24 bits, is 0."""
    return np.where(np.abs(exact) < 2.0**-126 - 2.0**-151, 0, exact).astype(np.float32)


def _chain(a: Array, b: Array) -> Array:
    """From 0 one multiply-add after another: a (m, k), b (k, n).

    The product of two bfloat16 is exact, and float64 has enough bits for the sum to be rounded to float32
    as if once.
    """
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for i in range(a.shape[1]):
        total = _rounded(a[:, i, None].astype(np.float64) * b[i] + total)
    return total


def product(a: Array, b: Array, planes: int, start: Array | None = None) -> Array:
    """start + a @ b of float32, a (m, k), b (k, n), start (n,) or (m, n).

    >>> product(np.ones((1, 40), np.float32), np.full((40, 1), 0.5, np.float32), 2)
    array([[20.]], dtype=float32)
    """
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    if start is not None:
        total = total + start
    of_a, of_b = split(a, planes), split(b, planes)
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, a.shape[1], BLOCK):
            here = slice(first, first + BLOCK)
            for one, other in _ORDER[planes]:
                x, w = of_a[one][:, here], of_b[other][here]
                pair = _rounded(_chain(x[:, ::2], w[::2]).astype(np.float64) + _chain(x[:, 1::2], w[1::2]))
                total = np.where(np.abs(total) < np.finfo(np.float32).tiny, np.float32(0), total)
                total = _rounded(total.astype(np.float64) + pair)
    return total


def dense_forward(x: Array, w: Array, b: Array | None, planes: int) -> Array:
    """z = x @ w + b: the sum starts at b."""
    return product(x, w, planes, b)


def dense_backward(dz: Array, x: Array, w: Array, planes: int) -> tuple[Array, Array, Array]:
    """The gradients (dx, dw, db); that of w takes the rows of the batch in blocks."""
    return product(dz, w.T, planes), product(x.T, dz, planes), dz.sum(axis=0)
