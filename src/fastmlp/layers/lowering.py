"""The one pass from a network's layers to the nodes of its plan.

An activation goes into the node before it, dropout into the one that reads it, preprocessing into the input;
what is left is a node each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import registry
from .base import Array, Layer


@dataclass(frozen=True)
class Node:
    """A layer of the plan: its description, the width of its input, and what was lowered into it."""

    layer: Layer
    n_in: int
    activation: tuple[str, float]
    dropout: float  # of its input
    place: int  # by which an `Add` names it: its own among the layers, or that of its `Activation`
    source: int = -1  # the number of the node whose output is its second input

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of its arrays."""
        return self.layer.arrays(self.n_in)

    def spec(self) -> dict[str, Any]:
        """The one form in which it goes to a Plan."""
        name, parameter = self.activation
        own = self.layer.spec(self.n_in)
        return {
            "kind": self.layer.kind,
            **own,
            "activation": name,
            "parameter": parameter,
            "dropout": self.dropout,
            "source": self.source,
        }


def nodes_of(n_in: int, layers: Sequence[Layer]) -> list[Node]:
    """The nodes of resolved layers, in order."""
    found: list[Node] = []
    owner: dict[int, int] = {}  # the node that ends with the layer of a place
    rate, width = 0.0, n_in
    for place, layer in enumerate(layers, 1):
        dropped, applied = layer.drops(), layer.applies()
        if dropped is not None:
            rate = 1 - (1 - rate) * (1 - dropped)
        elif applied is not None:
            found[-1] = replace(found[-1], activation=registry.resolve_activation(applied), place=place)
            owner = {at: node for at, node in owner.items() if node != len(found) - 1}
            owner[place] = len(found) - 1
        elif layer.kind:
            source = _source(layer, place, owner, found, width)
            found.append(Node(layer, width, layer.own_activation(), rate, place, source))
            owner[place] = len(found) - 1
            rate, width = 0.0, layer.output_width(width)
    return found


def _source(layer: Layer, place: int, owner: dict[int, int], found: Sequence[Node], width: int) -> int:
    second = layer.second_input()
    if second is None:
        return -1
    if second not in owner:
        known = ", ".join(map(str, owner)) or "none"
        raise ValueError(
            f"layers[{place}] is {layer!r}, expected the place of an earlier layer's output, one of {known}"
        )
    source = owner[second]
    node = found[source]
    if node.layer.output_width(node.n_in) != width:
        came = node.layer.output_width(node.n_in)
        raise ValueError(f"layers[{place}] is {layer!r}, whose layer has width {came}, expected {width}")
    return source


def input_vectors(
    n_in: int, layers: Sequence[Layer], dtype: np.dtype[Any]
) -> tuple[Array | None, Array | None]:
    """The input's shift and divisor, float64 (n_in,), None where they do nothing."""
    for layer in layers:
        if found := layer.shift_and_divisor(n_in):
            shift, divisor = found
            _check_held(shift, divisor, dtype, type(layer).__name__)
            return shift if shift.any() else None, divisor if (divisor != 1).any() else None
    return None, None


def output_vectors(n_out: int, layers: Sequence[Layer], dtype: np.dtype[Any]) -> tuple[Array, Array] | None:
    """The output's scale and offset, (n_out,) of the dtype, None where there are none."""
    found = layers[-1].scale_and_offset(n_out)
    if found is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        scale, offset = (values.astype(dtype) for values in found)
    held = np.isfinite(scale) & np.isfinite(offset) & (scale != 0)
    if not held.all():
        i = int(np.flatnonzero(~held)[0])
        came = f"a * {found[0][i]:g} + {found[1][i]:g}"
        raise ValueError(f"{type(layers[-1]).__name__} is {came}, which {dtype} cannot hold")
    return scale, offset


def output_heads(nodes: Sequence[Node], layers: Sequence[Layer]) -> list[tuple[int, str, float]]:
    """Columns, activation and its parameter of each of the output's heads; ValueError unless they fit it."""
    found = [(columns, name, parameter) for _, columns, name, parameter in layers[-1].output_heads()]
    width, columns = nodes[-1].layer.output_width(nodes[-1].n_in), sum(head[0] for head in found)
    if found and columns != width:
        raise ValueError(f"{layers[-1]!r} has {columns} columns, expected {width}, one for each output")
    return found


def _check_held(shift: Array, divisor: Array, dtype: np.dtype[Any], name: str) -> None:
    with np.errstate(over="ignore", under="ignore"):
        held = (
            np.isfinite(shift.astype(dtype))
            & np.isfinite(divisor.astype(dtype))
            & (divisor.astype(dtype) != 0)
        )
    if not held.all():
        i = int(np.flatnonzero(~held)[0])
        raise ValueError(f"{name} is (x - {shift[i]:g}) / {divisor[i]:g}, which {dtype} cannot hold")
