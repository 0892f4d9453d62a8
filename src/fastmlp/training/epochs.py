"""Training data of a fit: what one epoch of it is."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from .._kernels import shuffled
from ..metrics import name_of
from ..model import Array, Done, Model, Objective, Position, Recipe
from .ahead import Ahead
from .batches import Batches, parts_of
from .passes import NOTHING, Mark, Passes, Watch, looking, terms_of
from .rows import Rows, check_rescaled
from .scoring import Tally, from_predictions, measured_apart
from .sparse import chunk_rows


class Divergence(FloatingPointError):
    """The loss, or what a step leads to, is not finite; not an error of a callback's own arithmetic."""


def diverged(epoch: int, error: FloatingPointError) -> Divergence:
    """An error of the plan, with the epoch of the fit that it comes from."""
    return Divergence(
        f"training diverged in epoch {epoch + 1}: {error}; the weights are the last finite ones, "
        "and a lower learning rate or clipping may help"
    )


_AS_THEY_COME = Recipe(None, None, None)


def done_of(net: Model) -> Done:
    """What is done of the network's next epoch."""
    return NOTHING if net.position is None else net.position.done


def check_recipe(net: Model, recipe: Recipe) -> None:
    """ValueError where the network stands within an epoch of another recipe."""
    assert net.position is not None
    then = net.position.recipe
    if (then.rows is None) != (recipe.rows is None):
        forms = {True: "as batches", False: "as arrays"}
        now, before = forms[recipe.rows is None], forms[then.rows is None]
        raise ValueError(f"resume is True and X came {now}, expected it {before}, {_AS_IN_THE_STOPPED}")
    for name, value in dataclasses.asdict(recipe).items():
        expected = getattr(then, name)
        if value != expected:
            raise ValueError(
                f"resume is True and {_NAMES[name]} {value}, expected {expected}, {_AS_IN_THE_STOPPED}"
            )


_NAMES = {"rows": "the training rows are", "batch_size": "batch_size is", "shuffle": "shuffle is"}
_NAMES |= {"shards": "shards is"}
_AS_IN_THE_STOPPED = "as in the epoch that was stopped"


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
        ...

    def check_position(self) -> None:
        """ValueError where these data cannot go on from the network's position within an epoch."""
        ...

    def one(self, epoch: int, watch: Watch) -> dict[str, float]:
        """The next epoch from where the network is in it: its loss and metrics; `epoch` is the fit's count.

        There are none where there are no batches, or `watch` ends the epoch before the last.
        """
        ...


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
        return ["loss", *self.objective.loss.apart(), *([] if counted is None else [counted])]

    def check_position(self) -> None:
        check_recipe(self.net, self._recipe)

    @property
    def _recipe(self) -> Recipe:
        return Recipe(len(self.rows), self._size, self._shuffle)

    def mark(self, done: Done, batches: int) -> None:
        """The network stands here, within an epoch or between two."""
        self.net.position = Position(self._recipe, done, batches) if done.batch else None


