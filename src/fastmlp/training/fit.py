"""`Network.fit`: epochs, their validation, callbacks and what is recorded of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import validation
from ..errors import shown
from ..metrics import name_of, takes_weights
from ..metrics.base import ratio
from ..model import Done, Model, Moving, Objective
from ..optimizers import Solver
from .batches import as_steps
from .callbacks.base import Callback
from .callbacks.history import History
from .callbacks.hooks import Hooks
from .data import Given, prepared
from .epochs import ArrayEpochs, Divergence, Epochs, RowEpochs, diverged
from .held_out import HeldOut
from .passes import Watch, sums_of
from .progress import Progress
from .rows import check_rescaled
from .scoring import score
from .shards import agree_on_recipe, as_shards, team_of
from .solvers import solve
from .team import Team

BRIEF = 0.005  # seconds of an epoch that is worth no look of its own
BRIEF_WORK = 1e6  # rows times parameters, at most, of an epoch that is brief on any machine
BATCHES_AHEAD = 4096  # whose learning rates are made at a time


def _check_verbose(verbose: object) -> bool | int | str:
    if isinstance(verbose, str) and verbose == "auto":
        return verbose
    if isinstance(verbose, (int, np.integer, np.bool_)) and 0 <= verbose <= 2:
        return int(verbose)
    raise ValueError(f"verbose is {shown(verbose)}, expected 'auto', 0, 1 or 2")


def _check_left(net: Model, epochs: int, initial: int | None) -> None:
    """ValueError where the epochs' numbers would go beyond the last there is; None where fit resumes."""
    left = validation.MOST_EPOCHS - (0 if initial is None else net.epochs_done - initial)
    if epochs > left:
        done = f"{net.epochs_done} have been done"
        raise ValueError(f"epochs is {shown(epochs)}, expected at most {left}, as {done}")


def _check_resumed(net: Model, data: Epochs) -> None:
    """ValueError where a fit cannot go on from where the network is."""
    if isinstance(net.optimizer, Solver):
        kind = type(net.optimizer).__name__
        raise ValueError(
            f"resume is True and the optimizer {kind}, expected False: it begins anew in each fit"
        )
    if net.position is None:
        return
    if net.position.batches != net.plan.batches:
        since = "trained otherwise since a fit of it stopped within an epoch"
        raise ValueError(f"resume is True and the network was {since}, expected False")
    data.check_position()


