"""Metrics of classes, with the definitions of scikit-learn.

Class indices belong to one class a row, the strongest output.  For rows of targets the loss says whether
outputs are independent, each of them yes above 0.5; where it does not (`independent` is None), rows that sum
to 1 are of one class.  One output is yes above 0.5.
"""

from __future__ import annotations

import numpy as np

from .base import Array, Function, Measure, like, mean, ratio

THRESHOLD = 0.5


def _is_labels(y_true: Array, y_pred: Array) -> bool:
    """Whether there is one class index a row for several outputs."""
    return y_pred.shape[1] > 1 and y_true.size == len(y_pred)


def _classes(y_true: Array, y_pred: Array, independent: bool | None) -> Array | None:
    """The class index (rows,) of targets of one class a row; None of independent outputs."""
    if _is_labels(y_true, y_pred):
        return y_true.reshape(-1).astype(np.int64)
    y = like(y_true, y_pred)
    if y.shape[1] == 1:
        return (y[:, 0] > THRESHOLD).astype(np.int64)
    return None if _is_independent(y, independent) else y.argmax(axis=1)


def _is_independent(y: Array, independent: bool | None) -> bool:
    """Of targets (rows, outputs): as the loss says, else whether any row does not sum to 1."""
    return not np.allclose(y.sum(axis=1), 1) if independent is None else independent


def _one_class(y_true: Array, y_pred: Array, independent: bool | None, metric: str) -> Array:
    classes = _classes(y_true, y_pred, independent)
    if classes is None:
        raise ValueError(f"y has rows of several classes, expected one class a row for {metric!r}")
    return classes


def _decided(y_pred: Array) -> Array:
    """The class index (rows,) that predictions of one class a row say."""
    return y_pred.argmax(axis=1) if y_pred.shape[1] > 1 else (y_pred[:, 0] > THRESHOLD).astype(np.int64)


def _sum(chosen: Array, weights: Array | None) -> float:
    """How much the chosen rows (rows,) weigh together."""
    if weights is None:
        return float(np.count_nonzero(chosen))
    return float(np.sum(weights[chosen], dtype=np.float64))


def accuracy(y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None) -> float:
    """The share of right classes; of independent outputs, of right outputs."""
    classes = _classes(y_true, y_pred, independent)
    if classes is not None:
        return mean(_decided(y_pred) == classes, weights)
    return mean((y_pred > THRESHOLD) == (like(y_true, y_pred) > THRESHOLD), weights)


def balanced_accuracy(
    y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None
) -> float:
    """The mean over the classes that y has of the share of their rows that are right."""
    classes, right = _one_class(y_true, y_pred, independent, "balanced_accuracy"), _decided(y_pred)
    recalls = []
    for k in np.unique(classes):
        whole = _sum(classes == k, weights)
        if whole:
            recalls.append(_sum((classes == k) & (right == k), weights) / whole)
    return float(np.mean(recalls)) if recalls else np.nan


def top_k_accuracy(k: int) -> Function:
    """The share of rows whose class is among the k strongest outputs; of equals the last."""

    def function(
        y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None
    ) -> float:
        name = f"top_{k}_accuracy"
        classes = _one_class(y_true, y_pred, independent, name)
        if y_pred.shape[1] == 1:
            raise ValueError(f"the network has one output, expected one for each class for {name!r}")
        own = np.take_along_axis(y_pred, classes[:, None], axis=1)
        later = np.arange(y_pred.shape[1]) > classes[:, None]
        stronger = (y_pred > own) | ((y_pred == own) & later)
        return mean(stronger.sum(axis=1) < k, weights)

    return function


def _pairs(y_true: Array, y_pred: Array, independent: bool | None) -> list[tuple[Array, Array]]:
    """(whether it is so, whether it was said) (rows,) of every class that is scored.

    Of two classes, or one output, that is class 1; of more, every class that targets or predictions have; of
    independent outputs, each of them.
    """
    classes = _classes(y_true, y_pred, independent)
    if classes is None:
        y = like(y_true, y_pred) > THRESHOLD
        return [(y[:, k], y_pred[:, k] > THRESHOLD) for k in range(y.shape[1])]
    said = _decided(y_pred)
    scored = [1] if y_pred.shape[1] <= 2 else np.union1d(classes, said).tolist()
    return [(classes == k, said == k) for k in scored]


