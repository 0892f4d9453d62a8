"""Numbers that change with the optimizer's steps: learning rates, weight decays, factors of dropout rates.

A schedule goes where an optimizer takes its learning rate or weight decay, ``Adam(CosineDecay(1e-3,
steps=10_000))``, and to ``compile(dropout_schedule=...)``; `learning_rate` is its first or highest value
whatever it is of.  A function of the step will do too.  A step is one mini-batch, counted from 0 over all
epochs since `Network.compile`.  The values are made of IEEE operations and the engine's own functions alone,
of the step's number only, so they are the same everywhere and in any cut of the training into calls.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np

from . import _kernels
from .descriptions import description
from .errors import shown, unknown
from .validation import boolean, integer, real

Array = np.ndarray[Any, Any]

Function = Callable[[int], float]

_LOG_2 = 0.6931471805599453
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


def _to_power(base: Array, power: float) -> Array:
    """base ** power, 0 <= base <= 1 and power > 0: the whole part by squaring, the rest by exp and log."""
    whole = int(power)
    result = _powers_of(base, whole)
    if power != whole:
        logarithms = _kernels.elementary("log", np.where(base > 0, base, 1.0))
        result = np.where(base > 0, result * _kernels.elementary("exp", (power - whole) * logarithms), 0.0)
    return result


def _powers_of(base: Array, exponent: int) -> Array:
    """base ** exponent by repeated squaring."""
    result, square = np.ones(base.shape), base
    while exponent:
        result = result * square if exponent & 1 else result
        square, exponent = square * square, exponent >> 1
    return result


def _half_wave(share: Array) -> Array:
    """(1 + cos(pi * share)) / 2, 0 <= share <= 2: 1 falls to 0 and rises again."""
    angles = (np.pi * share).tolist()
    return 0.5 * (1.0 + np.array([_kernels.cosine(angle) for angle in angles], float))


@description
class Schedule:
    """Base of all schedules; a subclass says what `values` are."""

    def values(self, first_step: int, count: int) -> Array:
        """Values of `count` steps from `first_step` on, float64 of shape (count,).

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
        """The value of one step, 0 <= step < 2**53; ValueError for any other."""
        step = integer(step, "step", 0, MAX_STEPS - 1)
        return float(self.values(step, 1)[0])

    def _at(self, steps: Array) -> Array:
        raise NotImplementedError

    def _check(self, **kinds: str) -> None:
        """Replaces fields by checked numbers: a "rate" (0 or more), "factor" (above 0 to 1), "share" (0 to
        1), "power" or "steps"."""
        for name, kind in kinds.items():
            value = getattr(self, name)
            if kind == "steps":
                value = integer(value, name, 1, MAX_STEPS)
            elif kind == "factor":
                value = real(value, name, above=0.0, maximum=1.0)
            elif kind == "power":
                value = real(value, name, above=0.0, maximum=1000.0)
            elif kind == "share":
                value = real(value, name, minimum=0.0, maximum=1.0)
            else:
                value = real(value, name, minimum=0.0)
            object.__setattr__(self, name, value)


@description
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


@description
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


@description
class MultiStepDecay(Schedule):
    """learning_rate * factor ** (how many milestones the step has reached).

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    milestones : sequence of int
        Steps, 1 to 2**53, in ascending order; one that comes twice counts twice.
    factor : float
        0 < factor <= 1.

    Examples
    --------
    >>> from fastmlp.schedules import MultiStepDecay
    >>> MultiStepDecay(1.0, [2, 3], factor=0.5).values(0, 5)
    array([1.  , 1.  , 0.5 , 0.25, 0.25])
    """

    learning_rate: float
    milestones: Sequence[int]
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", factor="factor")
        if isinstance(self.milestones, str) or not isinstance(self.milestones, Iterable):
            raise TypeError(f"milestones is {shown(self.milestones)}, expected a sequence of steps")
        steps = tuple(integer(step, "a milestone", 1, MAX_STEPS) for step in self.milestones)
        if list(steps) != sorted(steps):
            raise ValueError(f"milestones is {shown(list(steps))}, expected ascending steps")
        object.__setattr__(self, "milestones", steps)

    def _at(self, steps: Array) -> Array:
        reached = np.searchsorted(np.array(self.milestones, np.int64), steps, side="right")
        return self.learning_rate * _powers(self.factor, reached)


