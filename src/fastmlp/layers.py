"""Layers as descriptions: frozen dataclasses with sizes and names, checked when they are made, no arithmetic.

A network is the width of its input and then layers; a width alone stands for a `Dense` layer:

>>> from fastmlp import Dense, Dropout, Network, Rescaling
>>> net = Network([784, Rescaling(1 / 255), Dense(100, "relu"), Dropout(0.2), Dense(10, "softmax")], seed=0)
>>> net.layer_sizes
(784, 100, 10)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from . import initializers, registry, validation
from .errors import listed, unknown
from .initializers import Initializer

Array = np.ndarray[Any, Any]
Activation = str | tuple[str, float]


@dataclass(frozen=True)
class Dense:
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

    Examples
    --------
    >>> from fastmlp import Dense
    >>> Dense(10, "softmax")
    Dense(10, 'softmax')
    """

    units: int
    activation: Activation | None = None
    _: KW_ONLY
    use_bias: bool = True
    initializer: Initializer | None = None

    def __post_init__(self) -> None:
        _set(self, "units", validation.integer(self.units, "units", 1, validation.MAX_UNITS))
        if self.activation is not None:
            name, parameter = registry.resolve_activation(self.activation)
            plain = parameter == registry.ACTIVATIONS[name][0]
            _set(self, "activation", name if plain else (name, parameter))
        _set(self, "use_bias", validation.boolean(self.use_bias, "use_bias"))
        if self.initializer is not None:
            _set(self, "initializer", initializers.resolve(self.initializer))

    def __repr__(self) -> str:
        return _short_repr(self, ("units", "activation"))


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout: training zeroes each value with probability `rate`, and divides the rest by 1 - rate.

    It acts on what the next `Dense` layer takes in, and does nothing outside training.

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
        _set(self, "rate", validation.real(self.rate, "rate", minimum=0.0, below=1.0))

    def __repr__(self) -> str:
        return _short_repr(self, ("rate",))


@dataclass(frozen=True)
class Rescaling:
    """x * scale + offset of every input; stands directly after the input's width and is saved with the model.

    Where 1 / scale is a whole number (within 1e-9) the engine divides by it: ``Rescaling(1 / 255)`` of uint8
    pixels gives the bits of ``x / 255``.

    Parameters
    ----------
    scale : float
        Finite and not 0.
    offset : float
        Finite.

    Examples
    --------
    >>> from fastmlp import Network, Rescaling
    >>> net = Network([2, Rescaling(1 / 255), 1], seed=0)
    """

    scale: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        _set(self, "scale", validation.real(self.scale, "scale"))
        _set(self, "offset", validation.real(self.offset, "offset"))
        if self.scale == 0:
            raise ValueError("scale is 0, expected a finite number other than 0")

    def __repr__(self) -> str:
        return _short_repr(self, ("scale",))

    def shift_and_divisor(self, n_in: int) -> tuple[Array, Array]:
        """float64 arrays (n_in,) with x * scale + offset == (x - shift) / divisor."""
        divisor = 1 / self.scale
        if round(divisor) != 0 and abs(divisor - round(divisor)) <= 1e-9:
            divisor = float(round(divisor))
        shift = -self.offset * divisor if self.offset else 0.0
        return np.full(n_in, shift), np.full(n_in, divisor)


