"""What every layer is: a frozen description that knows its width, its arrays and what a Plan is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from .. import registry, validation

Array = np.ndarray[Any, Any]
ActivationName = str | tuple[str, float]
Factors = float | Mapping[str, float]
T = TypeVar("T")

LAYERS: dict[str, type[Any]] = {}  # every kind, by its name


class Layer:
    """Base of all layers: frozen dataclasses, checked when they are made, no arithmetic.

    A subclass is in the registry `LAYERS`, unless it says ``abstract=True``, as do bases.

    Attributes
    ----------
    kind : str
        The engine's kind of the layer; "" for what is lowered into the layers beside it.
    takes_activation : bool
        Whether an `Activation` may stand directly after it.
    activates : bool
        Whether it is the activation of the dense layer before it, which then has none.
    leads : bool
        Whether it belongs directly after the input's width.
    ends : bool
        Whether it belongs after all others, and an identity.
    composite : bool
        Whether it stands for other layers: see `expanded`.
    takes_batch : bool
        Whether what training makes of a row depends on the other rows of the batch.
    predicts_alone : bool
        Whether a network with it cannot be trained.
    """

    kind: ClassVar[str] = ""
    takes_activation: ClassVar[bool] = False
    activates: ClassVar[bool] = False
    leads: ClassVar[bool] = False
    ends: ClassVar[bool] = False
    composite: ClassVar[bool] = False
    takes_batch: ClassVar[bool] = False
    predicts_alone: ClassVar[bool] = False

    def __init_subclass__(cls, abstract: bool = False) -> None:
        super().__init_subclass__()
        if not abstract:
            LAYERS.setdefault(cls.__name__, cls)

    def output_width(self, n_in: int) -> int:
        """Numbers of a row that come out."""
        return n_in

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of its arrays, in the order of `Network.get_weights`."""
        return {}

    def spec(self, n_in: int) -> dict[str, Any]:
        """What a Plan is told of it, beside its kind: see `reference.layers.NODE`."""
        return {}

    def starts(self, n_in: int) -> dict[str, tuple[str, float]]:
        """How arrays are drawn, "uniform" or "normal" and the scale, by name; others as their kind says."""
        return {}

    def storages(self) -> dict[str, str]:
        """How those of its arrays are stored that are not reals of the network's dtype, by name."""
        return {}

    def matrices(self) -> int:
        """How many stand in its W one below the other."""
        return 1

    def shown(self) -> Layer:
        """What `repr` of a network shows: without choices that are the network's default."""
        return self

    def drops(self) -> float | None:
        """The rate at which training drops what the next layer takes in."""
        return None

    def applies(self) -> ActivationName | None:
        """The activation that it gives to the layer before it."""
        return None

    def own_activation(self) -> tuple[str, float]:
        """The activation, and its parameter, that is part of it."""
        return "identity", 0.0

    def activated(self, activation: ActivationName) -> Layer | None:
        """It with an activation of its own; None for those that have theirs in an `Activation` after them."""
        return None

    def shift_and_divisor(self, n_in: int) -> tuple[Array, Array] | None:
        """What it makes of the network's input, (x - shift) / divisor, float64 arrays (n_in,)."""
        return None

    def scale_and_offset(self, n_out: int) -> tuple[Array, Array] | None:
        """What it makes of the network's output, a * scale + offset, float64 arrays (n_out,)."""
        return None

    def output_heads(self) -> tuple[tuple[str, int, str, float], ...]:
        """The slices of the network's output: name, columns, activation and its parameter."""
        return ()

    def input_width(self) -> int | None:
        """The only width of its input that fits numbers which it holds."""
        return None

    def second_input(self) -> int | None:
        """The place of a layer whose output it reads beside the one before it."""
        return None

    def with_second_input(self, place: int) -> Layer:
        """It in another list of layers, where that one has this place."""
        return self

    def expanded(self, before: Sequence[Layer]) -> Sequence[Any]:
        """The layers, or widths, that a composite one stands for, after those before it.

        ValueError where it may not stand there.
        """
        raise NotImplementedError

    def words(self) -> str:
        """Its name in the table of `Network.summary`: "dense, relu"."""
        return type(self).__name__.lower()

    def to_config(self) -> dict[str, Any]:
        """A dict that JSON can hold; what came later than the first files is left out at its default."""
        config: dict[str, Any] = {"type": type(self).__name__}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if not field.metadata.get("optional") or value != field.default:
                config[field.name] = dict(value) if isinstance(value, Mapping) else value
        return config


