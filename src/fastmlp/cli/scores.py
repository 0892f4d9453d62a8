"""How good predictions are."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def by_value(label: object) -> object:
    """What a label stands for, however it is written: 1, 1.0 and "1" are one, as True and "true" are.

    >>> by_value("1.0") == by_value(1), by_value(" yes "), by_value(np.True_) == by_value("true")
    (True, 'yes', True)
    """
    if isinstance(label, (bool, np.bool_)):
        return "true" if label else "false"
    text = str(label).strip()
    try:
        return float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text


def regression_scores(y: Array, predictions: Array) -> tuple[float, float]:
    """The root mean square error, and the share of the variance that the predictions explain."""
    residual = float(np.mean((y - predictions) ** 2))
    variance = float(np.mean((y - y.mean(axis=0)) ** 2))
    return residual**0.5, 1 - residual / variance if variance > 0 else float("nan")
