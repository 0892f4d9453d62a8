"""What `Network.fit`, `evaluate` and `train_on_batch` do: arguments, epochs, validation, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, validation
from .callbacks import Callback, History, Hooks
from .metrics import (
    Rows,
    check_metrics,
    counts_accuracy,
    from_predictions,
    name_of,
    python_loss,
    refuse_weights,
    score,
    value_of,
)
from .progress import Progress

if TYPE_CHECKING:
    from .network import Network

__all__ = ["History", "check_metrics", "evaluate", "fit", "python_loss", "train_on_batch"]

Array = np.ndarray[Any, Any]
Sums = Sequence[float]  # of the rows' losses and of correct rows, so far in the epoch

SLICE = 0.05  # seconds of training between two looks at signals and progress
BRIEF = 0.005  # seconds of an epoch that is worth no look of its own
BATCHES_AHEAD = 4096  # whose learning rates are made at a time
FAR = 1 << 20  # bytes of an X that the first epoch itself looks through: memory is slow


# ---- arguments ----


def prepare(
    net: Network,
    loss: object,
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
    targets = validation.as_targets(y, loss, net.plan.n_out, net.plan.dtype, rows, argument=prefix + "y")
    weights = validation.as_sample_weight(
        sample_weight, rows, net.plan.dtype, argument=prefix + "sample_weight"
    )
    if not isinstance(loss, str):
        refuse_weights(weights)
    return Rows(inputs, targets, weights)


def _labels(rows: Rows, loss: object) -> Array:
    """Each row's class, for `class_weight`."""
    if loss == "sparse_categorical_crossentropy":
        return rows.y
    if loss == "categorical_crossentropy":
        return np.asarray(rows.y.argmax(axis=1))
    if loss == "binary_crossentropy" and rows.y.shape[1] == 1:
        return np.asarray(rows.y[:, 0] > 0.5).astype(np.int64)
    outputs = rows.y.shape[1]
    raise ValueError(
        f"class_weight came with the loss {loss!r} of {outputs} outputs, expected one class a row"
    )


def _with_class_weight(
    rows: Rows, loss: object, class_weight: Mapping[int, float] | None, n_out: int, dtype: np.dtype[Any]
) -> Rows:
    """Class weights multiplied into the rows' own."""
    if class_weight is None:
        return rows
    if not isinstance(class_weight, Mapping):
        kind = type(class_weight).__name__
        raise TypeError(f"class_weight is a {kind}, expected a mapping of class indices to numbers")
    if not isinstance(loss, str):
        refuse_weights(class_weight)
    factors = np.ones(max(n_out, 2))
    for index, factor in class_weight.items():
        whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        if not whole or not 0 <= index < len(factors):
            raise ValueError(f"class_weight has the class {index!r}, expected 0 to {len(factors) - 1}")
        factors[index] = validation.real(factor, f"class_weight of class {index}", minimum=0.0)
    weights = factors[_labels(rows, loss)]
    if rows.weights is not None:
        weights *= rows.weights
    argument = "sample_weight times class_weight"
    return Rows(rows.X, rows.y, validation.as_sample_weight(weights, len(rows), dtype, argument=argument))


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


def _held_out(net: Network, loss: object, data: tuple[Any, ...]) -> Rows:
    expected = "expected (X, y) or (X, y, sample_weight)"
    if not isinstance(data, (tuple, list)):
        raise TypeError(f"validation_data is a {type(data).__name__}, {expected}")
    if len(data) not in (2, 3):
        raise ValueError(f"validation_data has {len(data)} elements, {expected}")
    return prepare(net, loss, data[0], data[1], data[2] if len(data) == 3 else None, "validation_data ")


def _check_verbose(verbose: object) -> bool | int | str:
    if verbose == "auto" or (isinstance(verbose, (bool, int)) and 0 <= verbose <= 2):
        return verbose
    raise ValueError(f"verbose is {verbose!r}, expected 'auto', 0, 1 or 2")


# ---- one epoch ----


