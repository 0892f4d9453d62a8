"""Losses whose targets are classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import validation
from .base import Array, Loss

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
]

SUM_TOLERANCE = 1e-3  # of one-hot and soft rows


class _Labels(Loss):
    """Targets that are one class index a row."""

    classes: ClassVar[bool] = True
    _twin: ClassVar[str] = ""  # the loss of the same formula that takes one-hot rows

    def _checked(self, array: Array, n_out: int, dtype: np.dtype[Any], argument: str) -> Array:
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            rows = f"; one-hot rows go with {self._twin!r}"
            hint = rows if array.shape[1:] == (n_out,) else ""
            raise ValueError(
                f"{argument} has shape {array.shape}, expected ({len(array)},) class indices{hint}"
            )
        validation.check_finite(array, argument)
        expected, wrong = "whole class indices", np.empty(0, np.intp)
        if array.dtype.kind == "f":
            wrong = np.flatnonzero(array != np.floor(array))
        if not len(wrong):
            expected = f"classes 0 to {n_out - 1}"
            wrong = np.flatnonzero((array < 0) | (array >= n_out))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"{argument} contains {array[row]} at row {row}, expected {expected}")
        return np.require(array, np.int64, ("C", "A"))

    def classes_of(self, targets: Array) -> Array:
        """The class indices as they are."""
        return targets


class _Shares(Loss):
    """Targets that are rows of probabilities, one a class."""

    classes: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    _twin: ClassVar[str] = ""  # the loss of the same formula that takes class indices, if there is one

    def _hint(self, array: Array) -> str:
        labels = f"; class indices go with {self._twin!r}"
        return labels if array.ndim == 1 and self._twin else ""

    def _check_bounds(self, targets: Array, argument: str) -> None:
        super()._check_bounds(targets, argument)
        sums = targets.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"{argument} row {row} sums to {sums[row]:g}, expected rows that sum to 1")

    def classes_of(self, targets: Array) -> Array:
        """The largest of each row."""
        return np.asarray(targets.argmax(axis=1))


class _Bits(Loss):
    """Targets 0 to 1, one an output: no and yes."""

    classes: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def classes_of(self, targets: Array) -> Array:
        """0 or 1, of a single output."""
        if targets.shape[1] > 1:
            return super().classes_of(targets)
        return np.asarray(targets[:, 0] > 0.5).astype(np.int64)


@dataclass(frozen=True)
class _Smoothed(Loss):
    """Losses whose targets may be smoothed."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        share = validation.real(self.label_smoothing, "label_smoothing", minimum=0.0, below=1.0)
        object.__setattr__(self, "label_smoothing", share)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(_Labels, _Smoothed):
    """-log of the probability that a row's class has, of class indices (Bishop 2006, equation 4.108).

    ``-log(softmax(z)[y])``; y has shape (rows,), whole numbers 0 to n_out - 1; the output is softmax or
    log_softmax.

    Parameters
    ----------
    label_smoothing : float
        0 <= share < 1 of every target that is dealt out evenly over the classes (Szegedy et al.,
        arXiv:1512.00567), as in Keras and PyTorch; 0 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 3], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.SparseCategoricalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [2])["loss"], 4)  # log(3)
    1.0986
    """

    name: ClassVar[str] = "sparse_categorical_crossentropy"
    formula: ClassVar[tuple[str, str]] = ("-log(softmax(z)[y])", "softmax(z) - onehot(y)")
    _twin: ClassVar[str] = "categorical_crossentropy"


@dataclass(frozen=True)
class CategoricalCrossentropy(_Shares, _Smoothed):
    """The cross-entropy of one-hot rows, or of any probabilities (Bishop 2006, equation 4.108).

    ``-sum(y * log(softmax(z)))``; y has shape (rows, n_out), each row 0 or more and summing to 1; the output
    is softmax or log_softmax.

    Parameters
    ----------
    label_smoothing : float
        0 <= share < 1 of every target that is dealt out evenly over the classes (Szegedy et al.,
        arXiv:1512.00567), as in Keras and PyTorch; 0 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 2], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.CategoricalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [[0.25, 0.75]])["loss"], 4)  # log(2)
    0.6931
    """

    name: ClassVar[str] = "categorical_crossentropy"
    formula: ClassVar[tuple[str, str]] = ("-sum(y * log(softmax(z)))", "softmax(z) * sum(y) - y")
    _twin: ClassVar[str] = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class BinaryCrossentropy(_Bits, _Smoothed):
    """The cross-entropy of yes-or-no targets, each output for itself (Bishop 2006, equation 4.90).

    ``mean(-y * log(sigmoid(z)) - (1 - y) * log(1 - sigmoid(z)))``; y has shape (rows, n_out), or (rows,) for
    one output, 0 to 1; the output is sigmoid.

    Parameters
    ----------
    label_smoothing : float
        0 <= share < 1 of every target that is dealt out evenly over yes and no (Szegedy et al.,
        arXiv:1512.00567), as in Keras and PyTorch; 0 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="sigmoid", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.BinaryCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [1])["loss"], 4)  # log(2)
    0.6931
    """

    name: ClassVar[str] = "binary_crossentropy"
    aliases: ClassVar[tuple[str, ...]] = ("bce", "BCELoss", "BCEWithLogitsLoss")
    formula: ClassVar[tuple[str, str]] = (
        "mean(-y * log(sigmoid(z)) - (1 - y) * log(1 - sigmoid(z)))",
        "(sigmoid(z) - y) / n_out",
    )
