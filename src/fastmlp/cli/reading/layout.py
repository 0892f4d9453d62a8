"""A grid of cells as a table with named columns: where it begins, and whether its first row holds names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import listed
from ...tabular import dates, words
from .options import Reading, Source

HEAD = 1000  # rows by which is told what the first is


@dataclass
class Grid:
    """Cells as they stand in a file.

    Attributes
    ----------
    name, place : str
        As of a `Source`.
    cells : pandas.DataFrame
        Without names; its index is where the rows stand.
    head : list of list of str
        The first `HEAD` rows, stripped.
    first_width : int
        Cells of the first row, of which names may have one less than the others.
    notes : list of str
    """

    name: str
    place: str
    cells: Any
    head: list[list[str]]
    first_width: int
    notes: list[str]


def title_rows(head: Sequence[Sequence[str]]) -> int:
    """How many rows stand above the table: one word alone, above rows that are full.

    >>> title_rows([["Report", "", ""], ["a", "b", "c"], ["1", "2", "3"]])
    1
    """
    for i, row in enumerate(head[:-1]):
        below = head[i + 1]
        alone = len([cell for cell in row if cell]) == 1 and row[0] and not is_value(row[0])
        if not (alone and len(below) > 1 and (len(row) == 1 or len(row) > 2)):
            return i
        if all(below):
            return i + 1
    return 0


def is_value(cell: str) -> bool:
    """Whether a cell is a gap, a number or a date, which names are not.

    >>> is_value("1,234.5"), is_value("?"), is_value("age")
    (True, True, False)
    """
    if words.is_gap(cell) or bool(words.number_formats([cell])):
        return True
    return bool(dates.date_formats([cell]))


def has_names(head: Sequence[Sequence[str]], known: Sequence[str] = ()) -> tuple[bool, bool]:
    """Whether the first row holds names, and whether that is certain.

    >>> has_names([["age", "kind"], ["5", "a"]]), has_names([["?", "1"], ["2", "3"]])
    ((True, True), (False, True))
    """
    first, below = head[0], head[1:]
    if any(cell in known for cell in first if not is_value(cell)):
        return True, True
    columns = [
        [row[i] for row in below if i < len(row) and not words.is_gap(row[i])] for i in range(len(first))
    ]
    pairs = [(cell, column) for cell, column in zip(first, columns, strict=True) if cell]
    above_values = any(not is_value(cell) and column and all(map(is_value, column)) for cell, column in pairs)
    if any(words.is_gap(cell) for cell in first if cell):
        return False, not above_values
    if above_values:
        return True, True
    new = [cell not in column for cell, column in pairs if not is_value(cell)]
    if any(is_value(cell) for cell, _ in pairs):
        return False, not any(new)
    return all(new) and len(set(first)) == len(first), not below


def named(grid: Grid, options: Reading, known: Sequence[str]) -> Source:
    """The table, with names from its first row or the places of its columns."""
    header, certain = options.header, True
    if header is None:
        header, certain = has_names(grid.head, known)
    cells, notes, place = grid.cells, grid.notes, f"{grid.place} {grid.cells.index[0]}"
    width = cells.shape[1]
    if header:
        names = _completed([str(name).strip() for name in grid.head[0]], width, cells, notes)
        cells = cells.iloc[1:]
        if not certain:
            notes.append(f"{place} is taken for names (--no-header takes it for a row)")
    else:
        names = [str(i) for i in range(width)]
        if not certain:
            notes.append(
                f"{place} is taken for a row, columns are named by place (--header takes it for names)"
            )
    if not len(cells):
        raise ValueError(f"{grid.name!r} has no rows below its header")
    kept = [i for i in range(width) if names[i] or _has_values(cells[i])]
    cells = cells[kept]
    cells.columns = [names[i] or f"Unnamed: {i}" for i in kept]
    return Source(grid.name, cells, grid.place, bool(header), notes)


def _completed(found: list[str], width: int, cells: Any, notes: list[str]) -> list[str]:
    """A name for each column, none twice; "" where there is none."""
    if len(found) < width:
        if _has_values(cells.iloc[1:][width - 1]):  # as R writes tables: names of rows have no name
            notes.append("the first column has no name, as names of rows have none")
            found = ["", *found]
        else:
            found = [*found, ""]
    names: list[str] = []
    for name in found:
        number = names.count(name) if name else 0
        unique = name
        while name and unique in names:
            unique, number = f"{name}.{max(number, 1)}", number + 1
        names.append(unique)
    again = [new for new, old in zip(names, found, strict=True) if new != old]
    if again:
        notes.append(f"names that are there twice become {listed(again)}")
    return names


def _has_values(column: Any) -> bool:
    return any(not words.is_gap(str(cell)) for cell in column)
