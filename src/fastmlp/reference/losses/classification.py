"""Losses whose targets are classes, each beside its gradient.

Those of softmax have (rows,) of class numbers or (rows, n_out) of probabilities for targets; those of several
independent outputs have (rows, n_out), 0 to 1, or for the hinges -1 or 1.
"""

from __future__ import annotations

import numpy as np

from ..functions import Array, log_softmax, sigmoid, softmax, softplus
from .base import Loss


def one_hot(y: Array, like: Array) -> Array:
    """Rows of 1 at the class and 0 elsewhere, shaped like the logits."""
    return (y[:, None] == np.arange(like.shape[-1])).astype(like.dtype)


def smoothed(y: Array, smoothing: float, classes: int) -> Array:
    """Each target less the share `smoothing`, which is dealt out evenly (Szegedy et al., arXiv:1512.00567).

    >>> smoothed(np.array([[0.0, 1.0]]), 0.2, 2)
    array([[0.1, 0.9]])
    """
    return y * (1 - smoothing) + smoothing / classes


def categorical_crossentropy(z: Array, y: Array, smoothing: float = 0.0) -> Array:
    """-sum(y * log(softmax(z))) (Bishop 2006, equation 4.108); y are one-hot rows or any probabilities.

    A target of 0 costs nothing, however unlikely the class: 0 * inf would be nan.

    >>> categorical_crossentropy(np.array([[0.0, 0.0]]), np.array([[0.5, 0.5]]))
    array([0.69314718])
    """
    y = smoothed(y, smoothing, z.shape[-1])
    return (y * np.where(y == 0, 0, -log_softmax(z))).sum(axis=-1)


def categorical_crossentropy_gradient(z: Array, y: Array, smoothing: float = 0.0) -> Array:
    """softmax(z) * sum(y) - y (Bishop 2006, equation 4.109); sum(y) is 1 but for rounding in y."""
    y = smoothed(y, smoothing, z.shape[-1])
    return softmax(z) * y.sum(axis=-1, keepdims=True) - y


def sparse_categorical_crossentropy(z: Array, y: Array, smoothing: float = 0.0) -> Array:
    """-log(softmax(z)[y]): how unlikely the row's class was; y (rows,) are class numbers.

    >>> sparse_categorical_crossentropy(np.array([[0.0, 0.0]]), np.array([1]))
    array([0.69314718])
    """
    return categorical_crossentropy(z, one_hot(y, z), smoothing)


def sparse_categorical_crossentropy_gradient(z: Array, y: Array, smoothing: float = 0.0) -> Array:
    """softmax(z) - [j == y]: the probabilities less the one-hot row."""
    return categorical_crossentropy_gradient(z, one_hot(y, z), smoothing)


def _binary_costs(z: Array, y: Array) -> Array:
    """-y log(p) - (1 - y) log(1 - p) with p = sigmoid(z), (rows, n_out).

    Here as max(z, 0) - z * y + log(1 + exp(-|z|)), so that the large terms cancel before the small one is
    added.
    """
    return np.maximum(z, 0) - z * y + softplus(-np.abs(z))


def binary_crossentropy(z: Array, y: Array, smoothing: float = 0.0) -> Array:
    """The mean of -y log(p) - (1 - y) log(1 - p) with p = sigmoid(z) (Bishop 2006, equation 4.90).

    >>> binary_crossentropy(np.array([[0.0]]), np.array([[1.0]]))
    array([0.69314718])
    """
    return _binary_costs(z, smoothed(y, smoothing, 2)).mean(axis=-1)


def binary_crossentropy_gradient(z: Array, y: Array, smoothing: float = 0.0) -> Array:
    """(sigmoid(z) - y) / n_out"""
    return (sigmoid(z) - smoothed(y, smoothing, 2)) / z.shape[-1]


# How much of a row is right: 1 or 0, or a share of its outputs.


def label_correct(z: Array, y: Array) -> Array:
    """1 where the first largest output is that of the class."""
    return (z.argmax(axis=-1) == y).astype(np.float64)


def row_correct(z: Array, y: Array) -> Array:
    """1 where the first largest output is that of the largest target."""
    return (z.argmax(axis=-1) == y.argmax(axis=-1)).astype(np.float64)


def outputs_correct(z: Array, y: Array) -> Array:
    """The share of outputs on their target's side."""
    return ((z > 0) == (y > 0.5)).mean(axis=-1, dtype=np.float64)


LOSSES: dict[str, Loss] = {
    "sparse_categorical_crossentropy": Loss(
        sparse_categorical_crossentropy, sparse_categorical_crossentropy_gradient,
        label_correct, "softmax", (0.0,), labels=True,
    ),
    "categorical_crossentropy": Loss(
        categorical_crossentropy, categorical_crossentropy_gradient, row_correct, "softmax", (0.0,)
    ),
    "binary_crossentropy": Loss(
        binary_crossentropy, binary_crossentropy_gradient, outputs_correct, "sigmoid", (0.0,)
    ),
}  # fmt: skip
