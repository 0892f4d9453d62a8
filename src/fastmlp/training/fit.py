"""What `Network.fit`, `evaluate` and `train_on_batch` do: arguments, epochs, validation, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _kernels, validation
from .._kernels import Run
from ..layers.lowering import input_vectors
from ..metrics import name_of, value_of
from ..model import Array, Model, Objective
from .callbacks import Callback, History, Hooks
from .progress import Progress
from .scoring import Rows, from_predictions, python_loss, refuse_weights, score

__all__ = ["History", "evaluate", "fit", "python_loss", "train_on_batch"]

Sums = Sequence[float]  # of the rows' losses and of correct rows, so far in the epoch

SLICE = 0.05  # seconds of training between two looks at signals and progress
BRIEF = 0.005  # seconds of an epoch that is worth no look of its own
BATCHES_AHEAD = 4096  # whose learning rates are made at a time
FAR = 1 << 20  # bytes of an X that the first epoch itself looks through: memory is slow


# ---- arguments ----


def prepare(
    net: Model,
    objective: Objective,
    X: Any,
    y: Any,
    sample_weight: Any,
    prefix: str = "",
    look_later: bool = False,
) -> Rows:
    """Arguments as arrays for the plan; errors name them with the prefix; `look_later` as in as_inputs."""
    inputs = validation.as_inputs(
        X, net.plan.n_in, net.plan.dtype, argument=prefix + "X", look_later=look_later
    )
    rows = len(inputs)
    n_out, dtype = net.plan.n_out, net.plan.dtype
    targets = objective.loss.as_targets(y, n_out, dtype, rows, argument=prefix + "y")
    weights = validation.as_sample_weight(
        sample_weight, rows, net.plan.dtype, argument=prefix + "sample_weight"
    )
    if objective.in_python:
        refuse_weights(weights)
    return Rows(inputs, targets, weights)


def _with_class_weight(
    net: Model, objective: Objective, rows: Rows, class_weight: Mapping[int, float] | None
) -> Rows:
    """Class weights multiplied into the rows' own."""
    if class_weight is None:
        return rows
    if not isinstance(class_weight, Mapping):
        kind = type(class_weight).__name__
        raise TypeError(f"class_weight is a {kind}, expected a mapping of class indices to numbers")
    if objective.in_python:
        refuse_weights(class_weight)
    factors = np.ones(max(net.plan.n_out, 2))
    for index, factor in class_weight.items():
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        if not whole or not 0 <= index < len(factors):
            raise ValueError(f"class_weight has the class {index!r}, expected 0 to {len(factors) - 1}")
        factors[index] = validation.real(factor, f"class_weight of class {index}", minimum=0.0)
    weights = factors[objective.loss.classes_of(rows.y)]
    if rows.weights is not None:
        weights *= rows.weights
    argument = "sample_weight times class_weight"
    checked = validation.as_sample_weight(weights, len(rows), net.plan.dtype, argument=argument)
    return Rows(rows.X, rows.y, checked)


def _split(rows: Rows, share: float) -> tuple[Rows, Rows | None]:
    """The rows, and the last part of them that is held out."""
    if share == 0:
        return rows, None
    kept = int(len(rows) * (1 - share) + 1e-9)  # 10 * (1 - 0.9) is a little less than 1
    if not 0 < kept < len(rows):
        raise ValueError(
            f"validation_split is {share} of {len(rows)} rows, expected rows on both sides of the split"
        )
    return rows.part(slice(None, kept)), rows.part(slice(kept, None))


def _held_out(net: Model, objective: Objective, data: tuple[Any, ...]) -> Rows:
    expected = "expected (X, y) or (X, y, sample_weight)"
    if not isinstance(data, (tuple, list)):
        raise TypeError(f"validation_data is a {type(data).__name__}, {expected}")
    if len(data) not in (2, 3):
        raise ValueError(f"validation_data has {len(data)} elements, {expected}")
    return prepare(net, objective, data[0], data[1], data[2] if len(data) == 3 else None, "validation_data ")


def _check_verbose(verbose: object) -> bool | int | str:
    if verbose == "auto" or (isinstance(verbose, (bool, int)) and 0 <= verbose <= 2):
        return verbose
    raise ValueError(f"verbose is {verbose!r}, expected 'auto', 0, 1 or 2")


# ---- one epoch ----


