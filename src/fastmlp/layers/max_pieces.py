"""MaxPieces, the largest of some columns, and Maxout, a dense layer of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import initializers, registry, validation
from ..descriptions import description
from ..initializers import Initializer
from .base import Factors, Layer, set_field, short_repr, trained_field
from .dense import Dense

__all__ = ["MaxPieces", "Maxout"]


def _checked(pieces: object, argument: str) -> int:
    _, least, most = registry.LAYER_KINDS["max_pieces"]["pieces"]
    return validation.integer(pieces, argument, int(least), int(most))


@description
class MaxPieces(Layer):
    """The largest of `pieces` columns: z_j = max of x_j, x_(n + j), x_(2n + j), ..., n = n_in / pieces.

    The gradient goes to the first of the largest.

    Parameters
    ----------
    pieces : int
        1 to 65536, a divisor of the width before.

    Examples
    --------
    >>> from fastmlp import Dense, MaxPieces, Network
    >>> net = Network([1, Dense(4, "identity"), MaxPieces(2), Dense(2, use_bias=False)])
    >>> net.set_weights([[[1, -1, 2, 3]], [0, 0, 0, 0], [[1, 0], [0, 1]]])
    >>> net.predict([10.0])  # the larger of 10 and 20, and of -10 and 30
    array([20., 30.], dtype=float32)
    """

    pieces: int

    kind: ClassVar[str] = "max_pieces"
    activates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "pieces", _checked(self.pieces, "pieces"))

    def __repr__(self) -> str:
        return short_repr(self, ("pieces",))

    def output_width(self, n_in: int) -> int:
        if n_in % self.pieces:
            raise ValueError(f"{self!r} has {n_in} inputs, expected a multiple of its pieces")
        return n_in // self.pieces

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"units": self.output_width(n_in), "pieces": self.pieces}

    def words(self) -> str:
        return f"largest of {self.pieces}"


@description
class Maxout(Layer):
    """The largest of `pieces` linear functions for each unit: in a network a `Dense` and a `MaxPieces`.

    z_j = max over k of x @ W[:, k units + j] + b[k units + j], W (n_in, pieces units): a convex function of
    x, made of linear pieces, takes the place of an activation.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    pieces : int
        Linear functions for each, 1 to 65536.
    use_bias, initializer, trainable, learning_rate, weight_decay
        As of `Dense`.

    References
    ----------
    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout Networks", arXiv:1302.4389.

    Examples
    --------
    >>> from fastmlp import Maxout, Network
    >>> net = Network([4, Maxout(8, 3), 2], seed=0)
    >>> net.layers[1], net.layer_sizes
    (MaxPieces(3), (4, 24, 2))
    """

    units: int
    pieces: int
    use_bias: bool = trained_field(True)
    initializer: Initializer | None = trained_field(None)
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    composite: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "units", validation.integer(self.units, "units", 1, validation.MAX_UNITS))
        set_field(self, "pieces", _checked(self.pieces, "pieces"))
        if self.initializer is not None:
            set_field(self, "initializer", initializers.resolve(self.initializer))
        self._dense()

    def _dense(self) -> Dense:
        """The linear functions."""
        return Dense(
            self.units * self.pieces,
            "identity",
            use_bias=self.use_bias,
            initializer=self.initializer,
            trainable=self.trainable,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )

    def expanded(self, before: Sequence[Layer]) -> list[Any]:
        return [self._dense(), MaxPieces(self.pieces)]
