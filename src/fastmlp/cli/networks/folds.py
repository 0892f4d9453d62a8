"""``train --cv`` and ``tune`` on arrays: networks trained side by side, each measured on rows of its own."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...callbacks import Callback, EarlyStopping, TerminateOnNaN
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
    whole = [report for report in reports if report is not None]
    if len(whole) < len(reports):
        fold = reports.index(None) + 1
        raise FloatingPointError(f"training diverged on fold {fold} of --cv, try a lower --learning-rate")
    shared = [name for name in whole[0].model if all(name in report.model for report in whole)]
    figures = {name: np.array([report.model[name] for report in whole]) for name in shared}
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
    jobs = [(options, data.part(*part), part[0]) for options in trials for part in parts]
    networks = [built(options, part) for options, part, _ in jobs]
    rows, each = [], []
    for (options, part, learned), network in zip(jobs, networks, strict=True):
        own, given = _of_fit(options, part, network)
        rows.append(learned[own])
        each.append(given)
    with _threads(trials[0].threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that a training diverged, which is told apart
        histories = Fleet(networks).fit(data.X, labelled(networks[0], data.y), rows=rows, each=each)
    if any(history.interrupted for history in histories):
        raise KeyboardInterrupt
    found = [
        None if given["callbacks"][0].stopped_epoch >= 0 else measured(options, part, network)
        for (options, part, _), given, network in zip(jobs, each, networks, strict=True)
    ]
    return [found[first : first + len(parts)] for first in range(0, len(found), len(parts))]


def _of_fit(options: argparse.Namespace, part: Data, network: Network) -> tuple[Array, dict[str, Any]]:
    """Which of the part's rows are learned from, as early stopping watches others; the options of its fit."""
    learned = np.arange(len(part.y))
    callbacks: list[Callback] = [TerminateOnNaN()]
    given: dict[str, Any] = {"callbacks": callbacks}
    if options.early_stopping is not None:
        learned, watched = part.watched(options.validation_split, options.seed)
        given["validation_data"] = part.X[watched], labelled(network, part.y)[watched]
        callbacks.append(
            EarlyStopping("val_loss", patience=options.early_stopping, restore_best_weights=True)
        )
    given |= {name: getattr(options, name) for name in ("epochs", "batch_size", "class_weight")}
    return learned, given


@contextmanager
def _threads(most: int | None) -> Iterator[None]:
    """At most so many threads within."""
    former = get_num_threads()
    set_num_threads(former if most is None else min(most, former))
    try:
        yield
    finally:
        set_num_threads(former)
