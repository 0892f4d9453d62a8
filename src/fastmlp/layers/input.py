"""What is done to the input before the first layer, and saved with the model."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import validation
from ..descriptions import description
from ..spread import mean_and_deviation
from .base import Array, Layer, set_field, short_numbers, short_repr

__all__ = ["Rescaling", "Standardize"]


@description
class Rescaling(Layer):
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

    leads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "scale", validation.real(self.scale, "scale"))
        set_field(self, "offset", validation.real(self.offset, "offset"))
        if self.scale == 0:
            raise ValueError("scale is 0, expected a finite number other than 0")

    def __repr__(self) -> str:
        return short_repr(self, ("scale",))

    def shift_and_divisor(self, n_in: int) -> tuple[Array, Array]:
        """float64 arrays (n_in,) with x * scale + offset == (x - shift) / divisor."""
        divisor = 1 / self.scale
        if round(divisor) != 0 and abs(divisor - round(divisor)) <= 1e-9:
            divisor = float(round(divisor))
        shift = -self.offset * divisor if self.offset else 0.0
        return np.full(n_in, shift), np.full(n_in, divisor)


@description
class Standardize(Layer):
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

    leads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            array = validation.numeric(getattr(self, name), name)
            if array.ndim != 1:
                raise ValueError(f"{name} has shape {array.shape}, expected one number for each input")
            array = validation.converted(array, np.dtype(np.float64), name)
            set_field(self, name, tuple(array.tolist()))
        if len(self.mean) != len(self.std):
            raise ValueError(f"std has {len(self.std)} numbers, expected {len(self.mean)} as mean has")
        for i, deviation in enumerate(self.std):
            if deviation <= 0:
                raise ValueError(f"std contains {deviation:g} at index {i}, expected numbers above 0")

    def __repr__(self) -> str:
        return f"Standardize(mean={short_numbers(self.mean)}, std={short_numbers(self.std)})"

    @classmethod
    def adapt(cls, X: Any) -> Standardize:
        """The layer that gives the columns of X, shape (rows, n_in), mean 0 and deviation 1.

        A column without any spread, but for roundings, keeps deviation 1, so it becomes 0.
        """
        array = validation.numeric(X, "X")
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"X has shape {array.shape}, expected (rows, n_in) with at least one row")
        array = validation.converted(array, np.dtype(np.float64), "X")
        mean, std = mean_and_deviation(array)
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def input_width(self) -> int:
        return len(self.mean)

    def shift_and_divisor(self, n_in: int) -> tuple[Array, Array]:
        """float64 arrays (n_in,): the mean and the deviation."""
        if len(self.mean) != n_in:
            raise ValueError(f"Standardize has {len(self.mean)} means, expected {n_in}, the input's width")
        return np.array(self.mean), np.array(self.std)
