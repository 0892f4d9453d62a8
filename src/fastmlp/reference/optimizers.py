"""Optimizers: how a gradient moves the weights.

Each works in place on one array of weights w, its gradient g, and its slots: the running averages of the
same shape that the optimizer remembers.  Formulas are PyTorch's.  rate is the learning rate, h holds the
other hyperparameters by name, and powers is (beta_1^t, beta_2^t) at step t = 1, 2, ..., which only Adam
needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .functions import Array

Hyperparameters = Mapping[str, Any]
Slots = Sequence[Array]
Powers = tuple[float, float]


def sgd(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, powers: Powers) -> None:
    """w -= lr * g; with momentum, g gives way to the velocity v = momentum * v + g.

    Nesterov's variant looks one step ahead: g + momentum * v (Sutskever et al., ICML 2013).
    """
    momentum = h.get("momentum", 0.0)
    if momentum:
        v = slots[0]
        v[...] = momentum * v + g
        g = g + momentum * v if h.get("nesterov") else v
    w -= rate * g


def adagrad(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, powers: Powers) -> None:
    """s += g^2; w -= lr * g / (sqrt(s) + epsilon) (Duchi, Hazan and Singer, JMLR 12, 2011)."""
    s = slots[0]
    s += g * g
    w -= rate * (g / (np.sqrt(s) + h["epsilon"]))


def rmsprop(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, powers: Powers) -> None:
    """s = rho * s + (1 - rho) * g^2; w -= lr * g / (sqrt(s) + epsilon) (Hinton's lecture 6e, 2012)."""
    s = slots[0]
    s[...] = h["rho"] * s + (1 - h["rho"]) * (g * g)
    w -= rate * (g / (np.sqrt(s) + h["epsilon"]))


def _move_averages(g: Array, m: Array, v: Array, h: Hyperparameters) -> None:
    m[...] = h["beta_1"] * m + (1 - h["beta_1"]) * g
    v[...] = h["beta_2"] * v + (1 - h["beta_2"]) * (g * g)


def _adam_step(w: Array, m: Array, v: Array, rate: float, h: Hyperparameters, powers: Powers) -> None:
    w -= rate / (1 - powers[0]) * (m / (np.sqrt(v) / math.sqrt(1 - powers[1]) + h["epsilon"]))


def adam(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, powers: Powers) -> None:
    """m averages g, v averages g^2; w -= lr * m' / (sqrt(v') + epsilon) (Kingma and Ba, arXiv:1412.6980).

    m' = m / (1 - beta_1^t) and v' = v / (1 - beta_2^t) undo the averages' start at zero.  AdamW is the same
    rule with decoupled decay (Loshchilov and Hutter, arXiv:1711.05101), see `regularized`.
    """
    m, v = slots
    _move_averages(g, m, v, h)
    _adam_step(w, m, v, rate, h, powers)


def amsgrad(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, powers: Powers) -> None:
    """Adam by the largest v so far, which no step makes smaller (Reddi, Kale and Kumar, arXiv:1904.09237)."""
    m, v, largest = slots
    _move_averages(g, m, v, h)
    np.maximum(largest, v, out=largest)
    _adam_step(w, m, largest, rate, h, powers)


class Optimizer(NamedTuple):
    """One optimizer.

    Attributes
    ----------
    update : callable
        ``update(w, g, slots, rate, h, powers)``, in place.
    slots : int
        How many arrays it remembers for each array of weights.
    by_momentum : bool
        Whether it remembers nothing without a momentum.
    """

    update: Callable[[Array, Array, Slots, float, Hyperparameters, Powers], None]
    slots: int
    by_momentum: bool = False


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, 1, by_momentum=True),
    "adagrad": Optimizer(adagrad, 1),
    "rmsprop": Optimizer(rmsprop, 1),
    "adam": Optimizer(adam, 2),
    "adamw": Optimizer(adam, 2),
    "amsgrad": Optimizer(amsgrad, 3),
}


def flush(x: Array) -> Array:
    """x with numbers too small to matter made +0: arithmetic on denormals is up to a hundred times slower.

    >>> flush(np.array([1e-300, 0.5, -1e-300]))
    array([0. , 0.5, 0. ])
    """
    return np.where(np.abs(x) < (2.0**-100 if x.dtype == np.float32 else 2.0**-900), 0, x)


def global_norm_scale(gradients: Sequence[Array], global_clipnorm: float | None) -> float:
    """What all gradients are multiplied by, so that their common norm is at most global_clipnorm.

    >>> global_norm_scale([np.array([3.0]), np.array([4.0])], 1.0)
    0.2
    """
    if global_clipnorm is None:
        return 1.0
    norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients))
    return global_clipnorm / norm if norm > global_clipnorm else 1.0


def regularized(w: Array, g: Array, learning_rate: float, h: Hyperparameters) -> Array:
    """g plus the gradients of l1 * |w| and l2 * w^2 / 2; w itself decays, decoupled from the gradient."""
    g = g + h.get("l1", 0.0) * np.sign(w) + h.get("l2", 0.0) * w
    w *= 1 - learning_rate * h.get("weight_decay", 0.0)
    return g


def beta_powers(h: Hyperparameters, t: int) -> Powers:
    """(beta_1^t, beta_2^t) as running products: unlike pow() they have the same bits everywhere.

    >>> beta_powers({"beta_1": 0.5, "beta_2": 0.25}, 2)
    (0.25, 0.0625)
    """
    power_1 = power_2 = 1.0
    for _ in range(t):
        power_1, power_2 = power_1 * h.get("beta_1", 0.0), power_2 * h.get("beta_2", 0.0)
    return power_1, power_2


def apply(
    name: str,
    w: Array,
    g: Array,
    slots: Slots,
    h: Hyperparameters,
    learning_rate: float,
    powers: Powers,
    *,
    is_weight: bool,
) -> None:
    """One step on one array: clip by value, regularize (weights, not biases), update, flush."""
    limit = h.get("clipvalue")
    if limit is not None:
        g = np.clip(g, -limit, limit)
    if is_weight:
        g = regularized(w, g, learning_rate, h)
    OPTIMIZERS[name].update(w, g, slots, learning_rate, h, powers)
    for array in (w, *slots):
        array[...] = flush(array)


def optimizer_update(
    name: str,
    w: Array,
    g: Array,
    slots: Slots,
    hyperparameters: Hyperparameters,
    learning_rate: float,
    step: int = 0,
) -> None:
    """One step of the named optimizer on one array of weights, in place.

    Parameters
    ----------
    name : str
        One of `OPTIMIZERS`.
    w, g : ndarray
        Weights and their gradient, of one shape.
    slots : sequence of ndarray
        The optimizer's arrays of that shape, zero at first.
    hyperparameters : mapping
        The optimizer's, and optionally l1, l2, weight_decay, clipvalue and global_clipnorm.
    learning_rate : float
    step : int
        How many steps were done before this one.

    Examples
    --------
    >>> w, v = np.array([1.0]), np.array([0.0])
    >>> optimizer_update("sgd", w, np.array([2.0]), [v], {"momentum": 0.9}, 0.1)
    >>> w, v
    (array([0.8]), array([2.]))
    """
    h = hyperparameters
    g = g * global_norm_scale([g], h.get("global_clipnorm"))
    apply(name, w, g, slots, h, learning_rate, beta_powers(h, step + 1), is_weight=True)
