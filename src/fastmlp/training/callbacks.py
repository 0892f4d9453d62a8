"""Callbacks of `Network.fit`, with Keras' hooks."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import listed, unknown
from ..files.format import SUFFIXES, save
from ..model import Model
from ..validation import boolean, integer, real

Logs = dict[str, float]


class Callback:
    """Hooks that `Network.fit` calls; override those you need.

    Epochs and batches count from 0.  `logs` holds the loss and the metrics: of the batch, or of the epoch and
    of the held-out rows, "val_loss" and so on.  Numbers that `on_epoch_end` adds are recorded in the history;
    later callbacks can watch them if `on_train_begin` adds their names to ``params["metrics"]``.

    A hook may read the network, evaluate it, save it and set its weights.

    Attributes
    ----------
    network : Network
        The network in training; ``self.network.stop_training = True`` ends it after the epoch.
    params : dict
        "epochs", "steps" (batches of an epoch), "batch_size", "metrics", the names in an epoch's logs, and
        "running", those of them that are means over the batches, each measured before its step.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import Callback
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print("epoch", epoch, sorted(logs))
    >>> net = Network([1, 1], seed=0)
    >>> net.compile()
    >>> _ = net.fit(np.ones((4, 1)), np.ones(4), callbacks=[Shout()])
    epoch 0 ['loss']
    """

    network: Model
    params: dict[str, Any]

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch, also if Ctrl-C or an error ended it; `logs` are the last whole epoch's.

        Every callback whose `on_train_begin` returned is called, so that files opened there can be closed
        here.  Errors raised here after an error of the fit become warnings.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before each epoch; a new learning rate may be set here, by replacing `network.optimizer`."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After each epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Before each step; overriding it makes every batch a call into Python."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After each step, with its loss and metrics; overriding it makes every batch a call into Python."""


class Hooks:
    """The callbacks of one fit, called in their order.

    Parameters
    ----------
    callbacks : Callback, iterable of Callback or None

    Raises
    ------
    TypeError
        If there is anything else among them.

    Examples
    --------
    >>> from fastmlp.callbacks import EarlyStopping
    >>> from fastmlp.training.callbacks import Hooks
    >>> Hooks([EarlyStopping()]).hear_batches()
    False
    """

    def __init__(self, callbacks: object) -> None:
        if callbacks is not None and not isinstance(callbacks, (Callback, Iterable)):
            raise TypeError(f"callbacks is a {type(callbacks).__name__}, expected a list of callbacks")
        self.callbacks = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                kind = type(callback).__name__
                raise TypeError(f"callbacks holds a {kind}, expected objects of fastmlp.callbacks")
        self._begun = 0

    def __bool__(self) -> bool:
        return bool(self.callbacks)

    def hear_batches(self) -> bool:
        """Whether one has its own version of a hook that is called for every batch."""
        return any(
            hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in ("on_train_batch_begin", "on_train_batch_end")
        )

    def begin(self, network: Model, params: dict[str, Any]) -> None:
        """`on_train_begin` of each, once all know the network and the parameters."""
        for callback in self.callbacks:
            callback.network, callback.params = network, params
        for callback in self.callbacks:
            callback.on_train_begin({})
            self._begun += 1

    def call(self, hook: str, *arguments: Any) -> None:
        """A hook of each."""
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)

    def end(self, logs: Logs, *, failed: bool) -> None:
        """`on_train_end` of each that has begun, whatever the others raise.

        Their first error is raised; with `failed`, where the fit's own is on its way, they are warned of.
        """
        errors: list[tuple[Callback, BaseException]] = []
        for callback in self.callbacks[: self._begun]:
            try:
                callback.on_train_end(logs)
            except BaseException as error:
                errors.append((callback, error))
        for callback, later in errors if failed else errors[1:]:
            warnings.warn(
                f"on_train_end of {type(callback).__name__} failed after another error: {later!r}",
                RuntimeWarning,
                stacklevel=2,
            )
        if errors and not failed:
            raise errors[0][1]


class LambdaCallback(Callback):
    """A callback from functions, named like the hooks.

    >>> from fastmlp.callbacks import LambdaCallback
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(self, **hooks: Callable[..., None]) -> None:
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in hooks.items():
            if name not in known:
                raise unknown("hook", name, known)
            if not callable(function):
                raise TypeError(f"{name} is a {type(function).__name__}, expected a function")
            setattr(self, name, function)


class History(Callback):
    """The record of a fit; `Network.fit` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        "loss" and each metric, and with held-out rows the same with "val_" before it; one number an epoch.
        Loss and accuracy of the training rows are means over the epoch, during which the weights move, with
        dropout on and without penalties; other metrics and all "val_" numbers are those of the epoch's end.
    epoch : list of int
        The epochs' numbers, from 0.
    params : dict
        As in `Callback`.
    interrupted : bool
        Whether Ctrl-C ended the fit.  The network then holds the weights of that moment, and the history the
        epochs that were finished.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([1, 1], seed=0)
    >>> net.compile("sgd")
    >>> history = net.fit([[1.0], [2.0]], [1.0, 2.0], epochs=3)
    >>> history.epoch, len(history.history["loss"])
    ([0, 1, 2], 3)
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params = {}
        self.interrupted = False

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Record the numbers of an epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def extend(self, first: int, logs: Mapping[str, Sequence[float]]) -> None:
        """Record the numbers of several epochs, from `first` on."""
        self.epoch.extend(range(first, first + len(logs["loss"])))
        for name, values in logs.items():
            self.history.setdefault(name, []).extend(values)

    def end_interrupted(self) -> None:
        """Keep what is complete, as Ctrl-C may have come between two lists."""
        self.interrupted = True
        finished = min([len(self.epoch), *map(len, self.history.values())])
        del self.epoch[finished:]
        for values in self.history.values():
            del values[finished:]

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, {listed(self.history)})"


