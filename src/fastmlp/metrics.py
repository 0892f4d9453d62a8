"""Metrics: numbers beside the loss that say how well a network does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .errors import unknown

Array = np.ndarray[Any, Any]
Metric = str | Callable[[Array, Array], float]


def _accuracy(y_true: Array, y_pred: Array) -> float:
    """The share of right classes; of one output or of several independent ones, above or below 0.5."""
    if y_true.ndim == 1 and y_pred.shape[1] > 1:
        return float(np.mean(y_pred.argmax(axis=1) == y_true))
    if y_pred.shape[1] > 1 and np.allclose(y_true.sum(axis=1), 1):
        return float(np.mean(y_pred.argmax(axis=1) == y_true.argmax(axis=1)))
    return float(np.mean((y_pred > 0.5) == (y_true.reshape(y_pred.shape) > 0.5)))


def _mae(y_true: Array, y_pred: Array) -> float:
    return float(np.mean(np.abs(y_pred - y_true.reshape(y_pred.shape)), dtype=np.float64))


def _mse(y_true: Array, y_pred: Array) -> float:
    return float(np.mean((y_pred - y_true.reshape(y_pred.shape)) ** 2, dtype=np.float64))


METRICS: Mapping[str, Callable[[Array, Array], float]] = {"accuracy": _accuracy, "mae": _mae, "mse": _mse}


def check_metrics(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics as a list; ValueError for a name that is not known."""
    if isinstance(metrics, str):
        raise TypeError(f"metrics is {metrics!r}, expected a list of names and functions")
    checked = list(metrics)
    for metric in checked:
        if not callable(metric) and metric not in METRICS:
            raise unknown("metric", metric, METRICS)
    return checked


def name_of(metric: Metric) -> str:
    """The name that History lists a metric under."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def value_of(metric: Metric, y_true: Array, y_pred: Array) -> float:
    """The metric of predictions (rows, n_out)."""
    return float((METRICS[metric] if isinstance(metric, str) else metric)(y_true, y_pred))
