"""`ReduceLROnPlateau`: a learning rate that falls when a number stops improving."""

from __future__ import annotations

import numpy as np

from ...errors import tells_options
from ...validation import integer, real
from .base import Logs
from .monitor import Monitor
from .rate import constant_rate
from .verbose import as_verbose, say


class ReduceLROnPlateau(Monitor):
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
    verbose : bool or int
        Whether each lower rate is printed.

    Examples
    --------
    >>> from fastmlp.callbacks import ReduceLROnPlateau
    >>> reduce = ReduceLROnPlateau("val_loss", factor=0.5, patience=3)
    """

    @tells_options
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
        verbose: bool | int = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = real(factor, "factor", above=0.0, below=1.0)
        self.patience = integer(patience, "patience", 1)
        self.cooldown = integer(cooldown, "cooldown", 0)
        self.min_lr = real(min_lr, "min_lr", minimum=0.0)
        self.verbose = as_verbose(verbose)
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
                self._lower(epoch)

    def _rate(self) -> float:
        return constant_rate(self.network, type(self).__name__)

    def _lower(self, epoch: int) -> None:
        rate = self._rate()
        if rate > self.min_lr:
            self.network.learning_rate = max(rate * self.factor, self.min_lr)
            self._wait, self._cooling = 0, self.cooldown
            say(self.verbose, epoch, f"learning rate {self.network.learning_rate:g}")