@description
class PolynomialDecay(Schedule):
    """minimum + (learning_rate - minimum) * (1 - step / steps) ** power, then the minimum for ever.

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    steps : int
        Length of the fall, 1 to 2**53.
    power : float
        Above 0, at most 1000; 1 is a line.
    minimum : float
        0 or more, where the fall ends.

    Examples
    --------
    >>> from fastmlp.schedules import PolynomialDecay
    >>> PolynomialDecay(1.0, steps=4, power=2).values(0, 6)
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    , 0.    ])
    """

    learning_rate: float
    steps: int
    power: float = 1.0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", steps="steps", power="power", minimum="rate")

    def _at(self, steps: Array) -> Array:
        left = 1 - np.minimum(steps, self.steps) / self.steps
        return self.minimum + (self.learning_rate - self.minimum) * _to_power(left, self.power)


@description
class InverseScaling(Schedule):
    """learning_rate / (1 + step / every) ** power.

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    power : float
        Above 0, at most 1000; 1 for Keras' ``InverseTimeDecay``.
    every : float
        Steps, above 0.

    Examples
    --------
    >>> from fastmlp.schedules import InverseScaling
    >>> InverseScaling(1.0, power=0.5).values(0, 4)
    array([1.        , 0.70710678, 0.57735027, 0.5       ])
    """

    learning_rate: float
    power: float = 0.5
    every: float = 1.0

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", power="power")
        object.__setattr__(self, "every", real(self.every, "every", minimum=1e-9))

    def _at(self, steps: Array) -> Array:
        return self.learning_rate * _to_power(1 / (1 + steps / self.every), self.power)


@description
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


@description
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
        result[falling] += (self.learning_rate - self.minimum) * _half_wave(steps[falling] / self.steps)
        return result


@description
class CosineRestarts(Schedule):
    """`CosineDecay` again and again, each time `stretch` times as long and `factor` times as high as before.

    From Loshchilov and Hutter, arXiv:1608.03983.

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    steps : int
        Length of the first round, 1 to 2**53.
    stretch : int
        1 or more.
    factor : float
        0 < factor <= 1.
    minimum : float
        0 or more, where each round ends.

    Examples
    --------
    >>> from fastmlp.schedules import CosineRestarts
    >>> CosineRestarts(1.0, steps=2, stretch=2).values(0, 7)
    array([1.        , 0.5       , 1.        , 0.85355339, 0.5       ,
           0.14644661, 1.        ])
    """

    learning_rate: float
    steps: int
    stretch: int = 1
    factor: float = 1.0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", steps="steps", stretch="steps", factor="factor", minimum="rate")

    def _at(self, steps: Array) -> Array:
        rounds, done, length = self._rounds(steps)
        height = self.learning_rate * _powers(self.factor, rounds) - self.minimum
        return np.maximum(self.minimum + height * _half_wave(done / length), 0.0)

    def _rounds(self, steps: Array) -> tuple[Array, Array, Array]:
        """Of each step the number of its round, the steps done of that, and its length."""
        if self.stretch == 1:
            return steps // self.steps, steps % self.steps, np.full(steps.shape, self.steps)
        starts, lengths = [0], [self.steps]  # of rounds, until all steps have begun
        while starts[-1] + lengths[-1] <= max(steps, default=0):
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.stretch)
        rounds = np.searchsorted(np.array(starts), steps, side="right") - 1
        return rounds, steps - np.array(starts)[rounds], np.array(lengths, float)[rounds]


