"""`Network.train_on_batch`: one step."""

from __future__ import annotations

from typing import Any

from ..metrics import name_of, value_of
from ..model import Model
from .passes import Passes
from .rows import check_rescaled, prepare


def train_on_batch(net: Model, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
    with net.changing():
        objective = net.objective_for(y)
        rows = prepare(net, objective, X, y, sample_weight)
        counted = ["accuracy"] if objective.counts_accuracy else []
        others = [metric for metric in objective.metrics if metric not in counted]
        predictions = net.plan.predict(rows.X) if others else None
        try:
            total, correct = Passes(net, objective, rows, len(rows), False, None).one()
        except FloatingPointError:
            check_rescaled(net, rows.X)
            raise FloatingPointError(
                "the loss of the batch is not finite; the step was not made, the weights are as before"
            ) from None
    logs = {"loss": total / len(rows)}
    for metric in objective.metrics:
        if predictions is None or metric in counted:
            logs["accuracy"] = correct / len(rows)
        else:
            logs[name_of(metric)] = value_of(metric, rows.y, predictions)
    return logs
