"""Epochs of mini-batches with scikit-learn's arithmetic, in the engine.

scikit-learn's gradient of a batch is (sum of weight * row's gradient + alpha * W) / (sum of the weights), and
the engine's is (sum of weight * row's gradient) / rows + l2 * W.  So a row's weight becomes weight * rows /
(sum of the weights), and l2 is alpha / (sum of the weights).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...metrics import python_loss
from ...network import Network
from ...optimizers import Optimizer
from ...training import SLICE
from .describe import Goal
from .solvers import Solver

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


@dataclass
class _Cut:
    """An epoch's rows in batches."""

    divisors: Array  # of each batch: the sum of its weights
    row_weights: Array | None  # (rows,) as the engine takes them
    parts: list[tuple[int, int]]  # (first, last + 1) of batches that one call can train
    share: float  # sum over the batches of rows / divisor
    middle: float  # the same, each times the part of the epoch that lies before it


@dataclass
class Trainer:
    """A network in training.

    `watcher` hears of every batch, which makes each a call of its own.
    """

    net: Network
    goal: Goal
    solver: Solver
    alpha: float
    batch_size: int
    threads: int | None = None
    shuffles: Any = None  # a RandomState, or None for rows in their order
    shared: bool = True  # whether others draw from it too
    watcher: Any = None
    diverged: bool = False
    _l2: float | None = field(default=None, init=False)
    _order: Array | None = field(default=None, init=False)
    _same: _Cut | None = field(default=None, init=False)  # where it does not depend on the order

    def epoch(self, rows: Rows) -> float:
        """One pass over the rows; scikit-learn's loss, NaN once the numbers have left the finite ones."""
        if self.diverged:
            return float("nan")
        order = self._shuffled(rows)
        cut = self._cut(rows, order)
        before = self.net.plan.squares() if self.alpha > 0 else 0.0
        try:
            total = 0.0
            for first, stop in cut.parts:
                total += self._run(rows, order, cut, first, stop)
        except FloatingPointError:
            self.diverged = True
            return float("nan")
        total = total * self.goal.scale + self._constant(rows, cut)
        return (total + self._penalty(cut, before)) / len(rows)

    def take(self, optimizer: Optimizer) -> None:
        """Go on with the learning rate of another description, which a callback has chosen."""
        self.solver.take(optimizer, self.net.plan)

    def finish(self) -> None:
        """Keep the optimizer's state for the next fit."""
        if self._l2 is not None:
            self.solver.state = self.net.plan.get_state()

    def _shuffled(self, rows: Rows) -> Array | None:
        """The next epoch's order; it draws what scikit-learn's `shuffle` of the last order would.

        In one batch the order is a matter of rounding alone, unless dropout goes by it.
        """
        if self.shuffles is None:
            return None
        idle = self.batch_size >= len(rows) and all(layer[4] == 0 for layer in self.net.plan.layers)
        if idle and not self.shared:
            return None
        drawn = np.arange(len(rows))
        self.shuffles.shuffle(drawn)
        if idle:
            return None
        self._order = drawn if self._order is None else self._order[drawn]
        return self._order

    def _cut(self, rows: Rows, order: Array | None) -> _Cut:
        if self._same is not None:
            return self._same
        count, factor, dtype = len(rows), self.goal.factor, self.net.dtype
        starts = np.arange(0, count, self.batch_size)
        sizes = np.minimum(self.batch_size, count - starts)
        if rows.weights is None:
            divisors = sizes.astype(np.float64)
            row_weights = None if factor == 1 else np.full(count, factor, dtype)
        else:
            weights = rows.weights if order is None else rows.weights[order]
            divisors = np.add.reduceat(weights, starts, dtype=np.float64)
            divisors[divisors == 0] = np.inf  # a batch of rows without any weight has no gradient
            row_weights = np.empty(count, dtype)
            row_weights[slice(None) if order is None else order] = (
                weights * np.repeat(sizes / divisors, sizes) * factor
            )
        shares = sizes / divisors
        parts = self._parts(rows, divisors)
        before = np.arange(len(starts)) / len(starts)
        cut = _Cut(divisors, row_weights, parts, float(shares.sum()), float(shares @ before))
        if rows.weights is None or order is None:
            self._same = cut
        return cut

    def _parts(self, rows: Rows, divisors: Array) -> list[tuple[int, int]]:
        """Batches of the same penalty, and not too many rows to make dense."""
        batches = len(divisors)
        if self.watcher is not None or self.goal.name is None:
            return [(i, i + 1) for i in range(batches)]
        most = max(1, chunk_rows(rows.X) // self.batch_size) if hasattr(rows.X, "toarray") else batches
        edges = [0, batches]
        if self.alpha > 0:
            edges[1:1] = (np.flatnonzero(np.diff(divisors)) + 1).tolist()
        return [
            (first, min(first + most, stop))
            for start, stop in zip(edges, edges[1:], strict=False)
            for first in range(start, stop, most)
        ]

    def _run(self, rows: Rows, order: Array | None, cut: _Cut, first: int, stop: int) -> float:
        """Train batches; the sum of the rows' losses as the engine counts it."""
        chosen = slice(first * self.batch_size, min(stop * self.batch_size, len(rows)))
        taken = chosen if order is None else order[chosen]
        self._penalize(self.alpha / float(cut.divisors[first]))
        if self.watcher is not None:
            self.watcher.batch_begins(first)
        rates = self.solver.rates(self.net.plan.step, stop - first)
        step = self._train if self.goal.function is None else self._python_step
        total = step(rows, taken, cut.row_weights, rates)
        if self.watcher is not None:
            self.watcher.batch_ends(first, total * self.goal.scale / (chosen.stop - chosen.start))
        return total

    def _python_step(self, rows: Rows, taken: slice | Array, weights: Array | None, rates: Array) -> float:
        """One batch with a loss in Python."""
        plan, X = self.net.plan, dense(rows.X, taken)
        predictions = plan.train_forward(X, seed=self.net.seed)
        of_rows = None if weights is None else weights[taken]
        assert self.goal.function is not None
        value, gradient = python_loss(self.goal.function, rows.y[taken], predictions, of_rows)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise FloatingPointError("the loss is not finite")
        plan.train_backward(gradient, float(rates[0]))
        return value * len(X)

    def _train(self, rows: Rows, taken: slice | Array, weights: Array | None, rates: Array) -> float:
        """Batches in the engine, which finds the rows of an order itself if they are dense.

        It looks at all targets in every call, so that a small part of the rows is gathered here.
        """
        X, y, order = rows.X, rows.y, None
        small = len(rates) * self.batch_size < len(rows) // 2
        if isinstance(taken, slice) or small or hasattr(X, "toarray"):
            X, y, weights = dense(X, taken), y[taken], None if weights is None else weights[taken]
        else:
            order = taken
        done, sums = 0, (0.0, 0.0)
        while done < len(rates):
            done, *new = self.net.plan.train(
                X, y, weights, batch_size=self.batch_size, seed=self.net.seed, epoch=0, shuffle=False,
                first=done, learning_rates=rates, seconds=SLICE, threads=self.threads, sums=sums, order=order,
            )  # fmt: skip
            sums = (new[0], new[1])
        return sums[0]

    def _penalize(self, l2: float) -> None:
        """Compile the plan for a penalty; once that is done, another one leaves the optimizer as it is."""
        if l2 == self._l2:
            return
        plan, hyper = self.net.plan, self.solver.hyperparameters()
        if self._l2 is None:
            hyper["l2"] += l2
            plan.compile(self.goal.name, self.goal.parameter, self.solver.name, hyper)
            self.solver.begin(plan)
        else:
            plan.set_l2(hyper["l2"] + l2)
        self._l2 = l2

    def _constant(self, rows: Rows, cut: _Cut) -> float:
        values = self.goal.constants(rows.y)
        if values is None:
            return 0.0
        if cut.row_weights is None:
            return float(values.sum())
        return float(cut.row_weights.astype(np.float64) @ values) / self.goal.factor

    def _penalty(self, cut: _Cut, before: float) -> float:
        """The sum over the rows of alpha / 2 * |W|^2 / divisor, |W|^2 as it was before each batch.

        The engine tells it between calls: with one batch an epoch that is exact, and with more the way from
        the epoch's first |W|^2 to its last is taken as straight.
        """
        if self.alpha == 0:
            return 0.0
        change = self.net.plan.squares() - before if len(cut.divisors) > 1 else 0.0
        return 0.5 * self.alpha * (before * cut.share + change * cut.middle)
