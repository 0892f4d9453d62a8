"""Metrics: the numbers beside the loss that say how well a network does.

`Network.compile` takes them by name, ``metrics=["accuracy", "auc", "top_5_accuracy"]``, or as functions of
``(y_true, y_pred)``, which get ``sample_weight=`` too if they have such an argument, as scikit-learn's have.
Those with a name are weighted means where rows have weights, equal to scikit-learn's to rounding:

=================== ============================================================================
accuracy            the share of right classes; of several independent outputs, of right outputs
balanced_accuracy   the mean of the classes' recalls
top_5_accuracy      the share of rows whose class is among the strongest 5, or as many as the name says
precision recall f1 of class 1 of two; of more classes the mean over them
auc                 area under the ROC curve; of more than two classes the mean of each against the rest
log_loss            minus the mean logarithm of the right class's probability
mae mse rmse r2     of numbers; of class indices as one-hot rows
coverage            the share of targets between the least and the largest of their predicted quantiles
=================== ============================================================================

>>> from fastmlp import Network
>>> net = Network([4, 8, 3], output="softmax", seed=0)
>>> net.compile("adam", metrics=["accuracy", "auc"])
>>> list(net.evaluate([[0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]], [0, 2]))
['loss', 'accuracy', 'auc']
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..errors import listed, origin, unknown
from ..validation import as_list
from . import classification, regression
from .base import Array, Measure

Metric = str | Callable[..., float]

MEASURES: dict[str, Measure] = {
    measure.name: measure for measure in (*classification.MEASURES, *regression.MEASURES)
}
_NAMES = {name: measure for measure in MEASURES.values() for name in (measure.name, *measure.aliases)}
_TOP_K = re.compile(r"top_([1-9][0-9]{0,8})_accuracy")
_KNOWN = [*MEASURES, "top_5_accuracy"]


def measure_of(name: object) -> Measure | None:
    """What is known of a metric by its name or another package's, or of no metric.

    >>> measure_of("roc_auc").name
    'auc'
    """
    return _named(name) if isinstance(name, str) else None


@functools.lru_cache  # asked for in every call that measures
def _named(name: str) -> Measure | None:
    if name in ("top_k_categorical_accuracy", "TopKCategoricalAccuracy"):
        name = "top_5_accuracy"
    found = _TOP_K.fullmatch(name)
    if found:
        return classification.top_k_measure(name, int(found[1]))
    return _NAMES.get(name)


def check_metrics(
    metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]],
    heads: Iterable[str] = (),
    argument: str = "metrics",
) -> list[Metric]:
    """The metrics as a list; ValueError for a name that is not known or comes twice.

    With `heads` of an output "kind_accuracy" is the accuracy of the head "kind", which a mapping
    ``{"kind": ["accuracy"]}`` says too.

    >>> check_metrics({"kind": ["accuracy"]}, ["price", "kind"])
    ['kind_accuracy']
    """
    heads = list(heads)
    given = _of_heads(metrics, heads, argument) if heads and isinstance(metrics, Mapping) else metrics
    checked = as_list(given, argument, "a list of names and functions")
    names = ["loss", *(f"{head}_loss" for head in heads)]
    for metric in checked:
        head, bare = of_head(metric, heads)
        measure = measure_of(bare)
        if measure is None and not callable(metric):
            raise unknown("metric", metric, _KNOWN, _NAMES)
        _refuse_foreign(metric, argument)
        if isinstance(metric, type):
            raise TypeError(f"{argument} has the class {metric.__name__}, expected a name or a function")
        if measure is not None and heads and head is None:
            expected = f"expected a head's, such as '{heads[0]}_{metric}'"
            raise ValueError(f"{argument} has {metric!r}, {expected}, as the output has heads")
        name = name_of(cast(Metric, metric)) if measure is None or head else measure.name
        if name in names:
            raise ValueError(f"{argument} has {name!r} twice, expected different names beside 'loss'")
        names.append(name)
    return checked


def _refuse_foreign(metric: object, argument: str) -> None:
    """TypeError for a metric of Keras or torchmetrics: objects of theirs add up what they were ever given."""
    package, name = origin(metric)
    if package in ("keras", "torchmetrics"):
        known = f"its name {name!r}" if measure_of(name) else f"one of {listed(_KNOWN)}"
        raise TypeError(f"{argument} has {name} of {package}, expected {known} or a function")


def of_head(metric: Metric, heads: Iterable[str]) -> tuple[str | None, Metric]:
    """The head whose name stands before a metric's, the longest that does, and the metric's own name.

    >>> of_head("a_b_accuracy", ["a", "a_b"]), of_head("accuracy", ["a", "a_b"])
    (('a_b', 'accuracy'), (None, 'accuracy'))
    """
    if not isinstance(metric, str):
        return None, metric
    head = max((head for head in heads if metric.startswith(f"{head}_")), key=len, default=None)
    return head, metric if head is None else metric.removeprefix(f"{head}_")


def _of_heads(metrics: Mapping[Any, Iterable[Metric]], heads: list[str], argument: str) -> list[Metric]:
    found: list[Metric] = []
    for head, own in metrics.items():
        if head not in heads:
            raise unknown(f"head in {argument}", head, heads)
        what = f"{argument} of head {head!r}"
        for metric in [own] if isinstance(own, str) else as_list(own, what, "a list"):
            if not isinstance(metric, str):
                raise TypeError(f"{what} has {metric!r}, expected names")
            found.append(f"{head}_{metric}")
    return found


def name_of(metric: Metric) -> str:
    """The name that History lists a metric under: as it was given."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def takes_weights(metric: Metric) -> bool:
    """Whether rows' weights enter a metric: any with a name, and a function with that argument."""
    if isinstance(metric, str):
        return True
    import inspect

    try:
        return "sample_weight" in inspect.signature(metric).parameters
    except (TypeError, ValueError):  # of C, without a signature
        return False


def value_of(
    metric: Metric,
    y_true: Array,
    y_pred: Array,
    weights: Array | None = None,
    independent: bool | None = None,
) -> float:
    """The metric of predictions (rows, n_out), with weights of the rows or without.

    `independent` is whether several outputs are classes that do not exclude each other; None follows from
    the targets.

    >>> import numpy as np
    >>> value_of("accuracy", np.array([0, 1]), np.array([[0.7, 0.3], [0.6, 0.4]]), np.array([3.0, 1.0]))
    0.75
    """
    measure = measure_of(metric)
    value: Any
    if measure is not None:
        options = (independent,) if measure.classes else ()
        value = measure.function(y_true, y_pred, weights, *options)
    elif not callable(metric):
        raise unknown("metric", metric, _KNOWN, _NAMES)
    elif weights is not None and takes_weights(metric):
        value = metric(y_true, y_pred, sample_weight=weights)
    else:
        value = metric(y_true, y_pred)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        kind = type(value).__name__
        raise TypeError(f"metric {name_of(metric)!r} returned a {kind}, expected a number") from None
