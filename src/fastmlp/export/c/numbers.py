"""Numbers of NumPy's in C, exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..steps import Array


def c_number(value: Any) -> str:
    """One number."""
    return next(_words(np.asarray(value)))


def _words(array: Array) -> Iterator[str]:
    """The elements in C: integers, or hexadecimal numbers of the array's dtype."""
    if array.dtype.kind == "i":
        yield from map(str, array.ravel().tolist())
        return
    suffix = "f" if array.dtype == np.float32 else ""
    for value in array.ravel().tolist():
        if not math.isfinite(value):
            yield "NAN" if math.isnan(value) else "-INFINITY" if value < 0 else "INFINITY"
            continue
        mantissa, _, exponent = value.hex().partition("p")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        yield f"{mantissa}p{exponent}{suffix}"


def c_array(name: str, array: Array) -> str:
    """A definition with all elements, row by row."""
    kind = {"float32": "float", "float64": "double", "int8": "int8_t", "int64": "int"}[array.dtype.name]
    sizes = " * ".join(map(str, array.shape))
    return f"static const {kind} {name}[{sizes}] = {{\n{_wrapped(_words(array))}}};\n"


def c_string(text: str) -> str:
    """A literal; what is not ASCII as the octal numbers of its UTF-8 bytes."""
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8")
    )
    return f'"{"".join(plain)}"'


def _wrapped(words: Iterable[str], width: int = 100) -> str:
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > width:
            lines.append(line + "\n")
            line = "   "
        line += f" {word},"
    return "".join([*lines, line + "\n"])
