"""Losses whose targets are classes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import validation
from ..descriptions import description
from .base import Array, Loss

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "Hinge",
    "KLDivergence",
    "SparseCategoricalCrossentropy",
    "SparseCategoricalFocalCrossentropy",
    "SquaredHinge",
]

SUM_TOLERANCE = 1e-3  # of one-hot and soft rows
_CROSS_ENTROPY = ("cross_entropy", "CrossEntropyLoss")


class _Labels(Loss):
    """Targets that are one class index a row."""

    classes: ClassVar[bool] = True
    independent: ClassVar[bool | None] = False
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
        expected = "whole class indices"
        wrong: Any = np.flatnonzero(array != np.floor(array)) if array.dtype.kind == "f" else ()
        if not len(wrong) and array.size and not validation.all_below(array, n_out):
            expected = f"classes 0 to {n_out - 1}"
            wrong = np.flatnonzero((array < 0) | (array >= n_out))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"{argument} contains {array[row]} at row {row}, expected {expected}")
        return validation.in_order(array, np.dtype(np.int64))

    def classes_of(self, targets: Array) -> Array:
        """The class indices as they are."""
        return targets


class _Shares(Loss):
    """Targets that are rows of probabilities, one a class."""

    classes: ClassVar[bool] = True
    independent: ClassVar[bool | None] = False
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
    independent: ClassVar[bool | None] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def classes_of(self, targets: Array) -> Array:
        """0 or 1, of a single output."""
        if targets.shape[1] > 1:
            return super().classes_of(targets)
        return np.asarray(targets[:, 0] > 0.5).astype(np.int64)


@description
class _Smoothed(Loss):
    """Losses whose targets may be smoothed."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _share(self.label_smoothing))


def _share(label_smoothing: float) -> float:
    return validation.real(label_smoothing, "label_smoothing", minimum=0.0, below=1.0)


@description
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
    aliases: ClassVar[tuple[str, ...]] = ("NLLLoss", "nll_loss")
    families: ClassVar[tuple[str, ...]] = _CROSS_ENTROPY
    formula: ClassVar[tuple[str, str]] = ("-log(softmax(z)[y])", "softmax(z) - onehot(y)")
    _twin: ClassVar[str] = "categorical_crossentropy"


@description
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
    families: ClassVar[tuple[str, ...]] = _CROSS_ENTROPY
    formula: ClassVar[tuple[str, str]] = ("-sum(y * log(softmax(z)))", "softmax(z) * sum(y) - y")
    _twin: ClassVar[str] = "sparse_categorical_crossentropy"


@description
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
    aliases: ClassVar[tuple[str, ...]] = (
        *("bce", "BCE", "BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss"),
        *("binary_cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"),
    )
    formula: ClassVar[tuple[str, str]] = (
        "mean(-y * log(sigmoid(z)) - (1 - y) * log(1 - sigmoid(z)))",
        "(sigmoid(z) - y) / n_out",
    )


@description
class _Focal(Loss):
    """Cross-entropies times (1 - p)^gamma, p the probability that the row's class has."""

    families: ClassVar[tuple[str, ...]] = ("focal",)
    gamma: float = 2.0
    alpha: float = 0.25
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", validation.real(self.gamma, "gamma", minimum=0.0))
        object.__setattr__(self, "alpha", self._check_alpha())
        object.__setattr__(self, "label_smoothing", _share(self.label_smoothing))

    def _check_alpha(self) -> float | None:
        return validation.real(self.alpha, "alpha", above=0.0)