def precision(y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None) -> float:
    """Of what was said to be a class, the share that is; 0 where nothing was said to be."""
    return float(
        np.mean(
            [
                ratio(_sum(y & p, weights), _sum(p, weights), 0.0)
                for y, p in _pairs(y_true, y_pred, independent)
            ]
        )
    )


def recall(y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None) -> float:
    """Of what is a class, the share that was said to be; 0 where there is none."""
    return float(
        np.mean(
            [
                ratio(_sum(y & p, weights), _sum(y, weights), 0.0)
                for y, p in _pairs(y_true, y_pred, independent)
            ]
        )
    )


def f1(y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None) -> float:
    """2 / (1 / precision + 1 / recall), computed as 2 tp / (2 tp + fp + fn); 0 where all of them are 0."""
    scores = []
    for y, p in _pairs(y_true, y_pred, independent):
        scores.append(ratio(2 * _sum(y & p, weights), _sum(y, weights) + _sum(p, weights), 0.0))
    return float(np.mean(scores))


def auc(y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None) -> float:
    """The area under the ROC curve: how likely a row of the class has a stronger output than another row.

    Of two classes, of class 1; of more, the mean over the classes, each against the rest; of independent
    outputs, their mean.  Classes that all rows or none belong to are left out; NaN where none is left.
    """
    classes = _classes(y_true, y_pred, independent)
    n_out = y_pred.shape[1]
    if classes is None:
        truths = list((like(y_true, y_pred) > THRESHOLD).T)
    else:
        truths = [classes == k for k in (range(n_out) if n_out > 2 else [1])]
    areas = [_area(y, scores, weights) for y, scores in zip(truths, y_pred.T[-len(truths) :], strict=True)]
    found = [area for area in areas if not np.isnan(area)]
    return float(np.mean(found)) if found else np.nan


def _area(y: Array, scores: Array, weights: Array | None) -> float:
    """Mann and Whitney's statistic over the number of pairs; equal scores count half."""
    w = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    values, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, np.where(y, w, 0.0), len(values))
    negative = np.bincount(place, np.where(y, 0.0, w), len(values))
    below = np.cumsum(negative) - negative / 2
    return ratio(float(positive @ below), float(positive.sum() * negative.sum()))


def log_loss(y_true: Array, y_pred: Array, weights: Array | None, independent: bool | None = None) -> float:
    """Minus the mean logarithm of the probability of what is; all are kept off 0 and 1 by epsilon."""
    epsilon = np.finfo(y_pred.dtype).eps
    p = np.clip(y_pred, epsilon, 1 - epsilon).astype(np.float64)
    if _is_labels(y_true, y_pred):
        own = np.take_along_axis(p, y_true.reshape(-1, 1).astype(np.int64), axis=1)[:, 0]
        return mean(-np.log(own), weights)
    y = like(y_true, y_pred)
    if p.shape[1] > 1 and not _is_independent(y, independent):
        return mean(-(y * np.log(p)).sum(axis=1), weights)
    return mean(-y * np.log(p) - (1 - y) * np.log(1 - p), weights)


def _measure(name: str, function: Function, rises: bool, *aliases: str) -> Measure:
    return Measure(name, function, rises, aliases, classes=True)


def top_k_measure(name: str, k: int) -> Measure:
    """`top_k_accuracy` as a metric with a name."""
    return _measure(name, top_k_accuracy(k), True)


MEASURES = (
    _measure(
        "accuracy",
        accuracy,
        True,
        *("acc", "categorical_accuracy", "sparse_categorical_accuracy", "binary_accuracy", "Accuracy"),
        *("CategoricalAccuracy", "SparseCategoricalAccuracy", "BinaryAccuracy"),
    ),
    _measure("balanced_accuracy", balanced_accuracy, True),
    _measure("precision", precision, True, "Precision", "precision_macro"),
    _measure("recall", recall, True, "Recall", "recall_macro"),
    _measure("f1", f1, True, "f1_score", "F1Score", "f1_macro"),
    _measure("auc", auc, True, "AUC", "roc_auc", "roc_auc_ovr"),
    _measure("log_loss", log_loss, False),
)
