"""Metrics: the numbers beside the loss that say how well a network does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .errors import unknown
from .validation import as_list

Array = np.ndarray[Any, Any]
Metric = str | Callable[[Array, Array], float]


def _accuracy(y_true: Array, y_pred: Array) -> float:
    """The share of right classes; of one output or of several independent ones, above or below 0.5."""
    if y_pred.shape[1] > 1 and y_true.size == len(y_pred):
        return float(np.mean(y_pred.argmax(axis=1) == y_true.reshape(-1)))
    if y_pred.shape[1] > 1 and np.allclose(y_true.sum(axis=1), 1):
        return float(np.mean(y_pred.argmax(axis=1) == y_true.argmax(axis=1)))
    return float(np.mean((y_pred > 0.5) == (_like(y_true, y_pred) > 0.5)))


def _mae(y_true: Array, y_pred: Array) -> float:
    return float(np.mean(np.abs(y_pred - _like(y_true, y_pred)), dtype=np.float64))


def _mse(y_true: Array, y_pred: Array) -> float:
    return float(np.mean((y_pred - _like(y_true, y_pred)) ** 2, dtype=np.float64))


def _like(y_true: Array, y_pred: Array) -> Array:
    """Targets in the shape of the predictions; class indices become one-hot rows."""
    rows, n_out = y_pred.shape
    if y_true.ndim == 1 and n_out > 1 and y_true.dtype.kind == "i":
        return np.asarray(y_true[:, None] == np.arange(n_out), y_pred.dtype)
    if y_true.size != y_pred.size:
        raise ValueError(f"y has shape {y_true.shape}, expected {y_pred.shape} for this metric")
    return y_true.reshape(rows, n_out)


METRICS: Mapping[str, Callable[[Array, Array], float]] = {"accuracy": _accuracy, "mae": _mae, "mse": _mse}


def check_metrics(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics as a list; ValueError for a name that is not known or comes twice."""
    checked = as_list(metrics, "metrics", "a list of names and functions")
    names = ["loss"]
    for metric in checked:
        if not callable(metric) and (not isinstance(metric, str) or metric not in METRICS):
            raise unknown("metric", metric, METRICS)
        if name_of(metric) in names:
            raise ValueError(f"metrics has {name_of(metric)!r} twice, expected different names beside 'loss'")
        names.append(name_of(metric))
    return checked


def name_of(metric: Metric) -> str:
    """The name that History lists a metric under."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def value_of(metric: Metric, y_true: Array, y_pred: Array) -> float:
    """The metric of predictions (rows, n_out)."""
    value = (METRICS[metric] if isinstance(metric, str) else metric)(y_true, y_pred)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        kind = type(value).__name__
        raise TypeError(f"metric {name_of(metric)!r} returned a {kind}, expected a number") from None
