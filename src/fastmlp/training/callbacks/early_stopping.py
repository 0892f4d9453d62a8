"""`EarlyStopping`: the end of a fit that improves no more."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import tells_options
from ...validation import boolean, integer, real
from .base import Logs
from .monitor import Monitor
from .verbose import as_verbose, say


class EarlyStopping(Monitor):
    """Ends the training when a number stops improving.

    ``val_`` numbers belong to the weights of the epoch's end.  The loss and the accuracy of the training rows
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
        Which way is better; "auto" knows it of every metric with a name, takes up for other names with
        "accuracy" in them and down for losses and errors, and is refused for names that are neither.
    baseline : float, optional
        Epochs that are not better than this count as without improvement.
    restore_best_weights : bool
        Whether the network ends with the weights that the best number belongs to, also after Ctrl-C or an
        error such as a diverging loss; the optimizer's state stays the last one.
    start_from_epoch : int
        Epochs before this one are not watched.
    verbose : bool or int
        Whether it is printed when the training ends here, and which epoch's weights come back.

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

    @tells_options
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
        verbose: bool | int = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = integer(patience, "patience", 0)
        self.baseline = None if baseline is None else real(baseline, "baseline")
        self.restore_best_weights = boolean(restore_best_weights, "restore_best_weights")
        self.start_from_epoch = integer(start_from_epoch, "start_from_epoch", 0)
        self.verbose = as_verbose(verbose)
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
            say(self.verbose, epoch, f"training ends, {self.monitor} is no better than {self.best:.6g}")
            self.network.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        if self._weights is not None:
            self.network.set_weights(self._weights)
            say(self.verbose, self.best_epoch, "its weights, the best, are restored")
        self._weights = self._begin = None
