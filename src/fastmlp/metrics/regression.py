"""Metrics of numbers: errors, the share of variance explained, the coverage of quantiles."""

from __future__ import annotations

import numpy as np

from .base import Array, Measure, column_means, like, mean


def mae(y_true: Array, y_pred: Array, weights: Array | None) -> float:
    """The mean absolute error."""
    return mean(np.abs(y_pred - like(y_true, y_pred)), weights)


def mse(y_true: Array, y_pred: Array, weights: Array | None) -> float:
    """The mean squared error."""
    return mean((y_pred - like(y_true, y_pred)) ** 2, weights)


def rmse(y_true: Array, y_pred: Array, weights: Array | None) -> float:
    """The root of the mean squared error of every output, and the mean of these."""
    return float(np.mean(np.sqrt(column_means((y_pred - like(y_true, y_pred)) ** 2, weights))))


def r2(y_true: Array, y_pred: Array, weights: Array | None) -> float:
    """1 - sum((y - p)**2) / sum((y - mean(y))**2) of every output, and the mean of these.

    Of a constant target it is 1 where the prediction is perfect, and 0 where it is not.
    """
    y = like(y_true, y_pred).astype(np.float64)
    residual = column_means((y - y_pred) ** 2, weights)
    spread = column_means((y - column_means(y, weights)) ** 2, weights)
    constant = spread == 0
    unexplained = residual / np.where(constant, 1.0, spread)
    return float(np.mean(np.where(constant, residual == 0, 1 - unexplained)))


def coverage(y_true: Array, y_pred: Array, weights: Array | None) -> float:
    """The share of targets between the least and the largest of their predicted quantiles, ends included.

    The outputs are the targets' quantiles, all of the first level first.  Of one level it is the share of
    targets at or below the prediction.  A network that knows its levels 0.05 and 0.95 covers 0.9.
    """
    rows, n_out = y_pred.shape
    y = y_true.reshape(rows, -1)
    if y_true.size % rows or n_out % y.shape[1]:
        what = f"y has shape {y_true.shape}, expected one target for every so many of {n_out} outputs"
        raise ValueError(f"{what} for 'coverage'")
    quantiles = y_pred.reshape(rows, -1, y.shape[1])
    below = y <= quantiles.max(axis=1)
    return mean(below if quantiles.shape[1] == 1 else below & (y >= quantiles.min(axis=1)), weights)


MEASURES = (
    Measure("mae", mae, False, ("mean_absolute_error", "MeanAbsoluteError")),
    Measure("mse", mse, False, ("mean_squared_error", "MeanSquaredError")),
    Measure("rmse", rmse, False, ("root_mean_squared_error", "RootMeanSquaredError")),
    Measure("r2", r2, True, ("r2_score", "R2Score")),
    Measure("coverage", coverage, None),
)
