"""The parts of a foreign chain of layers in order, and the `Network` they make.

Keras, PyTorch and ONNX say in a table of their own which part each of their layers is; what parts mean beside
each other is the same for all and stands here:

- an activation belongs to the dense layer or the normalisation directly before it;
- Dropout acts on the next layer's inputs.  Before relu or leaky_relu it goes behind them, as f(c x) = c f(x)
  for c >= 0; two in a row, of rates p and q, are one of rate 1 - (1 - p)(1 - q), since a value then survives
  both with probability (1 - p)(1 - q), independently of others, and is divided by just that;
- a softmax stands at the end, preprocessing at the beginning;
- Dropout of rate 0 and the identity are left out;
- a sum adds the output of an earlier layer, which nothing after it may go into: where an activation would, or
  where Dropout is before it, factors of 1 stand between, which are not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import registry
from ..export.folding import foldable
from ..layers import Activation, ActivationName, Add, Dropout, Layer, Scale
from ..network import Network

Array = np.ndarray[Any, Any]

_HOMOGENEOUS = ("relu", "leaky_relu")
_LARGEST_FACTOR = 2.0**64


@dataclass(frozen=True)
class Part:
    """One layer.

    Attributes
    ----------
    path : str
        Where it stands, for messages: "module.net.2", "layer 2, 'dense' (Dense)".
    layer : Layer
    arrays : tuple of ndarray
        As `Network.get_weights` has them: W (n_in, n_out) and b of `Dense`; gamma, beta, mean and variance,
        (n,) each, of `BatchNormalization`; gamma and beta of `LayerNormalization`.
    name : str
        What sums further on call the numbers after this part, if there are any.
    source : str
        Of a sum, the name of the numbers that it adds; its layer is an `Add` of any place.
    """

    path: str
    layer: Layer
    arrays: tuple[Array, ...] = ()
    name: str = ""
    source: str = ""


def part(path: str, cls: Callable[..., Layer], *arguments: Any, arrays: Sequence[Array] = ()) -> Part:
    """A part with a new layer; what the layer's own check says begins with the path."""
    try:
        return Part(path, cls(*arguments), tuple(arrays))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from None


def named(path: str, name: str) -> Part:
    """A part that does nothing but give a name to the numbers there, which a sum adds further on."""
    return Part(path, Activation("identity"), name=name)


def total(path: str, name: str) -> Part:
    """A sum: the numbers there and those that have the name."""
    return Part(path, Add(1), source=name)


def network(
    parts: Sequence[Part], whole: str, *, n_in: int | None, dtype: str, seed: Any, fold: bool = False
) -> Network:
    """The Network of the parts, its batch normalisation folded or not; `whole` is what messages call them."""
    width, parts = settled(parts, whole, n_in)
    layers = [part.layer for part in parts]
    net = Network([width, *layers], dtype=dtype, seed=seed)
    net.set_weights([array for part in parts for array in part.arrays])
    return net.folded() if fold and foldable(net) else net


def settled(
    parts: Sequence[Part],
    whole: str,
    n_in: int | None,
    identity: Callable[[str, int], Part] | None = None,
) -> tuple[int, list[Part]]:
    """The input's width, and the parts as the layers of a Network.

    `identity` makes the dense layer that does nothing, of a path and a width, for an activation that has no
    layer to belong to; without it that is refused.

    Raises
    ------
    ValueError
        If the parts do not fit each other; the message begins with the path of one.
    """
    width = input_width(parts, whole, n_in)
    parts = [part for part in parts if part.name or not _does_nothing(part.layer)]
    _check_ends(parts)
    layers = _Layers(width, identity)
    for part in parts:
        layers.put(part)
    return width, layers.parts


def input_width(parts: Sequence[Part], whole: str, n_in: int | None) -> int:
    """The width of the input, once every part fits the one before."""
    if not any(has_matrix(part) for part in parts):
        raise ValueError(f"{whole} has no dense layer, expected one or more")
    first = width = n_in
    before = "the input"
    for part in parts:
        needed = _needed_width(part)
        if needed is None:
            width = None if width is None else part.layer.output_width(width)
            continue
        if width not in (None, needed):
            raise ValueError(f"{part.path}: it takes {needed} inputs, expected the {width} of {before}")
        first = needed if first is None else first
        width, before = part.layer.output_width(needed), part.path
    assert first is not None
    return first


def rescalable(factor: float) -> bool:
    """Whether x * factor / factor is x to rounding, in float32 too: no x that matters leaves its range."""
    return 1 / _LARGEST_FACTOR <= abs(factor) <= _LARGEST_FACTOR


