"""Derivatives beyond the gradient: Jacobians, products with them, each row's gradient, and a check.

All are of `predict`: without dropout, with the moving statistics of `BatchNormalization`.

>>> import numpy as np
>>> from fastmlp import Network, autodiff
>>> net = Network([3, 2], seed=0)
>>> bool((autodiff.jacobian(net, np.zeros((1, 3)))[0] == net.weights[0].T).all())
True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import reference, validation
from .layers.lowering import input_vectors, output_vectors
from .model import Array, Model, in_float64
from .reference import curvature
from .training import solvers
from .training.scoring import gradient_of, python_loss

BLOCK = 4096  # rows that go back at once


def vjp(net: Model, X: Any, dY: Any) -> Array:
    """Vector-Jacobian product: of every row dY J, the gradient of sum(dY * Y) with respect to X.

    Parameters
    ----------
    net : Network
    X : array-like of shape (rows, n_in)
    dY : array-like of shape (rows, n_out)

    Returns
    -------
    ndarray of shape (rows, n_in)

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 1])
    >>> net.set_weights([[[3.0], [4.0]], [0.0]])
    >>> autodiff.vjp(net, [[1.0, 1.0]], [[2.0]])
    array([[6., 8.]], dtype=float32)
    """
    X = validation.as_inputs(X, net.plan.n_in, net.dtype)
    dY = _rows(dY, "dY", (len(X), net.plan.n_out), net.dtype)
    return net.plan.backward(X, dY)[1]


def jacobian(net: Model, X: Any) -> Array:
    """dY[r, j] / dX[r, i] of every row, by one backward pass for each output.

    Parameters
    ----------
    net : Network
    X : array-like of shape (rows, n_in)

    Returns
    -------
    ndarray of shape (rows, n_out, n_in)

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 1])
    >>> net.set_weights([[[3.0], [4.0]], [0.0]])
    >>> autodiff.jacobian(net, [[1.0, 1.0]])
    array([[[3., 4.]]], dtype=float32)
    """
    X = validation.as_inputs(X, net.plan.n_in, net.dtype)
    n_in, n_out = net.plan.n_in, net.plan.n_out
    result = np.empty((len(X), n_out, n_in), net.dtype)
    block = max(1, BLOCK // n_out)
    for first in range(0, len(X), block):
        rows = X[first : first + block]
        dY = np.tile(np.eye(n_out, dtype=net.dtype), (len(rows), 1))
        dX = net.plan.backward(np.repeat(rows, n_out, axis=0), dY)[1]
        result[first : first + block] = dX.reshape(len(rows), n_out, n_in)
    return result


def jvp(net: Model, X: Any, dX: Any) -> Array:
    """Jacobian-vector product: of every row J dX, how Y changes as X moves along dX.

    It is made of `jacobian`, so that it costs a backward pass for each output.

    Parameters
    ----------
    net : Network
    X, dX : array-like of shape (rows, n_in)

    Returns
    -------
    ndarray of shape (rows, n_out)

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 1])
    >>> net.set_weights([[[3.0], [4.0]], [0.0]])
    >>> autodiff.jvp(net, [[1.0, 1.0]], [[1.0, 2.0]])
    array([[11.]], dtype=float32)
    """
    X = validation.as_inputs(X, net.plan.n_in, net.dtype)
    dX = _rows(dX, "dX", X.shape, net.dtype)
    return np.asarray(np.einsum("rji,ri->rj", jacobian(net, X), dX))


def per_sample_gradients(net: Model, X: Any, y: Any) -> list[Array]:
    """The gradient of each row's own loss with respect to the parameters.

    Parameters
    ----------
    net : Network
        Compiled, for the loss.
    X : array-like of shape (rows, n_in)
    y : array-like
        As in `fit`.

    Returns
    -------
    list of ndarray
        Like `get_weights`, with an axis of rows before: (rows, n_in, n_out), (rows, n_out), ...  The mean
        over the rows is what `Network.gradients` gives.

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 1], initializer="zeros")
    >>> net.compile(loss="mse")
    >>> [array.shape for array in autodiff.per_sample_gradients(net, [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0])]
    [(2, 2, 1), (2, 1)]
    """
    X, targets = _checked(net, X, y)
    result = [np.empty((len(X), *shape), net.dtype) for shape in net.parameter_shapes().values()]
    for row in range(len(X)):
        gradient = gradient_of(net, X[row : row + 1], targets[row : row + 1])
        for whole, part in zip(result, gradient, strict=True):
            whole[row] = part
    return result


def parameter_jacobian(net: Model, X: Any) -> list[Array]:
    """dY[r, j] / dw of every row, output and parameter w, by one backward pass for each row and output.

    Parameters
    ----------
    net : Network
    X : array-like of shape (rows, n_in)

    Returns
    -------
    list of ndarray
        Like `get_weights`, with axes of rows and outputs before: (rows, n_out, n_in, n_out), ...

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 1], initializer="zeros")
    >>> W, b = autodiff.parameter_jacobian(net, [[3.0, 4.0]])
    >>> W.ravel(), b.ravel()
    (array([3., 4.], dtype=float32), array([1.], dtype=float32))
    """
    return solvers.parameter_jacobian(net.plan, validation.as_inputs(X, net.plan.n_in, net.dtype))


def hessian_vector_product(net: Model, X: Any, y: Any, v: Any, sample_weight: Any = None) -> list[Array]:
    """H v, H the second derivatives of the compiled loss with respect to the parameters.

    How `Network.gradients` changes as the parameters move along v, exactly but for rounding: the gradient is
    computed with dual numbers, in float64 and NumPy (Pearlmutter, "Fast exact multiplication by the
    Hessian", Neural Computation 6, 1994).  It costs some gradients of the NumPy twin, however many parameters
    there are.  Without dropout and penalties, with the moving statistics of `BatchNormalization`; where an
    activation has a kink, one side of it counts.

    Parameters
    ----------
    net : Network
        Compiled, for the loss.
    X : array-like of shape (rows, n_in)
    y : array-like
        As in `fit`.
    v : list of array-like
        Like `get_weights`; what it has for moving statistics is ignored.
    sample_weight : array-like of shape (rows,), optional
        As in `fit`.

    Returns
    -------
    list of ndarray
        Like `get_weights`, float64; zeros for moving statistics.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, or the loss is a function in Python.

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 1], initializer="zeros")
    >>> net.compile(loss="mse")
    >>> W, b = autodiff.hessian_vector_product(net, [[1.0, 2.0]], [3.0], [[[1.0], [0.0]], [0.0]])
    >>> W.ravel(), b                                               # of (w1 + 2 w2 + b - 3)^2
    (array([2., 4.]), array([2.]))
    """
    objective = net.objective_for(net.as_indices(y)[0])
    if objective.in_python:
        raise ValueError("loss is a function in Python, expected one of fastmlp.losses")
    double, shapes = in_float64(net), net.parameter_shapes()
    X, targets = _checked(double, X, net.as_indices(y)[0])
    v = validation.as_arrays(v, "v", list(shapes), list(shapes.values()), double.dtype)
    weights = validation.as_sample_weight(sample_weight, len(X), double.dtype)
    shift, divisor = input_vectors(net.plan.n_in, net.layers, double.dtype)
    twin = reference.Plan(
        net.plan.n_in,
        net.plan.layers,
        dtype="float64",
        input_shift=shift,
        input_divisor=divisor,
        heads=net.plan.heads,
    )
    twin.set_weights(double.get_weights())
    rescaling = output_vectors(net.plan.n_out, net.layers, double.dtype)
    if rescaling is not None:
        twin.rescale_output(*rescaling)
    return curvature.hessian_vector_product(twin, X, targets, v, weights, loss=objective.named)


def check_gradients(net: Model, X: Any, y: Any, *, seed: int = 0) -> dict[str, float]:
    """Compare the gradients of the compiled loss with numeric differences, in float64.

    For each array, the derivative along a random direction u is compared with (L(w + h u) - L(w - h u)) / 2h.
    A loss in Python is checked so: where its gradient is wrong, all errors are large.

    Parameters
    ----------
    net : Network
        Compiled; it is not changed.
    X : array-like of shape (rows, n_in)
    y : array-like
        As in `fit`.
    seed : int
        Of the directions.

    Returns
    -------
    dict
        The relative error by the names of `state_dict`, usually below 1e-6; more near a kink of an
        activation.

    Examples
    --------
    >>> from fastmlp import Network, autodiff
    >>> net = Network([2, 4, 1], activation="tanh", seed=0)
    >>> net.compile(loss="mse")
    >>> max(autodiff.check_gradients(net, [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0]).values()) < 1e-6
    True
    """
    double = in_float64(net)
    X, targets = _checked(double, X, y)
    rng = np.random.default_rng(validation.as_seed(seed))
    gradient, weights = gradient_of(double, X, targets), double.get_weights()
    errors = {}
    for i, name in enumerate(double.parameter_shapes()):
        if name.endswith((".mean", ".variance")):
            continue
        u = rng.standard_normal(weights[i].shape)
        u *= 1e-5 * max(1.0, float(np.linalg.norm(weights[i]))) / np.linalg.norm(u)
        values = []
        for sign in (1, -1):
            double.set_weights([w + sign * u if j == i else w for j, w in enumerate(weights)])
            values.append(_loss(double, X, targets))
        exact, numeric = float((gradient[i] * u).sum()), (values[0] - values[1]) / 2
        size = float(np.linalg.norm(gradient[i]) * np.linalg.norm(u))
        errors[name] = abs(exact - numeric) / max(size, 1e-12 * abs(values[0]), np.finfo(float).tiny)
    return errors


def _rows(given: Any, argument: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    array = validation.numeric(given, argument)
    if array.shape != shape:
        raise ValueError(f"{argument} has shape {array.shape}, expected {shape}")
    return validation.converted(array, dtype, argument)


def _checked(net: Model, X: Any, y: Any) -> tuple[Array, Array]:
    objective = net.objective_for(y)
    X = validation.as_inputs(X, net.plan.n_in, net.dtype)
    return X, objective.loss.as_targets(y, net.plan.n_out, net.dtype, len(X))


def _loss(net: Model, X: Array, targets: Array) -> float:
    objective = net.objective_for(targets)
    if objective.in_python:
        return python_loss(objective.loss, targets, net.plan.predict(X), None)[0]
    return net.plan.evaluate(X, targets, loss=objective.named)[0] / len(X)
