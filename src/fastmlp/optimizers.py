"""Optimizers as descriptions: frozen dataclasses of hyperparameters; the arithmetic is the engine's.

Per element, with the gradient g of a weight w (PyTorch's formulas)::

    g = clip(g);  g += l1 * sign(w) + l2 * w;  w *= 1 - learning_rate * weight_decay

and then the optimizer's own step.  `l1`, `l2` and `weight_decay` act on weights, not on biases.

>>> from fastmlp import Network
>>> from fastmlp.optimizers import SGD
>>> net = Network([4, 3, 1], seed=0)
>>> net.compile(SGD(0.1, momentum=0.9))
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from . import schedules, validation
from .errors import unknown
from .schedules import Schedule

Array = np.ndarray[Any, Any]

# The smallest epsilon that float32 holds with room to spare; padding divides 0 by it.
_MIN_EPSILON = 1e-30


def filled(value: float, count: int) -> Array:
    """The same float64 `count` times.

    >>> filled(0.5, 2)
    array([0.5, 0.5])
    """
    array = np.empty(count)
    array.fill(value)  # np.full takes two microseconds longer, in every epoch
    return array


@dataclass(frozen=True, repr=False)
class Optimizer:
    """Base of all optimizers: what they have in common.

    Parameters
    ----------
    l1, l2 : float
        Penalties added to the gradient: l1 * sign(w) + l2 * w; 0 or more.
    weight_decay : float
        Decoupled decay, w *= 1 - learning_rate * weight_decay; 0 or more.
    clipvalue : float, optional
        Bound of every gradient element, above 0.
    global_clipnorm : float, optional
        Bound of the norm of all gradients together, above 0; they are scaled down to it.
    """

    name: ClassVar[str] = ""
    squares: ClassVar[tuple[int, ...]] = ()  # which of its slots hold sums or averages of squares
    learning_rate: float | Schedule = 0.01
    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    clipvalue: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name:
            raise TypeError("Optimizer is a base class, expected one of its subclasses such as SGD or Adam")
        if not isinstance(self.learning_rate, Schedule):
            self._set("learning_rate", validation.real(self.learning_rate, "learning_rate", minimum=0.0))
        for name in ("l1", "l2", "weight_decay"):
            self._set(name, validation.real(getattr(self, name), name, minimum=0.0))
        for name in ("clipvalue", "global_clipnorm"):
            if getattr(self, name) is not None:
                self._set(name, validation.real(getattr(self, name), name, above=0.0))
        for name in ("momentum", "rho", "beta_1", "beta_2"):
            if hasattr(self, name):
                self._set(name, validation.real(getattr(self, name), name, minimum=0.0, below=1.0))
        if hasattr(self, "epsilon"):
            self._set("epsilon", validation.real(self.epsilon, "epsilon", minimum=_MIN_EPSILON))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        changed = [
            f"{item.name}={getattr(self, item.name)!r}"
            for item in dataclasses.fields(self)[1:]
            if getattr(self, item.name) != item.default
        ]
        return f"{type(self).__name__}({', '.join([repr(self.learning_rate), *changed])})"

    @property
    def rule(self) -> str:
        """The engine's name of the step."""
        return self.name

    def hyperparameters(self) -> dict[str, Any]:
        """What the engine's rule takes beside the learning rate."""
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)[1:]
            if item.metadata.get("of_rule", True)
        }

    def learning_rates(self, first_step: int, count: int) -> Array:
        """Learning rates of `count` steps from `first_step` on, float64 of shape (count,).

        >>> SGD(0.5).learning_rates(10, 2)
        array([0.5, 0.5])
        """
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate.values(first_step, count)
        return filled(self.learning_rate, count)


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Gradient descent, with momentum if asked: v = momentum * v + g; w -= learning_rate * v.

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    momentum : float
        0 <= momentum < 1; at 0 it is w -= learning_rate * g.
    nesterov : bool
        Look ahead: w -= learning_rate * (g + momentum * v).
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import SGD
    >>> SGD(0.1, momentum=0.9)
    SGD(0.1, momentum=0.9)
    """

    name: ClassVar[str] = "sgd"
    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("nesterov", validation.boolean(self.nesterov, "nesterov"))
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is True with momentum 0, expected a momentum above 0")


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """s += g * g; w -= learning_rate * g / (sqrt(s) + epsilon)  (Duchi et al., JMLR 2011).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    epsilon : float
        At least 1e-30.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import Adagrad
    >>> Adagrad(0.05)
    Adagrad(0.05)
    """

    name: ClassVar[str] = "adagrad"
    squares: ClassVar[tuple[int, ...]] = (0,)
    learning_rate: float | Schedule = 0.01
    epsilon: float = 1e-10


@dataclass(frozen=True, repr=False)
class RMSprop(Optimizer):
    """s = rho * s + (1 - rho) * g * g; w -= learning_rate * g / (sqrt(s) + epsilon)  (Hinton, lecture 6e).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    rho : float
        0 <= rho < 1.
    epsilon : float
        At least 1e-30.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import RMSprop
    >>> RMSprop(rho=0.99)
    RMSprop(0.001, rho=0.99)
    """

    name: ClassVar[str] = "rmsprop"
    squares: ClassVar[tuple[int, ...]] = (0,)
    learning_rate: float | Schedule = 0.001
    rho: float = 0.9
    epsilon: float = 1e-8


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """m = beta_1 * m + (1 - beta_1) * g; v = beta_2 * v + (1 - beta_2) * g * g; and at step t = 1, 2, ...

    w -= learning_rate / (1 - beta_1**t) * m / (sqrt(v) / sqrt(1 - beta_2**t) + epsilon)
    (Kingma and Ba, arXiv:1412.6980).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    beta_1, beta_2 : float
        0 <= beta < 1.
    epsilon : float
        At least 1e-30.
    amsgrad : bool
        Whether the largest v so far takes the place of v, so that no step grows because gradients have become
        small (Reddi, Kale and Kumar, arXiv:1904.09237).
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import Adam
    >>> Adam(1e-3, global_clipnorm=1.0)
    Adam(0.001, global_clipnorm=1.0)
    """

    name: ClassVar[str] = "adam"
    squares: ClassVar[tuple[int, ...]] = (1, 2)
    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = field(default=False, metadata={"of_rule": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("amsgrad", validation.boolean(self.amsgrad, "amsgrad"))

    @property
    def rule(self) -> str:
        """The engine's name of the step; AdamW's is Adam's."""
        return "amsgrad" if self.amsgrad else self.name


