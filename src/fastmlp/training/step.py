"""`Network.train_on_batch`: one step."""

from __future__ import annotations

from typing import Any

from ..metrics import name_of
from ..metrics.base import ratio
from ..model import Model
from ..optimizers import Solver
from .passes import Passes, terms_of
from .rows import check_rescaled, prepare
from .scoring import measured
from .targets import rescaling_for, standardized


def train_on_batch(net: Model, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
    net.check_trained()
    with net.changing():
        if isinstance(net.optimizer, Solver):
            net.optimizer.check_alone("a batch")
        y, classes = net.as_indices(y, learn=True)
        objective = net.objective_for(y)
        rows = prepare(net, objective, X, y, sample_weight).dense()
        rescaling = rescaling_for(net, objective, rows)
        rows = standardized(objective, rescaling, rows)
        others = [metric for metric in objective.metrics if not objective.is_counted(metric)]
        net.classes = net.classes if classes is None else classes
        net.rescale_output(rescaling)
        predictions = net.plan.predict(rows.X) if others else None
        before = {
            name_of(m): measured(net, objective, m, rows, predictions)
            for m in others
            if predictions is not None
        }
        try:
            sums = Passes(net, objective, rows, len(rows), False, None).alone()
        except FloatingPointError:
            check_rescaled(net, rows.X)
            raise FloatingPointError(
                "the loss of the batch is not finite; the step was not made, the weights are as before"
            ) from None
    found = {"loss": sums[0] / len(rows), **terms_of(objective, sums, len(rows))}
    for name in map(name_of, objective.metrics):
        found[name] = before[name] if name in before else ratio(sums[1], rows.total_weight)
    return found
