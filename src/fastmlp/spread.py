"""Mean and deviation of columns, with an eye for those that hold one number."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Numbers that differ by less, relatively, are one number and the noise of computing it.
ROUNDING = 1e-13


def is_one_number(values: Array) -> Array:
    """Whether the numbers along the first axis are one, but for what rounding has made of it.

    >>> is_one_number(np.array([[1e6, 1.0], [1e6 + 1e-9, 1.5]])).tolist()
    [True, False]
    """
    low, high = values.min(axis=0), values.max(axis=0)
    size = np.maximum(np.abs(low), np.abs(high))
    return np.asarray(high * 0.5 - low * 0.5 <= 0.5 * ROUNDING * size)  # halves do not overflow


def mean_and_deviation(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of float64 columns, shape (rows, n); the deviation of one number is 1.

    Divided by the deviation of its noise, the next number would come out billions away from the others.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation[is_one_number(values) | (deviation == 0)] = 1.0  # squares may underflow
    return mean, deviation
