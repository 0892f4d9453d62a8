"""Losses whose targets are numbers, each beside its gradient."""

from __future__ import annotations

import numpy as np

from ..functions import Array, exp, softplus
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


def log_cosh(a: Array, y: Array) -> Array:
    """The mean of log(cosh(a - y)): half the square of small errors, the size of large ones less log(2).

    log(cosh(e)) is |e| + log(1 + exp(-2 |e|)) - log(2), or -log(1 - tanh(e)^2) / 2, which keeps small errors.

    >>> log_cosh(np.array([[1.0, 2.0]]), np.array([[1.0, -1000.0]])).round(4)
    array([500.6534])
    """
    e = np.abs(a - y)
    small = -0.5 * np.log1p(-(np.tanh(np.minimum(e, 1)) ** 2))
    return np.where(e < 0.5, small, e + softplus(-2 * e) - np.log(2)).mean(axis=-1).astype(a.dtype)


def log_cosh_gradient(a: Array, y: Array) -> Array:
    """tanh(a - y) / n_out"""
    return np.tanh(a - y) / a.shape[-1]


def _quantile_errors(a: Array, y: Array, levels: tuple[float, ...]) -> tuple[Array, Array]:
    """y - a (rows, n_out), and the level of each output; the outputs of the first level come first."""
    count = y.shape[-1]
    return np.tile(y, len(levels)) - a, np.repeat(np.asarray(levels, a.dtype), count)


def quantile(a: Array, y: Array, *levels: float) -> Array:
    """The mean over outputs of max(q e, (q - 1) e), e = y - a, for levels q (Koenker and Bassett 1978).

    The first outputs, one a target, are those of the first level.

    >>> quantile(np.array([[0.0, 3.0]]), np.array([[2.0]]), 0.25, 0.75)
    array([0.375])
    """
    e, q = _quantile_errors(a, y, levels)
    return np.maximum(q * e, (q - 1) * e).mean(axis=-1)


def quantile_gradient(a: Array, y: Array, *levels: float) -> Array:
    """1 - q where a > y, -q where a < y, over n_out; 0 where they are equal."""
    e, q = _quantile_errors(a, y, levels)
    return np.where(e < 0, 1 - q, np.where(e > 0, -q, 0)) / a.shape[-1]


def poisson_deviance(z: Array, y: Array) -> Array:
    """The mean of 2 (y log(y / p) - y + p), p = exp(z) (McCullagh and Nelder 1989, page 34).

    >>> poisson_deviance(np.array([[0.0]]), np.array([[1.0]]))
    array([0.])
    """
    log_y = np.log(np.where(y == 0, 1, y))
    return 2 * (np.where(y == 0, 0, y * (log_y - z)) + (exp(z) - y)).mean(axis=-1)


def poisson_deviance_gradient(z: Array, y: Array) -> Array:
    """2 (exp(z) - y) / n_out"""
    return 2 * (exp(z) - y) / z.shape[-1]


def gamma_deviance(z: Array, y: Array) -> Array:
    """The mean of 2 (log(p / y) + y / p - 1), p = exp(z) (McCullagh and Nelder 1989, page 34).

    y / p is y * exp(-z / 2)^2, as exp(-z) may be beyond the numbers where the product is not.

    >>> gamma_deviance(np.array([[0.0]]), np.array([[1.0]]))
    array([0.])
    """
    root = exp(-z / 2)
    return 2 * (y * root * root - 1 + (z - np.log(y))).mean(axis=-1)


def gamma_deviance_gradient(z: Array, y: Array) -> Array:
    """2 (1 - y exp(-z)) / n_out"""
    root = exp(-z / 2)
    return 2 * (1 - y * root * root) / z.shape[-1]


def tweedie_deviance(z: Array, y: Array, power: float = 1.5) -> Array:
    """The mean of 2 (y^b / (-a b) + y exp(-a z) / a + exp(b z) / b), a = power - 1, b = 2 - power.

    Jorgensen 1987, "Exponential dispersion models". Between Poisson's (power 1) and gamma's (power 2), for
    amounts that may be 0.

    >>> tweedie_deviance(np.array([[0.0]]), np.array([[1.0]]))
    array([0.])
    """
    a, b = power - 1, 2 - power
    root = np.where(y == 0, 0, exp(-a / 2 * z))
    return 2 * (exp(b * z) / b + y * root * root / a - y**b / (a * b)).mean(axis=-1)


def tweedie_deviance_gradient(z: Array, y: Array, power: float = 1.5) -> Array:
    """2 (exp((2 - power) z) - y exp((1 - power) z)) / n_out"""
    root = np.where(y == 0, 0, exp((1 - power) / 2 * z))
    return 2 * (exp((2 - power) * z) - y * root * root) / z.shape[-1]


def _directions(rows: Array) -> tuple[Array, Array]:
    """Rows over their length, and the length (rows, 1): 1 for rows of zeros, which stay so.

    The largest element is divided out first, so that no square is beyond the numbers.
    """
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    largest = np.where(largest == 0, 1, largest)
    norm = np.sqrt(((rows / largest) ** 2).sum(axis=-1, keepdims=True))
    norm = np.where(norm == 0, 1, norm)
    return rows / largest / norm, largest * norm


def cosine_similarity(a: Array, y: Array) -> Array:
    """-sum(y * a) / (|y| |a|), -1 for one direction and 1 for opposite ones; 0 where either is all zeros.

    >>> cosine_similarity(np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))
    array([-0.8])
    """
    return -(_directions(a)[0] * _directions(y)[0]).sum(axis=-1)


def cosine_similarity_gradient(a: Array, y: Array) -> Array:
    """(cosine * a / |a| - y / |y|) / |a|"""
    (p, length), (t, _) = _directions(a), _directions(y)
    none = (np.abs(a).max(axis=-1) == 0)[:, None]
    return np.where(none, 0, ((p * t).sum(axis=-1, keepdims=True) * p - t) / length)


def never_correct(a: Array, y: Array) -> Array:
    """0: the question makes no sense for numbers."""
    return np.zeros(len(a))


LOSSES: dict[str, Loss] = {
    "mse": Loss(mse, mse_gradient, never_correct, "any"),
    "mae": Loss(mae, mae_gradient, never_correct, "any"),
    "huber": Loss(huber, huber_gradient, never_correct, "any", (1.0,)),
    "poisson": Loss(poisson, poisson_gradient, never_correct, "exp"),
    "gaussian_nll": Loss(gaussian_nll, gaussian_nll_gradient, never_correct, "any", outputs=2),
    "log_cosh": Loss(log_cosh, log_cosh_gradient, never_correct, "any"),
    "quantile": Loss(quantile, quantile_gradient, never_correct, "any", (0.1, 0.5, 0.9), outputs=0),
    "poisson_deviance": Loss(poisson_deviance, poisson_deviance_gradient, never_correct, "exp"),
    "gamma_deviance": Loss(gamma_deviance, gamma_deviance_gradient, never_correct, "exp"),
    "tweedie_deviance": Loss(tweedie_deviance, tweedie_deviance_gradient, never_correct, "exp", (1.5,)),
    "cosine_similarity": Loss(cosine_similarity, cosine_similarity_gradient, never_correct, "any"),
}
