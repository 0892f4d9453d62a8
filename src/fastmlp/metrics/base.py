"""`Measure`, what is known of a metric that has a name, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Function = Callable[..., float]


@dataclass(frozen=True)
class Measure:
    """A metric with a name.

    Attributes
    ----------
    name : str
    function : callable
        ``function(y_true, y_pred, sample_weight)``: targets as the loss takes them, predictions of shape
        (rows, n_out), weights (rows,) or None for equal ones.
    rises : bool or None
        Whether larger is better; None where neither way is.
    aliases : tuple of str
        Names that scikit-learn, Keras or PyTorch have for it.
    classes : bool
        Whether it is of classes: targets and predictions are shares of yes, 0 to 1, and the function takes
        a fourth argument, whether several outputs are independent, or None where nothing says it.
    """

    name: str
    function: Function
    rises: bool | None
    aliases: tuple[str, ...] = ()
    classes: bool = False


def mean(values: Array, weights: Array | None) -> float:
    """The weighted mean over rows of values (rows,) or (rows, outputs), in float64; NaN without any weight.

    >>> mean(np.array([1.0, 4.0]), np.array([3.0, 1.0]))
    1.75
    """
    if weights is None:
        return float(np.mean(values, dtype=np.float64))
    rows = values if values.ndim == 1 else np.mean(values, axis=1, dtype=np.float64)
    return ratio(np.dot(weights.astype(np.float64), rows), np.sum(weights, dtype=np.float64))


def column_means(values: Array, weights: Array | None) -> Array:
    """The weighted mean of every column of (rows, outputs), in float64."""
    if weights is None:
        return np.asarray(np.mean(values, axis=0, dtype=np.float64))
    total = np.sum(weights, dtype=np.float64)
    sums = weights.astype(np.float64) @ values
    return np.asarray(sums / total if total else np.full(sums.shape, np.nan))


def ratio(part: float, whole: float, otherwise: float = np.nan) -> float:
    """part / whole, and `otherwise` of nothing."""
    return float(part / whole) if whole else otherwise


def like(y_true: Array, y_pred: Array) -> Array:
    """Targets in the shape of the predictions; class indices become one-hot rows."""
    rows, n_out = y_pred.shape
    if y_true.ndim == 1 and n_out > 1 and y_true.dtype.kind == "i":
        return np.asarray(y_true[:, None] == np.arange(n_out), y_pred.dtype)
    if y_true.size != y_pred.size:
        raise ValueError(f"y has shape {y_true.shape}, expected {y_pred.shape} for this metric")
    return y_true.reshape(rows, n_out)
