"""`ModelCheckpoint`: files of the network during a fit."""

from __future__ import annotations

import copy
import os

from ...errors import listed
from ...files.format import SUFFIXES, save
from ...model import Model
from ...validation import boolean
from .base import Logs
from .monitor import Monitor


class ModelCheckpoint(Monitor):
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
