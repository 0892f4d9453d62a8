"""Quantiles of what is predicted, from the residuals of rows that training has not seen: split conformal."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import validation

Array = np.ndarray[Any, Any]


def residuals(truth: Array, predictions: Array) -> Array | None:
    """truth - predictions, sorted in each column; None without a row that was predicted.

    Parameters
    ----------
    truth, predictions : ndarray of float64, shape (rows, targets)
        Rows whose predictions are NaN are left out.
    """
    known = ~np.isnan(predictions).any(axis=1)
    return np.sort(truth[known] - predictions[known], axis=0) if known.any() else None


def offsets(found: Array, levels: Array) -> Array:
    """What is added to a prediction so that the truth is below it with the probability `levels`.

    Below the middle it is residual number floor(level (n + 1)) of n, above it number ceil(level (n + 1)), in
    the middle the median.  Where the residuals and a new row's are exchangeable, that row is below a quantile
    with at most the probability `level` < 1/2, and with at least `level` > 1/2: for every n.

    Parameters
    ----------
    found : ndarray of float64, shape (n, targets)
        Sorted residuals.
    levels : ndarray of float64, shape (levels,)

    Returns
    -------
    ndarray of float64, shape (targets, levels)
        Never falling with the level.

    Raises
    ------
    ValueError
        If a level lies beyond what n residuals can tell, 1 / (n + 1) and n / (n + 1).

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-Free Predictive Inference for Regression"
    (2018), section 2.2; Romano, Patterson and Candes, "Conformalized Quantile Regression" (2019), theorem 2,
    with predictions that are the same for all levels.

    Examples
    --------
    >>> offsets(np.arange(1.0, 10.0)[:, None], np.array([0.1, 0.25, 0.5, 0.75]))
    array([[1., 2., 5., 8.]])
    """
    n = len(found)
    places = np.round(levels * (n + 1), 9)  # 0.95 of 20 is 19, whatever its last bit
    beyond = levels[(places < 1) | (places > n)]
    if len(beyond):
        expected = f"expected {1 / (n + 1):.4g} to {n / (n + 1):.4g}"
        raise ValueError(f"the level {beyond[0]:.6g} is beyond {n} held-out rows, {expected}")
    lower, upper = np.floor(places), np.ceil(places)
    low = np.where(levels > 0.5, upper, lower).astype(np.int64)
    high = np.where(levels < 0.5, lower, upper).astype(np.int64)
    return np.asarray((found[low - 1] + found[high - 1]).T / 2)


def as_levels(levels: object) -> Array:
    """float64 (levels,) within 0 and 1, from one number or several."""
    given = np.atleast_1d(validation.numeric(levels, "levels")).astype(np.float64)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"levels has shape {given.shape}, expected one level or a list of them")
    for level in given.tolist():
        validation.real(level, "levels", above=0.0, below=1.0)
    return given
