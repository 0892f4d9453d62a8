"""Passes over the rows, through the plan's Run or with a loss in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import _kernels, validation
from .._kernels import Run
from ..metrics.base import ratio
from ..model import Array, Model, Objective
from .rows import Rows, check_rescaled
from .scoring import python_loss

Sums = Sequence[float]  # of the rows' losses and of correct rows, so far in the epoch

SLICE = 0.05  # seconds of training between two looks at signals and progress


class Passes:
    """Passes over the rows, an epoch each."""

    def __init__(
        self,
        net: Model,
        objective: Objective,
        rows: Rows,
        batch_size: int,
        shuffle: bool,
        threads: int | None,
    ) -> None:
        self.net, self.objective, self.rows = net, objective, rows
        self.batch_size, self.shuffle = batch_size, shuffle
        self.batches = -(-len(rows) // batch_size)
        self._shuffled: Array | None = None
        self._first_batch = 0
        self._said: tuple[Any, ...] | None = None  # what the optimizer was when _settings were made
        self._settings: dict[str, Any] = {}
        self.run = None
        if not objective.in_python:
            self.run = Run(
                net.plan, rows.X, sample_weight=rows.weights, batch_size=batch_size, seed=net.seed,
                shuffle=shuffle, loss=objective.named, threads=threads, **rows.of_loss,
            )  # fmt: skip

    def one(
        self,
        report: Callable[[int, dict[str, float]], None] | None = None,
        before: Callable[[int], None] | None = None,
    ) -> Sums:
        """Sums of the rows' losses and of correct rows in one pass; `report` hears after every slice.

        With `before`, which is called ahead of each batch, a slice is one batch.
        """
        self._first_batch, self._said, self._shuffled = self.net.plan.batches, None, None
        self._look_at_optimizer()
        if self.run is not None:
            self.run.begin(**self._settings, epoch=self.net.epochs_done)
        sums: Sums = (0.0, 0.0)
        done = 0
        while done < self.batches:
            first, old = done, sums
            if before is not None:
                before(first)
            if self._look_at_optimizer() and self.run is not None:
                self.run.change(**self._settings)
            single = before is not None
            done, sums = self._python_batch(first, sums) if self.run is None else self._slice(single)
            if report is not None:
                report(done, self._logs(first, done, old, sums))
        return sums

    def _look_at_optimizer(self) -> bool:
        """Takes what the epoch's steps are made with, if a callback has changed it since; whether it has."""
        optimizer = self.net.optimizer
        assert optimizer is not None
        said = optimizer.learning_rate, optimizer.weight_decay
        if said == self._said:
            return False
        self._said, self._settings = said, self.net.of_batches(self._first_batch, (1, self.batches))
        return True

    def several(self, epochs: int) -> None:
        """As many of the next epochs as end within a slice of time: the first rows of the run's sums."""
        assert self.run is not None
        settings: dict[str, Any] = self.net.of_batches(self.net.plan.batches, (epochs, self.batches))
        self.run.begin(**settings, epoch=self.net.epochs_done)
        self.run.advance(SLICE)
        if self.run.batch:
            self.run.advance(batches=self.batches - self.run.batch)

    def _slice(self, single: bool) -> tuple[int, Sums]:
        """One batch, or as many as fit in a slice of time: the next batch, and the sums so far."""
        assert self.run is not None
        self.run.advance(SLICE, 1 if single else None)
        return self.batches if self.run.finished else self.run.batch, self.run.sums[0, :2].tolist()

    def _logs(self, first: int, done: int, old: Sums, new: Sums) -> dict[str, float]:
        """What batches `first` to `done` gave."""
        part = slice(first * self.batch_size, min(done * self.batch_size, len(self.rows)))
        rows = part.stop - part.start
        logs = {"loss": (new[0] - old[0]) / rows}
        if self.objective.counted is not None:
            weights = self.rows.weights
            total = rows if weights is None else np.sum(weights[self._in_order(part)], dtype=np.float64)
            logs[self.objective.counted] = ratio(new[1] - old[1], total)
        return logs

    def _python_batch(self, first: int, sums: Sums) -> tuple[int, Sums]:
        """One batch with a loss in Python: predictions out, their gradient in."""
        batch = self._gathered(first)
        of_step: dict[str, Any] = {
            name: v if v is None else float(v[0, first]) for name, v in self._settings.items()
        }
        dropout = 1.0 if of_step["dropout"] is None else of_step["dropout"]
        predictions = self.net.plan.train_forward(batch.X, seed=self.net.seed, dropout=dropout)
        value, gradient = python_loss(self.objective.loss, batch.y, predictions, batch.weights)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise FloatingPointError(f"the loss of batch {first} is not finite")
        rate, decay = of_step["learning_rates"], of_step["weight_decay"]
        self.net.plan.train_backward(gradient, rate, weight_decay=decay)
        return first + 1, (sums[0] + value * len(batch), 0.0)

    def _gathered(self, batch: int) -> Rows:
        """The rows of a batch, in the order that the plan would take them in."""
        return self.rows.part(self._in_order(slice(batch * self.batch_size, (batch + 1) * self.batch_size)))

    def _in_order(self, part: slice) -> slice | Array:
        """The rows that the epoch has at these places."""
        if not self.shuffle:
            return part
        if self._shuffled is None:
            self._shuffled = _kernels.shuffled(self.net.seed, self.net.epochs_done, len(self.rows))
        return self._shuffled[part]


@contextmanager
def looking(passes: Passes) -> Iterator[None]:
    """A pass that looks whether X is finite; where it is not, nothing has changed but for the error."""
    plan, run = passes.net.plan, passes.run
    assert run is not None
    weights, state = plan.get_weights(), plan.get_state()
    run.check_rows = True
    try:
        yield
    except _kernels.NotFiniteInput:
        plan.set_weights(weights)
        plan.set_state(state)
        validation.check_finite(passes.rows.X, "X")
        check_rescaled(passes.net, passes.rows.X)
        raise
    finally:
        run.check_rows = False
