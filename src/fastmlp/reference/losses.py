"""Losses: what a prediction costs, beside the gradient of that cost.

A loss compares a batch of outputs with targets y and gives one value a row, and the gradient of that value
with respect to what it was given.  Those with a *link* are given logits z, the outputs before softmax,
sigmoid or exp: loss and link together are shorter, and stable where the two apart would take the log of 0.
The others are given the prediction a.  Values and names are Keras' (a mean over the outputs, not a sum).

Shapes: z and a are (rows, n_out), y is (rows, targets), mostly one for each output, but (rows,) of classes
for the sparse loss; values are (rows,).
All take the loss's parameter last; those that have none name it `_`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .functions import Array, exp, log_softmax, sigmoid, softmax, softplus


def sparse_categorical_crossentropy(z: Array, y: Array, _: float = 0.0) -> Array:
    """-log(softmax(z)[y]): how unlikely the row's class was; y (rows,) are class numbers.

    >>> sparse_categorical_crossentropy(np.array([[0.0, 0.0]]), np.array([1]))
    array([0.69314718])
    """
    return -log_softmax(z)[np.arange(len(z)), y]


def sparse_categorical_crossentropy_gradient(z: Array, y: Array, _: float = 0.0) -> Array:
    """softmax(z) - [j == y]: the probabilities less the one-hot row (Bishop 2006, equation 4.109)."""
    dz = softmax(z)
    dz[np.arange(len(z)), y] -= 1
    return dz


def categorical_crossentropy(z: Array, y: Array, _: float = 0.0) -> Array:
    """-sum(y * log(softmax(z))); y are one-hot rows or any probabilities.

    A target of 0 costs nothing, however unlikely the class: 0 * inf would be nan.

    >>> categorical_crossentropy(np.array([[0.0, 0.0]]), np.array([[0.5, 0.5]]))
    array([0.69314718])
    """
    return (y * np.where(y == 0, 0, -log_softmax(z))).sum(axis=-1)


def categorical_crossentropy_gradient(z: Array, y: Array, _: float = 0.0) -> Array:
    """softmax(z) * sum(y) - y; sum(y) is 1 but for rounding in y."""
    return softmax(z) * y.sum(axis=-1, keepdims=True) - y


def binary_crossentropy(z: Array, y: Array, _: float = 0.0) -> Array:
    """The mean of -y log(p) - (1 - y) log(1 - p) with p = sigmoid(z), as softplus(z) - z * y.

    Here as max(z, 0) - z * y + log(1 + exp(-|z|)), so that the large terms cancel before the small one
    is added.

    >>> binary_crossentropy(np.array([[0.0]]), np.array([[1.0]]))
    array([0.69314718])
    """
    return (np.maximum(z, 0) - z * y + softplus(-np.abs(z))).mean(axis=-1)


def binary_crossentropy_gradient(z: Array, y: Array, _: float = 0.0) -> Array:
    """(sigmoid(z) - y) / n_out"""
    return (sigmoid(z) - y) / z.shape[-1]


def mse(a: Array, y: Array, _: float = 0.0) -> Array:
    """The mean of (a - y)^2.

    >>> mse(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([4.5])
    """
    return ((a - y) ** 2).mean(axis=-1)


def mse_gradient(a: Array, y: Array, _: float = 0.0) -> Array:
    """2 (a - y) / n_out"""
    return 2 * (a - y) / a.shape[-1]


def mae(a: Array, y: Array, _: float = 0.0) -> Array:
    """The mean of |a - y|.

    >>> mae(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([1.5])
    """
    return np.abs(a - y).mean(axis=-1)


def mae_gradient(a: Array, y: Array, _: float = 0.0) -> Array:
    """sign(a - y) / n_out, 0 where they are equal."""
    return np.sign(a - y) / a.shape[-1]


def huber(a: Array, y: Array, delta: float = 1.0) -> Array:
    """The mean of e^2 / 2 where |e| = |a - y| <= delta, else delta * (|e| - delta / 2) (Huber 1964).

    >>> huber(np.array([[1.5, 5.0]]), np.array([[1.0, 2.0]]))
    array([1.3125])
    """
    e = np.abs(a - y)
    return np.where(e <= delta, e * e / 2, delta * (e - delta / 2)).mean(axis=-1)


def huber_gradient(a: Array, y: Array, delta: float = 1.0) -> Array:
    """(a - y) / n_out, cut off at -delta and delta before the division."""
    return np.clip(a - y, -delta, delta) / a.shape[-1]


def poisson(z: Array, y: Array, _: float = 0.0) -> Array:
    """The mean of exp(z) - y * z: minus the log likelihood of counts y, but for log(y!).

    >>> poisson(np.array([[0.0]]), np.array([[3.0]]))
    array([1.])
    """
    return (exp(z) - y * z).mean(axis=-1)


def poisson_gradient(z: Array, y: Array, _: float = 0.0) -> Array:
    """(exp(z) - y) / n_out"""
    return (exp(z) - y) / z.shape[-1]


# How much of a row was right: 1 or 0, or a share of its outputs.


def gaussian_nll(a: Array, y: Array, _: float = 0.0) -> Array:
    """The mean over the targets of (s + (m - y)^2 / exp(s)) / 2, s = log(variance), for Gaussian noise.

    The first half of the outputs are the m, the second half the s (Nix and Weigend, "Estimating the mean and
    variance of the target probability distribution", 1994).  It is the negative log likelihood but for
    log(2 pi) / 2.

    >>> gaussian_nll(np.array([[3.0, 0.0]]), np.array([[1.0]]))
    array([2.])
    """
    m, s = np.split(a, 2, axis=-1)
    return (0.5 * (s + (m - y) ** 2 * exp(-s))).mean(axis=-1)


def gaussian_nll_gradient(a: Array, y: Array, _: float = 0.0) -> Array:
    """(m - y) / exp(s) and (1 - (m - y)^2 / exp(s)) / 2, over the number of targets."""
    m, s = np.split(a, 2, axis=-1)
    scaled = (m - y) * exp(-s)
    return np.concatenate([scaled, 0.5 * (1 - (m - y) * scaled)], axis=-1) / y.shape[-1]


def _label_correct(z: Array, y: Array) -> Array:
    return (z.argmax(axis=-1) == y).astype(np.float64)


def _row_correct(z: Array, y: Array) -> Array:
    return (z.argmax(axis=-1) == y.argmax(axis=-1)).astype(np.float64)


def _outputs_correct(z: Array, y: Array) -> Array:
    return ((z > 0) == (y > 0.5)).mean(axis=-1, dtype=np.float64)


def _never_correct(z: Array, y: Array) -> Array:
    return np.zeros(len(z))


class Loss(NamedTuple):
    """One loss.

    Attributes
    ----------
    value, gradient : callable
        ``value(p, y, parameter)`` (rows,) and its gradient with respect to p (rows, n_out): p is the
        logits z where there is a link, else the prediction a.
    correct : callable
        ``correct(p, y)`` (rows,): how much of each row is right; 0 where the question makes no sense.
    link : {"softmax", "sigmoid", "exp", "any"}
        The output activation the loss is fused with.
    parameter : float
        The parameter's default; 0 for losses that have none.
    outputs : int
        Of the network for each target.
    """

    value: Callable[..., Array]
    gradient: Callable[..., Array]
    correct: Callable[[Array, Array], Array]
    link: str
    parameter: float
    outputs: int = 1


LOSSES: dict[str, Loss] = {
    "sparse_categorical_crossentropy": Loss(
        sparse_categorical_crossentropy,
        sparse_categorical_crossentropy_gradient,
        _label_correct,
        "softmax",
        0.0,
    ),
    "categorical_crossentropy": Loss(
        categorical_crossentropy, categorical_crossentropy_gradient, _row_correct, "softmax", 0.0
    ),
    "binary_crossentropy": Loss(
        binary_crossentropy, binary_crossentropy_gradient, _outputs_correct, "sigmoid", 0.0
    ),
    "mse": Loss(mse, mse_gradient, _never_correct, "any", 0.0),
    "mae": Loss(mae, mae_gradient, _never_correct, "any", 0.0),
    "huber": Loss(huber, huber_gradient, _never_correct, "any", 1.0),
    "poisson": Loss(poisson, poisson_gradient, _never_correct, "exp", 0.0),
    "gaussian_nll": Loss(gaussian_nll, gaussian_nll_gradient, _never_correct, "any", 0.0, outputs=2),
}

# The output activations each link stands for.  The logits of log_softmax are those of softmax.
LINKS: dict[str, tuple[str, ...]] = {
    "softmax": ("softmax", "log_softmax"),
    "sigmoid": ("sigmoid",),
    "exp": ("exp",),
}


def loss_gradient(
    name: str, parameter: float, p: Array, y: Array, sample_weight: Array | None = None
) -> tuple[Array, Array, Array]:
    """What the named loss says of a batch.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    parameter : float
        The loss's parameter; ignored by those that have none.
    p : ndarray of shape (rows, n_out)
        The logits where the loss has a link, else the predictions.
    y : ndarray
        The targets: (rows,) classes for the sparse loss, else (rows, n_out).
    sample_weight : ndarray of shape (rows,), optional
        Multiplies each row's value and gradient.

    Returns
    -------
    row_losses : ndarray of shape (rows,)
        weight * value; the batch's loss is their sum over the number of rows.
    dp : ndarray of shape (rows, n_out)
        The gradient of the batch's loss with respect to p.
    correct : ndarray of shape (rows,)
        How much of each row is right, without weights.

    Examples
    --------
    >>> row_losses, da, _ = loss_gradient("mse", 0.0, np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    >>> row_losses, da.ravel()
    (array([0., 4.]), array([ 0., -2.]))
    """
    loss = LOSSES[name]
    weight = np.ones(len(p), p.dtype) if sample_weight is None else sample_weight.astype(p.dtype)
    row_losses = weight * loss.value(p, y, parameter)
    dp = (weight / len(p))[:, None] * loss.gradient(p, y, parameter)
    return row_losses, dp, loss.correct(p, y)
