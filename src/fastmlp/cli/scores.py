"""How good predictions are."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Agreement:
    """How predictions compare with targets: a line, and its figures by name."""

    line: str
    figures: dict[str, float]


def of_numbers(y: Array, predictions: Array) -> Agreement:
    """The root mean square error, and R2: the share of the variance of y that the predictions explain.

    >>> of_numbers(np.array([0.0, 2.0]), np.array([0.0, 1.0])).line
    'root mean square error 0.707107, R2 0.5000 on 2 rows'
    >>> of_numbers(np.ones(1), np.zeros(1)).line
    'root mean square error 1, R2 - on 1 rows'
    """
    error = float(np.mean((y - predictions) ** 2)) ** 0.5
    variance = float(np.mean((y - y.mean(axis=0)) ** 2))
    explained = 1 - error**2 / variance if variance > 0 else float("nan")
    shown = f"{explained:.4f}" if variance > 0 else "-"
    return Agreement(
        f"root mean square error {error:.6g}, R2 {shown} on {len(y)} rows",
        {"root_mean_square_error": error, "r2": explained, "compared": len(y)},
    )


def of_classes(right: Array | list[bool], rows: int) -> Agreement:
    """The share of what is right.

    >>> of_classes([True, True, False, True], 4).line
    'accuracy 75.00% of 4 rows'
    """
    accuracy = float(np.mean(right))
    return Agreement(f"accuracy {accuracy:.2%} of {rows} rows", {"accuracy": accuracy, "compared": rows})
