"""`learning_rate_range`: which learning rates train a network, tried on a copy of it."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import validation
from ..errors import NotCompiledError, tells_options
from ..model import NOT_COMPILED, Model
from .rows import Rows, prepare
from .step import train_on_batch
from .targets import rescaling_for

Array = np.ndarray[Any, Any]

_SMOOTHING = 0.9  # of the exponential mean of the losses
_DIVERGED = 4.0  # times the first or the lowest loss, which may be below 0
_FEW = 10  # first steps, whose mean is of too few batches
_HALF = 5  # steps before and after a rate over which a fall is measured


@dataclass(frozen=True)
class RangeTest:
    """What `learning_rate_range` found.

    Attributes
    ----------
    learning_rates, losses, smoothed : ndarray of shape (steps,)
        The rate of each step, the loss of its batch before it, and the exponential mean of the losses.
    suggestion : float
        The rate at which the smoothed loss falls fastest.

    Examples
    --------
    >>> import numpy as np
    >>> RangeTest(np.array([0.01, 0.1]), np.array([2.0, 1.0]), np.array([2.0, 1.5]), 0.1).suggestion
    0.1
    """

    learning_rates: Array
    losses: Array
    smoothed: Array
    suggestion: float


@tells_options
def learning_rate_range(
    network: Model,
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
) -> RangeTest:
    """Train a copy of the network with a learning rate that grows at every step, and record the losses.

    The rate of step i of n is low (high / low)^(i / (n - 1)).  The test ends early where the smoothed loss
    lies above its lowest value by four times the larger of that and the first, or is not finite.  The network
    itself is not changed.

    Parameters
    ----------
    network : Network
        Compiled; a schedule of its learning rate is replaced by the test's rates.
    X, y, sample_weight : array-like
        As in `Network.fit`; batches are drawn in an order that the network's seed fixes.
    low, high : float
        The first and the last learning rate, 0 < low < high.
    steps : int
        At least 10.
    batch_size : int

    Returns
    -------
    RangeTest
        `fastmlp.plots.plot_learning_rates` draws it.

    Raises
    ------
    NotCompiledError
        If the network is not compiled.
    ValueError, TypeError
        If an argument is out of range, or rows and targets do not fit, as in `Network.fit`.
    FloatingPointError
        If the loss of the first batch is not finite.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", 2017, arXiv:1506.01186.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network, learning_rate_range
    >>> X = np.linspace(-1, 1, 256).reshape(-1, 1)
    >>> net = Network([1, 16, 1], activation="tanh", seed=0)
    >>> net.compile("sgd")
    >>> found = learning_rate_range(net, X, X**2)
    >>> bool(1e-4 < found.suggestion < 10)
    True
    """
    network.check_trained()
    if network.optimizer is None:
        raise NotCompiledError(NOT_COMPILED)
    rates = _rates(low, high, validation.integer(steps, "steps", minimum=10))
    batch_size = validation.integer(batch_size, "batch_size", minimum=1)
    tried = copy.deepcopy(network)
    checked = _look_through(tried, X, y, sample_weight)
    X, y = checked.X, checked.y if network.heads else np.asarray(y)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    batches = _batches(len(checked), batch_size, len(rates), network.seed)
    for rate, rows in zip(rates, batches, strict=True):
        tried.learning_rate = float(rate)
        try:
            loss = train_on_batch(tried, X[rows], y[rows], None if weights is None else weights[rows])["loss"]
        except FloatingPointError:
            break
        losses.append(loss)
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smoothed.append(mean / (1 - _SMOOTHING ** len(losses)))
        if smoothed[-1] - min(smoothed) > _DIVERGED * max(abs(smoothed[0]), abs(min(smoothed))):
            break
    if not losses:
        raise FloatingPointError("the loss of the first batch is not finite, no learning rate was tried")
    used = rates[: len(losses)]
    return RangeTest(used, np.array(losses), np.array(smoothed), _steepest(used, np.array(smoothed)))


def _look_through(network: Model, X: Any, y: Any, sample_weight: Any) -> Rows:
    """Checks what `fit` checks, and lets the network know all targets before a batch shows it some."""
    indices, classes = network.as_indices(y, learn=True)
    objective = network.objective_for(indices)
    rows = prepare(network, objective, X, indices, sample_weight)
    network.rescale_output(rescaling_for(network, objective, rows))
    if classes is not None:
        network.classes = classes
    return rows


def _rates(low: float, high: float, steps: int) -> Array:
    low = validation.real(low, "low", minimum=0.0)
    high = validation.real(high, "high", minimum=0.0)
    if not 0 < low < high:
        raise ValueError(f"low is {low:g} and high {high:g}, expected 0 < low < high")
    return np.geomspace(low, high, steps)


def _batches(rows: int, batch_size: int, count: int, seed: int) -> list[Array]:
    """`count` batches of row numbers, each row once before any comes again."""
    rng = np.random.default_rng(seed)
    epochs = math.ceil(count * min(batch_size, rows) / max(rows, 1)) + 1
    order = np.concatenate([rng.permutation(rows) for _ in range(epochs)])
    size = min(batch_size, rows)
    return [order[i * size : (i + 1) * size] for i in range(count)]


def _steepest(rates: Array, smoothed: Array) -> float:
    """The rate about which the loss falls most, by the logarithm of the rate, before its lowest value.

    Falls are measured over 2 x _HALF steps, so that the noise of single batches does not count as one.
    """
    end = int(smoothed.argmin()) + 1
    known = smoothed[_FEW:end]
    if len(known) <= 2 * _HALF:
        return float(rates[end // 2])
    falls = known[: -2 * _HALF] - known[2 * _HALF :]
    return float(rates[_FEW + falls.argmax() + _HALF])
