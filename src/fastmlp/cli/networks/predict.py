"""``predict`` with a network: arrays, images, or tables of numbers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...labels import class_count
from ...network import Network
from ..output import write_csv, write_npy
from ..scores import by_value, of_numbers
from .data import load_inputs

Array = np.ndarray[Any, Any]


def run(options: argparse.Namespace, network: Network) -> int:
    """Load rows, predict, write."""
    X, y = load_inputs(options)
    if X.shape[1] != network.layer_sizes[0]:
        hint = "; --target leaves a column out" if X.shape[1] == network.layer_sizes[0] + 1 else ""
        raise ValueError(f"DATA has {X.shape[1]} columns, expected {network.layer_sizes[0]} as MODEL{hint}")
    outputs = network.predict(X, threads=options.threads)
    if options.output is not None and options.output.suffix == ".npy":
        write_npy(options.output, outputs)
    else:
        write_csv(options.output, _rows(network, outputs))
    if y is not None:
        print(_agreement(network, outputs, y), file=sys.stderr)
    return 0


def _output_activation(network: Network) -> str:
    return str(network.plan.layers[-1]["activation"])


def _is_binary(network: Network, outputs: Array) -> bool:
    return _output_activation(network) == "sigmoid" and outputs.shape[1] == 1


def _classes(network: Network, outputs: Array) -> list[Any]:
    """The predicted class of each row of a classifier."""
    codes = outputs[:, 0] > 0.5 if _is_binary(network, outputs) else outputs.argmax(axis=1)
    labels = range(class_count(outputs.shape[1])) if network.classes is None else network.classes.tolist()
    return [labels[code] for code in codes.tolist()]


def _second(network: Network) -> str:
    """The class that a single output is the probability of."""
    return "1" if network.classes is None else str(network.classes[1].item())


def _rows(network: Network, outputs: Array) -> Iterator[Sequence[str]]:
    """The head and the rows of the file that `predict` writes."""
    activation = _output_activation(network)
    if _is_binary(network, outputs):
        shares, heads = outputs[:, 0], ("class", f"probability of {_second(network)}")
    elif activation in ("softmax", "log_softmax"):
        shares, heads = outputs.max(axis=1), ("class", "probability")
        shares = np.exp(shares) if activation == "log_softmax" else shares
    else:
        yield [f"output {j}" for j in range(outputs.shape[1])]
        yield from ([f"{v:.9g}" for v in row] for row in outputs)
        return
    yield heads
    yield from zip(map(str, _classes(network, outputs)), map("{:.6f}".format, shares), strict=True)


def _agreement(network: Network, outputs: Array, y: Array) -> str:
    """How the predictions compare with targets that came with the rows."""
    if len(y) != len(outputs):
        raise ValueError(f"y has {len(y)} rows, expected {len(outputs)} as X has")
    if _output_activation(network) not in ("softmax", "log_softmax", "sigmoid"):
        return of_numbers(y.reshape(outputs.shape), outputs)
    if y.shape == outputs.shape and outputs.shape[1] > 1:
        right = np.mean((outputs > 0.5) == (y > 0.5))
    else:
        pairs = zip(_classes(network, outputs), y.ravel().tolist(), strict=True)
        right = np.mean([by_value(predicted) == by_value(expected) for predicted, expected in pairs])
    return f"accuracy {right:.2%} of {len(y)} rows"
