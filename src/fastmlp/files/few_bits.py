"""Weights in few bits, as files have them: int8 with a scale for each column, bfloat16 as its 16 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]

SCALE = ".scale"  # what the name of a scale ends with
_DTYPES: dict[str, np.dtype[Any]] = {"int8": np.dtype(np.int8), "bf16": np.dtype(np.uint16)}


def written(arrays: Mapping[str, Array], storages: Mapping[str, str]) -> dict[str, Array]:
    """The arrays, float32, of a network, where `storages` says of some how they are stored."""
    from ..reference.storage import int8_columns

    found: dict[str, Array] = {}
    for name, array in arrays.items():
        storage = storages.get(name)
        if storage == "int8":
            found[name], found[name + SCALE] = int8_columns(array)
        elif storage == "bf16":
            found[name] = (array.view(np.uint32) >> 16).astype(np.uint16)
        else:
            found[name] = array
    return found


def expected(
    shapes: Shapes, dtype: np.dtype[Any], storages: Mapping[str, str]
) -> tuple[Shapes, dict[str, np.dtype[Any]]]:
    """The shapes and dtypes of what `written` makes of such arrays, of `dtype` in the network."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        found[name] = shape
        if storages.get(name) == "int8":
            found[name + SCALE] = shape[1:]
    stored = {name: _DTYPES[storage] for name, storage in storages.items()}
    return found, dict.fromkeys(found, dtype) | stored


def read(arrays: Mapping[str, Array], storages: Mapping[str, str]) -> dict[str, Array]:
    """The arrays of the network again."""
    found = dict(arrays)
    for name, storage in storages.items():
        if storage == "int8":
            found[name] = arrays[name] * found.pop(name + SCALE)
        else:
            found[name] = (arrays[name].astype(np.uint32) << 16).view(np.float32)
    return found
