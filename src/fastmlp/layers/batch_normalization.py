"""Batch normalisation: of each column, over the rows of a batch."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import validation
from ..descriptions import description
from .base import Factors, Trained, set_field, short_repr, trained_field

__all__ = ["BatchNormalization"]


@description
class BatchNormalization(Trained):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta of each column, as Keras has it.

    Training takes the mean and the variance (divided by the count) of the batch's rows; prediction takes
    moving averages of them.  `Network.folded` puts the prediction's into the dense layers beside it.

    Parameters
    ----------
    momentum : float
        moving = momentum * moving + (1 - momentum) * batch, 0 <= momentum <= 1; PyTorch's is 1 - momentum.
    epsilon : float
        Added to the variance, at least 1e-30.
    trainable : bool
        Whether training changes its arrays; if not, the moving statistics are used in training too.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"beta": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167.

    Examples
    --------
    >>> from fastmlp import Activation, BatchNormalization, Dense, Network
    >>> net = Network([4, Dense(8), BatchNormalization(), Activation("relu"), 2])
    >>> list(net.state_dict())[2:6]
    ['layers.1.gamma', 'layers.1.beta', 'layers.1.mean', 'layers.1.variance']
    """

    momentum: float = 0.99
    epsilon: float = 1e-3
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "batch_normalization"
    takes_activation: ClassVar[bool] = True
    takes_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "momentum", validation.real(self.momentum, "momentum", minimum=0.0, maximum=1.0))
        set_field(self, "epsilon", validation.real(self.epsilon, "epsilon", minimum=1e-30))
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ())

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(["gamma", "beta", "mean", "variance"], (n_in,))

    def _array_names(self) -> tuple[str, ...]:
        return ("gamma", "beta")

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"epsilon": self.epsilon, "momentum": self.momentum, **super().spec(n_in)}
