"""Training data of a fit: what one epoch of it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from .._kernels import shuffled
from ..metrics import name_of
from ..model import Array, Model, Objective
from .ahead import Ahead
from .batches import Batches, parts_of
from .passes import Passes, looking
from .rows import Rows, check_rescaled
from .scoring import Tally, from_predictions, measured_apart
from .sparse import chunk_rows

Report = Callable[[int, dict[str, float]], None]  # batches done, and what the last of them gave


class Divergence(FloatingPointError):
    """The loss, or what a step leads to, is not finite; not an error of a callback's own arithmetic."""


def diverged(epoch: int, error: FloatingPointError) -> Divergence:
    """An error of the plan, with the epoch of the fit that it comes from."""
    return Divergence(
        f"training diverged in epoch {epoch + 1}: {error}; the weights are the last finite ones, "
        "and a lower learning rate or clipping may help"
    )


class Epochs(Protocol):
    """Training data.

    Attributes
    ----------
    steps, batch_size : int or None
        Batches of an epoch and their rows, where they are known.
    weighted : bool
        Whether weights of rows enter.
    missing : str or None
        What was lacking, in a sentence, when the last epoch ended early; training cannot go on then.
    """

    steps: int | None
    batch_size: int | None
    weighted: bool
    missing: str | None

    def running(self) -> list[str]:
        """Names of the numbers that are means over an epoch's batches, each measured before its step."""

    def one(
        self, epoch: int, report: Report | None, before: Callable[[int], None] | None
    ) -> dict[str, float]:
        """The next epoch's loss and metrics, none where there are no batches; `epoch` is the fit's own count.

        `report` hears after every slice of time, or with `before`, which is called ahead of it, every batch.
        """


class RowEpochs:
    """What epochs of rows in memory have in common."""

    missing: str | None = None

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
        self.batch_size: int | None = batch_size
        self.steps: int | None = -(-len(rows) // batch_size)
        self.weighted = rows.weights is not None
        self._size, self._shuffle, self._threads = batch_size, shuffle, threads

    def running(self) -> list[str]:
        counted = self.objective.counted
        return ["loss"] if counted is None else ["loss", counted]


class ArrayEpochs(RowEpochs):
    """Epochs of arrays; with `look_later` X has not been looked through."""

    def __init__(self, *arguments: Any, look_later: bool) -> None:
        super().__init__(*arguments)
        self._look_later = look_later

    @cached_property
    def passes(self) -> Passes:
        return Passes(self.net, self.objective, self.rows, self._size, self._shuffle, self._threads)

    def one(
        self, epoch: int, report: Report | None, before: Callable[[int], None] | None
    ) -> dict[str, float]:
        try:
            with looking(self.passes) if self._look_later and epoch == 0 else nullcontext():
                total, correct = self.passes.one(report, before)
        except FloatingPointError as error:
            check_rescaled(self.net, self.rows.X)
            raise diverged(epoch, error) from None
        self.net.epochs_done += 1
        return {
            "loss": total / len(self.rows),
            **from_predictions(self.net, self.objective, self.rows, correct, self._threads),
        }


class BatchEpochs:
    """Epochs of batches that an iterable gives; the next of them is made ready while one trains."""

    def __init__(
        self,
        net: Model,
        objective: Objective,
        batches: Batches,
        ready: Callable[[int, Any], Rows],
        threads: int | None,
    ) -> None:
        self.net, self.objective = net, objective
        self.steps = batches.length
        self.batch_size: int | None = None
        self.weighted = parts_of(batches.first(), "batch 0")[2] is not None
        self.missing: str | None = None
        self._batches, self._ready = batches, ready
        self._steps = Steps(net, objective, measured_apart(objective), threads)

    def running(self) -> list[str]:
        return ["loss", *map(name_of, self.objective.metrics)]

    def one(
        self, epoch: int, report: Report | None, before: Callable[[int], None] | None
    ) -> dict[str, float]:
        batches = ready_batches(self._batches.epoch(), self._ready)
        tally, done = self._steps.of(batches, epoch, report, before)
        self.missing = self._batches.missing
        self.net.epochs_done += done > 0
        return tally.logs() if done else {}


class SparseEpochs(RowEpochs):
    """Epochs of rows in memory whose X is CSR, made dense a chunk of batches at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._steps = Steps(self.net, self.objective, False, self._threads)

    def one(
        self, epoch: int, report: Report | None, before: Callable[[int], None] | None
    ) -> dict[str, float]:
        tally, _ = self._steps.of(self._dense_batches(), epoch, report, before)
        self.net.epochs_done += 1
        return {
            "loss": tally.total / len(self.rows),
            **from_predictions(self.net, self.objective, self.rows, tally.correct, self._threads),
        }

    def _dense_batches(self) -> Iterator[Rows]:
        count, size = len(self.rows), self._size
        order = shuffled(self.net.seed, self.net.epochs_done, count) if self._shuffle else np.arange(count)
        chunk = max(1, chunk_rows(self.rows.X) // size) * size
        for first in range(0, count, chunk):
            rows = self.rows.part(order[first : first + chunk]).dense()
            for start in range(0, len(rows), size):
                yield rows.part(slice(start, start + size))


@dataclass(frozen=True)
class Steps:
    """A step for every batch; `predicts`: with the predictions before it, for metrics."""

    net: Model
    objective: Objective
    predicts: bool
    threads: int | None

    def of(
        self,
        made: Iterator[Rows],
        epoch: int,
        report: Report | None,
        before: Callable[[int], None] | None,
    ) -> tuple[Tally, int]:
        """What the batches gave, and how many they were."""
        tally, done = Tally(self.net, self.objective), 0
        with Ahead(made) as batches:
            for rows in batches:
                if before is not None:
                    before(done)
                logs = tally.add(rows, *self._step(rows, epoch, done))
                done += 1
                if report is not None:
                    report(done, logs)
        return tally, done

    def _step(self, rows: Rows, epoch: int, batch: int) -> tuple[float, float, Array | None]:
        """Sums of the rows' losses and of correct rows; predictions before the step if any metric asks."""
        plan = self.net.plan
        predictions = plan.predict(rows.X, None, self.threads) if self.predicts else None
        try:
            total, correct = Passes(self.net, self.objective, rows, len(rows), False, self.threads).one()
        except FloatingPointError as error:
            check_rescaled(self.net, rows.X)
            said = str(error).replace("batch 0", f"batch {batch}")  # the Run's only one
            raise diverged(epoch, FloatingPointError(said)) from None
        return total, correct, predictions


def ready_batches(batches: Iterable[Any], ready: Callable[[int, Any], Rows]) -> Iterator[Rows]:
    """Each batch as rows with memory of their own: an iterable may fill one array again and again."""
    for index, batch in enumerate(batches):
        yield ready(index, batch).owned(batch)
