"""Progress of a fit on the terminal: tqdm where it is installed, plain text otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

_PATIENCE = 1.0  # seconds before "auto" shows anything: short fits stay silent


def line(epoch: int, epochs: int, logs: Mapping[str, float], seconds: float) -> str:
    """What is said of a finished epoch.

    >>> line(0, 20, {"loss": 0.5, "accuracy": 0.25}, 1.5)
    'epoch 1/20  loss 0.5000  accuracy 0.2500  1.5 s'
    """
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
    return f"epoch {epoch + 1}/{epochs}  {numbers}  {seconds:.1f} s"


class Progress:
    """Shows epochs and batches as they pass.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        0 is silent; 1 a line for each epoch and, in a terminal, a bar once the fit has taken a second; 2 only the
        lines; "auto" is 1 for fits of more than a second in a terminal and 0 elsewhere.
    epochs, batches : int
        How many there will be; batches of one epoch.
    """

    def __init__(self, verbose: bool | int | str, epochs: int, batches: int) -> None:
        self._auto = verbose == "auto"
        self._terminal = sys.stdout.isatty()
        self._level = int(self._terminal) if verbose == "auto" else int(verbose)
        self._epochs, self._batches = epochs, batches
        self._start = self._epoch_start = time.monotonic()
        self._bar: Any = None

    def epoch_begin(self, epoch: int) -> None:
        self._epoch_start = time.monotonic()
        if self._bar is not None:
            self._bar.reset(self._batches)
            self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}")

    def batches_done(self, epoch: int, done: int) -> None:
        if self._level != 1 or not self._terminal or time.monotonic() - self._start < _PATIENCE:
            return
        if self._bar is None:
            self._bar = _make_bar(self._batches)
            self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}")
        self._bar.update(done - self._bar.n)

    def epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        if self._level == 0 or (self._auto and time.monotonic() - self._start < _PATIENCE):
            return
        text = line(epoch, self._epochs, logs, time.monotonic() - self._epoch_start)
        if self._bar is None:
            print(text)
        else:
            self._bar.write(text)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _TextBar:
    """The few calls of tqdm's that Progress makes, on one line of text."""

    def __init__(self, total: int) -> None:
        self.n, self._total, self._description = 0, total, ""

    def reset(self, total: int) -> None:
        self.n, self._total = 0, total

    def set_description(self, description: str) -> None:
        self._description = description

    def update(self, count: int) -> None:
        self.n += count
        print(f"\r{self._description}  {self.n}/{self._total} batches", end="", flush=True)

    def write(self, text: str) -> None:
        print(f"\r{text:<60}", flush=True)

    def close(self) -> None:
        print("\r" + " " * 60 + "\r", end="", flush=True)


def _make_bar(total: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _TextBar(total)
    return tqdm(total=total, leave=False, unit="batch", file=sys.stdout)
