"""``evaluate`` with a tabular model: the figures of a report on rows of a file that has the target."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ...errors import listed
from ..output import say_aside
from ..reading import files
from ..reading.options import Source
from ..report import Report, of_classes, of_numbers
from ..scores import by_value
from . import task
from .cells import located
from .rows import answers, is_classifier, is_there, read, targets_of, unseen

Array = np.ndarray[Any, Any]


def report(options: argparse.Namespace, model: Any, whose: str) -> Report:
    """Of the rows that have a target; `whose` is what they are called as those that the baseline knows."""
    source, targets, frame, y = _compared(options, model)
    with located(source, frame):
        if is_classifier(model):
            return of_classes(model.classes_, answers(options, model, frame), y, y, whose)
        return of_numbers(targets, answers(options, model, frame), y, y, whose)


def labelled(options: argparse.Namespace, model: Any) -> tuple[Any, Array]:
    """Rows, and their labels or numbers, as pictures take them."""
    _, _, frame, y = _compared(options, model)
    return frame, model.classes_[y] if is_classifier(model) else y


def _compared(options: argparse.Namespace, model: Any) -> tuple[Source, list[str], Any, Array]:
    """The file, its targets, the rows that have these, and the indices of their classes or numbers."""
    source = read(options, model)
    targets = targets_of(options, model, source)
    targets = targets or task.columns(None, files.names(source.frame), source.name)
    kept, y = _classes(source, targets[0], model) if is_classifier(model) else _numbers(source, targets)
    missing = int((~kept).sum())
    notes = [f"{missing} row{'s' * (missing != 1)} without a target left out"] if missing else []
    frame = source.frame.drop(columns=targets)[kept]
    for note in (*source.notes, *notes, *unseen(model, source, frame)):
        say_aside(f"note: {note}")
    return source, targets, frame, y


def _classes(source: Source, name: str, model: Any) -> tuple[Array, Array]:
    """Which rows have a target, and the index of the class of each of these."""
    labels = model.classes_.tolist()
    places = {by_value(label): place for place, label in enumerate(labels)}
    cells = source.frame[name].tolist()
    names = frozenset(map(str, labels))
    kept = np.array([is_there(cell, names) for cell in cells])
    if not kept.any():
        raise ValueError(f"{source.name!r} has no row with a target in {name!r}")
    codes = [places.get(by_value(cell), -1) for cell in cells]
    for row in np.flatnonzero(kept).tolist():
        if codes[row] < 0:
            where = source.cell(row, name, cells[row])
            raise ValueError(f"{where} is no class of MODEL, expected one of {listed(map(str, labels))}")
    return kept, np.array(codes)[kept]


def _numbers(source: Source, names: list[str]) -> tuple[Array, Array]:
    target = task.read(source, names, "regression")
    return target.kept, target.y
