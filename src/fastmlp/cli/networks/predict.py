"""``predict`` with a network: arrays, images, or tables of numbers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...network import Network
from ..output import tell, write_csv, write_npy
from ..scores import Agreement, by_value, of_classes, of_numbers
from . import outputs as found
from .data import load_inputs

Array = np.ndarray[Any, Any]


def run(options: argparse.Namespace, network: Network) -> int:
    """Load rows, predict, write."""
    X, y = load_inputs(options)
    found.check_columns(network, X)
    outputs = network.predict(X, threads=options.threads)
    if options.output is not None and options.output.suffix == ".npy":
        write_npy(options.output, outputs)
    else:
        write_csv(options.output, _rows(network, outputs))
    options.found.update(rows=len(outputs), output=options.output)
    if y is not None:
        tell(options, _agreement(network, outputs, y))
    return 0


def _rows(network: Network, outputs: Array) -> Iterator[Sequence[str]]:
    """The head and the rows of the file that `predict` writes."""
    if not found.has_classes(network):
        yield [f"output {j}" for j in range(outputs.shape[1])]
        yield from ([f"{v:.9g}" for v in row] for row in outputs)
        return
    if found.is_binary(network):
        shares, head = outputs[:, 0], f"probability of {found.labels(network)[1]}"
    else:
        shares, head = found.probabilities(network, outputs).max(axis=1), "probability"
    yield "class", head
    yield from zip(map(str, found.classes(network, outputs)), map("{:.6f}".format, shares), strict=True)


def _agreement(network: Network, outputs: Array, y: Array) -> Agreement:
    """How the predictions compare with targets that came with the rows."""
    if len(y) != len(outputs):
        raise ValueError(f"y has {len(y)} rows, expected {len(outputs)} as X has")
    if not found.has_classes(network) and found.activation(network) != "sigmoid":
        return of_numbers(y.reshape(outputs.shape), outputs)
    if y.shape == outputs.shape and outputs.shape[1] > 1:
        right = (outputs > 0.5) == (y > 0.5)
    else:
        pairs = zip(found.classes(network, outputs), y.ravel().tolist(), strict=True)
        right = [by_value(predicted) == by_value(expected) for predicted, expected in pairs]
    return of_classes(right, len(y))
