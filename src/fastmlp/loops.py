"""Training step by step, for loops of one's own: what `Network`'s methods do, and `clip_gradients`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from . import _kernels, validation
from ._kernels import is_like_predictions, reads_rows
from .errors import NotCompiledError
from .model import NOT_COMPILED, Array, Model
from .optimizers import Solver
from .schedules import at

NO_FORWARD = (
    "backward has no forward pass to go back through, expected net(X, training=True) before it, and nothing "
    "between that changes the network"
)
NO_GRADIENT = "the gradient is zero, expected a call of backward between zero_gradient, or compile, and this"
OTHER_KEY = 0x9E3779B97F4A7C15  # odd, so that no two of 2**64 passes have the same seed


def forward(net: Model, X: Any) -> Array:
    """Predictions in training; the first pass of a step drops what `fit` would, later ones drop others."""
    plan, factors = net.plan, net.dropout_schedule
    if not reads_rows(plan, X):
        X = validation.as_inputs(X, plan.n_in, plan.dtype)
    seed, passes = net.seed, plan.forwards
    if passes:
        seed = (seed + passes * OTHER_KEY) % 2**64
    return plan.train_forward(X, seed=seed, dropout=1.0 if factors is None else factors(plan.step))


def backward(net: Model, dY: Any, *, inputs: bool, parameters: bool) -> Array | None:
    """Adds to the gradient, and returns that of the input on request."""
    plan = net.plan
    if not plan.forward_rows:
        raise RuntimeError(NO_FORWARD)
    if not is_like_predictions(plan, dY):
        dY = _like_predictions(dY, (plan.forward_rows, plan.n_out), plan.dtype)
    for name, value in (("inputs", inputs), ("parameters", parameters)):
        if value is not True and value is not False:
            validation.boolean(value, name)
    try:
        return plan.accumulate(dY, inputs=inputs, parameters=parameters)
    except ValueError:
        validation.check_finite(dY, "dY")
        raise


def _like_predictions(dY: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    array = validation.numeric(dY, "dY")
    if array.shape != shape:
        raise ValueError(f"dY has shape {array.shape}, expected {shape}, that of the predictions before it")
    return validation.converted(array, dtype, "dY")


def set_gradient(net: Model, gradient: Any) -> None:
    """Takes a gradient like `get_weights`."""
    shapes = net.parameter_shapes()
    net.plan.set_gradient(
        validation.as_arrays(gradient, "gradient", list(shapes), list(shapes.values()), net.plan.dtype)
    )


def step(net: Model) -> None:
    """One step of the compiled optimizer by the gradient."""
    optimizer, plan = net.optimizer, net.plan
    if optimizer is None:
        raise NotCompiledError(NOT_COMPILED)
    if isinstance(optimizer, Solver):
        optimizer.check_alone("a loop of one's own")
    rate, decay = optimizer.learning_rate, optimizer.weight_decay
    if not plan.has_gradient:
        raise RuntimeError(f"step: {NO_GRADIENT}")
    plan.take_step(at(rate, plan.step), weight_decay=at(decay, plan.step))


def blend(net: Model, other: Any, tau: Any) -> None:
    """Weights = (1 - tau) weights + tau other's."""
    if not isinstance(other, Model):
        raise TypeError(f"other is a {type(other).__name__}, expected a Network")
    tau = validation.real(tau, "tau", minimum=0.0, maximum=1.0)
    net.check_trained()
    other.check_trained()
    try:
        net.plan.blend(other.plan, tau)
    except ValueError:
        raise ValueError(
            f"other has arrays of layers {other.layer_sizes} in {other.dtype}, expected those of "
            f"{net.layer_sizes} in {net.dtype}, of the same kinds of layers"
        ) from None


def clip_gradients(networks: Iterable[Model], max_norm: float) -> float:
    """Scale the gradients of some networks down to a norm that they may have together.

    The norm is the root of the sum of all squares.

    Parameters
    ----------
    networks : iterable of Network
        With what their `backward` has added up; one that has none counts as zero.
    max_norm : float
        Above 0.

    Returns
    -------
    float
        The norm before, computed in float64.

    Raises
    ------
    FloatingPointError
        If the norm is not finite; nothing is changed.

    Examples
    --------
    >>> import fastmlp
    >>> net = fastmlp.Network([2, 1], initializer="zeros")
    >>> Y = net([[3.0, 4.0]], training=True)
    >>> net.backward([[2.0]])
    >>> round(fastmlp.clip_gradients([net], 1.0), 3)
    10.198
    >>> round(fastmlp.clip_gradients([net], 1.0), 3)
    1.0
    """
    max_norm = validation.real(max_norm, "max_norm", above=0.0)
    plans: dict[_kernels.Plan, None] = {}
    for net in [networks] if isinstance(networks, Model) else networks:
        if not isinstance(net, Model):
            raise TypeError(f"networks holds a {type(net).__name__}, expected Networks")
        plans[net.plan] = None
    return _kernels.clip_gradients(list(plans), max_norm)
