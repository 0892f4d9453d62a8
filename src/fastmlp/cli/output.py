"""What the command line shows and writes: text that obeys nobody, tables, CSV."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import printable
from ..files import atomic
from .scores import Agreement

Array = np.ndarray[Any, Any]

# How a formula begins in spreadsheets, wide characters included (OWASP, "CSV Injection").
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NO_FORMULA = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)|[+-]", re.ASCII | re.IGNORECASE)
# A program that separates cells at semicolons or tabs is not to find the next one inside a word.
_QUOTED = re.compile(r'[,;\t\r\n"]')


def say(line: str) -> None:
    """Print one line; what files and arguments put into it is shown, never obeyed."""
    print(printable(line))


def say_aside(line: str) -> None:
    """The same on standard error, where predictions go to standard output."""
    print(printable(line), file=sys.stderr)


def tell(options: argparse.Namespace, agreement: Agreement) -> None:
    """How predictions compare with targets, on standard error and among what --json gives."""
    options.found.update(agreement.figures)
    if not options.quiet:
        say_aside(agreement.line)


def plain(value: Any) -> Any:
    """What JSON can hold: None for a number that is not finite, lists for arrays, text for paths.

    >>> plain({"a": np.array([1.5, np.nan]), "b": Path("m.npz")})
    {'a': [1.5, None], 'b': 'm.npz'}
    """
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def complain(options: argparse.Namespace, message: str, status: int) -> int:
    """Print one line on standard error; returns the exit status."""
    print(printable(f"fastmlp {options.command}: {' '.join(message.split())}"), file=sys.stderr)
    return status


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], left: bool = False) -> list[str]:
    """Lines of columns that are aligned to the right, or, as words are, to the left.

    >>> table(("name", "age"), [("a", "100")])
    ['name  age', '   a  100']
    """
    rows = [[printable(cell) for cell in row] for row in (heads, *lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    justified = str.ljust if left else str.rjust
    return ["  ".join(map(justified, row, widths)).rstrip() for row in rows]


def csv_line(cells: Iterable[str]) -> str:
    """One row of a CSV file, without the end of the line.

    A word that a spreadsheet would take for a formula gets a ' before it; numbers and mere signs stay.

    >>> print(csv_line(["=1+1", "-2.5", "-", "a,b"]))
    '=1+1,-2.5,-,"a,b"
    """
    return ",".join(map(_csv_cell, cells))


def _csv_cell(cell: str) -> str:
    inner = cell.strip()
    if (cell.startswith(_FORMULA) or inner.startswith(_FORMULA)) and not _NO_FORMULA.fullmatch(inner):
        cell = f"'{cell}"
    if _QUOTED.search(cell):
        cell = '"' + cell.replace('"', '""') + '"'
    return cell


def check_writable(path: Path, argument: str) -> None:
    """ValueError, before any work, if no file can be written there."""
    if not path.parent.is_dir():
        raise ValueError(f"{argument} is {str(path)!r}, but {str(path.parent)!r} is not a folder")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"{argument} is {str(path)!r}, which cannot be written")


def check_other(path: Path, data: Path | None, argument: str) -> None:
    """ValueError, before any work, if what is written would take the place of what is read."""
    if data is not None and data.exists() and path.exists() and path.samefile(data):
        raise ValueError(f"--output is {str(path)!r}, the file that {argument} names")


def write_npy(path: Path, array: Array) -> None:
    """A file that `numpy.load` reads."""

    def fill(file: IO[bytes]) -> None:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.tobytes())  # numpy.save would lose the reason of an error

    atomic.write(path, fill)


def write_csv(path: Path | None, rows: Iterable[Sequence[str]]) -> None:
    """A file of rows, the first of them the head; None: standard output, printable in a terminal."""
    lines = map(csv_line, rows)
    if path is not None:
        atomic.write(path, lambda file: file.writelines(f"{line}\n".encode() for line in lines))
        return
    if sys.stdout.isatty():
        lines = map(printable, lines)
    sys.stdout.writelines(f"{line}\n" for line in lines)
