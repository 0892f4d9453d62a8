"""Losses as descriptions: dataclasses of parameters; the arithmetic is the engine's.

A loss compares each row's outputs with its targets and averages over the targets, as in Keras; the loss of a
batch is the mean over its rows.  Those with a *link* need that output activation and are computed from the
values z before it (logits), so that no logarithm of 0 arises; the others take the prediction p.

>>> from fastmlp import Network
>>> from fastmlp.losses import Huber
>>> net = Network([4, 8, 1], seed=0)
>>> net.compile("adam", Huber(0.5))

`Heads` is the sum of several losses, each of a slice of the output.

Wherever a loss is expected, its name is welcome too, ``"mse"``, ``("huber", 0.5)``, and so are the names of
Keras and PyTorch for the same formula, ``"mean_squared_error"``, ``"HuberLoss"``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from .. import registry
from ..errors import unknown
from . import classification, regression
from .base import Function, Loss, link_of
from .classification import *  # noqa: F403
from .heads import Heads
from .regression import *  # noqa: F403

__all__ = ["Function", "Heads", "Loss"]
__all__ += classification.__all__
__all__ += regression.__all__

_CLASSES: dict[str, type[Loss]] = {
    getattr(module, name).name: getattr(module, name)
    for module in (classification, regression)
    for name in module.__all__
}
# In the engine's order: the first that has a link is the one that fits it.
LOSSES: dict[str, type[Loss]] = {name: _CLASSES[name] for name in registry.LOSSES}
# Every name of one of them that is accepted.
NAMES: dict[str, type[Loss]] = {
    name: cls for cls in LOSSES.values() for name in (cls.name, cls.__name__, *cls.aliases)
}


def resolve(loss: object) -> Loss:
    """A loss from a name, with its defaults, (name, parameter) or a function; a loss as it is.

    A parameter is the loss's first option, or a mapping of options.  A mapping is of losses of heads.

    >>> resolve(("huber", 0.5))
    Huber(delta=0.5)
    >>> resolve("mean_squared_error")
    MSE()
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise TypeError(f"loss is the class {loss.__name__}, expected an object of it, {loss.__name__}()")
    if callable(loss):
        return Function(loss)
    if isinstance(loss, Mapping):
        return Heads(loss)
    name, parameter = _name_and_parameter(loss)
    if name in (Heads.name, Heads.__name__):
        return Heads.of(parameter)
    if name not in NAMES:
        raise unknown("loss", name, LOSSES, NAMES)
    return NAMES[name].of(parameter)


@functools.cache  # asked for in every call that takes targets
def fitting(activation: str, *, labels: bool) -> Loss:
    """The loss that fits an output activation; `labels`: the targets are class indices, not rows.

    >>> fitting("sigmoid", labels=False)
    BinaryCrossentropy(label_smoothing=0.0)
    """
    fused = [cls for cls in LOSSES.values() if cls.link == link_of(activation)]
    return next((cls for cls in fused if cls.labels == labels), *fused[:1] or [regression.MSE])()


def _name_and_parameter(loss: object) -> tuple[str, Any]:
    if isinstance(loss, str):
        return loss, None
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and isinstance(loss[0], str):
        return loss[0], loss[1]
    others = "expected a name or a pair (name, parameter) or an object of fastmlp.losses"
    raise TypeError(f"loss is {loss!r}, {others}")
