"""The layers of a foreign network in order, each with its arrays and its place, and the Network they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import registry
from ...layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Layer,
    LayerNormalization,
    Rescaling,
    Standardize,
)
from ...network import Network

Array = np.ndarray[Any, Any]

# f(c x) = c f(x) for c >= 0, so that dropout before f is dropout after it.
_HOMOGENEOUS = ("relu", "leaky_relu")


@dataclass(frozen=True)
class Part:
    """One layer.

    Attributes
    ----------
    path : str
        Where it stands, for messages: "module.net.2".
    layer : Layer
    arrays : tuple of ndarray
        As `Network.get_weights` has them: W (n_in, n_out) and b of `Dense`; gamma, beta, mean and variance,
        (n,) each, of `BatchNormalization`; gamma and beta of `LayerNormalization`.
    """

    path: str
    layer: Layer
    arrays: tuple[Array, ...] = ()


def network(
    parts: Sequence[Part], *, n_in: int | None, dtype: str, fold: bool, seed: int | None, argument: str
) -> Network:
    """The Network of the parts; `argument` names the whole in messages."""
    if not any(isinstance(part.layer, Dense) for part in parts):
        raise ValueError(f"{argument} has no Linear layer, expected one or more")
    width = _check_widths(parts, n_in)
    parts = _dropout_after_activation(parts)
    _check_order(parts)
    parts = _merged(parts)
    layers = [part.layer for part in parts]
    net = Network([width, *layers], dtype=dtype, seed=seed)
    net.set_weights([array for part in parts for array in part.arrays])
    return net.folded() if fold and any(isinstance(layer, BatchNormalization) for layer in layers) else net


def _check_widths(parts: Sequence[Part], n_in: int | None) -> int:
    """The width of the input, once every part fits the one before."""
    first = width = n_in
    before = "n_in"
    for part in parts:
        needed = _input_width(part)
        if needed is None:
            continue
        if width not in (None, needed):
            raise ValueError(f"{part.path} takes {needed} inputs, expected the {width} of {before}")
        first = needed if first is None else first
        width, before = needed, part.path
        if isinstance(part.layer, Dense):
            width = part.layer.units
    assert first is not None
    return first


def _input_width(part: Part) -> int | None:
    if isinstance(part.layer, (Dense, BatchNormalization, LayerNormalization)):
        return len(part.arrays[0])
    return len(part.layer.mean) if isinstance(part.layer, Standardize) else None


def _dropout_after_activation(parts: Sequence[Part]) -> list[Part]:
    """Dropout directly before an activation goes behind it, where that makes no difference."""
    result = list(parts)
    for i in range(1, len(result)):
        before, part = result[i - 1], result[i]
        if isinstance(before.layer, Dropout) and isinstance(part.layer, Activation):
            name = registry.resolve_activation(part.layer.activation)[0]
            if name not in _HOMOGENEOUS:
                raise ValueError(f"{before.path} is Dropout before {name!r}, expected it after that")
            result[i - 1 : i + 1] = part, before
    return result


def _check_order(parts: Sequence[Part]) -> None:
    for i, part in enumerate(parts):
        before = parts[i - 1].layer if i else None
        layer = part.layer
        if isinstance(layer, Activation):
            if not isinstance(before, (Dense, BatchNormalization, LayerNormalization)):
                came = f"{part.path} is the activation {layer.activation!r}"
                raise ValueError(f"{came}, expected it directly after a Linear or a normalisation")
            name = registry.resolve_activation(layer.activation)[0]
            if registry.ACTIVATIONS[name][1] == "row" and i < len(parts) - 1:
                raise ValueError(f"{part.path} is {name} before other layers, expected it at the end")
        if isinstance(layer, (Rescaling, Standardize)) and i:
            raise ValueError(f"{part.path} is {type(layer).__name__}, expected it at the beginning")
    if isinstance(parts[-1].layer, Dropout):
        raise ValueError(f"{parts[-1].path} is Dropout at the end, expected a layer after it")


def _merged(parts: Sequence[Part]) -> list[Part]:
    """An activation after a dense layer becomes the layer's own; two dropouts in a row become one."""
    result: list[Part] = []
    for part in parts:
        last = result[-1] if result else Part("", Dropout(0))
        if result and isinstance(last.layer, Dropout) and isinstance(part.layer, Dropout):
            kept = (1 - last.layer.rate) * (1 - part.layer.rate)
            result[-1] = replace(last, layer=Dropout(1 - kept))
        elif isinstance(last.layer, Dense) and isinstance(part.layer, Activation):
            result[-1] = replace(last, layer=replace(last.layer, activation=part.layer.activation))
        else:
            result.append(part)
    return result
