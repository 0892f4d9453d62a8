"""Losses whose targets are numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from .. import registry, validation
from .base import Loss

__all__ = [
    "GaussianNLL",
    "Huber",
    "MAE",
    "MSE",
    "Poisson",
]


@dataclass(frozen=True)
class MSE(Loss):
    """The mean squared error; its best prediction is the mean (Bishop 2006, equation 1.89).

    ``mean((p - y)**2)``; y has shape (rows, n_out), or (rows,) for one output.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.MSE())
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 9.0}
    """

    name: ClassVar[str] = "mse"
    aliases: ClassVar[tuple[str, ...]] = ("mean_squared_error", "MeanSquaredError", "MSELoss")
    formula: ClassVar[tuple[str, str]] = ("mean((p - y)**2)", "2 * (p - y) / n_out")


@dataclass(frozen=True)
class MAE(Loss):
    """The mean absolute error; its best prediction is the median (Koenker and Bassett 1978).

    ``mean(abs(p - y))``; y has shape (rows, n_out), or (rows,) for one output.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.MAE())
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 3.0}
    """

    name: ClassVar[str] = "mae"
    aliases: ClassVar[tuple[str, ...]] = ("mean_absolute_error", "MeanAbsoluteError", "L1Loss")
    formula: ClassVar[tuple[str, str]] = ("mean(abs(p - y))", "sign(p - y) / n_out")


@dataclass(frozen=True)
class Huber(Loss):
    """Squared for small errors e = p - y, linear for large ones, so that outliers pull less (Huber 1964).

    ``mean(e**2 / 2 where abs(e) <= delta, else delta * (abs(e) - delta / 2))``; y has shape (rows, n_out), or
    (rows,) for one output.

    Parameters
    ----------
    delta : float
        Where the two meet, in the unit of y, above 0; 1 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.Huber(0.5))
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 1.375}
    """

    name: ClassVar[str] = "huber"
    aliases: ClassVar[tuple[str, ...]] = ("HuberLoss",)
    formula: ClassVar[tuple[str, str]] = (
        "mean(e**2 / 2 where e = abs(p - y) <= delta, else delta * (e - delta / 2))",
        "clip(p - y, -delta, delta) / n_out",
    )
    delta: float = registry.LOSS_PARAMETERS[name][0]

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", validation.real(self.delta, "delta", above=0.0))


@dataclass(frozen=True)
class Poisson(Loss):
    """Minus the log likelihood of counts whose rate is predicted (Nelder and Wedderburn 1972).

    ``mean(exp(z) - y * z)``, which leaves log(y!) out; y has shape (rows, n_out), or (rows,) for one output,
    0 or more; the output is exp.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="exp", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.Poisson())
    >>> net.evaluate([[1.0, 2.0]], [3])
    {'loss': 1.0}
    """

    name: ClassVar[str] = "poisson"
    aliases: ClassVar[tuple[str, ...]] = ("PoissonNLLLoss",)
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[tuple[str, str]] = ("mean(exp(z) - y * z)", "(exp(z) - y) / n_out")


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """Minus the log likelihood under Gaussian noise whose variance is predicted beside the mean.

    ``mean((s + (m - y)**2 / exp(s)) / 2)``, which leaves log(2 pi) / 2 out: the first half of the outputs are
    the means m, the second half the log variances s (Nix and Weigend 1994, "Estimating the mean and variance
    of the target probability distribution").  y has shape (rows, n_out / 2), or (rows,) for two outputs.

    Examples
    --------
    Mean and log variance, where the noise grows with x:

    >>> import numpy as np
    >>> from fastmlp import Network, losses
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0, 1, (2000, 1))
    >>> y = X[:, 0] + (0.1 + X[:, 0]) * rng.standard_normal(2000)
    >>> net = Network([1, 16, 2], activation="tanh", seed=0)
    >>> net.compile("adam", losses.GaussianNLL())
    >>> history = net.fit(X, y, epochs=60, batch_size=50, verbose=0)
    >>> mean, log_variance = net.predict([[0.1], [0.9]]).T
    >>> deviation = np.exp(log_variance / 2)
    >>> bool(deviation[0] < 0.4 < 0.7 < deviation[1])
    True
    """

    name: ClassVar[str] = "gaussian_nll"
    formula: ClassVar[tuple[str, str]] = (
        "mean((s + (m - y)**2 / exp(s)) / 2), m the first half of p and s the second",
        "(m - y) / exp(s) / targets and (1 - (m - y)**2 / exp(s)) / 2 / targets",
    )
