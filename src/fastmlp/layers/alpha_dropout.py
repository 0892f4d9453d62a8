"""AlphaDropout: dropout that keeps mean and variance, for selu."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import registry, validation
from ..descriptions import description
from .base import Layer, set_field, short_repr

__all__ = ["AlphaDropout"]


@description
class AlphaDropout(Layer):
    """Dropout to stand after selu: mean 0 and variance 1 stay what they are.

    In training x becomes ``a * x + b``, or with probability p = `rate` ``b - a * s``: s = 1.7581, the limit
    that selu has below, a = 1 / sqrt((1 - p) (1 + p s^2)) and b = a p s.  Otherwise it stays x.
    `dropout_schedule` is for `Dropout` alone.

    Parameters
    ----------
    rate : float
        0 to 0.999.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-Normalizing Neural Networks", arXiv:1706.02515; as
    torch.nn.AlphaDropout and Keras have it.

    Examples
    --------
    >>> from fastmlp import AlphaDropout, Dense, Network
    >>> selu = Dense(16, "selu", initializer="lecun_normal")
    >>> net = Network([3, selu, AlphaDropout(0.1), 1], seed=0)
    """

    rate: float

    kind: ClassVar[str] = "alpha_dropout"

    def __post_init__(self) -> None:
        _, least, most = registry.LAYER_KINDS[self.kind]["rate"]
        set_field(self, "rate", validation.real(self.rate, "rate", minimum=least, maximum=most))

    def __repr__(self) -> str:
        return short_repr(self, ("rate",))

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"rate": self.rate}

    def words(self) -> str:
        return "alpha dropout"
