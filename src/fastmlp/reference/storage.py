"""Weights that are stored in few bits, for predictions alone: what products see of them.

Weights of bfloat16 are float32 numbers with 8 bits of mantissa.  A column of int8 weights is a scale times
integers from -127 to 127.  The scale has 17 bits of mantissa, so that integers times it are float32 numbers;
stored once more they are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .products import bfloat16

Array = np.ndarray[Any, Any]

STORAGES = ("float32", "int8", "bf16")  # by the number that a dense node says
MOST_INT8_INPUTS = 2**17  # with more a sum of products might not fit 32 bits
LEAST = np.float32(2.0**-100)  # of a scale, and of the largest number of a row


def int8_columns(w: Array) -> tuple[Array, Array]:
    """Integers (k, n) and scales (n,) that stand for w: the largest of a column becomes 127 or -127.

    >>> q, scale = int8_columns(np.array([[1.0, 0.0], [-0.5, 2.0]], np.float32))
    >>> q
    array([[127,   0],
           [-64, 127]], dtype=int8)
    """
    with np.errstate(invalid="ignore"):
        quotients = np.abs(w).max(axis=0) / np.float32(127)
        bits = quotients.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFFF80)
        scale = np.where(np.isfinite(quotients), np.maximum(bits.view(np.float32), LEAST), np.float32(np.nan))
        return np.nan_to_num(np.rint(w / scale)).astype(np.int8), scale


def int8_rows(x: Array) -> tuple[Array, Array]:
    """Integers (rows, k) and factors (rows,) that stand for x likewise; of what is not finite NaN.

    >>> q, factor = int8_rows(np.array([[1.0, 0.25]], np.float32))
    >>> q, factor * 127
    (array([[127.,  32.]], dtype=float32), array([1.], dtype=float32))
    """
    with np.errstate(invalid="ignore"):
        largest = np.maximum(np.abs(x).max(axis=-1), LEAST)
        q = np.rint(x * (np.float32(127) / largest)[:, None])
        finite = np.isfinite(largest)
        return np.where(finite[:, None], q, 0), np.where(
            finite, largest / np.float32(127), np.float32(np.nan)
        )


def dense_int8(x: Array, w: Array, b: Array | None) -> Array:
    """z = x @ w + b with both factors as integers, whose sums are exact."""
    rows, factors = int8_rows(x)
    columns, scale = int8_columns(w)
    sums = (rows.astype(np.float64) @ columns.astype(np.float64)).astype(np.float32)  # below 2^31
    z = sums * factors[:, None] * scale
    return z if b is None else z + b


def stored(w: Array, storage: int) -> Array:
    """What products see of w."""
    if STORAGES[storage] == "int8":
        q, scale = int8_columns(w)
        return q * scale
    return bfloat16(w) if STORAGES[storage] == "bf16" else w
