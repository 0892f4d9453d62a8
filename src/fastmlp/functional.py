"""Activations, losses, optimizers and layers as functions on arrays, each beside its derivative.

For each activation: ``relu(z)`` and ``relu_backward(da, a)`` (or ``z``, whichever the derivative is made of).
For each loss: ``mse(y_true, y_pred)``, its mean value, and ``mse_loss_gradient(y_true, y_pred)``, the value
and the gradient.  For each optimizer: ``adam_update(w, g, slots)``.  Then the dense layer, elementary
functions and the random generator.

Arrays may have any shape and memory order and may be read-only; float32 stays float32, integers and lists
become float64.  Results are new arrays.  The functions are made from the registry in one loop, so a new
kernel is here too.

>>> from fastmlp import functional
>>> functional.relu([-1.0, 2.0])
array([0., 2.])
>>> functional.mse([1.0, 2.0], [1.0, 4.0])
2.0
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from . import _kernels, registry, schedules, validation
from .errors import listed
from .losses import LOSSES, Loss
from .optimizers import OPTIMIZERS

Array = np.ndarray[Any, Any]
MOST_ROWS = 2**32  # of one order: its draws are 32-bit words
_Function = TypeVar("_Function", bound=Callable[..., Any])

_FORMULAS = {
    "identity": ("z", "1"),
    "step": ("1 where z > 0, else 0", "0"),
    "sigmoid": ("1 / (1 + exp(-z))", "a * (1 - a)"),
    "tanh": ("(exp(z) - exp(-z)) / (exp(z) + exp(-z))", "(1 - a) * (1 + a)"),
    "relu": ("max(z, 0)", "1 where a > 0, else 0"),
    "leaky_relu": ("z where z > 0, else parameter * z", "1 where z > 0, else parameter"),
    "elu": ("z where z > 0, else parameter * (exp(z) - 1)", "1 where z > 0, else parameter * exp(z)"),
    "celu": (
        "z where z > 0, else parameter * (exp(z / parameter) - 1)",
        "1 where z > 0, else exp(z / parameter)",
    ),
    "selu": (
        "1.0507 * (z where z > 0, else 1.67326 * (exp(z) - 1))",
        "1.0507 * (1 where z > 0, else 1.67326 * exp(z))",
    ),
    "gelu": (
        "z * (1 + erf(z / sqrt(2))) / 2",
        "(1 + erf(z / sqrt(2))) / 2 + z * exp(-z**2 / 2) / sqrt(2 * pi)",
    ),
    "gelu_tanh": (
        "z / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (z + 0.044715 * z**3)",
        "(1 + tanh(u)) / 2 + z / 2 * (1 - tanh(u)**2) * sqrt(2 / pi) * (1 + 0.134145 * z**2)",
    ),
    "silu": ("z * s, s = sigmoid(z)", "s + z * s * (1 - s)"),
    "mish": ("z * t, t = tanh(softplus(z))", "t + z * (1 - t**2) * sigmoid(z)"),
    "softplus": ("log(1 + exp(z))", "sigmoid(z)"),
    "softsign": ("z / (1 + abs(z))", "1 / (1 + abs(z))**2"),
    "relu6": ("min(max(z, 0), 6)", "1 where 0 < a < 6, else 0"),
    "hard_tanh": ("min(max(z, -1), 1)", "1 where -1 < a < 1, else 0"),
    "hard_sigmoid": ("min(max(z + 3, 0), 6) / 6", "1/6 where 0 < a < 1, else 0"),
    "hard_swish": ("z * hard_sigmoid(z)", "0 where z <= -3, 1 where z >= 3, else (2 * z + 3) / 6"),
    "exp": ("exp(z)", "a"),
    "log_sigmoid": ("log(sigmoid(z))", "1 - exp(a)"),
    "hard_shrink": ("z where abs(z) > parameter, else 0", "1 where a != 0, else 0"),
    "soft_shrink": ("sign(z) * max(abs(z) - parameter, 0)", "1 where a != 0, else 0"),
    "tanh_shrink": ("z - tanh(z)", "tanh(z)**2"),
    "thresholded_relu": ("z where z > parameter, else 0", "1 where z > parameter, else 0"),
    "squareplus": ("(z + s) / 2, s = sqrt(z**2 + parameter)", "(1 + z / s) / 2, s = sqrt(z**2 + parameter)"),
    "sparse_plus": ("z where z > 1, else sparse_sigmoid(z)**2", "sparse_sigmoid(z)"),
    "sparse_sigmoid": ("min(max(z + 1, 0), 2) / 2", "1/2 where 0 < a < 1, else 0"),
    "softmax": ("exp(z) / sum(exp(z))", "dz = a * (da - sum(a * da))"),
    "log_softmax": ("z - log(sum(exp(z)))", "dz = da - exp(a) * sum(da)"),
}
_ELEMENTARY = {
    "exp": "e**x",
    "log": "the natural logarithm of x",
    "log1p": "log(1 + x), exact near 0",
    "expm1": "exp(x) - 1, exact near 0",
    "tanh": "the hyperbolic tangent of x",
    "erf": "2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x",
    "sigmoid": "1 / (1 + exp(-x))",
    "sin": "the sine of x radians, NaN beyond 2**20",
    "cos": "the cosine of x radians, NaN beyond 2**20",
}


_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def _ready(value: object, dtype: object) -> bool:
    """Whether the kernels can read an array where it lies."""
    return (
        type(value) is np.ndarray
        and value.dtype is dtype
        and value.flags.c_contiguous
        and value.flags.aligned
    )


def _reals(*values: object, names: Sequence[str]) -> list[Array]:
    """Arrays of one type, float32 where all of them hold no more, otherwise float64."""
    dtype = getattr(values[0], "dtype", None)
    if (dtype is _SINGLE or dtype is _DOUBLE) and all(_ready(value, dtype) for value in values):
        return list(values)  # type: ignore[arg-type]
    arrays = [validation.numeric(value, name) for value, name in zip(values, names, strict=True)]
    kinds = {array.dtype for array in arrays}
    single = all(kind in (np.float16, np.float32) for kind in kinds)
    dtype = np.dtype(np.float32 if single else np.float64)
    return [np.require(array, dtype, ("C", "A")).reshape(array.shape) for array in arrays]


def _same_shape(first: Array, second: Array, names: Sequence[str]) -> None:
    if first.shape != second.shape:
        raise ValueError(f"{names[1]} has shape {second.shape}, expected {first.shape} as {names[0]} has")


# ---- dense layer ----


def dense(X: Any, W: Any, b: Any = None, activation: Any = "identity") -> Array:
    """activation(X @ W + b).

    Parameters
    ----------
    X : array-like of shape (..., n_in)
    W : array-like of shape (n_in, n_out)
    b : array-like of shape (n_out,), optional
    activation : str or (str, float)

    Returns
    -------
    ndarray of shape (..., n_out)

    Examples
    --------
    >>> from fastmlp import functional
    >>> functional.dense([[1.0, 2.0]], [[1.0], [3.0]], [0.5])
    array([[7.5]])
    """
    name, parameter = registry.resolve_activation(activation)
    given = [X, W] if b is None else [X, W, b]
    x, w, *rest = _reals(*given, names=("X", "W", "b")[: len(given)])
    _check_dense(x, "X", w, 0)
    if rest and rest[0].shape != (w.shape[1],):
        raise ValueError(f"b has shape {rest[0].shape}, expected ({w.shape[1]},)")
    rows = x.reshape(-1, w.shape[0])
    out = _kernels.dense_forward(rows, w, rest[0] if rest else None, name, parameter)
    return np.asarray(out).reshape(*x.shape[:-1], w.shape[1])


def dense_backward(dz: Any, X: Any, W: Any) -> tuple[Array, Array, Array]:
    """The gradients of z = X @ W + b, from dz: dX = dz @ W.T, dW = X.T @ dz, db = sum of dz over the rows.

    Parameters
    ----------
    dz : array-like of shape (rows, n_out)
    X : array-like of shape (rows, n_in)
    W : array-like of shape (n_in, n_out)

    Returns
    -------
    dX, dW, db : ndarray
        Shaped like X, W and b.

    Examples
    --------
    >>> from fastmlp import functional
    >>> functional.dense_backward([[2.0]], [[1.0, 3.0]], [[0.5], [1.0]])
    (array([[1., 2.]]), array([[2.],
           [6.]]), array([2.]))
    """
    d, x, w = _reals(dz, X, W, names=("dz", "X", "W"))
    _check_dense(x, "X", w, 0)
    _check_dense(d, "dz", w, 1)
    if x.shape[:-1] != d.shape[:-1]:
        raise ValueError(f"dz has shape {d.shape}, expected {(*x.shape[:-1], w.shape[1])} as X has rows")
    dX, dW, db = _kernels.dense_backward(d.reshape(-1, w.shape[1]), x.reshape(-1, w.shape[0]), w)
    return np.asarray(dX).reshape(x.shape), dW, db


def _check_dense(array: Array, argument: str, w: Array, axis: int) -> None:
    if w.ndim != 2 or 0 in w.shape:
        raise ValueError(f"W has shape {w.shape}, expected (n_in, n_out)")
    if array.ndim < 1 or array.shape[-1] != w.shape[axis] or array.size == 0:
        raise ValueError(
            f"{argument} has shape {array.shape}, expected (..., {w.shape[axis]}), as W is {w.shape}"
        )


# ---- random numbers and the schedules' cosine ----


def philox(counter: Any, key: tuple[int, int]) -> Array:
    """Philox4x32-10 (Salmon et al., SC 2011): four random 32-bit words for each counter of four.

    Parameters
    ----------
    counter : array-like of uint32, shape (..., 4)
    key : pair of int
        Two 32-bit words.

    Returns
    -------
    ndarray of uint32, shape (..., 4)

    Examples
    --------
    >>> from fastmlp import functional
    >>> [hex(word) for word in functional.philox([0, 0, 0, 0], (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    array = validation.numeric(counter, "counter")
    if array.dtype.kind not in "iu" or array.ndim < 1 or array.shape[-1] != 4:
        raise ValueError(
            f"counter has shape {array.shape} and dtype {array.dtype}, expected integers (..., 4)"
        )
    if array.size and (int(array.min()) < 0 or int(array.max()) >= 2**32):
        raise ValueError("counter has numbers outside 0 to 4294967295, expected 32-bit words")
    words = validation.as_list(key, "key", "two words")
    if len(words) != 2:
        raise ValueError(f"key has {len(words)} words, expected 2")
    low, high = (validation.integer(word, "key", 0, 2**32 - 1) for word in words)
    return _kernels.philox(np.ascontiguousarray(array, np.uint32), (low, high))


def shuffled(seed: int, epoch: int, n: int) -> Array:
    """The order of n rows in an epoch of `Network.fit`: a permutation, from the three arguments alone.

    Parameters
    ----------
    seed : int
        0 <= seed < 2**64.
    epoch : int
        0 <= epoch < 2**32.
    n : int
        0 or more.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> from fastmlp import functional
    >>> sorted(functional.shuffled(0, 0, 3).tolist())
    [0, 1, 2]
    """
    checked = validation.integer(seed, "seed", 0, 2**64 - 1), validation.integer(epoch, "epoch", 0, 2**32 - 1)
    return _kernels.shuffled(*checked, validation.integer(n, "n", 0, MOST_ROWS))


# ---- made from the registry ----


def _elementary(name: str) -> Callable[..., Array]:
    def function(x: Any) -> Array:
        (array,) = _reals(x, names=("x",))
        return _kernels.elementary(name, array)

    return _documented(
        function,
        name,
        f"""The engine's {name}: {_ELEMENTARY[name]}.

    Parameters
    ----------
    x : array-like of any shape

    Returns
    -------
    ndarray of the same shape

    Examples
    --------
    >>> from fastmlp import functional
    >>> y = functional.{name}([0.5, 2.0])
    """,
    )


def _activation(name: str) -> Callable[..., Array]:
    default, saved = registry.ACTIVATIONS[name]

    def function(z: Any, parameter: float = default) -> Array:
        (array,) = _reals(z, names=("z",))
        _check_row(array, "z", saved)
        return _kernels.activation_forward(name, array, _parameter(parameter, name))

    formula = _FORMULAS.get(name, (f"{name}(z)", ""))[0]
    return _documented(
        function,
        name,
        f"""a = {formula}.

    Parameters
    ----------
    z : array-like of {_shape_words(saved)}{_parameter_words(default)}

    Returns
    -------
    ndarray of the same shape

    Examples
    --------
    >>> from fastmlp import functional
    >>> a = functional.{name}([-1.0, 0.5, 2.0])
    """,
    )


def _activation_backward(name: str) -> Callable[..., Array]:
    default, kind = registry.ACTIVATIONS[name]
    saved = "z" if kind == "z" else "a"

    def backward(da: Any, kept: Any, parameter: float) -> Array:
        d, s = _reals(da, kept, names=("da", saved))
        _same_shape(d, s, ("da", saved))
        _check_row(d, "da", kind)
        return _kernels.activation_backward(name, d, s, _parameter_of_derivative(parameter, name))

    def from_z(da: Any, z: Any, parameter: float = default) -> Array:
        return backward(da, z, parameter)

    def from_a(da: Any, a: Any, parameter: float = default) -> Array:
        return backward(da, a, parameter)

    formula = _FORMULAS.get(name, ("", f"the derivative of {name}"))[1]
    return _documented(
        from_z if saved == "z" else from_a,
        f"{name}_backward",
        f"""{formula if kind == "row" else f"dz = da * derivative, which is {formula}"}.

    Parameters
    ----------
    da : array-like of {_shape_words(kind)}
        Gradient with respect to a = {name}(z).
    {saved} : array-like of the same shape{_parameter_words(default)}

    Returns
    -------
    ndarray of the same shape

    Examples
    --------
    >>> from fastmlp import functional
    >>> dz = functional.{name}_backward([1.0, 1.0], [0.25, 0.75])
    """,
    )


def _parameter(value: float, name: str) -> float:
    default = registry.ACTIVATIONS[name][0]
    if value is default:
        return value
    parameter = validation.real(value, "parameter")
    if default == 0.0 and parameter != 0.0:
        raise ValueError(f"parameter is {parameter:g}, and {name!r} takes none")
    return parameter


def _parameter_of_derivative(value: float, name: str) -> float:
    parameter, (least, most) = _parameter(value, name), registry.BOUNDS[name]
    if not least <= parameter <= most:
        expected = f"expected {least:g} to {most:g}, where the derivative of {name!r} is known"
        raise ValueError(f"parameter is {parameter:g}, {expected}")
    return parameter


def _shape_words(kind: str) -> str:
    return "shape (..., n), each row of the last axis for itself" if kind == "row" else "any shape"


def _parameter_words(default: float) -> str:
    return "\n    parameter : float" if default else ""


def _check_row(array: Array, argument: str, kind: str) -> None:
    if kind == "row" and (array.ndim == 0 or array.shape[-1] == 0):
        raise ValueError(f"{argument} has shape {array.shape}, expected rows of at least one number")


def _loss_rows(
    loss: Loss, y_true: Any, y_pred: Any, sample_weight: Any
) -> tuple[float, Array]:
    (p,) = _reals(y_pred, names=("y_pred",))
    shape = p.shape
    if p.ndim == 1:
        p = p.reshape(-1, 1)
    if p.ndim != 2 or p.size == 0:
        raise ValueError(f"y_pred has shape {shape}, expected (rows, n_out) or (rows,)")
    if p.shape[1] % loss.outputs:
        raise ValueError(
            f"y_pred has shape {shape}, expected {loss.outputs} outputs a target for loss {loss.name!r}"
        )
    y = loss.as_targets(y_true, p.shape[1], p.dtype, len(p), argument="y_true")
    weights = validation.as_sample_weight(sample_weight, len(p), p.dtype)
    values, gradient, _ = _kernels.loss_gradient(loss.name, loss.parameters, p, y, weights)
    # As the engine: float64, in the order of the rows.
    total = float(np.add.accumulate(np.asarray(values, np.float64))[-1])
    return total / len(p), np.asarray(gradient).reshape(shape)


def _loss(kind: type[Loss]) -> Callable[..., float]:
    def function(y_true: Any, y_pred: Any, *values: Any, sample_weight: Any = None, **options: Any) -> float:
        return _loss_rows(kind(*values, **options), y_true, y_pred, sample_weight)[0]

    _with_options(function, kind)
    return _documented(function, kind.name, _loss_words(kind, "", "float\n        Mean of the rows' losses."))


def _loss_gradient(kind: type[Loss]) -> Callable[..., tuple[float, Array]]:
    def function(
        y_true: Any, y_pred: Any, *values: Any, sample_weight: Any = None, **options: Any
    ) -> tuple[float, Array]:
        return _loss_rows(kind(*values, **options), y_true, y_pred, sample_weight)

    _with_options(function, kind)
    gradient = f"; with its gradient, of each row {kind.formula[1]}"
    returns = (
        "value : float\n        Mean of the rows' losses.\n    gradient : ndarray shaped like y_pred\n"
        "        Of the mean: each row's divided by the number of rows."
    )
    return _documented(function, f"{kind.name}_loss_gradient", _loss_words(kind, gradient, returns))


def _with_options(function: Callable[..., Any], kind: type[Loss]) -> None:
    """Gives a function of a loss the signature that it has: the loss's options stand after y_pred."""
    own = inspect.signature(function)
    first, second = list(own.parameters.values())[:2]
    options = [item.replace(kind=first.kind) for item in inspect.signature(kind).parameters.values()]
    parameters = [first, second, *options, own.parameters["sample_weight"]]
    function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]


def _loss_words(kind: type[Loss], gradient: str, returns: str) -> str:
    what = "Predictions p." if kind.link == "any" else f"Logits z: the values before {kind.link}."
    outputs = [0.5, 2.0, 1.0][: max(2, kind().outputs)]
    example = "[1]" if kind.labels else f"[{[1.0, float(kind.positive)][: len(outputs) // kind().outputs]}]"
    options = [item.name for item in dataclasses.fields(kind)]
    meaning = f"\n        As `fastmlp.losses.{kind.__name__}` has {'it' if len(options) == 1 else 'them'}."
    parameter = f"\n    {', '.join(options)}{meaning}" if options else ""
    suffix = "_loss_gradient" if gradient else ""
    return f"""The loss of each row, {kind.formula[0]}{gradient}.

    Parameters
    ----------
    y_true : array-like of shape {"(rows,), class indices" if kind.labels else "(rows, targets)"}
    y_pred : array-like of shape (rows, n_out)
        {what}{parameter}
    sample_weight : array-like of shape (rows,), optional
        Factors of the rows' losses.

    Returns
    -------
    {returns}

    Examples
    --------
    >>> from fastmlp import functional
    >>> result = functional.{kind.name}{suffix}({example}, [{outputs}])
    """


def _optimizer_update(name: str) -> Callable[..., tuple[Array, list[Array]]]:
    kind = OPTIMIZERS[name]

    def function(
        w: Any, g: Any, slots: Sequence[Any] | None = None, *, step: int = 0, **hyperparameters: Any
    ) -> tuple[Array, list[Array]]:
        optimizer = kind(**hyperparameters)
        optimizer.check_alone("a function of arrays")
        count = registry.OPTIMIZERS[optimizer.rule]
        given = [w] * count if slots is None else validation.as_list(slots, "slots", "a list of arrays")
        if len(given) != count:
            raise ValueError(f"slots has {len(given)} arrays, expected {count}")
        names = ("w", "g", *(f"slots[{i}]" for i in range(count)))
        new, gradient, *state = _reals(w, g, *given, names=names)
        for array, argument in zip((gradient, *state), names[1:], strict=True):
            _same_shape(new, array, ("w", argument))
        new = new.copy()
        state = [array.copy() if slots is not None else np.zeros_like(new) for array in state]
        step = validation.integer(step, "step", 0, schedules.MAX_STEPS - 1)
        rate = float(optimizer.learning_rates(step, 1)[0])
        described = optimizer.hyperparameters(step)
        _kernels.optimizer_update(optimizer.rule, new, gradient, state, described, rate, step)
        return new, state

    return _documented(
        function,
        f"{name}_update",
        f"""One step of `fastmlp.optimizers.{kind.__name__}` on one array.

    Parameters
    ----------
    w, g : array-like of one shape
        Weights and their gradient.
    slots : list of array-like, optional
        The optimizer's state; None is its beginning, zeros.
    step : int
        Steps done before this one.
    **hyperparameters
        Those of `fastmlp.optimizers.{kind.__name__}`, learning_rate among them.

    Returns
    -------
    w : ndarray
        The new weights; the arguments stay as they are.
    slots : list of ndarray
        The new state.

    Examples
    --------
    >>> from fastmlp import functional
    >>> w, slots = functional.{name}_update([1.0, 2.0], [0.5, -0.5], learning_rate=0.1)
    """,
    )


def _documented(function: _Function, name: str, doc: str) -> _Function:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _made() -> dict[str, Callable[..., Any]]:
    functions: dict[str, Callable[..., Any]] = {name: _elementary(name) for name in _ELEMENTARY}
    for name in registry.ACTIVATIONS:  # after the elementary functions: exp, tanh and sigmoid are both
        functions[name] = _activation(name)
        functions[f"{name}_backward"] = _activation_backward(name)
    for name, kind in LOSSES.items():
        functions[name] = _loss(kind)
        functions[f"{name}_loss_gradient"] = _loss_gradient(kind)
    for name in OPTIMIZERS:
        functions[f"{name}_update"] = _optimizer_update(name)
    return functions


_MADE = _made()
globals().update(_MADE)
__all__ = ["dense", "dense_backward", "philox", "shuffled", *_MADE]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    raise AttributeError(f"fastmlp.functional has no {name!r}, expected one of {listed(sorted(__all__))}")
