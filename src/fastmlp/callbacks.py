"""Callbacks of `Network.fit`, with Keras' hooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import listed, unknown
from .validation import integer, real

if TYPE_CHECKING:
    from .network import Network

Logs = Mapping[str, float]


class Callback:
    """Hooks that `Network.fit` calls; override those you need.

    Attributes
    ----------
    network : Network
        The network in training; ``self.network.stop_training = True`` ends it after the epoch.
    params : dict
        "epochs", "steps" (batches of an epoch), "batch_size".

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

    network: Network
    params: dict[str, Any]

    def on_train_begin(self) -> None: ...

    def on_train_end(self) -> None: ...

    def on_epoch_begin(self, epoch: int) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After each step, with its loss and metrics; overriding it makes every batch a call into Python."""


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
            setattr(self, name, function)


class History(Callback):
    """The record of a fit; `Network.fit` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        "loss" and each metric, and with held-out rows the same with "val_" before it; one number an epoch.
    epoch : list of int
        The epochs' numbers, from 0.
    interrupted : bool
        Whether Ctrl-C ended the fit; the network then holds the weights of that moment.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.interrupted = False

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, {listed(self.history)})"


class _Monitor(Callback):
    """A callback that watches one number for improvement."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise unknown("mode", mode, ("auto", "min", "max"))
        self.monitor = monitor
        self.min_delta = real(min_delta, "min_delta", minimum=0.0)
        rising = mode == "max" or (mode == "auto" and "accuracy" in monitor)
        self._sign = -1.0 if rising else 1.0
        self.best = np.inf * self._sign

    def _value(self, logs: Logs) -> float:
        if self.monitor not in logs:
            raise ValueError(f"monitor is {self.monitor!r}, expected a number of the epoch: {listed(logs)}")
        return float(logs[self.monitor])

    def _improved(self, value: float) -> bool:
        return bool(self._sign * value < self._sign * self.best - self.min_delta)


class EarlyStopping(_Monitor):
    """Ends the training when a number stops improving.

    Parameters
    ----------
    monitor : str
        A name in the logs: "loss", "val_loss", "val_accuracy", ...
    min_delta : float
        The least change that counts, 0 or more.
    patience : int
        Epochs without improvement that are allowed, 0 or more.
    mode : {"auto", "min", "max"}
        Which way is better; "auto" is up for names with "accuracy" in them and down for the rest.
    restore_best_weights : bool
        Whether the network ends with the weights of its best epoch.

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
        restore_best_weights: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = integer(patience, "patience", 0)
        self.restore_best_weights = restore_best_weights
        self.best_epoch = self.stopped_epoch = -1
        self._wait = 0
        self._weights: list[Any] | None = None

    def on_train_begin(self) -> None:
        self.best, self._wait, self._weights = np.inf * self._sign, 0, None
        self.best_epoch = self.stopped_epoch = -1

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self._value(logs)
        if self._improved(value):
            self.best, self.best_epoch, self._wait = value, epoch, 0
            if self.restore_best_weights:
                self._weights = self.network.get_weights()
            return
        self._wait += 1
        if self._wait >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.network.stop_training = True

    def on_train_end(self) -> None:
        if self._weights is not None:
            self.network.set_weights(self._weights)


class ModelCheckpoint(_Monitor):
    """Saves the network after each epoch, or after each that is the best so far.

    Parameters
    ----------
    filepath : str or path
        May hold fields: ``"net-{epoch:03d}-{val_loss:.3f}.npz"``; epochs count from 1 there.
    monitor, mode
        As in `EarlyStopping`.
    save_best_only : bool
        Whether only improvements are saved.
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
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.include_optimizer = include_optimizer

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only:
            value = self._value(logs)
            if not self._improved(value):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise ValueError(
                f"filepath has the field {error.args[0]!r}, expected epoch or one of {listed(logs)}"
            ) from None
        self.network.save(path, include_optimizer=self.include_optimizer)


class ReduceLROnPlateau(_Monitor):
    """Lowers the learning rate when a number stops improving.

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

    def on_train_begin(self) -> None:
        self.best, self._wait, self._cooling = np.inf * self._sign, 0, 0
        optimizer = self.network.optimizer
        if optimizer is None or not isinstance(optimizer.learning_rate, float):
            raise ValueError("the learning rate is a schedule, ReduceLROnPlateau expects a number it can lower")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self._value(logs)
        if self._cooling > 0:
            self._cooling -= 1
            self._wait = 0
        if self._improved(value):
            self.best, self._wait = value, 0
        elif self._cooling == 0:
            self._wait += 1
            if self._wait >= self.patience:
                self._lower()

    def _lower(self) -> None:
        optimizer = self.network.optimizer
        assert optimizer is not None and isinstance(optimizer.learning_rate, float)
        rate = max(optimizer.learning_rate * self.factor, self.min_lr)
        self.network.optimizer = replace(optimizer, learning_rate=rate)
        self._wait, self._cooling = 0, self.cooldown
