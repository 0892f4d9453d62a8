"""`History`: the record of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import notebook
from ...errors import listed, tells_options
from ...optional import require
from .base import Callback, Logs


class History(Callback):
    """The record of a fit; `Network.fit` returns one.

    Attributes
    ----------
    history : dict of str to list of float
        "loss" and each metric, and with held-out rows the same with ``val_`` before it; one number an epoch.
        With weights of rows the loss is their weighted sum over the number of rows, and metrics are weighted
        means.  Loss and accuracy of the training rows are means over the epoch, during which the weights
        move, with dropout on and without penalties; other metrics and all ``val_`` numbers are those of the
        epoch's end.  With `Heads` each head's own loss, without its weight, stands beside the sum,
        "price_loss" and "val_price_loss".
        With ``compile(standardize_targets=True)`` "loss" and "val_loss" are of standardized
        targets, and metrics in the units of y.
    epoch : list of int
        The epochs' numbers, from 0.
    params : dict
        As in `Callback`.
    weighted : list of str
        Names of the numbers that weights of rows entered: "val_loss" is there if the held-out rows had any.
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

    @tells_options
    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params = {}
        self.interrupted = False

    @property
    def weighted(self) -> list[str]:
        return list(self.params.get("weighted", ()))

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

    def to_frame(self) -> Any:
        """The history as a data frame of pandas, a row for each epoch, which counts from 1.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([1, 1], seed=0)
        >>> net.compile("sgd")
        >>> net.fit([[1.0], [2.0]], [1.0, 2.0], epochs=3).to_frame().shape
        (3, 1)
        """
        index = [epoch + 1 for epoch in self.epoch]
        pandas = require("pandas", "tabular")
        return pandas.DataFrame(self.history, index=pandas.Index(index, name="epoch"))

    def _repr_html_(self) -> str:
        return notebook.of_history(self.history)

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, {listed(self.history)})"
