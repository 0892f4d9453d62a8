"""Long arrays as bytes in parts, between which Python looks at signals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from ..errors import ModelFileError

PART = 1 << 24  # bytes: some milliseconds of reading, writing or a checksum


def parts(array: np.ndarray[Any, Any]) -> Iterator[memoryview]:
    """The bytes of a C-contiguous array, as they lie.

    >>> [len(part) for part in parts(np.zeros(3))]
    [24]
    """
    content = array.reshape(-1).view(np.uint8).data
    for first in range(0, len(content), PART):
        yield content[first : first + PART]


def read_into(array: np.ndarray[Any, Any], file: IO[bytes], damaged: str) -> None:
    """Fills a C-contiguous array from a file; ModelFileError, with that text, where the file ends before."""
    for part in parts(array):
        if file.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise ModelFileError(damaged)
