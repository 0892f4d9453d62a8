"""MemberDense: a fully connected layer of each member's own."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from .. import validation
from ..descriptions import description
from ..initializers import Initializer
from .base import ActivationName, Factors, set_field, short_repr, trained_field
from .dense import TrainedConnected
from .members import MOST_MEMBERS

__all__ = ["MemberDense"]


@description
class MemberDense(TrainedConnected):
    """A fully connected layer in which each of k `Members` has weights of its own, as TabM's heads.

    Parameters
    ----------
    members : int
        k, 1 to 1024, the same in all `Members` and MemberDense of a network.
    units : int
        Number of outputs of each member, at least 1.
    activation : str or (str, float), optional
        As in `Dense`.
    use_bias : bool
        Whether there is a b, shape (k, units).
    initializer : str or (str, float), optional
        How W begins, as in `Dense`, for each member alone.  Its shape is (k * units, n_in): row i * units + j
        has the weights of output j of member i.
    trainable : bool
        Whether training changes its arrays.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"b": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    Examples
    --------
    >>> from fastmlp import MemberDense, Network
    >>> net = Network([4, 16, MemberDense(8, 3)], seed=0)
    >>> [array.shape for array in net.get_weights()][2:]
    [(24, 16), (8, 3)]
    """

    members: int
    units: int
    activation: ActivationName | None = None
    _: KW_ONLY
    use_bias: bool = True
    initializer: Initializer | None = None
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "member_dense"

    def __post_init__(self) -> None:
        set_field(self, "members", validation.integer(self.members, "members", 1, MOST_MEMBERS))
        self._check_connected()

    def __repr__(self) -> str:
        return short_repr(self, ("members", "units", "activation"))

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        bias = {"b": (self.members, self.units)} if self.use_bias else {}
        return {"W": (self.members * self.units, n_in), **bias}

    def matrices(self) -> int:
        return self.members

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"members": self.members, **super().spec(n_in)}

    def words(self) -> str:
        return f"{self.members} x {super().words()}"
