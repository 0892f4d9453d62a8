"""The loss of a network whose output has heads: the weighted sum of theirs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import registry, validation
from ..descriptions import description
from ..errors import listed, unknown
from ..labels import Classes, Learn
from ..metrics import of_head
from .base import Array, Loss
from .names import Fitting, named

Slice = tuple[str, int, str, float]  # of the output: name, columns, activation and its parameter


@description
class Heads(Loss):
    """The weighted sum of the losses of an output's heads, for several tasks at once (Caruana 1997).

    ``sum(weight * loss)`` of the heads that the layer `fastmlp.Heads` gives names to, each on its own columns
    of the output and of the targets; each is what it would be on a network of that head alone.

    y is a mapping of heads' names to targets, or a list or tuple of arrays in the heads' order, or one array
    of all their columns side by side, a class index being one of them.  Classes of a head may be words,
    booleans or any whole numbers, which `Network.classes` then has under its name.

    `Network.evaluate`, `Network.fit` and callbacks have each head's loss beside the sum, "price_loss" and of
    held-out rows "val_price_loss", without its weight.

    Parameters
    ----------
    losses : mapping of str to Loss, str or (str, options), optional
        Of each head its loss, as `Network.compile` takes one.  A head that is left out, or None, has the one
        that fits its activation, where softmax takes class indices or rows of probabilities as y has them.
        Losses of predictions, such as MSE, need the activation identity.
    weights : mapping of str to float, optional
        Of each head its weight in the sum, 0 or more; 1 where none is given.

    References
    ----------
    Caruana, "Multitask Learning", Machine Learning 28, 1997.

    Examples
    --------
    >>> from fastmlp import Heads, Network, losses
    >>> layers = [2, 4, Heads({"price": 1, "kind": (3, "softmax")})]
    >>> net = Network(layers, initializer="zeros", dtype="float64")
    >>> net.compile("adam", losses.Heads({"price": "huber"}, weights={"kind": 0.5}))
    >>> scores = net.evaluate([[1.0, 2.0]], {"price": [3.0], "kind": [2]})
    >>> {name: round(value, 4) for name, value in scores.items()}
    {'loss': 3.0493, 'price_loss': 2.5, 'kind_loss': 1.0986}
    """

    name: ClassVar[str] = "heads"
    losses: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("losses", "weights"):
            given = getattr(self, name)
            if not isinstance(given, Mapping):
                raise TypeError(f"{name} is a {type(given).__name__}, expected a mapping of heads' names")
        found = {head: None if loss is None else named(loss) for head, loss in self.losses.items()}
        for head, loss in found.items():
            if loss is not None and loss.name not in registry.LOSSES and not isinstance(loss, Fitting):
                kind = loss.name or "a function in Python"
                raise ValueError(f"the loss of head {head!r} is {kind}, expected one of the engine's")
        object.__setattr__(self, "losses", found)
        weights = {
            head: validation.real(weight, f"weight of head {head!r}", minimum=0.0)
            for head, weight in self.weights.items()
        }
        object.__setattr__(self, "weights", weights)

    @property
    def parameters(self) -> tuple[float, ...]:
        """None: those of the heads are theirs."""
        return ()

    @property
    def parameter(self) -> Any:
        """Losses by name, with their options, and weights."""
        named = {
            head: loss and ([loss.name, loss.parameter] if loss.takes_parameter() else loss.name)
            for head, loss in self.losses.items()
        }
        return {"losses": named, "weights": dict(self.weights)}

    def weighted(self, weights: Any, heads: Sequence[str]) -> Heads:
        """With weights as a mapping, or a list in the order of the heads.

        >>> Heads().weighted([1, 0.5], ["price", "kind"]).weights
        {'price': 1.0, 'kind': 0.5}
        """
        if self.weights:
            raise ValueError("loss_weights came with a loss that has weights, expected one of them")
        if not isinstance(weights, Mapping):
            given = validation.as_list(weights, "loss_weights", "a mapping or a list of numbers")
            if len(given) != len(heads):
                came = f"loss_weights has {len(given)} numbers"
                raise ValueError(f"{came}, expected one for each of the heads {listed(heads)}")
            weights = dict(zip(heads, given, strict=True))
        return Heads(self.losses, weights)

    def of_output(self, heads: Sequence[Slice], y: object = None) -> SumOfHeads:
        """The losses of these heads, those that fit where none is given."""
        names = [head[0] for head in heads]
        if not names:
            raise ValueError("the loss is of heads, expected a network that ends with fastmlp.Heads")
        for argument, given in (("losses", self.losses), ("weights", self.weights)):
            for name in given:
                if name not in names:
                    raise unknown(f"head in {argument}", name, names)
        labels = _has_labels(heads, y)
        return SumOfHeads(tuple(self._part(head, labels) for head in heads))

    def _part(self, head: Slice, labels: bool) -> Part:
        name, outputs, activation, _ = head
        try:
            loss = (self.losses.get(name) or Fitting()).chosen(activation, labels=labels)
            loss.check_fits(activation)
            if loss.link == "any" and activation != "identity":
                raise ValueError(f"loss {loss.name!r} needs the activation 'identity', got {activation!r}")
        except ValueError as error:
            raise ValueError(f"head {name!r}: {error}") from None
        if outputs % loss.outputs:
            came = f"loss {loss.name!r} has {loss.outputs} outputs a target"
            raise ValueError(f"head {name!r}: {came}, got {outputs} columns")
        targets = 1 if loss.labels else outputs // loss.outputs
        return Part(name, loss, outputs, targets, self.weights.get(name, 1.0))


class Part(NamedTuple):
    """A head with its loss: how many columns it has of the outputs and of the targets, and its weight."""

    name: str
    loss: Loss
    outputs: int
    targets: int
    weight: float


@description
class SumOfHeads(Loss):
    """`Heads` of a network: the losses of all its heads, in their order."""

    parts: tuple[Part, ...]

    name: ClassVar[str] = Heads.name

    @functools.cached_property
    def for_plan(self) -> tuple[Any, tuple[float, ...]]:
        """Of each head name and parameters, outputs and weight, in the place of a name."""
        return tuple(
            (part.loss.name, part.loss.parameters, part.outputs, part.weight) for part in self.parts
        ), ()

    def apart(self) -> dict[str, Loss]:
        """The loss of each head, without its weight."""
        return {
            f"{alone.name}_loss": SumOfHeads(
                tuple(part._replace(weight=float(part is alone)) for part in self.parts)
            )
            for alone in self.parts
        }

    def of_head(self, name: str) -> Loss:
        """Of the head, without its weight."""
        return next(part.loss for part in self.parts if part.name == name)

    def as_indices(
        self, y: Any, n_out: int, argument: str, known: Any, learn: Learn | None
    ) -> tuple[Any, Classes | None]:
        """Of each head whose targets are classes, in a mapping; y as it is where none of them has labels."""
        known = known or {}
        if not known and not isinstance(y, Mapping) and not are_arrays(y):
            return y, None
        found: dict[str, Any] = {}
        classes: dict[str, Any] = {}
        for part, own in zip(self.parts, self._by_head(y, argument), strict=True):
            name, loss = part.name, part.loss
            found[name], of_part = loss.as_indices(
                own, part.outputs, f"{argument} of head {name!r}", known.get(name), learn
            )
            if of_part is not None:
                classes[name] = of_part
        return (found, {**known, **classes}) if classes else (y, None)

    def of_metric(self, metric: Any, y: Array, predictions: Array) -> tuple[Loss, Any, Array, Array]:
        """That of the head which begins the metric's name, on its columns."""
        head, bare = of_head(metric, [part.name for part in self.parts])
        target = output = 0
        for part in self.parts:
            if part.name == head:
                own = y[:, target : target + part.targets]
                own = own[:, 0].astype(np.int64) if part.loss.labels else own
                columns = predictions[:, output : output + part.outputs]
                return part.loss, bare, own, columns
            target, output = target + part.targets, output + part.outputs
        return self, metric, y, predictions

    def as_targets(
        self, y: object, n_out: int, dtype: np.dtype[Any], rows: int, *, argument: str = "y"
    ) -> Array:
        """Columns of all heads side by side, (rows, targets) of the dtype, checked by each head's loss."""
        columns = [
            part.loss.as_targets(own, part.outputs, dtype, rows, argument=f"{argument} of head {part.name!r}")
            for part, own in zip(self.parts, self._by_head(y, argument), strict=True)
        ]
        return np.concatenate([own.reshape(rows, -1).astype(dtype) for own in columns], axis=1)

    def _by_head(self, y: object, argument: str) -> list[Any]:
        names = [part.name for part in self.parts]
        if isinstance(y, Mapping):
            for name in y:
                if name not in names:
                    raise unknown(f"head in {argument}", name, names)
            for name in names:
                if name not in y:
                    raise ValueError(f"{argument} lacks the head {name!r}, expected {listed(names)}")
            return [y[name] for name in names]
        if are_arrays(y):
            if len(y) != len(names):  # type: ignore[arg-type]
                came = f"{argument} has {len(y)} arrays"  # type: ignore[arg-type]
                raise ValueError(f"{came}, expected one for each of the heads {listed(names)}")
            return list(y)  # type: ignore[call-overload]
        array = validation.numeric(y, argument)
        array = array[:, None] if array.ndim == 1 else array
        count = sum(part.targets for part in self.parts)
        if array.ndim != 2 or array.shape[1] != count:
            came = f"{argument} has shape {array.shape}, expected {count} columns"
            raise ValueError(f"{came}, or a mapping, of the heads {listed(names)}")
        return np.split(array, np.cumsum([part.targets for part in self.parts])[:-1], axis=1)


def are_arrays(y: object) -> bool:
    """Whether it is a list or tuple of arrays, not one of rows of numbers."""
    return isinstance(y, (list, tuple)) and bool(y) and all(getattr(item, "ndim", 0) > 0 for item in y)


def _has_labels(heads: Sequence[Slice], y: object) -> bool:
    """Whether the targets of softmax are class indices."""
    names = [name for name, _, activation, _ in heads if activation == "softmax"]
    if y is None or not names:
        return True
    if isinstance(y, Mapping):
        own = y.get(names[0])
    elif are_arrays(y):
        place = [head[0] for head in heads].index(names[0])
        own = y[place] if place < len(y) else None  # type: ignore[index,arg-type]
    else:
        return validation.numeric(y, "y").shape[1:] != (sum(head[1] for head in heads),)
    return np.shape(own)[1:] in ((), (1,))  # type: ignore[arg-type]
