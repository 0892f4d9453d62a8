"""What `Network.fit`, `evaluate` and `train_on_batch` do: arguments, epochs, validation, callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _kernels, registry, validation
from .callbacks import Callback, History
from .metrics import check_metrics, name_of, value_of
from .progress import Progress

if TYPE_CHECKING:
    from .network import Network

__all__ = ["History", "check_metrics", "evaluate", "fit", "python_loss", "train_on_batch"]

Array = np.ndarray[Any, Any]
PythonLoss = Callable[[Array, Array], tuple[float, Array]]

SLICE = 0.05  # seconds of training between two looks at signals and progress


@dataclass(frozen=True)
class Rows:
    """Rows ready for the plan."""

    X: Array
    y: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.X)

    def part(self, rows: slice | Array) -> Rows:
        return Rows(self.X[rows], self.y[rows], None if self.weights is None else self.weights[rows])


def prepare(net: Network, loss: object, X: Any, y: Any, sample_weight: Any, prefix: str = "") -> Rows:
    """Arguments as arrays for the plan; errors name them with the prefix."""
    inputs = validation.as_inputs(X, net.plan.n_in, net.plan.dtype, argument=prefix + "X")
    rows = len(inputs)
    targets = validation.as_targets(y, loss, net.plan.n_out, net.plan.dtype, rows, argument=prefix + "y")
    weights = validation.as_sample_weight(
        sample_weight, rows, net.plan.dtype, argument=prefix + "sample_weight"
    )
    return Rows(inputs, targets, weights)


def _class_factors(rows: Rows, class_weight: Mapping[int, float] | None, n_out: int) -> Rows:
    """Class weights multiplied into the rows' own."""
    if class_weight is None:
        return rows
    if not isinstance(class_weight, Mapping):
        kind = type(class_weight).__name__
        raise TypeError(f"class_weight is a {kind}, expected a mapping of class indices to numbers")
    classes = max(n_out, 2)
    factors = np.ones(classes, rows.X.dtype if rows.X.dtype.kind == "f" else np.float64)
    for index, factor in class_weight.items():
        if not isinstance(index, (int, np.integer)) or not 0 <= index < classes:
            raise ValueError(f"class_weight has the class {index!r}, expected 0 to {classes - 1}")
        factors[index] = validation.real(factor, f"class_weight of class {index}", minimum=0.0)
    if rows.y.ndim == 1:
        labels = rows.y
    elif rows.y.shape[1] == 1:
        labels = (rows.y[:, 0] > 0.5).astype(np.int64)
    else:
        labels = rows.y.argmax(axis=1)
    weights = factors[labels] if rows.weights is None else factors[labels] * rows.weights
    return Rows(rows.X, rows.y, weights)


def _split(rows: Rows, share: float) -> tuple[Rows, Rows | None]:
    """The rows, and the last part of them that is held out."""
    share = validation.real(share, "validation_split", minimum=0.0, below=1.0)
    if share == 0:
        return rows, None
    kept = int(len(rows) * (1 - share))
    if not 0 < kept < len(rows):
        raise ValueError(
            f"validation_split is {share} of {len(rows)} rows, expected rows on both sides of the split"
        )
    return rows.part(slice(None, kept)), rows.part(slice(kept, None))


def _held_out(net: Network, loss: object, data: tuple[Any, ...] | None) -> Rows | None:
    if data is None:
        return None
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("validation_data does not fit, expected (X, y) or (X, y, sample_weight)")
    return prepare(net, loss, data[0], data[1], data[2] if len(data) == 3 else None, "validation_data ")


def python_loss(loss: PythonLoss, y: Array, predictions: Array, weights: Array | None) -> tuple[float, Array]:
    """Value and gradient of a loss written in Python; errors name what it returned."""
    if weights is not None:
        raise ValueError("sample_weight came with a loss in Python, expected none: the function may weigh rows itself")
    result = loss(y, predictions)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"loss returned a {type(result).__name__}, expected (value, gradient)")
    value, gradient = float(result[0]), np.asarray(result[1])
    if gradient.shape != predictions.shape:
        raise ValueError(f"loss returned a gradient of shape {gradient.shape}, expected {predictions.shape}")
    return value, gradient.astype(predictions.dtype, copy=False)


