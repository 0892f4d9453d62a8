"""Text of rows and cells: what separates the cells is found, every row checked, and pandas reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ...errors import shown
from ...optional import require
from . import unpacking
from .layout import HEAD, Grid, title_rows
from .options import Reading

# In the order in which they are taken where several would do: words hold commas more often than tabs.
DELIMITERS = ("\t", ";", "|", ",")
_SEEN = 200  # lines by which the delimiter is chosen
_NAMES = {"\t": "tab", " ": "spaces"}


@dataclass(frozen=True)
class _Rows:
    """Lines of a file, and where its rows begin, counted from 1."""

    file: str
    lines: list[str]
    delimiter: str

    def walk(self) -> Iterator[tuple[int, list[str]]]:
        """The line and the cells of each row; ValueError for quotes that are not closed."""
        reader = csv.reader(
            iter(self.lines), delimiter=self.delimiter, strict=True, skipinitialspace=self.delimiter != "\t"
        )
        while True:
            start = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                self._refuse(start, error)
            if cells is None:
                return
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield start, cells

    def _refuse(self, line: int, error: csv.Error) -> NoReturn:
        text = shown(self.lines[line - 1].rstrip("\r\n"))
        if "expected after" in str(error):
            what = "has a quote inside a quoted cell, expected two of them, or the cell's end behind it"
        elif "field larger" in str(error):
            what = f"begins a cell of more than {csv.field_size_limit()} characters: is a quote not closed?"
        else:
            what = "has a quote that is not closed"
        raise ValueError(f"{self.file!r} line {line}: {text} {what}") from None


def read(path: Path, options: Reading) -> Grid:
    """The cells of a text file, all of them words, below what stands above the table."""
    content, notes = unpacking.text_of(path, options.encoding, options.max_bytes)
    lines = list(io.StringIO(content, newline=""))
    _blank(lines, options, notes)
    delimiter = options.delimiter or _announced(lines) or _delimiter(lines, notes)
    if options.comment is None:
        _blank_comments(lines, delimiter, notes)
    if delimiter == " ":
        lines = [line.strip() + "\n" for line in lines]
    rows = _Rows(path.name, lines, delimiter)
    scan = _scanned(rows)
    titles = 0 if options.skip_rows is not None else title_rows(scan.head)
    if titles:
        said = shown(" ".join(" ".join(row) for row in scan.head[:titles]).strip())
        place = f"line {scan.starts[titles - 1]}"
        notes.append(f"{place} is taken for a title: {said} (--skip-rows 0 takes it for names)")
    scan = _Scan(scan.starts[titles:], scan.widths[titles:], scan.head[titles:])
    _check_widths(rows, scan)
    return Grid(path.name, "line", _cells(rows, scan), scan.head, scan.widths[0], notes)


@dataclass(frozen=True)
class _Scan:
    """Of each row the line where it begins and the number of its cells; the cells of the first ones."""

    starts: list[int]
    widths: list[int]
    head: list[list[str]]


def _scanned(rows: _Rows) -> _Scan:
    """All rows up to the last that says anything."""
    starts: list[int] = []
    widths: list[int] = []
    head: list[list[str]] = []
    last = 0
    for start, cells in rows.walk():
        starts.append(start)
        widths.append(len(cells))
        if any(cell.strip() for cell in cells):
            last = len(starts)
        if len(head) < HEAD:
            head.append([cell.strip() for cell in cells])
    if not last:
        raise ValueError(f"{rows.file!r} is empty, expected rows of cells")
    return _Scan(starts[:last], widths[:last], head[:last])


def _cells(rows: _Rows, scan: _Scan) -> Any:
    """The rows as pandas reads them, with the lines as the index."""
    cells = require("pandas", "tabular").read_csv(
        io.StringIO("".join(rows.lines[scan.starts[0] - 1 :]), newline=""),
        sep=r"\s+" if rows.delimiter == " " else rows.delimiter,
        header=None,
        names=range(max(scan.widths)),
        index_col=False,
        dtype=object,
        na_filter=False,
        skipinitialspace=rows.delimiter != "\t",
        nrows=len(scan.starts),
    )
    if len(cells) != len(scan.starts):
        raise ValueError(f"{rows.file!r} has {len(scan.starts)} rows, of which pandas reads {len(cells)}")
    cells.index = scan.starts
    return cells


def _blank(lines: list[str], options: Reading, notes: list[str]) -> None:
    """Empties lines that are not of the table, so that the others keep their numbers."""
    for i in range(min(options.skip_rows or 0, len(lines))):
        lines[i] = "\n"
    if options.comment is None:
        return
    comments = [i for i, line in enumerate(lines) if line.lstrip().startswith(options.comment)]
    for i in comments:
        lines[i] = "\n"
    notes.append(f"{len(comments)} lines that begin with {options.comment!r} left out")


def _blank_comments(lines: list[str], delimiter: str, notes: list[str]) -> None:
    """The same of lines at the top that begin with # and do not have the cells of the table."""
    first = next((line for line in lines if line.strip() and line[0] != "#"), "")
    for i, line in enumerate(lines):
        if line.startswith("#") and line.count(delimiter) != first.count(delimiter):
            notes.append(f"line {i + 1} is taken for a comment: {shown(line.strip())}")
            lines[i] = "\n"
        elif line.strip():
            return


