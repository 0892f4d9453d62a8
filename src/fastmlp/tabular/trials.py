"""Trials of a search: parameters that are drawn, rounds of more and more epochs, and which trial did best."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..optional import require

METHODS = ("random", "halving")
KEPT = 3  # of so many trials one goes on in halving, with so many times the epochs
LEAST_EPOCHS = 4  # that halving begins with


@dataclass(frozen=True)
class Tried:
    """What came of one trial with a share of its epochs; the mean is NaN where its training diverged."""

    trial: int
    share: int  # one of so many
    epochs: int
    mean: float
    deviation: float
    fit_time: float

    def order(self) -> tuple[int, bool, float, int]:
        """The best first: those with all epochs, and of equal scores the earlier.

        >>> good, bad = Tried(0, 1, 9, 0.8, 0.0, 1.0), Tried(1, 1, 9, math.nan, 0.0, 1.0)
        >>> min([bad, good], key=Tried.order) is good
        True
        """
        return self.share, math.isnan(self.mean), -self.mean, self.trial


def drawn(space: Mapping[str, Any], count: int, seed: int) -> list[dict[str, Any]]:
    """Sets of parameters; of lists alone without repetition, so perhaps fewer."""
    selection = require("sklearn.model_selection", "tabular")
    if all(isinstance(values, (list, tuple)) for values in space.values()):
        count = min(count, len(selection.ParameterGrid({name: list(each) for name, each in space.items()})))
    return list(selection.ParameterSampler(dict(space), count, random_state=seed))


def rounds(count: int, method: str, epochs: int, tried: list[Tried]) -> Iterator[tuple[list[int], int]]:
    """(numbers of the trials, one of how many epochs each has); `tried` is what has come of them so far.

    In halving the first share leaves `LEAST_EPOCHS` or more, and one trial or more for all epochs.

    >>> [(len(chosen), share) for chosen, share in rounds(5, "random", 30, [])]
    [(5, 1)]
    """
    chosen, share = list(range(count)), 1
    most = epochs // LEAST_EPOCHS if method == "halving" else 1
    while share * KEPT <= min(count, most):
        share *= KEPT
    while share > 1:
        yield chosen, share
        best = sorted((each for each in tried if each.share == share), key=Tried.order)
        chosen = sorted(each.trial for each in best[: -(-len(chosen) // KEPT)])
        share //= KEPT
    yield chosen, 1
