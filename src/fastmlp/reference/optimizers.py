"""Optimizers: how a gradient moves the weights.

Each works in place on one array of weights w, its gradient g, and its slots: the running averages of the
same shape that the optimizer remembers.  Formulas are PyTorch's.  rate is the learning rate, h holds the
other hyperparameters by name, and now is the number of the step, t = 1, 2, ..., with the powers of beta.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .functions import Array

Hyperparameters = Mapping[str, Any]
Slots = Sequence[Array]


class Moment(NamedTuple):
    """A step of the optimizer."""

    t: int  # steps done, this one among them
    power_1: float  # beta_1^t; of NAdam the product of mu_1 to mu_t
    power_2: float  # beta_2^t


BEFORE_THE_FIRST = Moment(0, 1.0, 1.0)


def sgd(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """w -= lr * g; with momentum, g gives way to the velocity v = momentum * v + g.

    Nesterov's variant looks one step ahead: g + momentum * v (Sutskever et al., ICML 2013).
    """
    momentum = h.get("momentum", 0.0)
    if momentum:
        v = slots[0]
        v[...] = momentum * v + g
        g = g + momentum * v if h.get("nesterov") else v
    w -= rate * g


def adagrad(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """s += g^2; w -= lr * g / (sqrt(s) + epsilon) (Duchi, Hazan and Singer, JMLR 12, 2011)."""
    s = slots[0]
    s += g * g
    w -= rate * (g / (np.sqrt(s) + h["epsilon"]))


def rmsprop(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """s = rho * s + (1 - rho) * g^2; w -= lr * g / (sqrt(s) + epsilon) (Hinton's lecture 6e, 2012)."""
    s = slots[0]
    s[...] = h["rho"] * s + (1 - h["rho"]) * (g * g)
    w -= rate * (g / (np.sqrt(s) + h["epsilon"]))


def centered_rmsprop(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """RMSprop by the gradient's variance s - m^2, m its average (Graves, arXiv:1308.0850, section 4.2)."""
    s, m = slots
    s[...] = h["rho"] * s + (1 - h["rho"]) * (g * g)
    m[...] = h["rho"] * m + (1 - h["rho"]) * g
    w -= rate * (g / (np.sqrt(np.maximum(s - m * m, 0)) + h["epsilon"]))


def adadelta(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """s averages g^2, u averages d^2; d = sqrt(u + epsilon) / sqrt(s + epsilon) * g; w -= lr * d
    (Zeiler, arXiv:1212.5701)."""
    s, u = slots
    s[...] = h["rho"] * s + (1 - h["rho"]) * (g * g)
    d = np.sqrt(u + h["epsilon"]) / np.sqrt(s + h["epsilon"]) * g
    u[...] = h["rho"] * u + (1 - h["rho"]) * (d * d)
    w -= rate * d


def _move_averages(g: Array, m: Array, v: Array, h: Hyperparameters) -> None:
    m[...] = h["beta_1"] * m + (1 - h["beta_1"]) * g
    v[...] = h["beta_2"] * v + (1 - h["beta_2"]) * (g * g)


def _adam_step(w: Array, m: Array, v: Array, rate: float, h: Hyperparameters, now: Moment) -> None:
    w -= rate / (1 - now.power_1) * (m / (np.sqrt(v) / math.sqrt(1 - now.power_2) + h["epsilon"]))


def adam(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """m averages g, v averages g^2; w -= lr * m' / (sqrt(v') + epsilon) (Kingma and Ba, arXiv:1412.6980).

    m' = m / (1 - beta_1^t) and v' = v / (1 - beta_2^t) undo the averages' start at zero.  AdamW is the same
    rule with decoupled decay (Loshchilov and Hutter, arXiv:1711.05101), see `regularized`.
    """
    m, v = slots
    _move_averages(g, m, v, h)
    _adam_step(w, m, v, rate, h, now)


def amsgrad(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """Adam by the largest v so far, which no step makes smaller (Reddi, Kale and Kumar, arXiv:1904.09237)."""
    m, v, largest = slots
    _move_averages(g, m, v, h)
    np.maximum(largest, v, out=largest)
    _adam_step(w, m, largest, rate, h, now)


def adamax(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """u = max(beta_2 * u, |g| + epsilon); w -= lr / (1 - beta_1^t) * m / u (Kingma and Ba, section 7.1)."""
    m, u = slots
    m[...] = h["beta_1"] * m + (1 - h["beta_1"]) * g
    np.maximum(h["beta_2"] * u, np.abs(g) + h["epsilon"], out=u)
    w -= rate / (1 - now.power_1) * (m / u)


def _power_of_096(x: float) -> float:
    """0.96^x in an order that has the same bits everywhere: squares, and the series of the exponential."""
    if x > 20000:
        return 0.0  # far below what is added to 1
    left = int(x)
    exponent = (x - left) * -0.04082199452025517  # log 0.96
    result, square, series = 1.0, 0.96, 1.0
    for term in range(9, 0, -1):
        series = 1 + series * exponent / term
    while left:
        result = result * square if left & 1 else result
        square, left = square * square, left >> 1
    return result * series


def nadam_momentum(h: Hyperparameters, t: int) -> float:
    """mu_t = beta_1 * (1 - 0.96^(t * momentum_decay) / 2), which climbs from about beta_1 / 2 to beta_1.

    >>> nadam_momentum({"beta_1": 0.9, "momentum_decay": 1.0}, 1)
    0.468
    """
    return float(h["beta_1"] * (1 - 0.5 * _power_of_096(t * h["momentum_decay"])))


def nadam(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """Adam one step ahead: m' = mu_(t+1) / (1 - p * mu_(t+1)) * m + (1 - mu_t) / (1 - p) * g, where p is the
    product of mu_1 to mu_t (Dozat, ICLR workshop 2016)."""
    m, v = slots
    _move_averages(g, m, v, h)
    mu, following, product = nadam_momentum(h, now.t), nadam_momentum(h, now.t + 1), now.power_1
    ahead = following / (1 - product * following) * m + (1 - mu) / (1 - product) * g
    w -= rate * (ahead / (np.sqrt(v) / math.sqrt(1 - now.power_2) + h["epsilon"]))


def radam(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """Adam with its step scaled by how many gradients v is an average of, and without v while these are few
    (Liu et al., arXiv:1908.03265)."""
    m, v = slots
    _move_averages(g, m, v, h)
    rate, rest = rate / (1 - now.power_1), 1 - now.power_2
    most = 2 / (1 - h["beta_2"]) - 1
    length = most - 2 * now.t * now.power_2 / rest
    if length <= 5:
        w -= rate * m
        return
    rectified = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
    w -= rate * rectified * math.sqrt(rest) * (m / (np.sqrt(v) + h["epsilon"]))


def lion(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """w -= lr * sign(beta_1 * m + (1 - beta_1) * g); m = beta_2 * m + (1 - beta_2) * g
    (Chen et al., arXiv:2302.06675)."""
    (m,) = slots
    direction = h["beta_1"] * m + (1 - h["beta_1"]) * g
    m[...] = h["beta_2"] * m + (1 - h["beta_2"]) * g
    w -= rate * np.sign(direction)


def rprop(w: Array, g: Array, slots: Slots, rate: float, h: Hyperparameters, now: Moment) -> None:
    """Steps of a size of their own, which grows while g keeps its sign and shrinks where it turns; after a
    turn there is no step (Riedmiller and Braun, ICNN 1993).  The learning rate is the first size, 0 rests.
    """
    previous, size = slots
    turn = np.sign(g) * np.sign(previous)
    begun = np.where((size == 0) & (g != 0), rate, size)
    factor = np.where(turn > 0, h["eta_plus"], np.where(turn < 0, h["eta_minus"], 1)).astype(g.dtype)
    grown = np.clip(begun * factor, h["step_min"], h["step_max"])
    size[...] = np.where((begun == 0) | (rate == 0), 0, grown)
    previous[...] = np.where(turn < 0, 0, g)
    w -= size * np.sign(previous)


class Optimizer(NamedTuple):
    """One optimizer.

    Attributes
    ----------
    update : callable
        ``update(w, g, slots, rate, h, now)``, in place.
    slots : int
        How many arrays it remembers for each array of weights.
    by_momentum : bool
        Whether it remembers nothing without a momentum.
    momentum : callable, optional
        Of the hyperparameters and t, where it changes with the steps.
    """

    update: Callable[[Array, Array, Slots, float, Hyperparameters, Moment], None]
    slots: int
    by_momentum: bool = False
    momentum: Callable[[Hyperparameters, int], float] | None = None


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd, 1, by_momentum=True),
    "adagrad": Optimizer(adagrad, 1),
    "rmsprop": Optimizer(rmsprop, 1),
    "centered_rmsprop": Optimizer(centered_rmsprop, 2),
    "adadelta": Optimizer(adadelta, 2),
    "adam": Optimizer(adam, 2),
    "adamw": Optimizer(adam, 2),
    "amsgrad": Optimizer(amsgrad, 3),
    "adamax": Optimizer(adamax, 2),
    "nadam": Optimizer(nadam, 2, momentum=nadam_momentum),
    "radam": Optimizer(radam, 2),
    "lion": Optimizer(lion, 1),
    "rprop": Optimizer(rprop, 2),
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


def following(name: str, h: Hyperparameters, last: Moment) -> Moment:
    """The step after `last`; powers are running products: unlike pow() they have the same bits everywhere.

    >>> following("adam", {"beta_1": 0.5, "beta_2": 0.25}, BEFORE_THE_FIRST)
    Moment(t=1, power_1=0.5, power_2=0.25)
    """
    t, momentum = last.t + 1, OPTIMIZERS[name].momentum
    beta_1 = h.get("beta_1", 0.0) if momentum is None else momentum(h, t)
    return Moment(t, last.power_1 * beta_1, last.power_2 * h.get("beta_2", 0.0))


def apply(
    name: str,
    w: Array,
    g: Array,
    slots: Slots,
    h: Hyperparameters,
    learning_rate: float,
    now: Moment,
    *,
    is_weight: bool,
) -> None:
    """One step on one array: clip by value, regularize (weights, not biases), update, flush."""
    limit = h.get("clipvalue")
    if limit is not None:
        g = np.clip(g, -limit, limit)
    if is_weight:
        g = regularized(w, g, learning_rate, h)
    OPTIMIZERS[name].update(w, g, slots, learning_rate, h, now)
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
    now = BEFORE_THE_FIRST
    for _ in range(step + 1):
        now = following(name, h, now)
    apply(name, w, g, slots, h, learning_rate, now, is_weight=True)