def scale(path: str, factor: float, width: int) -> Part:
    """A factor that is not trained, of all columns alike."""
    return Part(path, Scale(trainable=False), (np.full(width, factor),))


def has_matrix(part: Part) -> bool:
    """Whether it is a dense layer, as far as its arrays say: another has at most an element a column."""
    return bool(part.arrays) and part.arrays[0].ndim == 2


def _needed_width(part: Part) -> int | None:
    return len(part.arrays[0]) if part.arrays else part.layer.input_width()


def _does_nothing(layer: Layer) -> bool:
    return layer in (Dropout(0.0), Activation("identity"))


def _check_ends(parts: Sequence[Part]) -> None:
    """Raises ValueError for what belongs to the beginning or the end of the chain and stands elsewhere."""
    for i, part in enumerate(parts):
        if part.layer.leads and i:
            came = f"{part.path}: it is {type(part.layer).__name__} after {parts[i - 1].path}"
            raise ValueError(f"{came}, expected it directly after the input")
        if part.layer.ends and i < len(parts) - 1:
            raise ValueError(f"{part.path}: it is {type(part.layer).__name__}, expected it at the end")
        activation = part.layer.applies()
        name = "" if activation is None else registry.resolve_activation(activation)[0]
        if name and registry.ACTIVATIONS[name][1] == "row" and i < len(parts) - 1:
            raise ValueError(f"{part.path}: it is {name} before other layers, expected it at the end")
    if parts[-1].layer.drops() is not None:
        raise ValueError(f"{parts[-1].path}: it is Dropout at the end, expected a layer after it")


class _Layers:
    """The layers of a Network, as parts are put behind each other.

    Attributes
    ----------
    parts : list of Part
    """

    def __init__(self, width: int, identity: Callable[[str, int], Part] | None) -> None:
        self.parts: list[Part] = []
        self._width, self._identity = width, identity
        self._named: dict[str, tuple[int, int]] = {}  # the place, as `Add` counts, and the width
        self._fixed = 0  # how many layers have outputs that are to stay as they are

    def put(self, part: Part) -> None:
        activation, rate, before = part.layer.applies(), part.layer.drops(), self._dropped()
        if part.source:
            self._add(part)
        elif activation is not None and not _does_nothing(part.layer):
            self._activate(part, activation)
        elif rate is not None and before is not None:
            self.parts[-1] = replace(self.parts[-1], layer=Dropout(1 - (1 - before) * (1 - rate)))
        elif not _does_nothing(part.layer):
            self.parts.append(part)
        self._width = part.layer.output_width(self._width)
        if part.name:
            if self._dropped() is not None:
                self.parts.append(scale(part.path, 1.0, self._width))
            self._named[part.name] = len(self.parts), self._width
            self._fixed = len(self.parts)

    def _dropped(self) -> float | None:
        """The rate of Dropout at the end."""
        return self.parts[-1].layer.drops() if self.parts else None

    def _add(self, part: Part) -> None:
        place, width = self._named[part.source]
        source = self.parts[place - 1].layer if place else None
        if source is None or not (source.kind or source.activates):
            raise ValueError(f"{part.path}: it adds the network's input, expected the output of a layer")
        if width != self._width:
            raise ValueError(f"{part.path}: it adds {width} columns to {self._width}, expected as many")
        self.parts.append(replace(part, layer=Add(place)))

    def _activate(self, part: Part, activation: ActivationName) -> None:
        """Gives an activation to the layer it belongs to."""
        name, _ = registry.resolve_activation(activation)
        dropout = [self.parts.pop()] if self._dropped() is not None else []
        last = self.parts[-1].layer if self.parts else None
        free = last is not None and last.takes_activation
        if free and len(self.parts) == self._fixed:
            self.parts += [*dropout, scale(part.path, 1.0, self._width)]
            dropout = []
        if free and dropout and name not in _HOMOGENEOUS:
            if self._identity is None:
                came = f"it is Dropout before {name!r}"
                raise ValueError(f"{dropout[0].path}: {came}, expected it after that")
            free = False
        if not free:
            if self._identity is None:
                came = f"the activation {name!r} after {repr(last) if self.parts else 'the input'}"
                expected = "expected it after a dense layer or a normalisation"
                raise ValueError(f"{part.path}: it is {came}, {expected}")
            self.parts += [*dropout, self._identity(part.path, self._width)]
            dropout = []
        own = self.parts[-1].layer.activated(activation)
        if own is None:
            self.parts.append(part)
        else:
            self.parts[-1] = replace(self.parts[-1], layer=own)
        self.parts += dropout
