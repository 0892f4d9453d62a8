"""Batch normalisation folded into the dense layers beside it, for prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..layers import (
    Activation,
    ActivationName,
    BatchNormalization,
    Dense,
    Dropout,
    Layer,
    LayerNormalization,
    Rescaling,
    Scale,
    Standardize,
    short_activation,
)
from ..layers.lowering import nodes_of
from ..model import Model

Array = np.ndarray[Any, Any]
M = TypeVar("M", bound=Model)


class _Step(NamedTuple):
    """A layer with parameters, in float64, and the dropout rate of its input."""

    layer: Dense | BatchNormalization | LayerNormalization | Scale
    activation: ActivationName
    dropout: float
    arrays: tuple[Array, ...]


def folded(net: M) -> M:
    """See `Network.folded`."""
    steps = _steps(net)
    while (at := next((i for i, step in enumerate(steps) if _is_batch(step)), None)) is not None:
        steps = _without(steps, at)
    return _assembled(net, steps)


def _is_batch(step: _Step) -> bool:
    return isinstance(step.layer, BatchNormalization)


def _steps(net: Model) -> list[_Step]:
    plan = net.plan
    arrays = iter(plan.get_weights())
    found = []
    for node in nodes_of(plan.n_in, net.layers):
        if not isinstance(node.layer, (Dense, BatchNormalization, LayerNormalization, Scale)):
            raise ValueError(f"the network has {node.layer!r}, expected a chain of layers to be folded")
        own = tuple(next(arrays).astype(np.float64) for _ in node.shapes)
        found.append(_Step(node.layer, short_activation(*node.activation), node.dropout, own))
    return found


def _without(steps: Sequence[_Step], at: int) -> list[_Step]:
    """The steps without the batch normalisation that stands at `at`: x * scale + offset goes elsewhere."""
    step = steps[at]
    before = steps[at - 1] if at else None
    after = steps[at + 1] if at + 1 < len(steps) else None
    scale, offset = _affine(step)
    if before is not None and isinstance(before.layer, Dense) and before.activation == "identity":
        W, *b = before.arrays
        bias = (b[0] if b else 0.0) * scale + offset
        return [*steps[: at - 1], _dense(before, step.activation, W * scale, bias), *steps[at + 1 :]]
    if after is not None and isinstance(after.layer, Dense) and step.activation == "identity":
        W, *b = after.arrays
        bias = (b[0] if b else 0.0) + offset @ W
        return [*steps[:at], _dense(after, after.activation, scale[:, None] * W, bias), *steps[at + 2 :]]
    alone = step._replace(layer=Dense(len(scale)))  # nothing beside it is linear
    return [*steps[:at], _dense(alone, step.activation, np.diag(scale), offset), *steps[at + 1 :]]


def _affine(step: _Step) -> tuple[Array, Array]:
    """gamma / deviation and beta - mean * gamma / deviation, (n,) each."""
    assert isinstance(step.layer, BatchNormalization)
    gamma, beta, mean, variance = step.arrays
    scale = gamma / np.sqrt(variance + step.layer.epsilon)
    return scale, beta - mean * scale


def _dense(step: _Step, activation: ActivationName, W: Array, b: Array) -> _Step:
    assert isinstance(step.layer, Dense)
    layer = Dense(step.layer.units, activation, initializer=step.layer.initializer)
    return _Step(layer, activation, step.dropout, (W, b))


def _assembled(net: M, steps: Sequence[_Step]) -> M:
    layers: list[Layer] = [layer for layer in net.layers if isinstance(layer, (Rescaling, Standardize))]
    for step in steps:
        if step.dropout:
            layers.append(Dropout(step.dropout))
        if isinstance(step.layer, Dense):
            layers.append(
                Dense(
                    step.layer.units,
                    step.activation,
                    use_bias=step.layer.use_bias,
                    initializer=step.layer.initializer,
                )
            )
        else:
            layers.append(step.layer)
            if step.activation != "identity":
                layers.append(Activation(step.activation))
    kind: Any = type(net)  # Network, whose constructor this is
    result: M = kind([net.plan.n_in, *layers], dtype=net.dtype, seed=net.seed, isa=net._isa)
    result.set_weights([array for step in steps for array in step.arrays])
    return result
