"""How far apart rounding may drive two computations of the same steps, one with fma and one without.

Rounding errors are taken as independent, of mean zero and at most u times the number rounded (Higham and
Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019).  Their
variances are carried through the network to first order: so the bound grows as errors do, and not as the
worst case would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import _kernels, registry
from .steps import (
    Activate,
    Array,
    BatchNormalize,
    Largest,
    LayerNormalize,
    Product,
    Rescale,
    Step,
    used_weights,
)

DEVIATIONS = 6  # by Hoeffding's inequality 2 exp(-18), or 3e-8, of the outputs differ by more
ACTIVATION_ERROR = 2  # in u a deviation: 6 of them are more than the errors that activations.h states


def allowed_difference(steps: Sequence[Step], X: Array) -> float:
    """The largest difference of an output that rounding explains for the rows of X, shape (rows, n_in)."""
    u = float(np.finfo(X.dtype).eps) / 2
    x, variance = X.astype(np.float64), np.zeros(X.shape)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for step in steps:
            x, variance = _CARRIED[type(step)](step, x, variance, u)
        bound = DEVIATIONS * np.sqrt(variance)
    return float(bound.max())


def _rescale(step: Rescale, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Both computations do the same, in the steps' dtype."""
    for operation, vector in ((np.subtract, step.shift), (np.divide, step.divisor)):
        if vector is not None:
            x = operation(x.astype(vector.dtype), vector)
    return x.astype(np.float64), variance


def _product(step: Product, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """One rounding of each partial sum with fma; one of each product and of each partial sum without."""
    W = used_weights(step).astype(np.float64)
    b = np.zeros(W.shape[1]) if step.b is None else step.b.astype(np.float64)
    total = np.tile(b, (len(x), 1))
    squares = np.zeros(total.shape)
    for i in range(W.shape[0]):
        product = x[:, i, None] * W[i]
        total += product
        squares += 2 * total**2 + product**2
    return total, variance @ W**2 + u**2 * squares


def _batch_normalize(step: BatchNormalize, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Four roundings, two of them of numbers as large as x or the mean."""
    slope = step.gamma.astype(np.float64) * step.inverse
    z = (x - step.mean) * slope + step.beta
    rounded = (x - step.mean) ** 2 * slope**2 * 3 + 2 * z**2
    return z, variance * slope**2 + u**2 * rounded


def _layer_normalize(step: LayerNormalize, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """d z_i = gamma_i (d x_i - mean(d x) - x_hat_i mean(x_hat d x)) / deviation; means by Schwarz."""
    variance = variance + u**2 * x**2
    mean = x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + step.epsilon)
    x_hat = (x - mean) * inverse
    z = x_hat * step.gamma + step.beta
    shared = (1 + x_hat**2) * variance.mean(axis=-1, keepdims=True)
    spread = 3 * (variance + shared) * (inverse * step.gamma) ** 2
    return z, spread + u**2 * (4 * (x_hat * step.gamma) ** 2 + 2 * z**2)


def _activate(step: Activate, z: Array, variance: Array, u: float) -> tuple[Array, Array]:
    a = _kernels.activation_forward(step.name, z, step.parameter)
    deviation = np.sqrt(variance)
    if registry.ACTIVATIONS[step.name][1] == "row":
        # d a_i = a_i (d z_i - sum_j a_j d z_j), and d log a_i is the bracket
        share, factor = (a, a) if step.name == "softmax" else (np.exp(a), np.ones(a.shape))
        spread = deviation + np.sum(share * deviation, axis=-1, keepdims=True)
        spread += u * (2 * np.abs(z).max(axis=-1, keepdims=True) + ACTIVATION_ERROR)
        return a, (factor * spread) ** 2
    ends = [
        _kernels.activation_forward(step.name, z + s * deviation, step.parameter)
        for s in (-DEVIATIONS, DEVIATIONS)
    ]
    spread = np.maximum(np.abs(ends[0] - a), np.abs(ends[1] - a)) / DEVIATIONS
    size = np.abs(a) + (np.abs(z) if step.name.startswith("gelu") else 0)  # whose error has a floor of |z|
    return a, spread**2 + (u * ACTIVATION_ERROR * size) ** 2


def _largest(step: Largest, x: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """Another piece may be the largest, but none is further away than all errors together."""
    shape = len(x), step.pieces, -1
    return x.reshape(shape).max(axis=1), variance.reshape(shape).sum(axis=1)


_CARRIED: dict[type[Step], Callable[[Any, Array, Array, float], tuple[Array, Array]]] = {
    Rescale: _rescale,
    Product: _product,
    Activate: _activate,
    BatchNormalize: _batch_normalize,
    LayerNormalize: _layer_normalize,
    Largest: _largest,
}
