"""Reading no more than a file is allowed to hold, whatever it claims."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]

MAX_BYTES = 1 << 30  # that a packed file may unpack to, unless the caller says otherwise
_CHUNK = 1 << 20


class Stream(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def read_exactly(stream: Stream, size: int) -> bytearray:
    """Up to `size` bytes, in steps, so that memory follows the file's true length."""
    body = bytearray()
    while len(body) < size:
        chunk = stream.read(min(_CHUNK, size - len(body)))
        if not chunk:
            break
        body += chunk
    return body
