"""Rows as the engine takes them, and a network's outputs for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...network import Network

Array = np.ndarray[Any, Any]

CHUNK = 2**22  # bytes of rows made dense at a time: they stay in a cache


@dataclass(frozen=True)
class Rows:
    """Checked rows: X dense or CSR, y as the engine takes it, and weights (rows,) or None."""

    X: Any
    y: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def weighted(self) -> int:
        """How many rows have a weight other than 0."""
        return len(self) if self.weights is None else int(np.count_nonzero(self.weights))

    def part(self, chosen: Array) -> Rows:
        """Some of the rows, by their numbers."""
        return Rows(self.X[chosen], self.y[chosen], None if self.weights is None else self.weights[chosen])


def dense(X: Any, chosen: slice | Array) -> Array:
    """Some rows as an array."""
    if hasattr(X, "toarray"):
        return np.asarray(X[chosen].toarray(order="C"))
    return np.asarray(X[chosen] if isinstance(chosen, slice) else X.take(chosen, axis=0))


def chunk_rows(X: Any) -> int:
    """How many rows make a chunk."""
    return max(1, CHUNK // (X.shape[1] * X.dtype.itemsize))


def outputs(net: Network, X: Any, threads: int | None) -> Array:
    """The network's outputs (rows, n_out); CSR is made dense in chunks."""
    if not hasattr(X, "toarray"):
        return net.predict(X, None, threads)
    step = chunk_rows(X)
    parts = [net.predict(dense(X, slice(i, i + step)), None, threads) for i in range(0, X.shape[0], step)]
    return np.concatenate(parts)
