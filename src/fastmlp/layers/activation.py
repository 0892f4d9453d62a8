"""Activations that stand apart, and dropout: both are lowered into the layers beside them."""

from __future__ import annotations

from typing import ClassVar

from .. import validation
from ..descriptions import description
from .base import ActivationName, Layer, activation_words, named, set_field, short_repr

__all__ = ["Activation", "Dropout"]


@description
class Activation(Layer):
    """The activation of the layer before it, where that has none of its own.

    Parameters
    ----------
    activation : str or (str, float)
        A name, or a name and its parameter.

    Examples
    --------
    >>> from fastmlp import Activation, BatchNormalization, Dense, Network
    >>> net = Network([4, Dense(8), BatchNormalization(), Activation("relu"), 2])
    """

    activation: ActivationName

    activates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "activation", named(self.activation, "activation"))

    def __repr__(self) -> str:
        return short_repr(self, ("activation",))

    def applies(self) -> ActivationName:
        return self.activation

    def words(self) -> str:
        return f"activation, {activation_words(self.activation)}"


@description
class Dropout(Layer):
    """Inverted dropout: training zeroes each value with probability `rate`, and divides the rest by 1 - rate.

    It acts on what the next layer takes in, and does nothing outside training.

    Parameters
    ----------
    rate : float
        0 <= rate < 1.

    Examples
    --------
    >>> from fastmlp import Dropout
    >>> Dropout(0.2)
    Dropout(0.2)
    """

    rate: float

    def __post_init__(self) -> None:
        set_field(self, "rate", validation.real(self.rate, "rate", minimum=0.0, below=1.0))

    def __repr__(self) -> str:
        return short_repr(self, ("rate",))

    def drops(self) -> float:
        return self.rate

    def words(self) -> str:
        return f"dropout, {self.rate:g}"
