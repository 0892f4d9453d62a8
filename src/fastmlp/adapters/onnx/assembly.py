"""Steps as a network: biases joined to their products, factors and sums folded into the layers beside them.

What is folded is computed in float64 and rounded once; weights that nothing is folded into keep their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ... import registry
from ...errors import ModelFileError
from ...layers import (
    Activation,
    ActivationName,
    BatchNormalization,
    Dense,
    Dropout,
    Layer,
    LayerNormalization,
    Rescaling,
    Standardize,
    short_activation,
)
from . import operators
from .chain import Affine, Drop, Function, Normalization, Product, Step, shortest

Array = np.ndarray[Any, Any]

_WIDEST_DIAGONAL = 1024  # of a product that only scales


@dataclass
class Item:
    """A layer to be; step is None where there are only factors and sums."""

    step: Step | None
    activation: tuple[str, float] | None = None
    before: list[Affine] = field(default_factory=list)
    after: list[Affine] = field(default_factory=list)


class Assembled(NamedTuple):
    """What a Network is made of: the parameters are those of each layer that has some."""

    n_in: int
    layers: list[Layer]
    parameters: list[dict[str, Array]]
    dtype: np.dtype[Any]


def assemble(steps: Sequence[Step], n_in: int | None, use: Callable[[int], None]) -> Assembled:
    """The layers of the steps; `use` is told of bytes that the file does not have."""
    dtype = _dtype(steps)
    items = _joined(steps, n_in)
    width = n_in or next(len(step.W) for step in steps if isinstance(step, Product))
    rescaling = _rescaling(items[0].after, width) if items[0].step is None else None
    result = Assembled(width, [] if rescaling is None else [rescaling], [], dtype)
    for item in _settled(items[rescaling is not None :], width, use):
        layers, arrays = _layers(item, width, dtype)
        result.layers.extend(layers)
        if arrays:
            result.parameters.append({name: np.asarray(array, dtype) for name, array in arrays.items()})
        if isinstance(item.step, Product):
            width = item.step.W.shape[1]
    return result


def _dtype(steps: Sequence[Step]) -> np.dtype[Any]:
    products = [step for step in steps if isinstance(step, Product)]
    if not products:
        raise ModelFileError("has no Gemm and no MatMul, expected at least one layer")
    for step in products:
        if step.W.dtype != products[0].W.dtype:
            came = f"{step.W.dtype} weights"
            raise ModelFileError(
                f"{step.node}: it has {came}, expected {products[0].W.dtype} as those before it"
            )
    return products[0].W.dtype


def _joined(steps: Sequence[Step], n_in: int | None) -> list[Item]:
    """Items, with activations and affine steps where they belong to the layer before them."""
    items: list[Item] = []
    width = n_in
    for i, step in enumerate(steps):
        last = items[-1] if items else Item(None)
        free = last.activation is None and isinstance(last.step, (Product, Normalization))
        if isinstance(step, Function) and step.name == operators.TWO_COLUMNS:
            _check_two_columns(step, items, last=i == len(steps) - 1)
        elif isinstance(step, Function) and step.name in registry.ACTIVATIONS:
            _check_row_activation(step, steps[i + 1 :])
            if not free:
                items.append(Item(step))
            items[-1].activation = (step.name, step.parameter)
        elif isinstance(step, Affine):
            width = _checked_width(step, [step.value], width)
            if not items or not (free or last.step is None):
                items.append(Item(None))
            items[-1].after.append(step)
        else:
            width = _width_after(step, width)
            items.append(Item(_as_normalization(step)))
    return items


def _as_normalization(step: Step) -> Step:
    if not isinstance(step, Function):
        return step
    return Normalization(step.node, np.array(1.0), np.array(0.0), step.parameter)


def _width_after(step: Step, width: int | None) -> int | None:
    if isinstance(step, Product):
        if width is not None and len(step.W) != width:
            raise ModelFileError(
                f"{step.node}: its weights have shape {step.W.shape}, expected ({width}, n_out)"
            )
        return step.W.shape[1]
    if isinstance(step, Normalization):
        arrays = [step.gamma, step.beta, step.mean, step.variance]
        return _checked_width(step, [array for array in arrays if array is not None], width)
    return width


def _checked_width(step: Step, arrays: Sequence[Array], width: int | None) -> int | None:
    for array in arrays:
        if array.ndim and width is None:
            width = len(array)
        if array.ndim and len(array) != width:
            raise ModelFileError(f"{step.node}: a constant has shape {array.shape}, expected ({width},)")
    return width


def _check_two_columns(step: Step, items: Sequence[Item], *, last: bool) -> None:
    ends = items[-1] if items else Item(None)
    if not last or ends.activation != ("sigmoid", 0.0):
        raise ModelFileError(f"{step.node}: expected such columns at the end, of one sigmoid output")


def _check_row_activation(step: Function, following: Sequence[Step]) -> None:
    if registry.ACTIVATIONS[step.name][1] == "row" and any(not isinstance(s, Drop) for s in following):
        raise ModelFileError(
            f"{step.node}: {step.name} is in a hidden layer, expected it in the last one alone"
        )


# ---- factors and sums ----


def _scale_and_offset(steps: Sequence[Affine]) -> tuple[Array, Array]:
    """float64 arrays, (n,) or (): the steps are x * scale + offset."""
    scale, offset = np.array(1.0), np.array(0.0)
    for step in steps:
        value = step.value.astype(np.float64)
        if step.operation in "+-":
            offset = offset + (value if step.operation == "+" else -value)
        else:
            factor = value if step.operation == "*" else 1 / value
            scale, offset = scale * factor, offset * factor
    return scale, offset


def _rescaling(steps: Sequence[Affine], n_in: int) -> Layer | None:
    """The steps as (x - shift) / divisor, in a layer directly after the input; None if none can."""
    shift, divisor = np.array(0.0), np.array(1.0)
    for step in steps:
        value = step.value.astype(np.float64)
        if step.operation in "+-":
            shift = shift - (value if step.operation == "+" else -value) * divisor
        else:
            divisor = divisor * (value if step.operation == "/" else 1 / value)
    if not (np.isfinite(shift).all() and np.isfinite(divisor).all()):
        return None
    if shift.ndim == divisor.ndim == 0:
        scale = 1 / float(divisor) if divisor else 0.0
        offset = -float(shift) * scale
        return Rescaling(scale, offset) if scale and np.isfinite([scale, offset]).all() else None
    if not (divisor > 0).all():
        return None
    both = (np.broadcast_to(array, n_in).tolist() for array in (shift, divisor))
    return Standardize(*both)


def _settled(items: Sequence[Item], width: int, use: Callable[[int], None]) -> list[Item]:
    """Items with a step each: what stood alone is part of the next product, or a product of its own."""
    result: list[Item] = []
    waiting: list[Affine] = []
    rate: Drop | None = None
    for item in [*items, Item(None)]:
        if isinstance(item.step, Drop):
            rate = item.step
            continue
        if item.step is None and item.after:
            waiting = item.after
            continue
        if waiting and isinstance(item.step, Product):
            item.before = waiting
        elif waiting:
            result.append(_diagonal(waiting[0], width, use, after=waiting))
        if isinstance(item.step, Function):
            item = _diagonal(item.step, width, use, activation=item.activation)
        if item.step is not None:
            result += [Item(rate), item] if rate is not None else [item]
        if isinstance(item.step, Product):
            width = item.step.W.shape[1]
        waiting, rate = [], None
    return result


def _diagonal(step: Step, width: int, use: Callable[[int], None], **fields: Any) -> Item:
    """A product that does nothing, for an activation or factors where no layer is that can take them."""
    if width > _WIDEST_DIAGONAL:
        came = f"it stands apart from every layer, with {width} columns"
        raise ModelFileError(f"{step.node}: {came}, expected at most {_WIDEST_DIAGONAL}")
    use(8 * width * width)
    return Item(Product(step.node, np.eye(width), None), **fields)


# ---- layers ----


def _layers(item: Item, width: int, dtype: np.dtype[Any]) -> tuple[list[Layer], dict[str, Array]]:
    """The item's layer, an activation after it if it has none itself, and its parameters by name."""
    if isinstance(item.step, Drop):
        return [Dropout(item.step.rate)], {}
    name = activation(item.activation, dtype)
    if isinstance(item.step, Product):
        W, b = _folded(item, item.step, dtype)
        bias = {} if b is None else {"b": b}
        return [Dense(W.shape[1], name, use_bias=b is not None)], {"W": W, **bias}
    assert isinstance(item.step, Normalization)
    apart = [] if item.activation is None else [Activation(name)]
    return [_normalization(item.step, dtype), *apart], _normalization_arrays(item, item.step, width)


