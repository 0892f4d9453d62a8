"""What a network sees of the encoded matrix: its columns, and piecewise-linear views of the numbers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


# A bin that is narrower, as a share of all bins, tells the noise of computing numbers apart: cosines of
# weekdays that are the same but for roundings.
_NARROWEST = 2.0**-20
_ZERO, _ONE = np.float32(0), np.float32(1)


@dataclass(frozen=True)
class Plain:
    """The matrix as it is."""

    extra: int = 0

    def __call__(self, matrix: Array) -> Array:
        return matrix

    def of_row(self) -> None:
        """As `RowPredictor` takes it."""

    def back(self, gradient: Array, matrix: Array) -> Array:
        """Of the matrix, from the gradient (rows, n + extra) of what is seen of it."""
        return gradient

    def to_config(self) -> dict[str, Any]:
        return {"kind": "plain"}


@dataclass(frozen=True)
class Quantiles:
    """For each bin [e, f] of a number a column more behind the numbers, (x - e) / (f - e) within 0 and 1.

    Attributes
    ----------
    columns : ndarray of int64, shape (bins,)
        The number that each bin is of.
    lows, highs : ndarray of float32, shape (bins,)
        Ends of the bins, quantiles of the training rows.
    numbers : int
        How many of the matrix's first columns are numbers.

    References
    ----------
    Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features", arXiv:2203.05556, section 3.2.
    """

    columns: Array
    lows: Array
    highs: Array
    numbers: int

    @classmethod
    def learn(cls, matrix: Array, numbers: int, bins: int) -> Quantiles:
        """From the first `numbers` columns of float32 rows; fewer bins where values are few or alike."""
        shares = np.linspace(0, 1, bins + 1)
        columns, lows, highs = [], [], []
        for column in range(numbers):
            edges = np.unique(np.quantile(matrix[:, column], shares).astype(np.float32))
            edges = edges[np.diff(edges, prepend=-np.inf) > _NARROWEST * (edges[-1] - edges[0])]
            if len(edges) > 2:  # the number itself says as much
                columns += [column] * (len(edges) - 1)
                lows += edges[:-1].tolist()
                highs += edges[1:].tolist()
        return cls(
            np.array(columns, np.int64), np.array(lows, np.float32), np.array(highs, np.float32), numbers
        )

    @property
    def extra(self) -> int:
        """Columns that it adds."""
        return len(self.columns)

    def __call__(self, matrix: Array) -> Array:
        if not self.extra:
            return matrix
        seen = matrix.take(self.columns, axis=1)
        seen -= self.lows
        seen /= self._widths
        np.maximum(seen, _ZERO, out=seen)
        np.minimum(seen, _ONE, out=seen)
        return np.concatenate([matrix[:, : self.numbers], seen, matrix[:, self.numbers :]], axis=1)

    def of_row(self) -> tuple[Array, Array, Array, int] | None:
        """As `RowPredictor` takes it."""
        return (self.columns, self.lows, self._widths, self.numbers) if self.extra else None

    @functools.cached_property
    def _widths(self) -> Array:
        return np.asarray(self.highs - self.lows)

    def back(self, gradient: Array, matrix: Array) -> Array:
        """Of the matrix, from the gradient (rows, n + extra) of what is seen of it; edges belong right."""
        first, last = self.numbers, self.numbers + self.extra
        found = np.hstack([gradient[:, :first], gradient[:, last:]])
        x = matrix[:, self.columns]
        slopes = ((self.lows <= x) & (x < self.highs)) / self._widths
        for each, column in enumerate(self.columns.tolist()):
            found[:, column] += gradient[:, first + each] * slopes[:, each]
        return found

    def to_config(self) -> dict[str, Any]:
        return {
            "kind": "quantiles",
            "columns": self.columns.tolist(),
            "lows": self.lows.tolist(),
            "highs": self.highs.tolist(),
            "numbers": self.numbers,
        }


View = Plain | Quantiles


def learn(kind: str, matrix: Array, numbers: int, bins: int) -> View:
    """A view of one of `recipes.VIEWS`."""
    return Quantiles.learn(matrix, numbers, bins) if kind == "quantiles" else Plain()


def from_config(config: dict[str, Any]) -> View:
    """What a view's `to_config` wrote."""
    if config["kind"] == "plain":
        return Plain()
    lows, highs = (np.array(config[name], np.float32) for name in ("lows", "highs"))
    return Quantiles(np.array(config["columns"], np.int64), lows, highs, config["numbers"])
