"""Epochs of mini-batches with scikit-learn's arithmetic, in the engine.

scikit-learn's gradient of a batch is (sum of weight * row's gradient + alpha * W) / (sum of the weights), and
the engine's is (sum of weight * row's gradient) / rows + l2 * W.  So a row's weight becomes weight * rows /
(sum of the weights), and l2 of a batch is alpha / (sum of the weights), beside what its optimizer has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._kernels import Run
from ...network import Network
from ...optimizers import Optimizer
from ...training.passes import SLICE
from ...training.scoring import python_loss
from ...training.sparse import chunk_rows, dense
from .describe import Goal
from .rows import Rows
from .solvers import Solver

Array = np.ndarray[Any, Any]

AHEAD = 2**16  # row numbers drawn ahead of the epochs that take them
BRIEF = 2e8  # parameters times rows of an epoch that Ctrl-C may wait for: hundredths of a second, or a tenth


@dataclass
class _Cut:
    """An epoch's rows in batches."""

    l2: Array  # of each batch
    row_weights: Array | None  # (rows,) as the engine takes them
    parts: list[tuple[int, int]]  # (first, last + 1) of batches that one call trains
    share: float  # sum over the batches of rows / divisor
    middle: float  # the same, each times the part of the epoch that lies before it


@dataclass
class _Block:
    """Epochs that one call of the engine may train, or several, and what is told of them one by one."""

    run: Run
    squares: float  # before the first
    told: int = 0
    diverged: bool = False  # after those that are done

    def has_next(self) -> bool:
        """Whether the next epoch is done."""
        return bool(self.told < self.run.epoch)

    def next_epoch(self) -> tuple[float, float, float]:
        """The sum of its losses, and the squares before and after it."""
        while not self.has_next() and not self.diverged:
            try:
                self.run.advance(SLICE)
                if self.run.batch:  # Ctrl-C between calls finds whole epochs
                    self.run.advance(batches=self.run.batches - self.run.batch)
            except FloatingPointError:
                self.diverged = True
        if not self.has_next():
            raise FloatingPointError("the loss is not finite")
        before = self.run.sums[self.told - 1, 2] if self.told else self.squares
        self.told += 1
        return float(self.run.sums[self.told - 1, 0]), float(before), float(self.run.sums[self.told - 1, 2])


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
    _compiled: bool = field(default=False, init=False)
    _order: Array | None = field(default=None, init=False)
    _same: _Cut | None = field(default=None, init=False)  # where it does not depend on the order
    _block: _Block | None = field(default=None, init=False)

    def epoch(self, rows: Rows, certain: int = 1) -> float:
        """One pass over the rows; scikit-learn's loss, NaN once the numbers have left the finite ones.

        Short epochs are trained several at a time, of which the next calls tell: at most `certain`, as many
        calls as there will be whatever the losses are.
        """
        if self.diverged:
            return float("nan")
        if self._block is None and certain > 1:
            self._block = self._draw(rows, min(certain, AHEAD // len(rows)))
        return self._single(rows) if self._block is None else self._from_block(rows, self._block)

    def has_finished_epoch(self) -> bool:
        """Whether an epoch is done of which no call has told."""
        return self._block is not None and self._block.has_next()

    def _draw(self, rows: Rows, epochs: int) -> _Block | None:
        """The next epochs, if they are short and alike; Ctrl-C or a divergence leaves the generator ahead."""
        plain = not self.goal.in_python and self.watcher is None and not hasattr(rows.X, "toarray")
        alike = plain and (self.shuffles is None or rows.weights is None)
        if epochs < 2 or not alike or len(rows) * self.net.plan.num_parameters > BRIEF:
            return None
        self._compile()
        l2 = np.tile(self._cut(rows, None).l2, (epochs, 1))
        orders = [order for order in (self._shuffled(rows) for _ in range(epochs)) if order is not None]
        rates = self.solver.rates(self.net.plan.step, l2.size).reshape(l2.shape)
        run = self._engine_run(rows.X, rows.y, self._cut(rows, None).row_weights, squares=True)
        decays = self._decays(l2.shape)
        run.begin(rates, order=np.stack(orders) if orders else None, l2=l2, weight_decay=decays)
        return _Block(run, self.net.plan.squares())

    def _engine_run(self, X: Array, y: Array, weights: Array | None, *, squares: bool = False) -> Run:
        return Run(
            self.net.plan, X, y, weights, batch_size=self.batch_size, seed=self.net.seed, shuffle=False,
            threads=self.threads, squares=squares,
        )  # fmt: skip

    def _from_block(self, rows: Rows, block: _Block) -> float:
        try:
            loss = self._loss(rows, self._cut(rows, None), *block.next_epoch())
        except FloatingPointError:
            self.diverged = True
            return float("nan")
        if block.told == len(block.run.sums):
            self._block = None
        return loss

    def _single(self, rows: Rows) -> float:
        self._compile()
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
        return self._loss(rows, cut, total, before, self.net.plan.squares() if self.alpha > 0 else 0.0)

    def _loss(self, rows: Rows, cut: _Cut, total: float, before: float, after: float) -> float:
        """scikit-learn's, from the engine's sum over the rows and |W|^2 before and after the epoch."""
        total = total * self.goal.scale + self._constant(rows, cut)
        return (total + self._penalty(cut, before, after)) / len(rows)

    def take(self, optimizer: Optimizer) -> None:
        """Go on with the learning rate of another description, which a callback has chosen."""
        self.solver.take(optimizer, self.net.plan)

    def finish(self) -> None:
        """Keep the optimizer's state for the next fit."""
        if self._compiled:
            self.solver.state = self.net.plan.get_state()

    def _shuffled(self, rows: Rows) -> Array | None:
        """The next epoch's order; it draws what scikit-learn's `shuffle` of the last order would.

        In one batch the order is a matter of rounding alone, unless dropout goes by it.
        """
        if self.shuffles is None:
            return None
        idle = self.batch_size >= len(rows) and all(node["dropout"] == 0 for node in self.net.plan.layers)
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
        self.solver.optimizer.check_batches(self.batch_size, count)
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
        shares, before = sizes / divisors, np.arange(len(starts)) / len(starts)
        l2 = self.solver.hyperparameters()["l2"] + self.alpha / divisors
        cut = _Cut(l2, row_weights, self._parts(rows, len(l2)), float(shares.sum()), float(shares @ before))
        if rows.weights is None or order is None:
            self._same = cut
        return cut

    def _parts(self, rows: Rows, batches: int) -> list[tuple[int, int]]:
        """All batches at once, unless something is done between them or many rows are to be made dense."""
        most = batches
        if self.watcher is not None or self.goal.in_python:
            most = 1
        elif hasattr(rows.X, "toarray"):
            most = max(1, chunk_rows(rows.X) // self.batch_size)
        return [(first, min(first + most, batches)) for first in range(0, batches, most)]

    def _run(self, rows: Rows, order: Array | None, cut: _Cut, first: int, stop: int) -> float:
        """Train batches; the sum of the rows' losses as the engine counts it."""
        chosen = slice(first * self.batch_size, min(stop * self.batch_size, len(rows)))
        taken = chosen if order is None else order[chosen]
        if self.watcher is not None:
            self.watcher.batch_begins(first)
        rates, l2 = self.solver.rates(self.net.plan.step, stop - first), cut.l2[first:stop]
        step = self._python_step if self.goal.in_python else self._train
        total = step(rows, taken, cut.row_weights, rates, l2)
        if self.watcher is not None:
            self.watcher.batch_ends(first, total * self.goal.scale / (chosen.stop - chosen.start))
        return total

    def _python_step(
        self, rows: Rows, taken: slice | Array, weights: Array | None, rates: Array, l2: Array
    ) -> float:
        """One batch with a loss in Python."""
        plan, X = self.net.plan, dense(rows.X, taken)
        predictions = plan.train_forward(X, seed=self.net.seed)
        of_rows = None if weights is None else weights[taken]
        value, gradient = python_loss(self.goal.loss, rows.y[taken], predictions, of_rows)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise FloatingPointError("the loss is not finite")
        decays = self._decays((1,))
        plan.train_backward(
            gradient, float(rates[0]), float(l2[0]), None if decays is None else float(decays[0])
        )
        return value * len(X)

    def _train(
        self, rows: Rows, taken: slice | Array, weights: Array | None, rates: Array, l2: Array
    ) -> float:
        """Batches in the engine, which finds the rows of an order itself if they are dense.

        It looks at all targets in every call, so that a small part of the rows is gathered here.
        """
        X, y, order = rows.X, rows.y, None
        small = len(rates) * self.batch_size < len(rows) // 2
        if isinstance(taken, slice) or small or hasattr(X, "toarray"):
            X, y, weights = dense(X, taken), y[taken], None if weights is None else weights[taken]
        else:
            order = taken
        run = self._engine_run(X, y, weights)
        decays = self._decays((1, len(rates)))
        run.begin(rates[None], l2=l2[None], weight_decay=decays, order=None if order is None else order[None])
        while not run.finished:
            run.advance(SLICE)
        return float(run.sums[0, 0])

    def _decays(self, shape: tuple[int, ...]) -> Array | None:
        """Weight decays of the next steps, where they are scheduled."""
        decays = self.solver.optimizer.weight_decays(self.net.plan.step, math.prod(shape))
        return None if decays is None else decays.reshape(shape)

    def _compile(self) -> None:
        """Compile the plan, with the state that the solver has kept, unless this fit has done so."""
        if self._compiled:
            return
        plan, loss = self.net.plan, self.goal.loss
        plan.compile(loss.name or None, loss.parameters, self.solver.name, self.solver.hyperparameters())
        self.solver.begin(plan)
        self._compiled = True

    def _constant(self, rows: Rows, cut: _Cut) -> float:
        if self.goal.constants is None:
            return 0.0
        values = self.goal.constants(rows.y)
        if cut.row_weights is None:
            return float(values.sum())
        return float(cut.row_weights.astype(np.float64) @ values) / self.goal.factor

    def _penalty(self, cut: _Cut, before: float, after: float) -> float:
        """The sum over the rows of alpha / 2 * |W|^2 / divisor, |W|^2 as it was before each batch.

        The engine tells it between calls: with one batch an epoch that is exact, and with more the way from
        the epoch's first |W|^2 to its last is taken as straight.
        """
        if self.alpha == 0:
            return 0.0
        change = after - before if len(cut.l2) > 1 else 0.0
        return 0.5 * self.alpha * (before * cut.share + change * cut.middle)
