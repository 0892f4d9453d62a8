"""``train --cv`` on a table: the figures of each fold by an estimator that was fitted to the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...tabular import cross_validate
from ..folds import Folds, splitter
from .held_out import spared
from .task import Target

Array = np.ndarray[Any, Any]

# The report's figures and scikit-learn's scores, of which more is better: errors are negative.
_OF_CLASSES = {"accuracy": "accuracy", "balanced accuracy": "balanced_accuracy", "log loss": "neg_log_loss"}
_OF_NUMBERS = {
    "root mean square error": "neg_root_mean_squared_error",
    "mean absolute error": "neg_mean_absolute_error",
    "R2": "r2",
}


def crossed(model: Any, frame: Any, target: Target, folds: int, seed: int) -> Folds:
    """Train on all folds but one, for each."""
    names = _OF_CLASSES if target.classes else _OF_NUMBERS
    found = cross_validate(
        model.set_params(verbose=False),
        frame,
        target.y,
        spared(frame, splitter(target.y, target.classes, folds, seed).split(target.y, target.y)),
        scoring=list(names.values()),
    )
    scores = {name: found[f"test_{score}"] for name, score in names.items()}
    figures = {name: -each if names[name].startswith("neg_") else each for name, each in scores.items()}
    return Folds(figures, ".4f" if target.classes else ".6g")