@dataclass(frozen=True)
class Standardize:
    """(x - mean) / std of each input; it stands directly after the input's width and is saved with the model.

    Parameters
    ----------
    mean, std : array-like of shape (n_in,)
        Finite; every std above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network, Standardize
    >>> X = np.array([[0.0, 10.0], [2.0, 30.0]])
    >>> Standardize.adapt(X)
    Standardize(mean=(1.0, 20.0), std=(1.0, 10.0))
    >>> net = Network([2, Standardize.adapt(X), 1], seed=0)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            array = validation.numeric(getattr(self, name), name)
            if array.ndim != 1:
                raise ValueError(f"{name} has shape {array.shape}, expected one number for each input")
            array = validation.converted(array, np.dtype(np.float64), name)
            _set(self, name, tuple(array.tolist()))
        if len(self.mean) != len(self.std):
            raise ValueError(f"std has {len(self.std)} numbers, expected {len(self.mean)} as mean has")
        for i, deviation in enumerate(self.std):
            if deviation <= 0:
                raise ValueError(f"std contains {deviation:g} at index {i}, expected numbers above 0")

    @classmethod
    def adapt(cls, X: Any) -> Standardize:
        """The layer that gives the columns of X, shape (rows, n_in), mean 0 and deviation 1.

        A column without any spread keeps deviation 1, so it becomes 0.
        """
        array = validation.numeric(X, "X")
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"X has shape {array.shape}, expected (rows, n_in) with at least one row")
        array = validation.converted(array, np.dtype(np.float64), "X")
        mean = array.mean(axis=0)
        std = array.std(axis=0)
        # A constant column's mean may be a rounding away from it, and its deviation that rounding.
        std[(array == array[0]).all(axis=0)] = 1.0
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def shift_and_divisor(self, n_in: int) -> tuple[Array, Array]:
        """float64 arrays (n_in,): the mean and the deviation."""
        if len(self.mean) != n_in:
            raise ValueError(f"Standardize has {len(self.mean)} means, expected {n_in}, the input's width")
        return np.array(self.mean), np.array(self.std)


Layer = Dense | Dropout | Rescaling | Standardize
LAYERS: dict[str, type[Layer]] = {cls.__name__: cls for cls in (Dense, Dropout, Rescaling, Standardize)}


def _set(layer: Any, name: str, value: object) -> None:
    object.__setattr__(layer, name, value)


def _short_repr(layer: Any, positional: Sequence[str]) -> str:
    """The call that makes the layer, without what is left at its default."""
    words = []
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        if value != field.default:
            words.append(repr(value) if field.name in positional else f"{field.name}={value!r}")
    return f"{type(layer).__name__}({', '.join(words)})"


# ---- a network's description ----


def resolve(
    layers: object, activation: object, output: object, initializer: object
) -> tuple[int, tuple[Layer, ...]]:
    """The input's width and the layers, every `Dense` with its activation and initializer filled in.

    Raises TypeError or ValueError where the layers do not make a network.
    """
    if isinstance(layers, (str, bytes)) or not isinstance(layers, (Sequence, np.ndarray)):
        raise TypeError(
            f"layers is a {type(layers).__name__}, expected a list: the input's width, then layers"
        )
    if len(layers) < 2:
        raise ValueError(
            f"layers has {len(layers)} elements, expected the input's width and at least one layer"
        )
    if isinstance(layers[0], tuple(LAYERS.values())):
        raise TypeError(f"layers begins with {layers[0]!r}, expected the input's width")
    n_in = validation.integer(layers[0], "layers[0], the input's width,", 1, validation.MAX_UNITS)
    found = [_layer(layer, f"layers[{i}]") for i, layer in enumerate(layers[1:], 1)]
    _check_order(found)
    return n_in, _filled(found, activation, output, initializers.resolve(initializer or initializers.DEFAULT))


def _layer(value: object, argument: str) -> Layer:
    if isinstance(value, (Dense, Dropout, Rescaling, Standardize)):
        return value
    try:
        return Dense(validation.integer(value, argument, 1, validation.MAX_UNITS))
    except TypeError:
        raise TypeError(f"{argument} is {value!r}, expected a width or one of {listed(LAYERS)}") from None


def _check_order(layers: Sequence[Layer]) -> None:
    for i, layer in enumerate(layers):
        if isinstance(layer, (Rescaling, Standardize)) and i > 0:
            raise ValueError(f"layers[{i + 1}] is {layer!r}, which belongs directly after the input's width")
        if isinstance(layer, Dropout) and i > 0 and isinstance(layers[i - 1], Dropout):
            raise ValueError(f"layers[{i + 1}] is a second Dropout in a row, expected one")
    if not layers or not isinstance(layers[-1], Dense):
        raise ValueError(f"layers ends with {layers[-1:]}, expected a width or a Dense layer")


def _filled(
    layers: Sequence[Layer], activation: object, output: object, initializer: Initializer
) -> tuple[Layer, ...]:
    hidden = sum(isinstance(layer, Dense) for layer in layers) - 1
    defaults = [*_hidden_activations(activation, hidden), _named(output, "output")]
    result: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Dense):
            default = defaults.pop(0)
            layer = dataclasses.replace(
                layer, activation=layer.activation or default, initializer=layer.initializer or initializer
            )
        result.append(layer)
    check(result)
    return tuple(result)


def check(layers: Sequence[Layer]) -> None:
    """Raises ValueError unless completed layers, in this order, make a network."""
    _check_order(layers)
    *hidden, _ = dense_layers(layers)
    for layer in hidden:
        name = registry.resolve_activation(layer.activation)[0]
        if registry.ACTIVATIONS[name][1] == "row":
            raise ValueError(f"activation {name!r} is in a hidden layer, expected it in the last one alone")


def _hidden_activations(activation: object, hidden: int) -> list[Activation]:
    """One for each hidden layer, from one for all or a list."""
    if isinstance(activation, list):
        if len(activation) != hidden:
            raise ValueError(
                f"activation has {len(activation)} names, expected one for each of {hidden} hidden layers"
            )
        return [_named(item, f"activation[{i}]") for i, item in enumerate(activation)]
    return [_named(activation, "activation")] * hidden


def _named(value: object, argument: str) -> Activation:
    name, parameter = registry.resolve_activation(value, argument)
    return name if parameter == registry.ACTIVATIONS[name][0] else (name, parameter)


def dense_layers(layers: Sequence[Layer]) -> list[Dense]:
    """The layers that have weights."""
    return [layer for layer in layers if isinstance(layer, Dense)]


def sizes(n_in: int, layers: Sequence[Layer]) -> tuple[int, ...]:
    """The input's width and every dense layer's."""
    return (n_in, *(layer.units for layer in dense_layers(layers)))


def parameter_shapes(n_in: int, layers: Sequence[Layer]) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the order of `Network.get_weights`: "layers.0.W", "layers.0.b", "layers.1.W"..."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, layer in enumerate(dense_layers(layers)):
        shapes[f"layers.{i}.W"] = (n_in, layer.units)
        if layer.use_bias:
            shapes[f"layers.{i}.b"] = (layer.units,)
        n_in = layer.units
    return shapes


def table(n_in: int, layers: Sequence[Layer]) -> list[str]:
    """The lines of `Network.summary`: layer, output shape, parameters, and the total."""
    rows = [("input", n_in, 0)]
    for layer in layers:
        width = rows[-1][1]
        if isinstance(layer, Dense):
            name, parameter = registry.resolve_activation(layer.activation)
            suffix = "" if isinstance(layer.activation, str) else f"({parameter:g})"
            count = (width + layer.use_bias) * layer.units
            rows.append((f"dense, {name}{suffix}", layer.units, count))
        elif isinstance(layer, Dropout):
            rows.append((f"dropout, {layer.rate:g}", width, 0))
        else:
            rows.append((type(layer).__name__.lower(), width, 0))
    cells = [("Layer", "Output shape", "Parameters")]
    cells += [(name, f"(rows, {width})", str(count)) for name, width, count in rows]
    cells += [("Total", "", str(sum(count for *_, count in rows)))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in cells]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def plan_arguments(
    n_in: int, layers: Sequence[Layer], dtype: np.dtype[Any]
) -> tuple[list[tuple[int, str, float, bool, float]], Array | None, Array | None]:
    """What a Plan is made of: its layers, the input's shift and its divisor, None where they do nothing."""
    steps: list[tuple[int, str, float, bool, float]] = []
    shift: Array | None = None
    divisor: Array | None = None
    rate = 0.0
    for layer in layers:
        if isinstance(layer, Dense):
            name, parameter = registry.resolve_activation(layer.activation)
            steps.append((layer.units, name, parameter, layer.use_bias, rate))
            rate = 0.0
        elif isinstance(layer, Dropout):
            rate = layer.rate
        else:
            shift, divisor = layer.shift_and_divisor(n_in)
            _check_held(shift, divisor, dtype, type(layer).__name__)
            shift = shift if shift.any() else None
            divisor = divisor if (divisor != 1).any() else None
    return steps, shift, divisor


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


# ---- to and from JSON ----


def to_config(layer: Layer) -> dict[str, Any]:
    """A dict that JSON can hold."""
    return {"type": type(layer).__name__, **dataclasses.asdict(layer)}


def from_config(config: dict[str, Any]) -> Layer:
    """The layer of a dict made by `to_config`."""
    fields = dict(config)
    name = fields.pop("type")
    if name not in LAYERS:
        raise unknown("layer", name, LAYERS)
    return LAYERS[name](**fields)
