"""`Loss`, an entry of the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..functions import Array


class Loss(NamedTuple):
    """One loss.

    Attributes
    ----------
    value, gradient : callable
        ``value(p, y, *parameters)`` (rows,) and its gradient with respect to p (rows, n_out): p is the
        logits z where there is a link, else the prediction a.
    correct : callable
        ``correct(p, y)`` (rows,): how much of each row is right; 0 where the question makes no sense.
    link : {"softmax", "sigmoid", "exp", "any"}
        The output activation the loss is fused with.
    parameters : tuple of float
        Their defaults.
    labels : bool
        Whether y is one class number a row.
    outputs : int
        Of the network for each target, 0 for one a parameter.
    """

    value: Callable[..., Array]
    gradient: Callable[..., Array]
    correct: Callable[[Array, Array], Array]
    link: str
    parameters: tuple[float, ...] = ()
    labels: bool = False
    outputs: int = 1

    def chosen(self, parameters: float | Sequence[float]) -> tuple[float, ...]:
        """All parameters: a number is the first of them, and the rest have their defaults."""
        if isinstance(parameters, Sequence):
            given = tuple(parameters)
        else:
            given = (parameters,)[: len(self.parameters)]
        return given if self.outputs == 0 else given + self.parameters[len(given) :]

    def outputs_of(self, parameters: float | Sequence[float]) -> int:
        """Outputs of the network for each target."""
        return self.outputs or len(self.chosen(parameters))
