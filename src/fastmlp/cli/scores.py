"""How good the predictions of numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def regression_scores(y: Array, predictions: Array) -> tuple[float, float]:
    """The root mean square error, and the share of the variance that the predictions explain."""
    residual = float(np.mean((y - predictions) ** 2))
    variance = float(np.mean((y - y.mean(axis=0)) ** 2))
    return residual**0.5, 1 - residual / variance if variance > 0 else float("nan")