def _rises(monitor: str, mode: str) -> bool:
    """Whether larger is better."""
    if mode not in ("auto", "min", "max"):
        raise unknown("mode", mode, ("auto", "min", "max"))
    if mode != "auto":
        return mode == "max"
    if "accuracy" in monitor:
        return True
    if monitor.endswith(("loss", "mae", "mse", "error")):
        return False
    raise ValueError(
        f"mode is 'auto' for the monitor {monitor!r}, expected 'min' or 'max' to say which is better"
    )


class _Monitor(Callback):
    """A callback that watches one number for improvement.

    The number belongs to the weights of the epoch's end, or, where it was measured before the epoch's one
    step, to those that the epoch began with.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor is {monitor!r}, expected a name such as 'val_loss'")
        self._sign = -1.0 if _rises(monitor, mode) else 1.0
        self.monitor = monitor
        self.min_delta = real(min_delta, "min_delta", minimum=0.0)
        self.best = np.inf * self._sign

    def _check_known(self) -> None:
        """ValueError, before anything is trained, if no epoch will have the number."""
        known = self.params["metrics"]
        if self.monitor not in known:
            held_out = self.monitor.startswith("val_") and not any(name.startswith("val_") for name in known)
            hint = "; validation_split or validation_data gives held-out rows" if held_out else ""
            raise ValueError(f"monitor is {self.monitor!r}, expected one of {listed(known)}{hint}")

    def _value(self, logs: Logs) -> float:
        if self.monitor not in logs:
            raise ValueError(f"monitor is {self.monitor!r}, expected a number of the epoch: {listed(logs)}")
        return float(logs[self.monitor])

    def _of_the_begin(self) -> bool:
        """Whether the number belongs to the weights that an epoch begins with."""
        return self.params["steps"] == 1 and self.monitor in self.params.get("running", ())

    def _better(self, value: float, than: float) -> bool:
        return bool(self._sign * value < self._sign * than - self.min_delta)


class EarlyStopping(_Monitor):
    """Ends the training when a number stops improving.

    "val_" numbers belong to the weights of the epoch's end.  The loss and the accuracy of the training rows
    are measured before each step: where an epoch is one batch, they belong to the weights that it began with;
    over several batches they are means while the weights move, and count for the weights of the epoch's end.

    Parameters
    ----------
    monitor : str
        A name in the logs: "loss", "val_loss", "val_accuracy", ...
    min_delta : float
        The least change that counts, 0 or more.
    patience : int
        Epochs in a row without improvement after which training ends; 0 is like 1.
    mode : {"auto", "min", "max"}
        Which way is better; "auto" is up for names with "accuracy" in them, down for losses and errors, and
        refused for names that are neither.
    baseline : float, optional
        Epochs that are not better than this count as without improvement.
    restore_best_weights : bool
        Whether the network ends with the weights that the best number belongs to, also after Ctrl-C or an
        error such as a diverging loss; the optimizer's state stays the last one.
    start_from_epoch : int
        Epochs before this one are not watched.

    Attributes
    ----------
    best : float
    best_epoch, stopped_epoch : int
        -1 if there was none.

    Examples
    --------
    >>> from fastmlp.callbacks import EarlyStopping
    >>> stop = EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = integer(patience, "patience", 0)
        self.baseline = None if baseline is None else real(baseline, "baseline")
        self.restore_best_weights = boolean(restore_best_weights, "restore_best_weights")
        self.start_from_epoch = integer(start_from_epoch, "start_from_epoch", 0)
        self.best_epoch = self.stopped_epoch = -1
        self._wait = 0
        self._weights: list[Any] | None = None  # the best
        self._begin: list[Any] | None = None  # of the epoch, where the number belongs to them

    def on_train_begin(self, logs: Logs) -> None:
        self._check_known()
        self.best, self._wait = np.inf * self._sign, 0
        self._weights = self._begin = None
        self.best_epoch = self.stopped_epoch = -1

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        if self.restore_best_weights and self._of_the_begin():
            self._begin = self.network.get_weights()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self._value(logs)
        if epoch < self.start_from_epoch:
            return
        self._wait += 1
        if self._better(value, self.best):
            if self.restore_best_weights:  # first: Ctrl-C may come between the lines
                self._weights = self.network.get_weights() if self._begin is None else self._begin
            self.best, self.best_epoch = value, epoch
            if self.baseline is None or self._better(value, self.baseline):
                self._wait = 0
        if self._wait >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.network.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        if self._weights is not None:
            self.network.set_weights(self._weights)
        self._weights = self._begin = None


