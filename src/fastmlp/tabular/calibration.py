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
    """The T from 1/8 to 8 with the least log loss (Guo et al. 2017, arXiv:1706.04599), by golden sections.

    Parameters
    ----------
    probabilities : ndarray, shape (rows, classes)
        Of rows that training has not seen.
    truth : ndarray of int64, shape (rows,)
    weights : ndarray, shape (rows,), optional
    """
    rows = np.arange(len(truth))

    def loss(exponent: float) -> float:
        chosen = tempered(probabilities, 2.0**exponent)[rows, truth]
        return float(np.average(-np.log(np.maximum(chosen, TINY)), weights=weights))

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
