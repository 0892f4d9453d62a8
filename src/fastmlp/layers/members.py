"""Members: networks that share their weights, trained and averaged as one."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from .. import registry, validation
from ..descriptions import description
from ..errors import unknown
from .base import Factors, Trained, set_field, short_repr, trained_field

__all__ = ["Members"]

STARTS = ("signs", "normal", "ones")
MOST_MEMBERS = int(registry.LAYER_KINDS["members"]["members"][2])


@description
class Members(Trained):
    """k networks that share weights, each with factors and biases of its own: x * r_i, or x * r_i + b_i.

    A row goes through the network once for each member i.  `Dense` layers have the same weights for all; put
    between a Members before and another after, with ``use_bias=False``, one computes
    ((x * r_i) W) * s_i + b_i, the layer of BatchEnsemble and TabM.

    A prediction is the mean of the members' outputs, of probabilities for classes.  The loss, in `fit` and
    `evaluate`, is the mean of the members' losses; metrics are those of predictions, but the accuracy that
    `fit` lists for the rows it trains on is the mean of the members'.  A loss written in Python is one of
    predictions.  `BatchNormalization` has the rows of all members together.  What stands before the first of
    these layers is computed for each member as well.

    Parameters
    ----------
    members : int
        k, 1 to 1024, the same in all Members and `MemberDense` of a network.
    start : {"signs", "normal", "ones"}
        How the factors r, shape (k, n_in), begin: 1 or -1 by chance, normal of deviation 1, or 1.
    use_bias : bool
        Whether there are biases b, shape (k, n_in), that begin at 0.
    trainable : bool
        Whether training changes its arrays.
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"r": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Wen, Tran and Ba, "BatchEnsemble", arXiv:2002.06715; Gorishniy, Kotelnikov and Babenko, "TabM",
    arXiv:2410.24210.

    Examples
    --------
    The members of TabM-mini differ in the factors of their inputs and in their heads:

    >>> from fastmlp import MemberDense, Members, Network
    >>> net = Network([4, Members(8), 16, 16, MemberDense(8, 3)], output="softmax", seed=0)
    >>> net.predict([[1.0, 2.0, 3.0, 4.0]]).shape, net.forward([[1.0, 2.0, 3.0, 4.0]])[-1].shape
    ((1, 3), (1, 8, 3))
    """

    members: int
    _: KW_ONLY
    start: str = "signs"
    use_bias: bool = False
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "members"
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "members", validation.integer(self.members, "members", 1, MOST_MEMBERS))
        if self.start not in STARTS:
            raise unknown("start", self.start, STARTS)
        set_field(self, "use_bias", validation.boolean(self.use_bias, "use_bias"))
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ("members",))

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        bias = {"b": (self.members, n_in)} if self.use_bias else {}
        return {"r": (self.members, n_in), **bias}

    def spec(self, n_in: int) -> dict[str, Any]:
        return {"members": self.members, "use_bias": self.use_bias, **super().spec(n_in)}

    def starts(self, n_in: int) -> dict[str, tuple[str, float]]:
        return {} if self.start == "ones" else {"r": (self.start, 1.0)}

    def words(self) -> str:
        return f"{self.members} members"
