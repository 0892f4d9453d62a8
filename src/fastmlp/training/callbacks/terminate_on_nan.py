"""`TerminateOnNaN`: the end of a fit that diverges, without an error."""

from __future__ import annotations

import math
import warnings

from ...errors import tells_options
from .base import Callback, Logs


class TerminateOnNaN(Callback):
    """Ends the training when the loss is no longer finite, with a warning in place of the error.

    The network has the last finite weights, or those that another callback restores; the epoch that diverged
    is not in the history.  An infinite or undefined held-out loss ends the training too, after its epoch.

    Attributes
    ----------
    stopped_epoch : int
        -1 if there was none.

    Examples
    --------
    >>> import warnings
    >>> from fastmlp import Network, optimizers
    >>> from fastmlp.callbacks import TerminateOnNaN
    >>> net = Network([1, 1], seed=0)
    >>> net.compile(optimizers.SGD(1e6))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     history = net.fit([[1.0]], [2.0], epochs=100, callbacks=[TerminateOnNaN()])
    >>> len(history.epoch) < 100, str(caught[0].message)[:26]
    (True, 'training diverged in epoch')
    """

    @tells_options
    def __init__(self) -> None:
        self.stopped_epoch = -1

    def on_train_begin(self, logs: Logs) -> None:
        self.stopped_epoch = -1

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = logs.get("val_loss", 0.0)
        if not math.isfinite(value):
            self._stop(epoch, f"val_loss is {value} in epoch {epoch + 1}; training ends")
            self.network.stop_training = True

    def on_divergence(self, epoch: int, message: str) -> bool:
        self._stop(epoch, message)
        return True

    def _stop(self, epoch: int, message: str) -> None:
        self.stopped_epoch = epoch
        warnings.warn(message, RuntimeWarning, stacklevel=2)
