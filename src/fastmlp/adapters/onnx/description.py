"""A network's layers as JSON in a model's metadata: of dropout and initializers a graph tells nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import layers as descriptions
from ... import registry, validation
from ...layers import Dense, Dropout, Layer, Rescaling, Standardize
from ...network import Network
from .expressions import TOLERANCE

KEY = "fastmlp"
_SEED = 0  # of networks from elsewhere: training them gives the same weights every time


def text(net: Network) -> str:
    """JSON of the layers and the seed."""
    layers = [descriptions.to_config(layer) for layer in net.layers]
    return json.dumps({"layers": layers, "seed": net.seed}, allow_nan=False)


def restored(model: Any, n_in: int, layers: Sequence[Layer], dtype: np.dtype[Any]) -> tuple[list[Layer], int]:
    """The layers and the seed of the metadata, if they describe what the graph computes; else the graph's.

    A graph may have been changed since it was saved, and what it computes is what counts.
    """
    told = [item.value for item in model.metadata_props if item.key == KEY]
    try:
        saved = json.loads(told[-1])
        described = [descriptions.from_config(item) for item in saved["layers"]]
        descriptions.check(described)
        seed = validation.integer(saved["seed"], "seed", 0, 2**64 - 1)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        return list(layers), _SEED
    computing = [layer for layer in described if not isinstance(layer, Dropout)]
    found = [layer for layer in layers if not isinstance(layer, Dropout)]
    if len(computing) != len(found) or not all(
        _agree(a, b, n_in, dtype) for a, b in zip(computing, found, strict=True)
    ):
        return list(layers), _SEED
    return described, seed


def _agree(told: Layer, found: Layer, n_in: int, dtype: np.dtype[Any]) -> bool:
    """Whether two layers compute the same, given the same weights."""
    if isinstance(told, (Rescaling, Standardize)) and isinstance(found, (Rescaling, Standardize)):
        pairs = zip(told.shift_and_divisor(n_in), found.shift_and_divisor(n_in), strict=True)
        return all(bool((a.astype(dtype) == b.astype(dtype)).all()) for a, b in pairs)
    if isinstance(told, Dense) and isinstance(found, Dense):
        name, parameter = registry.resolve_activation(told.activation)
        other, close = registry.resolve_activation(found.activation)
        near = abs(parameter - close) <= TOLERANCE * abs(parameter)
        return (told.units, told.use_bias, name) == (found.units, found.use_bias, other) and near
    return False
