"""A file of a table, of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import binary, layout, text, values
from .options import Reading, Source


def read(
    path: Path, options: Reading | None = None, known: tuple[str, ...] = (), where: str = "--data"
) -> Source:
    """A CSV, TSV, Parquet, Feather or Excel file; text may be packed by gzip, bzip2, xz or zip.

    Parameters
    ----------
    path : Path
    options : Reading
        What is not to be guessed.
    known : tuple of str
        Names of columns that are looked for: a first line that holds one holds names.
    where : str
        The argument that names the file, for errors.

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        If the file is not there, a package for it is missing, or it is damaged; with line, column and text.
    """
    options = options or Reading()
    if not path.exists():
        raise FileNotFoundError(f"{where} is {str(path)!r}, expected a file or a folder, which is not there")
    kind = binary.kind_of(path)
    if kind is None:
        found = text.read(path, options)
    elif kind == "an Excel file":
        found = binary.read_excel(path, options)
    else:
        return binary.read_columns(path, kind)
    return values.converted(layout.named(found, options, known), options)


def names(frame: Any) -> list[str]:
    """Of the columns."""
    return [str(name) for name in frame.columns]
