"""``tune`` on arrays: which options do best on rows that the networks have not seen."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import optimizers
from ...tabular.trials import Tried, drawn, rounds
from ..output import table
from ..report import Report
from .data import Data
from .folds import Part, folds_of, tested

# What is drawn from where it is not given; learning rates as factors of the optimizer's own.
SPACE: dict[str, list[Any]] = {
    "layers": [(100,), (256,), (128, 128), (256, 256), (512, 512)],
    "learning_rate": [0.3, 1, 3],
    "dropout": [0.0, 0.2, 0.5],
    "batch_size": [32, 128],
}
SHOWN = 10  # trials


def best_of(options: argparse.Namespace, data: Data) -> argparse.Namespace:
    """The options with those of the best trial in place of what was not given; what came of all is printed.

    Raises
    ------
    FloatingPointError
        If the training of every trial diverges.
    """
    names = [name for name in SPACE if name in options.missing]
    trials = _trials(options, names)
    parts, tried = _parts(options, data), list[Tried]()
    for chosen, share in rounds(len(trials), options.method, options.epochs, tried):
        epochs = -(-options.epochs // share)
        candidates = [_with(options, trials[i], epochs=epochs) for i in chosen]
        start = time.perf_counter()
        reports = tested(candidates, data, parts)
        seconds = (time.perf_counter() - start) / len(chosen)
        tried += [
            Tried(i, share, epochs, *_summary(each), seconds) for i, each in zip(chosen, reports, strict=True)
        ]
    tried.sort(key=Tried.order)
    best = tried[0]
    if np.isnan(best.mean):
        raise FloatingPointError("the training of every trial diverged, try a lower --learning-rate")
    score = "R2" if data.classes is None else "accuracy"
    heads = ("rank", *names, "epochs", score, "deviation")
    lines = [
        (str(rank), *(str(trials[each.trial][name]) for name in names), str(each.epochs), *_cells(each))
        for rank, each in enumerate(tried[:SHOWN], 1)
    ]
    print(f"tuned      {len(tried)} trials, the best of them", *table(heads, lines), "", sep="\n")
    options.found.update(parameters=trials[best.trial], score=best.mean)
    return _with(options, trials[best.trial])


def _trials(options: argparse.Namespace, names: Sequence[str]) -> list[dict[str, Any]]:
    own = optimizers.OPTIMIZERS[options.optimizer]().learning_rate
    space = {name: SPACE[name] for name in names}
    if "learning_rate" in space:
        space["learning_rate"] = [float(f"{factor * own:.3g}") for factor in SPACE["learning_rate"]]
    return drawn(space, options.trials, options.seed % 2**32)


def _with(options: argparse.Namespace, parameters: dict[str, Any], **others: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), **parameters, **others})


def _parts(options: argparse.Namespace, data: Data) -> list[Part]:
    """The folds of --cv, or one part of the rows, as large as the one that `train` watches."""
    if options.cv is not None:
        return folds_of(options, data)
    if not options.validation_split:
        raise ValueError("--validation-split is 0 and --cv is not given, expected rows to compare trials on")
    return [data.watched(options.validation_split, options.seed)]


def _summary(reports: Sequence[Report | None]) -> tuple[float, float]:
    """Mean and deviation over the parts; NaN where a training diverged."""
    scores = np.array([np.nan if report is None else report.score for report in reports])
    return float(scores.mean()), float(scores.std())


def _cells(tried: Tried) -> list[str]:
    return ["-" if np.isnan(tried.mean) else f"{value:.4f}" for value in (tried.mean, tried.deviation)]
