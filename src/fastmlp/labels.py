"""Targets as people have them: words, booleans, any whole numbers, as indices of classes and back.

Classes are one sorted array of labels: word, bool, int64 or float64; the place of a label is its index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import validation
from .errors import listed, shown

Array = np.ndarray[Any, Any]

SHOWN = 8  # classes that a message lists


def class_count(n_out: int) -> int:
    """How many classes a network of n_out outputs tells apart."""
    return max(n_out, 2)


def as_classes(value: object, n_out: int, argument: str = "classes") -> Array:
    """Labels of the classes, in the order of their indices; TypeError or ValueError if they are not."""
    labels = one_a_row(validation.words_or_numbers(value, argument))
    count = class_count(n_out)
    if labels is None or labels.shape != (count,):
        raise ValueError(f"{argument} is {shown(value)}, expected {count} labels")
    if labels.dtype.kind == "f":
        validation.check_finite(labels, argument)
    if len(np.unique(labels)) != count:
        raise ValueError(f"{argument} is {shown(value)}, expected {count} different labels")
    labels = np.array(labels.tolist())
    labels.flags.writeable = False
    return labels


def one_a_row(array: Array) -> Array | None:
    """(rows,) of an array (rows,) or (rows, 1); None of another shape."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array if array.ndim == 1 else None


def found_in(labels: Array, n_out: int, argument: str) -> Array | None:
    """The classes that labels make known; None where they are indices already, or cannot be told.

    ValueError where words are not as many as there are outputs.
    """
    count = class_count(n_out)
    if labels.dtype.kind == "b":
        return np.array([False, True]) if count == 2 else None
    if labels.dtype.kind != "U":
        whole = labels.dtype.kind != "f" or bool(np.all(labels == np.floor(labels)))
        if not len(labels) or not whole or (labels.min() >= 0 and labels.max() < count):
            return None
    found = np.unique(labels)
    if len(found) == count:
        return as_classes(found, n_out, argument)
    if labels.dtype.kind == "U":
        few = "; net.classes = [...] names those that no row has" if len(found) < count else ""
        raise ValueError(f"{argument} has {len(found)} classes, {_some(found)}, expected {count}{few}")
    return None


def indices(labels: Array, classes: Array, argument: str) -> Array:
    """The class index (rows,), int64, of every label; ValueError with the row of one that is no class."""
    order = np.argsort(classes)
    if (labels.dtype.kind == "U") != (classes.dtype.kind == "U"):
        place = np.zeros(len(labels), np.int64)
        known = np.zeros(len(labels), bool)
    else:
        place = np.minimum(np.searchsorted(classes[order], labels), len(classes) - 1)
        known = classes[order][place] == labels
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        label = labels[row].item()
        raise ValueError(f"{argument} contains {label!r} at row {row}, expected one of {_some(classes)}")
    return np.asarray(order[place], np.int64)


def _some(classes: Array) -> str:
    more = ", ..." if len(classes) > SHOWN else ""
    return listed(map(repr, classes[:SHOWN].tolist())) + more