def _normalization(step: Normalization, dtype: np.dtype[Any]) -> Layer:
    epsilon, momentum = (_short(value, dtype) for value in (step.epsilon, step.momentum))
    return LayerNormalization(epsilon) if step.mean is None else BatchNormalization(momentum, epsilon)


def _normalization_arrays(item: Item, step: Normalization, width: int) -> dict[str, Array]:
    scale, offset = _scale_and_offset(item.after)
    arrays = {"gamma": step.gamma, "beta": step.beta}
    if item.after:
        arrays = {"gamma": step.gamma * scale, "beta": step.beta * scale + offset}
    if step.mean is not None and step.variance is not None:
        arrays |= {"mean": step.mean, "variance": step.variance}
    return {name: np.broadcast_to(array, width) for name, array in arrays.items()}


def _short(value: float, dtype: np.dtype[Any]) -> float:
    """A FLOAT attribute as a person would write it, where that is the same number to the network."""
    return shortest(value) if dtype == np.float32 else value


def activation(value: tuple[str, float] | None, dtype: np.dtype[Any]) -> ActivationName:
    """What a layer takes: the name, and the parameter where it is not the default."""
    if value is None:
        return "identity"
    return short_activation(value[0], _short(value[1], dtype))


def _folded(item: Item, step: Product, dtype: np.dtype[Any]) -> tuple[Array, Array | None]:
    """W and b with the affine steps before and after the product: W' = s W t, b' = (b + o W) t + p."""
    W, b = step.W, step.b
    if not item.before and not item.after:
        return W, b
    n_in, n_out = W.shape
    (scale, offset), (factor, shift) = _scale_and_offset(item.before), _scale_and_offset(item.after)
    if (scale != 1).any() or (factor != 1).any():
        W = W * np.broadcast_to(scale, n_in)[:, None] * factor
    total = np.zeros(n_out) if b is None else b.astype(np.float64)
    if (offset != 0).any():
        total = total + np.broadcast_to(offset, n_in) @ step.W.astype(np.float64)
    total = total * factor + shift
    return W.astype(dtype), None if b is None and not total.any() and not item.after else total.astype(dtype)