class ModelCheckpoint(_Monitor):
    """Saves the network after each epoch, or after each that is the best so far.

    With `save_best_only` the file has the weights that the best number belongs to, as in `EarlyStopping`, and
    the optimizer's state at that time; else those of the epoch's end.

    Parameters
    ----------
    filepath : str or path
        May hold fields: ``"net-{epoch:03d}-{val_loss:.3f}.npz"``; epochs count from 1 there.  Missing
        folders are made.
    monitor, mode
        As in `EarlyStopping`; used only with `save_best_only`.
    save_best_only : bool
        Whether only improvements are saved; the best of an earlier `fit` with the same callback counts.
    include_optimizer : bool
        As in `Network.save`.

    Examples
    --------
    >>> from fastmlp.callbacks import ModelCheckpoint
    >>> checkpoint = ModelCheckpoint("best.npz", monitor="val_loss", save_best_only=True)
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        *,
        monitor: str = "val_loss",
        mode: str = "auto",
        save_best_only: bool = False,
        include_optimizer: bool = False,
    ) -> None:
        super().__init__(monitor, mode)
        if not isinstance(filepath, (str, os.PathLike)):
            raise TypeError(f"filepath is a {type(filepath).__name__}, expected a str or a path")
        self.filepath = os.fsdecode(filepath)
        if not self.filepath.endswith(SUFFIXES):
            raise ValueError(
                f"filepath is {self.filepath!r}, expected a name that ends with {listed(SUFFIXES)}"
            )
        self.save_best_only = boolean(save_best_only, "save_best_only")
        self.include_optimizer = boolean(include_optimizer, "include_optimizer")
        self._begin: Model | None = None  # as the epoch began, where the number belongs to it

    def on_train_begin(self, logs: Logs) -> None:
        self._begin = None
        if self.save_best_only:
            self._check_known()
        self._path(0, dict.fromkeys(self.params["metrics"], 0.0))

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only and self._of_the_begin():
            self._begin = copy.copy(self.network)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only:
            value = self._value(logs)
            if not self._better(value, self.best):
                return
            self.best = value
        net = self.network if self._begin is None else self._begin
        path = self._path(epoch, logs)
        os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        save(net, path, include_optimizer=self.include_optimizer)

    def on_train_end(self, logs: Logs) -> None:
        self._begin = None

    def _path(self, epoch: int, logs: Logs) -> str:
        try:
            return self.filepath.format(epoch=epoch + 1, **logs)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"filepath is {self.filepath!r}, expected only the fields epoch, {listed(logs)}: {error}"
            ) from None


class ReduceLROnPlateau(_Monitor):
    """Lowers the learning rate when a number stops improving; the history lists it as "learning_rate".

    The network's optimizer keeps the lower rate after the fit.

    Parameters
    ----------
    monitor, min_delta, mode
        As in `EarlyStopping`.
    factor : float
        0 < factor < 1: the new rate is factor times the old one.
    patience : int
        Epochs without improvement before the rate falls, at least 1.
    cooldown : int
        Epochs after a fall that do not count.
    min_lr : float
        The rate never falls below it.

    Examples
    --------
    >>> from fastmlp.callbacks import ReduceLROnPlateau
    >>> reduce = ReduceLROnPlateau("val_loss", factor=0.5, patience=3)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        mode: str = "auto",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = real(factor, "factor", above=0.0, below=1.0)
        self.patience = integer(patience, "patience", 1)
        self.cooldown = integer(cooldown, "cooldown", 0)
        self.min_lr = real(min_lr, "min_lr", minimum=0.0)
        self._wait = self._cooling = 0

    def on_train_begin(self, logs: Logs) -> None:
        self._check_known()
        self.best, self._wait, self._cooling = np.inf * self._sign, 0, 0
        self._rate()
        if "learning_rate" not in self.params["metrics"]:
            self.params["metrics"].append("learning_rate")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self._value(logs)
        logs["learning_rate"] = self._rate()
        if self._cooling > 0:
            self._cooling -= 1
        if self._better(value, self.best):
            self.best, self._wait = value, 0
        elif self._cooling == 0:
            self._wait += 1
            if self._wait >= self.patience:
                self._lower()

    def _rate(self) -> float:
        optimizer = self.network.optimizer
        if optimizer is None or not isinstance(optimizer.learning_rate, float):
            raise ValueError("learning_rate is a schedule, ReduceLROnPlateau expects a number it can lower")
        return optimizer.learning_rate

    def _lower(self) -> None:
        rate = self._rate()
        if rate > self.min_lr:
            assert self.network.optimizer is not None
            lower = max(rate * self.factor, self.min_lr)
            self.network.optimizer = replace(self.network.optimizer, learning_rate=lower)
            self._wait, self._cooling = 0, self.cooldown
