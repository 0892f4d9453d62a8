"""Tables of numbers for a network, which takes their columns in the order in which they stand."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

import numpy as np

from ...tabular import frames, words
from ..options import reading_of
from ..output import say_aside
from ..reading import files
from ..reading.options import Source
from ..scores import by_value
from ..tables import task

Array = np.ndarray[Any, Any]


def load_numbers(options: argparse.Namespace) -> tuple[Array, Array | None]:
    """float64 (rows, columns) of a file of a table, and the column of --target."""
    source = files.read(options.data, reading_of(options), task.sought(options.target), "DATA")
    for note in source.notes:
        say_aside(f"note: {note}")
    names = files.names(source.frame)
    targets = [] if options.target is None else task.columns(options.target, names, source.name)
    features = [name for name in names if name not in targets]
    if not features:
        raise ValueError(f"{source.name!r} has no column beside the target {', '.join(targets)}")
    X = np.column_stack([_numbers(source, name) for name in features])
    return X, _targets(source, targets) if targets else None


def _targets(source: Source, names: list[str]) -> Array:
    """Numbers (rows, columns), or the words of one column."""
    cells = source.frame[names[0]].tolist()
    if len(names) == 1 and any(isinstance(by_value(cell), str) for cell in cells):
        return np.array([str(cell) for cell in cells])
    return np.column_stack([_numbers(source, name) for name in names])


def _numbers(source: Source, name: str) -> Array:
    cells = frames.read(source.frame[[name]]).columns[name]
    if cells.dtype.kind == "O":
        formats = words.number_formats(dict.fromkeys(text for text in cells if text is not None))
        form = formats[0] if formats else words.PLAIN
        parsed = [None if text is None else form.parse(text) for text in cells]
        if None in parsed:
            _refuse(source, name, parsed.index(None))
        cells = np.array(parsed)
    if cells.dtype.kind != "f" or not np.isfinite(cells).all():
        _refuse(source, name, int(np.argmin(np.isfinite(cells))))
    return cells


def _refuse(source: Source, name: str, row: int) -> NoReturn:
    cell = source.cell(row, name, source.frame[name].iloc[row])
    raise ValueError(f"{cell} is not a finite number, expected one, as MODEL is a network")
