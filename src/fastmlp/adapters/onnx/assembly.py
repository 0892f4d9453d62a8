"""Steps as a network: biases joined to their products, factors and sums folded into the layers beside them.

What is folded is computed in float64 and rounded once; weights that nothing is folded into keep their bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import layers as descriptions
from ... import registry
from ...errors import ModelFileError
from ...layers import Dense, Dropout, Layer, Rescaling, Standardize
from .chain import Affine, Drop, Function, Normalization, Product, Step

Array = np.ndarray[Any, Any]

_WIDEST_DIAGONAL = 1024  # of a product that only scales


@dataclass
class Item:
    """A layer to be; step is None where there are only factors and sums."""

    step: Step | None
    activation: tuple[str, float] | None = None
    before: list[Affine] = field(default_factory=list)
    after: list[Affine] = field(default_factory=list)


def assemble(
    steps: Sequence[Step], n_in: int | None
) -> tuple[int, list[Layer], list[dict[str, Array]], np.dtype[Any]]:
    """The input's width, the layers, the parameters of each that has some, and their dtype."""
    dtype = _dtype(steps)
    items = _joined(steps, n_in)
    first = next(item.step for item in items if isinstance(item.step, Product))
    width = n_in = n_in or len(first.W)
    rescaling = _rescaling(items[0].after, width) if items[0].step is None else None
    layers: list[Layer] = [] if rescaling is None else [rescaling]
    parameters: list[dict[str, Array]] = []
    for item in _settled(items[rescaling is not None :], width):
        layer, arrays = _layer(item, dtype)
        layers.append(layer)
        if arrays:
            parameters.append(arrays)
    return n_in, layers, parameters, dtype


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
        free = last.activation is None and isinstance(last.step, Product)
        if isinstance(step, Function) and step.name == "two columns":
            _check_two_columns(step, items, last=i == len(steps) - 1)
        elif isinstance(step, Function) and step.name in registry.ACTIVATIONS:
            _check_row_activation(step, steps[i + 1 :])
            if free:
                last.activation = (step.name, step.parameter)
            else:
                items.append(Item(step, (step.name, step.parameter)))
        elif isinstance(step, Affine):
            width = _checked_width(step, [step.value], width)
            if not items or not (free or isinstance(last.step, Normalization) or last.step is None):
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


def _settled(items: Sequence[Item], width: int) -> list[Item]:
    """Products, normalizations and activations: what stood alone is part of the next product, or is one."""
    result: list[Item] = []
    waiting: list[Affine] = []
    rate: Drop | None = None
    for item in [*items, Item(None)]:
        if isinstance(item.step, Drop):
            rate = item.step
        elif item.step is None and item.after:
            waiting = item.after
        else:
            if waiting and isinstance(item.step, Product):
                item.before = waiting
            elif waiting:
                result.append(_diagonal(waiting, width))
            if rate is not None and isinstance(item.step, Product):
                result.append(Item(rate))
            waiting, rate = [], None
            if item.step is not None:
                result.append(item)
        if isinstance(item.step, Product):
            width = item.step.W.shape[1]
    return result


def _diagonal(steps: list[Affine], width: int) -> Item:
    if width > _WIDEST_DIAGONAL:
        came = f"{width} columns are scaled where no layer can take it"
        raise ModelFileError(f"{steps[0].node}: {came}, expected at most {_WIDEST_DIAGONAL}")
    return Item(Product(steps[0].node, np.eye(width), None), after=steps)


# ---- layers ----


def _layer(item: Item, dtype: np.dtype[Any]) -> tuple[Layer, dict[str, Array]]:
    """The layer, and its parameters by name."""
    if isinstance(item.step, Product):
        W, b = _folded(item, item.step, dtype)
        layer: Layer = Dense(W.shape[1], activation(item.activation), use_bias=b is not None)
        return layer, {"W": W} if b is None else {"W": W, "b": b}
    if isinstance(item.step, Drop):
        return Dropout(item.step.rate), {}
    assert item.step is not None
    raise ModelFileError(f"{item.step.node}: it stands alone, expected a product before it")


def activation(value: tuple[str, float] | None) -> descriptions.Activation:
    """What Dense takes: the name, and the parameter where it is not the default."""
    if value is None:
        return "identity"
    return value[0] if registry.ACTIVATIONS[value[0]][0] in (0.0, value[1]) else value


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
