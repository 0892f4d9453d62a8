"""``predict`` with a tabular model: ids, predictions and all probabilities, and how right they are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...tabular import frames
from ...tabular.columns import LeftOut
from ..output import say_aside, tell, write_csv, write_npy
from ..reading import files
from ..reading.options import Source
from ..scores import Agreement, by_value, of_classes, of_numbers
from . import task
from .cells import located
from .rows import answers, is_classifier, is_there, read, targets_of, unseen

Array = np.ndarray[Any, Any]


def run(options: argparse.Namespace, model: Any) -> int:
    """Read rows, predict, write, compare."""
    source = read(options, model)
    targets = targets_of(options, model, source)
    frame = source.frame.drop(columns=targets)
    notes = [*source.notes, *unseen(model, source, frame), *_other_labels(model, source, targets)]
    for note in notes:
        say_aside(f"note: {note}")
    ids = _ids(options, model, frame)
    with located(source, frame):
        predictions = answers(options, model, frame)
    if options.output is not None and options.output.suffix == ".npy":
        write_npy(options.output, predictions)
    else:
        write_csv(options.output, _rows(model, frame, ids, predictions))
    options.found.update(rows=len(predictions), output=options.output, notes=notes)
    if targets:
        tell(options, _agreement(model, source, targets, predictions))
    return 0


def _ids(options: argparse.Namespace, model: Any, frame: Any) -> list[str]:
    """Columns that say which row is which: those that are told, or those that training found."""
    names = files.names(frame)
    if options.id is not None:
        return task.columns(options.id, names, options.data.name, "--id")
    columns = model.ensemble_.encoder.columns
    found = [each.name for each in columns if isinstance(each, LeftOut) and each.identifies]
    return [name for name in found if name in names]


def _rows(model: Any, frame: Any, ids: Sequence[str], predictions: Array) -> Iterator[Sequence[str]]:
    """The head and the rows of the file that `predict` writes."""
    names = [["" if frames.is_gap(cell) else frames.word(cell) for cell in frame[name]] for name in ids]
    targets = [str(name) for name in model.metadata_.get("targets", ())]
    if is_classifier(model):
        classes = [str(label) for label in model.classes_.tolist()]
        yield [*ids, *(targets or ["class"]), *(f"probability of {name}" for name in classes)]
        likeliest = [classes[code] for code in predictions.argmax(axis=1).tolist()]
        shares = (tuple(f"{share:.6f}" for share in row) for row in predictions.tolist())
        for *own, name, row in zip(*names, likeliest, shares, strict=True):
            yield [*own, name, *row]
        return
    numbers = predictions.reshape(len(predictions), -1)
    yield [*ids, *(targets or [f"output {j}" for j in range(numbers.shape[1])])]
    for *own, row in zip(*names, numbers.tolist(), strict=True):
        yield [*own, *(f"{value:.9g}" for value in row)]


def _other_labels(model: Any, source: Source, targets: list[str]) -> list[str]:
    """What is to be said of targets that are no class of the model, with which no prediction agrees."""
    if not targets or not is_classifier(model):
        return []
    known = {by_value(label) for label in model.classes_.tolist()}
    labels = frozenset(map(str, model.classes_.tolist()))
    cells = source.frame[targets[0]].tolist()
    odd = [i for i, cell in enumerate(cells) if is_there(cell, labels) and by_value(cell) not in known]
    if not odd:
        return []
    rows = "1 row has a target that is" if len(odd) == 1 else f"{len(odd)} rows have targets that are"
    return [f"{rows} no class of MODEL, the first {source.cell(odd[0], targets[0], cells[odd[0]])}"]


def _agreement(model: Any, source: Source, targets: list[str], predictions: Array) -> Agreement:
    """How the predictions compare with targets that came with the rows; rows without one do not count."""
    labels = frozenset(map(str, model.classes_.tolist())) if is_classifier(model) else frozenset()
    if not all(any(is_there(cell, labels) for cell in source.frame[name]) for name in targets):
        return Agreement("no row has a target", {"compared": 0})
    if is_classifier(model):
        found = model.classes_[predictions.argmax(axis=1)].tolist()
        pairs = zip(found, source.frame[targets[0]].tolist(), strict=True)
        right = [by_value(label) == by_value(cell) for label, cell in pairs if is_there(cell, labels)]
        return of_classes(right, len(right))
    target = task.read(source, targets, "regression")
    y = target.y.reshape(len(target.y), -1)
    return of_numbers(y, predictions.reshape(len(predictions), -1)[target.kept])