def _counts_accuracy(net: Network, loss: object) -> bool:
    """Whether the plan counts correct rows itself."""
    return "accuracy" in net.metrics and loss in registry.CLASS_LOSSES


def _metrics(net: Network, loss: object, rows: Rows, correct: float | None, threads: int | None) -> dict[str, float]:
    """The metrics; `correct` rows as the plan counted them, the rest from one prediction of all rows."""
    logs: dict[str, float] = {}
    predictions: Array | None = None
    for metric in net.metrics:
        if metric == "accuracy" and correct is not None and _counts_accuracy(net, loss):
            logs["accuracy"] = correct / len(rows)
            continue
        if predictions is None:
            predictions = net.plan.predict(rows.X, None, threads)
        logs[name_of(metric)] = value_of(metric, rows.y, predictions)
    return logs


def _evaluate(net: Network, loss: Any, rows: Rows, threads: int | None) -> dict[str, float]:
    correct = None
    if isinstance(loss, str):
        total, correct = net.plan.evaluate(rows.X, rows.y, rows.weights, threads)
        value = total / len(rows)
    else:
        value, _ = python_loss(loss, rows.y, net.plan.predict(rows.X, None, threads), rows.weights)
    return {"loss": value, **_metrics(net, loss, rows, correct, threads)}


def evaluate(
    net: Network, X: Any, y: Any, sample_weight: Any = None, *, threads: int | None = None
) -> dict[str, float]:
    loss = net._resolve_loss(y)
    return _evaluate(net, loss, prepare(net, loss, X, y, sample_weight), validation.as_threads(threads))


