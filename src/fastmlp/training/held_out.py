"""Held-out rows of a fit, arrays or batches, and the network's numbers on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..model import Model, Objective
from .ahead import Ahead
from .batches import Batches, parts_of
from .epochs import ready_batches
from .rows import Rows
from .scoring import score, score_batches


class HeldOut(Protocol):
    """Rows that are not trained on; `weighted` is whether weights of rows enter."""

    @property
    def weighted(self) -> bool: ...

    def score(self, net: Model, objective: Objective, threads: int | None) -> dict[str, float]: ...


@dataclass(frozen=True)
class HeldOutRows:
    """Rows in memory, of which some have a weight above 0."""

    rows: Rows

    def __post_init__(self) -> None:
        weights = self.rows.weights
        if weights is not None and not weights.any():
            rest = "expected one above 0: the loss is 0 there whatever the network is"
            raise ValueError(f"sample_weight is 0 in all {len(self.rows)} held-out rows, {rest}")

    @property
    def weighted(self) -> bool:
        return self.rows.weights is not None

    def score(self, net: Model, objective: Objective, threads: int | None) -> dict[str, float]:
        return score(net, objective, self.rows, threads)


class HeldOutBatches:
    """Batches that an iterable gives; the next is made ready while one is at work."""

    def __init__(self, batches: Batches, ready: Callable[[int, Any], Rows], argument: str) -> None:
        self.weighted = parts_of(batches.first(), f"{argument}batch 0")[2] is not None
        self._batches, self._ready = batches, ready

    def score(self, net: Model, objective: Objective, threads: int | None) -> dict[str, float]:
        with Ahead(ready_batches(self._batches.whole_epoch(), self._ready)) as batches:
            return score_batches(net, objective, batches, threads)
