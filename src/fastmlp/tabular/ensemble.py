"""What a tabular estimator has learned: the table's encoder, and networks that are averaged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _kernels
from ..network import Network
from . import calibration, conformal
from .encoding import TableEncoder
from .targets import Numbers, Targets
from .views import View

Array = np.ndarray[Any, Any]

MOST_CLASSES = 256  # of `RowPredictor`


@dataclass(frozen=True)
class Member:
    """A network and what it sees.

    Attributes
    ----------
    view : str
        Its name in `Ensemble.views`.
    errors : list of float
        Of the held-out rows, one for each epoch; none without such rows.
    epoch : int
        Whose weights the network has.
    """

    net: Network
    view: str
    errors: list[float]
    epoch: int


@dataclass(frozen=True)
class Ensemble:
    """Networks on one table, and how their outputs become predictions.

    Attributes
    ----------
    temperature : float
        Of probabilities.
    residuals : ndarray of float64, shape (n, targets), optional
        Of numbers: what held-out rows had more than was predicted, sorted in each column.
    """

    encoder: TableEncoder
    targets: Targets
    views: dict[str, View]
    members: list[Member]
    temperature: float = 1.0
    residuals: Array | None = None

    def predict(self, X: Any, threads: int | None = None) -> Array:
        """Probabilities (rows, classes) or numbers (rows, targets), float64, of rows as people have them."""
        return self.predict_encoded(self.encoder.transform(X), threads)

    def predict_encoded(self, matrix: Array, threads: int | None = None) -> Array:
        """The same of rows that `encoder.transform` made."""
        if len(matrix) == 1 and self._of_row is not None:
            found = self._of_row(matrix)
            if found is not None:
                return found
        seen = {name: view(matrix) for name, view in self.views.items()}
        return self.averaged(lambda member: member.net.predict(seen[member.view], threads=threads))

    @functools.cached_property
    def _of_row(self) -> _kernels.RowPredictor | None:
        """What predicts one row without a loop of Python; None of more classes than it has room for."""
        numbers, targets = None, self.targets
        if isinstance(targets, Numbers):
            numbers = targets.mean, targets.spread, targets.low, targets.high
        elif targets.outputs > MOST_CLASSES:
            return None
        places = {name: i for i, name in enumerate(self.views)}
        members = [(member.net, places[member.view]) for member in self.members]
        seen = [view.of_row() for view in self.views.values()]
        return _kernels.RowPredictor(members, seen, len(self.encoder.names), self.temperature, numbers)

    def averaged(self, outputs_of: Callable[[Member], Array]) -> Array:
        """The mean of the members' predictions, made of what `outputs_of` says is each network's output."""
        found = [self.finished(self.targets.from_network(outputs_of(member))) for member in self.members]
        return np.asarray(sum(found[1:], found[0]) / len(found))

    def offsets(self, levels: Array) -> Array:
        """What quantiles of these levels are above predictions: float64 (targets, levels)."""
        if self.residuals is None:
            raise ValueError("no rows were held out in fit, expected some, or conformalize(X, y) before")
        return conformal.offsets(self.residuals, levels)

    def finished(self, predictions: Array) -> Array:
        """Predictions of one network, calibrated."""
        if isinstance(self.targets, Numbers) or self.temperature == 1.0:
            return predictions
        return calibration.tempered(predictions, self.temperature)
