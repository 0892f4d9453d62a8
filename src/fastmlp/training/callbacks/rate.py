"""The learning rate of a network in training, as callbacks read and set it."""

from __future__ import annotations

from ...model import Model


def constant_rate(network: Model, reader: str) -> float:
    """The optimizer's learning rate; ValueError where it is a schedule, which `reader` would undo."""
    optimizer = network.optimizer
    if optimizer is None or not isinstance(optimizer.learning_rate, float):
        raise ValueError(f"learning_rate is a schedule, {reader} expects a number")
    return optimizer.learning_rate