@description
class FlatCosine(Schedule):
    """The learning rate for the share `flat` of the steps, then a cosine to the minimum, which stays.

    With t = step / steps, from t = flat on, it is
    minimum + (learning_rate - minimum) * (1 + cos(pi * (t - flat) / (1 - flat))) / 2: RealMLP's "flat_cos"
    (Holzmüller et al., arXiv:2407.04491).

    Parameters
    ----------
    learning_rate : float
        Of the first step, 0 or more.
    steps : int
        Until the end of the fall, 1 to 2**53.
    flat : float
        0 to 1.
    minimum : float
        0 or more, where the fall ends.

    Examples
    --------
    >>> from fastmlp.schedules import FlatCosine
    >>> FlatCosine(1.0, steps=4).values(0, 6)
    array([1. , 1. , 1. , 0.5, 0. , 0. ])
    """

    learning_rate: float
    steps: int
    flat: float = 0.5
    minimum: float = 0.0

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", steps="steps", flat="share", minimum="rate")

    def _at(self, steps: Array) -> Array:
        done = steps / self.steps
        result = np.where(steps < self.steps, self.learning_rate, self.minimum)
        falling = (done > self.flat) & (done < 1)
        wave = _half_wave((done[falling] - self.flat) / (1 - self.flat))
        result[falling] = self.minimum + (self.learning_rate - self.minimum) * wave
        return result


@description
class CosLog4(Schedule):
    """learning_rate * (1 - cos(2 * pi * log2(1 + 15 * t))) / 2, t = step / steps below 1, then 0 for ever.

    Four waves, each twice as long as that before: RealMLP's schedule (Holzmüller et al., arXiv:2407.04491).

    Parameters
    ----------
    learning_rate : float
        The highest, 0 or more.
    steps : int
        Of all four waves, 1 to 2**53.

    Examples
    --------
    >>> from fastmlp.schedules import CosLog4
    >>> CosLog4(1.0, steps=15).values(0, 5).round(2)
    array([0.  , 0.  , 0.93, 0.  , 0.72])
    """

    learning_rate: float
    steps: int

    def __post_init__(self) -> None:
        self._check(learning_rate="rate", steps="steps")

    def _at(self, steps: Array) -> Array:
        result = np.zeros(steps.shape)
        waving = steps < self.steps
        waves = _kernels.elementary("log", 1 + 15 * (steps[waving] / self.steps)) / _LOG_2
        result[waving] = self.learning_rate * (1 - _half_wave(2 * (waves - np.floor(waves))))
        return result


