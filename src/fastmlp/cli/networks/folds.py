"""``train --cv`` and ``tune`` on arrays: networks trained side by side, each measured on rows of its own."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...callbacks import EarlyStopping, TerminateOnNaN
from ...config import get_num_threads, set_num_threads
from ...fleet import Fleet
from ...network import Network
from ..folds import Folds, splitter
from ..report import Report
from .build import built, labelled
from .data import Data
from .measure import measured

Array = np.ndarray[Any, Any]
Part = tuple[Array, Array]  # numbers of the training rows to learn from, and of those to measure


def crossed(options: argparse.Namespace, data: Data) -> Folds:
    """Train on all folds but one, for each.

    Raises
    ------
    FloatingPointError
        If a training diverges.
    """
    (reports,) = tested([options], data, folds_of(options, data))
    whole = [report.model for report in reports if report is not None]
    if len(whole) < len(reports):
        fold = reports.index(None) + 1
        raise FloatingPointError(f"training diverged on fold {fold} of --cv, try a lower --learning-rate")
    figures = {name: np.array([model[name] for model in whole]) for name in whole[0]}
    return Folds(figures, ".6g" if data.classes is None else ".4f")


def folds_of(options: argparse.Namespace, data: Data) -> list[Part]:
    """Those of --cv."""
    classes = data.classes is not None
    labels = np.array(data.classes)[data.y] if classes else data.y
    return list(splitter(labels, classes, options.cv, options.seed).split(labels, labels))


def tested(
    trials: Sequence[argparse.Namespace], data: Data, parts: Sequence[Part]
) -> list[list[Report | None]]:
    """For each trial's options, what networks say of each part's rows to measure; None where one diverged.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C has ended the training.
    """
    folds = [_Fold.of(trials[0], data, *part) for part in parts]  # the same for all trials
    jobs = [(options, fold) for options in trials for fold in folds]
    networks = [built(options, fold.data) for options, fold in jobs]
    stops = [TerminateOnNaN() for _ in jobs]
    each = [
        fold.options_of_fit(options, network, stop)
        for (options, fold), network, stop in zip(jobs, networks, stops, strict=True)
    ]
    y = labelled(networks[0], data.y)
    with _at_most(trials[0].threads), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training diverged|val_loss is", RuntimeWarning)  # told apart
        histories = Fleet(networks).fit(data.X, y, rows=[fold.rows for _, fold in jobs], each=each)
    if any(history.interrupted for history in histories):
        raise KeyboardInterrupt
    found = [
        measured(options, fold.data, network) if stop.stopped_epoch < 0 else None
        for (options, fold), network, stop in zip(jobs, networks, stops, strict=True)
    ]
    return [found[first : first + len(parts)] for first in range(0, len(found), len(parts))]


@dataclass(frozen=True)
class _Fold:
    """A part's rows, `rows` the numbers of those that weights learn from; early stopping watches others."""

    data: Data
    rows: Array
    watched: tuple[Array, Array] | None  # their X and y

    @classmethod
    def of(cls, options: argparse.Namespace, data: Data, train: Array, test: Array) -> _Fold:
        part = data.part(train, test)
        if options.early_stopping is None:
            return cls(part, train, None)
        learned, watched = part.watched(options.validation_split, options.seed)
        return cls(part, train[learned], (part.X[watched], part.y[watched]))

    def options_of_fit(
        self, options: argparse.Namespace, network: Network, stop: TerminateOnNaN
    ) -> dict[str, Any]:
        given = {name: getattr(options, name) for name in ("epochs", "batch_size", "class_weight")}
        if self.watched is None:
            return {**given, "callbacks": [stop]}
        X, y = self.watched
        early = EarlyStopping("val_loss", patience=options.early_stopping, restore_best_weights=True)
        return {**given, "callbacks": [stop, early], "validation_data": (X, labelled(network, y))}


@contextmanager
def _at_most(threads: int | None) -> Iterator[None]:
    """The engine has at most so many threads within."""
    if threads is None:
        yield
        return
    former = get_num_threads()
    set_num_threads(min(threads, former))
    try:
        yield
    finally:
        set_num_threads(former)
