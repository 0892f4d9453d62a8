"""Tensors of a file as arrays; sizes are compared with the bytes that are there before anything is made."""

from __future__ import annotations

import math
import os
import stat
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .nodes import Array, text

# TensorProto.DataType -> its name, the dtype in a file, and the field that holds numbers that are no raw_data
DTYPES = {
    1: ("FLOAT", "<f4", "float_data"),
    6: ("INT32", "<i4", "int32_data"),
    7: ("INT64", "<i8", "int64_data"),
    11: ("DOUBLE", "<f8", "double_data"),
}
FLOATS = (1, 11)
_MAX_RANK = 8
# A link could lead out of the folder, and opening a pipe could wait for ever.
_FLAGS = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _FLAGS |= getattr(os, _flag, 0)
# One tensor may serve several layers, but not so many that a small file makes a huge network.
_SHARING = 8
_SMALL = 1 << 26


class Reader:
    """Makes arrays of tensors, and adds up what it has made.

    Parameters
    ----------
    folder : str or None
        Where tensors outside the file lie; None refuses them.
    size : int
        Bytes of the model's file.
    """

    def __init__(self, folder: str | None, size: int) -> None:
        self.folder = folder
        self.size = size
        self.used = 0
        self._files: set[str] = set()

    def array(self, tensor: Any) -> Array:
        """The array of a TensorProto: float32, float64, int32 or int64."""
        name = text(tensor.name) or "a constant"
        if tensor.data_type not in DTYPES:
            known = listed(f"{kind} ({number})" for number, (kind, *_) in DTYPES.items())
            raise ModelFileError(
                f"holds tensor {name!r} of data type {tensor.data_type}, expected one of {known}"
            )
        _, code, field = DTYPES[tensor.data_type]
        shape, dtype = tuple(tensor.dims), np.dtype(code)
        if len(shape) > _MAX_RANK or any(length < 0 for length in shape):
            raise ModelFileError(
                f"holds tensor {name!r} of shape {shape[:_MAX_RANK]}, expected at most {_MAX_RANK} lengths"
            )
        nbytes = math.prod(shape) * dtype.itemsize
        data = tensor.raw_data
        if tensor.data_location == 1:
            data = self._external(tensor, name, nbytes)
        elif not data:
            data = np.array(getattr(tensor, field), dtype).data
        if memoryview(data).nbytes != nbytes:
            came = f"of shape {shape} in {memoryview(data).nbytes} bytes"
            raise ModelFileError(f"holds tensor {name!r} {came}, expected {nbytes}")
        return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)

    def _external(self, tensor: Any, name: str, nbytes: int) -> bytes:
        """The bytes of a tensor in another file, which must be a plain one in the model's own folder."""
        entries = {text(entry.key): text(entry.value) for entry in tensor.external_data}
        location = entries.get("location", "")
        where = f"keeps tensor {name!r} in {location[:200]!r}"
        if self.folder is None or location in ("", ".", "..") or set(location) & set("/\\:\0"):
            raise ModelFileError(f"{where}, expected a file in the model's own folder")
        offset = _whole(entries.get("offset", "0"), where)
        length = _whole(entries.get("length", str(nbytes)), where)
        if length != nbytes:
            raise ModelFileError(f"{where} with {length} bytes, expected {nbytes}")
        try:
            descriptor = os.open(os.path.join(self.folder, location), _FLAGS)
        except OSError as error:
            raise ModelFileError(f"{where}, which cannot be read: {error.strerror}") from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or offset + nbytes > status.st_size:
                came = f"from byte {offset} on, which has {status.st_size}"
                raise ModelFileError(f"{where} {came}, expected {nbytes} more")
            if location not in self._files:
                self._files.add(location)
                self.size += status.st_size
            self.use(nbytes)
            with open(descriptor, "rb", closefd=False) as file:
                file.seek(offset)
                return file.read(nbytes)
        finally:
            os.close(descriptor)

    def use(self, nbytes: int) -> None:
        """Counts bytes that are about to be allocated, and refuses more than the files can need."""
        self.used += nbytes
        if self.used > max(_SMALL, _SHARING * self.size):
            came = f"has {self.size} bytes for {self.used} bytes of parameters"
            raise ModelFileError(f"{came}, expected at most {_SHARING} times as many")


def _whole(digits: str, where: str) -> int:
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        raise ModelFileError(f"{where} at {digits[:20]!r}, expected a number of bytes")
    return int(digits)
