"""Embedding: codes as rows of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import validation
from ..descriptions import description
from .base import Array, Factors, Trained, set_field, short_repr, trained_field

__all__ = ["Embedding"]

_MOST = 2**31 - 1


@description
class Embedding(Trained):
    """The last columns of the input, which hold whole numbers, as rows of tables; one table a column.

    The output has the other columns as they are, and then of each code the `dims` numbers of its row.  Codes
    are those of the network's input: only a `PeriodicEmbedding` of other columns may stand before.  A code
    that is not whole, or not from 0 to below its column's size, is refused with its row and column before
    anything is computed.

    Parameters
    ----------
    sizes : sequence of int
        Of each of the last columns, how many codes there are.
    dims : int or sequence of int
        How many numbers a code becomes, in all columns or in each.
    trainable : bool
        Whether training changes its array "tables", which has all tables one after another, row by row: see
        `split`.  They start normal, of deviation 1.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"tables": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Guo and Berkhahn, "Entity Embeddings of Categorical Variables", arXiv:1604.06737.

    Examples
    --------
    >>> from fastmlp import Embedding, Network
    >>> net = Network([5, Embedding([2, 10], dims=[1, 8]), 16, 1], seed=0)
    >>> net.forward([[0.5, -1.0, 2.5, 1, 0]])[0].shape
    (1, 12)
    >>> [table.shape for table in net.layers[0].split(net.get_weights()[0])]
    [(2, 1), (10, 8)]
    >>> net.predict([[0.5, -1.0, 2.5, 2, 0]])
    Traceback (most recent call last):
    ...
    ValueError: X has 2.0 in row 0, column 3, expected a whole number from 0 to 1
    """

    sizes: Sequence[int]
    dims: int | Sequence[int]
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "embedding"
    decaying: ClassVar[tuple[str, ...]] = ("tables",)
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "sizes", _whole_numbers(self.sizes, "sizes"))
        if isinstance(self.dims, (Sequence, np.ndarray)) and not isinstance(self.dims, str):
            set_field(self, "dims", _whole_numbers(self.dims, "dims"))
            if len(self._dims) != len(self.sizes):
                came = f"dims has {len(self._dims)} numbers"
                raise ValueError(f"{came}, expected one for each of {len(self.sizes)} sizes")
        else:
            set_field(self, "dims", validation.integer(self.dims, "dims", 1, _MOST))
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ("sizes", "dims"))

    @property
    def _dims(self) -> tuple[int, ...]:
        return (self.dims,) * len(self.sizes) if isinstance(self.dims, int) else tuple(self.dims)

    def output_width(self, n_in: int) -> int:
        if len(self.sizes) > n_in:
            came = f"sizes of {self!r} has {len(self.sizes)} numbers"
            raise ValueError(f"{came}, expected at most its input's {n_in}")
        return n_in - len(self.sizes) + sum(self._dims)

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        return {"tables": (sum(size * dim for size, dim in zip(self.sizes, self._dims, strict=True)),)}

    def spec(self, n_in: int) -> dict[str, Any]:
        own = {"units": self.output_width(n_in), "sizes": self.sizes, "dims": self._dims}
        return {**own, **super().spec(n_in)}

    def starts(self, n_in: int) -> dict[str, tuple[str, float]]:
        return {"tables": ("normal", 1.0)}

    def split(self, tables: Array) -> list[Array]:
        """The array "tables" as views of shape (size, dim), one for each column of codes.

        Parameters
        ----------
        tables : ndarray of shape (sum of size * dim,)

        Returns
        -------
        list of ndarray

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Embedding
        >>> Embedding([2, 1], dims=2).split(np.arange(6.0))
        [array([[0., 1.],
               [2., 3.]]), array([[4., 5.]])]
        """
        found, begin = [], 0
        for size, dim in zip(self.sizes, self._dims, strict=True):
            found.append(tables[begin : begin + size * dim].reshape(size, dim))
            begin += size * dim
        return found


def _whole_numbers(values: Any, name: str) -> tuple[int, ...]:
    items = validation.as_list(values, name, "a list of whole numbers")
    if not items:
        raise ValueError(f"{name} is empty, expected one whole number or more")
    return tuple(validation.integer(item, f"{name}[{i}]", 1, _MOST) for i, item in enumerate(items))
