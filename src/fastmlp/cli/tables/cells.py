"""Errors of cells, told by where these stand in the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...tabular.columns import CellError
from ..reading.options import Source


@contextmanager
def located(source: Source, frame: Any) -> Iterator[None]:
    """An error of a cell of `frame`, which has some of the rows, names the file and its line."""
    try:
        yield
    except CellError as error:
        where = f"{source.name!r} {source.place} {frame.index[error.row]}, column {error.column!r}"
        text = frame[error.column].iloc[error.row] if error.column in frame else error.text
        raise ValueError(f"{where}: {text!r} is {error.expected}") from None
