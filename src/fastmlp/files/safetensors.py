"""Model files as safetensors, which many frameworks and languages read.

A file is the length of a table, the table, and the arrays one after the other.  The table, JSON, says of each
array its dtype, its shape and where its bytes are, and has room for strings by name, ``__metadata__``.  Ours
are "format" and "version"; "model", the JSON that every fastmlp model has; and "sha256" over it and the
arrays, since the format itself has no checksum.  The format: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from ..errors import ModelFileError
from .parts import parts, read_into

Array = np.ndarray[Any, Any]

INDENT: int | None = None
_KINDS = {"float32": "F32", "float64": "F64", "int8": "I8", "uint16": "BF16"}  # 16 bits are bfloat16's
_METADATA = "__metadata__"
_DAMAGED = "is truncated, damaged or not a safetensors file"


def write(file: IO[bytes], header: str, arrays: Mapping[str, Array]) -> None:
    """The table and the arrays in the order of their names, as the format's own library lays them out."""
    fields = json.loads(header)
    table: dict[str, Any] = {
        _METADATA: {
            "format": fields["format"],
            "version": str(fields["version"]),
            "model": header,
            "sha256": _digest(header.encode(), arrays),
        }
    }
    names = sorted(arrays)
    end = 0
    for name in names:
        array = arrays[name]
        begin, end = end, end + array.nbytes
        table[name] = {
            "dtype": _KINDS[array.dtype.name], "shape": array.shape, "data_offsets": (begin, end),
        }  # fmt: skip
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the arrays stay aligned
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        for part in _content(arrays[name]):
            file.write(part)


def _content(array: Array) -> Iterator[memoryview]:
    """The little-endian bytes of an array."""
    return parts(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))


def _digest(header: bytes, arrays: Mapping[str, Array]) -> str:
    """SHA-256 of the header, and of each array's name, shape and little-endian bytes, in order."""
    digest = hashlib.sha256(header)
    for name, array in arrays.items():
        digest.update(f"\n{name} {array.shape}\n".encode())
        for part in _content(array):
            digest.update(part)
    return digest.hexdigest()


@contextmanager
def opened(file: IO[bytes], size: int) -> Iterator[SafetensorsReader]:
    """A reader; ModelFileError where the file is too short for the table it claims."""
    table_size = int.from_bytes(file.read(8), "little")
    if size < 8 or table_size > size - 8:
        raise ModelFileError(_DAMAGED)
    yield SafetensorsReader(file, table_size, size - 8 - table_size)


class SafetensorsReader:
    """An open model file; see `format.Reader`."""

    def __init__(self, file: IO[bytes], table_size: int, data_size: int) -> None:
        self._file = file
        self._table_size = table_size
        self._data_size = data_size
        self._table: dict[str, Any] = {}
        self._header = b""
        self._sha256 = ""

    def header(self, limit: int) -> bytes:
        """Our JSON among the metadata; the table around it may be twice as long as `limit`."""
        # Before it is taken apart: its quotes are escaped, and the arrays have lines of their own.
        if self._table_size > 2 * limit:
            raise ModelFileError(f"has a table of {self._table_size} bytes, expected at most {2 * limit}")
        self._table = _parsed_table(self._file.read(self._table_size))
        metadata = self._table.pop(_METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ModelFileError(f"{_DAMAGED}: its metadata are not strings")
        for key in ("model", "sha256"):
            if key not in metadata:
                raise ModelFileError(
                    f"is a safetensors file but not a fastmlp model: it has no metadata {key!r}"
                )
        self._header, self._sha256 = metadata["model"].encode(), metadata["sha256"]
        return self._header

    def arrays(
        self, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, np.dtype[Any]]
    ) -> dict[str, Array]:
        """The arrays, read once the table has been checked, and given out once the checksum has."""
        names = self._checked_order(shapes, dtypes)
        arrays: dict[str, Array] = dict.fromkeys(shapes, np.empty(0))
        for name in names:
            little = np.empty(shapes[name], dtypes[name].newbyteorder("<"))
            read_into(little, self._file, _DAMAGED)
            arrays[name] = little.astype(dtypes[name], copy=False)
        if _digest(self._header, arrays) != self._sha256:
            raise ModelFileError("is damaged: its metadata and arrays are not those of its checksum")
        return arrays

    def _checked_order(
        self, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, np.dtype[Any]]
    ) -> list[str]:
        """The names as their bytes follow each other, once the table has said what is expected, no more."""
        for name, shape in shapes.items():
            expected = _KINDS[dtypes[name].name]
            if name not in self._table:
                raise ModelFileError(f"lacks the array {name}")
            entry = self._table[name]
            if not isinstance(entry, dict):
                raise ModelFileError(f"{_DAMAGED}: its entry for {name} is no object")
            given, kind = entry.get("shape"), entry.get("dtype")
            if (given, kind) != (list(shape), expected):
                came = tuple(given) if isinstance(given, list) else given
                came = f"holds {name} of shape {came!r:.60} and dtype {kind!r:.60}"
                raise ModelFileError(f"{came}, expected {shape} and {expected!r}")
        for name in sorted(set(self._table) - set(shapes)):
            raise ModelFileError(f"holds {name!r:.60}, expected only the arrays of its layers")
        return self._order({name: math.prod(shape) * dtypes[name].itemsize for name, shape in shapes.items()})

    def _order(self, sizes: Mapping[str, int]) -> list[str]:
        """The names by their place; an array's bytes begin where another's end, and all are somebody's."""
        places = {}
        for name in sizes:
            begin_end = self._table[name].get("data_offsets")
            if not isinstance(begin_end, list) or [type(place) for place in begin_end] != [int, int]:
                raise ModelFileError(f"{_DAMAGED}: its entry for {name} has no two offsets")
            places[name] = begin_end
        names = sorted(places, key=places.__getitem__)
        end = 0
        for name in names:
            begin, end = end, end + sizes[name]
            if places[name] != [begin, end]:
                raise ModelFileError(f"{_DAMAGED}: {name} is not where its table says")
        if end != self._data_size:
            raise ModelFileError(f"{_DAMAGED}: it holds {self._data_size} bytes of arrays, expected {end}")
        return names


def _parsed_table(text: bytes) -> dict[str, Any]:
    try:
        table = json.loads(text.decode("utf-8"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{_DAMAGED}: {error}") from None
    if not isinstance(table, dict):
        raise ModelFileError(f"{_DAMAGED}: its table is no object")
    return table


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict; ValueError if a name is there twice, as readers do not agree which of them counts."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("its table has a name twice")
    return fields
