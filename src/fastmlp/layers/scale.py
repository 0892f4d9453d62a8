"""Scale: a factor a column."""

from __future__ import annotations

from typing import ClassVar

from ..descriptions import description
from .base import Factors, Trained, short_repr, trained_field

__all__ = ["Scale"]


@description
class Scale(Trained):
    """x * s, one factor a column, all 1 at the start.

    In front of a network a large learning rate of these few factors chooses among the inputs, as in RealMLP.

    Parameters
    ----------
    trainable : bool
        Whether training changes its arrays.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"s": 6.0}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Holzmueller, Grinsztajn and Steinwart, "Better by Default", arXiv:2407.04491.

    Examples
    --------
    >>> from fastmlp import Network, Scale
    >>> net = Network([4, Scale(learning_rate=6.0), 8, 1], seed=0)
    >>> [array.shape for array in net.get_weights()][:2]
    [(4,), (4, 8)]
    """

    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "scale"
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ())

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        return {"s": (n_in,)}
