"""Losses by name: of the engine, and a function in Python."""

from __future__ import annotations

import functools
from typing import Any, cast

from .. import registry
from ..errors import unknown
from . import classification, regression
from .base import Function, Loss, PythonLoss, link_of

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


def named(loss: object) -> Loss:
    """A loss from a name, with its defaults, (name, parameter) or a function; a loss as it is.

    A parameter is the loss's first option, or a mapping of options.

    >>> named(("huber", 0.5))
    Huber(delta=0.5)
    >>> named("mean_squared_error")
    MSE()
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise TypeError(f"loss is the class {loss.__name__}, expected an object of it, {loss.__name__}()")
    if callable(loss):
        return Function(cast(PythonLoss, loss))
    name, parameter = name_and_parameter(loss)
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


def name_and_parameter(loss: object) -> tuple[str, Any]:
    if isinstance(loss, str):
        return loss, None
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and isinstance(loss[0], str):
        return loss[0], loss[1]
    others = "expected a name or a pair (name, parameter) or an object of fastmlp.losses"
    raise TypeError(f"loss is {loss!r}, {others}")
