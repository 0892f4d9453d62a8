"""`ModelCheckpoint`: files of the network during a fit."""

from __future__ import annotations

import copy
import datetime
import os
import time
from collections.abc import Mapping

from ...errors import listed, shown, tells_options
from ...files.format import SUFFIXES, save
from ...model import Model
from ...validation import boolean, integer
from .base import Logs
from .monitor import Monitor
from .verbose import as_verbose, say


class ModelCheckpoint(Monitor):
    """Saves the network after each epoch, after each that is the best so far, or now and then within epochs.

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
    save_freq : "epoch", int or timedelta
        After each epoch; whenever as many batches as a multiple of this number have been trained since
        compile; or each time that so much time has passed, to some 50 ms.  With a number or a time the name
        has the fields `epoch` and `batch` alone, that are done by then, the epoch in progress included.
    verbose : bool or int
        Whether each file is told.

    Examples
    --------
    >>> from fastmlp.callbacks import ModelCheckpoint
    >>> checkpoint = ModelCheckpoint("best.npz", monitor="val_loss", save_best_only=True)

    Every five minutes, so that ``load("run.npz").fit(..., resume=True)`` goes on with a run that was killed:

    >>> import datetime
    >>> every = datetime.timedelta(minutes=5)
    >>> checkpoint = ModelCheckpoint("run.npz", save_freq=every, include_optimizer=True)
    """

    _writes = True

    @tells_options
    def __init__(
        self,
        filepath: str | os.PathLike[str],
        *,
        monitor: str = "val_loss",
        mode: str = "auto",
        save_best_only: bool = False,
        include_optimizer: bool = False,
        save_freq: str | int | datetime.timedelta = "epoch",
        verbose: bool | int = False,
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
        self.save_freq = _checked_freq(save_freq)
        self._looks = save_freq != "epoch"
        self.verbose = as_verbose(verbose)
        if self.save_best_only and self._looks:
            raise ValueError(f"save_freq is {save_freq!r} and save_best_only True, expected 'epoch' with it")
        self._saved = 0.0  # by time.monotonic
        self._begin: Model | None = None  # as the epoch began, where the number belongs to it

    def on_train_begin(self, logs: Logs) -> None:
        self._begin = None
        if self.save_best_only:
            self._check_known()
        names = ["batch"] if self._looks else self.params["metrics"]
        self._path(0, dict.fromkeys(names, 0))
        self._saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only and self._of_the_begin():
            self._begin = copy.copy(self.network)

    def _until_look(self) -> int | None:
        if not isinstance(self.save_freq, int):
            return None
        return self.save_freq - self.network.plan.batches % self.save_freq

    def _look(self, epoch: int, batch: int) -> None:
        if isinstance(self.save_freq, datetime.timedelta):
            due = time.monotonic() - self._saved >= self.save_freq.total_seconds()
        else:
            due = self._until_look() == self.save_freq
        if due:
            self._save(self.network, epoch, {"batch": batch})
            self._saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._looks:
            return
        if self.save_best_only:
            value = self._value(logs)
            if not self._better(value, self.best):
                return
            self.best = value
        net = self.network if self._begin is None else self._begin
        self._save(net, epoch, logs)

    def on_train_end(self, logs: Logs) -> None:
        self._begin = None

    def _save(self, net: Model, epoch: int, logs: Mapping[str, float]) -> None:
        path = self._path(epoch, logs)
        os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        save(net, path, include_optimizer=self.include_optimizer)
        say(self.verbose, epoch, f"saved to {path}")

    def _path(self, epoch: int, logs: Mapping[str, float]) -> str:
        try:
            return self.filepath.format(epoch=epoch + 1, **logs)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"filepath is {self.filepath!r}, expected only the fields epoch, {listed(logs)}: {error}"
            ) from None


def _checked_freq(save_freq: object) -> str | int | datetime.timedelta:
    if isinstance(save_freq, datetime.timedelta) and save_freq.total_seconds() > 0:
        return save_freq
    if isinstance(save_freq, (str, datetime.timedelta)) and save_freq != "epoch":
        expected = "'epoch', a number of batches or a timedelta above 0"
        raise ValueError(f"save_freq is {shown(save_freq)}, expected {expected}")
    return "epoch" if isinstance(save_freq, str) else integer(save_freq, "save_freq", 1)
