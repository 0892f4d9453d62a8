"""``evaluate`` with a network: the figures of a report on arrays, images, or tables of numbers."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ...errors import listed, shown
from ...network import Network
from ..report import Report, of_classes, of_numbers
from ..scores import by_value
from . import outputs as found
from .data import load_inputs

Array = np.ndarray[Any, Any]


def report(options: argparse.Namespace, network: Network, whose: str) -> Report:
    """Of the rows that DATA names; `whose` is what they are called as those that the baseline knows."""
    X, y = _compared(options, network)
    outputs = network.predict(X, threads=options.threads)
    if found.has_classes(network):
        names = np.array(found.labels(network))
        return of_classes(names, found.probabilities(network, outputs), y, y, whose)
    return of_numbers([f"output {j}" for j in range(outputs.shape[1])], outputs, y, y, whose)


def labelled(options: argparse.Namespace, network: Network) -> tuple[Array, Array]:
    """Rows, and their labels or numbers, as pictures take them."""
    X, y = _compared(options, network)
    return X, np.array(found.labels(network))[y] if found.has_classes(network) else y


def _compared(options: argparse.Namespace, network: Network) -> tuple[Array, Array]:
    """Rows, and the indices of their classes or numbers of the outputs' shape."""
    X, y = load_inputs(options)
    if y is None:
        raise ValueError("DATA has no targets, expected y beside X, or --target, the column that has them")
    if len(y) != len(X):
        raise ValueError(f"y has {len(y)} rows, expected {len(X)} as X has")
    found.check_columns(network, X)
    if found.has_classes(network):
        return X, _codes(found.labels(network), y)
    if found.activation(network) == "sigmoid" or network.heads:
        raise ValueError("MODEL predicts several things at once, expected one class a row, or numbers")
    shape = (len(X), network.layer_sizes[-1])
    if y.dtype.kind not in "biuf" or y.size != shape[0] * shape[1]:
        raise ValueError(f"y has shape {y.shape} and dtype {y.dtype}, expected numbers {shape}")
    return X, y.reshape(shape)


def _codes(names: list[Any], y: Array) -> Array:
    """The index of each row's class, which one-hot rows have too."""
    if y.ndim == 2 and y.shape[1] == len(names) > 1:
        return y.argmax(axis=1)
    places = {by_value(name): place for place, name in enumerate(names)}
    codes = [places.get(by_value(cell), -1) for cell in y.ravel().tolist()]
    if len(codes) != len(y) or -1 in codes:
        row = codes.index(-1) if -1 in codes else 0
        raise ValueError(
            f"y is {shown(y[row].tolist())} in row {row}, expected one of {listed(map(str, names))}"
        )
    return np.array(codes)