class _Passes:
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
        self.rates = np.empty(0)
        self._shuffled: Array | None = None
        self.run = None
        if not objective.in_python:
            self.run = Run(
                net.plan, rows.X, rows.y, rows.weights, batch_size=batch_size, seed=net.seed, shuffle=shuffle,
                loss=objective.named, threads=threads,
            )  # fmt: skip

    def one(
        self,
        report: Callable[[int, dict[str, float]], None] | None = None,
        before: Callable[[int], None] | None = None,
    ) -> Sums:
        """Sums of the rows' losses and of correct rows in one pass; `report` hears after every slice.

        With `before`, which is called ahead of each batch, a slice is one batch.
        """
        assert self.net.optimizer is not None
        self.rates = self.net.optimizer.learning_rates(self.net.plan.step, self.batches)
        self._shuffled = None
        if self.run is not None:
            self.run.begin(self.rates[None], epoch=self.net.epochs_done)
        sums: Sums = (0.0, 0.0)
        done = 0
        while done < self.batches:
            first, old = done, sums
            if before is not None:
                before(first)
            single = before is not None
            done, sums = self._python_batch(first, sums) if self.run is None else self._slice(single)
            if report is not None:
                report(done, self._logs(first, done, old, sums))
        return sums

    def several(self, epochs: int) -> None:
        """As many of the next epochs as end within a slice of time: the first rows of the run's sums."""
        assert self.net.optimizer is not None and self.run is not None
        rates = self.net.optimizer.learning_rates(self.net.plan.step, epochs * self.batches)
        self.run.begin(rates.reshape(epochs, self.batches), epoch=self.net.epochs_done)
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
        rows = min(done * self.batch_size, len(self.rows)) - first * self.batch_size
        logs = {"loss": (new[0] - old[0]) / rows}
        if self.objective.counts_accuracy:
            logs["accuracy"] = (new[1] - old[1]) / rows
        return logs

    def _python_batch(self, first: int, sums: Sums) -> tuple[int, Sums]:
        """One batch with a loss in Python: predictions out, their gradient in."""
        batch = self._gathered(first)
        predictions = self.net.plan.train_forward(batch.X, seed=self.net.seed)
        value, gradient = python_loss(self.objective.loss, batch.y, predictions, batch.weights)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise FloatingPointError(f"the loss of batch {first} is not finite")
        self.net.plan.train_backward(gradient, self.rates[first])
        return first + 1, (sums[0] + value * len(batch), 0.0)

    def _gathered(self, batch: int) -> Rows:
        """The rows of a batch, in the order that the plan would take them in."""
        chosen = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        if not self.shuffle:
            return self.rows.part(chosen)
        if self._shuffled is None:
            self._shuffled = _kernels.shuffled(self.net.seed, self.net.epochs_done, len(self.rows))
        return self.rows.part(self._shuffled[chosen])


# ---- fit ----


def _diverged(epoch: int, error: FloatingPointError) -> FloatingPointError:
    """An error of the plan, with the epoch that it comes from."""
    return FloatingPointError(
        f"training diverged in epoch {epoch + 1}: {error}; the weights are the last finite ones, "
        "and a lower learning rate or clipping may help"
    )


def _check_rescaled(net: Model, X: Any) -> None:
    """ValueError where it is the rescaling of the input, and not the steps, that left the finite numbers."""
    shift, divisor = input_vectors(net.plan.n_in, net.layers, net.dtype)
    if shift is None and divisor is None:
        return
    with np.errstate(over="ignore"):
        lows, highs = (np.asarray(f(X, axis=0), net.dtype) for f in (np.min, np.max))
        rescaled = [
            (ends - (0 if shift is None else shift.astype(net.dtype)))
            / (1 if divisor is None else divisor.astype(net.dtype))
            for ends in (lows, highs)
        ]
    wrong = np.flatnonzero(~np.isfinite(rescaled).all(axis=0))
    if len(wrong):
        column = int(wrong[0])
        raise ValueError(
            f"X has numbers in column {column} that Rescaling or Standardize takes beyond {net.dtype}"
        )


def _can_look_later(net: Model, objective: Objective, X: Any) -> bool:
    """Whether the first epoch may look through X: ready, and more to read than there is to undo."""
    state = 3 * net.num_parameters * net.plan.dtype.itemsize  # and the optimizer's, at most
    if not (not objective.in_python and isinstance(X, np.ndarray) and X.nbytes >= max(FAR, 4 * state)):
        return False
    return bool(X.dtype == net.plan.dtype and X.flags.c_contiguous and X.flags.aligned)


@contextmanager
def _looking(passes: _Passes) -> Iterator[None]:
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
        raise
    finally:
        run.check_rows = False


