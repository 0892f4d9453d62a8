"""Optimizers: how a gradient moves the weights, by name or as an object with options.

They are descriptions, dataclasses of hyperparameters; the arithmetic is the engine's.

Per element, with the gradient g of a weight w (PyTorch's formulas)::

    g = clip(g);  g += l1 * sign(w) + l2 * w;  w *= 1 - learning_rate * weight_decay

and then the optimizer's own step.  `l1`, `l2` and `weight_decay` act on weights, not on biases; PyTorch's
``weight_decay`` is `l2` here, but of AdamW and with ``decoupled_weight_decay=True`` it is `weight_decay`.

A description does not change, but for its `learning_rate`, which may be set at any time; `Network.compile`
takes a copy, ``net.optimizer``.

>>> from fastmlp import Network
>>> from fastmlp.optimizers import SGD
>>> net = Network([4, 3, 1], seed=0)
>>> net.compile(SGD(0.1, momentum=0.9))
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from . import schedules, validation
from .descriptions import description
from .errors import shown, unknown
from .schedules import Schedule
from .stepper import Stepper

Array = np.ndarray[Any, Any]

# What hyperparameters may be.  float32 holds 1e-30 with room to spare; padding divides 0 by it.
_FACTOR = {"minimum": 0.0, "below": 1.0}
_RANGES: dict[str, dict[str, float]] = {
    "l1": {"minimum": 0.0},
    "l2": {"minimum": 0.0},
    "momentum": _FACTOR,
    "rho": _FACTOR,
    "beta_1": _FACTOR,
    "beta_2": _FACTOR,
    "epsilon": {"minimum": 1e-30},
    "momentum_decay": {"minimum": 0.0},
    "eta_minus": {"above": 0.0, "below": 1.0},
    "eta_plus": {"above": 1.0},
    "step_min": {"minimum": 1e-30},
    "step_max": {"minimum": 1e-30},
    "ema_momentum": {"minimum": 0.0, "maximum": 1.0},
    "lookahead_alpha": {"above": 0.0, "maximum": 1.0},
    "tolerance_gradient": {"minimum": 0.0},
    "tolerance_change": {"minimum": 0.0},
}
_COUNTS = ("ema_overwrite_frequency", "lookahead_steps", "gradient_accumulation_steps")


def filled(value: float, count: int) -> Array:
    """The same float64 `count` times.

    >>> filled(0.5, 2)
    array([0.5, 0.5])
    """
    array = np.empty(count)
    array.fill(value)  # np.full takes two microseconds longer, in every epoch
    return array


@description
class Optimizer:
    """Base of all optimizers: what they have in common.

    Parameters
    ----------
    l1, l2 : float
        Penalties added to the gradient: ``l1 * sign(w) + l2 * w``; 0 or more.
    weight_decay : float or Schedule
        Decoupled decay, ``w *= 1 - learning_rate * weight_decay``; 0 or more.
    clipvalue : float, optional
        Bound of every gradient element, above 0.
    global_clipnorm : float, optional
        Bound of the norm of all gradients together, above 0; they are scaled down to it.
    use_ema : bool
        Whether a moving average of the weights is kept: a = ema_momentum * a + (1 - ema_momentum) * w after
        each step, and a = w after the first.  At the end of `Network.fit` it takes the place of the weights
        (of what training moves: not of moving statistics), as in Keras; until then predictions, validation
        and callbacks see the weights themselves, and a second fit goes on from the average.
    ema_momentum : float
        0 to 1.
    ema_overwrite_frequency : int, optional
        After every so many steps the average takes the place of the weights too.
    lookahead_steps : int, optional
        Lookahead's k (Zhang et al., arXiv:1907.08610): after every k steps, slow weights, which begin as the
        weights before the first step, become slow + lookahead_alpha * (w - slow), and the weights go on from
        there.  The optimizer's state stays.
    lookahead_alpha : float
        Above 0, at most 1.
    gradient_accumulation_steps : int, optional
        So many batches make one step, by the mean of their gradients; schedules and `Network.plan.step`
        count steps.  Batches that wait for the others of their step do so over epochs and fits.

    Examples
    --------
    >>> from fastmlp.optimizers import Adam
    >>> Adam(1e-3, use_ema=True, ema_momentum=0.999)
    Adam(0.001, use_ema=True, ema_momentum=0.999)
    >>> Adam(1e-3, lookahead_steps=5, gradient_accumulation_steps=4)
    Adam(0.001, lookahead_steps=5, gradient_accumulation_steps=4)
    """

    name: ClassVar[str] = ""
    squares: ClassVar[tuple[int, ...]] = ()  # which of its slots hold squares or sizes, 0 or more
    all_rows: ClassVar[bool] = False  # whether a batch has to have all rows, and why
    why_all_rows: ClassVar[str] = ""
    learning_rate: float | Schedule = 0.01
    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)
    weight_decay: float | Schedule = field(default=0.0, kw_only=True)
    clipvalue: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)
    use_ema: bool = field(default=False, kw_only=True)
    ema_momentum: float = field(default=0.99, kw_only=True)
    ema_overwrite_frequency: int | None = field(default=None, kw_only=True)
    lookahead_steps: int | None = field(default=None, kw_only=True)
    lookahead_alpha: float = field(default=0.5, kw_only=True)
    gradient_accumulation_steps: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name:
            raise TypeError("Optimizer is a base class, expected one of its subclasses such as SGD or Adam")
        for name in ("learning_rate", "weight_decay"):
            self._set(name, schedules.as_schedule(getattr(self, name), name))
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value is item.default:
                continue
            if item.name in _RANGES:
                self._set(item.name, validation.real(value, item.name, **_RANGES[item.name]))
            elif isinstance(item.default, bool):
                self._set(item.name, validation.boolean(value, item.name))
        for name in ("clipvalue", "global_clipnorm"):
            if getattr(self, name) is not None:
                self._set(name, validation.real(getattr(self, name), name, above=0.0))
        for name in _COUNTS:
            if getattr(self, name) is not None:
                self._set(name, validation.integer(getattr(self, name), name, 1))
        if self.use_ema and self.lookahead_steps is not None:
            raise ValueError("use_ema and lookahead_steps came together, expected one kind of slow weights")
        if self.ema_overwrite_frequency is not None and not self.use_ema:
            raise ValueError("ema_overwrite_frequency came without use_ema=True, expected both")

    def __setattr__(self, name: str, value: object) -> None:
        if name == "learning_rate":
            value = schedules.as_schedule(value, name)
        elif name in vars(self):
            raise dataclasses.FrozenInstanceError(
                f"cannot assign to field {name!r}: of an optimizer only learning_rate may be set"
            )
        self._set(name, value)

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

    def hyperparameters(self, step: int = 0) -> dict[str, Any]:
        """What the engine's rule takes beside the learning rate; the weight decay is that of the step."""
        decay = self.weight_decay
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)[1:]
            if item.metadata.get("of_rule", True)
        } | {"weight_decay": decay(step) if isinstance(decay, Schedule) else decay}

    def steps_as(self, other: Optimizer) -> bool:
        """Whether it makes the steps of another one, but for their learning rates.

        >>> SGD(0.5).steps_as(SGD(0.1)), SGD(0.5).steps_as(SGD(0.5, momentum=0.9))
        (True, False)
        """
        return type(self) is type(other) and all(
            getattr(self, item.name) == getattr(other, item.name) for item in dataclasses.fields(self)[1:]
        )

    def learning_rates(self, first_step: int, count: int) -> Array:
        """Learning rates of `count` steps from `first_step` on, float64 of shape (count,).

        >>> SGD(0.5).learning_rates(10, 2)
        array([0.5, 0.5])
        """
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate.values(first_step, count)
        return filled(self.learning_rate, count)

    def weight_decays(self, first_step: int, count: int) -> Array | None:
        """Weight decays of these steps likewise; None where all are `hyperparameters`'.

        >>> SGD(0.5, weight_decay=0.1).weight_decays(10, 2)
        """
        if isinstance(self.weight_decay, Schedule):
            return self.weight_decay.values(first_step, count)
        return None

    def on(self, array: Array) -> Stepper:
        """A stepper whose `step(gradient)` changes a plain array in place, as `Network.step` changes weights.

        Parameters
        ----------
        array : ndarray of float32 or float64, any shape
            Writable, in C order.

        >>> import numpy as np
        >>> array = np.zeros(3)
        >>> SGD(0.5).on(array).step([1.0, 2.0, 4.0])
        >>> array
        array([-0.5, -1. , -2. ])
        """
        return Stepper(copy.copy(self), array)

    @property
    def batches_a_step(self) -> int:
        """How many batches make one step."""
        return self.gradient_accumulation_steps or 1

    def check_alone(self, where: str) -> None:
        """ValueError if anything is to be done around the steps, where there are the steps alone.

        >>> SGD().check_alone("an array")
        """
        for name in ("use_ema", "lookahead_steps", "gradient_accumulation_steps"):
            value = getattr(self, name)
            if value:
                raise ValueError(f"{name} is {value} for {where}, expected it in Network.compile alone")

    def check_batches(self, batch_size: int, rows: int) -> None:
        """ValueError if the optimizer needs all rows in a batch, and they are not.

        >>> SGD().check_batches(32, 100)
        """
        if self.all_rows and batch_size < rows:
            raise ValueError(
                f"batch_size is {batch_size} of {rows} rows, expected all of them with "
                f"{type(self).__name__}: {self.why_all_rows}"
            )


