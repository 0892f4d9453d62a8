"""``train --cv``: what each of several folds says of models that were trained on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...tabular import cross_validate
from ..output import table
from .task import Target

Array = np.ndarray[Any, Any]

# The report's figures and scikit-learn's scores, of which more is better: errors are negative.
_OF_CLASSES = {"accuracy": "accuracy", "balanced accuracy": "balanced_accuracy", "log loss": "neg_log_loss"}
_OF_NUMBERS = {
    "root mean square error": "neg_root_mean_squared_error",
    "mean absolute error": "neg_mean_absolute_error",
    "R2": "r2",
}


@dataclass(frozen=True)
class Folds:
    """Figures of the held-out fold, one for each fold."""

    figures: dict[str, Array]
    form: str

    def lines(self) -> list[str]:
        """As a table."""
        heads = ("", "mean", "deviation", *(f"fold {i + 1}" for i in range(len(self._first))))
        return table(heads, [(name, *self._cells(values)) for name, values in self.figures.items()])

    @property
    def _first(self) -> Array:
        return next(iter(self.figures.values()))

    def _cells(self, values: Array) -> Sequence[str]:
        return [f"{value:{self.form}}" for value in (values.mean(), values.std(ddof=1), *values)]

    def values(self) -> dict[str, Any]:
        """For --json."""
        return {name.lower().replace(" ", "_"): each for name, each in self.figures.items()}


def crossed(model: Any, frame: Any, target: Target, folds: int, seed: int) -> Folds:
    """Train on all folds but one, for each; the rows are shuffled, and classes dealt out evenly."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if target.classes:
        _check_classes(target, folds)
    elif len(target.y) < 2 * folds:  # R2 of one row is no number
        raise ValueError(f"--cv is {folds}, expected at most {len(target.y) // 2} of {len(target.y)} rows")
    kind = StratifiedKFold if target.classes else KFold
    names = _OF_CLASSES if target.classes else _OF_NUMBERS
    found = cross_validate(
        model.set_params(verbose=False),
        frame,
        target.y,
        kind(folds, shuffle=True, random_state=seed % 2**32),
        scoring=list(names.values()),
    )
    scores = {name: found[f"test_{score}"] for name, score in names.items()}
    figures = {name: -each if names[name].startswith("neg_") else each for name, each in scores.items()}
    return Folds(figures, ".4f" if target.classes else ".6g")


def _check_classes(target: Target, folds: int) -> None:
    names, counts = np.unique(target.y, return_counts=True)
    if counts.min() < folds:
        rare = str(names[counts.argmin()])
        rows = f"{counts.min()} row{'s' * bool(counts.min() != 1)}"
        raise ValueError(f"--cv is {folds}, expected no more than the class {rare!r} has rows: {rows}")
