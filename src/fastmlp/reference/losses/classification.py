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


def kl_divergence(z: Array, y: Array) -> Array:
    """sum(y * log(y / softmax(z))) (Kullback and Leibler 1951): the cross-entropy less the entropy of y.

    >>> kl_divergence(np.array([[0.0, 0.0]]), np.array([[0.5, 0.5]]))
    array([0.])
    """
    log_y = np.log(np.where(y == 0, 1, y))
    return (y * np.where(y == 0, 0, log_y - log_softmax(z))).sum(axis=-1)


def kl_divergence_gradient(z: Array, y: Array) -> Array:
    """That of the cross-entropy."""
    return categorical_crossentropy_gradient(z, y)


def categorical_focal_crossentropy(
    z: Array, y: Array, gamma: float = 2.0, alpha: float = 0.25, smoothing: float = 0.0
) -> Array:
    """alpha * sum(y * (1 - p)^gamma * -log(p)), p = softmax(z) (Lin et al., arXiv:1708.02002, equation 5).

    >>> categorical_focal_crossentropy(np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]]), 2.0, 1.0)
    array([0.1732868])
    """
    y, log_p = smoothed(y, smoothing, z.shape[-1]), log_softmax(z)
    weight = y * (1 - np.exp(log_p)) ** gamma
    return alpha * (weight * np.where(weight == 0, 0, -log_p)).sum(axis=-1)


def categorical_focal_crossentropy_gradient(
    z: Array, y: Array, gamma: float = 2.0, alpha: float = 0.25, smoothing: float = 0.0
) -> Array:
    """alpha * (h - p * sum(h)), h = y * (1 - p)^gamma * (gamma * p * log(p) / (1 - p) - 1).

    h is p times the derivative with respect to p, and that of p[j] with respect to z[k] is
    p[j] * ([j == k] - p[k]).  log(p) / (1 - p) tends to -1 as p does to 1, and p * log(p) to 0 as p does.
    """
    y, log_p = smoothed(y, smoothing, z.shape[-1]), log_softmax(z)
    p = np.exp(log_p)
    rest = 1 - p
    ratio = np.where(rest == 0, -1, log_p / np.where(rest == 0, 1, rest))
    h = y * rest**gamma * (gamma * np.where(p == 0, 0, p * ratio) - 1)
    return alpha * (h - p * h.sum(axis=-1, keepdims=True))


def sparse_categorical_focal_crossentropy(
    z: Array, y: Array, gamma: float = 2.0, alpha: float = 0.25, smoothing: float = 0.0
) -> Array:
    """categorical_focal_crossentropy of class numbers y (rows,)."""
    return categorical_focal_crossentropy(z, one_hot(y, z), gamma, alpha, smoothing)


def sparse_categorical_focal_crossentropy_gradient(
    z: Array, y: Array, gamma: float = 2.0, alpha: float = 0.25, smoothing: float = 0.0
) -> Array:
    """That of the one-hot rows."""
    return categorical_focal_crossentropy_gradient(z, one_hot(y, z), gamma, alpha, smoothing)


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


def _errors(z: Array, y: Array) -> Array:
    """The probability of an error, y (1 - p) + (1 - y) p."""
    return y * sigmoid(-z) + (1 - y) * sigmoid(z)


def binary_focal_crossentropy(
    z: Array,
    y: Array,
    gamma: float = 2.0,
    positive: float = 1.0,
    negative: float = 1.0,
    smoothing: float = 0.0,
) -> Array:
    """The mean of w * q^gamma times the binary cross-entropy (Lin et al., arXiv:1708.02002, equation 5).

    q is the probability of an error, y (1 - p) + (1 - y) p with p = sigmoid(z), and w = y * positive +
    (1 - y) * negative.

    >>> binary_focal_crossentropy(np.array([[0.0]]), np.array([[1.0]]))
    array([0.1732868])
    """
    y = smoothed(y, smoothing, 2)
    weight = y * positive + (1 - y) * negative
    return (weight * _errors(z, y) ** gamma * _binary_costs(z, y)).mean(axis=-1)


def binary_focal_crossentropy_gradient(
    z: Array,
    y: Array,
    gamma: float = 2.0,
    positive: float = 1.0,
    negative: float = 1.0,
    smoothing: float = 0.0,
) -> Array:
    """w * q^gamma * (gamma * dq / q * cross-entropy + p - y) / n_out, where dq = (1 - 2 y) p (1 - p)."""
    y = smoothed(y, smoothing, 2)
    q, weight = _errors(z, y), y * positive + (1 - y) * negative
    dq = (1 - 2 * y) * sigmoid(z) * sigmoid(-z)
    relative = np.where(q == 0, 0, dq / np.where(q == 0, 1, q))
    slope = gamma * relative * _binary_costs(z, y) + sigmoid(z) - y
    return weight * q**gamma * slope / z.shape[-1]


def _signs(y: Array) -> Array:
    """-1 and 1, of targets that are so or 0 and 1; NaN of what is not finite."""
    return np.where(y > 0, 1, -1).astype(y.dtype) + 0 * y


def hinge(a: Array, y: Array) -> Array:
    """The mean of max(1 - y * a, 0), y -1 or 1; 0 counts as -1 (Cortes and Vapnik 1995).

    >>> hinge(np.array([[0.5, 2.0]]), np.array([[-1.0, 1.0]]))
    array([0.75])
    """
    return np.maximum(1 - _signs(y) * a, 0).mean(axis=-1)


def hinge_gradient(a: Array, y: Array) -> Array:
    """-y / n_out where 1 - y * a is above 0."""
    t = _signs(y)
    return np.where(1 - t * a > 0, -t, 0) / a.shape[-1]


def squared_hinge(a: Array, y: Array) -> Array:
    """The mean of max(1 - y * a, 0)^2, y -1 or 1; 0 counts as -1.

    >>> squared_hinge(np.array([[0.5, 2.0]]), np.array([[-1.0, 1.0]]))
    array([1.125])
    """
    return (np.maximum(1 - _signs(y) * a, 0) ** 2).mean(axis=-1)


def squared_hinge_gradient(a: Array, y: Array) -> Array:
    """-2 y max(1 - y * a, 0) / n_out"""
    t = _signs(y)
    return -2 * t * np.maximum(1 - t * a, 0) / a.shape[-1]


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
    "kl_divergence": Loss(kl_divergence, kl_divergence_gradient, row_correct, "softmax"),
    "sparse_categorical_focal_crossentropy": Loss(
        sparse_categorical_focal_crossentropy, sparse_categorical_focal_crossentropy_gradient,
        label_correct, "softmax", (2.0, 0.25, 0.0), labels=True,
    ),
    "categorical_focal_crossentropy": Loss(
        categorical_focal_crossentropy, categorical_focal_crossentropy_gradient,
        row_correct, "softmax", (2.0, 0.25, 0.0),
    ),
    "binary_focal_crossentropy": Loss(
        binary_focal_crossentropy, binary_focal_crossentropy_gradient,
        outputs_correct, "sigmoid", (2.0, 1.0, 1.0, 0.0),
    ),
    "hinge": Loss(hinge, hinge_gradient, outputs_correct, "any"),
    "squared_hinge": Loss(squared_hinge, squared_hinge_gradient, outputs_correct, "any"),
}  # fmt: skip
