"""GaussianNoise: normal noise in training."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import registry, validation
from ..descriptions import description
from .base import Layer, set_field, short_repr

__all__ = ["GaussianNoise"]


@description
class GaussianNoise(Layer):
    """x + stddev * n in training, n normal numbers of their own for each row, column and step; else x.

    The numbers follow from the seed, whatever the number of threads; float32 and float64 networks have the
    same ones, to rounding.

    Parameters
    ----------
    stddev : float
        The noise's standard deviation, 0 to 1e30, in the unit of x.

    References
    ----------
    Keras' layer of that name; C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization",
    Neural Computation 7, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import GaussianNoise, Network, Standardize
    >>> X = np.random.default_rng(0).normal(5, 2, (100, 3))
    >>> net = Network([3, Standardize.adapt(X), GaussianNoise(0.1), 16, 1], seed=0)
    >>> bool((net(X, training=True) == net.predict(X)).any())
    False
    """

    stddev: float

    kind: ClassVar[str] = "gaussian_noise"
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _, least, most = registry.LAYER_KINDS[self.kind]["stddev"]
        set_field(self, "stddev", validation.real(self.stddev, "stddev", minimum=least, maximum=most))

    def __repr__(self) -> str:
        return short_repr(self, ("stddev",))

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"stddev": self.stddev}

    def words(self) -> str:
        return "gaussian noise"
