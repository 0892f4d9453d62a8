"""Probabilities that say how often they are right: one temperature, found on held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _kernels

Array = np.ndarray[Any, Any]

TINY = 1e-12
_GOLDEN = (5**0.5 - 1) / 2


def tempered(probabilities: Array, temperature: float) -> Array:
    """softmax(log(p) / T) of each row.

    >>> tempered(np.array([[0.8, 0.2]]), 0.5).round(3)
    array([[0.941, 0.059]])
    """
    return _kernels.tempered(np.ascontiguousarray(probabilities, np.float64), temperature)


def temperature(probabilities: Array, truth: Array, weights: Array | None = None) -> float:
    """The T from 1/8 to 8 with the least log loss (Guo et al. 2017), by golden sections.

    It is measured as if half a row more had been wrong: where all of a few rows are right, the likeliest T is
    the lowest, and the next mistake costs more than all that was won (Platt 1999).

    Parameters
    ----------
    probabilities : ndarray, shape (rows, classes)
        Of rows that training has not seen.
    truth : ndarray of int64, shape (rows,)
    weights : ndarray, shape (rows,), optional

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", arXiv:1706.04599; Platt,
    "Probabilistic Outputs for Support Vector Machines" (1999), section 2.2.
    """
    rows, others = np.arange(len(truth)), probabilities.shape[1] - 1
    wrong = 0.5 / (_effective(truth, weights) + 1)

    def loss(exponent: float) -> float:
        logs = -np.log(np.maximum(tempered(probabilities, 2.0**exponent), TINY))
        right = logs[rows, truth]
        each = (1 - wrong) * right + wrong * (logs.sum(axis=1) - right) / others
        return float(np.average(each, weights=weights))

    low, high = -3.0, 3.0
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = loss(inner), loss(outer)
    while high - low > 1e-3:
        if at_inner < at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = loss(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = loss(outer)
    return float(2.0 ** ((low + high) / 2))


def _effective(truth: Array, weights: Array | None) -> float:
    """How many rows of equal weight say as much (Kish)."""
    return len(truth) if weights is None else float(weights.sum() ** 2 / (weights**2).sum())
