"""PReLU: a slope a column for what is negative."""

from __future__ import annotations

from typing import ClassVar

from ..descriptions import description
from .base import Factors, Trained, short_repr, trained_field

__all__ = ["PReLU"]


@description
class PReLU(Trained):
    """x where x > 0, else slope x, one slope a column, all 0.25 at the start.

    It is the activation of the `Dense` layer before it, which needs none of its own.

    Parameters
    ----------
    trainable : bool
        Whether training changes its array, "slope" (n_in,).
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"slope": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", arXiv:1502.01852.

    Examples
    --------
    >>> from fastmlp import Dense, Network, PReLU
    >>> net = Network([4, Dense(3), PReLU(), 2], seed=0)
    >>> net.get_weights()[2]
    array([0.25, 0.25, 0.25], dtype=float32)
    """

    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "prelu"
    activates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ())

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        return {"slope": (n_in,)}
