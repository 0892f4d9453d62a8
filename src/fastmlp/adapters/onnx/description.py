"""A network's layers as JSON in a model's metadata: of dropout and initializers a graph tells nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import validation
from ...layers import Layer, chain
from ...layers.lowering import input_vectors, nodes_of
from ...network import Network

KEY = "fastmlp"
_SEED = 0  # of networks from elsewhere: training them gives the same weights every time
_UNSEEN = {"dropout", "momentum", "trainable", "learning_rate", "weight_decay"}  # in a graph


def text(net: Network) -> str:
    """JSON of the layers and the seed."""
    layers = [layer.to_config() for layer in net.layers]
    return json.dumps({"layers": layers, "seed": net.seed}, allow_nan=False)


def restored(model: Any, found: Sequence[Layer], n_in: int, dtype: np.dtype[Any]) -> tuple[list[Layer], int]:
    """The layers and the seed of the metadata, if they describe what the graph computes; else the graph's.

    A graph may have been changed since it was saved, and what it computes is what counts.
    """
    told = [item.value for item in model.metadata_props if item.key == KEY]
    try:
        saved = json.loads(told[-1])
        described = [chain.from_config(item) for item in saved["layers"]]
        chain.check(described, n_in)
        described = [layer for layer in described if not layer.ends]  # it went into the weights before it
        seed = validation.integer(saved["seed"], "seed", 0, 2**64 - 1)
        if _computing(described, n_in, dtype) == _computing(found, n_in, dtype):
            return described, seed
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        pass
    return list(found), _SEED


def _computing(layers: Sequence[Layer], n_in: int, dtype: np.dtype[Any]) -> list[Any]:
    """What of the layers a graph has, numbers as its float32 attributes and its constants hold them."""
    result: list[Any] = []
    for vector in input_vectors(n_in, layers, dtype):
        result.append(None if vector is None else vector.astype(dtype).tolist())
    for node in nodes_of(n_in, layers):
        seen = {key: value for key, value in node.spec().items() if key not in _UNSEEN}
        result.append({k: np.float32(v) if isinstance(v, float) else v for k, v in seen.items()})
    return result
