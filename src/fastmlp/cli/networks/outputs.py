"""What the outputs of a network mean: classes, probabilities or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...labels import class_count
from ...network import Network

Array = np.ndarray[Any, Any]


def check_columns(network: Network, X: Array) -> None:
    """ValueError if the rows have other columns than the network takes."""
    if X.shape[1] != network.layer_sizes[0]:
        hint = "; --target leaves a column out" if X.shape[1] == network.layer_sizes[0] + 1 else ""
        raise ValueError(f"DATA has {X.shape[1]} columns, expected {network.layer_sizes[0]} as MODEL{hint}")


def activation(network: Network) -> str:
    """Of the last layer."""
    return str(network.plan.layers[-1]["activation"])


def is_binary(network: Network) -> bool:
    """Whether the one output is the probability of the second of two classes."""
    return activation(network) == "sigmoid" and network.layer_sizes[-1] == 1


def has_classes(network: Network) -> bool:
    """Whether each row is given one class."""
    return activation(network) in ("softmax", "log_softmax") or is_binary(network)


def labels(network: Network) -> list[Any]:
    """Of the classes, in the order of their indices."""
    return (
        [*range(class_count(network.layer_sizes[-1]))]
        if network.classes is None
        else network.classes.tolist()
    )


def classes(network: Network, outputs: Array) -> list[Any]:
    """The predicted class of each row of a classifier."""
    codes = outputs[:, 0] > 0.5 if is_binary(network) else outputs.argmax(axis=1)
    names = labels(network)
    return [names[code] for code in codes.tolist()]


def probabilities(network: Network, outputs: Array) -> Array:
    """(rows, classes) of a network that has classes."""
    if is_binary(network):
        return np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
    return np.exp(outputs) if activation(network) == "log_softmax" else outputs