class _Passes:
    """Passes over the rows, an epoch each."""

    def __init__(
        self, net: Network, loss: Any, rows: Rows, batch_size: int, shuffle: bool, threads: int | None
    ) -> None:
        self.net, self.loss, self.rows = net, loss, rows
        self.batch_size, self.shuffle, self.threads = batch_size, shuffle, threads
        self.check_rows = False
        self.batches = -(-len(rows) // batch_size)
        self.rates = np.empty(0)
        self._shuffled: Array | None = None

    def run(
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
        if not isinstance(self.loss, str):
            step = self._python_batch
        else:
            step = self._slice if before is None else self._batch
        sums: Sums = (0.0, 0.0)
        done = 0
        while done < self.batches:
            first, old = done, sums
            if before is not None:
                before(first)
            done, *sums = step(first, sums)
            if report is not None:
                report(done, self._logs(first, done, old, sums))
        return sums

    def run_several(self, sums: Array) -> None:
        """The same for as many epochs as have a row in `sums` and fit in a slice of time; other rows stay."""
        net = self.net
        assert net.optimizer is not None
        rates = net.optimizer.learning_rates(net.plan.step, len(sums) * self.batches)
        net.plan.train_epochs(
            self.rows.X,
            self.rows.y,
            self.rows.weights,
            batch_size=self.batch_size,
            seed=net.seed,
            epoch=net._epochs_done,
            shuffle=self.shuffle,
            learning_rates=rates.reshape(len(sums), self.batches),
            seconds=SLICE,
            threads=self.threads,
            out=sums,
        )

    def _logs(self, first: int, done: int, old: Sums, new: Sums) -> dict[str, float]:
        """What batches `first` to `done` gave."""
        rows = min(done * self.batch_size, len(self.rows)) - first * self.batch_size
        logs = {"loss": (new[0] - old[0]) / rows}
        if counts_accuracy(self.net, self.loss):
            logs["accuracy"] = (new[1] - old[1]) / rows
        return logs

    def _slice(self, first: int, sums: Sums) -> tuple[int, float, float]:
        """As many batches as fit in a slice of time."""
        return self._train(self.rows, self.batch_size, self.shuffle, first, self.rates, sums)

    def _batch(self, first: int, sums: Sums) -> tuple[int, float, float]:
        """One batch: gathered here, it is the plan's whole epoch."""
        batch = self._gathered(first)
        try:
            _, *new = self._train(batch, len(batch), False, 0, self.rates[first : first + 1], sums)
        except FloatingPointError:
            raise FloatingPointError(f"the loss of batch {first} is not finite") from None
        return first + 1, new[0], new[1]

    def _train(
        self, rows: Rows, batch_size: int, shuffle: bool, first: int, rates: Array, sums: Sums
    ) -> tuple[int, float, float]:
        return self.net.plan.train(
            rows.X,
            rows.y,
            rows.weights,
            batch_size=batch_size,
            seed=self.net.seed,
            epoch=self.net._epochs_done,
            shuffle=shuffle,
            first=first,
            learning_rates=rates,
            seconds=SLICE,
            threads=self.threads,
            sums=(sums[0], sums[1]),
            check_rows=self.check_rows,
        )

    def _python_batch(self, first: int, sums: Sums) -> tuple[int, float, float]:
        """One batch with a loss in Python: predictions out, their gradient in."""
        batch = self._gathered(first)
        predictions = self.net.plan.train_forward(batch.X, seed=self.net.seed)
        value, gradient = python_loss(self.loss, batch.y, predictions, batch.weights)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise FloatingPointError(f"the loss of batch {first} is not finite")
        self.net.plan.train_backward(gradient, self.rates[first])
        return first + 1, sums[0] + value * len(batch), 0.0

    def _gathered(self, batch: int) -> Rows:
        """The rows of a batch, in the order that the plan would take them in."""
        chosen = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        if not self.shuffle:
            return self.rows.part(chosen)
        if self._shuffled is None:
            self._shuffled = _kernels.shuffled(self.net.seed, self.net._epochs_done, len(self.rows))
        return self.rows.part(self._shuffled[chosen])


# ---- fit ----


@contextmanager
def _divergence(epoch: int) -> Iterator[None]:
    """Errors of the plan, with the epoch that they come from."""
    try:
        yield
    except FloatingPointError as error:
        raise FloatingPointError(
            f"training diverged in epoch {epoch + 1}: {error}; the weights are finite ones from before, "
            "and a lower learning rate or clipping may help"
        ) from None


def _can_look_later(net: Network, loss: Any, X: Any) -> bool:
    """Whether the first epoch may look through X: ready, and more to read than there is to undo."""
    state = 3 * net.num_parameters * net.plan.dtype.itemsize  # and the optimizer's, at most
    if not (isinstance(loss, str) and isinstance(X, np.ndarray) and X.nbytes >= max(FAR, 4 * state)):
        return False
    return bool(X.dtype == net.plan.dtype and X.flags.c_contiguous and X.flags.aligned)


@contextmanager
def _looking(passes: _Passes) -> Iterator[None]:
    """A pass that looks whether X is finite; where it is not, nothing has changed but for the error."""
    plan = passes.net.plan
    weights, state = plan.get_weights(), plan.get_state()
    passes.check_rows = True
    try:
        yield
    except _kernels.NotFiniteInput:
        plan.set_weights(weights)
        plan.set_state(state)
        validation.check_finite(passes.rows.X, "X")
        raise
    finally:
        passes.check_rows = False


@dataclass(frozen=True)
class _Run:
    """One call of fit, its arguments checked."""

    net: Network
    loss: Any
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
        running = ["loss", "accuracy"] if counts_accuracy(self.net, self.loss) else ["loss"]
        names = ["loss", *(name_of(metric) for metric in self.net.metrics)]
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
        if self.callbacks:  # one may have evaluated with targets of another form
            self.net._resolve_loss(self.rows.y)
        with _divergence(epoch):
            logs = self._trained(epoch)
        if self.held_out is not None:
            held_out = score(self.net, self.loss, self.held_out, self.threads)
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
        metrics = ["accuracy"] if counts_accuracy(self.net, self.loss) else []
        return (
            isinstance(self.loss, str)
            and list(self.net.metrics) == metrics
            and self.held_out is None
            and not self.callbacks
            and self.progress.silent
        )

    def _several_epochs(self, first: int) -> int:
        """Epochs from `first` on in one call, until it is time for a look at signals; how many."""
        most = min(self.epochs - first, -(-BATCHES_AHEAD // self._passes.batches))
        sums = np.full((most, 2), np.nan)
        try:
            with _divergence(first):
                self._passes.run_several(sums)
        finally:  # Ctrl-C is heard after the call, which has done its epochs: those with a finite loss
            sums = sums[np.isfinite(sums[:, 0])] / len(self.rows)
            self.net._epochs_done += len(sums)
            names = ["loss", *map(name_of, self.net.metrics)]
            self.history.extend(first, {name: sums[:, i].tolist() for i, name in enumerate(names)})
        return len(sums)

    def _trained(self, epoch: int) -> dict[str, float]:
        """One pass over the rows; the loss and the metrics."""

        def before(batch: int) -> None:
            self.callbacks.call("on_train_batch_begin", batch, {})
            self.net._resolve_loss(self.rows.y)

        def report(done: int, logs: dict[str, float]) -> None:
            self.progress.batches_done(epoch, done)
            if self._by_batch:
                self.callbacks.call("on_train_batch_end", done - 1, logs)

        heard = self._by_batch or not self.progress.silent
        with _looking(self._passes) if self.look_later and epoch == 0 else nullcontext():
            total, correct = self._passes.run(report if heard else None, before if self._by_batch else None)
        self.net._epochs_done += 1
        return {
            "loss": total / len(self.rows),
            **from_predictions(self.net, self.loss, self.rows, correct, self.threads),
        }

    @cached_property
    def _passes(self) -> _Passes:
        return _Passes(self.net, self.loss, self.rows, self.batch_size, self.shuffle, self.threads)

    @cached_property
    def _by_batch(self) -> bool:
        """Whether a callback hears of batches."""
        return self.callbacks.hear_batches()


def fit(
    net: Network,
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
    with net._busy():
        loss = net._resolve_loss(y)
        alone = share == 0 and validation_data is None and not checked  # nobody else sees the rows
        look_later = alone and _can_look_later(net, loss, X)
        rows, held_out = _split(prepare(net, loss, X, y, sample_weight, look_later=look_later), share)
        rows = _with_class_weight(rows, loss, class_weight, net.plan.n_out, net.plan.dtype)
        if validation_data is not None:
            held_out = _held_out(net, loss, validation_data)
        if held_out is not None and held_out.weights is not None and not held_out.weights.any():
            rest = "expected one above 0: the loss is 0 there whatever the network is"
            raise ValueError(f"sample_weight is 0 in all {len(held_out)} held-out rows, {rest}")
        size = len(rows) if size is None else min(size, len(rows))
        run = _Run(
            net=net,
            loss=loss,
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
    net: Network, X: Any, y: Any, sample_weight: Any = None, *, threads: int | None = None
) -> dict[str, float]:
    threads = validation.as_threads(threads)
    loss = net._resolve_loss(y)
    return score(net, loss, prepare(net, loss, X, y, sample_weight), threads)


def train_on_batch(net: Network, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
    with net._busy(inside=True):
        loss = net._resolve_loss(y)
        rows = prepare(net, loss, X, y, sample_weight)
        counted = ["accuracy"] if counts_accuracy(net, loss) else []
        others = [metric for metric in net.metrics if metric not in counted]
        predictions = net.plan.predict(rows.X) if others else None
        try:
            total, correct = _Passes(net, loss, rows, len(rows), False, None).run()
        except FloatingPointError:
            raise FloatingPointError(
                "the loss of the batch is not finite; the step was not made, the weights are as before"
            ) from None
    logs = {"loss": total / len(rows)}
    for metric in net.metrics:
        if predictions is None or metric in counted:
            logs["accuracy"] = correct / len(rows)
        else:
            logs[name_of(metric)] = value_of(metric, rows.y, predictions)
    return logs
