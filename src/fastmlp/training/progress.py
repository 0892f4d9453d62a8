"""Progress of a fit in terminals and notebooks: tqdm where it is installed, plain text otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping
from typing import Any

from .. import notebook

_PATIENCE = 1.0  # seconds before "auto" shows anything: short fits stay silent
_LINE_EVERY = 0.25  # seconds between lines that nobody asked for
_REDRAW_EVERY = 0.1  # seconds


def line(
    epoch: int, epochs: int, logs: Mapping[str, float], seconds: float, weighted: Collection[str] = ()
) -> str:
    """What is said of a finished epoch; held-out numbers that rows' weights entered say so.

    >>> line(0, 20, {"loss": 0.5, "val_loss": 0.25}, 1.5, ["loss", "val_loss"])
    'epoch 1/20  loss 0.5000  val_loss 0.2500 (weighted)  1.5 s'
    """
    marked = {name for name in weighted if name.startswith("val_")}
    numbers = "  ".join(
        f"{name} {_number(value)}{' (weighted)' if name in marked else ''}" for name, value in logs.items()
    )
    return f"epoch {epoch + 1}/{epochs}  {numbers}  {seconds:.1f} s"


def _number(value: float) -> str:
    """Four places, or four digits of what is too small for them."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.3e}"


class Progress:
    """Shows epochs and batches as they pass.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        0 is silent; 1 a line for each epoch and, once the fit has taken a second, a bar in a terminal, and
        in a notebook a bar and a curve of the losses that grows; 2 the lines alone.  "auto" is silent outside
        terminals and notebooks; in a terminal it shows a fit of more than a second, with the bar and as many
        epochs' lines as one can read; in a notebook it is 1 with no line but the last epoch's.
    epochs : int
        How many there will be.
    batches : int or None
        Of one epoch, if they are known.
    done : int
        Epochs that are done when it begins.
    """

    def __init__(self, verbose: bool | int | str, epochs: int, batches: int | None, done: int = 0) -> None:
        self._auto = verbose == "auto"
        self._notebook = notebook.runs()
        self._terminal = self._notebook or (sys.stdout is not None and sys.stdout.isatty())
        self._level = int(self._terminal) if self._auto else int(verbose)
        self._epochs, self._batches = epochs, batches
        self._start = self._epoch_start = self._last_line = time.monotonic()
        self._bar: Any = None
        self._curve = notebook.GrowingCurve() if self._notebook and self._level == 1 else None
        self._words = ""  # of the last epoch, for the curve
        self._earlier = done * (batches or 0)  # batches of the epochs before
        self._in_epoch = 0  # and of this one

    @property
    def silent(self) -> bool:
        """Whether nothing is ever shown."""
        return self._level == 0

    def epoch_begin(self, epoch: int) -> None:
        self._epoch_start = time.monotonic()

    def batches_done(self, epoch: int, done: int) -> None:
        self._in_epoch = done
        if self._level != 1 or not self._terminal or time.monotonic() - self._start < _PATIENCE:
            return
        description = f"epoch {epoch + 1}/{self._epochs}"
        if self._bar is None:
            total = None if self._batches is None else self._epochs * self._batches
            self._bar = _make_bar(total, description, self._notebook)
        self._bar.set_description(description, refresh=False)
        self._bar.update(self._earlier + done - self._bar.n)

    def epoch_end(self, epoch: int, logs: Mapping[str, float], weighted: Collection[str] = ()) -> None:
        now = time.monotonic()
        self._earlier, self._in_epoch = self._earlier + self._in_epoch, 0
        if self._level == 0:
            return
        words = line(epoch, self._epochs, logs, now - self._epoch_start, weighted)
        worth = self._worth_a_line(epoch, now)
        if worth:
            self._last_line = now
        if self._curve is not None:
            self._words = words
            self._curve.add(logs)
            if worth:
                self._curve.draw(words)
        if not self._auto or (worth and self._curve is None):
            self._say(words)

    def _worth_a_line(self, epoch: int, now: float) -> bool:
        last = epoch + 1 == self._epochs
        return now - self._start >= _PATIENCE and (last or now - self._last_line >= _LINE_EVERY)

    def interrupted(self, epoch: int) -> None:
        if self._level > 0:
            self._say(f"interrupted in epoch {epoch + 1}/{self._epochs}")

    def _say(self, text: str) -> None:
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._curve is None or not self._words:
            return
        if self._curve.drawn:
            self._curve.draw(self._words)
        elif self._auto:
            print(self._words, flush=True)


class _TextBar:
    """The few calls of tqdm's that Progress makes, on one line of text."""

    def __init__(self, total: int | None) -> None:
        self.n, self._total, self._description = 0, total, ""
        self._drawn = -_REDRAW_EVERY

    def set_description(self, description: str, refresh: bool = True) -> None:
        self._description = description

    def update(self, count: int) -> None:
        self.n += count
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_EVERY:
            self._drawn = now
            share = "" if self._total is None else f"  {self.n / self._total:4.0%}"
            of = "" if self._total is None else f"/{self._total}"
            self._draw(f"{self._description}{share}  {self.n}{of} batches")

    def write(self, text: str) -> None:
        self._draw(text)
        print(flush=True)

    def close(self) -> None:
        self._draw("")
        print("\r", end="", flush=True)

    def _draw(self, text: str) -> None:
        print(f"\r{text:<60}", end="", flush=True)


def _make_bar(total: int | None, description: str, in_notebook: bool) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _TextBar(total)
    if in_notebook:
        from tqdm.auto import tqdm as widget

        return widget(total=total, desc=description, leave=False, unit="batch")
    return tqdm(total=total, desc=description, leave=False, unit="batch", file=sys.stdout)
