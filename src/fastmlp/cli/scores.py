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


def of_numbers(y: Array, predictions: Array) -> str:
    """The root mean square error, and R2: the share of the variance of y that the predictions explain.

    >>> of_numbers(np.array([0.0, 2.0]), np.array([0.0, 1.0])), of_numbers(np.ones(1), np.zeros(1))
    ('root mean square error 0.707107, R2 0.5000 on 2 rows', 'root mean square error 1, R2 - on 1 rows')
    """
    residual = float(np.mean((y - predictions) ** 2))
    variance = float(np.mean((y - y.mean(axis=0)) ** 2))
    explained = f"{1 - residual / variance:.4f}" if variance > 0 else "-"
    return f"root mean square error {residual**0.5:.6g}, R2 {explained} on {len(y)} rows"
