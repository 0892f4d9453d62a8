"""Layers as descriptions: frozen dataclasses with sizes and names, checked when they are made, no arithmetic.

A network is the width of its input and then layers; a width alone stands for a `Dense` layer:

>>> from fastmlp import Dense, Dropout, Network, Rescaling
>>> net = Network([784, Rescaling(1 / 255), Dense(100, "relu"), Dropout(0.2), Dense(10, "softmax")], seed=0)
>>> net.layer_sizes
(784, 100, 10)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from . import initializers, registry, validation
from .errors import listed, unknown
from .initializers import Initializer

Array = np.ndarray[Any, Any]
ActivationName = str | tuple[str, float]


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
    activation: ActivationName | None = None
    _: KW_ONLY
    use_bias: bool = True
    initializer: Initializer | None = None

    def __post_init__(self) -> None:
        _set(self, "units", validation.integer(self.units, "units", 1, validation.MAX_UNITS))
        if self.activation is not None:
            _set(self, "activation", _named(self.activation, "activation"))
        _set(self, "use_bias", validation.boolean(self.use_bias, "use_bias"))
        if self.initializer is not None:
            _set(self, "initializer", initializers.resolve(self.initializer))

    def __repr__(self) -> str:
        return _short_repr(self, ("units", "activation"))


@dataclass(frozen=True)
class Dropout:
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


@dataclass(frozen=True)
class BatchNormalization:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta of each column, as Keras has it.

    Training takes the mean and the variance (divided by the count) of the batch's rows; prediction takes
    moving averages of them.  `Network.folded` puts the prediction's into the dense layers beside it.

    Parameters
    ----------
    momentum : float
        moving = momentum * moving + (1 - momentum) * batch, 0 <= momentum <= 1; PyTorch's is 1 - momentum.
    epsilon : float
        Added to the variance, at least 1e-30.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167.

    Examples
    --------
    >>> from fastmlp import Activation, BatchNormalization, Dense, Network
    >>> net = Network([4, Dense(8), BatchNormalization(), Activation("relu"), 2])
    >>> list(net.state_dict())[2:6]
    ['layers.1.gamma', 'layers.1.beta', 'layers.1.mean', 'layers.1.variance']
    """

    momentum: float = 0.99
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        _set(self, "momentum", validation.real(self.momentum, "momentum", minimum=0.0, maximum=1.0))
        _set(self, "epsilon", validation.real(self.epsilon, "epsilon", minimum=1e-30))

    def __repr__(self) -> str:
        return _short_repr(self, ())


@dataclass(frozen=True)
class LayerNormalization:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and variance those of each row.

    Parameters
    ----------
    epsilon : float
        Added to the variance, at least 1e-30; PyTorch's default is 1e-5.

    References
    ----------
    Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.

    Examples
    --------
    >>> from fastmlp import LayerNormalization, Network
    >>> net = Network([4, LayerNormalization(), 2], dtype="float64", seed=0)
    >>> net.forward([1.0, 1.0, 3.0, 3.0])[0].round(3)
    array([-1., -1.,  1.,  1.])
    """

    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        _set(self, "epsilon", validation.real(self.epsilon, "epsilon", minimum=1e-30))

    def __repr__(self) -> str:
        return _short_repr(self, ())


@dataclass(frozen=True)
class Activation:
    """The activation of the layer before it, where that has none of its own: a `Dense` or a normalisation.

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

    def __post_init__(self) -> None:
        _set(self, "activation", _named(self.activation, "activation"))

    def __repr__(self) -> str:
        return _short_repr(self, ("activation",))


Normalization = BatchNormalization | LayerNormalization
Layer = Dense | Dropout | Rescaling | Standardize | BatchNormalization | LayerNormalization | Activation
LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (Dense, Dropout, Rescaling, Standardize, BatchNormalization, LayerNormalization, Activation)
}


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
    if isinstance(value, Layer):
        return value
    try:
        return Dense(validation.integer(value, argument, 1, validation.MAX_UNITS))
    except TypeError:
        raise TypeError(f"{argument} is {value!r}, expected a width or one of {listed(LAYERS)}") from None


