"""Keras 3: what its models of dense layers and fastmlp's networks have in common, both ways."""

from .reader import from_keras
from .writer import to_keras

__all__ = ["from_keras", "to_keras"]
