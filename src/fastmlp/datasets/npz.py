"""Arrays from NumPy's ``.npz`` files, which are zip files of ``.npy`` files."""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from .. import validation
from ..errors import listed, said
from .bounded import MAX_BYTES, Array, PathLike, read_exactly

_NAMES = {"x": "X", "x_train": "X", "y": "y", "y_train": "y", "x_test": "X_test", "y_test": "y_test"}
_MOST_HEADER_BYTES = 12 + 10_000  # of one array, as NumPy reads them
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npz(path: PathLike, *, max_bytes: int = MAX_BYTES) -> dict[str, Array]:
    """Read the arrays of an ``.npz`` file; pickled objects are refused.

    Parameters
    ----------
    path : str or path
    max_bytes : int
        The most memory that the arrays may take together, 1 GiB unless given. What is stored uncompressed may
        always take as much as the file has.

    Returns
    -------
    dict
        With "X", and where the file has them "y", "X_test" and "y_test". The spellings "x", "x_train",
        "X_train" and "y_train" are understood as well.

    Raises
    ------
    ValueError
        If the file is not a readable ``.npz``, has no "X" or one array under two spellings, or unpacks to
        more than `max_bytes`, which is found before anything is unpacked.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "data.npz"
    >>> np.savez(path, X=np.zeros((3, 2)), y=np.arange(3))
    >>> sorted(load_npz(path))
    ['X', 'y']
    """
    path = Path(path)
    limit = validation.integer(max_bytes, "max_bytes", 1)
    with path.open("rb") as file:
        limit = max(limit, os.fstat(file.fileno()).st_size)
        try:
            archive = zipfile.ZipFile(file)
        except Exception as error:  # BadZipFile, NotImplementedError, ValueError ...: whatever damage does
            raise ValueError(_unreadable(path, error)) from error
        arrays = {}
        for name, info in _members(archive, path, limit).items():
            try:
                arrays[name] = _read_array(archive, info)
            except MemoryError:
                raise
            except Exception as error:  # the same, of zlib and NumPy too
                raise ValueError(_unreadable(path, error, info.filename)) from error
    return arrays


def _unreadable(path: Path, error: Exception, member: str | None = None) -> str:
    where = "" if member is None else f"array {_key(member)!r}: "
    return f"path {path.name!r} is not a readable .npz of plain arrays ({where}{said(error)})"


def _key(member: str) -> str:
    return member.removesuffix(".npy")


def _members(archive: zipfile.ZipFile, path: Path, limit: int) -> dict[str, zipfile.ZipInfo]:
    """The arrays to read by their names; all must fit into the limit as the zip states their sizes."""
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in archive.infolist():
        name = _NAMES.get(_key(info.filename).lower())
        if name is None:
            continue
        if name in found:
            both = f"{_key(found[name].filename)!r} and {_key(info.filename)!r}"
            raise ValueError(f"path {path.name!r} holds {both}, expected one array for {name}")
        found[name] = info
        total += info.file_size
        if total > limit:
            came = f"unpacks to {total} bytes up to its array {_key(info.filename)!r}"
            raise ValueError(f"path {path.name!r} {came}, expected at most max_bytes={limit}")
    if "X" not in found:
        names = listed(map(_key, archive.namelist())) or "nothing"
        raise ValueError(f'path {path.name!r} holds {names}, expected arrays named "X" and "y"')
    return found


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    """One array; its header and its length must say the same, and the zip's checksum be right."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its compression is {info.compress_type}, expected none or deflate")
    with archive.open(info) as member:
        start = member.read(_MOST_HEADER_BYTES)
        shape, fortran_order, dtype, begin = _array_header(io.BytesIO(start))
        size = math.prod(shape) * dtype.itemsize
        if size != info.file_size - begin:
            held = info.file_size - begin
            raise ValueError(f"its header states {size} bytes for the shape {shape}, the file holds {held}")
        body = bytearray(start[begin:])
        body += read_exactly(member, size - len(body))
        if len(body) < size:  # at the end, after which nothing follows, the zip's checksum was looked at
            raise ValueError(f"it holds {len(body)} bytes, its header states {size}")
    return np.ndarray(shape, dtype, body, order="F" if fortran_order else "C")


def _array_header(start: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order and dtype of an array, and where its numbers begin."""
    version = np.lib.format.read_magic(start)
    if version not in _HEADERS:
        raise ValueError(f"its version is {version}, expected (1, 0) or (2, 0)")
    shape, fortran_order, dtype = _HEADERS[version](start)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if dtype.itemsize == 0:
        raise ValueError(f"its dtype is {dtype}, which has no bytes")
    return shape, fortran_order, dtype, start.tell()
