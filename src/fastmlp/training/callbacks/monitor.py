"""`Monitor`: what watches one number for improvement."""

from __future__ import annotations

import numpy as np

from ...errors import listed, nearest_name, shown, unknown
from ...metrics import MEASURES, measure_of
from ...validation import real
from .base import Callback, Logs


def _rises(monitor: str, mode: str) -> bool:
    """Whether larger is better."""
    if mode not in ("auto", "min", "max"):
        raise unknown("mode", mode, ("auto", "min", "max"))
    if mode != "auto":
        return mode == "max"
    measure = measure_of(monitor.removeprefix("val_"))
    if measure is not None and measure.rises is not None:
        return measure.rises
    if "accuracy" in monitor:
        return True
    if monitor.endswith(("loss", "error")):
        return False
    names = ["loss", *MEASURES]
    nearest = nearest_name(monitor, [*names, *(f"val_{name}" for name in names)])
    hint = "" if nearest in (None, monitor) else f"; did you mean {nearest!r}?"
    raise ValueError(
        f"mode is 'auto' for the monitor {monitor!r}, expected 'min' or 'max' to say which is better{hint}"
    )


class Monitor(Callback):
    """A callback that watches one number for improvement.

    The number belongs to the weights of the epoch's end, or, where it was measured before the epoch's one
    step, to those that the epoch began with.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor is {shown(monitor)}, expected a name such as 'val_loss'")
        self._sign = -1.0 if _rises(monitor, mode) else 1.0
        self.monitor = monitor
        self.min_delta = real(min_delta, "min_delta", minimum=0.0)
        self.best = np.inf * self._sign

    def _check_known(self) -> None:
        """ValueError, before anything is trained, if no epoch will have the number."""
        known = self.params["metrics"]
        if self.monitor not in known:
            held_out = self.monitor.startswith("val_") and not any(name.startswith("val_") for name in known)
            hint = "; validation_split or validation_data gives held-out rows" if held_out else ""
            raise ValueError(f"monitor is {self.monitor!r}, expected one of {listed(known)}{hint}")

    def _value(self, logs: Logs) -> float:
        if self.monitor not in logs:
            raise ValueError(f"monitor is {self.monitor!r}, expected a number of the epoch: {listed(logs)}")
        return float(logs[self.monitor])

    def _of_the_begin(self) -> bool:
        """Whether the number belongs to the weights that an epoch begins with."""
        return self.params["steps"] == 1 and self.monitor in self.params.get("running", ())

    def _better(self, value: float, than: float) -> bool:
        return bool(self._sign * value < self._sign * than - self.min_delta)
