"""Errors of cells, told by where these stand in the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...tabular import frames, words
from ...tabular.columns import CellError
from ..reading.options import Source


@contextmanager
def located(source: Source, frame: Any) -> Iterator[None]:
    """An error of a cell of `frame`, or of some of its rows, names the file and its line."""
    try:
        yield
    except CellError as error:
        there = error.column in frame
        row = _row(frame[error.column].tolist(), error) if there else error.row
        where = f"{source.name!r} {source.place} {frame.index[row]}, column {error.column!r}"
        text = frame[error.column].iloc[row] if there else error.text
        raise ValueError(f"{where}: {text!r} is {error.expected}") from None


def _row(cells: list[Any], error: CellError) -> int:
    """Of a fold the error counts the fold's rows: it is the first cell that says the same."""

    def is_it(cell: Any) -> bool:
        said = frames.word(cell)
        return said == frames.word(error.text) or words.PLAIN.parse(said) == error.text

    rows = [error.row, *range(len(cells))] if error.row < len(cells) else range(len(cells))
    return next((row for row in rows if is_it(cells[row])), min(error.row, len(cells) - 1))
