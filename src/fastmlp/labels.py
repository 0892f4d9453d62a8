"""Targets as people have them: words, booleans, any whole numbers, as indices of classes and back.

Classes are one sorted array of labels: word, bool, int64 or float64; the place of a label is its index.  Of
heads they are a mapping of the names of those whose targets have labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import validation
from .errors import listed, shown, unknown

Array = np.ndarray[Any, Any]
Classes = Array | dict[str, Array]
Learn = Callable[[Array], Array]  # of labels those that all rows have

SHOWN = 8  # classes that a message lists
PROBABILITIES = ("softmax", "log_softmax", "sigmoid")  # activations whose outputs are, or their logarithms


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


def as_classes_of_heads(value: object, widths: Mapping[str, int]) -> dict[str, Array]:
    """Labels of the classes of some heads, whose widths are given by name."""
    if not isinstance(value, Mapping):
        raise TypeError(f"classes is {shown(value)}, expected a mapping of the heads {listed(widths)}")
    for name in value:
        if name not in widths:
            raise unknown("head in classes", name, widths)
    return {
        name: as_classes(value[name], widths[name], f"classes of head {name!r}")
        for name in widths
        if name in value
    }


def as_indices(
    y: object, n_out: int, argument: str, known: Array | None, learn: Learn | None
) -> tuple[Array, Array | None]:
    """Targets as indices and the classes whose labels they had, or as they are and None.

    `known` are the classes, where they are; `learn` makes them known of labels, where they are not.
    """
    array = validation.words_or_numbers(y, argument)
    own = one_a_row(array)
    if known is None and own is not None and learn is not None:
        known = found_in(learn(own), n_out, argument)
    if known is not None and own is not None:
        return indices(own, known, argument), known
    if array.dtype.kind == "U":
        raise TypeError(f"{argument} holds strings, expected numbers, or labels that net.classes has")
    return array, None


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
        few = "; net.classes may name those that no row has" if len(found) < count else ""
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


def strongest(predictions: Array, loss: Any, classes: Array | None) -> Array:
    """Of each row the class with the largest of several outputs, or whether the one says yes; as its label.

    >>> strongest(np.array([[0.2], [0.7]]), None, np.array(["no", "yes"]))
    array(['no', 'yes'], dtype='<U3')
    """
    if predictions.shape[-1] > 1:
        found = predictions.argmax(axis=-1)
    else:
        if loss is not None and loss.classes:
            _, predictions = loss.shares(predictions, predictions)
        found = np.asarray(predictions[..., 0] > 0.5).astype(np.int64)
    return np.asarray(found if classes is None else classes[found])


def probabilities(predictions: Array, activation: str) -> Array:
    """Of every class, or of every independent output; of a single one both of no and of yes.

    >>> probabilities(np.array([[0.25]]), "sigmoid")
    array([[0.75, 0.25]])
    """
    if activation == "log_softmax":
        return np.asarray(np.exp(predictions))
    if predictions.shape[-1] == 1:
        return np.concatenate([1 - predictions, predictions], axis=-1)
    return predictions


def _some(classes: Array) -> str:
    more = ", ..." if len(classes) > SHOWN else ""
    return listed(map(repr, classes[:SHOWN].tolist())) + more
