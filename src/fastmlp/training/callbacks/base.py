"""`Callback`: the hooks of a fit."""

from __future__ import annotations

from typing import Any

from ...model import Model

Logs = dict[str, float]


class Callback:
    """Hooks that `Network.fit` calls; override those you need.

    Epochs and batches count from 0.  `logs` holds the loss and the metrics: of the batch, or of the epoch and
    of the held-out rows, "val_loss" and so on.  Numbers that `on_epoch_end` adds are recorded in the history;
    later callbacks can watch them if `on_train_begin` adds their names to ``params["metrics"]``.

    A hook may read the network, evaluate it, save it and set its weights.

    Attributes
    ----------
    network, model : Network
        The network in training; ``self.network.stop_training = True`` ends it after the epoch, and in
        `on_train_batch_end` after the batch.  `model` is Keras' name for it.
    params : dict
        "epochs", "steps" (batches of an epoch), "batch_size", "metrics", the names in an epoch's logs, and
        "running", those of them that are means over the batches, each measured before its step, and
        "weighted", those that weights of rows enter.

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
    _looks = False  # whether `_look` is called
    _writes = False  # whether all it does is write files, which one process of several does

    @property
    def model(self) -> Model:
        return self.network

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch, also if Ctrl-C or an error ended it; `logs` are the last whole epoch's.

        Every callback whose `on_train_begin` returned is called, so that files opened there can be closed
        here.  Errors raised here after an error of the fit become warnings.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before each epoch; a new `network.learning_rate` may be set here."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After each epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Before each step; overriding it makes every batch a call into Python."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After each step, with its loss and metrics; overriding it makes every batch a call into Python."""

    def on_divergence(self, epoch: int, message: str) -> bool:
        """When training leaves the finite numbers; whether the fit ends here rather than in the error.

        The weights are the last finite ones; the epoch is not recorded.
        """
        return False

    def _until_look(self) -> int | None:
        """How many batches, at most, may be trained before the next `_look`; None: any number."""
        return None

    def _look(self, epoch: int, batch: int) -> None:
        """After some batches, `batch` of the epoch's, without making every batch a call into Python."""
