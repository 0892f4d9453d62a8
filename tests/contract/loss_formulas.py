"""Textbook formulas of losses in extended precision, apart from the twin's."""

import numpy as np

from fastmlp import reference
from fastmlp.registry import LABEL_LOSSES


def log_softmax(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def one_hot(y, n):
    return np.eye(n, dtype=np.longdouble)[y]


def _smoothed(y, share, classes):
    return y * (1 - np.longdouble(share)) + np.longdouble(share) / classes


def _of_classes(z, y, share=0.0):
    y, logs = _smoothed(y, share, z.shape[1]), log_softmax(z)
    gradient = np.exp(logs) * y.sum(axis=1, keepdims=True) - y
    sizes = 1 + np.where(y == 0, 0, y * (1 - logs)).sum(axis=1), np.exp(logs) * (1 - logs) + y
    return np.where(y == 0, 0, -y * logs).sum(axis=1), gradient, *sizes


def _divergence(z, y):
    value, gradient, *sizes = _of_classes(z, y)
    entropy = -np.where(y == 0, 0, y * np.log(np.where(y == 0, 1, y))).sum(axis=1)
    return value - entropy, gradient, *sizes


def _focal(z, y, gamma, alpha, share):
    y, p = _smoothed(y, share, z.shape[1]), np.exp(log_softmax(z))
    f = lambda p: -alpha * (1 - p) ** gamma * np.log(p)  # noqa: E731
    slope = alpha * (gamma * (1 - p) ** (gamma - 1) * np.log(p) - (1 - p) ** gamma / p)
    jacobian = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])  # (rows, of p, by z)
    gradient = np.einsum("rj,rjk->rk", y * slope, jacobian)
    of_targets = alpha * (1 + gamma) ** 2 * y * ((1 - p) ** gamma + (1 - p) ** (gamma - 1)) * (1 - np.log(p))
    of_sum = p * (1 - np.log(p)) * of_targets.sum(axis=1, keepdims=True)
    return (y * f(p)).sum(axis=1), gradient, of_targets.sum(axis=1), of_targets + of_sum


def _binary(z, y, share=0.0):  # -y log(s) - (1 - y) log(1 - s), where log(s) = -log(1 + exp(-z))
    y, s = _smoothed(y, share, 2), 1 / (1 + np.exp(-z))
    value = y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
    return value, s - y, np.maximum(z, 0) + np.abs(z * y) + 1, s + y


def _binary_focal(z, y, gamma, positive, negative, share):
    y, p = _smoothed(y, share, 2), 1 / (1 + np.exp(-z))
    error = 1 - (y * p + (1 - y) * (1 - p))
    weight, cost = y * positive + (1 - y) * negative, -y * np.log(p) - (1 - y) * np.log(1 - p)
    by_p = gamma * error ** (gamma - 1) * (1 - 2 * y) * cost + error**gamma * ((1 - y) / (1 - p) - y / p)
    size = (1 + gamma) * (1 + np.abs(z))
    return weight * error**gamma * cost, weight * by_p * p * (1 - p), size, size


def _hinge(p, y):
    margin = np.maximum(1 - y * p, 0)
    return margin, np.where(margin > 0, -y, 0), 1 + np.abs(p), np.ones_like(p)


def _squared_hinge(p, y):
    margin = np.maximum(1 - y * p, 0)
    return margin**2, -2 * y * margin, (1 + np.abs(p)) ** 2, 2 * (1 + np.abs(p))


def _error_sizes(p, y):
    size = np.abs(p) + np.abs(y)
    return size, 2 * np.maximum(size, 1)


def _mse(p, y):
    size, slope = _error_sizes(p, y)
    return (p - y) ** 2, 2 * (p - y), size**2, slope


def _mae(p, y):
    return np.abs(p - y), np.sign(p - y), *_error_sizes(p, y)


def _huber(p, y, delta):
    error, (size, slope) = p - y, _error_sizes(p, y)
    outside = np.abs(error) > delta
    value = np.where(outside, delta * (np.abs(error) - delta / 2), error**2 / 2)
    return value, np.where(outside, delta * np.sign(error), error), size + size**2, slope


def _log_cosh(p, y):
    size, slope = _error_sizes(p, y)
    return np.log(np.cosh(p - y)), np.tanh(p - y), size, slope


