"""PeriodicEmbedding: columns of numbers as cosines, and what is linear in them."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import validation
from ..descriptions import description
from .base import Factors, Trained, set_field, short_repr, trained_field

__all__ = ["PeriodicEmbedding"]


@description
class PeriodicEmbedding(Trained):
    """Periodic features of columns of numbers, before the columns themselves: PBLD of RealMLP.

    Column j, one of the first p = `columns`, becomes ``W_j.T @ cos(2 pi x_j frequency_j + phase_j) + b_j``,
    with F = `frequencies` waves and `width` - 1 values.  The output has these values of column 0, of column 1
    and so on, and then all columns of the input as they are: n_in + p (width - 1) numbers.

    Parameters
    ----------
    columns : int, optional
        How many columns, from the first on; all of them if left out.
    frequencies : int
        Waves for each column, 1 to 64.
    width : int
        Numbers that a column becomes, itself among them: 2 to 64.
    sigma : float
        The standard deviation of the frequencies at the start, in turns for each unit of x; above 0.  Phases
        start uniform in [-pi, pi), W and b in [-1, 1) / sqrt(frequencies).
    trainable : bool
        Whether training changes its arrays: "frequency" and "phase" (F, p), "W" (F (width - 1), p), whose row
        f (width - 1) + k takes wave f to value k, and "b" (width - 1, p).
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"phase": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
    arXiv:2203.05556; Holzmueller, Grinsztajn and Steinwart, "Better by Default", arXiv:2407.04491.

    Examples
    --------
    >>> from fastmlp import Network, PeriodicEmbedding
    >>> net = Network([5, PeriodicEmbedding(columns=2, learning_rate=0.1), 8, 1], seed=0)
    >>> net.forward([[0.5, -1.0, 1.0, 0.0, 0.0]])[0].shape
    (1, 11)
    >>> [array.shape for array in net.get_weights()][:4]
    [(16, 2), (16, 2), (48, 2), (3, 2)]
    """

    columns: int | None = None
    frequencies: int = 16
    width: int = 4
    sigma: float = 0.1
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "periodic_embedding"
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.columns is not None:
            set_field(self, "columns", validation.integer(self.columns, "columns", 1, 2**20))
        set_field(self, "frequencies", validation.integer(self.frequencies, "frequencies", 1, 64))
        set_field(self, "width", validation.integer(self.width, "width", 2, 64))
        set_field(self, "sigma", validation.real(self.sigma, "sigma", above=0.0))
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ("columns",))

    def _columns(self, n_in: int) -> int:
        if self.columns is not None and self.columns > n_in:
            raise ValueError(f"columns of {self!r} is {self.columns}, expected at most its input's {n_in}")
        return n_in if self.columns is None else self.columns

    def output_width(self, n_in: int) -> int:
        return n_in + self._columns(n_in) * (self.width - 1)

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        p, waves, values = self._columns(n_in), self.frequencies, self.width - 1
        return {"frequency": (waves, p), "phase": (waves, p), "W": (waves * values, p), "b": (values, p)}

    def _array_names(self) -> tuple[str, ...]:
        return ("frequency", "phase", "W", "b")

    def spec(self, n_in: int) -> dict[str, Any]:
        own = {"columns": self._columns(n_in), "frequencies": self.frequencies, "width": self.width}
        return {"units": self.output_width(n_in), **own, **super().spec(n_in)}

    def starts(self, n_in: int) -> dict[str, tuple[str, float]]:
        linear = ("uniform", 1 / math.sqrt(self.frequencies))
        return {"frequency": ("normal", self.sigma), "phase": ("uniform", math.pi), "W": linear, "b": linear}

    def words(self) -> str:
        return "periodic embedding"
