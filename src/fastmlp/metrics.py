"""Metrics: the loss and the numbers beside it that say how well a network does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import registry
from .errors import unknown

if TYPE_CHECKING:
    from .network import Network

Array = np.ndarray[Any, Any]
Metric = str | Callable[[Array, Array], float]
PythonLoss = Callable[[Array, Array], tuple[float, Array]]


@dataclass(frozen=True)
class Rows:
    """Rows ready for the plan: X (rows, n_in), y as the loss takes it, weights (rows,) or None."""

    X: Array
    y: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.X)

    def part(self, rows: slice | Array) -> Rows:
        return Rows(self.X[rows], self.y[rows], None if self.weights is None else self.weights[rows])


# ---- metrics of predictions ----


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
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics is {metrics!r}, expected a list of names and functions")
    checked = list(metrics)
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
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise TypeError(f"metric {name_of(metric)!r} returned a {kind}, expected a number") from None


# ---- a network's loss and metrics on rows ----


def python_loss(loss: PythonLoss, y: Array, predictions: Array, weights: Array | None) -> tuple[float, Array]:
    """Value and gradient of a loss written in Python; errors name what it returned."""
    refuse_weights(weights)
    result = loss(y, predictions)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"loss returned a {type(result).__name__}, expected (value, gradient)")
    value, gradient = np.asarray(result[0]), np.asarray(result[1])
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise TypeError(f"loss returned the value {result[0]!r}, expected one number, the mean over the rows")
    if gradient.dtype.kind not in "biuf":
        raise TypeError(f"loss returned a gradient of {gradient.dtype}, expected real numbers")
    if gradient.shape != predictions.shape:
        raise ValueError(f"loss returned a gradient of shape {gradient.shape}, expected {predictions.shape}")
    return float(value.reshape(())), gradient.astype(predictions.dtype, copy=False)


def refuse_weights(weights: object) -> None:
    """A loss in Python gives one number for all rows, which no weights can be brought into afterwards."""
    if weights is not None:
        raise ValueError(
            "sample_weight or class_weight came with a loss in Python, expected none: "
            "the function may weigh rows itself"
        )


def counts_accuracy(net: Network, loss: object) -> bool:
    """Whether the plan counts the correct rows itself, beside the loss."""
    return isinstance(loss, str) and loss in registry.CLASS_LOSSES and "accuracy" in net.metrics


def from_predictions(
    net: Network, loss: object, rows: Rows, correct: float | None, threads: int | None
) -> dict[str, float]:
    """The metrics; `correct` rows as the plan counted them, the rest from one prediction of all rows."""
    logs: dict[str, float] = {}
    predictions: Array | None = None
    for metric in net.metrics:
        if metric == "accuracy" and correct is not None and counts_accuracy(net, loss):
            logs["accuracy"] = correct / len(rows)
            continue
        if predictions is None:
            predictions = net.plan.predict(rows.X, None, threads)
        logs[name_of(metric)] = value_of(metric, rows.y, predictions)
    return logs


def score(net: Network, loss: Any, rows: Rows, threads: int | None) -> dict[str, float]:
    """The loss and the metrics on rows, without dropout."""
    correct = None
    if isinstance(loss, str):
        total, correct = net.plan.evaluate(rows.X, rows.y, rows.weights, threads)
        value = total / len(rows)
    else:
        value, _ = python_loss(loss, rows.y, net.plan.predict(rows.X, None, threads), rows.weights)
    return {"loss": value, **from_predictions(net, loss, rows, correct, threads)}