def _quantile(p, y, *levels):
    q = np.repeat(np.array(levels, np.longdouble), y.shape[1])
    error = np.hstack([y] * len(levels)) - p
    value = np.maximum(q * error, (q - 1) * error)
    return value, (error < 0) - q, *_error_sizes(p, np.abs(error) + np.abs(p))


def _poisson(z, y):
    return np.exp(z) - y * z, np.exp(z) - y, np.exp(z) + np.abs(y * z), np.exp(z) + y


def _poisson_deviance(z, y):
    logs = np.log(np.where(y == 0, 1, y))
    value, gradient = 2 * (y * (logs - z) - y + np.exp(z)), 2 * (np.exp(z) - y)
    return value, gradient, 2 * (y * (np.abs(logs) + np.abs(z) + 1) + np.exp(z)), 2 * (np.exp(z) + y)


def _gamma_deviance(z, y):
    ratio = y / np.exp(z)
    size = 2 * ((ratio + 1) * (1 + np.abs(z)) + np.log(y))
    return 2 * (z - np.log(y) + ratio - 1), 2 * (1 - ratio), size, size


def _tweedie_deviance(z, y, power):
    a, b = power - 1, 2 - power
    parts = y * np.exp(-a * z) / a, np.exp(b * z) / b, y**b / (a * b)
    size = 2 * sum(parts) * (1 + np.abs(z))
    return 2 * (parts[0] + parts[1] - parts[2]), 2 * (b * parts[1] - a * parts[0]), size, size


def _gaussian_nll(p, y):  # -log of the density of y, but for log(2 pi) / 2
    mean, log_variance = np.split(p, 2, axis=1)
    variance, error = np.exp(log_variance), mean - y
    value = np.log(np.sqrt(variance)) + error**2 / (2 * variance)
    gradient = np.hstack([error / variance, 0.5 - error**2 / (2 * variance)])
    size = np.abs(mean) + np.abs(y)
    sizes = np.hstack([size / variance, 1 + size**2 / variance])
    return value, gradient, np.abs(log_variance) + 1 + size**2 / variance, sizes


def _cosine_similarity(p, y):
    lengths = np.sqrt((p * p).sum(axis=1, keepdims=True)), np.sqrt((y * y).sum(axis=1, keepdims=True))
    cosine = (p * y).sum(axis=1, keepdims=True) / (lengths[0] * lengths[1])
    gradient = cosine * p / lengths[0] ** 2 - y / (lengths[0] * lengths[1])
    sizes = (np.abs(p) / lengths[0] + np.abs(y) / lengths[1]) / lengths[0] + 1 / lengths[0] / p.shape[1]
    return -cosine[:, 0], gradient, np.ones(len(p)), sizes


# name -> (value, its gradient, what the roundings of either are relative to), of rows or of each target
FORMULAS = {
    "categorical_crossentropy": _of_classes,
    "kl_divergence": _divergence,
    "categorical_focal_crossentropy": _focal,
    "binary_crossentropy": _binary,
    "binary_focal_crossentropy": _binary_focal,
    "hinge": _hinge,
    "squared_hinge": _squared_hinge,
    "mse": _mse,
    "mae": _mae,
    "huber": _huber,
    "log_cosh": _log_cosh,
    "quantile": _quantile,
    "poisson": _poisson,
    "poisson_deviance": _poisson_deviance,
    "gamma_deviance": _gamma_deviance,
    "tweedie_deviance": _tweedie_deviance,
    "gaussian_nll": _gaussian_nll,
    "cosine_similarity": _cosine_similarity,
}


def value_and_gradient(name, p, y, parameters=()):
    """Of each row value and gradient, and the sizes that their roundings are relative to, in longdouble."""
    p, parameters = p.astype(np.longdouble), [np.longdouble(value) for value in parameters]
    if name in LABEL_LOSSES:
        y, name = one_hot(y, p.shape[1]), name.removeprefix("sparse_")
    y = y.astype(np.longdouble)
    if name not in FORMULAS:
        twin = reference.LOSSES[name]
        value, gradient = twin.value(p, y, *parameters), twin.gradient(p, y, *parameters)
        return value, gradient, 1 + np.abs(value), 1 / p.shape[1] + np.abs(gradient)
    value, gradient, size, size_d = FORMULAS[name](p, y, *parameters)
    if value.ndim == 1:
        return value, gradient, size, size_d
    count = value.shape[1]
    return value.mean(axis=1), gradient / count, size.mean(axis=1), size_d / count