def _announced(lines: list[str]) -> str | None:
    """The delimiter that spreadsheets write in a line of its own: sep=;"""
    for i, line in enumerate(lines):
        if line.strip():
            told = line.rstrip("\r\n").strip('"').lower()
            if told.startswith("sep=") and len(told) == 5:
                lines[i] = "\n"
                return told[4]
            return None
    return None


def _delimiter(lines: Sequence[str], notes: list[str]) -> str:
    """What gives the rows the same number of cells, two or more."""
    seen = [line for line in lines[: 2 * _SEEN] if line.strip() and line[0] != "#"][:_SEEN]
    found = {mark: _evenness(seen, mark) for mark in DELIMITERS}
    even = [mark for mark, (share, width) in found.items() if share == 1 and width > 1]
    if len(even) > 1:
        others = " or ".join(map(_name, even[1:]))
        notes.append(f"cells end at {_name(even[0])}, {others} would do too (--delimiter sets it)")
    if even:
        return even[0]
    share, width = _evenness([line.strip() for line in seen], " ")
    if share == 1 and width > 1 and not any(count > 1 for _, count in found.values()):
        return " "
    return max(reversed(DELIMITERS), key=lambda mark: found[mark] if found[mark][1] > 1 else (0.0, 0))


def _name(delimiter: str) -> str:
    return _NAMES.get(delimiter, repr(delimiter))


def _evenness(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """The share of rows that have the commonest number of cells, and that number."""
    try:
        widths = [
            len(row)
            for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t")
            if row
        ]
    except csv.Error:
        return 0.0, 0
    if not widths:
        return 0.0, 0
    width = max(set(widths), key=lambda each: (widths.count(each), each))
    return widths.count(width) / len(widths), width


def _check_widths(rows: _Rows, scan: _Scan) -> None:
    """All rows are as wide as the first; only names may lack one, of the rows or of nothing."""
    first, *others = scan.widths
    expected = first + 1 if others and set(others) == {first + 1} else first
    for start, width in zip(scan.starts[1:], others, strict=True):
        if width != expected:
            text = shown(rows.lines[start - 1].rstrip("\r\n"))
            hint = "; --comment '#' leaves such lines out" if text[1:2] == "#" else ""
            raise ValueError(
                f"{rows.file!r} line {start}: {text} has {width} cell{'s' * (width != 1)}, "
                f"expected {expected} as in line {scan.starts[0]}{hint}"
            )
