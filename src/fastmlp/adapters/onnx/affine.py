"""Factors and sums between layers, folded into those beside them.

What is folded is computed in float64 and rounded once; weights that nothing is folded into keep their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...layers import Dense, Layer, Rescaling, Scale, Standardize
from ..chain import Part, has_matrix, scale
from .nodes import Array

Values = Array | np.float64

_WIDEST_IDENTITY = 1024  # of a dense layer for what no layer can take


@dataclass
class Affine:
    """x * scale + offset, which is (x - shift) / divisor: float64, (n,) or () each.

    What may stand `apart` is a factor of all columns that becomes a `Scale` where no layer can take it.
    """

    path: str
    scale: Values = np.float64(1)
    offset: Values = np.float64(0)
    shift: Values = np.float64(0)
    divisor: Values = np.float64(1)
    apart: bool = False

    @classmethod
    def of(cls, path: str, op: str, value: Values) -> Affine:
        """Add, Sub, Mul or Div of a constant after x."""
        if op in ("Add", "Sub"):
            return cls(path, offset=value if op == "Add" else -value, shift=value if op == "Sub" else -value)
        inverse = 1 / value
        return cls(path, scale=value, divisor=inverse) if op == "Mul" else cls(path, inverse, divisor=value)

    def then(self, after: Affine) -> Affine:
        """Both, one after the other."""
        scale, offset = self.scale * after.scale, self.offset * after.scale + after.offset
        shift, divisor = self.shift + after.shift * self.divisor, self.divisor * after.divisor
        return Affine(self.path, scale, offset, shift, divisor, self.apart and after.apart)


Step = Part | Affine


def folded(steps: Sequence[Step], n_in: int, use: Callable[[int], None]) -> list[Part]:
    """The steps without affine ones, the arrays of normalisations (n,); `use` is told of bytes.

    Nothing is folded across a part with a name, whose numbers a sum adds as they are there.
    """
    width, result = n_in, list[Part]()
    waiting: Affine | None = None
    dropped: list[Part] = []  # between what waits and the layer that it waits for
    for step in steps:
        _check_width(step, width)
        if isinstance(step, Affine):
            if waiting is None and result and _has_offset(result[-1]):
                result[-1] = _after(result[-1], step)
            else:
                waiting = step if waiting is None else waiting.then(step)
            continue
        if waiting is not None and step.layer.drops() is not None:
            dropped.append(step)
            continue
        if step.arrays and not has_matrix(step):
            use(8 * width * len(step.arrays))
            step = replace(step, arrays=tuple(np.broadcast_to(array, width) for array in step.arrays))
        if waiting is not None:
            rescaling = None if result else _rescaling(waiting, width)
            if rescaling is not None:
                result.append(Part(waiting.path, rescaling))
            elif has_matrix(step):
                step = _before(step, waiting)
            else:
                result.append(_alone(waiting, width, use))
        result += [*dropped, step]
        waiting, dropped, width = None, [], step.layer.output_width(width)
    return [*result, _alone(waiting, width, use)] if waiting is not None else result


def factor(path: str, value: float) -> Step:
    """x * value: folded where that keeps the bits, as of a power of two, a layer of its own elsewhere."""
    if abs(np.frexp(value)[0]) == 0.5:
        return Affine(path, np.float64(value), divisor=np.float64(1 / value), apart=True)
    return Part(path, Scale(trainable=False), (np.array(value),))


def _has_offset(part: Part) -> bool:
    """Whether its arrays take factors and sums that follow: a dense layer's, or gamma and beta."""
    return part.layer.takes_activation and (has_matrix(part) or len(part.arrays) > 1)


def _alone(step: Affine, width: int, use: Callable[[int], None]) -> Part:
    """An affine step that no layer takes, as a layer."""
    if step.apart:
        return scale(step.path, float(step.scale), width)
    return _after(identity(step.path, width, use), step)


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
    for array in step.arrays if isinstance(step, Part) else (step.scale, step.offset):
        if array.shape not in ((), (width,)):
            raise ModelFileError(f"{step.path}: a constant has shape {array.shape}, expected ({width},)")


def _rescaling(step: Affine, n_in: int) -> Layer | None:
    """The step as a layer directly after the input; None if none can be it."""
    shift, divisor = step.shift, step.divisor
    if not (np.isfinite(shift).all() and np.isfinite(divisor).all()):
        return None
    if shift.ndim == divisor.ndim == 0:
        scale = 1 / float(divisor) if divisor else 0.0
        offset = -float(shift) * scale
        return Rescaling(scale, offset) if scale and np.isfinite([scale, offset]).all() else None
    mean, deviation = (np.broadcast_to(array, n_in).tolist() for array in (shift, divisor))
    return Standardize(mean, deviation) if (divisor > 0).all() else None


def _after(part: Part, step: Affine) -> Part:
    """The layer with an affine step after it: W' = W s and b' = b s + o, or so gamma and beta."""
    first, *rest = part.arrays  # W, and perhaps b; or gamma, beta and statistics
    first = first if (step.scale == 1).all() else first * step.scale
    second = rest[0].astype(np.float64) if rest else np.zeros(first.shape[-1])
    arrays = (first, second * step.scale + step.offset, *rest[1:])
    return _with(part, *arrays) if has_matrix(part) else replace(part, arrays=arrays)


def _before(part: Part, step: Affine) -> Part:
    """The dense layer with an affine step before it: W' = s W and b' = b + o W."""
    W, *b = part.arrays
    scaled = W if (step.scale == 1).all() else W * np.broadcast_to(step.scale, len(W))[:, None]
    if (step.offset != 0).any():
        start = b[0].astype(np.float64) if b else 0.0
        b = [start + np.broadcast_to(step.offset, len(W)) @ W.astype(np.float64)]
    return _with(part, scaled, *b)


def _with(part: Part, W: Array, *b: Array) -> Part:
    """A dense layer's part with other arrays."""
    layer: Any = part.layer
    return replace(part, layer=replace(layer, use_bias=bool(b)), arrays=(W, *b))
