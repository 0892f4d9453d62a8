"""What held-out rows are measured by, as errors: less is better."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import shown, unknown
from ..metrics import MEASURES
from ..metrics.base import Measure

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array, Array | None], float]


def error(truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """The share of rows that are given another class.

    >>> error(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    0.5
    """
    return _mean(probabilities.argmax(axis=1) != truth, weights)


def _of_classes(measure: Measure, truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """A metric as an error: 1 minus what is better the larger it is, 1 where rows of one class have none."""
    value = measure.function(truth, probabilities, weights, False)
    if not measure.rises:
        return value
    return 1.0 if np.isnan(value) else 1 - value


def rmse(truth: Array, predictions: Array, weights: Array | None = None) -> float:
    """The root of the mean squared error, of several targets in units of each target's deviation."""
    spread = truth.std(axis=0) if truth.shape[1] > 1 else np.ones(1)
    e = (predictions - truth) / np.where(spread > 0, spread, 1)
    return float(np.sqrt(_mean((e**2).mean(axis=1), weights)))


def mae(truth: Array, predictions: Array, weights: Array | None = None) -> float:
    """The mean absolute error."""
    return _mean(np.abs(predictions - truth).mean(axis=1), weights)


def r2(truth: Array, predictions: Array, weights: Array | None = None) -> float:
    """1 minus the coefficient of determination: the share of the variance that is left."""
    center = np.average(truth, axis=0, weights=weights)
    whole = _mean(((truth - center) ** 2).mean(axis=1), weights)
    left = _mean(((predictions - truth) ** 2).mean(axis=1), weights)
    return left / whole if whole > 0 else left


def _mean(values: Array, weights: Array | None) -> float:
    return float(np.average(values, weights=weights))


METRICS: dict[str, dict[str, Metric]] = {
    "classes": {
        "error": error,
        **{
            name: partial(_of_classes, MEASURES[name])
            for name in ("log_loss", "auc", "f1", "balanced_accuracy")
        },
    },
    "numbers": {each.__name__: each for each in (rmse, mae, r2)},
}
DEFAULTS = {"classes": "error", "numbers": "rmse"}


def resolve(metric: object, task: str) -> Metric:
    """A metric by name, in any case, or a function of truth, predictions and weights; None is the default."""
    if metric is None:
        return METRICS[task][DEFAULTS[task]]
    if isinstance(metric, str):
        name = metric.lower().replace(" ", "_")  # "AUC" and "log loss", as reports have them
        if name not in METRICS[task]:
            raise unknown("metric", metric, METRICS[task])
        return METRICS[task][name]
    if not callable(metric):
        raise TypeError(f"metric is {shown(metric)}, expected a name or a function")
    _check_arguments(metric)
    return partial(_of_owner, metric)


def _check_arguments(function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # of functions in C that do not say it
        return
    try:
        signature.bind(None, None, None)
    except TypeError:
        raise TypeError(
            f"metric is a function of {signature}, expected one of (truth, predictions, weights or None)"
        ) from None


def _of_owner(
    function: Callable[..., Any], truth: Array, predictions: Array, weights: Array | None = None
) -> float:
    """What a function of the estimator's owner returns; ValueError where no epoch is the best by it."""
    value = function(truth, predictions, weights)
    error = np.nan
    if np.ndim(value) == 0:
        with contextlib.suppress(TypeError, ValueError):
            error = float(value)
    if np.isnan(error):
        raise ValueError(f"metric returned {shown(value)}, expected a number, less of which is better")
    return error