@description
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
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is True with momentum 0, expected a momentum above 0")


@description
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


@description
class RMSprop(Optimizer):
    """s = rho * s + (1 - rho) * g * g; w -= learning_rate * g / (sqrt(s) + epsilon)  (Hinton, lecture 6e).

    Centered, m = rho * m + (1 - rho) * g, and s - m * m takes the place of s (Graves, arXiv:1308.0850).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    rho : float
        0 <= rho < 1.
    epsilon : float
        At least 1e-30.
    centered : bool
        Whether to divide by the gradient's deviation, not by the root of its mean square.
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
    centered: bool = field(default=False, metadata={"of_rule": False})

    @property
    def rule(self) -> str:
        """The engine's name of the step."""
        return "centered_rmsprop" if self.centered else self.name


@description
class Adadelta(Optimizer):
    """s = rho * s + (1 - rho) * g * g; d = sqrt(u + epsilon) / sqrt(s + epsilon) * g;

    u = rho * u + (1 - rho) * d * d; w -= learning_rate * d  (Zeiler, arXiv:1212.5701).

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
    >>> from fastmlp.optimizers import Adadelta
    >>> Adadelta(rho=0.95)
    Adadelta(1.0, rho=0.95)
    """

    name: ClassVar[str] = "adadelta"
    squares: ClassVar[tuple[int, ...]] = (0, 1)
    learning_rate: float | Schedule = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6


