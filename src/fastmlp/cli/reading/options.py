"""What is told of a file, and what was read of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ...datasets.bounded import MAX_BYTES


@dataclass(frozen=True)
class Reading:
    """How a file is read; None is guessed.

    Attributes
    ----------
    encoding, delimiter, comment, sheet : str or None
    decimal, thousands : str or None
        Of the numbers in all columns that are numbers when written so.
    header : bool or None
        Whether the first row holds names.
    skip_rows : int or None
        Lines before the first that counts.
    max_bytes : int
        That a packed file may unpack to.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    comment: str | None = None
    header: bool | None = None
    skip_rows: int | None = None
    sheet: str | None = None
    max_bytes: int = MAX_BYTES

    def of_numbers(self) -> dict[str, str]:
        """What later files with the same columns are to be read with too."""
        told = {"decimal": self.decimal, "thousands": self.thousands}
        return {name: value for name, value in told.items() if value is not None}

    def with_numbers(self, saved: dict[str, str]) -> Reading:
        """With what `of_numbers` gave, where nothing else is told."""
        told: dict[str, Any] = {**saved, **self.of_numbers()}
        return dataclasses.replace(self, **told)


@dataclass
class Source:
    """A table as it was read.

    Attributes
    ----------
    name : str
        Of the file.
    frame : pandas.DataFrame
        Its index says where in the file each row stands; cells of text files are words.
    place : str
        What the index counts, from 1: "line" or "row".
    named : bool
        Whether the columns have names, which are their places otherwise: "0", "1", ...
    notes : list of str
        What was guessed or left out.
    """

    name: str
    frame: Any
    place: str = "line"
    named: bool = True
    notes: list[str] = field(default_factory=list)

    def cell(self, row: int, column: str, text: object) -> str:
        """Where a cell stands and what it says, for errors; `row` counts the frame's rows from 0."""
        return f"{self.name!r} {self.place} {self.frame.index[row]}, column {column!r}: {text!r}"
