"""Rows as the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


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