@dataclass(frozen=True)
class _Run:
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
            failed = False
        finally:
            self.callbacks.end(logs, failed=failed)

    def _params(self) -> dict[str, Any]:
        running = ["loss", "accuracy"] if self.objective.counts_accuracy else ["loss"]
        names = ["loss", *(name_of(metric) for metric in self.objective.metrics)]
        if self.held_out is not None:
            names += [f"val_{name}" for name in names]
        params = {
            "epochs": self.epochs,
            "steps": -(-len(self.rows) // self.batch_size),
            "batch_size": self.batch_size,
            "metrics": names,
            "running": running,
        }
        self.history.params = params
        return params

    def _one_epoch(self, epoch: int) -> dict[str, float]:
        self.callbacks.call("on_epoch_begin", epoch, {})
        self.progress.epoch_begin(epoch)
        try:
            logs = self._trained(epoch)
        except FloatingPointError as error:
            _check_rescaled(self.net, self.rows.X)
            raise _diverged(epoch, error) from None
        if self.held_out is not None:
            held_out = score(self.net, self.objective, self.held_out, self.threads)
            logs.update({f"val_{name}": value for name, value in held_out.items()})
        self.progress.epoch_end(epoch, logs)
        try:
            self.callbacks.call("on_epoch_end", epoch, logs)
        finally:  # callbacks may add to the logs, or be interrupted
            self.history.on_epoch_end(epoch, logs)
        return logs

    @cached_property
    def _unwatched(self) -> bool:
        """Whether only the history hears of an epoch, and the plan itself measures all that it records."""
        metrics = ["accuracy"] if self.objective.counts_accuracy else []
        return (
            not self.objective.in_python
            and list(self.objective.metrics) == metrics
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
            sums = passes.run.sums[: passes.run.epoch] / len(self.rows)
            self.net.epochs_done += len(sums)
            names = ["loss", *map(name_of, self.objective.metrics)]
            self.history.extend(first, {name: sums[:, i].tolist() for i, name in enumerate(names)})
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
        with _looking(self._passes) if self.look_later and epoch == 0 else nullcontext():
            total, correct = self._passes.one(report if heard else None, before if self._by_batch else None)
        self.net.epochs_done += 1
        return {
            "loss": total / len(self.rows),
            **from_predictions(self.net, self.objective, self.rows, correct, self.threads),
        }

    @cached_property
    def _passes(self) -> _Passes:
        return _Passes(self.net, self.objective, self.rows, self.batch_size, self.shuffle, self.threads)

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
    class_weight: Mapping[int, float] | None,
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
        objective = net.objective_for(y)
        alone = share == 0 and validation_data is None and not checked  # nobody else sees the rows
        look_later = alone and _can_look_later(net, objective, X)
        prepared = prepare(net, objective, X, y, sample_weight, look_later=look_later)
        rows, held_out = _split(prepared, share)
        rows = _with_class_weight(net, objective, rows, class_weight)
        if validation_data is not None:
            held_out = _held_out(net, objective, validation_data)
        if held_out is not None and held_out.weights is not None and not held_out.weights.any():
            rest = "expected one above 0: the loss is 0 there whatever the network is"
            raise ValueError(f"sample_weight is 0 in all {len(held_out)} held-out rows, {rest}")
        size = len(rows) if size is None else min(size, len(rows))
        run = _Run(
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
        try:
            run.all_epochs()
        finally:
            run.progress.close()
    return run.history


# ---- evaluate, and one step ----


def evaluate(
    net: Model, X: Any, y: Any, sample_weight: Any = None, *, threads: int | None = None
) -> dict[str, float]:
    threads = validation.as_threads(threads)
    objective = net.objective_for(y)
    return score(net, objective, prepare(net, objective, X, y, sample_weight), threads)


def train_on_batch(net: Model, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
    with net.changing():
        objective = net.objective_for(y)
        rows = prepare(net, objective, X, y, sample_weight)
        counted = ["accuracy"] if objective.counts_accuracy else []
        others = [metric for metric in objective.metrics if metric not in counted]
        predictions = net.plan.predict(rows.X) if others else None
        try:
            total, correct = _Passes(net, objective, rows, len(rows), False, None).one()
        except FloatingPointError:
            raise FloatingPointError(
                "the loss of the batch is not finite; the step was not made, the weights are as before"
            ) from None
    logs = {"loss": total / len(rows)}
    for metric in objective.metrics:
        if predictions is None or metric in counted:
            logs["accuracy"] = correct / len(rows)
        else:
            logs[name_of(metric)] = value_of(metric, rows.y, predictions)
    return logs
