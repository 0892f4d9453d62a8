"""scikit-learn's stochastic solvers as the engine's optimizers: hyperparameters, rates, and what is kept."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...optimizers import SGD, Adam, Optimizer, filled
from ...schedules import Schedule

Array = np.ndarray[Any, Any]

SMALLEST_RATE = 1e-6  # where "adaptive" gives up


@dataclass
class Solver:
    """An optimizer in use.  `state` is the engine's, kept here between fits and in pickles.

    Attributes
    ----------
    optimizer : Optimizer
        Its description, which callbacks may replace in the network.
    learning_rate : float
        The present one; that of the first step under a `Schedule`.
    state : dict or None
        What `Plan.get_state` gave; None before the first step.
    """

    optimizer: Optimizer
    state: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.optimizer.check_alone("an estimator")
        self.learning_rate = self._first_rate()

    def _first_rate(self) -> float:
        rate = self.optimizer.learning_rate
        return rate(0) if isinstance(rate, Schedule) else rate

    @property
    def name(self) -> str:
        """The engine's name of the rule."""
        return self.optimizer.rule

    def hyperparameters(self) -> dict[str, Any]:
        """For the engine."""
        return self.optimizer.hyperparameters()

    def begin(self, plan: Any) -> None:
        """Bring the state to a plan that was just compiled."""
        if self.state is not None:
            plan.set_state(self.state)

    def rates(self, first_step: int, count: int) -> Array:
        """Learning rates of the next `count` steps."""
        return self._rates(first_step, count)

    def _rates(self, first_step: int, count: int) -> Array:
        if isinstance(self.optimizer.learning_rate, Schedule):
            return self.optimizer.learning_rate.values(first_step, count)
        return filled(self.learning_rate, count)

    def take(self, optimizer: Optimizer, plan: Any) -> None:
        """Go on with the learning rate of a description that a callback has put in the network or changed."""
        self.optimizer = copy(optimizer)
        self.set_rate(self._first_rate(), plan)

    def set_rate(self, learning_rate: float, plan: Any) -> None:
        """A new learning rate from the next step on."""
        self.learning_rate = learning_rate

    def epoch_ends(self, rows_seen: int, plan: Any) -> None:
        """After each epoch, with the number of rows since the first."""

    def is_steady(self) -> bool:
        """Whether the rates of coming epochs are known."""
        return True

    def stops(self, message: str, verbose: bool, plan: Any) -> bool:
        """Whether no progress means the end; says so if `verbose`."""
        if verbose:
            print(message + " Stopping.")
        return True


@dataclass
class Descent(Solver):
    """scikit-learn's "sgd": u = momentum * u - rate * g; w += u, or w += momentum * u - rate * g after
    Nesterov.

    The engine's velocity is v = -u / rate, which is the same step while the rate stays; where it changes, v
    is scaled so that u stays.
    """

    momentum: float = 0.9
    schedule: str = "constant"
    power_t: float = 0.5

    def hyperparameters(self) -> dict[str, Any]:
        return {**super().hyperparameters(), "momentum": self.momentum}  # a description has less than 1

    def set_rate(self, learning_rate: float, plan: Any) -> None:
        if self.momentum > 0 and learning_rate not in (0.0, self.learning_rate):
            state = plan.get_state()
            factor = self.learning_rate / learning_rate
            state["slots"] = [[array * factor for array in slot] for slot in state["slots"]]
            plan.set_state(state)
        self.learning_rate = learning_rate

    def is_steady(self) -> bool:
        return self.schedule != "invscaling"

    def epoch_ends(self, rows_seen: int, plan: Any) -> None:
        if self.schedule == "invscaling":
            first = self._first_rate()
            self.set_rate(first / (rows_seen + 1) ** self.power_t, plan)

    def stops(self, message: str, verbose: bool, plan: Any) -> bool:
        if self.schedule != "adaptive":
            return super().stops(message, verbose, plan)
        if self.learning_rate <= SMALLEST_RATE:
            return super().stops(message + " Learning rate too small.", verbose, plan)
        self.set_rate(self.learning_rate / 5, plan)
        if verbose:
            print(f"{message} Setting learning rate to {self.learning_rate:f}")
        return False


@dataclass
class OutsideAdam(Solver):
    """scikit-learn's "adam": w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon).

    That is the engine's rule without its correction of v, which is turned off by a power of beta_2 of 0, and
    with the root in the rates.
    """

    power: float = 1.0  # beta_2 ** step, a running product: libm's powers differ between machines
    step: int = 0  # the first one of the last rates

    def begin(self, plan: Any) -> None:
        super().begin(plan)
        if self.state is None:
            state = plan.get_state()
            state["beta_powers"] = (1.0, 0.0)
            plan.set_state(state)

    def rates(self, first_step: int, count: int) -> Array:
        if first_step < self.step:
            self.power, self.step = 1.0, 0
        passed = first_step - self.step
        powers = filled(self.optimizer.beta_2, passed + count)  # type: ignore[attr-defined]
        powers[0] *= self.power
        powers = np.multiply.accumulate(powers)
        if passed:
            self.power, self.step = float(powers[passed - 1]), first_step
        return self._rates(first_step, count) * np.sqrt(1 - powers[passed:])


def solver_of(model: Any) -> Solver:
    """The solver of an estimator's parameters."""
    if model.optimizer is not None:
        return Solver(model.optimizer)
    own = isinstance(model.learning_rate, Schedule)
    rate = model.learning_rate if own else float(model.learning_rate_init)
    if model.solver == "adam":
        return OutsideAdam(Adam(rate, model.beta_1, model.beta_2, model.epsilon))
    momentum = float(model.momentum)
    held = min(momentum, float(np.nextafter(1.0, 0.0)))
    optimizer = SGD(rate, held, nesterov=bool(model.nesterovs_momentum) and momentum > 0)
    return Descent(
        optimizer,
        momentum=momentum,
        schedule="schedule" if own else model.learning_rate,
        power_t=model.power_t,
    )


def described(solver: Solver) -> Optimizer:
    """A description of its own with the present learning rate, for callbacks to read."""
    if isinstance(solver.optimizer.learning_rate, Schedule):
        return copy(solver.optimizer)
    return replace(solver.optimizer, learning_rate=solver.learning_rate)