@description
class SparseCategoricalFocalCrossentropy(_Labels, _Focal):
    """A cross-entropy that turns to the rows that are wrong (Lin et al., arXiv:1708.02002, equation 5).

    ``-alpha * (1 - p[y])**gamma * log(p[y])``, p = softmax(z); y has shape (rows,), whole numbers 0 to
    n_out - 1; the output is softmax or log_softmax. Keras' CategoricalFocalCrossentropy, of class indices.

    Parameters
    ----------
    gamma : float
        0 or more, how much less a row counts that is right already; 0 is the cross-entropy. 2 unless given.
    alpha : float
        Factor of the loss, above 0; 0.25 unless given, as in Keras.
    label_smoothing : float
        0 <= share < 1 of every target that is dealt out evenly over the classes; 0 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 2], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.SparseCategoricalFocalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [1])["loss"], 4)  # log(2) / 16
    0.0433
    """

    name: ClassVar[str] = "sparse_categorical_focal_crossentropy"
    _twin: ClassVar[str] = "categorical_focal_crossentropy"
    formula: ClassVar[tuple[str, str]] = (
        "-alpha * sum(y * (1 - p)**gamma * log(p)), p = softmax(z), y one-hot",
        "alpha * (h - p * sum(h)), h = y * (1 - p)**gamma * (gamma * p * log(p) / (1 - p) - 1)",
    )


@description
class CategoricalFocalCrossentropy(_Shares, _Focal):
    """A cross-entropy that turns to the rows that are wrong (Lin et al., arXiv:1708.02002, equation 5).

    ``-alpha * sum(y * (1 - p)**gamma * log(p))``, p = softmax(z); y has shape (rows, n_out), each row 0 or
    more and summing to 1; the output is softmax or log_softmax. As Keras has it.

    Parameters
    ----------
    gamma : float
        0 or more, how much less a row counts that is right already; 0 is the cross-entropy. 2 unless given.
    alpha : float
        Factor of the loss, above 0; 0.25 unless given, as in Keras.
    label_smoothing : float
        0 <= share < 1 of every target that is dealt out evenly over the classes; 0 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 2], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.CategoricalFocalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [[0, 1]])["loss"], 4)  # log(2) / 16
    0.0433
    """

    name: ClassVar[str] = "categorical_focal_crossentropy"
    _twin: ClassVar[str] = "sparse_categorical_focal_crossentropy"
    formula: ClassVar[tuple[str, str]] = (
        "-alpha * sum(y * (1 - p)**gamma * log(p)), p = softmax(z)",
        "alpha * (h - p * sum(h)), h = y * (1 - p)**gamma * (gamma * p * log(p) / (1 - p) - 1)",
    )


@description
class BinaryFocalCrossentropy(_Bits, _Focal):
    """A binary cross-entropy that turns to the outputs that are wrong (Lin et al., arXiv:1708.02002).

    ``mean(w * q**gamma * binary_crossentropy)``, equation 5, where q = y (1 - p) + (1 - y) p, p = sigmoid(z),
    is the probability of an error and w is 1, or with alpha y alpha + (1 - y) (1 - alpha). y has shape
    (rows, n_out), or (rows,) for one output, 0 to 1; the output is sigmoid. As Keras has it, alpha with
    apply_class_balancing.

    Parameters
    ----------
    gamma : float
        0 or more, how much less a row counts that is right already; 0 is the cross-entropy. 2 unless given.
    alpha : float or None
        0 < weight < 1 of yes, whose rest is that of no, or None, as it is unless given.
    label_smoothing : float
        0 <= share < 1 of every target that is dealt out evenly over yes and no; 0 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="sigmoid", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.BinaryFocalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [1])["loss"], 4)  # log(2) / 4
    0.1733
    """

    name: ClassVar[str] = "binary_focal_crossentropy"
    formula: ClassVar[tuple[str, str]] = (
        "mean(w * q**gamma * binary_crossentropy), q = y * (1 - p) + (1 - y) * p, p = sigmoid(z)",
        "w * q**gamma * (gamma * (1 - 2 * y) * p * (1 - p) / q * binary_crossentropy + p - y) / n_out",
    )
    alpha: float | None = None  # type: ignore[assignment]

    def _check_alpha(self) -> float | None:
        return None if self.alpha is None else validation.real(self.alpha, "alpha", above=0.0, below=1.0)

    @property
    def parameters(self) -> tuple[float, ...]:
        """gamma, the weights of yes and of no, label_smoothing"""
        weights = (1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)
        return self.gamma, *weights, self.label_smoothing


