"""Rows for a tabular model: a file, its columns under the names of training, and those of the target."""

from __future__ import annotations

import argparse
from collections.abc import Container
from typing import Any

import numpy as np

from ...datasets import load_npz
from ...errors import listed
from ...tabular import frames, words
from ...tabular.columns import Category, texts_of
from ..options import reading_of
from ..reading import files
from ..reading.options import Source
from . import task

Array = np.ndarray[Any, Any]


def is_classifier(model: Any) -> bool:
    return hasattr(model, "classes_")


def read(options: argparse.Namespace, model: Any) -> Source:
    """The rows, with the names that training had where the file has none."""
    if options.data.suffix == ".npz":
        X = load_npz(options.data, max_bytes=options.max_bytes)["X"]
        source = _of_array(options.data.name, X.reshape(len(X), -1))
    else:
        known = tuple(model.metadata_.get("columns", ()) if model.metadata_.get("named", True) else ())
        given = reading_of(options).with_numbers(model.metadata_.get("reading", {}))
        source = files.read(options.data, given, known, "DATA")
    return source if source.named else _renamed(source, model)


def _of_array(name: str, X: Array) -> Source:
    from ...optional import require

    frame = require("pandas", "tabular").DataFrame(X, columns=[str(i) for i in range(X.shape[1])])
    return Source(name, frame, "row", named=False)


def _renamed(source: Source, model: Any) -> Source:
    """Columns without names are those of training, in their order, with or without the target."""
    features = [column.name for column in model.ensemble_.encoder.columns]
    columns = list(model.metadata_.get("columns", features))
    width = source.frame.shape[1]
    if width not in (len(columns), len(features)):
        targets = listed(model.metadata_.get("targets", ()))
        beside = f", or {len(columns)} with {targets}" if len(columns) > len(features) else ""
        raise ValueError(
            f"{source.name!r} has {width} columns, expected {len(features)} as in training{beside}"
        )
    source.frame.columns = columns if width == len(columns) else features
    return source


def unseen(model: Any, source: Source, frame: Any) -> list[str]:
    """What is to be said of words that training did not have, which count as gaps."""
    notes = []
    for column in model.ensemble_.encoder.used:
        if not isinstance(column, Category) or column.name not in frame:
            continue
        texts = texts_of(frames.read(frame[[column.name]]).columns[column.name])
        odd = [i for i, text in enumerate(texts) if text is not None and text not in column.known]
        if odd:
            cells = "1 cell has a value" if len(odd) == 1 else f"{len(odd)} cells have values"
            first = f"{texts[odd[0]]!r} in {source.place} {frame.index[odd[0]]}"
            notes.append(
                f"column {column.name}: {cells} that training did not have, taken for gaps, the first {first}"
            )
    return notes


def answers(options: argparse.Namespace, model: Any, frame: Any) -> Array:
    """The probabilities of classes, or the numbers."""
    method = model.predict_proba if is_classifier(model) else model.predict
    return np.asarray(method(frame, threads=options.threads))


def targets_of(options: argparse.Namespace, model: Any, source: Source) -> list[str]:
    """Columns to compare with: those that are told, or the target's if the file has it."""
    names = files.names(source.frame)
    if options.target is not None:
        return task.columns(options.target, names, source.name)
    own = [str(name) for name in model.metadata_.get("targets", ())]
    return own if set(own) <= set(names) else []


def is_there(cell: object, labels: Container[str] = ()) -> bool:
    """Whether a cell of a target says something: a word that stands for a gap may be one of the labels."""
    text = str(cell).strip()
    return not frames.is_gap(cell) and (text in labels or not words.is_gap(text))
