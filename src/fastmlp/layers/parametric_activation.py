"""ParametricActivation: a share of an activation in each column."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import registry
from ..descriptions import description
from .base import (
    ActivationName,
    Factors,
    Trained,
    activation_words,
    named,
    set_field,
    short_repr,
    trained_field,
)

__all__ = ["ParametricActivation"]


@description
class ParametricActivation(Trained):
    """x + alpha (f(x) - x), f an activation and alpha one number a column, all 1 at the start.

    With alpha 1 it is the activation, with 0 it does nothing.  It is the activation of the `Dense` layer
    before it, which needs none of its own.

    Parameters
    ----------
    activation : str or (str, float)
        A name, or a name and its parameter; not one of whole rows, as softmax is.
    trainable : bool
        Whether training changes its array, "alpha" (n_in,).
    learning_rate, weight_decay : float or mapping
        Factors of the optimizer's, 0 or more, of all its arrays or by name: ``{"alpha": 0.1}``.  The second
        is one of l1 and l2 as well; weights have penalties, and any other array that it names.

    References
    ----------
    Holzmueller, Grinsztajn and Steinwart, "Better by Default", arXiv:2407.04491.

    Examples
    --------
    >>> from fastmlp import Dense, Network, ParametricActivation
    >>> net = Network([4, Dense(8), ParametricActivation("selu", learning_rate=0.1), 2], seed=0)
    >>> net.get_weights()[2]
    array([1., 1., 1., 1., 1., 1., 1., 1.], dtype=float32)
    """

    activation: ActivationName
    trainable: bool = trained_field(True)
    learning_rate: Factors = trained_field(1.0)
    weight_decay: Factors = trained_field(1.0)

    kind: ClassVar[str] = "parametric_activation"
    activates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        set_field(self, "activation", named(self.activation, "activation"))
        name, _ = registry.resolve_activation(self.activation)
        if registry.ACTIVATIONS[name][1] == "row":
            raise ValueError(
                f"activation is {name!r}, which works on whole rows, expected one of each number alone"
            )
        self._check_training()

    def __repr__(self) -> str:
        return short_repr(self, ("activation",))

    def arrays(self, n_in: int) -> dict[str, tuple[int, ...]]:
        return {"alpha": (n_in,)}

    def spec(self, n_in: int) -> dict[str, Any]:
        name, parameter = registry.resolve_activation(self.activation)
        return {"function": name, "function_parameter": parameter, **super().spec(n_in)}

    def words(self) -> str:
        return f"parametric activation, {activation_words(self.activation)}"
