"""Layer normalisation: of each row, over its columns."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import validation
from ..descriptions import description
from .base import Factors, Trained, set_field, short_repr, trained_field

__all__ = ["LayerNormalization"]


@description
class LayerNormalization(Trained):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and variance those of each row.

    Parameters
    ----------
    epsilon : float
        Added to the variance, at least 1e-30; PyTorch's default is 1e-5.
    trainable : bool
        Whether training changes its arrays.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"beta": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.

    Examples
    --------
    >>> from fastmlp import LayerNormalization, Network
    >>> net = Network([4, LayerNormalization(), 2], dtype="float64", seed=0)
    >>> net.forward([1.0, 1.0, 3.0, 3.0])[0].round(3)
    array([-1., -1.,  1.,  1.])
    """

    epsilon: float = 1e-3
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "layer_normalization"
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "epsilon", validation.real(self.epsilon, "epsilon", minimum=1e-30))
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ())

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(["gamma", "beta"], (n_in,))

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"epsilon": self.epsilon, **super().spec(n_in)}
