"""Skip connections: a layer's output beside a later layer's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import validation
from ..descriptions import description
from .base import Layer, set_field, short_repr

__all__ = ["Add", "Residual"]


@description
class Add(Layer):
    """x + the output of an earlier layer, which must be as wide.

    Parameters
    ----------
    from_layer : int
        Which one: its place in the list that `Network` takes, where the input's width is 0.  It has arrays or
        is an Add; where an `Activation` belongs to it, the place is that one's.

    Examples
    --------
    >>> from fastmlp import Activation, Add, Dense, Network
    >>> net = Network([4, Dense(8, "relu"), Dense(8), Add(1), Activation("relu"), 2], seed=0)
    """

    from_layer: int

    kind: ClassVar[str] = "add"
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "from_layer", validation.integer(self.from_layer, "from_layer", 1))

    def __repr__(self) -> str:
        return short_repr(self, ("from_layer",))

    def second_input(self) -> int:
        return self.from_layer

    def with_second_input(self, place: int) -> Layer:
        return Add(place)

    def words(self) -> str:
        return f"add, {self.from_layer}"


@description
class Residual(Layer):
    """x + f(x), f being layers that keep the width: in a network these layers and an `Add`.

    Parameters
    ----------
    layers : sequence of int or Layer
        As `Network` takes them, the first no `Activation`.  The block stands directly after a layer with
        arrays, an `Add` or an `Activation`; `Dropout` before f(x) alone is the first layer of the block.

    References
    ----------
    He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.

    Examples
    --------
    >>> from fastmlp import Dense, Network, Residual
    >>> Network([4, 8, Residual([Dense(16, "relu"), Dense(8, "identity")]), 2], seed=0).layers[-2]
    Add(1)
    """

    layers: Sequence[Any]

    composite: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.layers, (str, bytes)) or not isinstance(self.layers, Sequence):
            raise TypeError(f"layers is a {type(self.layers).__name__}, expected a list of layers")
        if not self.layers:
            raise ValueError("layers is empty, expected one layer or more")
        set_field(self, "layers", tuple(self.layers))

    def expanded(self, before: Sequence[Layer]) -> list[Any]:
        last, first = before[-1] if before else None, self.layers[0]
        if last is None:
            raise ValueError(f"layers[1] is {self!r}, expected a layer before it, whose output it adds")
        if not (last.kind or last.activates):
            came = f"{self!r} directly after {last!r}"
            raise ValueError(f"layers has {came}, expected it directly after a layer whose output it adds")
        if isinstance(first, Layer) and first.applies() is not None:
            came = f"{self!r}, whose first layer would act on what it adds, too"
            raise ValueError(f"layers has {came}, expected a first layer that is no Activation")
        return [*self.layers, Add(len(before))]
