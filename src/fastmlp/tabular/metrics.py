"""What held-out rows are measured by, as errors: less is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..errors import shown, unknown

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array, Array | None], float]

_TINY = 1e-12  # probabilities of the logarithm


def error(truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """The share of rows that are given another class.

    >>> error(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    0.5
    """
    return _mean(probabilities.argmax(axis=1) != truth, weights)


def log_loss(truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """The mean of -log of the probability that a row's class has."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return _mean(-np.log(np.maximum(chosen, _TINY)), weights)


def auc(truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """1 minus the area under the ROC curve, of more than two classes the mean of each against the rest."""
    present = np.unique(truth)
    if len(present) < 2:
        return 1.0
    chosen = [1] if probabilities.shape[1] == 2 else present.tolist()
    return 1 - float(np.mean([_area(truth == each, probabilities[:, each], weights) for each in chosen]))


def _area(positive: Array, score: Array, weights: Array | None) -> float:
    """The share of pairs of a positive and another row that are in order, ties half."""
    _, place = np.unique(score, return_inverse=True)
    given = np.ones(len(score)) if weights is None else weights
    up, down = (np.bincount(place, given * each, place.max() + 1) for each in (positive, ~positive))
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / (up.sum() * down.sum()))


def f1(truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """1 minus F1 of the second of two classes, or its mean over more classes."""
    said = probabilities.argmax(axis=1)
    given = np.ones(len(truth)) if weights is None else weights
    found = []
    for each in [1] if probabilities.shape[1] == 2 else np.unique(truth).tolist():
        both = given[(said == each) & (truth == each)].sum()
        either = given[said == each].sum() + given[truth == each].sum()
        found.append(2 * both / either if either else 0.0)
    return 1 - float(np.mean(found))


def balanced_accuracy(truth: Array, probabilities: Array, weights: Array | None = None) -> float:
    """1 minus the mean over the classes of the share of their rows that is found."""
    right = probabilities.argmax(axis=1) == truth
    given = np.ones(len(truth)) if weights is None else weights
    shares = [_mean(right[truth == each], given[truth == each]) for each in np.unique(truth)]
    return 1 - float(np.mean(shares))


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
    "classes": {each.__name__: each for each in (error, log_loss, auc, f1, balanced_accuracy)},
    "numbers": {each.__name__: each for each in (rmse, mae, r2)},
}
DEFAULTS = {"classes": "error", "numbers": "rmse"}


def resolve(metric: object, task: str) -> Metric:
    """A metric by name, or a function of truth, predictions and weights or None; None is the default."""
    if metric is None:
        return METRICS[task][DEFAULTS[task]]
    if isinstance(metric, str):
        if metric not in METRICS[task]:
            raise unknown("metric", metric, METRICS[task])
        return METRICS[task][metric]
    if not callable(metric):
        raise TypeError(f"metric is {shown(metric)}, expected a name or a function")
    return cast(Metric, metric)
