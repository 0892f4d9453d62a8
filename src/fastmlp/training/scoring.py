"""A network's loss and metrics on rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..losses import Function, Loss
from ..metrics import Metric, measure_of, name_of, value_of
from ..metrics.base import ratio
from ..model import Array, Model, Objective
from ..validation import is_sparse
from .rows import Rows, joined, refuse_weights
from .sparse import chunks, dense


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


def predicted(net: Model, X: Any, threads: int | None) -> Array:
    """Predictions for rows that are ready for the plan; CSR is made dense in chunks."""
    if not is_sparse(X):
        return net.plan.predict(X, None, threads)
    return np.concatenate([net.plan.predict(dense(X, chunk), None, threads) for chunk in chunks(X)])


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
            predictions = predicted(net, rows.X, threads)
        logs[name_of(metric)] = measured(net, objective, metric, rows, predictions)
    return logs


def measured(net: Model, objective: Objective, metric: Metric, rows: Rows, predictions: Array) -> float:
    """A metric of the rows' predictions; one with a name takes probabilities where those are logarithms."""
    loss, metric, y, predictions = objective.loss.of_metric(metric, rows.y, predictions)
    measure = measure_of(metric)
    if measure is not None and net.plan.layers[-1]["activation"] == "log_softmax":
        predictions = np.exp(predictions)
    if measure is not None and measure.classes:
        y, predictions = loss.shares(y, predictions)
    return value_of(metric, y, predictions, rows.weights, loss.independent)


def check_measurable(net: Model, objective: Objective, rows: Rows) -> None:
    """ValueError, before anything is trained, where a metric with a name does not fit targets and outputs."""
    names = [m for m in objective.metrics if isinstance(m, str) and not objective.is_counted(m)]
    for metric in names:
        measured(net, objective, metric, rows.part(slice(0, 1)), np.zeros((1, net.plan.n_out), net.dtype))


def measured_apart(objective: Objective) -> bool:
    """Whether some metric needs predictions, as the plan does not count it."""
    return any(not objective.is_counted(metric) for metric in objective.metrics)


def loss_of(net: Model, objective: Objective, rows: Rows, threads: int | None) -> tuple[float, float | None]:
    """The mean loss on rows, without dropout, and how many are right, if the plan counts that."""
    if objective.in_python:
        predictions = predicted(net, rows.X, threads)
        return python_loss(objective.loss, rows.y, predictions, rows.weights)[0], None
    parts = (rows.part(chunk).dense() for chunk in chunks(rows.X)) if is_sparse(rows.X) else [rows]
    sums = [
        net.plan.evaluate(
            part.X, sample_weight=part.weights, threads=threads, loss=objective.named, **part.of_loss
        )
        for part in parts
    ]
    total, correct = (sum(column) for column in zip(*sums, strict=True))
    return total / len(rows), None if net.plan.members > 1 else correct  # it counts members, one by one


def score(net: Model, objective: Objective, rows: Rows, threads: int | None) -> dict[str, float]:
    """The loss and the metrics on rows; the loss of standardized targets, if there are."""
    value, correct = loss_of(net, objective, rows, threads)
    return {
        "loss": value,
        **losses_apart(net, objective, rows, threads),
        **from_predictions(net, objective, rows, correct, threads),
    }


def losses_apart(net: Model, objective: Objective, rows: Rows, threads: int | None) -> dict[str, float]:
    """Of a loss that is a sum, each of its terms on rows, by name."""
    terms = objective.loss.apart().items()
    return {name: loss_of(net, Objective(loss, ()), rows, threads)[0] for name, loss in terms}


def gradient_of(net: Model, X: Array, y: Array, *, standardized: bool = False) -> list[Array]:
    """Of the mean loss of ready rows, like `get_weights`; `standardized` is of y, as training has it."""
    objective = net.objective_for(y)
    if objective.in_python:
        _, dY = python_loss(objective.loss, y, net.plan.predict(X), None)
        return net.plan.backward(X, dY)[0]
    return net.plan.gradients(X, y, loss=objective.named, standardized=standardized)[1]


class Tally:
    """The loss and the metrics of rows that come batch by batch; of X nothing is kept."""

    def __init__(self, net: Model, objective: Objective) -> None:
        self._net, self._objective = net, objective
        self.total, self._weight, self._count = 0.0, 0.0, 0
        self.correct: float | None = 0.0
        self._terms = [0.0] * len(objective.loss.apart())
        self._kept: list[tuple[Rows, Array]] = []

    def go_on(self, total: float, correct: float, *rest: float) -> None:
        """From the `sums` of an earlier tally, or those of a pass, which has none of weights and rows."""
        terms = len(self._terms)
        self.total, self.correct, self._terms = total, correct, list(rest[:terms]) or self._terms
        self._weight, self._count = rest[terms] if rest[terms:] else 0.0, int(*rest[terms + 1 :])

    @property
    def sums(self) -> tuple[float, ...]:
        """Of losses, correct rows, the loss's terms, weights and rows."""
        return self.total, self.correct or 0.0, *self._terms, self._weight, self._count

    def add(
        self, rows: Rows, sums: Sequence[float | None], predictions: Array | None
    ) -> dict[str, float]:
        """Take a batch: sums of losses, correct rows and the loss's terms, and predictions if a metric asks.

        Its own loss, with terms, and its accuracy if that is counted.
        """
        total, correct, *terms = sums
        assert total is not None
        self.total += total
        self._terms = [so_far + (own or 0.0) for so_far, own in zip(self._terms, terms, strict=True)]
        self._weight += rows.total_weight
        self._count += len(rows)
        self.correct = None if self.correct is None or correct is None else self.correct + correct
        if predictions is not None:
            self._kept.append((dataclasses.replace(rows, X=np.empty((len(rows), 0))), predictions))
        logs, counted = {"loss": total / len(rows), **self._means(terms, len(rows))}, self._objective.counted
        if counted is not None and correct is not None:
            logs[counted] = ratio(correct, rows.total_weight)
        return logs

    def _means(self, terms: Sequence[float | None], rows: int) -> dict[str, float]:
        names = self._objective.loss.apart()
        return {name: (total or 0.0) / rows for name, total in zip(names, terms, strict=True)}

    def logs(self) -> dict[str, float]:
        """Of all rows so far."""
        logs = {"loss": self.total / self._count, **self._means(self._terms, self._count)}
        for metric in self._objective.metrics:
            if self.correct is not None and self._objective.is_counted(metric):
                logs[name_of(metric)] = ratio(self.correct, self._weight)
            else:
                rows, predictions = self._predicted()
                logs[name_of(metric)] = measured(self._net, self._objective, metric, rows, predictions)
        return logs

    def _predicted(self) -> tuple[Rows, Array]:
        """What was kept of all batches, as one."""
        if len(self._kept) > 1:
            rows, predictions = zip(*self._kept, strict=True)
            self._kept = [(joined(rows), np.concatenate(predictions))]
        return self._kept[0]


def score_batches(
    net: Model, objective: Objective, batches: Iterable[Rows], threads: int | None
) -> dict[str, float]:
    """What `score` gives but for the rounding of sums, of rows that come batch by batch, at least one."""
    tally = Tally(net, objective)
    for rows in batches:
        value, correct = loss_of(net, objective, rows, threads)
        needed = measured_apart(objective) or (correct is None and objective.metrics)
        predictions = net.plan.predict(rows.X, None, threads) if needed else None
        terms = [mean * len(rows) for mean in losses_apart(net, objective, rows, threads).values()]
        tally.add(rows, (value * len(rows), correct, *terms), predictions)
    return tally.logs()
