"""Losses whose targets are numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from .. import registry, validation
from ..descriptions import description
from .base import Array, Loss

__all__ = [
    "CosineSimilarity",
    "GammaDeviance",
    "GaussianNLL",
    "Huber",
    "LogCosh",
    "MAE",
    "MSE",
    "Poisson",
    "PoissonDeviance",
    "Quantile",
    "TweedieDeviance",
]


@description
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
    standardizes: ClassVar[bool] = True
    least_squares: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("mean_squared_error", "MeanSquaredError", "MSELoss", "mse_loss")
    formula: ClassVar[tuple[str, str]] = ("mean((p - y)**2)", "2 * (p - y) / n_out")


@description
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
    standardizes: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("mean_absolute_error", "MeanAbsoluteError", "L1Loss", "l1_loss")
    formula: ClassVar[tuple[str, str]] = ("mean(abs(p - y))", "sign(p - y) / n_out")


@description
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
    standardizes: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("HuberLoss", "huber_loss")
    default_aliases: ClassVar[tuple[str, ...]] = ("SmoothL1Loss", "smooth_l1_loss")
    formula: ClassVar[tuple[str, str]] = (
        "mean(e**2 / 2 where e = abs(p - y) <= delta, else delta * (e - delta / 2))",
        "clip(p - y, -delta, delta) / n_out",
    )
    delta: float = registry.LOSS_PARAMETERS[name][0]

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", validation.real(self.delta, "delta", above=0.0))


@description
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
    aliases: ClassVar[tuple[str, ...]] = ("PoissonNLLLoss", "poisson_nll_loss")
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[tuple[str, str]] = ("mean(exp(z) - y * z)", "(exp(z) - y) / n_out")


@description
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
    aliases: ClassVar[tuple[str, ...]] = ("GaussianNLLLoss", "gaussian_nll_loss")
    standardizes: ClassVar[bool] = True
    formula: ClassVar[tuple[str, str]] = (
        "mean((s + (m - y)**2 / exp(s)) / 2), m the first half of p and s the second",
        "(m - y) / exp(s) / targets and (1 - (m - y)**2 / exp(s)) / 2 / targets",
    )

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """As of all losses; a log variance grows by that of the targets, 2 log(std)."""
        return np.concatenate([std, np.ones_like(std)]), np.concatenate([mean, 2 * np.log(std)])


@description
class LogCosh(Loss):
    """Half the square of small errors and the size of large ones, smooth between (Keras' LogCosh).

    ``mean(log(cosh(p - y)))``; y has shape (rows, n_out), or (rows,) for one output.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.LogCosh())
    >>> round(net.evaluate([[1.0, 2.0]], [3.0])["loss"], 4)
    2.3093
    """

    name: ClassVar[str] = "log_cosh"
    standardizes: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("logcosh",)
    formula: ClassVar[tuple[str, str]] = ("mean(log(cosh(p - y)))", "tanh(p - y) / n_out")


@description
class Quantile(Loss):
    """Quantiles of the targets instead of their mean, several at once (Koenker and Bassett 1978).

    ``mean(maximum(q * e, (q - 1) * e))``, e = y - p, over targets and levels q: scikit-learn's
    mean_pinball_loss, averaged over the levels. The network has one output for each target and level, those
    of the first level first; y has shape (rows, n_out / levels), or (rows,) for one target.

    Parameters
    ----------
    levels : float or iterable of float
        Each above 0 and below 1, which share of the targets is to be below; (0.1, 0.5, 0.9) unless given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network, losses
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0, 1, (2000, 1))
    >>> y = X[:, 0] + rng.standard_normal(2000)
    >>> net = Network([1, 16, 3], activation="tanh", seed=0)
    >>> net.compile("adam", losses.Quantile([0.1, 0.5, 0.9]))
    >>> history = net.fit(X, y, epochs=60, batch_size=50, verbose=0)
    >>> np.mean(y[:, None] < net.predict(X), axis=0).round(1)
    array([0.1, 0.5, 0.9])
    """

    name: ClassVar[str] = "quantile"
    standardizes: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("pinball", "mean_pinball_loss")
    formula: ClassVar[tuple[str, str]] = (
        "mean(maximum(q * e, (q - 1) * e)), e = y - p for each target and level q",
        "(1 - q) / n_out where p > y, -q / n_out where p < y",
    )
    levels: tuple[float, ...] = registry.LOSS_PARAMETERS[name]

    def __post_init__(self) -> None:
        given = self.levels
        several = isinstance(given, Iterable) and not isinstance(given, str) and np.ndim(given) > 0
        levels = tuple(given) if several else (given,)
        if not levels:
            raise ValueError("levels is empty, expected at least one number above 0 and below 1")
        checked = tuple(validation.real(level, "levels", above=0.0, below=1.0) for level in levels)
        object.__setattr__(self, "levels", checked)

    @property
    def outputs(self) -> int:  # type: ignore[override]
        """One for each level."""
        return len(self.levels)

    @property
    def parameters(self) -> tuple[float, ...]:
        """The levels."""
        return self.levels


@description
class PoissonDeviance(Loss):
    """`Poisson` with the constants that make it 0 where the rate is the count (McCullagh and Nelder 1989).

    ``2 * mean(y * log(y / exp(z)) - y + exp(z))``, scikit-learn's mean_poisson_deviance; y has shape
    (rows, n_out), or (rows,) for one output, 0 or more; the output is exp.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="exp", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.PoissonDeviance())
    >>> round(net.evaluate([[1.0, 2.0]], [3])["loss"], 4)
    2.5917
    """

    name: ClassVar[str] = "poisson_deviance"
    aliases: ClassVar[tuple[str, ...]] = ("mean_poisson_deviance",)
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[tuple[str, str]] = (
        "2 * mean(y * log(y / exp(z)) - y + exp(z))",
        "2 * (exp(z) - y) / n_out",
    )


@description
class GammaDeviance(Loss):
    """For positive amounts whose spread grows with their size, as costs (McCullagh and Nelder 1989).

    ``2 * mean(z - log(y) + y / exp(z) - 1)``, scikit-learn's mean_gamma_deviance; y has shape (rows, n_out),
    or (rows,) for one output, above 0; the output is exp.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="exp", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.GammaDeviance())
    >>> round(net.evaluate([[1.0, 2.0]], [3])["loss"], 4)
    1.8028
    """

    name: ClassVar[str] = "gamma_deviance"
    aliases: ClassVar[tuple[str, ...]] = ("mean_gamma_deviance",)
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    positive: ClassVar[bool] = True
    formula: ClassVar[tuple[str, str]] = (
        "2 * mean(z - log(y) + y / exp(z) - 1)",
        "2 * (1 - y / exp(z)) / n_out",
    )


@description
class TweedieDeviance(Loss):
    """For amounts that are often 0 and else positive, as claims or rainfall (Jorgensen 1987).

    ``2 * mean(y**b / (-a * b) + y * exp(-a * z) / a + exp(b * z) / b)``, a = power - 1, b = 2 - power:
    scikit-learn's mean_tweedie_deviance. The variance is proportional to the mean to the power. y has shape
    (rows, n_out), or (rows,) for one output, 0 or more; the output is exp.

    Parameters
    ----------
    power : float
        1 < power < 2, between `PoissonDeviance` and `GammaDeviance`; 1.5 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="exp", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.TweedieDeviance(1.5))
    >>> round(net.evaluate([[1.0, 2.0]], [4])["loss"], 4)  # 2 * (-2 / 0.25 + 4 / 0.5 + 1 / 0.5)
    4.0
    """

    name: ClassVar[str] = "tweedie_deviance"
    aliases: ClassVar[tuple[str, ...]] = ("mean_tweedie_deviance",)
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[tuple[str, str]] = (
        "2 * mean(y**b / (-a * b) + y * exp(-a * z) / a + exp(b * z) / b), a = power - 1, b = 2 - power",
        "2 * (exp(b * z) - y * exp(-a * z)) / n_out",
    )
    power: float = registry.LOSS_PARAMETERS[name][0]

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", validation.real(self.power, "power", above=1.0, below=2.0))


@description
class CosineSimilarity(Loss):
    """How far the direction of the outputs is from that of the targets, whatever their length, as in Keras.

    ``-sum(y * p) / sqrt(sum(y**2) * sum(p**2))``: -1 for one direction, 1 for opposite ones, 0 where a row is
    all zeros; y has shape (rows, n_out).

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 2], seed=0, dtype="float64")
    >>> net.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> net.compile(loss=losses.CosineSimilarity())
    >>> round(net.evaluate([[3.0, 4.0]], [[0.0, 2.0]])["loss"], 4)
    -0.8
    """

    name: ClassVar[str] = "cosine_similarity"
    aliases: ClassVar[tuple[str, ...]] = ("cosine",)
    formula: ClassVar[tuple[str, str]] = (
        "-sum(y * p) / (norm(y) * norm(p))",
        "(c * p / norm(p) - y / norm(y)) / norm(p), c = sum(y * p) / (norm(y) * norm(p))",
    )
