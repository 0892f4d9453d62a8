"""What is done to the output after the last layer, and saved with the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .. import registry, validation
from ..descriptions import description
from ..errors import listed
from ..spread import is_one_number
from .base import ActivationName, Array, Layer, activation_words, named, set_field, short_numbers

__all__ = ["Heads", "OutputRescaling"]


@description
class OutputRescaling(Layer):
    """a * scale + offset of each output a; it is the last layer, after an identity, and saved with the model.

    ``compile(standardize_targets=True)`` lets `Network.fit` add it, by the targets' means and deviations.  It
    has no parameters, and what trains on standardized targets passes it by.

    Parameters
    ----------
    scale, offset : array-like of shape (n_out,)
        Finite, every scale above 0; in the units of the targets.

    Examples
    --------
    >>> from fastmlp import Network, OutputRescaling
    >>> net = Network([2, 1, OutputRescaling([10.0], [100.0])])
    >>> net.set_weights([[[1.0], [2.0]], [0.5]])
    >>> net.predict([1.0, 1.0])
    array([135.], dtype=float32)
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            array = validation.numeric(getattr(self, name), name)
            if array.ndim != 1:
                raise ValueError(f"{name} has shape {array.shape}, expected one number for each output")
            array = validation.converted(array, np.dtype(np.float64), name)
            set_field(self, name, tuple(array.tolist()))
        if len(self.scale) != len(self.offset):
            expected = f"expected {len(self.scale)} as scale has"
            raise ValueError(f"offset has {len(self.offset)} numbers, {expected}")
        for i, scale in enumerate(self.scale):
            if scale <= 0:
                raise ValueError(f"scale contains {scale:g} at index {i}, expected numbers above 0")

    def __repr__(self) -> str:
        return f"OutputRescaling(scale={short_numbers(self.scale)}, offset={short_numbers(self.offset)})"

    @classmethod
    def adapt(cls, y: Any, sample_weight: Any = None) -> OutputRescaling:
        """The layer by whose inverse the columns of y have mean 0 and deviation 1.

        A column without any spread keeps scale 1.

        Parameters
        ----------
        y : array-like of shape (rows, n_out) or (rows,)
        sample_weight : array-like of shape (rows,), optional
            0 or more, of which mean and deviation are weighted.

        Examples
        --------
        >>> from fastmlp import OutputRescaling
        >>> OutputRescaling.adapt([100.0, 120.0])
        OutputRescaling(scale=(10.0,), offset=(110.0,))
        """
        array = validation.numeric(y, "y")
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"y has shape {array.shape}, expected (rows, n_out) with at least one row")
        array = validation.converted(array, np.dtype(np.float64), "y")
        weights = validation.as_sample_weight(sample_weight, len(array), np.dtype(np.float64))
        mean, std = weighted_statistics(array, weights)
        return cls(tuple(std.tolist()), tuple(mean.tolist()))

    def input_width(self) -> int:
        return len(self.scale)

    def scale_and_offset(self, n_out: int) -> tuple[Array, Array]:
        """float64 arrays (n_out,)."""
        if len(self.scale) != n_out:
            raise ValueError(f"OutputRescaling has {len(self.scale)} scales, expected {n_out}, one an output")
        return np.array(self.scale), np.array(self.offset)


@description
class Heads(Layer):
    """Slices of the output side by side, one for each of several tasks, with activations of their own.

    It is the last layer, after an identity as wide as its heads together, and has no parameters: a softmax is
    of its head's columns alone.  `Network.heads` has the columns of each, and `losses.Heads` is the loss.

    Parameters
    ----------
    heads : mapping of str to int or (int, activation)
        Of each head, by name, how many columns it has, 1 or more, and their activation: "softmax", or one of
        single numbers; "identity" where none is given.  A list of (name, columns, activation) does as well.

    Examples
    --------
    >>> from fastmlp import Heads, Network
    >>> net = Network([2, 8, 4, Heads({"price": 1, "kind": (3, "softmax")})], seed=0)
    >>> net.heads["kind"]
    slice(1, 4, None)
    >>> round(float(net.predict([1.0, 2.0])[net.heads["kind"]].sum()), 6)
    1.0
    """

    heads: tuple[tuple[str, int, ActivationName], ...]

    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        items = self.heads.items() if isinstance(self.heads, Mapping) else None
        given: list[Any] = validation.as_list(
            self.heads if items is None else items, "heads", "a mapping of names to columns"
        )
        if items is not None:
            given = [(name, *(own if isinstance(own, (tuple, list)) else (own,))) for name, own in given]
        found = tuple(_head(item) for item in given)
        names = [name for name, _, _ in found]
        if not names or len(set(names)) < len(names):
            came = f"heads has the names {listed(names) or 'none'}"
            raise ValueError(f"{came}, expected one or more, all different")
        set_field(self, "heads", found)

    def __repr__(self) -> str:
        return f"Heads({ {name: (columns, activation) for name, columns, activation in self.heads} })"

    def output_heads(self) -> tuple[tuple[str, int, str, float], ...]:
        return tuple(
            (name, columns, *registry.resolve_activation(activation))
            for name, columns, activation in self.heads
        )

    def input_width(self) -> int:
        return sum(columns for _, columns, _ in self.heads)

    def words(self) -> str:
        return "heads, " + ", ".join(
            f"{name} {columns} {activation_words(activation)}" for name, columns, activation in self.heads
        )


def _head(item: Any) -> tuple[str, int, ActivationName]:
    """One of `Heads`, checked."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3) or not isinstance(item[0], str):
        raise TypeError(f"heads has {item!r}, expected a name with columns, and an activation or none")
    name, columns, activation = (*item, "identity")[:3]
    width = validation.integer(columns, f"columns of head {name!r}", 1, validation.MAX_UNITS)
    chosen = named(activation, f"activation of head {name!r}")
    word, _ = registry.resolve_activation(chosen)
    if registry.ACTIVATIONS[word][1] == "row" and word != "softmax":
        came = f"activation of head {name!r} is {word!r}"
        raise ValueError(f"{came}, expected 'softmax' or one of single numbers")
    return name, width, chosen


def weighted_statistics(array: Array, weights: Array | None) -> tuple[Array, Array]:
    """Mean and deviation of float64 columns (rows, n); ValueError where all rows have the weight 0.

    A column whose values are all one, but for roundings, has that as its mean, and deviation 1.
    """
    if weights is not None:
        array, weights = array[weights > 0], weights[weights > 0]
        if not len(array):
            raise ValueError("sample_weight is 0 in all rows, expected one above 0 for a mean of y")
    center = array.mean(axis=0)  # close to the mean: what is averaged then is small
    mean = center + np.average(array - center, axis=0, weights=weights)
    std = np.sqrt(np.average((array - mean) ** 2, axis=0, weights=weights))
    constant = is_one_number(array)
    return np.where(constant, array[0], mean), np.where(constant, 1.0, std)