@description
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

    @property
    def rule(self) -> str:
        """The engine's name of the step; AdamW's is Adam's."""
        return "amsgrad" if self.amsgrad else self.name


@description
class AdamW(Adam):
    """`Adam` with decoupled weight decay, 0.01 unless given (Loshchilov and Hutter, arXiv:1711.05101).

    Examples
    --------
    >>> from fastmlp.optimizers import AdamW
    >>> AdamW(1e-3, weight_decay=0.1)
    AdamW(0.001, weight_decay=0.1)
    """

    name: ClassVar[str] = "adamw"
    weight_decay: float | Schedule = field(default=0.01, kw_only=True)


@description
class Adamax(Optimizer):
    """m as in `Adam`; u = max(beta_2 * u, abs(g) + epsilon); and at step t = 1, 2, ...

    w -= learning_rate / (1 - beta_1**t) * m / u  (Kingma and Ba, arXiv:1412.6980, section 7.1).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    beta_1, beta_2 : float
        0 <= beta < 1.
    epsilon : float
        At least 1e-30.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import Adamax
    >>> Adamax()
    Adamax(0.002)
    """

    name: ClassVar[str] = "adamax"
    squares: ClassVar[tuple[int, ...]] = (1,)
    learning_rate: float | Schedule = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8


@description
class NAdam(Optimizer):
    """m and v as in `Adam`; mu_t = beta_1 * (1 - 0.96**(t * momentum_decay) / 2); p = mu_1 * ... * mu_t; and

    n = mu_(t+1) / (1 - p * mu_(t+1)) * m + (1 - mu_t) / (1 - p) * g;
    w -= learning_rate * n / (sqrt(v) / sqrt(1 - beta_2**t) + epsilon)  (Dozat, ICLR workshop 2016).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    beta_1, beta_2 : float
        0 <= beta < 1.
    epsilon : float
        At least 1e-30.
    momentum_decay : float
        0 or more; 1 in the paper and in Keras.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import NAdam
    >>> NAdam(1e-3)
    NAdam(0.001)
    """

    name: ClassVar[str] = "nadam"
    squares: ClassVar[tuple[int, ...]] = (1,)
    learning_rate: float | Schedule = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004


@description
class RAdam(Optimizer):
    """m and v as in `Adam`; r = 2 / (1 - beta_2) - 1; r_t = r - 2 * t * beta_2**t / (1 - beta_2**t);

    where r_t > 5, c = sqrt((r_t - 4) * (r_t - 2) * r / ((r - 4) * (r - 2) * r_t)) and
    w -= learning_rate / (1 - beta_1**t) * c * sqrt(1 - beta_2**t) * m / (sqrt(v) + epsilon);
    before, w -= learning_rate / (1 - beta_1**t) * m  (Liu et al., arXiv:1908.03265).

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    beta_1, beta_2 : float
        0 <= beta < 1.
    epsilon : float
        At least 1e-30.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import RAdam
    >>> RAdam(beta_2=0.99)
    RAdam(0.001, beta_2=0.99)
    """

    name: ClassVar[str] = "radam"
    squares: ClassVar[tuple[int, ...]] = (1,)
    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8


