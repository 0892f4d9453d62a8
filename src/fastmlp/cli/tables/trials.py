"""``tune``: which parameters do best on folds of the training rows."""

from __future__ import annotations

import argparse
from typing import Any

from ...optional import require
from ...tabular import tune
from ..output import table
from .held_out import spared
from .task import Target

# What is drawn from, parameters of `Recipe`.
SPACE = {
    "widths": [(128,), (128, 128), (256, 256), (256, 256, 256)],
    "learning_rate": [0.01, 0.02, 0.04, 0.1, 0.2],
    "dropout": [0.0, 0.15, 0.3],
    "weight_decay": [0.0, 0.01, 0.05],
}
FOLDS = 3
SHOWN = 10  # trials


def best_of(options: argparse.Namespace, model: Any, frame: Any, target: Target, y: Any) -> Any:
    """The fitted model of the best trial; what came of all is printed."""
    selection = require("sklearn.model_selection", "tabular")
    folds = selection.check_cv(options.cv or FOLDS, y, classifier=target.classes)
    found = tune(
        model.set_params(verbose=False),
        frame,
        y,
        SPACE,
        options.trials,
        options.method,
        seed=options.seed % 2**32,
        cv=spared(frame, folds.split(y, y)),
    )
    results = found.cv_results_.sort_values("rank_test_score")
    columns = [
        "rank_test_score",
        *(f"param_{name}" for name in SPACE),
        "epochs",
        "mean_test_score",
        "std_test_score",
    ]
    score = "accuracy" if target.classes else "R2"
    heads = ("rank", *SPACE, "epochs", score, "deviation")
    lines = [
        (*map(str, row[:-2]), *(f"{value:.4f}" for value in row[-2:]))
        for row in results[columns].head(SHOWN).itertuples(index=False)
    ]
    print(f"tuned      {len(results)} trials, the best of them", *table(heads, lines), "", sep="\n")
    options.found.update(parameters=found.best_params_, score=found.best_score_)
    return found.best_estimator_
