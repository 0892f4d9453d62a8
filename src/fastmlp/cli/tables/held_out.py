"""Rows that are held out of a file: not those that alone tell how a column of words is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...tabular import dates, frames, words

Array = np.ndarray[Any, Any]


def spare_odd_cells(frame: Any, test: Array) -> None:
    """Takes rows out of `test` until all that are in it can be read as the others are.

    Where one cell is 1,234, or a word among numbers, the column is read otherwise without it, and its row not
    at all.
    """
    for name in frame:
        cells = frames.read(frame[[name]]).columns[str(name)]
        if cells.dtype == object:
            _spare(cells, test)


def spared(frame: Any, folds: Any) -> list[tuple[Array, Array]]:
    """The same of folds, as (rows to train, rows to test): an odd row is tested in none."""
    found = []
    for _, rows in folds:
        test = np.zeros(len(frame), bool)
        test[rows] = True
        spare_odd_cells(frame, test)
        found.append((np.flatnonzero(~test), np.flatnonzero(test)))
    return found


def _spare(cells: Array, test: Array) -> None:
    there = np.array([text is not None and not words.is_gap(text) for text in cells])
    row: int | None = 0
    while row is not None:
        parse = _reader(list(dict.fromkeys(cells[there & ~test])))
        held_out = np.flatnonzero(there & test).tolist() if parse else []
        row = next((i for i in held_out if parse is not None and parse(str(cells[i])) is None), None)
        test[[] if row is None else [row]] = False


def _reader(texts: list[str]) -> Callable[[str], object] | None:
    """What reads a column of numbers or dates; None of words."""
    formats = words.number_formats(texts)
    if formats:
        return formats[0].parse
    forms = dates.date_formats(texts)
    return (lambda text: dates.parse(text, forms[0])) if forms else None