def _check_order(layers: Sequence[Layer]) -> None:
    for i, layer in enumerate(layers):
        before = layers[i - 1] if i else None
        if isinstance(layer, (Rescaling, Standardize)) and i > 0:
            raise ValueError(f"layers[{i + 1}] is {layer!r}, which belongs directly after the input's width")
        if isinstance(layer, Dropout) and isinstance(before, Dropout):
            raise ValueError(f"layers[{i + 1}] is a second Dropout in a row, expected one")
        if isinstance(layer, Activation) and not _takes_activation(before):
            raise ValueError(
                f"layers[{i + 1}] is {layer!r}, expected it after a normalisation or a Dense without one"
            )
    if not any(isinstance(layer, Dense) for layer in layers):
        raise ValueError(f"layers has {list(layers)} after the input, expected a width or a Dense layer")
    if isinstance(layers[-1], Dropout):
        raise ValueError(f"layers ends with {layers[-1]!r}, expected a layer that it acts on")


def _takes_activation(layer: Layer | None) -> bool:
    if isinstance(layer, Dense):
        return layer.activation in (None, "identity")
    return isinstance(layer, (BatchNormalization, LayerNormalization))


def _filled(
    layers: Sequence[Layer], activation: object, output: object, initializer: Initializer
) -> tuple[Layer, ...]:
    dense = [i for i, layer in enumerate(layers) if isinstance(layer, Dense)]
    # A Dense whose activation stands apart, after a normalisation say, has none of its own.
    apart = {
        i
        for i, end in zip(dense, [*dense[1:], len(layers)], strict=True)
        if any(isinstance(layer, Activation) for layer in layers[i + 1 : end])
    }
    taking = [i for i in dense if i not in apart]
    names: dict[int, ActivationName] = dict.fromkeys(apart, "identity")
    hidden = [i for i in taking if i != dense[-1]]
    names.update(zip(hidden, _hidden_activations(activation, len(hidden)), strict=True))
    names.setdefault(dense[-1], _named(output, "output"))
    result = [
        dataclasses.replace(
            layer, activation=layer.activation or names[i], initializer=layer.initializer or initializer
        )
        if isinstance(layer, Dense)
        else layer
        for i, layer in enumerate(layers)
    ]
    check(result)
    return tuple(result)


def check(layers: Sequence[Layer]) -> None:
    """Raises ValueError unless completed layers, in this order, make a network."""
    _check_order(layers)
    *hidden, _ = activations(layers)
    for name, _ in hidden:
        if registry.ACTIVATIONS[name][1] == "row":
            raise ValueError(f"activation {name!r} is in a hidden layer, expected it in the last one alone")


def activations(layers: Sequence[Layer]) -> list[tuple[str, float]]:
    """The name and the parameter of the activation of every layer with parameters, as a Plan has them."""
    found: list[tuple[str, float]] = []
    for layer in layers:
        if isinstance(layer, Dense):
            found.append(registry.resolve_activation(layer.activation))
        elif isinstance(layer, (BatchNormalization, LayerNormalization)):
            found.append(registry.resolve_activation("identity"))
        elif isinstance(layer, Activation):
            found[-1] = registry.resolve_activation(layer.activation)
    return found


def _hidden_activations(activation: object, hidden: int) -> list[ActivationName]:
    """One for each hidden layer, from one for all or a list."""
    if isinstance(activation, list):
        if len(activation) != hidden:
            raise ValueError(
                f"activation has {len(activation)} names, expected one for each of {hidden} hidden layers"
            )
        return [_named(item, f"activation[{i}]") for i, item in enumerate(activation)]
    return [_named(activation, "activation")] * hidden


def _named(value: object, argument: str) -> ActivationName:
    return short_activation(*registry.resolve_activation(value, argument))


def short_activation(name: str, parameter: float) -> ActivationName:
    """A name alone where the parameter is its default, as layers hold it."""
    return name if parameter == registry.ACTIVATIONS[name][0] else (name, parameter)


def dense_layers(layers: Sequence[Layer]) -> list[Dense]:
    """The dense layers."""
    return [layer for layer in layers if isinstance(layer, Dense)]


