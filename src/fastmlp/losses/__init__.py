"""Losses: what an output costs that is not the target, by name or as an object with options.

They are descriptions, dataclasses of parameters; the arithmetic is the engine's.

A loss compares each row's outputs with its targets and averages over the targets, as in Keras; the loss of a
batch is the mean over its rows.  Those with a *link* need that output activation and are computed from the
values z before it (logits), so that no logarithm of 0 arises; the others take the prediction p.

>>> from fastmlp import Network
>>> from fastmlp.losses import Huber
>>> net = Network([4, 8, 1], seed=0)
>>> net.compile("adam", Huber(0.5))

`Heads` is the sum of several losses, each of a slice of the output.

Wherever a loss is expected, its name is welcome too, ``"mse"``, ``("huber", 0.5)``, and so are the names of
Keras and PyTorch for the same formula, ``"mean_squared_error"``, ``"HuberLoss"``.  "focal" and
"cross_entropy" are that one of several losses which fits the output and the targets.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import classification, regression
from .base import Function, Loss
from .classification import *  # noqa: F403
from .heads import Heads
from .names import FAMILIES as FAMILIES
from .names import LOSSES as LOSSES
from .names import NAMES as NAMES
from .names import Fitting as Fitting
from .names import name_and_parameter, named
from .regression import *  # noqa: F403

__all__ = ["Function", "Heads", "Loss"]
__all__ += classification.__all__
__all__ += regression.__all__


def resolve(loss: object) -> Loss:
    """A loss from a name, with its defaults, (name, parameter) or a function; a loss as it is.

    A parameter is the loss's first option, or a mapping of options.  A mapping is of losses of heads.

    >>> resolve(("huber", 0.5))
    Huber(delta=0.5)
    >>> resolve("mean_squared_error")
    MSE()
    """
    if isinstance(loss, Mapping):
        return Heads(loss)
    if isinstance(loss, (str, tuple, list)):
        name, parameter = name_and_parameter(loss)
        if name in (Heads.name, Heads.__name__):
            return Heads.of(parameter)
    return named(loss)
