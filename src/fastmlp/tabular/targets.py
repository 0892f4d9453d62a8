"""What is learned, as the network sees it and back: classes as probabilities, numbers standardised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..spread import mean_and_deviation

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Classes:
    """Labels, each the number of its class; the network's output is a probability for each.

    Attributes
    ----------
    classes : ndarray, shape (classes,)
        Sorted labels.
    """

    classes: Array

    softmax: ClassVar[bool] = True
    loss: ClassVar[str] = "categorical_crossentropy"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def to_network(self, truth: Array, smoothing: float) -> Array:
        """float32 (rows, classes) of class numbers (rows,), part of each label spread over all classes."""
        share = smoothing / self.outputs
        its = np.arange(self.outputs) == truth[:, None]
        return np.where(its, 1 - smoothing + share, share).astype(np.float32)

    def from_network(self, outputs: Array) -> Array:
        """Probabilities (rows, classes), float64."""
        return outputs.astype(np.float64)


@dataclass(frozen=True)
class Numbers:
    """Real targets, standardised for the network; predictions do not leave the range of those learned from.

    Attributes
    ----------
    mean, spread, low, high : ndarray of float64, shape (targets,)
    """

    mean: Array
    spread: Array
    low: Array
    high: Array

    softmax: ClassVar[bool] = False
    loss: ClassVar[str] = "mse"

    @classmethod
    def learn(cls, truth: Array) -> Numbers:
        """From float64 of shape (rows, targets)."""
        mean, deviation = mean_and_deviation(truth)
        return cls(mean, deviation, truth.min(axis=0), truth.max(axis=0))

    @property
    def outputs(self) -> int:
        return len(self.mean)

    def to_network(self, truth: Array, smoothing: float) -> Array:
        """float32 (rows, targets); nothing is smoothed."""
        return ((truth - self.mean) / self.spread).astype(np.float32)

    def from_network(self, outputs: Array) -> Array:
        """Numbers as they were learned, float64 of shape (rows, targets)."""
        found = outputs.astype(np.float64)
        found *= self.spread
        found += self.mean
        np.maximum(found, self.low, out=found)
        return np.minimum(found, self.high, out=found)


Targets = Classes | Numbers
