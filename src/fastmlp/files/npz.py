"""Model files as a zip of NumPy arrays and a ``header.json``, which ``numpy.load`` and ``unzip`` can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelFileError
from .parts import read_into

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

Array = np.ndarray[Any, Any]

INDENT: int | None = 1
_HEADER = "header.json"
_DAMAGED = "is truncated, damaged or not a fastmlp model"


def write(file: IO[bytes], header: str, arrays: Mapping[str, Array]) -> None:
    """The zip, uncompressed, with every member under a checksum."""
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(_HEADER), header)
        for name, array in arrays.items():
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes >= 2**30) as member:
                np.lib.format.write_array(member, little, version=(1, 0), allow_pickle=False)


def _member(name: str) -> ZipInfo:
    """A zip entry without the time of day, so that the same network gives the same file."""
    import zipfile

    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


@contextmanager
def opened(file: IO[bytes], size: int) -> Iterator[NpzReader]:
    """A reader; ModelFileError where the file is no zip, or is found damaged while it is read."""
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            yield NpzReader(archive, size)
    except (zipfile.BadZipFile, OSError):  # OSError: a damaged offset, before the file's beginning
        raise ModelFileError(_DAMAGED) from None


class NpzReader:
    """An open model file; see `format.Reader`."""

    def __init__(self, archive: ZipFile, file_size: int) -> None:
        self._archive = archive
        self._file_size = file_size

    def header(self, limit: int) -> bytes:
        """The header's text, at most `limit` bytes."""
        if _HEADER not in self._archive.namelist():
            raise ModelFileError("is a zip file but not a fastmlp model: it has no header.json")
        info = self._archive.getinfo(_HEADER)
        if info.compress_type != 0 or info.file_size > min(self._file_size, limit):
            raise ModelFileError(
                f"has a header of {info.file_size} bytes, expected at most {limit}, uncompressed"
            )
        return self._archive.read(info)

    def arrays(
        self, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, np.dtype[Any]]
    ) -> dict[str, Array]:
        """The arrays, read once all of them have been checked."""
        for name, shape in shapes.items():
            self._check_member(name, shape, dtypes[name])
        return {name: self._read_member(name, shape, dtypes[name]) for name, shape in shapes.items()}

    def _check_member(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Whether the zip's and the array's own header say what is expected."""
        try:
            info = self._archive.getinfo(f"{name}.npy")
        except KeyError:
            raise ModelFileError(f"lacks the array {name}") from None
        size = dtype.itemsize
        for length in shape:
            size *= length
        # Stored, not compressed: then no array can be larger than the file.
        if info.compress_type != 0 or not size < info.file_size <= min(size + 10_000, self._file_size):
            raise ModelFileError(
                f"has {info.file_size} bytes for {name}, expected {size} and a header, uncompressed"
            )
        with self._archive.open(info) as member:
            found, fortran_order, kind = _array_header(member)
            length = member.tell()
        if found != shape or fortran_order or kind != dtype.newbyteorder("<"):
            raise ModelFileError(
                f"holds {name} of shape {found} and dtype {kind}, expected {shape} and {dtype}"
            )
        if info.file_size != length + size:
            raise ModelFileError(f"has {info.file_size} bytes for {name}, expected {length + size}")

    def _read_member(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        little = np.empty(shape, dtype.newbyteorder("<"))
        with self._archive.open(f"{name}.npy") as member:
            _array_header(member)
            read_into(little, member, _DAMAGED)
            member.read()  # to the end, where the checksum is looked at
        return little.astype(dtype, copy=False)


def _array_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ModelFileError(f"holds an array of .npy version {version}, expected (1, 0)")
    return np.lib.format.read_array_header_1_0(member)
