"""`LambdaCallback`: hooks made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import unknown
from .base import Callback


class LambdaCallback(Callback):
    """A callback from functions, named like the hooks.

    Parameters
    ----------
    **hooks : callable
        ``on_epoch_end=lambda epoch, logs: ...`` and so on, each with its hook's arguments.

    Raises
    ------
    ValueError, TypeError
        If a name is no hook of `Callback`, or what came is no function.

    Examples
    --------
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import LambdaCallback
    >>> say = LambdaCallback(on_epoch_end=lambda epoch, logs: print("epoch", epoch, logs))
    >>> net = Network([1, 1], initializer="zeros", dtype="float64")
    >>> net.compile("sgd")
    >>> _ = net.fit([[1.0]], [2.0], callbacks=[say])
    epoch 0 {'loss': 4.0}
    """

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in hooks.items():
            if name not in known:
                raise unknown("hook", name, known)
            if not callable(function):
                raise TypeError(f"{name} is a {type(function).__name__}, expected a function")
            setattr(self, name, function)
