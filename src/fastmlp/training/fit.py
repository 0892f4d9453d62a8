"""`Network.fit`: epochs, their validation, callbacks and what is recorded of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import validation
from ..errors import shown
from ..metrics import name_of, takes_weights
from ..metrics.base import ratio
from ..model import Model, Objective
from ..optimizers import Solver
from .callbacks.base import Callback
from .callbacks.history import History
from .callbacks.hooks import Hooks
from .passes import Passes, looking
from .progress import Progress
from .rows import Rows, can_look_later, check_rescaled, prepare, split, validation_rows, with_class_weight
from .scoring import check_measurable, from_predictions, score
from .solvers import solve
from .targets import rescaling_for, standardized

BRIEF = 0.005  # seconds of an epoch that is worth no look of its own
BATCHES_AHEAD = 4096  # whose learning rates are made at a time


def _check_verbose(verbose: object) -> bool | int | str:
    known = isinstance(verbose, str) and verbose == "auto"
    if known or (isinstance(verbose, (bool, int)) and 0 <= verbose <= 2):
        return verbose  # type: ignore[return-value]
    raise ValueError(f"verbose is {shown(verbose)}, expected 'auto', 0, 1 or 2")


def _check_left(net: Model, epochs: int) -> None:
    """ValueError where the epochs' numbers would go beyond the last there is."""
    left = validation.MOST_EPOCHS - net.epochs_done
    if epochs > left:
        done = f"{net.epochs_done} have been done"
        raise ValueError(f"epochs is {shown(epochs)}, expected at most {left}, as {done}")


def _check_weighed(held_out: Rows | None) -> None:
    """ValueError where all held-out rows have the weight 0."""
    if held_out is not None and held_out.weights is not None and not held_out.weights.any():
        rest = "expected one above 0: the loss is 0 there whatever the network is"
        raise ValueError(f"sample_weight is 0 in all {len(held_out)} held-out rows, {rest}")


class Divergence(FloatingPointError):
    """The loss, or what a step leads to, is not finite; not an error of a callback's own arithmetic."""


def _diverged(epoch: int, error: FloatingPointError) -> Divergence:
    """An error of the plan, with the epoch that it comes from."""
    return Divergence(
        f"training diverged in epoch {epoch + 1}: {error}; the weights are the last finite ones, "
        "and a lower learning rate or clipping may help"
    )


