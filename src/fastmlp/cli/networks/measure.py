"""The figures of the held-out rows."""

from __future__ import annotations

import argparse

import numpy as np

from ...network import Network
from ..report import Report, of_classes, of_numbers
from .data import Data


def measured(options: argparse.Namespace, data: Data, network: Network) -> Report:
    """Of a network that was trained on the data's other rows."""
    outputs = network.predict(data.X_test, threads=options.threads)
    if data.classes is not None:
        return of_classes(np.array(data.classes), outputs, data.y_test, data.y)
    names = [f"output {j}" for j in range(outputs.shape[1])]
    return of_numbers(names, outputs, data.y_test, data.y)
