"""Parquet, Feather and Excel files, which say themselves what their cells are."""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path
from typing import Any

from ...optional import require
from .layout import HEAD, Grid, title_rows
from .options import Reading, Source

_MAGIC = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"PK\x03\x04": "an Excel file",
    b"\xd0\xcf\x11\xe0": "an Excel file",
}


def kind_of(path: Path) -> str | None:
    """What a file is by its first bytes; None is text."""
    with path.open("rb") as file:
        start = file.read(6)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    return None if start.startswith(b"PK") and _packs_a_file(path) else kind


def _packs_a_file(path: Path) -> bool:
    """Whether an archive is no workbook, whose parts it would name."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not {"[Content_Types].xml", "mimetype"}.intersection(archive.namelist())
    except zipfile.BadZipFile:
        return not path.suffix.lower().startswith((".xls", ".ods"))


def _need(package: str, path: Path, kind: str) -> None:
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"{path.name!r} is {kind}, which needs {package}: pip install {package}") from error


def read_columns(path: Path, kind: str) -> Source:
    """A Parquet or Feather file."""
    pandas = require("pandas", "tabular")
    _need("pyarrow", path, kind)
    try:
        frame = pandas.read_parquet(path) if kind == "a Parquet file" else pandas.read_feather(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name!r} is not a readable {kind[2:]} ({error})") from error
    if frame.index.names != [None]:
        frame = frame.reset_index()
    if not len(frame):
        raise ValueError(f"{path.name!r} has no rows")
    frame.index = range(1, len(frame) + 1)
    frame.columns = [str(name) for name in frame.columns]
    return Source(path.name, frame, "row")


def read_excel(path: Path, options: Reading) -> Grid:
    """One sheet."""
    pandas = require("pandas", "tabular")
    _need("xlrd" if path.suffix == ".xls" else "openpyxl", path, "an Excel file")
    try:
        book = pandas.ExcelFile(path)
    except Exception as error:  # zip, XML and openpyxl have errors of their own
        raise ValueError(f"{path.name!r} is not a readable Excel file ({error})") from error
    with book:
        names = [str(name) for name in book.sheet_names]
        sheet = names[0] if options.sheet is None else options.sheet
        if sheet not in names:
            raise ValueError(f"--sheet is {sheet!r}, expected one of {', '.join(names)}")
        cells = pandas.read_excel(
            book, sheet_name=sheet, header=None, dtype=object, skiprows=options.skip_rows or 0
        )
    notes = [] if len(names) == 1 or options.sheet else [f"sheet {sheet!r} of {len(names)} (--sheet sets it)"]
    return _grid(path.name, cells, options, notes)


def _grid(file: str, cells: Any, options: Reading, notes: list[str]) -> Grid:
    """The cells without what stands above them, and without empty rows."""
    cells.index = range((options.skip_rows or 0) + 1, (options.skip_rows or 0) + len(cells) + 1)
    cells = cells[cells.notna().any(axis=1)]
    if not len(cells):
        raise ValueError(f"{file!r} is empty, expected rows of cells")
    titles = title_rows(_words(cells)) if options.skip_rows is None else 0
    if titles:
        notes.append(f"row {cells.index[titles - 1]} is taken for a title (--skip-rows 0 takes it for names)")
    cells = cells.iloc[titles:].copy()
    cells.columns = range(cells.shape[1])
    return Grid(file, "row", cells, _words(cells), cells.shape[1], notes)


def _words(cells: Any) -> list[list[str]]:
    return [
        ["" if cell is None or cell != cell else str(cell).strip() for cell in row]
        for row in cells.head(HEAD).itertuples(index=False)
    ]