@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """`Adam` with decoupled weight decay, 0.01 unless given (Loshchilov and Hutter, arXiv:1711.05101).

    Examples
    --------
    >>> from fastmlp.optimizers import AdamW
    >>> AdamW(1e-3, weight_decay=0.1)
    AdamW(0.001, weight_decay=0.1)
    """

    name: ClassVar[str] = "adamw"
    weight_decay: float = field(default=0.01, kw_only=True)


OPTIMIZERS: dict[str, type[Optimizer]] = {cls.name: cls for cls in (SGD, Adagrad, RMSprop, Adam, AdamW)}


def resolve(optimizer: object) -> Optimizer:
    """An optimizer from a name, with its defaults, or as it is.

    >>> resolve("adam")
    Adam(0.001)
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise unknown("optimizer", optimizer, OPTIMIZERS)
        return OPTIMIZERS[optimizer]()
    raise TypeError(f"optimizer is {optimizer!r}, expected a name or an object of fastmlp.optimizers")


def to_config(optimizer: Optimizer) -> dict[str, Any]:
    """A dict that JSON can hold."""
    rest = {item.name: getattr(optimizer, item.name) for item in dataclasses.fields(optimizer)[1:]}
    return {"type": optimizer.name, "learning_rate": schedules.to_config(optimizer.learning_rate), **rest}


def from_config(config: dict[str, Any]) -> Optimizer:
    """The optimizer of a dict made by `to_config`."""
    fields = dict(config)
    name = fields.pop("type")
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    fields["learning_rate"] = schedules.from_config(fields["learning_rate"])
    return OPTIMIZERS[name](**fields)
