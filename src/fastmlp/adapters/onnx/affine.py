"""Factors and sums between layers, folded into those beside them.

What is folded is computed in float64 and rounded once; weights that nothing is folded into keep their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...layers import BatchNormalization, Dense, Layer, LayerNormalization, Rescaling, Standardize
from ..chain import Part, has_matrix
from .steps import Affine, Step

Array = np.ndarray[Any, Any]

_WIDEST_IDENTITY = 1024  # of a dense layer for what no layer can take


def folded(steps: Sequence[Step], n_in: int, use: Callable[[int], None]) -> list[Part]:
    """The steps without affine ones, the arrays of normalisations (n,); `use` is told of bytes."""
    width, result = n_in, list[Part]()
    waiting: list[Affine] = []
    dropped: list[Part] = []  # between what waits and the layer that it waits for
    for step in steps:
        _check_width(step, width)
        if isinstance(step, Affine):
            if not waiting and result and type(result[-1].layer) in _AFTER:
                result[-1] = _after(result[-1], [step])
            else:
                waiting.append(step)
            continue
        if waiting and step.layer.drops() is not None:
            dropped.append(step)
            continue
        if step.arrays and not has_matrix(step):
            use(8 * width * len(step.arrays))
            step = replace(step, arrays=tuple(np.broadcast_to(array, width) for array in step.arrays))
        if waiting:
            rescaling = None if result else _rescaling(waiting, width)
            if rescaling is not None:
                result.append(Part(waiting[0].path, rescaling))
            elif has_matrix(step):
                step = _before(step, waiting)
            else:
                result.append(_after(identity(waiting[0].path, width, use), waiting))
        result += [*dropped, step]
        waiting, dropped = [], []
        width = step.layer.width(width)
    return [*result, _after(identity(waiting[0].path, width, use), waiting)] if waiting else result


def identity(path: str, width: int, use: Callable[[int], None]) -> Part:
    """A dense layer that does nothing, for an activation or factors where no layer is that can take them."""
    if width > _WIDEST_IDENTITY:
        came = f"it stands apart from every layer, with {width} columns"
        raise ModelFileError(f"{path}: {came}, expected at most {_WIDEST_IDENTITY}")
    use(8 * width * width)
    return Part(path, Dense(width, "identity", use_bias=False), (np.eye(width),))


def _check_width(step: Step, width: int) -> None:
    if isinstance(step, Part) and has_matrix(step):
        shape = step.arrays[0].shape
        if shape[0] != width:
            raise ModelFileError(f"{step.path}: its weights have shape {shape}, expected ({width}, n_out)")
        return
    for array in step.arrays if isinstance(step, Part) else (step.value,):
        if array.shape not in ((), (width,)):
            raise ModelFileError(f"{step.path}: a constant has shape {array.shape}, expected ({width},)")


def _scale_and_offset(steps: Sequence[Affine]) -> tuple[Array, Array]:
    """float64 arrays, (n,) or (): the steps are x * scale + offset."""
    scale, offset = np.array(1.0), np.array(0.0)
    for step in steps:
        if step.operation == "+":
            offset = offset + step.value
        else:
            factor = step.value if step.operation == "*" else 1 / step.value
            scale, offset = scale * factor, offset * factor
    return scale, offset


def _rescaling(steps: Sequence[Affine], n_in: int) -> Layer | None:
    """The steps as (x - shift) / divisor, in a layer directly after the input; None if none can."""
    shift, divisor = np.array(0.0), np.array(1.0)
    for step in steps:
        if step.operation == "+":
            shift = shift - step.value * divisor
        else:
            divisor = divisor * (step.value if step.operation == "/" else 1 / step.value)
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


def _after(part: Part, steps: Sequence[Affine]) -> Part:
    """The layer with affine steps after it."""
    return _AFTER[type(part.layer)](part, *_scale_and_offset(steps))


def _after_dense(part: Part, scale: Array, offset: Array) -> Part:
    """W' = W s and b' = b s + o"""
    W, *b = part.arrays
    W = W if (scale == 1).all() else W * scale
    bias = (b[0].astype(np.float64) if b else np.zeros(W.shape[1])) * scale + offset
    return _with(part, W, bias)


def _after_normalization(part: Part, scale: Array, offset: Array) -> Part:
    """gamma and beta likewise"""
    gamma, beta, *statistics = part.arrays
    return replace(part, arrays=(gamma * scale, beta * scale + offset, *statistics))


_AFTER: dict[type[Layer], Callable[[Part, Array, Array], Part]] = {
    BatchNormalization: _after_normalization,
    Dense: _after_dense,
    LayerNormalization: _after_normalization,
}


def _before(part: Part, steps: Sequence[Affine]) -> Part:
    """The dense layer with affine steps before it: W' = s W and b' = b + o W."""
    (scale, offset), (W, *b) = _scale_and_offset(steps), part.arrays
    scaled = W if (scale == 1).all() else W * np.broadcast_to(scale, len(W))[:, None]
    if (offset != 0).any():
        start = b[0].astype(np.float64) if b else 0.0
        b = [start + np.broadcast_to(offset, len(W)) @ W.astype(np.float64)]
    return _with(part, scaled, *b)


def _with(part: Part, W: Array, *b: Array) -> Part:
    """A dense layer's part with other arrays."""
    layer: Any = part.layer
    return replace(part, layer=replace(layer, use_bias=bool(b)), arrays=(W, *b))
