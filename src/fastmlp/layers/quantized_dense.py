"""QuantizedDense: a dense layer whose weights are stored in few bits."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from ..descriptions import description
from .base import ActivationName, set_field, short_repr
from .dense import Connected

__all__ = ["QuantizedDense"]

STORAGES = ("float32", "int8", "bf16")  # by the number that the engine knows
MOST_INT8_INPUTS = 2**17  # with more a sum of products might not fit 32 bits


@description
class QuantizedDense(Connected):
    """A `Dense` whose weights are stored in few bits, for predictions alone: `Network.quantized` makes them.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str or (str, float), optional
        As in `Dense`.
    storage : {"int8", "bf16"}
        "int8": weights are integers from -127 to 127 times a scale for each output.  Inputs become such
        integers too, times a scale for each row; their products are added up exactly.  "bf16": weights are
        bfloat16, with 8 bits of mantissa, and all else is that of a `Dense` with these weights.
    use_bias : bool
        Whether there is a b, of float32.

    Examples
    --------
    >>> from fastmlp import Network
    >>> Network([4, 8, 3], seed=0).quantized("int8").layers[0]
    QuantizedDense(8, 'relu')
    """

    units: int
    activation: ActivationName | None = None
    _: KW_ONLY
    storage: str = "int8"
    use_bias: bool = True

    kind: ClassVar[str] = "dense"
    predicts_alone: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "storage", checked_storage(self.storage))
        self._check_connected()

    def __repr__(self) -> str:
        return short_repr(self, ("units", "activation"))

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        bias = {"b": (self.units,)} if self.use_bias else {}
        return {"W": (n_in, self.units), **bias}

    def storages(self) -> dict[str, str]:
        return {"W": self.storage}

    def spec(self, n_in: int) -> dict[str, Any]:
        if self.storage == "int8" and n_in > MOST_INT8_INPUTS:
            raise ValueError(f"{self!r} has {n_in} inputs, expected at most {MOST_INT8_INPUTS}")
        return {"storage": STORAGES.index(self.storage), **super().spec(n_in)}

    def words(self) -> str:
        return f"{self.storage} {super().words()}"


def checked_storage(value: object) -> str:
    """A name of how weights are stored, in few bits."""
    names = STORAGES[1:]
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"storage is {value!r}, expected {' or '.join(map(repr, names))}")
    return value
