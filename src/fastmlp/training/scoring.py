"""A network's loss and metrics on rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import validation
from ..losses import Function, Loss
from ..metrics import Metric, measure_of, name_of, value_of
from ..metrics.base import ratio
from ..model import Array, Model, Objective
from .rows import Rows, prepare, refuse_weights


def python_loss(loss: Loss, y: Array, predictions: Array, weights: Array | None) -> tuple[float, Array]:
    """Value and gradient of a loss written in Python; errors name what it returned."""
    assert isinstance(loss, Function)
    refuse_weights(weights)
    result = loss.function(y, predictions)
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


def from_predictions(
    net: Model, objective: Objective, rows: Rows, correct: float | None, threads: int | None
) -> dict[str, float]:
    """The metrics; `correct` as the plan added it up, the rest from one prediction of all rows."""
    logs: dict[str, float] = {}
    predictions: Array | None = None
    for metric in objective.metrics:
        if correct is not None and objective.is_counted(metric):
            logs[name_of(metric)] = ratio(correct, rows.total_weight)
            continue
        if predictions is None:
            predictions = net.plan.predict(rows.X, None, threads)
        logs[name_of(metric)] = measured(net, objective, metric, rows, predictions)
    return logs


def measured(net: Model, objective: Objective, metric: Metric, rows: Rows, predictions: Array) -> float:
    """A metric of the rows' predictions; one with a name takes probabilities where those are logarithms."""
    y, measure = rows.y, measure_of(metric)
    if measure is not None and net.plan.layers[-1]["activation"] == "log_softmax":
        predictions = np.exp(predictions)
    if measure is not None and measure.classes:
        y, predictions = objective.loss.shares(y, predictions)
    return value_of(metric, y, predictions, rows.weights, objective.loss.independent)


def check_measurable(net: Model, objective: Objective, rows: Rows) -> None:
    """ValueError, before anything is trained, where a metric with a name does not fit targets and outputs."""
    first = rows.part(slice(0, 1))
    names = [m for m in objective.metrics if isinstance(m, str) and not objective.is_counted(m)]
    for metric in names:
        measured(net, objective, metric, first, np.zeros((1, net.plan.n_out), net.dtype))


def score(net: Model, objective: Objective, rows: Rows, threads: int | None) -> dict[str, float]:
    """The loss and the metrics on rows, without dropout; the loss of standardized targets, if there are."""
    correct = None
    if not objective.in_python:
        total, correct = net.plan.evaluate(
            rows.X, sample_weight=rows.weights, threads=threads, loss=objective.named, **rows.of_loss
        )
        value = total / len(rows)
        if net.plan.members > 1:
            correct = None  # it counts members, one by one
    else:
        value, _ = python_loss(objective.loss, rows.y, net.plan.predict(rows.X, None, threads), rows.weights)
    return {"loss": value, **from_predictions(net, objective, rows, correct, threads)}


def gradient_of(net: Model, X: Array, targets: Array) -> list[Array]:
    """Of the mean loss of ready rows, like `get_weights`."""
    objective = net.objective_for(targets)
    if objective.in_python:
        _, dY = python_loss(objective.loss, targets, net.plan.predict(X), None)
        return net.plan.backward(X, dY)[0]
    return net.plan.gradients(X, targets, loss=objective.named)[1]


def evaluate(
    net: Model, X: Any, y: Any, sample_weight: Any = None, *, threads: int | None = None
) -> dict[str, float]:
    threads = validation.as_threads(threads)
    y, _ = net.as_indices(y)
    objective = net.objective_for(y)
    return score(net, objective, prepare(net, objective, X, y, sample_weight), threads)
