"""`LearningRateScheduler`: a learning rate chosen for every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import tells_options
from ...validation import as_function, real
from .base import Callback, Logs
from .rate import constant_rate
from .verbose import as_verbose, say


class LearningRateScheduler(Callback):
    """Sets the learning rate as each epoch begins; the history lists it as "learning_rate".

    A schedule of the optimizer, such as ``Adam(CosineDecay(1e-3, steps=1000))``, moves with every step and
    needs no callback.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)``, or ``schedule(epoch)``: the new rate, 0 or more, from the epoch's
        number, which counts from 0 in every `fit`, and the rate so far.
    verbose : bool or int
        Whether each rate is printed.

    Raises
    ------
    ValueError
        If the optimizer's learning rate is a schedule, or a rate is negative or not finite; TypeError if it
        is no number.

    Examples
    --------
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import LearningRateScheduler
    >>> net = Network([1, 1], seed=0)
    >>> net.compile("sgd")
    >>> halve = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else 0.5)
    >>> net.fit([[1.0]], [2.0], epochs=3, callbacks=[halve]).history["learning_rate"]
    [0.5, 0.25, 0.125]
    """

    @tells_options
    def __init__(self, schedule: Callable[..., Any], verbose: bool | int = False) -> None:
        self.schedule = as_function(schedule, "schedule")
        self.verbose = as_verbose(verbose)
        self._takes_rate = _takes_two(self.schedule)

    def on_train_begin(self, logs: Logs) -> None:
        constant_rate(self.network, type(self).__name__)
        if "learning_rate" not in self.params["metrics"]:
            self.params["metrics"].append("learning_rate")

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        arguments = (epoch, self.network.learning_rate) if self._takes_rate else (epoch,)
        rate = real(self.schedule(*arguments), f"the schedule's learning rate of epoch {epoch}", minimum=0.0)
        self.network.learning_rate = rate
        say(self.verbose, epoch, f"learning rate {rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["learning_rate"] = constant_rate(self.network, type(self).__name__)


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function takes the learning rate beside the epoch."""
    import inspect

    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # of C, without a signature
        return True
    return True
