"""Batch normalisation folded into the dense layers beside it, for prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..layers import (
    Activation,
    ActivationName,
    Add,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    Heads,
    Layer,
    LayerNormalization,
    MaxPieces,
    OutputRescaling,
    ParametricActivation,
    PReLU,
    Scale,
    short_activation,
)
from ..layers.base import entry
from ..layers.lowering import nodes_of
from ..model import Model

Array = np.ndarray[Any, Any]
M = TypeVar("M", bound=Model)


class _Step(NamedTuple):
    """A layer with parameters, in float64, its activation, and the dropout rate of its input.

    `place` is that of what it gives in the network's list, by which an `Add` names it.
    """

    layer: Layer
    activation: ActivationName
    dropout: float
    arrays: tuple[Array, ...]
    place: int


def foldable(net: Model) -> bool:
    """Whether it has a layer that `folded` puts into those beside it."""
    return any(_ROLES.get(type(layer), _STAYS).affine for layer in net.layers)


def folded(net: M) -> M:
    """See `Network.folded`."""
    steps = _steps(net)
    while (at := next((i for i, step in enumerate(steps) if _role(step).affine), None)) is not None:
        steps = _without(steps, at)
    return _assembled(net, steps)


def _steps(net: Model) -> list[_Step]:
    arrays = iter(net.plan.get_weights())
    found = []
    for node in nodes_of(net.plan.n_in, net.layers):
        own = tuple(next(arrays).astype(np.float64) for _ in node.shapes)
        found.append(_Step(node.layer, short_activation(*node.activation), node.dropout, own, node.place))
        _role(found[-1])
    found += [_Step(layer, "identity", 0.0, (), 0) for layer in net.layers if layer.ends]
    return found


def _without(steps: Sequence[_Step], at: int) -> list[_Step]:
    """The steps without the one at `at`: its x * scale + offset goes elsewhere.

    What an `Add` reads too stays as it is.
    """
    step = steps[at]
    affine = _role(step).affine
    assert affine is not None
    scale, offset = affine(step.layer, step.arrays)
    before = steps[at - 1] if at else None
    after = steps[at + 1] if at + 1 < len(steps) else None
    added = {other.layer.second_input() for other in steps}
    if before and before.place not in added and _role(before).linear and before.activation == "identity":
        W, *b = before.arrays
        bias = (b[0] if b else 0.0) * scale + offset
        merged = _with(before, step.activation, W * scale, bias)._replace(place=step.place)
        return [*steps[: at - 1], merged, *steps[at + 1 :]]
    if after and step.place not in added and _role(after).linear and step.activation == "identity":
        W, *b = after.arrays
        bias = (b[0] if b else 0.0) + offset @ W
        return [*steps[:at], _with(after, after.activation, scale[:, None] * W, bias), *steps[at + 2 :]]
    between = step._replace(layer=Dense(len(scale)))  # nothing beside it is linear
    return [*steps[:at], _with(between, step.activation, np.diag(scale), offset), *steps[at + 1 :]]


def _with(step: _Step, activation: ActivationName, W: Array, b: Array) -> _Step:
    """The step of a linear layer, which has a bias, with other weights."""
    linear = _role(step).linear
    assert linear is not None
    return step._replace(layer=linear(step.layer), activation=activation, arrays=(W, b))


def _assembled(net: M, steps: Sequence[_Step]) -> M:
    layers: list[Layer] = [layer for layer in net.layers if layer.leads]
    places: dict[int, int] = {}  # here, by those in the network
    for step in steps:
        if step.dropout:
            layers.append(Dropout(step.dropout))
        source = step.layer.second_input()
        layer = step.layer if source is None else step.layer.with_second_input(places[source])
        own = layer.activated(step.activation)
        layers.append(own or layer)
        if own is None and step.activation != "identity":
            layers.append(Activation(step.activation))
        places[step.place] = len(layers)
    kind: Any = type(net)  # Network, whose constructor this is
    precision = net.matmul_precision
    result: M = kind(
        [net.plan.n_in, *layers], dtype=net.dtype, seed=net.seed, isa=net._isa, matmul_precision=precision
    )
    result.set_weights([array for step in steps for array in step.arrays])
    result.classes = net.classes
    return result


# ---- what becomes of each kind ----


class _Role(NamedTuple):
    """Of a kind that is x * scale + offset, those, (n,) each; of x @ W + b, the layer with a bias."""

    affine: Callable[[Any, tuple[Array, ...]], tuple[Array, Array]] | None = None
    linear: Callable[[Any], Layer] | None = None


def _batch_normalization(layer: BatchNormalization, arrays: tuple[Array, ...]) -> tuple[Array, Array]:
    """gamma / deviation and beta - mean * gamma / deviation"""
    gamma, beta, mean, variance = arrays
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale


def _output(layer: OutputRescaling, arrays: tuple[Array, ...]) -> tuple[Array, Array]:
    return layer.scale_and_offset(len(layer.scale))


_STAYS = _Role()
_ROLES: dict[type[Layer], _Role] = {
    Add: _STAYS,
    AlphaDropout: _STAYS,
    BatchNormalization: _Role(affine=_batch_normalization),
    Dense: _Role(linear=lambda layer: Dense(layer.units, initializer=layer.initializer)),
    GaussianNoise: _STAYS,
    Heads: _STAYS,
    LayerNormalization: _STAYS,
    MaxPieces: _STAYS,
    OutputRescaling: _Role(affine=_output),
    ParametricActivation: _STAYS,
    PReLU: _STAYS,
    Scale: _STAYS,
}


def _role(step: _Step) -> _Role:
    return entry(_ROLES, step.layer, "a folded network")
