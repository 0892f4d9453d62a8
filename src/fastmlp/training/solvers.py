"""L-BFGS and Levenberg-Marquardt on a network's loss: all weights at once by all rows, in float64."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..model import Array, Model, Objective, in_float64
from ..optimizers import LBFGS, LevenbergMarquardt, Solver
from ..optional import require
from .rows import Rows
from .sparse import dense

MOST_ROWS = 1024  # of one pass: the engine keeps all activations of them, in the second-level cache if small
MOST_NUMBERS = 1 << 27  # of a Jacobian, a GB in float64
MOST_EVALUATIONS = 2**31 - 1  # what scipy takes
FOUND_NO_STEP = 2  # a status of scipy's
FIRST_DAMPING = 1e-3  # of the largest element of J'J's diagonal

Heard = Callable[[Array], bool]  # an iteration's vector; whether another one is wanted


def value_and_gradient(
    plan: Any, parts: Iterable[tuple[Array, Array, Array | None]], count: int, loss: Any = None
) -> tuple[float, list[Array]]:
    """Loss and gradient of `count` rows from (X, y, weights) of their parts, in float64 sums."""
    total, gradient = 0.0, [np.zeros(array.shape) for array in plan.get_weights()]
    for X, y, weights in parts:
        value, arrays, _ = plan.gradients(X, y, weights, loss=loss)
        total += value * len(X)
        for whole, part in zip(gradient, arrays, strict=True):
            whole += part.astype(np.float64) * (len(X) / count)
    return total / count, gradient


def minimize(
    function: Callable[[Array], tuple[float, Array]],
    start: Array,
    callback: Callable[..., None],
    **options: Any,
) -> Any:
    """scipy's L-BFGS-B from `start`; `callback` hears of each iteration's intermediate_result."""
    optimize = require("scipy.optimize", "sklearn")
    return optimize.minimize(function, start, method="L-BFGS-B", jac=True, callback=callback, options=options)


def parameter_jacobian(plan: Any, X: Array) -> list[Array]:
    """dY[r, j] / dw of every array w, (rows, n_out, *shape), by a backward pass for each row and output."""
    result = [np.empty((len(X), plan.n_out, *array.shape), plan.dtype) for array in plan.get_weights()]
    directions = np.eye(plan.n_out, dtype=plan.dtype)
    for r in range(len(X)):
        for j in range(plan.n_out):
            arrays = plan.backward(X[r : r + 1], directions[j : j + 1])[0]
            for whole, part in zip(result, arrays, strict=True):
                whole[r, j] = part
    return result


class Problem:
    """A network's loss on rows as a function of one vector, of the arrays that training moves.

    Computed by a copy of its plan in float64, so that the network itself never has weights that are tried.
    """

    def __init__(self, net: Model, objective: Objective, rows: Rows) -> None:
        solver = net.optimizer
        assert isinstance(solver, Solver)
        _check_fits(net, objective, type(solver).__name__)
        self.plan = in_float64(net, rescaled=rows.standardized is None).plan
        self.loss = objective.named
        self.X, self.count = rows.X, len(rows)
        if isinstance(solver, LevenbergMarquardt):
            self.X = dense(rows.X, slice(None))  # the Jacobian is larger
        self.y = rows.y if rows.standardized is None else rows.standardized
        if self.y.dtype.kind == "f":
            self.y = self.y.astype(np.float64)
        self.weights = None if rows.weights is None else rows.weights.astype(np.float64)
        self.plan.set_gradient([np.ones_like(array) for array in self.plan.get_weights()])
        self.moved = [array.any() for array in self.plan.get_gradient()]
        self.evaluations = 0

    def vector(self) -> Array:
        return self.packed(self.plan.get_weights())

    def packed(self, arrays: list[Array]) -> Array:
        """Those that training moves, in one vector; leading axes stay."""
        ndims = [array.ndim for array in self.plan.get_weights()]
        chosen = [
            array.reshape(*array.shape[: array.ndim - ndim], -1)
            for array, ndim, moved in zip(arrays, ndims, self.moved, strict=True)
            if moved
        ]
        return np.concatenate(chosen, axis=-1)

    def unpacked(self, vector: Array) -> list[Array]:
        """All arrays, with those of a vector in their places."""
        arrays, end = self.plan.get_weights(), 0
        for i, moved in enumerate(self.moved):
            if moved:
                begin, end = end, end + arrays[i].size
                arrays[i] = vector[begin:end].reshape(arrays[i].shape)
        return arrays

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """The loss and its gradient."""
        self.evaluations += 1
        self.plan.set_weights(self.unpacked(vector))
        count = self.count
        parts = (
            (dense(self.X, part), self.y[part], None if self.weights is None else self.weights[part])
            for part in (slice(first, first + MOST_ROWS) for first in range(0, count, MOST_ROWS))
        )
        value, arrays = value_and_gradient(self.plan, parts, count, self.loss)
        self._check_first(value)
        return value, self.packed(arrays)

    def residuals(self, vector: Array) -> Array:
        """sqrt(weight / (rows n_out)) (p - y) of all rows and outputs, whose squares add up to the loss."""
        self.evaluations += 1
        self.plan.set_weights(self.unpacked(vector))
        residuals = np.ravel(self._scale() * (self.plan.predict(self.X) - self.y))
        self._check_first(float(residuals @ residuals))
        return residuals

    def _check_first(self, value: float) -> None:
        """FloatingPointError where the loss is not finite with the weights that there are."""
        if self.evaluations == 1 and not np.isfinite(value):
            raise FloatingPointError("the loss is not finite")

    def jacobian(self) -> Array:
        """Of the residuals, (rows n_out, parameters), where they were computed last."""
        self.evaluations += 1
        J = self.packed(parameter_jacobian(self.plan, self.X))
        return (self._scale()[..., None] * J).reshape(-1, J.shape[-1])

    def _scale(self) -> Array:
        scale = 1.0 / math.sqrt(self.count * self.plan.n_out)
        weights = np.ones(self.count) if self.weights is None else self.weights
        return scale * np.sqrt(weights)[:, None]


def _check_fits(net: Model, objective: Objective, name: str) -> None:
    """ValueError where the loss is no function of the weights, or is not what a solver can do."""
    if objective.in_python:
        raise ValueError(f"loss is a function in Python, expected one of fastmlp.losses with {name}")
    if name == "LevenbergMarquardt" and not objective.loss.least_squares:
        raise ValueError(f"loss is {objective.loss.name!r}, expected 'mse' with {name}: it is least squares")
    if name == "LevenbergMarquardt" and net.plan.members > 1:
        raise ValueError(f"the network has {net.plan.members} members, expected none with {name}")
    for node in net.plan.layers:
        if node["dropout"]:
            raise ValueError(f"the network has dropout, expected none with {name}")
        if node["kind"] == "batch_normalization" and node["trainable"]:
            raise ValueError(f"the network has BatchNormalization, expected a frozen one or none with {name}")
        if node["learning_rate"] or node["weight_decay"]:
            raise ValueError(f"a layer has factors of its own, expected none with {name}")


def solve(net: Model, objective: Objective, rows: Rows, epochs: int, iteration: Callable[[], bool]) -> None:
    """Iterations until `iteration`, which hears of each when the network has its weights, wants no more."""
    problem, solver = Problem(net, objective, rows), net.optimizer

    def heard(vector: Array) -> bool:
        net.set_weights([array.astype(net.dtype) for array in problem.unpacked(vector)])
        return iteration()

    if isinstance(solver, LBFGS):
        lbfgs(problem, solver, epochs, heard)
    else:
        assert isinstance(solver, LevenbergMarquardt)
        levenberg_marquardt(problem, solver, epochs, heard)


def lbfgs(problem: Problem, solver: LBFGS, epochs: int, heard: Heard) -> None:
    def callback(intermediate_result: Any) -> None:
        if not heard(intermediate_result.x):
            raise StopIteration

    result = minimize(
        problem,
        problem.vector(),
        callback,
        maxiter=epochs,
        maxfun=MOST_EVALUATIONS,
        maxcor=solver.history_size,
        gtol=solver.tolerance_gradient,
        ftol=solver.tolerance_change,
    )
    if result.status == FOUND_NO_STEP:
        warnings.warn(f"LBFGS ended after {result.nit} iterations: {result.message}", stacklevel=2)


def levenberg_marquardt(problem: Problem, solver: LevenbergMarquardt, epochs: int, heard: Heard) -> None:
    """Algorithm 3.16 of Madsen, Nielsen and Tingleff (2004); an iteration is a step that was taken."""
    w = problem.vector()
    numbers = problem.count * problem.plan.n_out * len(w)
    if numbers > MOST_NUMBERS:
        product = f"rows * outputs * parameters are {numbers}"
        raise ValueError(f"{product}, expected at most {MOST_NUMBERS} with LevenbergMarquardt")
    r = problem.residuals(w)
    value = float(r @ r)
    damping, growth = 0.0, 2.0
    for _ in range(epochs):
        J = problem.jacobian()
        A, g = J.T @ J, J.T @ r
        if np.abs(g).max() <= solver.tolerance_gradient / 2:  # the loss's is 2 g
            return
        damping = damping or FIRST_DAMPING * float(A.diagonal().max())
        while True:
            step = np.linalg.solve(A + damping * np.eye(len(w)), -g)
            least = solver.tolerance_change * (np.linalg.norm(w) + solver.tolerance_change)
            if np.linalg.norm(step) <= least:
                return
            tried = problem.residuals(w + step)
            new = float(tried @ tried)
            gain = (value - new) / float(step @ (damping * step - g))
            if np.isfinite(new) and gain > 0:
                break
            damping, growth = damping * growth, 2 * growth
        w, r, value = w + step, tried, new
        damping, growth = damping * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
        if not heard(w):
            return
