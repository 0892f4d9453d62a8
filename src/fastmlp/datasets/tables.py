"""Tables of numbers with a target column, from CSV files."""

from __future__ import annotations

import csv
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

import numpy as np
import numpy.typing as npt

from .. import validation
from ..errors import listed

Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]


class Table(NamedTuple):
    """What `load_csv` returns.

    Attributes
    ----------
    X : ndarray of shape (rows, features), float32 or float64
    y : ndarray of shape (rows,) or None
        int64 for classes and whole numbers, otherwise the dtype of `X`; None when no target was asked for.
    columns : tuple of str
        Names of the columns of `X` ("0", "1", ... in a file without a header).
    classes : tuple of str or None
        For a target of words, the word behind each code in `y`, sorted; otherwise None.
    """

    X: Array
    y: Array | None
    columns: tuple[str, ...]
    classes: tuple[str, ...] | None


def load_csv(
    path: PathLike,
    target: str | int | None = None,
    *,
    header: bool | None = None,
    delimiter: str | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> Table:
    """Read a table of numbers with, optionally, one target column.

    Parameters
    ----------
    path : str or path
        UTF-8 text, one row a line, the same number of cells in each; blank lines are skipped.
    target : str, int or None
        The column to predict: its name in the header, or its index (-1 is the last). A name goes first.
    header : bool or None
        Whether the first line holds names. None: it does if one of its cells is not a number while the cell
        below it is, or if `target` is a word that it holds.
    delimiter : str or None
        None: the commonest of comma, semicolon and tab in the first line.
    dtype : float32 or float64
        Of the features and of a real-valued target.

    Returns
    -------
    Table
        The named tuple (X, y, columns, classes). A target of words becomes int64 codes in sorted order, and
        `classes` says which word each code stands for.

    Raises
    ------
    ValueError
        If a feature is not a finite number, a row has another length than the first, the target is not a
        column or the file has no rows; the message says where.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "iris.csv"
    >>> _ = path.write_text("length,width,kind\\n5.1,3.5,setosa\\n7.0,3.2,versicolor\\n")
    >>> X, y, columns, classes = load_csv(path, target="kind")
    >>> X.shape, y.tolist(), columns, classes
    ((2, 2), [0, 1], ('length', 'width'), ('setosa', 'versicolor'))
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return _read_csv(lines, path.name, target, header, delimiter, validation.as_dtype(dtype))
    except UnicodeDecodeError as error:
        raise ValueError(f"path {path.name!r} is not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise ValueError(f"path {path.name!r} is not a CSV file ({error})") from error


def _read_csv(
    lines: TextIO,
    file: str,
    target: str | int | None,
    header: bool | None,
    delimiter: str | None,
    dtype: np.dtype[Any],
) -> Table:
    first_line = lines.readline()
    lines.seek(0)
    delimiter = delimiter or max(",;\t", key=first_line.count)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows = (row for row in reader if row)
    first, second = next(rows, None), next(rows, None)
    if first is None:
        raise ValueError(f"path {file!r} is empty, expected rows of numbers")
    if header is None:
        header = _has_header(first, second, target)
    names = tuple(cell.strip() for cell in first) if header else tuple(str(i) for i in range(len(first)))
    column = _target_column(file, names, target, header)
    body = chain(([] if header else [first]), ([] if second is None else [second]), rows)
    values, cells = _parse_rows(body, reader, file, names, column)
    width = len(names) - (column is not None)
    if width == 0:
        raise ValueError(f"path {file!r} has no column beside the target {names[column or 0]!r}")
    if not values:
        raise ValueError(f"path {file!r} has no rows below its header")
    flat = np.frombuffer(values, dtype=np.float64)
    X = _rounded(flat, dtype).reshape(-1, width)
    if not np.isfinite(X).all():
        position = int(np.argmin(np.isfinite(X)))
        _refuse_cell(file, position, names, column, f"is {flat[position]:g}, which {dtype} cannot hold")
    if column is None:
        return Table(X, None, names, None)
    y, classes = _parse_target(file, names[column], cells, dtype)
    return Table(X, y, names[:column] + names[column + 1 :], classes)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _has_header(first: Sequence[str], second: Sequence[str] | None, target: str | int | None) -> bool:
    if isinstance(target, str) and not _is_number(target) and target in map(str.strip, first):
        return True
    if second is None:
        return not any(map(_is_number, first))
    return any(not _is_number(a) and _is_number(b) for a, b in zip(first, second, strict=False))


def _target_column(file: str, names: tuple[str, ...], target: str | int | None, header: bool) -> int | None:
    if target is None:
        return None
    if isinstance(target, str) and header and target in names:
        if names.count(target) > 1:
            raise ValueError(f"target {target!r} is the name of several columns of {file!r}")
        return names.index(target)
    try:
        index = int(target)
    except ValueError:
        known = (
            f"one of {listed(names)}" if header else f"an index below {len(names)}, for want of a header"
        )
        raise ValueError(f"target {target!r} is not a column of {file!r}, expected {known}") from None
    if not -len(names) <= index < len(names):
        raise ValueError(f"target {target!r} is not a column of {file!r}, which has {len(names)} columns")
    return index % len(names)


def _parse_rows(
    rows: Iterator[list[str]], reader: Any, file: str, names: Sequence[str], column: int | None
) -> tuple[array[float], list[str]]:
    """The features of all rows, one after the other, and the target's cells as text."""
    values: array[float] = array("d")
    cells: list[str] = []
    for row in rows:
        if len(row) != len(names):
            raise ValueError(f"path {file!r} line {reader.line_num} has {len(row)} cells, not {len(names)}")
        if column is not None:
            cells.append(row.pop(column))
        try:
            values.extend(map(float, row))
        except ValueError:
            _refuse_cell(file, len(values), names, column)
    # A sum is finite only if every term is; overflow of finite terms is settled by the exact test.
    if not math.isfinite(sum(values)) and not np.isfinite(flat := np.frombuffer(values)).all():
        _refuse_cell(file, int(np.argmin(np.isfinite(flat))), names, column)
    return values, cells


def _rounded(numbers: Array, dtype: np.dtype[Any]) -> Array:
    """The numbers as the dtype has them; infinite where it cannot hold them."""
    with np.errstate(over="ignore"):
        return numbers.astype(dtype)


def _refuse_cell(
    file: str, position: int, names: Sequence[str], column: int | None, why: str = "is not a finite number"
) -> NoReturn:
    kept = [name for index, name in enumerate(names) if index != column]
    row, feature = divmod(position, len(kept))
    raise ValueError(f"path {file!r} row {row + 1}, column {kept[feature]!r} {why}")


def _parse_target(
    file: str, name: str, cells: list[str], dtype: np.dtype
) -> tuple[Array, tuple[str, ...] | None]:
    try:
        numbers = np.array([float(cell) for cell in cells])
    except ValueError:
        words = [cell.strip() for cell in cells]
        if not all(words):
            row = words.index("") + 1
            raise ValueError(f"path {file!r} row {row} is empty in the target column {name!r}") from None
        classes = sorted(set(words))
        codes = {word: code for code, word in enumerate(classes)}
        return np.array([codes[word] for word in words], dtype=np.int64), tuple(classes)
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers))) + 1
        raise ValueError(f"path {file!r} row {row}, target column {name!r} is not a finite number")
    if (numbers == np.rint(numbers)).all() and np.abs(numbers).max() < 2**53:
        return numbers.astype(np.int64), None
    y = _rounded(numbers, dtype)
    if not np.isfinite(y).all():
        row = int(np.argmin(np.isfinite(y)))
        came = f"is {numbers[row]:g}, which {dtype} cannot hold"
        raise ValueError(f"path {file!r} row {row + 1}, target column {name!r} {came}")
    return y, None
