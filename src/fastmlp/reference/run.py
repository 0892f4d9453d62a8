"""The Run: a plan learns from rows, mini-batch after mini-batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .functions import Array
from .plan import Chosen, Plan, total
from .random import shuffled


class Run:
    """Mini-batches of a plan on given rows, epochs at a time, from a cursor that each `advance` moves on.

    Parameters
    ----------
    plan : Plan
        Compiled.
    X : ndarray of shape (rows, n_in)
    y : ndarray
        (rows,) classes for the sparse loss, else (rows, targets).
    sample_weight : ndarray of shape (rows,), optional
    batch_size : int
        Rows of a mini-batch; an epoch's last may be shorter.
    seed : int
        What shuffling and dropout depend on.
    shuffle : bool
        Whether each epoch has its own order.
    loss : (str, float), optional
        Name and parameter, in place of compile's.
    threads : int, optional
        Ignored.
    check_rows : bool
        Whether X may hold NaN or infinity, which end a call before the first batch that has any.
    squares : bool
        Whether the third column of `sums` is filled.
    standardized : bool
        Whether y is compared with outputs that are not rescaled.

    Attributes
    ----------
    batches : int
        Batches of an epoch.
    epoch, batch : int
        The cursor: epochs done since `begin`, and batches done of the next one.
    sums : ndarray of float64, shape (epochs, 3 + heads)
        Of each epoch the weighted sum of the row losses, each before its own update, the weighted sum of
        correct rows, the plan's `squares` after it, and the weighted sums of the losses of each head, if the
        loss is theirs.

    Examples
    --------
    >>> plan = Plan(1, [{"kind": "dense"}], dtype="float64")
    >>> plan.compile("mse", 0.0, "sgd", {})
    >>> X, y = np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]])
    >>> run = Run(plan, X, y, batch_size=2, seed=0, shuffle=False)
    >>> run.begin(np.full((500, 1), 0.1))
    >>> run.advance()
    >>> plan.predict(np.array([[3.0]])).round(1)
    array([[6.]])
    """

    def __init__(
        self,
        plan: Plan,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        loss: Chosen | None = None,
        threads: int | None = None,
        check_rows: bool = False,
        squares: bool = False,
        standardized: bool = False,
    ) -> None:
        self.plan = plan
        self._rows = (X, y, sample_weight)
        self._loss = plan._fitting(loss)
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self.check_rows, self._squares, self._standardized = check_rows, squares, standardized
        self.batches = math.ceil(len(X) / batch_size)
        self.epoch = self.batch = 0
        self._columns = 3 + (len(self._loss[0]) if isinstance(self._loss[0], tuple) else 0)
        self.sums = np.empty((0, self._columns))

    def begin(
        self,
        learning_rates: Array,
        *,
        epoch: int = 0,
        order: Array | None = None,
        l2: Array | None = None,
        weight_decay: Array | None = None,
        dropout: Array | None = None,
        batch: int = 0,
        sums: Sequence[float] = (0.0, 0.0),
    ) -> None:
        """Sets the cursor in the first of as many epochs as learning_rates (epochs, batches) has rows.

        Shuffling numbers them from `epoch` on; an `order` (epochs, any number) of row numbers takes its
        place, and each epoch is of those rows.  `l2` and `weight_decay`, like the learning rates, take the
        places of the hyperparameters, and `dropout` has factors of the layers' rates.  It stands before the
        first batch; an epoch of which another run has trained some goes on at `batch`, from the `sums` of
        losses, of correct rows and of the heads' losses that it had there.
        """
        self.batches = math.ceil(len(self._rows[0] if order is None else order[0]) / self._batch_size)
        self._number, self._orders = epoch, order
        self.change(learning_rates, l2=l2, weight_decay=weight_decay, dropout=dropout)
        self.sums = np.full((len(learning_rates), self._columns), np.nan)
        self.epoch, self.batch = 0, batch
        if batch:
            self.sums[0, :2], self.sums[0, 3:] = sums[:2], sums[2:]

    def change(
        self,
        learning_rates: Array,
        *,
        l2: Array | None = None,
        weight_decay: Array | None = None,
        dropout: Array | None = None,
    ) -> None:
        """What `begin` was given for its steps, anew: those from the cursor on are made so."""
        self._rates, self._l2, self._decay, self._dropout = learning_rates, l2, weight_decay, dropout

    def _of_step(self, values: Array | None) -> float | None:
        return None if values is None else float(values[self.epoch, self.batch])

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch == len(self.sums)

    @np.errstate(over="ignore", invalid="ignore")  # a divergence is told by the loss
    def advance(self, seconds: float = math.inf, batches: int | None = None) -> None:
        """Trains the next batches, at most so many, until the seconds have passed, but at least one.

        Raises
        ------
        FloatingPointError
            If the loss of the batch at the cursor is not finite, or its step leads to weights or a state that
            are not; the plan has the last that are finite.
        ValueError
            If a row is not finite; the batches before it have been trained.
        """
        if self.finished:
            raise RuntimeError("the run has no epochs left, begin others.")
        end, left = time.monotonic() + seconds, math.inf if batches is None else batches
        while True:
            self._next_batch()
            left -= 1
            if self.finished or left < 1 or time.monotonic() >= end:
                return

    def _order(self) -> Array:
        X, _, _ = self._rows
        if self._orders is not None:
            return self._orders[self.epoch]
        return shuffled(self._seed, self._number + self.epoch, len(X)) if self._shuffle else np.arange(len(X))

    def _next_batch(self) -> None:
        """Trains the batch at the cursor and moves the cursor on."""
        if self.batch == 0:
            self.sums[self.epoch, :2] = self.sums[self.epoch, 3:] = 0
        chosen = self._order()[self.batch * self._batch_size :][: self._batch_size]
        losses, correct, *of_heads = self._train(chosen)
        self.sums[self.epoch, :2] += losses, correct
        self.sums[self.epoch, 3:] += of_heads
        self.batch += 1
        if self.batch == self.batches:
            self.sums[self.epoch, 2] = self.plan.squares() if self._squares else np.nan
            self.epoch, self.batch = self.epoch + 1, 0

    def _train(self, chosen: Array) -> tuple[float, ...]:
        """One step on the chosen rows: the sum of their losses, how many were right, and heads' losses."""
        X, y, weights = self._rows
        plan, before = self.plan, (self.plan.get_weights(), self.plan.get_state())
        if self.check_rows and not np.isfinite(X[chosen]).all():
            raise ValueError("X contains NaN or infinity, expected finite values")
        factor = self._of_step(self._dropout)
        dropout = 1.0 if factor is None else factor
        traces = plan._forward(
            X[chosen],
            dropout_seed=self._seed,
            dropout=dropout,
            training=True,
            standardized=self._standardized,
        )
        weight = None if weights is None else weights[chosen]
        row_losses, dz, correct = plan._loss(self._loss, traces[-1], y[chosen], weight, self._standardized)
        if not np.isfinite(total(row_losses)):
            raise FloatingPointError(f"the loss of batch {self.batch} is not finite")
        of_heads = plan._head_sums(self._loss, traces[-1], y[chosen], weight)
        rate = float(self._rates[self.epoch, self.batch])
        l2, decay = self._of_step(self._l2), self._of_step(self._decay)
        plan._train_by(plan._backward(traces, dz, training=True)[0], rate, l2, decay)
        plan._after_step(traces)
        plan._last = plan._gradient = None
        plan.forwards = 0
        if not _finite(plan):
            plan.set_weights(before[0])
            plan.set_state(before[1])
            raise FloatingPointError(f"the step of batch {self.batch} leads to weights that are not finite")
        return total(row_losses), total(correct if weight is None else weight * correct), *of_heads

    def part_gradient(
        self,
        order: Array,
        out: Array,
        *,
        batch: int,
        seed: int,
        dropout: float = 1.0,
        ready: Callable[[int, tuple[float, ...]], None] | None = None,
    ) -> tuple[float, ...]:
        """Sums of losses, of correct rows and of heads' losses of a part of a batch.

        Its share of the gradient goes to `out`.

        `order` has row numbers of X; the batch has `batch` rows in all, over which the loss is a mean, so
        that its gradient is the sum of its parts'.  `seed` is dropout's, whose masks count the part's rows.
        `out`, (plan.vector_size,), is laid out like the plan's parameters: see `Plan.step_by`.  `ready(first,
        sums)` is told once there are sums, with first = plan.vector_size, and that out[first:] is done.
        """
        X, y, weights = self._rows
        plan, weight = self.plan, None if weights is None else weights[order]
        traces = plan._forward(
            X[order], dropout_seed=seed, dropout=dropout, training=True, standardized=self._standardized
        )
        row_losses, dz, correct = plan._loss(self._loss, traces[-1], y[order], weight, self._standardized)
        of_heads = plan._head_sums(self._loss, traces[-1], y[order], weight)
        sums = total(row_losses), total(correct if weight is None else weight * correct), *of_heads
        if ready:
            ready(plan.vector_size, sums)
        if np.isfinite(sums[0]):
            share = dz.dtype.type(len(order) / batch)
            out[...] = plan._vector(plan._backward(traces, share * dz, training=True)[0])
            if ready:
                ready(0, sums)
        return sums


def _finite(plan: Plan) -> bool:
    arrays: list[Any] = [plan.get_weights(), *plan.get_state()["slots"]]
    return all(np.isfinite(array).all() for arrays_of_one in arrays for array in arrays_of_one)