@description
class Lion(Optimizer):
    """w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g); m = beta_2 * m + (1 - beta_2) * g

    (Chen et al., arXiv:2302.06675).  Every weight moves by the learning rate, so that wants to be three to
    ten times smaller than Adam's, and the weight decay as much larger.

    Parameters
    ----------
    learning_rate : float or Schedule
        0 or more.
    beta_1, beta_2 : float
        0 <= beta < 1.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import Lion
    >>> Lion(weight_decay=0.1)
    Lion(0.0001, weight_decay=0.1)
    """

    name: ClassVar[str] = "lion"
    learning_rate: float | Schedule = 0.0001
    beta_1: float = 0.9
    beta_2: float = 0.99


@description
class Rprop(Optimizer):
    """Each weight's step of its own, times eta_plus while its gradient keeps the sign, else times eta_minus.

    The step stays from step_min to step_max, and goes against the gradient's sign; where that has turned, the
    weight rests once (Riedmiller and Braun, ICNN 1993).  Signs of gradients mean something on all rows alone,
    so `Network.fit` expects ``batch_size=None``.

    Parameters
    ----------
    learning_rate : float or Schedule
        The first step of each weight, 0 or more; later ones do not depend on it, but 0 moves nothing.
    eta_minus : float
        Above 0, below 1.
    eta_plus : float
        Above 1.
    step_min, step_max : float
        At least 1e-30, the first at most the second.
    **common
        See `Optimizer`.

    Examples
    --------
    >>> from fastmlp.optimizers import Rprop
    >>> Rprop(0.001, step_max=1.0)
    Rprop(0.001, step_max=1.0)
    """

    name: ClassVar[str] = "rprop"
    squares: ClassVar[tuple[int, ...]] = (1,)
    all_rows: ClassVar[bool] = True
    why_all_rows: ClassVar[str] = "it goes by the signs of gradients, which batches turn at random"
    learning_rate: float | Schedule = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    step_min: float = 1e-6
    step_max: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_min > self.step_max:
            raise ValueError(f"step_min is {self.step_min}, expected at most step_max, {self.step_max}")


