"""Passes over the rows, through the plan's Run or with a loss in Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _kernels, validation
from .._kernels import Run
from ..metrics.base import ratio
from ..model import Array, Done, Model, Objective
from .rows import Rows, check_rescaled
from .scoring import python_loss

Mark = Callable[[Done, int], None]  # what is done of the epoch, and the batches that the plan had by then

SLICE = 0.05  # seconds of training between two looks at signals and progress


@dataclass(frozen=True)
class Watch:
    """Who hears of an epoch's batches.

    Attributes
    ----------
    before : callable or None
        Called ahead of each batch with its number; then every batch is a slice of its own.
    after : callable or None
        Called after a slice with the batches done and what those of the slice gave; whether training goes on.
    most : callable
        How many batches the next slice may have, or None.
    """

    before: Callable[[int], None] | None = None
    after: Callable[[int, dict[str, float]], bool] | None = None
    most: Callable[[], int | None] = lambda: None


UNWATCHED, NOTHING = Watch(), Done()


def sums_of(row: Array) -> tuple[float, ...]:
    """Sums of losses, of correct rows and of the terms of the loss, of a row of `Run.sums`."""
    total, correct, _, *terms = row.tolist()
    return (total, correct, *terms)


def since(sums: tuple[float, ...], before: tuple[float, ...]) -> tuple[float, ...]:
    """Sums less those before, which may be of nothing yet."""
    return tuple(new - old for new, old in itertools.zip_longest(sums, before, fillvalue=0.0))


def terms_of(objective: Objective, sums: Sequence[float], rows: int) -> dict[str, float]:
    """The terms that the loss is the sum of, by name: means over the rows of what follows the first two."""
    if len(sums) == 2:
        return {}
    names = objective.loss.apart()
    return {name: total / rows for name, total in zip(names, sums[2:], strict=False)}


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
        self._begin_settings()
        self.run = None
        if not objective.in_python:
            self.run = Run(
                net.plan, rows.X, sample_weight=rows.weights, batch_size=batch_size, seed=net.seed,
                shuffle=shuffle, loss=objective.named, threads=threads, **rows.of_loss,
            )  # fmt: skip

    def _begin_settings(self) -> None:
        self._shuffled: Array | None = None
        self._done, self._first_batch = NOTHING, 0
        self._next = NOTHING  # what is done once the step is made that is being made without a run
        self._said: tuple[Any, ...] | None = None  # what the optimizer was when _settings were made
        self._settings: dict[str, Any] = {}

    def one(self, watch: Watch = UNWATCHED, done: Done = NOTHING, mark: Mark | None = None) -> Done:
        """One pass, of which some may be done: what is done of it in the end, all unless `watch` ends it.

        `mark` is told after every slice, before `watch` hears of it, and however the pass ends.
        """
        if done.batch == self.batches:
            return done
        self._done, self._first_batch = done, self.net.plan.batches - done.batch
        self._said = self._shuffled = None
        self._look_at_optimizer()
        if self.run is not None:
            sums = done.sums[: 2 + len(self.objective.loss.apart())]
            self.run.begin(**self._settings, epoch=self.net.epochs_done, batch=done.batch, sums=sums)
        try:
            self._slices(watch, mark)
        except BaseException:
            self._note(mark)
            raise
        return self._done

    def _slices(self, watch: Watch, mark: Mark | None) -> None:
        goes_on = True
        while goes_on and self._done.batch < self.batches:
            old = self._done
            if watch.before is not None:
                watch.before(old.batch)
            if self._look_at_optimizer() and self.run is not None:
                self.run.change(**self._settings)
            self._slice(1 if watch.before is not None else watch.most())
            self._note(mark)
            if watch.after is not None:
                goes_on = watch.after(self._done.batch, self._logs(old, self._done))

    def _look_at_optimizer(self) -> bool:
        """Takes what the epoch's steps are made with, if a callback has changed it since; whether it has."""
        optimizer = self.net.optimizer
        assert optimizer is not None
        said = optimizer.learning_rate, optimizer.weight_decay
        if said == self._said:
            return False
        self._said, self._settings = said, self.net.of_batches(self._first_batch, (1, self.batches))
        return True

    def alone(self) -> tuple[float, ...]:
        """One pass of which nobody hears; its sums."""
        if self.run is None:
            return self.one().sums
        self.begin(1)
        self.several()
        return sums_of(self.run.sums[0])

    def begin(self, epochs: int) -> None:
        """Puts the run before so many of the next epochs."""
        assert self.run is not None
        settings: dict[str, Any] = self.net.of_batches(self.net.plan.batches, (epochs, self.batches))
        self.run.begin(**settings, epoch=self.net.epochs_done)

    def several(self) -> None:
        """As many of the epochs begun as end within a slice of time: the first rows of the run's sums."""
        assert self.run is not None
        self.run.advance(SLICE)
        if self.run.batch:
            self.run.advance(batches=self.batches - self.run.batch)

    def _slice(self, most: int | None) -> None:
        """As many batches as fit in a slice of time, at most so many."""
        if self.run is None:
            self._python_batch(self._done)
        else:
            self.run.advance(SLICE, most)

    def _note(self, mark: Mark | None) -> None:
        """Tells `mark` what is done, by the cursor or the plan: right even if a signal ended a slice."""
        if self.run is None and self.net.plan.batches > self._first_batch + self._done.batch:
            self._done = self._next
        elif self.run is not None and self.run.finished:
            self._done = Done(self.batches, sums_of(self.run.sums[0]))
        elif self.run is not None and self.run.batch:
            self._done = Done(self.run.batch, sums_of(self.run.sums[0]))
        if mark is not None:
            mark(self._done, self._first_batch + self._done.batch)

    def _logs(self, old: Done, new: Done) -> dict[str, float]:
        """What the batches between gave."""
        part = slice(old.batch * self.batch_size, min(new.batch * self.batch_size, len(self.rows)))
        rows = part.stop - part.start
        logs = {"loss": (new.sums[0] - old.sums[0]) / rows}
        logs |= terms_of(self.objective, since(new.sums, old.sums), rows)
        if self.objective.counted is not None:
            weights = self.rows.weights
            total = rows if weights is None else np.sum(weights[self._in_order(part)], dtype=np.float64)
            logs[self.objective.counted] = ratio(new.sums[1] - old.sums[1], total)
        return logs

    def _python_batch(self, done: Done) -> None:
        """One batch with a loss in Python: predictions out, their gradient in."""
        first = done.batch
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
        self._next = Done(first + 1, (done.sums[0] + value * len(batch), 0.0))
        self._step_back(gradient, rate, decay)

    def _step_back(self, gradient: Array, rate: float, decay: float | None) -> None:
        self.net.plan.train_backward(gradient, rate, weight_decay=decay)

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
