"""Learning rates that change with the optimizer's steps.

A schedule goes where an optimizer takes its learning rate: ``Adam(CosineDecay(1e-3, steps=10_000))``.  A step
is one mini-batch, counted from 0 over all epochs since `Network.compile`.  The rates are made of IEEE
operations and the engine's own cosine alone and depend on the step's number only, so they are the same
everywhere and in any cut of the training into calls.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _kernels
from .errors import unknown
from .validation import integer, real

Array = np.ndarray[Any, Any]

MAX_STEPS = 2**53  # float64 tells all smaller numbers apart, and no training gets there


def _powers(base: float, exponents: Array) -> Array:
    """base ** exponents by repeated squaring; int64 exponents from 0 to 2**53."""
    result = np.ones(exponents.shape)
    square, exponents = base, exponents.copy()
    while exponents.any():
        np.multiply(result, square, out=result, where=(exponents & 1).astype(bool))
        square *= square
        exponents >>= 1
    return result


def _root(value: float, n: int) -> float:
    """The largest float whose n-th power by `_powers` is at most value, 0 < value < 1, by bisection."""
    exponent = np.array([n], dtype=np.int64)
    low, high = value, 1.0
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if _powers(middle, exponent)[0] <= value else (low, middle)
    return low


@dataclass(frozen=True)
class Schedule:
    """Base of all schedules; a subclass says what `values` are."""

    def values(self, first_step: int, count: int) -> Array:
        """Learning rates of `count` steps from `first_step` on, float64 of shape (count,).

        Parameters
        ----------
        first_step, count : int
            0 or more, together at most 2**53.

        Raises
        ------
        ValueError
            If a step is outside this range.
        """
        first_step = integer(first_step, "first_step", 0, MAX_STEPS - 1)
        count = integer(count, "count", 0, MAX_STEPS - first_step)
        return self._at(np.arange(first_step, first_step + count, dtype=np.int64))

    def __call__(self, step: int) -> float:
        """The learning rate of one step, 0 <= step < 2**53; ValueError for any other."""
        step = integer(step, "step", 0, MAX_STEPS - 1)
        return float(self.values(step, 1)[0])

    def _at(self, steps: Array) -> Array:
        raise NotImplementedError

    def _check(self, **kinds: str) -> None:
        """Replaces fields by checked numbers: a "rate" (0 or more), a "factor" (above 0 to 1) or "steps"."""
        for name, kind in kinds.items():
            value = getattr(self, name)
            if kind == "steps":
                value = integer(value, name, 1, MAX_STEPS)
            elif kind == "factor":
                value = real(value, name, above=0.0, maximum=1.0)
            else:
                value = real(value, name, minimum=0.0)
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every step.

    Parameters
    ----------
    learning_rate : float
        0 or more.

    Examples
    --------
    >>> from fastmlp.schedules import Constant
    >>> Constant(0.1)(1000)
    0.1
    """

    learning_rate: float

    def __post_init__(self) -> None:
        self._check(learning_rate="rate")

    def _at(self, steps: Array) -> Array:
        return np.full(steps.shape, self.learning_rate)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """learning_rate * factor ** (step // every): a staircase.

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    factor : float
        0 < factor <= 1.
    every : int
        Steps between two drops, 1 to 2**53.

    Examples
    --------
    >>> from fastmlp.schedules import StepDecay
    >>> StepDecay(0.5, factor=0.5, every=100).values(99, 2)
    array([0.5 , 0.25])
    """

    learning_rate: float
    factor: float = 0.5
    every: int = 1000

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", factor="factor", every="steps")

    def _at(self, steps: Array) -> Array:
        return self.learning_rate * _powers(self.factor, steps // self.every)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """learning_rate * factor ** (step / every): a smooth fall by `factor` over `every` steps.

    The factor of one step is the `every`-th root, found by bisection; its powers are repeated
    multiplications.

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    factor : float
        0 < factor <= 1.
    every : int
        Steps over which the rate falls by the factor, 1 to 2**53.

    Examples
    --------
    >>> from fastmlp.schedules import ExponentialDecay
    >>> ExponentialDecay(0.5, factor=0.25, every=2).values(0, 3)
    array([0.5  , 0.25 , 0.125])
    """

    learning_rate: float
    factor: float = 0.96
    every: int = 1000

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", factor="factor", every="steps")

    def _at(self, steps: Array) -> Array:
        root = _root(self.factor, self.every) if self.every > 1 and self.factor < 1 else self.factor
        return self.learning_rate * _powers(root, steps)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """minimum + (learning_rate - minimum) * (1 + cos(pi * step / steps)) / 2, then the minimum for ever.

    From Loshchilov and Hutter, arXiv:1608.03983, without restarts.

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    steps : int
        Length of the fall, 1 to 2**53.
    minimum : float
        0 or more, where the fall ends.

    Examples
    --------
    >>> from fastmlp.schedules import CosineDecay
    >>> CosineDecay(1.0, steps=2).values(0, 4)
    array([1. , 0.5, 0. , 0. ])
    """

    learning_rate: float
    steps: int
    minimum: float = 0.0

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", steps="steps", minimum="rate")

    def _at(self, steps: Array) -> Array:
        result = np.full(steps.shape, self.minimum)
        falling = steps < self.steps
        angles = np.pi * (steps[falling] / self.steps)
        cosines = np.array([float(_kernels.cosine(float(angle))) for angle in angles])
        result[falling] += (self.learning_rate - self.minimum) * (0.5 * (1.0 + cosines))
        return result


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear climb to another schedule's first rate, then that schedule from its own step 0.

    Step t < steps has the rate first * (t + 1) / steps.

    Parameters
    ----------
    schedule : Schedule or float
        What follows the climb.
    steps : int
        Length of the climb, 1 to 2**53.

    Examples
    --------
    >>> from fastmlp.schedules import Warmup
    >>> Warmup(0.5, steps=4).values(0, 6)
    array([0.125, 0.25 , 0.375, 0.5  , 0.5  , 0.5  ])
    """

    schedule: Schedule | float
    steps: int

    def __post_init__(self) -> None:
        self._check(steps="steps")
        if not isinstance(self.schedule, Schedule):
            object.__setattr__(self, "schedule", Constant(self.schedule))

    def _at(self, steps: Array) -> Array:
        assert isinstance(self.schedule, Schedule)
        result = self.schedule._at(np.maximum(steps - self.steps, 0))
        climbing = steps < self.steps
        result[climbing] *= (steps[climbing] + 1) / self.steps
        return result


SCHEDULES: dict[str, type[Schedule]] = {
    cls.__name__: cls for cls in (Constant, StepDecay, ExponentialDecay, CosineDecay, Warmup)
}


def to_config(rate: Schedule | float) -> Any:
    """A number or a dict that JSON can hold."""
    if not isinstance(rate, Schedule):
        return rate
    if type(rate) not in SCHEDULES.values():
        raise ValueError(
            f"learning_rate is a {type(rate).__name__}, and only fastmlp's own schedules can be saved"
        )
    fields = {field.name: getattr(rate, field.name) for field in dataclasses.fields(rate)}
    return {
        "type": type(rate).__name__,
        **{k: to_config(v) if isinstance(v, Schedule) else v for k, v in fields.items()},
    }


def from_config(config: Any) -> Schedule | float:
    """What `to_config` was given."""
    if not isinstance(config, dict):
        return real(config, "learning_rate")
    fields = dict(config)
    name = fields.pop("type")
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    if isinstance(fields.get("schedule"), dict):
        fields["schedule"] = from_config(fields["schedule"])
    return SCHEDULES[name](**fields)
