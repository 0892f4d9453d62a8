"""``evaluate`` with a network: the figures of a report on arrays, images, or tables of numbers."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ...errors import listed, shown
from ...network import Network
from ..scores import by_value
from ..tables.report import Report, of_classes, of_numbers
from . import outputs as found
from .data import load_inputs

Array = np.ndarray[Any, Any]


def report(options: argparse.Namespace, network: Network, whose: str) -> Report:
    """Of the rows that --data names; `whose` is what they are called as those that the baseline knows."""
    X, y = load_inputs(options)
    if y is None:
        raise ValueError("DATA has no targets, expected y beside X, or --target, the column that has them")
    if len(y) != len(X):
        raise ValueError(f"y has {len(y)} rows, expected {len(X)} as X has")
    outputs = found.of_rows(options, network, X)
    if found.has_classes(network):
        names = found.labels(network)
        codes = _codes(names, y)
        return of_classes(np.array(names), found.probabilities(network, outputs), codes, codes, whose)
    if found.activation(network) == "sigmoid" or network.heads:
        raise ValueError("MODEL predicts several things at once, expected one class a row, or numbers")
    if y.dtype.kind not in "biuf" or y.size != outputs.size:
        raise ValueError(f"y has shape {y.shape} and dtype {y.dtype}, expected numbers {outputs.shape}")
    return of_numbers([f"output {j}" for j in range(outputs.shape[1])], outputs, y, y, whose)


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