def train_on_batch(net: Network, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
    loss = net._resolve_loss(y)
    rows = prepare(net, loss, X, y, sample_weight)
    with net._busy(inside=True):
        others = [metric for metric in net.metrics if metric != "accuracy" or not _counts_accuracy(net, loss)]
        predictions = net.plan.predict(rows.X) if others else None
        total, correct = _Epoch(net, loss, rows, len(rows), False, None).run(lambda done, logs: None)
    logs = {"loss": total / len(rows)}
    for metric in net.metrics:
        if predictions is None or metric not in others:
            logs["accuracy"] = correct / len(rows)
        else:
            logs[name_of(metric)] = value_of(metric, rows.y, predictions)
    return logs


class _Epoch:
    """One pass over the rows."""

    def __init__(
        self, net: Network, loss: Any, rows: Rows, batch_size: int, shuffle: bool, threads: int | None
    ) -> None:
        self.net, self.loss, self.rows = net, loss, rows
        self.batch_size, self.shuffle, self.threads = batch_size, shuffle, threads
        self.batches = -(-len(rows) // batch_size)
        assert net.optimizer is not None
        self.rates = net.optimizer.learning_rates(net.plan.step, self.batches)

    def run(self, report: Callable[[int, dict[str, float]], None], *, each: bool = False) -> tuple[float, float]:
        """Sums of the rows' losses and of correct rows; `report` hears after every slice, or `each` batch."""
        step = self._slice if isinstance(self.loss, str) else self._python_batch
        total = correct = 0.0
        done = 0
        while done < self.batches:
            first = done
            done, losses, right = step(first, 0.0 if each else SLICE)
            total, correct = total + losses, correct + right
            rows = min(done * self.batch_size, len(self.rows)) - first * self.batch_size
            logs = {"loss": losses / rows}
            if _counts_accuracy(self.net, self.loss):
                logs["accuracy"] = right / rows
            report(done, logs)
        return total, correct

    def _slice(self, first: int, seconds: float) -> tuple[int, float, float]:
        return self.net.plan.train(
            self.rows.X,
            self.rows.y,
            self.rows.weights,
            batch_size=self.batch_size,
            seed=self.net.seed,
            epoch=self.net._epochs_done,
            shuffle=self.shuffle,
            first=first,
            learning_rates=self.rates,
            seconds=seconds,
            threads=self.threads,
        )

    def _python_batch(self, first: int, seconds: float) -> tuple[int, float, float]:
        """One batch with a loss in Python: predictions out, their gradient in."""
        start, end = first * self.batch_size, min((first + 1) * self.batch_size, len(self.rows))
        batch = self.rows.part(self._order()[start:end] if self.shuffle else slice(start, end))
        predictions = self.net.plan.train_forward(batch.X, seed=self.net.seed)
        value, gradient = python_loss(self.loss, batch.y, predictions, batch.weights)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise FloatingPointError(f"the loss of batch {first} is not finite")
        self.net.plan.train_backward(gradient, self.rates[first])
        return first + 1, value * (end - start), 0.0

    def _order(self) -> Array:
        if not hasattr(self, "_shuffled"):
            self._shuffled = _kernels.shuffled(self.net.seed, self.net._epochs_done, len(self.rows))
        return self._shuffled


def _check_verbose(verbose: object) -> bool | int | str:
    if verbose == "auto" or (isinstance(verbose, (bool, int)) and 0 <= verbose <= 2):
        return verbose  # type: ignore[return-value]
    raise ValueError(f"verbose is {verbose!r}, expected 'auto', 0, 1 or 2")


def _check_callbacks(callbacks: Iterable[Callback] | None) -> list[Callback]:
    checked = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
    for callback in checked:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks holds a {type(callback).__name__}, expected objects of fastmlp.callbacks")
    return checked


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
    loss = net._resolve_loss(y)
    rows = _class_factors(prepare(net, loss, X, y, sample_weight), class_weight, net.plan.n_out)
    if rows.weights is not None:
        rows = Rows(rows.X, rows.y, np.ascontiguousarray(rows.weights, net.plan.dtype))
    rows, held_out = _split(rows, validation_split)
    if validation_data is not None:
        held_out = _held_out(net, loss, validation_data)
    epochs = validation.integer(epochs, "epochs", 1)
    size = len(rows) if batch_size is None else validation.integer(batch_size, "batch_size", 1)
    history = History()
    run = _Run(
        net=net,
        loss=loss,
        rows=rows,
        held_out=held_out,
        epochs=epochs,
        batch_size=min(size, len(rows)),
        shuffle=validation.boolean(shuffle, "shuffle"),
        threads=validation.as_threads(threads),
        callbacks=[history, *_check_callbacks(callbacks)],
        progress=Progress(_check_verbose(verbose), epochs, -(-len(rows) // size)),
    )
    with net._busy():
        try:
            run.all_epochs()
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            run.progress.close()
    return history


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
    callbacks: list[Callback]
    progress: Progress

    def all_epochs(self) -> None:
        self.net.stop_training = False
        params = {
            "epochs": self.epochs,
            "steps": -(-len(self.rows) // self.batch_size),
            "batch_size": self.batch_size,
        }
        for callback in self.callbacks:
            callback.network, callback.params = self.net, params
        self._call("on_train_begin")
        for epoch in range(self.epochs):
            self._call("on_epoch_begin", epoch)
            self.progress.epoch_begin(epoch)
            logs = self._one_epoch(epoch)
            self.progress.epoch_end(epoch, logs)
            self._call("on_epoch_end", epoch, logs)
            if self.net.stop_training:
                break
        self._call("on_train_end")

    def _one_epoch(self, epoch: int) -> dict[str, float]:
        batch_hooks = [c for c in self.callbacks if _overrides(c, "on_train_batch_end")]

        def report(done: int, logs: dict[str, float]) -> None:
            self.progress.batches_done(epoch, done)
            for callback in batch_hooks:
                callback.on_train_batch_end(done - 1, logs)

        pass_ = _Epoch(self.net, self.loss, self.rows, self.batch_size, self.shuffle, self.threads)
        try:
            total, correct = pass_.run(report, each=bool(batch_hooks))
        except FloatingPointError as error:
            raise FloatingPointError(
                f"training diverged in epoch {epoch + 1}: {error}; the weights are the last finite ones, and a "
                "lower learning rate or clipping may help"
            ) from None
        self.net._epochs_done += 1
        logs = {"loss": total / len(self.rows)}
        logs.update(_metrics(self.net, self.loss, self.rows, correct, self.threads))
        if self.held_out is not None:
            held_out = _evaluate(self.net, self.loss, self.held_out, self.threads)
            logs.update({f"val_{name}": value for name, value in held_out.items()})
        return logs

    def _call(self, hook: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)


def _overrides(callback: Callback, hook: str) -> bool:
    return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)
