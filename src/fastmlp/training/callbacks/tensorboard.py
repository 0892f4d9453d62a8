"""`TensorBoard`: a fit as event files that the tensorboard package shows."""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import tells_options
from ...optional import install
from ...validation import integer
from .base import Callback, Logs


class TensorBoard(Callback):
    """Writes event files for TensorBoard: ``tensorboard --logdir logs``.

    Training and held-out rows have a folder each, "train" and "validation", and the same names as Keras',
    "epoch_loss", "epoch_accuracy" and so on, so that runs of both stand in one chart.

    Parameters
    ----------
    log_dir : str or path
        Missing folders are made.
    histogram_freq : int
        Every how many epochs histograms of all weights are written; 0 is never.
    update_freq : "epoch", "batch" or int
        "batch" or a number of batches writes the running loss and metrics as well, "batch_loss" and so on,
        by the step; it makes every batch a call into Python.

    Raises
    ------
    ImportError
        If the package tensorboard is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import TensorBoard
    >>> net = Network([1, 1], seed=0)
    >>> net.compile("sgd")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = net.fit([[1.0]], [2.0], callbacks=[TensorBoard(folder)])
    ...     sorted(os.listdir(folder))
    ['train']
    """

    _writes = True

    @tells_options
    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        *,
        histogram_freq: int = 0,
        update_freq: str | int = "epoch",
    ) -> None:
        if not isinstance(log_dir, (str, os.PathLike)):
            raise TypeError(f"log_dir is a {type(log_dir).__name__}, expected a str or a path")
        self.log_dir = os.fsdecode(log_dir)
        self.histogram_freq = integer(histogram_freq, "histogram_freq", 0)
        self.update_freq = _checked_frequency(update_freq)
        self._events = _Events()
        self._writers: dict[str, Any] = {}
        if self.update_freq:  # a hook that is there is called for every batch
            self.on_train_batch_end = self._on_train_batch_end  # type: ignore[method-assign]

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = self._events.writer(os.path.join(self.log_dir, part))
        return self._writers[part]

    def _on_train_batch_end(self, batch: int, logs: Logs) -> None:
        step = self.network.plan.step
        if step % self.update_freq == 0:
            for name, value in logs.items():
                self._events.scalar(self._writer("train"), f"batch_{name}", value, step)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        number = self.network.epochs_done - 1  # a second fit goes on where the first ended
        for name, value in logs.items():
            part = "validation" if name.startswith("val_") else "train"
            self._events.scalar(
                self._writer(part), f"epoch_{name.removeprefix('val_')}", float(value), number
            )
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, array in self.network.state_dict().items():
                self._events.histogram(self._writer("train"), name, array, number)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _checked_frequency(update_freq: object) -> int:
    """Every how many batches; 0 is never."""
    if isinstance(update_freq, str) and update_freq in ("epoch", "batch"):
        return int(update_freq == "batch")
    if isinstance(update_freq, str):
        raise ValueError(f"update_freq is {update_freq!r}, expected 'epoch', 'batch' or a number of batches")
    return integer(update_freq, "update_freq", 1)


class _Events:
    """The few calls of the tensorboard package."""

    def __init__(self) -> None:
        try:
            event_pb2: Any = import_module("tensorboard.compat.proto.event_pb2")
            from tensorboard.plugins.histogram.summary_v2 import histogram_pb
            from tensorboard.plugins.scalar.summary_v2 import scalar_pb
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            what = "tensorboard is not installed, expected it for the callback TensorBoard"
            raise ImportError(f"{what}: {install('tensorboard')}") from error
        self._event, self.writer = event_pb2.Event, EventFileWriter
        self._scalar, self._histogram = scalar_pb, histogram_pb

    def scalar(self, writer: Any, tag: str, value: float, step: int) -> None:
        self._add(writer, self._scalar(tag, value), step)

    def histogram(self, writer: Any, tag: str, array: np.ndarray[Any, Any], step: int) -> None:
        self._add(writer, self._histogram(tag, array), step)

    def _add(self, writer: Any, summary: Any, step: int) -> None:
        writer.add_event(self._event(step=step, wall_time=time.time(), summary=summary))
