"""Model files as safetensors, which many frameworks and languages read.

Their table has room for strings by name, ``__metadata__``.  Ours are "format" and "version"; "model", the
JSON that every fastmlp model has; and "sha256" over it and the arrays, since the format itself has no
checksum.  The format: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from .errors import ModelFileError

Array = np.ndarray[Any, Any]

INDENT: int | None = None
_KINDS = {"float32": "F32", "float64": "F64"}


def _require(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            'safetensors is not installed, expected it for this file: pip install "fastmlp[safetensors]"'
        ) from error


def write(file: IO[bytes], header: str, arrays: Mapping[str, Array]) -> None:
    """The library's file, with our metadata put into its table in an order that is always the same."""
    content = memoryview(_require("safetensors.numpy").save(dict(arrays)))
    end = 8 + int.from_bytes(content[:8], "little")
    fields = json.loads(header)
    # The library would write metadata in the order of a hash map, another one in each process.
    metadata = {
        "format": fields["format"],
        "version": str(fields["version"]),
        "model": header,
        "sha256": _digest(header.encode(), arrays),
    }
    table = {"__metadata__": metadata, **json.loads(bytes(content[8:end]))}
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the arrays stay aligned
    file.write(len(text).to_bytes(8, "little") + text)
    file.write(content[end:])


def _digest(header: bytes, arrays: Mapping[str, Array]) -> str:
    """SHA-256 of the header, and of each array's name, shape and little-endian bytes, in order."""
    digest = hashlib.sha256(header)
    for name, array in arrays.items():
        digest.update(f"\n{name} {array.shape}\n".encode())
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@contextmanager
def opened(path: str) -> Iterator[SafetensorsReader]:
    """A reader; ModelFileError where the library refuses the file, or finds it damaged while it is read."""
    safetensors = _require("safetensors")
    with open(path, "rb") as file:  # first, as an OSError of ours names the file
        size = os.fstat(file.fileno()).st_size
        table_size = int.from_bytes(file.read(8), "little")
    if size < 8 or table_size > size - 8:
        raise ModelFileError("is truncated, damaged or not a safetensors file")
    try:
        yield SafetensorsReader(safetensors, path, table_size)
    except safetensors.SafetensorError as error:
        raise ModelFileError(f"is truncated, damaged or not a safetensors file: {error}") from None


class SafetensorsReader:
    """An open model file; see `serialization.Reader`."""

    def __init__(self, library: Any, path: str, table_size: int) -> None:
        self._library = library
        self._path = path
        self._table_size = table_size
        self._header = b""
        self._sha256 = ""

    def header(self, limit: int) -> bytes:
        """Our JSON among the metadata; the table around it may be twice as long as `limit`."""
        # Before the library takes it apart: its quotes are escaped, and the arrays have lines of their own.
        if self._table_size > 2 * limit:
            raise ModelFileError(f"has a table of {self._table_size} bytes, expected at most {2 * limit}")
        with self._library.safe_open(self._path, framework="numpy") as file:
            metadata = file.metadata() or {}
        for key in ("model", "sha256"):
            if key not in metadata:
                raise ModelFileError(
                    f"is a safetensors file but not a fastmlp model: it has no metadata {key!r}"
                )
        self._header, self._sha256 = metadata["model"].encode(), metadata["sha256"]
        return self._header

    def arrays(self, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> dict[str, Array]:
        """The arrays, read once the table has been checked, and given out once the checksum has."""
        with self._library.safe_open(self._path, framework="numpy") as file:
            _check_table(file, shapes, dtype)
            arrays = {name: file.get_tensor(name) for name in shapes}
        if _digest(self._header, arrays) != self._sha256:
            raise ModelFileError("is damaged: its metadata and arrays are not those of its checksum")
        return arrays


def _check_table(file: Any, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> None:
    """ModelFileError unless the file's own table names these arrays alone, with these shapes and dtype."""
    found = set(file.keys())
    for name, shape in shapes.items():
        if name not in found:
            raise ModelFileError(f"lacks the array {name}")
        entry = file.get_slice(name)
        given, kind = tuple(entry.get_shape()), entry.get_dtype()
        if (given, kind) != (shape, _KINDS[dtype.name]):
            raise ModelFileError(
                f"holds {name} of shape {given} and dtype {kind}, expected {shape} and {_KINDS[dtype.name]}"
            )
    for name in sorted(found - set(shapes)):
        raise ModelFileError(f"holds {name!r}, expected only the arrays of its layers")