@description
class OneCycle(Schedule):
    """A climb to the learning rate in the first `climb` of the steps, then a fall far below where it began.

    It begins at learning_rate / start_divisor and ends at that divided by end_divisor, which stays; both ways
    are half a cosine, or lines (Smith and Topin, arXiv:1708.07120; as PyTorch has it in two phases).

    Parameters
    ----------
    learning_rate : float
        The highest, 0 or more.
    steps : int
        Of the whole cycle, 2 to 2**53.
    climb : float
        Share of the steps, above 0 and below 1, that the climb takes.
    start_divisor, end_divisor : float
        1 or more.
    linear : bool
        Whether rates lie on lines.

    Examples
    --------
    >>> from fastmlp.schedules import OneCycle
    >>> OneCycle(1.0, steps=7, climb=3 / 7, start_divisor=5, end_divisor=2, linear=True).values(0, 8)
    array([0.2  , 0.6  , 1.   , 0.775, 0.55 , 0.325, 0.1  , 0.1  ])
    """

    learning_rate: float
    steps: int
    climb: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 10000.0
    linear: bool = False

    def __post_init__(self) -> None:
        self._check(learning_rate="rate")
        checked = {
            "steps": integer(self.steps, "steps", 2, MAX_STEPS),
            "climb": real(self.climb, "climb", above=0.0, below=1.0),
            "start_divisor": real(self.start_divisor, "start_divisor", minimum=1.0),
            "end_divisor": real(self.end_divisor, "end_divisor", minimum=1.0),
            "linear": boolean(self.linear, "linear"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _at(self, steps: Array) -> Array:
        begin = self.learning_rate / self.start_divisor
        top, last = self.climb * self.steps - 1, self.steps - 1
        climbing = steps <= top
        done = np.where(climbing, steps / max(top, 1e-300), (steps - top) / (last - top))
        end = begin / self.end_divisor
        start = np.where(climbing, begin, self.learning_rate)
        way = np.where(climbing, self.learning_rate, end) - start
        done = np.minimum(done, 1.0)
        return start + way * (done if self.linear else 1 - _half_wave(done))


@description
class Warmup(Schedule):
    """A linear climb to another schedule's first rate, then that schedule from its own step 0.

    Step t < steps has the rate first * (t + 1) / steps.

    Parameters
    ----------
    schedule : Schedule, float or callable
        What follows the climb.
    steps : int
        Length of the climb, 1 to 2**53.

    Examples
    --------
    >>> from fastmlp.schedules import Warmup
    >>> Warmup(0.5, steps=4).values(0, 6)
    array([0.125, 0.25 , 0.375, 0.5  , 0.5  , 0.5  ])
    """

    schedule: Schedule | float | Function
    steps: int

    def __post_init__(self) -> None:
        self._check(steps="steps")
        schedule = as_schedule(self.schedule, "schedule")
        held = schedule if isinstance(schedule, Schedule) else Constant(schedule)
        object.__setattr__(self, "schedule", held)

    def _at(self, steps: Array) -> Array:
        assert isinstance(self.schedule, Schedule)
        result = self.schedule._at(np.maximum(steps - self.steps, 0))
        climbing = steps < self.steps
        result[climbing] *= (steps[climbing] + 1) / self.steps
        return result


@description
class FunctionOfStep(Schedule):
    """What a function in Python says of each step; a function given as a schedule becomes one of these.

    It is pickled if the function is, and cannot be saved in a model file.

    Parameters
    ----------
    function : callable
        ``function(step) -> float`` of a step 0, 1, ...: a finite number, 0 or more.

    Examples
    --------
    >>> from fastmlp.schedules import FunctionOfStep
    >>> FunctionOfStep(lambda step: 0.1 / (1 + step)).values(0, 2)
    array([0.1 , 0.05])
    """

    function: Function

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function is {shown(self.function)}, expected a function of the step")

    def _at(self, steps: Array) -> Array:
        what = "what the schedule's function gives for step {}"
        return np.array(
            [real(self.function(step), what.format(step), minimum=0.0) for step in steps.tolist()]
        )


SCHEDULES: dict[str, type[Schedule]] = {
    cls.__name__: cls
    for cls in (
        Constant,
        StepDecay,
        MultiStepDecay,
        ExponentialDecay,
        PolynomialDecay,
        InverseScaling,
        CosineDecay,
        CosineRestarts,
        FlatCosine,
        CosLog4,
        OneCycle,
        Warmup,
    )
}


def at(value: float | Schedule, step: int) -> float:
    """The value of one step.

    >>> at(0.5, 3)
    0.5
    """
    return value(step) if isinstance(value, Schedule) else value


def as_schedule(value: object, argument: str) -> Schedule | float:
    """A schedule as it is, of a function a `FunctionOfStep`, or a number of 0 or more, checked.

    >>> as_schedule(0.5, "learning_rate")
    0.5
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, type) and issubclass(value, Schedule):
        raise TypeError(f"{argument} is the class {value.__name__}, expected an object of it")
    return FunctionOfStep(cast(Function, value)) if callable(value) else real(value, argument, minimum=0.0)


def to_config(rate: Schedule | float, argument: str = "learning_rate") -> Any:
    """A number or a dict that JSON can hold; ValueError for a schedule that is not fastmlp's own."""
    if not isinstance(rate, Schedule):
        return rate
    if type(rate) not in SCHEDULES.values():
        raise ValueError(
            f"{argument} is a {type(rate).__name__}, and only fastmlp's own schedules can be saved"
        )
    fields = {field.name: getattr(rate, field.name) for field in dataclasses.fields(rate)}
    return {
        "type": type(rate).__name__,
        **{k: to_config(v, argument) if isinstance(v, Schedule) else v for k, v in fields.items()},
    }


def from_config(config: Any, argument: str = "learning_rate") -> Schedule | float:
    """What `to_config` was given."""
    if not isinstance(config, dict):
        return real(config, argument)
    fields = dict(config)
    name = fields.pop("type")
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    if isinstance(fields.get("schedule"), dict):
        fields["schedule"] = from_config(fields["schedule"], argument)
    return SCHEDULES[name](**fields)