@description
class KLDivergence(_Shares):
    """How far the predicted probabilities are from those of y (Kullback and Leibler 1951).

    ``sum(y * log(y / softmax(z)))``, the cross-entropy less the entropy of y, with the same gradient; y has
    shape (rows, n_out), each row 0 or more and summing to 1; the output is softmax or log_softmax. As Keras
    has it, but that no logarithm is cut off; PyTorch's KLDivLoss(reduction="batchmean"). There is no
    label_smoothing: rows of any probabilities may come smoothed.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 2], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.KLDivergence(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [[0.0, 1.0]])["loss"], 4)  # log(2)
    0.6931
    """

    name: ClassVar[str] = "kl_divergence"
    aliases: ClassVar[tuple[str, ...]] = ("kullback_leibler_divergence", "kld", "KLD")
    formula: ClassVar[tuple[str, str]] = ("sum(y * log(y / softmax(z)))", "softmax(z) * sum(y) - y")


class _Signs(Loss):
    """Targets -1 and 1, or 0 and 1 for the same, one an output, whose sign is the class."""

    classes: ClassVar[bool] = True
    independent: ClassVar[bool | None] = True

    def _check_bounds(self, targets: Array, argument: str) -> None:
        no, negative = targets == 0, targets == -1
        wrong = ~((targets == 1) | no | negative)
        if wrong.any():
            self._refuse(targets, wrong, "-1 or 1, or 0 or 1", argument)
        if no.any() and negative.any():
            self._refuse(targets, no, "-1 or 1 beside a target of -1", argument)

    def shares(self, targets: Array, predictions: Array) -> tuple[Array, Array]:
        """1 of a target that is yes, else 0; (p + 1) / 2, which the least positive p leaves above 0.5."""
        halved = (predictions.astype(np.float64) + 1) / 2
        above = np.maximum(halved, np.nextafter(0.5, 1))
        return np.asarray(targets > 0, np.float64), np.where(predictions > 0, above, halved)

    def classes_of(self, targets: Array) -> Array:
        """0 or 1, of a single output."""
        if targets.shape[1] > 1:
            return super().classes_of(targets)
        return np.asarray(targets[:, 0] > 0).astype(np.int64)


@description
class Hinge(_Signs):
    """Asks for a margin: outputs beyond 1 on the right side cost nothing (Cortes and Vapnik 1995).

    ``mean(maximum(1 - y * p, 0))``; y has shape (rows, n_out), or (rows,) for one output, -1 or 1; 0 and 1
    are taken for them, as in Keras. A positive output is the answer 1. There is no label_smoothing: a
    target is a side, not a share.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.Hinge())
    >>> round(net.evaluate([[1.0, 2.0]], [-1])["loss"], 4)
    1.0
    """

    name: ClassVar[str] = "hinge"
    formula: ClassVar[tuple[str, str]] = (
        "mean(maximum(1 - y * p, 0))",
        "-y / n_out where 1 - y * p > 0, else 0",
    )


@description
class SquaredHinge(_Signs):
    """The square of the hinge loss, so that the gradient goes to 0 at the margin (Chang, Hsieh and Lin 2008).

    ``mean(maximum(1 - y * p, 0)**2)``; y has shape (rows, n_out), or (rows,) for one output, -1 or 1; 0 and 1
    are taken for them, as in Keras. A positive output is the answer 1. There is no label_smoothing: a
    target is a side, not a share.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.SquaredHinge())
    >>> round(net.evaluate([[1.0, 2.0]], [-1])["loss"], 4)
    1.0
    """

    name: ClassVar[str] = "squared_hinge"
    formula: ClassVar[tuple[str, str]] = (
        "mean(maximum(1 - y * p, 0)**2)",
        "-2 * y * maximum(1 - y * p, 0) / n_out",
    )