@dataclass
class _Fit:
    """One call of fit, its arguments checked."""

    net: Model
    objective: Objective
    data: Epochs
    held_out: HeldOut | None
    epochs: int
    first: int
    resume: bool
    threads: int | None
    callbacks: Hooks
    progress: Progress
    history: History
    team: Team

    def all_epochs(self) -> None:
        self.net.stop_training = False
        done = self._begin()
        logs: dict[str, float] = {}
        brief, failed = self._surely_brief(), True
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
                        logs = self._one_epoch(done) or logs
                        done += 1
                        brief = self._unwatched and time.perf_counter() - start < BRIEF
                    if self.data.missing is not None:
                        warnings.warn(f"{self.data.missing}; training ends", RuntimeWarning, stacklevel=5)
                        break
                    if self._stops():
                        break
            except KeyboardInterrupt as error:
                self.team.interrupted(error)
                self.history.end_interrupted()
                self.progress.interrupted(done)
            except Divergence as error:
                if not self.callbacks.take_divergence(done, str(error)):
                    raise
            self._take_average()
            failed = False
        finally:
            self.callbacks.end(logs, failed=failed)

    def _begin(self) -> int:
        """Puts the network where the fit begins; the number of its first epoch."""
        net = self.net
        if self.resume:
            if net.moving is not None and net.moving.batches == net.plan.batches:
                net.set_weights(net.moving.weights)
            net.moving = None
        else:
            net.begin_epochs(net.epochs_done)
        return self.first

    def _take_average(self) -> None:
        """Ends with averaged weights where there are any; a fit that resumes needs the others."""
        net = self.net
        assert net.optimizer is not None
        if net.optimizer.use_ema:
            moving = Moving(net.get_weights(), net.plan.batches)
            net.plan.take_average()
            net.moving = moving

    def _params(self) -> dict[str, Any]:
        losses = ["loss", *self.objective.loss.apart()]
        names = [*losses, *(name_of(metric) for metric in self.objective.metrics)]
        by_weight = [*losses, *(name_of(m) for m in self.objective.metrics if takes_weights(m))]
        weighted = by_weight if self.data.weighted else []
        if self.held_out is not None:
            names += [f"val_{name}" for name in names]
            if self.held_out.weighted:
                weighted = weighted + [f"val_{name}" for name in by_weight]
        params = {
            "epochs": self.epochs,
            "steps": self.data.steps,
            "batch_size": self.data.batch_size,
            "metrics": names,
            "running": [] if isinstance(self.net.optimizer, Solver) else self.data.running(),
            "weighted": weighted,
        }
        self.history.params = params
        return params

    def _begin_epoch(self, epoch: int) -> None:
        self.callbacks.call("on_epoch_begin", epoch, {})
        self.progress.epoch_begin(epoch)

    def _solved(self) -> dict[str, float]:
        """Iterations of a solver, an epoch each; what is logged of the last."""
        assert isinstance(self.data, RowEpochs)
        rows, done = self.data.rows, self.first
        logs: dict[str, float] = {}

        def iteration() -> bool:
            nonlocal logs, done
            logs = score(self.net, self.objective, rows, self.threads)
            self._end_epoch(done, logs)
            done += 1
            wanted = done < self.epochs and not self.net.stop_training
            if wanted:
                self._begin_epoch(done)
            return wanted

        if done == self.epochs:
            return logs
        self._begin_epoch(done)
        try:
            solve(self.net, self.objective, rows, self.epochs - done, iteration)
        except FloatingPointError as error:
            raise diverged(done, error) from None
        return logs

    def _one_epoch(self, epoch: int) -> dict[str, float]:
        self._begin_epoch(epoch)
        logs = self._trained(epoch)
        if logs:
            self._end_epoch(epoch, logs)
        return logs

    def _end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        if self.held_out is not None:
            held_out = self.held_out.score(self.net, self.objective, self.threads)
            logs.update({f"val_{name}": value for name, value in held_out.items()})
        self.net.begin_epochs(self.net.epochs_done + 1)
        self.progress.epoch_end(epoch, logs, self.history.weighted)
        try:
            self.callbacks.call("on_epoch_end", epoch, logs)
        finally:  # callbacks may add to the logs, or be interrupted
            self.history.on_epoch_end(epoch, logs)

    def _surely_brief(self) -> bool:
        """Whether the first epoch, too, is worth no look of its own."""
        if self.resume or not self._unwatched or not isinstance(self.data, ArrayEpochs):
            return False
        work = len(self.data.rows) * self.net.plan.vector_size
        return work < BRIEF_WORK and not self.data.looks

    @cached_property
    def _unwatched(self) -> bool:
        """Whether only the history hears of an epoch, and the plan itself measures all that it records."""
        counted = self.objective.counted
        return (
            isinstance(self.data, ArrayEpochs)
            and not self.objective.in_python
            and list(self.objective.metrics) == ([] if counted is None else [counted])
            and self.held_out is None
            and not self.callbacks
            and self.progress.silent
        )

    def _several_epochs(self, first: int) -> int:
        """Epochs from `first` on in one call, until it is time for a look at signals; how many."""
        assert isinstance(self.data, ArrayEpochs)
        passes, rows = self.data.passes, self.data.rows
        assert passes.run is not None
        passes.begin(min(self.epochs - first, -(-BATCHES_AHEAD // passes.batches)))
        try:
            passes.several()
        except FloatingPointError as error:
            check_rescaled(self.net, rows.X)
            raise diverged(first + passes.run.epoch, error) from None
        finally:  # whatever ends the call, these epochs are done
            sums = passes.run.sums[: passes.run.epoch]
            self.net.begin_epochs(self.net.epochs_done + len(sums))
            if passes.run.batch:
                so_far = sums_of(passes.run.sums[passes.run.epoch])
                self.data.mark(Done(passes.run.batch, so_far), self.net.plan.batches)
            logs = {"loss": (sums[:, 0] / len(rows)).tolist()}
            terms = zip(self.objective.loss.apart(), sums[:, 3:].T, strict=True)
            logs |= {name: (column / len(rows)).tolist() for name, column in terms}
            if self.objective.counted is not None:
                total = rows.total_weight
                logs[self.objective.counted] = [ratio(correct, total) for correct in sums[:, 1].tolist()]
            self.history.extend(first, logs)
        return len(sums)

    def _trained(self, epoch: int) -> dict[str, float]:
        """One pass over the rows; the loss and the metrics."""

        def before(batch: int) -> None:
            self.callbacks.call("on_train_batch_begin", batch, {})

        def after(done: int, logs: dict[str, float]) -> bool:
            self.progress.batches_done(epoch, done)
            if self._by_batch:
                self.callbacks.call("on_train_batch_end", done - 1, logs)
            if looks:
                self.callbacks.call("_look", epoch, done)
            return not (self._by_batch and self._stops())

        looks = self.callbacks.look()
        heard = self._by_batch or looks or not self.progress.silent
        watch = Watch(before if self._by_batch else None, after if heard else None, self.callbacks.until_look)
        return self.data.one(epoch, watch)

    def _stops(self) -> bool:
        """Whether a callback of any process has ended training."""
        if self.team.size > 1:
            self.net.stop_training = any(self.team.gather("stop_training", self.net.stop_training))
        return self.net.stop_training

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
    validation_data: Any,
    callbacks: Iterable[Callback] | None,
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    shuffle: bool,
    verbose: bool | int | str,
    threads: int | None,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    resume: bool,
    initial_epoch: int,
    comm: Any,
    shards: int | None,
) -> History:
    team = team_of(comm)
    with team.together():
        net.check_trained()
        share = validation.real(validation_split, "validation_split", minimum=0.0, below=1.0)
        if share > 0 and validation_data is not None:
            came = f"validation_split is {share} and validation_data came too"
            raise ValueError(f"{came}, expected one of them")
        epochs = validation.integer(epochs, "epochs", 1)
        initial = validation.integer(initial_epoch, "initial_epoch", 0, epochs)
        if validation.boolean(resume, "resume") and initial:
            raise ValueError(f"initial_epoch is {initial} and resume is True, expected one of them")
        verbose, checked = _check_verbose(verbose), Hooks(callbacks, writes=team.rank == 0)
        given = Given(
            X=X,
            y=y,
            sample_weight=sample_weight,
            class_weight=class_weight,
            epochs=epochs,
            initial_epoch=initial,
            resume=resume,
            batch_size=None if batch_size is None else validation.integer(batch_size, "batch_size", 1),
            shuffle=validation.boolean(shuffle, "shuffle"),
            steps=as_steps(steps_per_epoch, "steps_per_epoch"),
            share=share,
            held_out=validation_data,
            held_out_steps=as_steps(validation_steps, "validation_steps"),
            threads=validation.as_threads(threads),
            unwatched=not checked,
            team=team,
            shards=as_shards(comm, shards),
        )
        with net.changing(nested=False):
            call = _begun(net, given, checked, verbose if team.rank == 0 else 0)
            try:
                call.all_epochs()
            finally:
                call.progress.close()
    return call.history


def _recipe_of(given: Given, callbacks: Hooks) -> dict[str, Any]:
    """Arguments of fit that are the same in each process, by name."""
    return {
        "epochs": given.epochs,
        "initial_epoch": given.initial_epoch,
        "batch_size": given.batch_size,
        "shards": given.shards,
        "shuffle": given.shuffle,
        "resume": given.resume,
        "class_weight": given.class_weight,
        "the list of callbacks": [type(callback).__name__ for callback in callbacks.callbacks],
    }


def _begun(net: Model, given: Given, callbacks: Hooks, verbose: bool | int | str) -> _Fit:
    """The call, once all that it was given is checked; the network knows its classes and rescaling."""
    _check_left(net, given.epochs, None if given.resume else given.initial_epoch)
    if given.shards is not None:
        agree_on_recipe(given.team, net, **_recipe_of(given, callbacks))
    first = net.epochs_done if given.resume else given.initial_epoch
    ready = prepared(net, given, given.epochs - first)
    if given.resume:
        _check_resumed(net, ready.data)
    call = _Fit(
        net=net,
        objective=ready.objective,
        data=ready.data,
        held_out=ready.held_out,
        epochs=given.epochs,
        first=first,
        resume=given.resume,
        threads=given.threads,
        callbacks=callbacks,
        progress=Progress(verbose, given.epochs, ready.data.steps, first),
        history=History(),
        team=given.team,
    )
    net.classes = net.classes if ready.classes is None else ready.classes
    net.rescale_output(ready.rescaling)
    return call