@description
class Solver(Optimizer):
    """Base of what moves all weights at once: an epoch of `Network.fit` is an iteration, ``batch_size=None``.

    Arithmetic is float64 whatever the network's dtype.  The fit ends before its last epoch where a tolerance
    is reached; a later one starts anew from the weights.  There are no dropout, batch normalisation (but a
    frozen one), factors of layers, steps on a batch or loops of one's own.

    Parameters
    ----------
    tolerance_gradient : float
        The largest element of the gradient that ends the fit, 0 or more.
    tolerance_change : float
        Relative change that ends it, 0 or more: of the loss for `LBFGS`, of the weights for
        `LevenbergMarquardt`.

    Examples
    --------
    >>> from fastmlp.optimizers import LBFGS
    >>> LBFGS(tolerance_gradient=1e-8)
    LBFGS(tolerance_gradient=1e-08)
    """

    all_rows: ClassVar[bool] = True
    why_all_rows: ClassVar[str] = "it moves all weights by the loss of all rows"
    tolerance_gradient: float = field(default=1e-5, kw_only=True)
    tolerance_change: float = field(default=2.220446049250313e-09, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for item in dataclasses.fields(Optimizer):
            value = getattr(self, item.name)
            if value != item.default:
                raise ValueError(f"{item.name} is {value}, expected none with {type(self).__name__}")

    def __setattr__(self, name: str, value: object) -> None:
        if name == "learning_rate" and name in vars(self):
            raise dataclasses.FrozenInstanceError(f"{type(self).__name__} has no learning rate to set")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        changed = [
            f"{item.name}={getattr(self, item.name)!r}"
            for item in dataclasses.fields(self)
            if getattr(self, item.name) != item.default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    @property
    def rule(self) -> str:
        """What the plan is compiled with, and makes no step of."""
        return "sgd"

    def hyperparameters(self, step: int = 0) -> dict[str, Any]:
        """None: the engine makes no step."""
        return {}

    def check_alone(self, where: str) -> None:
        """ValueError: there is no step to make.

        >>> try:
        ...     LBFGS().check_alone("a plain array")
        ... except ValueError as error:
        ...     print(error)
        LBFGS makes no single step for a plain array, expected Network.fit
        """
        raise ValueError(f"{type(self).__name__} makes no single step for {where}, expected Network.fit")


@description
class LBFGS(Solver):
    """Limited-memory BFGS: curvature from the last gradients, and a line search (scipy's L-BFGS-B).

    Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16, 1995.  It needs scipy.  For full batches of some
    thousand rows, where it mostly needs far fewer passes than a method of first order.

    Parameters
    ----------
    history_size : int
        How many gradients are remembered, at least 1.
    **tolerances
        See `Solver`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network
    >>> from fastmlp.optimizers import LBFGS
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> net = Network([1, 8, 1], activation="tanh", seed=0)
    >>> net.compile(LBFGS())
    >>> history = net.fit(X, X**2, epochs=60, batch_size=None)
    >>> history.history["loss"][-1] < 1e-3
    True
    """

    name: ClassVar[str] = "lbfgs"
    history_size: int = field(default=10, kw_only=True)

    def __post_init__(self) -> None:
        self._set("history_size", validation.integer(self.history_size, "history_size", 1))
        super().__post_init__()


@description
class LevenbergMarquardt(Solver):
    """Least squares of small networks by residuals r and their Jacobian J; the loss is "mse".

    w -= (J' J + d I)^-1 J' r, with a damping d that shrinks after steps that do what the linear model
    foretells, and grows before another try where the loss would rise (Levenberg, 1944; Marquardt, 1963; d as
    in Madsen, Nielsen and Tingleff, 2004, algorithm 3.16).

    An iteration costs a backward pass for each row and output and the cube of the number of parameters: for
    some hundred of those and some thousand rows.  On 200 rows of sin(3 u) v with noise of deviation 0.01,
    with 16 tanh units and 65 parameters, 200 evaluations (residuals and their Jacobian are one each, for
    `LBFGS` a loss with its gradient) end at a mean squared error of 7.4e-5, those of `LBFGS` at 3.0e-4
    (medians of five seeds).

    Parameters
    ----------
    **tolerances
        See `Solver`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network
    >>> from fastmlp.optimizers import LevenbergMarquardt
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> net = Network([1, 8, 1], activation="tanh", dtype="float64", seed=0)
    >>> net.compile(LevenbergMarquardt())
    >>> history = net.fit(X, X**2, epochs=30, batch_size=None)
    >>> history.history["loss"][-1] < 1e-6
    True
    """

    name: ClassVar[str] = "levenbergmarquardt"


SOLVERS: dict[str, type[Solver]] = {cls.name: cls for cls in (LBFGS, LevenbergMarquardt)}
OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.name: cls for cls in (SGD, Adagrad, RMSprop, Adadelta, Adam, AdamW, Adamax, NAdam, RAdam, Lion, Rprop)
}


def _plain(name: str) -> str:
    """A name as it is compared: "RMSprop" and "rms_prop" are one."""
    return "".join(filter(str.isalnum, name.lower()))


def named(name: str) -> type[Optimizer]:
    """The class of a name, in whatever case; ValueError if there is none.

    >>> named("RMSProp").__name__
    'RMSprop'
    """
    known = OPTIMIZERS | SOLVERS
    if _plain(name) not in known:
        raise unknown("optimizer", name, known)
    return known[_plain(name)]


def resolve(optimizer: object) -> Optimizer:
    """An optimizer from a name, with its defaults, or as it is.

    >>> resolve("adam")
    Adam(0.001)
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return named(optimizer)()
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        name = optimizer.__name__
        raise TypeError(f"optimizer is the class {name}, expected an object of it, {name}()")
    raise TypeError(f"optimizer is {shown(optimizer)}, expected a name or an object of fastmlp.optimizers")


_SCHEDULED = ("learning_rate", "weight_decay")  # what may be a schedule


def to_config(optimizer: Optimizer) -> dict[str, Any]:
    """A dict that JSON can hold; ValueError if a schedule cannot be saved."""
    values = {item.name: getattr(optimizer, item.name) for item in dataclasses.fields(optimizer)}
    for name in _SCHEDULED:
        values[name] = schedules.to_config(values[name], name)
    return {"type": optimizer.name, **values}


def from_config(config: dict[str, Any]) -> Optimizer:
    """The optimizer of a dict made by `to_config`."""
    fields = dict(config)
    name = fields.pop("type")
    known = OPTIMIZERS | SOLVERS
    if name not in known:
        raise unknown("optimizer", name, known)
    for item in _SCHEDULED:
        if item in fields:
            fields[item] = schedules.from_config(fields[item], item)
    return known[name](**fields)
