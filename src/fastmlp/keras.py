"""Keras 3 models to networks and back: `from_keras` and `to_keras`."""

from .adapters.keras import from_keras, to_keras

__all__ = ["from_keras", "to_keras"]