class ArrayEpochs(RowEpochs):
    """Epochs of arrays; `looks`: X has not been looked through, which the next epoch does."""

    def __init__(self, *arguments: Any, looks: bool) -> None:
        super().__init__(*arguments)
        self.looks = looks

    @cached_property
    def passes(self) -> Passes:
        return Passes(self.net, self.objective, self.rows, self._size, self._shuffle, self._threads)

    def one(self, epoch: int, watch: Watch) -> dict[str, float]:
        try:
            with looking(self.passes) if self.looks else nullcontext():
                done = self.passes.one(watch, done_of(self.net), self.mark)
        except FloatingPointError as error:
            check_rescaled(self.net, self.rows.X)
            raise diverged(epoch, error) from None
        self.looks = False
        if done.batch < self.passes.batches:
            return {}
        total, correct = done.sums[:2]
        return {
            "loss": total / len(self.rows),
            **terms_of(self.objective, done.sums, len(self.rows)),
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
        return ["loss", *self.objective.loss.apart(), *map(name_of, self.objective.metrics)]

    def one(self, epoch: int, watch: Watch) -> dict[str, float]:
        begun = done_of(self.net)
        batches = ready_batches(self._rest(begun.batch), self._ready, begun.batch)
        tally, done, stopped = self._steps.of(batches, epoch, watch, begun, self._mark)
        self.missing = self._batches.missing
        return tally.logs() if done and (not stopped or done == self.steps) else {}

    def check_position(self) -> None:
        check_recipe(self.net, _AS_THEY_COME)
        said = "resume is True of batches and the network stopped within an epoch"
        if self._batches.once or self._batches.steps is not None:
            what = "an iterable whose every pass is an epoch, such as a list or a DataLoader"
            raise ValueError(f"{said}, expected {what}, and no steps_per_epoch")
        if measured_apart(self.objective):
            raise ValueError(f"{said}, expected no metric but the accuracy: others need all its predictions")

    def _rest(self, done: int) -> Iterator[Any]:
        """An epoch's batches but for the first, which are passed over."""
        batches = self._batches.epoch()
        passed = sum(1 for _ in itertools.islice(batches, done))
        if passed < done:
            raise ValueError(f"X gave {passed} batches, expected the {done} that were trained and the rest")
        yield from batches

    def _mark(self, done: Done, batches: int) -> None:
        self.net.position = Position(_AS_THEY_COME, done, batches)


class SparseEpochs(RowEpochs):
    """Epochs of rows in memory whose X is CSR, made dense a chunk of batches at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._steps = Steps(self.net, self.objective, False, self._threads)

    def one(self, epoch: int, watch: Watch) -> dict[str, float]:
        begun = done_of(self.net)
        tally, done, _ = self._steps.of(self._dense_batches(begun.batch), epoch, watch, begun, self.mark)
        if done != self.steps:
            return {}
        return {
            "loss": tally.total / len(self.rows),
            **terms_of(self.objective, tally.sums, len(self.rows)),
            **from_predictions(self.net, self.objective, self.rows, tally.correct, self._threads),
        }

    def _dense_batches(self, begun: int) -> Iterator[Rows]:
        count, size = len(self.rows), self._size
        order = shuffled(self.net.seed, self.net.epochs_done, count) if self._shuffle else np.arange(count)
        chunk = max(1, chunk_rows(self.rows.X) // size) * size
        for first in range(begun * size, count, chunk):
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
        watch: Watch,
        begun: Done,
        mark: Mark,
    ) -> tuple[Tally, int, bool]:
        """What the epoch's batches gave, how many they are, and whether `watch` ended them."""
        tally, done = Tally(self.net, self.objective), begun.batch
        tally.go_on(*begun.sums)
        first = self.net.plan.batches - done
        logs = dict[str, float]()

        def taken(rows: Rows, sums: tuple[float, ...], predictions: Array | None) -> None:
            nonlocal logs, done
            if self.net.plan.batches > first + done:
                logs = tally.add(rows, sums, predictions)
                done += 1
                mark(Done(done, tally.sums), first + done)

        with Ahead(made) as batches:
            for rows in batches:
                if watch.before is not None:
                    watch.before(done)
                self._step(rows, epoch, done, taken)
                if watch.after is not None and not watch.after(done, logs):
                    return tally, done, True
        return tally, done, False

    def _step(self, rows: Rows, epoch: int, batch: int, taken: Callable[..., None]) -> None:
        """Tells what the batch gave once its step is made, whatever ends the call thereafter.

        That is the sums of losses, of correct rows and of the loss's terms, and the predictions before the
        step if a metric asks.
        """
        plan = self.net.plan
        predictions = plan.predict(rows.X, None, self.threads) if self.predicts else None

        def note(done: Done, _: int) -> None:
            if done.batch:
                taken(rows, done.sums, predictions)

        try:
            Passes(self.net, self.objective, rows, len(rows), False, self.threads).one(mark=note)
        except FloatingPointError as error:
            check_rescaled(self.net, rows.X)
            said = str(error).replace("batch 0", f"batch {batch}")  # the Run's only one
            raise diverged(epoch, FloatingPointError(said)) from None


def ready_batches(
    batches: Iterable[Any], ready: Callable[[int, Any], Rows], first: int = 0
) -> Iterator[Rows]:
    """Each batch as rows with memory of their own: an iterable may fill one array again and again."""
    for index, batch in enumerate(batches, first):
        yield ready(index, batch).owned(batch)