@dataclass(frozen=True)
class _Fit:
    """One call of fit, its arguments checked."""

    net: Model
    objective: Objective
    rows: Rows
    held_out: Rows | None
    epochs: int
    batch_size: int
    shuffle: bool
    threads: int | None
    callbacks: Hooks
    progress: Progress
    history: History
    look_later: bool  # X has not been looked through

    def all_epochs(self) -> None:
        self.net.stop_training = False
        logs: dict[str, float] = {}
        done, brief, failed = 0, False, True
        try:
            self.callbacks.begin(self.net, self._params())
            try:
                if isinstance(self.net.optimizer, Solver):
                    logs = self._solved()
                    done = self.epochs
                while done < self.epochs:
                    if brief:
                        done += self._several_epochs(done)
                    else:
                        start = time.perf_counter()
                        logs = self._one_epoch(done)
                        done += 1
                        brief = self._unwatched and time.perf_counter() - start < BRIEF
                    if self.net.stop_training:
                        break
            except KeyboardInterrupt:
                self.history.end_interrupted()
                self.progress.interrupted(done)
            except Divergence as error:
                if not self.callbacks.take_divergence(done, str(error)):
                    raise
            self.net.plan.take_average()
            failed = False
        finally:
            self.callbacks.end(logs, failed=failed)

    def _params(self) -> dict[str, Any]:
        counted = self.objective.counted
        running = ["loss"] if counted is None else ["loss", counted]
        if isinstance(self.net.optimizer, Solver):
            running = []
        names = ["loss", *(name_of(metric) for metric in self.objective.metrics)]
        by_weight = ["loss", *(name_of(m) for m in self.objective.metrics if takes_weights(m))]
        weighted = by_weight if self.rows.weights is not None else []
        if self.held_out is not None:
            names += [f"val_{name}" for name in names]
            if self.held_out.weights is not None:
                weighted = weighted + [f"val_{name}" for name in by_weight]
        params = {
            "epochs": self.epochs,
            "steps": -(-len(self.rows) // self.batch_size),
            "batch_size": self.batch_size,
            "metrics": names,
            "running": running,
            "weighted": weighted,
        }
        self.history.params = params
        return params

    def _begin_epoch(self, epoch: int) -> None:
        self.callbacks.call("on_epoch_begin", epoch, {})
        self.progress.epoch_begin(epoch)

    def _solved(self) -> dict[str, float]:
        """Iterations of a solver, an epoch each; what is logged of the last."""
        logs: dict[str, float] = {}
        done = 0

        def iteration() -> bool:
            nonlocal logs, done
            logs = score(self.net, self.objective, self.rows, self.threads)
            self.net.epochs_done += 1
            self._end_epoch(done, logs)
            done += 1
            wanted = done < self.epochs and not self.net.stop_training
            if wanted:
                self._begin_epoch(done)
            return wanted

        self._begin_epoch(0)
        try:
            solve(self.net, self.objective, self.rows, self.epochs, iteration)
        except FloatingPointError as error:
            raise _diverged(done, error) from None
        return logs

    def _one_epoch(self, epoch: int) -> dict[str, float]:
        self._begin_epoch(epoch)
        try:
            logs = self._trained(epoch)
        except FloatingPointError as error:
            check_rescaled(self.net, self.rows.X)
            raise _diverged(epoch, error) from None
        self._end_epoch(epoch, logs)
        return logs

    def _end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        if self.held_out is not None:
            held_out = score(self.net, self.objective, self.held_out, self.threads)
            logs.update({f"val_{name}": value for name, value in held_out.items()})
        self.progress.epoch_end(epoch, logs, self.history.weighted)
        try:
            self.callbacks.call("on_epoch_end", epoch, logs)
        finally:  # callbacks may add to the logs, or be interrupted
            self.history.on_epoch_end(epoch, logs)

    @cached_property
    def _unwatched(self) -> bool:
        """Whether only the history hears of an epoch, and the plan itself measures all that it records."""
        counted = self.objective.counted
        return (
            not self.objective.in_python
            and list(self.objective.metrics) == ([] if counted is None else [counted])
            and self.held_out is None
            and not self.callbacks
            and self.progress.silent
        )

    def _several_epochs(self, first: int) -> int:
        """Epochs from `first` on in one call, until it is time for a look at signals; how many."""
        passes = self._passes
        assert passes.run is not None
        try:
            passes.several(min(self.epochs - first, -(-BATCHES_AHEAD // passes.batches)))
        except FloatingPointError as error:
            raise _diverged(first + passes.run.epoch, error) from None
        finally:  # whatever ends the call, these epochs are done
            sums = passes.run.sums[: passes.run.epoch]
            self.net.epochs_done += len(sums)
            logs = {"loss": (sums[:, 0] / len(self.rows)).tolist()}
            if self.objective.counted is not None:
                total = self.rows.total_weight
                logs[self.objective.counted] = [ratio(correct, total) for correct in sums[:, 1].tolist()]
            self.history.extend(first, logs)
        return len(sums)

    def _trained(self, epoch: int) -> dict[str, float]:
        """One pass over the rows; the loss and the metrics."""

        def before(batch: int) -> None:
            self.callbacks.call("on_train_batch_begin", batch, {})

        def report(done: int, logs: dict[str, float]) -> None:
            self.progress.batches_done(epoch, done)
            if self._by_batch:
                self.callbacks.call("on_train_batch_end", done - 1, logs)

        heard = self._by_batch or not self.progress.silent
        with looking(self._passes) if self.look_later and epoch == 0 else nullcontext():
            total, correct = self._passes.one(report if heard else None, before if self._by_batch else None)
        self.net.epochs_done += 1
        return {
            "loss": total / len(self.rows),
            **from_predictions(self.net, self.objective, self.rows, correct, self.threads),
        }

    @cached_property
    def _passes(self) -> Passes:
        return Passes(self.net, self.objective, self.rows, self.batch_size, self.shuffle, self.threads)

    @cached_property
    def _by_batch(self) -> bool:
        """Whether a callback hears of batches."""
        return self.callbacks.hear_batches()


def fit(
    net: Model,
    X: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int | None,
    validation_split: float,
    validation_data: tuple[Any, ...] | None,
    callbacks: Iterable[Callback] | None,
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    shuffle: bool,
    verbose: bool | int | str,
    threads: int | None,
) -> History:
    epochs = validation.integer(epochs, "epochs", 1)
    size = None if batch_size is None else validation.integer(batch_size, "batch_size", 1)
    share = validation.real(validation_split, "validation_split", minimum=0.0, below=1.0)
    if share > 0 and validation_data is not None:
        raise ValueError(f"validation_split is {share} and validation_data came too, expected one of them")
    shuffle, threads = validation.boolean(shuffle, "shuffle"), validation.as_threads(threads)
    verbose, checked = _check_verbose(verbose), Hooks(callbacks)
    with net.changing(nested=False):
        _check_left(net, epochs)
        y, learned = net.as_indices(y, learn=True)
        objective = net.objective_for(y)
        alone = share == 0 and validation_data is None and not checked  # nobody else sees the rows
        look_later = alone and can_look_later(net, objective, X)
        prepared = prepare(net, objective, X, y, sample_weight, look_later=look_later)
        rows, held_out = split(prepared, share)
        rows = with_class_weight(net, objective, rows, class_weight, learned)
        if validation_data is not None:
            held_out = validation_rows(net, objective, validation_data, learned)
        rescaling = rescaling_for(net, objective, rows)
        rows = standardized(objective, rescaling, rows)
        held_out = None if held_out is None else standardized(objective, rescaling, held_out)
        _check_weighed(held_out)
        check_measurable(net, objective, rows)
        size = len(rows) if size is None else min(size, len(rows))
        assert net.optimizer is not None
        net.optimizer.check_batches(size, len(rows))
        call = _Fit(
            net=net,
            objective=objective,
            rows=rows,
            held_out=held_out,
            epochs=epochs,
            batch_size=size,
            shuffle=shuffle,
            threads=threads,
            callbacks=checked,
            progress=Progress(verbose, epochs, -(-len(rows) // size)),
            history=History(),
            look_later=look_later,
        )
        net.classes = net.classes if learned is None else learned
        net.rescale_output(rescaling)
        try:
            call.all_epochs()
        finally:
            call.progress.close()
    return call.history
