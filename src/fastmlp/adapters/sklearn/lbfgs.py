"""The solver "lbfgs": scipy's L-BFGS-B on the engine's loss and gradient of all rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ...network import Network
from ...optional import require
from ...training import solvers
from ...training.sparse import chunk_rows, dense
from .describe import Goal
from .rows import Rows

Array = np.ndarray[Any, Any]


def packed(weights: list[Array]) -> Array:
    """scikit-learn's vector of parameters, float64: every W, then every b, from [W1, b1, W2, ...]."""
    return np.concatenate([array.ravel() for array in weights[::2] + weights[1::2]], dtype=np.float64)


def places(shapes: list[tuple[int, ...]]) -> list[slice]:
    """Where W1, b1, W2, ... stand in scikit-learn's vector."""
    found, end = [slice(0)] * len(shapes), 0
    for i in (*range(0, len(shapes), 2), *range(1, len(shapes), 2)):
        begin, end = end, end + math.prod(shapes[i])
        found[i] = slice(begin, end)
    return found


def unpacked(vector: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    """[W1, b1, W2, ...] from scikit-learn's vector."""
    return [vector[place].reshape(shape) for place, shape in zip(places(shapes), shapes, strict=True)]


class Objective:
    """scikit-learn's loss of all rows as a function of the packed parameters.

    loss = sum(w_r * loss_r) / sum(w) + alpha / 2 * |W|^2 / sum(w), and its gradient, in float64 sums of parts
    of `solvers.MOST_ROWS` rows.
    """

    def __init__(self, net: Network, goal: Goal, rows: Rows, alpha: float) -> None:
        if goal.in_python:
            raise ValueError("loss is a function in Python, expected a name for solver='lbfgs'")
        self.net, self.goal, self.rows, self.alpha = net, goal, rows, alpha
        count, dtype = len(rows), net.dtype
        if rows.weights is None:
            self.divisor = float(count)
            self.weights = None if goal.factor == 1 else np.full(count, goal.factor, dtype)
        else:
            self.divisor = float(rows.weights.sum(dtype=np.float64))
            self.weights = (rows.weights * (goal.factor * count / self.divisor)).astype(dtype)
        self.constant = self._constant()
        self.shapes = [array.shape for array in net.plan.get_weights()]
        self.matrices = sum(math.prod(shape) for shape in self.shapes[::2])  # numbers before the biases
        net.plan.compile(goal.loss.name, goal.loss.parameters, "sgd", {})

    def _constant(self) -> float:
        if self.goal.constants is None:
            return 0.0
        return float(np.average(self.goal.constants(self.rows.y), weights=self.rows.weights))

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """The loss and its gradient."""
        plan, count = self.net.plan, len(self.rows)
        plan.set_weights(unpacked(vector, self.shapes))
        step = min(chunk_rows(self.rows.X), solvers.MOST_ROWS)
        parts = (
            (
                dense(self.rows.X, part),
                self.rows.y[part],
                None if self.weights is None else self.weights[part],
            )
            for part in (slice(first, first + step) for first in range(0, count, step))
        )
        value, arrays = solvers.value_and_gradient(plan, parts, count)
        gradient = packed(arrays)
        matrices = vector[: self.matrices]  # biases are not penalized
        gradient[: self.matrices] += matrices * (self.alpha / self.divisor)
        penalty = 0.5 * self.alpha * float(matrices @ matrices) / self.divisor
        return value * self.goal.scale + self.constant + penalty, gradient


def minimize(
    objective: Objective, *, tol: float, max_iter: int, max_fun: int, heard: Callable[[int, float], None]
) -> tuple[float, int]:
    """Run L-BFGS-B from the network's weights and leave it with the result; (loss, iterations).

    `heard` is told of each iteration and its loss.
    """
    warning = require("sklearn.exceptions", "sklearn").ConvergenceWarning
    iterations = 0

    def callback(intermediate_result: Any) -> None:
        nonlocal iterations
        iterations += 1
        heard(iterations, float(intermediate_result.fun))

    plan = objective.net.plan
    start = packed(plan.get_weights())
    result = solvers.minimize(objective, start, callback, maxfun=max_fun, maxiter=max_iter, gtol=tol)
    plan.set_weights(unpacked(result.x, objective.shapes))
    if result.status != 0:
        message = f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): "
        advice = "increase max_iter or max_fun, or scale the data (sklearn.preprocessing.StandardScaler)"
        warnings.warn(f"{message}{result.message}; {advice}", warning, stacklevel=2)
    return float(result.fun), min(int(result.nit), max_iter)