def entry(table: Mapping[type[Layer], T], layer: Layer, package: str) -> T:
    """What a table has for a layer's class; ValueError, which names the package of the table, for none."""
    for cls in type(layer).__mro__:
        if cls in table:
            return table[cls]
    raise ValueError(f"net has the layer {layer!r}, which has no equivalent in {package}")


def trained_field(default: Any) -> Any:
    """A field of layers with arrays, of how they are trained."""
    return dataclasses.field(default=default, kw_only=True, metadata={"optional": True})


class Trained(Layer, abstract=True):
    """A layer with arrays: `trainable`, and factors of the optimizer's learning rate and weight decay.

    Attributes
    ----------
    decaying : tuple of str
        The arrays on which penalties act; on others they do where `weight_decay` names them.
    """

    decaying: ClassVar[tuple[str, ...]] = ("W",)
    trainable: bool
    learning_rate: Factors
    weight_decay: Factors

    def _check_training(self) -> None:
        set_field(self, "trainable", validation.boolean(self.trainable, "trainable"))
        for name in ("learning_rate", "weight_decay"):
            set_field(self, name, self._checked_factors(getattr(self, name), name))

    def _checked_factors(self, value: Factors, name: str) -> Factors:
        if not isinstance(value, Mapping):
            return validation.real(value, name, minimum=0.0)
        known = self._array_names()
        for key in value:
            if key not in known:
                raise ValueError(f"{name} names the array {key!r}, expected {', '.join(known)}")
        return {
            key: validation.real(factor, f"{name} of {key}", minimum=0.0) for key, factor in value.items()
        }

    def _array_names(self) -> tuple[str, ...]:
        """Those that gradients move."""
        return tuple(self.arrays(1))

    def spec(self, n_in: int) -> dict[str, Any]:
        return self._training(n_in)

    def _training(self, n_in: int) -> dict[str, Any]:
        """The part of `spec` that says how it is trained."""
        found: dict[str, Any] = {"trainable": self.trainable}
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value == 1.0:
                found[name] = {}
                continue
            usual = [key for key in self.arrays(n_in) if key in self._array_names()]
            if name == "weight_decay":
                usual = [key for key in usual if key in self.decaying]
            factors = dict(value) if isinstance(value, Mapping) else dict.fromkeys(usual, value)
            found[name] = {
                key: factor for key, factor in factors.items() if factor != 1.0 or key not in usual
            }
        return found


def set_field(layer: Any, name: str, value: object) -> None:
    object.__setattr__(layer, name, value)


def short_repr(layer: Any, positional: Sequence[str]) -> str:
    """The call that makes the layer, without what is left at its default."""
    words = []
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        if value != field.default:
            words.append(repr(value) if field.name in positional else f"{field.name}={value!r}")
    return f"{type(layer).__name__}({', '.join(words)})"


def short_numbers(values: tuple[float, ...]) -> str:
    """Numbers of columns, or of many the first and the last.

    >>> short_numbers((1.0, 2.0)), short_numbers(tuple(range(784)))
    ('(1.0, 2.0)', '(0, ..., 783; 784 columns)')
    """
    if len(values) <= 4:
        return repr(values)
    return f"({values[0]:.6g}, ..., {values[-1]:.6g}; {len(values)} columns)"


def named(value: object, argument: str) -> ActivationName:
    """An activation as layers hold it."""
    return short_activation(*registry.resolve_activation(value, argument))


def short_activation(name: str, parameter: float) -> ActivationName:
    """A name alone where the parameter is its default.

    >>> short_activation("leaky_relu", 0.01), short_activation("leaky_relu", 0.2)
    ('leaky_relu', ('leaky_relu', 0.2))
    """
    return name if parameter == registry.ACTIVATIONS[name][0] else (name, parameter)


def activation_words(activation: ActivationName) -> str:
    """An activation in the table of `Network.summary`."""
    kind, parameter = registry.resolve_activation(activation)
    return kind + ("" if isinstance(activation, str) else f"({parameter:g})")
