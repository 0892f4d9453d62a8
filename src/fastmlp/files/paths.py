"""What callers give as a path."""

from __future__ import annotations

import os

from ..errors import listed


def checked(path: str | bytes | os.PathLike[str], suffixes: tuple[str, ...]) -> str:
    """The path as text; TypeError if it is none, ValueError if its end is none of the suffixes.

    >>> checked("net.npz", (".npz", ".safetensors"))
    'net.npz'
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path is a {type(path).__name__}, expected a str or a path") from None
    if not text.endswith(suffixes):
        raise ValueError(f"path is {text!r}, expected a name that ends with {listed(suffixes)}")
    return text
