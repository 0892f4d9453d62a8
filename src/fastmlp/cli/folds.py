"""``--cv``: rows dealt out into folds, and what each says of models that were trained on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optional import require
from .output import table

Array = np.ndarray[Any, Any]


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


def splitter(y: Array, classes: bool, folds: int, seed: int) -> Any:
    """scikit-learn's: the rows are shuffled, and classes dealt out evenly.

    Raises
    ------
    ValueError
        If there are too few rows, or too few of a class.
    """
    if classes:
        _check_classes(y, folds)
    elif len(y) < 2 * folds:  # R2 of one row is no number
        raise ValueError(f"--cv is {folds}, expected at most {len(y) // 2} of {len(y)} rows")
    selection = require("sklearn.model_selection", "tabular")
    kind = selection.StratifiedKFold if classes else selection.KFold
    return kind(folds, shuffle=True, random_state=seed % 2**32)


def _check_classes(y: Array, folds: int) -> None:
    names, counts = np.unique(y, return_counts=True)
    if counts.min() < folds:
        rare = str(names[counts.argmin()])
        rows = f"{counts.min()} row{'s' * bool(counts.min() != 1)}"
        raise ValueError(f"--cv is {folds}, expected no more than the class {rare!r} has rows: {rows}")
