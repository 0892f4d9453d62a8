"""Losses by name: of the engine, and a function in Python."""

from __future__ import annotations

import functools
from typing import Any, cast

from .. import registry
from ..descriptions import description
from ..errors import origin, shown, unknown
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
    name: cls
    for cls in LOSSES.values()
    for name in (cls.name, cls.__name__, *cls.aliases, *cls.default_aliases)
}
# Names of several of them, in the engine's order; "" of all.
FAMILIES: dict[str, list[type[Loss]]] = {"": list(LOSSES.values())} | {
    family: [cls for cls in LOSSES.values() if family in cls.families]
    for cls in LOSSES.values()
    for family in cls.families
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
    _refuse_foreign(loss)
    if isinstance(loss, type):
        raise TypeError(f"loss is the class {loss.__name__}, expected an object of it, {loss.__name__}()")
    if callable(loss):
        return Function(cast(PythonLoss, loss))
    name, parameter = name_and_parameter(loss)
    if name and name in FAMILIES:
        return Fitting(name, parameter)
    if name not in NAMES:
        raise unknown("loss", name, LOSSES, [*NAMES, *FAMILIES])
    if name in NAMES[name].default_aliases and parameter is not None:
        own = NAMES[name].name
        raise ValueError(f"loss {name!r} takes no parameter, got {parameter}; {own!r} has one of its own")
    return NAMES[name].of(parameter)


def _refuse_foreign(loss: object) -> None:
    """TypeError for a loss of PyTorch or Keras, which takes tensors and gives no gradient."""
    package, name = origin(loss)
    if package not in ("keras", "torch"):
        return
    own = f"its name {name!r} or " if name in NAMES or name in FAMILIES else "a name or "
    raise TypeError(f"loss is {name} of {package}, expected {own}an object of fastmlp.losses")


@description
class Fitting(Loss):
    """That one of several losses which fits the output and the targets.

    Parameters
    ----------
    name : str
        Of a family: "focal" is the focal cross-entropy of softmax or of sigmoid outputs; "" is any loss.
    options : optional
        As beside a loss's name: its first option, or a mapping of options that all of the family have.

    Examples
    --------
    >>> from fastmlp.losses.names import Fitting
    >>> Fitting("focal").chosen("sigmoid", labels=False).name
    'binary_focal_crossentropy'
    """

    name: str = ""  # type: ignore[misc]
    options: Any = None

    def __post_init__(self) -> None:
        for cls in FAMILIES[self.name] if self.name else ():
            cls.of(self.options)

    @property
    def parameters(self) -> tuple[float, ...]:
        """None: those of the loss that is chosen are its own."""
        return ()

    @property
    def parameter(self) -> Any:
        """What stands beside the family's name."""
        return self.options

    def chosen(self, activation: str, *, labels: bool) -> Loss:
        """The first of the family that has the activation as its link, and such targets if one has."""
        loss = _fitting(self.name, activation, labels)
        return loss if self.options is None else loss.of(self.options)


@functools.cache  # asked for in every call that takes targets
def _fitting(family: str, activation: str, labels: bool) -> Loss:
    fused = [cls for cls in FAMILIES[family] if cls.link == link_of(activation)]
    if family and not fused:
        links = " or ".join(sorted({repr(cls.link) for cls in FAMILIES[family]}))
        raise ValueError(f"loss {family!r} needs the output activation {links}, got {activation!r}")
    return next((cls for cls in fused if cls.labels == labels), *fused[:1] or [regression.MSE])()


def name_and_parameter(loss: object) -> tuple[str, Any]:
    if isinstance(loss, str):
        return loss, None
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and isinstance(loss[0], str):
        return loss[0], loss[1]
    others = "expected a name or a pair (name, parameter) or an object of fastmlp.losses"
    raise TypeError(f"loss is {shown(loss)}, {others}")