def layers_with_parameters(n_in: int, layers: Sequence[Layer]) -> list[tuple[Dense | Normalization, int]]:
    """The layers of a Plan, in order, with the width of each one's input."""
    found: list[tuple[Dense | Normalization, int]] = []
    for layer in layers:
        if isinstance(layer, (Dense, BatchNormalization, LayerNormalization)):
            found.append((layer, n_in))
        if isinstance(layer, Dense):
            n_in = layer.units
    return found


def sizes(n_in: int, layers: Sequence[Layer]) -> tuple[int, ...]:
    """The input's width and every dense layer's."""
    return (n_in, *(layer.units for layer in dense_layers(layers)))


def parameter_shapes(n_in: int, layers: Sequence[Layer]) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the order of `Network.get_weights`: "layers.0.W", "layers.0.b", "layers.1.W"..."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (layer, width) in enumerate(layers_with_parameters(n_in, layers)):
        own = own_shapes(layer, width)
        shapes.update({f"layers.{i}.{name}": shape for name, shape in own.items()})
    return shapes


def own_shapes(layer: Dense | Normalization, n_in: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one layer's arrays."""
    if isinstance(layer, Dense):
        bias = {"b": (layer.units,)} if layer.use_bias else {}
        return {"W": (n_in, layer.units), **bias}
    names = ["gamma", "beta"]
    if isinstance(layer, BatchNormalization):
        names += ["mean", "variance"]
    return dict.fromkeys(names, (n_in,))


def table(n_in: int, layers: Sequence[Layer]) -> list[str]:
    """The lines of `Network.summary`: layer, output shape, parameters, and the total."""
    rows = [("input", n_in, 0)]
    for layer in layers:
        width = rows[-1][1]
        if isinstance(layer, Dense):
            width = layer.units
        rows.append((_described(layer), width, _count(layer, rows[-1][1])))
    cells = [("Layer", "Output shape", "Parameters")]
    cells += [(name, f"(rows, {width})", str(count)) for name, width, count in rows]
    cells += [("Total", "", str(sum(count for *_, count in rows)))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in cells]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _described(layer: Layer) -> str:
    """A layer in the table of `Network.summary`: "dense, relu"."""
    name = type(layer).__name__.lower()
    if isinstance(layer, Dropout):
        return f"{name}, {layer.rate:g}"
    if isinstance(layer, (Dense, Activation)):
        kind, parameter = registry.resolve_activation(layer.activation)
        return f"{name}, {kind}" + ("" if isinstance(layer.activation, str) else f"({parameter:g})")
    return name


def _count(layer: Layer, width: int) -> int:
    if not isinstance(layer, (Dense, BatchNormalization, LayerNormalization)):
        return 0
    return sum(math.prod(shape) for shape in own_shapes(layer, width).values())


def plan_arguments(
    n_in: int, layers: Sequence[Layer], dtype: np.dtype[Any]
) -> tuple[list[tuple[Any, ...]], Array | None, Array | None]:
    """What a Plan is made of: its layers, the input's shift and its divisor, None where they do nothing."""
    steps: list[tuple[Any, ...]] = []
    shift: Array | None = None
    divisor: Array | None = None
    rate, width = 0.0, n_in
    found = activations(layers)
    for layer in layers:
        if isinstance(layer, (Dense, BatchNormalization, LayerNormalization)):
            width = layer.units if isinstance(layer, Dense) else width
            use_bias = layer.use_bias if isinstance(layer, Dense) else True
            norm = () if isinstance(layer, Dense) else _normalization(layer)
            steps.append((width, *found[len(steps)], use_bias, rate, *norm))
            rate = 0.0
        elif isinstance(layer, Dropout):
            rate = layer.rate
        elif isinstance(layer, (Rescaling, Standardize)):
            shift, divisor = layer.shift_and_divisor(n_in)
            _check_held(shift, divisor, dtype, type(layer).__name__)
            shift = shift if shift.any() else None
            divisor = divisor if (divisor != 1).any() else None
    return steps, shift, divisor


def _normalization(layer: Normalization) -> tuple[str, float, float]:
    """What a Plan's tuple has more than a dense layer's."""
    if isinstance(layer, BatchNormalization):
        return "batch", layer.epsilon, layer.momentum
    return "layer", layer.epsilon, 0.0


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
