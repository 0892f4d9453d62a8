"""The fully connected layer."""

from __future__ import annotations

from dataclasses import KW_ONLY, replace
from typing import Any, ClassVar, TypeVar

from .. import initializers, registry, validation
from ..descriptions import description
from ..initializers import Initializer
from .base import (
    ActivationName,
    Factors,
    Layer,
    Trained,
    activation_words,
    named,
    set_field,
    short_repr,
    trained_field,
)

__all__ = ["Dense"]
C = TypeVar("C", bound="Connected")
T = TypeVar("T", bound="TrainedConnected")


class Connected(Layer, abstract=True):
    """Fully connected layers, whose activation, and initializer if they have one, a network fills in."""

    units: int
    activation: ActivationName | None
    use_bias: bool
    __dataclass_fields__: ClassVar[dict[str, Any]]  # of the classes that this is for

    def _check_connected(self) -> None:
        set_field(self, "units", validation.integer(self.units, "units", 1, validation.MAX_UNITS))
        if self.activation is not None:
            set_field(self, "activation", named(self.activation, "activation"))
        set_field(self, "use_bias", validation.boolean(self.use_bias, "use_bias"))

    @property
    def takes_activation(self) -> bool:  # type: ignore[override]
        return self.activation in (None, "identity")

    def filled(self: C, activation: ActivationName, initializer: Initializer) -> C:
        """With what it leaves to the network."""
        return replace(self, activation=self.activation or activation)

    def output_width(self, n_in: int) -> int:
        return self.units

    def spec(self, n_in: int) -> dict[str, Any]:
        name, parameter = self.own_activation()
        own = {"units": self.units, "activation": name, "parameter": parameter, "use_bias": self.use_bias}
        return {**own, **super().spec(n_in)}

    def own_activation(self) -> tuple[str, float]:
        return registry.resolve_activation(self.activation)

    def activated(self: C, activation: ActivationName) -> C:
        return replace(self, activation=activation)

    def words(self) -> str:
        assert self.activation is not None
        return f"dense, {activation_words(self.activation)}"


class TrainedConnected(Connected, Trained, abstract=True):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Those that training moves, from weights that an initializer draws."""

    initializer: Initializer | None

    def _check_connected(self) -> None:
        super()._check_connected()
        if self.initializer is not None:
            set_field(self, "initializer", initializers.resolve(self.initializer))
        self._check_training()

    def filled(self: T, activation: ActivationName, initializer: Initializer) -> T:
        chosen = {"activation": self.activation or activation, "initializer": self.initializer or initializer}
        return replace(self, **chosen)

    def starts(self, n_in: int) -> dict[str, tuple[str, float]]:
        assert self.initializer is not None
        return {"W": initializers.distribution(self.initializer, n_in, self.units)}

    def shown(self: T) -> T:
        return replace(self, initializer=None) if self.initializer == initializers.DEFAULT else self


@description
class Dense(TrainedConnected):
    """A fully connected layer: a = activation(x @ W + b), W of shape (n_in, units), b of shape (units,).

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str or (str, float), optional
        A name, or a name and its parameter: ``("leaky_relu", 0.2)``.  None takes the network's: its
        `activation` in a hidden layer, its `output` in the last one.
    use_bias : bool
        Whether there is a b.
    initializer : str or (str, float), optional
        How W begins (see `fastmlp.initializers`); None takes the network's.
    trainable : bool
        Whether training changes its arrays.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"b": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    Examples
    --------
    >>> from fastmlp import Dense
    >>> Dense(10, "softmax")
    Dense(10, 'softmax')
    """

    units: int
    activation: ActivationName | None = None
    _: KW_ONLY
    use_bias: bool = True
    initializer: Initializer | None = None
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        self._check_connected()

    def __repr__(self) -> str:
        return short_repr(self, ("units", "activation"))

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        bias = {"b": (self.units,)} if self.use_bias else {}
        return {"W": (n_in, self.units), **bias}
