"""Losses whose targets are numbers, each beside its gradient."""

from __future__ import annotations

import numpy as np

from ..functions import Array, exp
from .base import Loss


def mse(a: Array, y: Array) -> Array:
    """The mean of (a - y)^2.

    >>> mse(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([4.5])
    """
    return ((a - y) ** 2).mean(axis=-1)


def mse_gradient(a: Array, y: Array) -> Array:
    """2 (a - y) / n_out"""
    return 2 * (a - y) / a.shape[-1]


def mae(a: Array, y: Array) -> Array:
    """The mean of |a - y|.

    >>> mae(np.array([[1.0, 5.0]]), np.array([[1.0, 2.0]]))
    array([1.5])
    """
    return np.abs(a - y).mean(axis=-1)


def mae_gradient(a: Array, y: Array) -> Array:
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


def poisson(z: Array, y: Array) -> Array:
    """The mean of exp(z) - y * z: minus the log likelihood of counts y, but for log(y!).

    >>> poisson(np.array([[0.0]]), np.array([[3.0]]))
    array([1.])
    """
    return (exp(z) - y * z).mean(axis=-1)


def poisson_gradient(z: Array, y: Array) -> Array:
    """(exp(z) - y) / n_out"""
    return (exp(z) - y) / z.shape[-1]


def gaussian_nll(a: Array, y: Array) -> Array:
    """The mean over the targets of (s + (m - y)^2 / exp(s)) / 2, s = log(variance), for Gaussian noise.

    The first half of the outputs are the m, the second half the s (Nix and Weigend, "Estimating the mean and
    variance of the target probability distribution", 1994).  It is the negative log likelihood but for
    log(2 pi) / 2.

    >>> gaussian_nll(np.array([[3.0, 0.0]]), np.array([[1.0]]))
    array([2.])
    """
    m, s = np.split(a, 2, axis=-1)
    return (0.5 * (s + (m - y) ** 2 * exp(-s))).mean(axis=-1)


def gaussian_nll_gradient(a: Array, y: Array) -> Array:
    """(m - y) / exp(s) and (1 - (m - y)^2 / exp(s)) / 2, over the number of targets."""
    m, s = np.split(a, 2, axis=-1)
    scaled = (m - y) * exp(-s)
    return np.concatenate([scaled, 0.5 * (1 - (m - y) * scaled)], axis=-1) / y.shape[-1]


def never_correct(a: Array, y: Array) -> Array:
    """0: the question makes no sense for numbers."""
    return np.zeros(len(a))


LOSSES: dict[str, Loss] = {
    "mse": Loss(mse, mse_gradient, never_correct, "any"),
    "mae": Loss(mae, mae_gradient, never_correct, "any"),
    "huber": Loss(huber, huber_gradient, never_correct, "any", (1.0,)),
    "poisson": Loss(poisson, poisson_gradient, never_correct, "exp"),
    "gaussian_nll": Loss(gaussian_nll, gaussian_nll_gradient, never_correct, "any", outputs=2),
}
