"""The network that ``train`` fits: built from the options, or the one that --resume names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from ... import optimizers
from ...errors import listed
from ...layers import Dense, Dropout
from ...network import Network, load
from ..options import LOSSES_OF_CLASSES, LOSSES_OF_NUMBERS
from .data import Data


def built(options: argparse.Namespace, data: Data) -> Network:
    """A compiled network for the data."""
    _check_loss(options, data)
    layers: list[Any] = [data.X.shape[1]]
    if data.first_layer is not None:
        layers.append(data.first_layer)
    for width in options.layers:
        layers.append(Dense(width, options.activation))
        if options.dropout > 0:
            layers.append(Dropout(options.dropout))
    if data.classes is not None:
        layers.append(Dense(len(data.classes), "softmax"))
    else:
        layers.append(Dense(data.y.shape[1], "identity"))
    network = Network(layers, dtype=options.dtype, seed=options.seed)
    kind = optimizers.OPTIMIZERS[options.optimizer]
    optimizer = kind() if options.learning_rate is None else kind(options.learning_rate)
    if data.classes is not None:
        network.compile(optimizer, loss=options.loss)
        network.classes = _labels(data.classes)
    else:
        network.compile(optimizer, loss=options.loss, metrics=["rmse"], standardize_targets=True)
    return network


def _check_loss(options: argparse.Namespace, data: Data) -> None:
    known = LOSSES_OF_NUMBERS if data.classes is None else LOSSES_OF_CLASSES
    if options.loss is not None and options.loss not in known:
        what = "numbers" if data.classes is None else "classes"
        raise ValueError(f"--loss is {options.loss!r}, expected for {what} one of {listed(known)}")


def _labels(names: Sequence[str]) -> Sequence[Any]:
    """Names of classes, as numbers where all of them are whole ones."""
    numbers = [int(name) if re.fullmatch("-?[0-9]{1,18}", name) else None for name in names]
    return numbers if [str(number) for number in numbers] == list(names) else names


def labelled(network: Network, y: Any) -> Any:
    """Targets as `fit` takes them: labels, of which the codes are the places."""
    return y if network.classes is None else network.classes[y]


def resumed(options: argparse.Namespace, data: Data) -> Network:
    """The network in a checkpoint; ValueError unless it fits the data and has epochs left."""
    network = load(options.resume)
    name = f"--resume names {str(options.resume)!r}"
    if not network.epochs_done:
        raise ValueError(f"{name}, a model without its optimizer, expected a file of --checkpoint")
    if network.seed != options.seed:
        raise ValueError(
            f"--seed is {options.seed} and {name}, of seed {network.seed}, expected --seed {network.seed}"
        )
    n_out = data.y.shape[1] if data.classes is None else len(data.classes)
    came, expected = (network.layer_sizes[0], network.layer_sizes[-1]), (data.X.shape[1], n_out)
    if came != expected:
        raise ValueError(
            f"{name}, of {came[0]} inputs and {came[1]} outputs, expected {expected} as the data"
        )
    known = None if network.classes is None else [str(each) for each in network.classes.tolist()]
    if known != (None if data.classes is None else list(data.classes)):
        raise ValueError(f"{name}, whose classes are {listed(known or ['none'])}, expected those of the data")
    if network.epochs_done >= options.epochs:
        raise ValueError(
            f"--epochs is {options.epochs} and {name}, which has done {network.epochs_done}: expected more"
        )
    return network
