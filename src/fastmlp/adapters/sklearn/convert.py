"""Between a fitted scikit-learn MLP and a Network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import Dense, Layer, Standardize, short_activation
from ...layers.base import entry
from ...layers.lowering import nodes_of
from ...network import Network
from ...optional import require
from .describe import THEIR_LOSSES, WORDS, Shape, engine_activation, per_layer
from .engine import Engine
from .fitted import GROUP

Array = np.ndarray[Any, Any]

_THEIR_WORDS = ("identity", "logistic", "tanh", "relu")


def from_sklearn(estimator: Any) -> Network:
    """A Network with the weights of a fitted `MLPClassifier` or `MLPRegressor`, scikit-learn's or this
    package's.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted.  A Pipeline may have a `StandardScaler` before the MLP, which becomes a `Standardize` layer.

    Returns
    -------
    Network
        Its `predict` gives (rows, n_outputs): what `predict_proba` gives of several classes or labels, the
        probability of the second class alone where there are two, the numbers of a regressor.
        `predict_classes` gives indices into the estimator's `classes_`.

    Raises
    ------
    TypeError
        If it is another estimator.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> from fastmlp.sklearn import from_sklearn
    >>> X = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    >>> model = MLPRegressor("squared_error", (8,), solver="lbfgs").fit(X, [1.0, 2.0, 3.0])
    >>> net = from_sklearn(model)
    >>> net.layer_sizes
    (2, 8, 1)
    >>> bool(abs(net.predict(X)[:, 0] - model.predict(X)).max() < 1e-12)
    True
    """
    neural = require("sklearn.neural_network", GROUP)
    scaler = None
    if isinstance(estimator, require("sklearn.pipeline", GROUP).Pipeline):
        *before, estimator = (step for _, step in estimator.steps if step not in (None, "passthrough"))
        scaler = _scaler(before)
    if not isinstance(estimator, (neural.MLPClassifier, neural.MLPRegressor)):
        kind = type(estimator).__name__
        raise TypeError(f"estimator is a {kind}, expected a fitted MLPClassifier or MLPRegressor")
    require("sklearn.utils.validation", GROUP).check_is_fitted(estimator)
    if isinstance(estimator, Engine):
        estimator = estimator._whole()
        estimator._current()
    weights = [array for pair in zip(estimator.coefs_, estimator.intercepts_, strict=True) for array in pair]
    units = (weights[0].shape[0], *(b.shape[0] for b in weights[1::2]))
    words = per_layer(estimator.activation, len(units) - 2, "activation", (str, tuple))
    activations, output = (
        tuple(map(engine_activation, words)),
        str(engine_activation(estimator.out_activation_)),
    )
    precision = getattr(estimator, "matmul_precision", None)
    shape = Shape(units, activations, output, (0.0,) * len(words), weights[0].dtype.name, precision)
    net = shape.network(0)
    if scaler is not None:
        layers = [units[0], scaler, *net.layers]
        net = Network(layers, dtype=net.dtype, seed=0, matmul_precision=net.matmul_precision)
    net.set_weights(weights)
    return net


def _scaler(steps: list[Any]) -> Standardize | None:
    """The layer of what stands before the MLP in a Pipeline."""
    if not steps:
        return None
    standard = require("sklearn.preprocessing", GROUP).StandardScaler
    if len(steps) > 1 or not isinstance(steps[0], standard):
        kinds = ", ".join(type(step).__name__ for step in steps)
        raise TypeError(f"the pipeline has {kinds} before the MLP, expected nothing or one StandardScaler")
    width = steps[0].n_features_in_
    mean = steps[0].mean_ if steps[0].with_mean else np.zeros(width)
    deviation = steps[0].scale_ if steps[0].with_std else np.ones(width)
    return Standardize(tuple(mean.tolist()), tuple(deviation.tolist()))


def to_sklearn(net: Network, *, classes: Any = None, estimator: Any = None) -> Any:
    """A fitted `MLPClassifier` or `MLPRegressor` with the weights of a Network.

    Parameters
    ----------
    net : Network
        Dense layers; dropout is left out, and a `Rescaling`, `Standardize` or batch normalisation goes into
        the weights of a layer beside it.
    classes : array-like, optional
        Labels of a classifier, sorted.  None is ``net.classes`` or, where there are none, 0, 1, 2, ... for a
        softmax output, and 0 and 1 for one sigmoid output; a sigmoid output of several is of as many labels a
        row.
    estimator : class, optional
        What to make; None is scikit-learn's own classifier for a softmax or sigmoid output, else its
        regressor.  This package's take every activation, scikit-learn's the same of its four in every hidden
        layer.

    Returns
    -------
    estimator
        Fitted; `partial_fit` goes on from the weights.

    Raises
    ------
    ValueError
        If the estimator cannot have such layers.

    Examples
    --------
    >>> from fastmlp import Network
    >>> from fastmlp.sklearn import to_sklearn
    >>> net = Network([2, 8, 3], output="softmax", seed=0)
    >>> model = to_sklearn(net, classes=["a", "b", "c"])
    >>> model
    MLPClassifier(hidden_layer_sizes=(8,))
    >>> model.predict([[1.0, -1.0]]).shape
    (1,)
    """
    net = net.folded()
    coefficients = _coefficients(net)
    *hidden, last = (_word(node["activation"], node["parameter"]) for node in net.plan.layers)
    classifies = last in ("softmax", "logistic")
    if estimator is None:
        neural = require("sklearn.neural_network", GROUP)
        estimator = neural.MLPClassifier if classifies else neural.MLPRegressor
    model = estimator(
        hidden_layer_sizes=net.layer_sizes[1:-1],
        activation=_activation(hidden, issubclass(estimator, Engine)),
    )
    if last not in THEIR_LOSSES:
        raise ValueError(f"the output activation is {last!r}, expected softmax, sigmoid, identity or exp")
    if model.loss != THEIR_LOSSES[last]:
        model.set_params(loss=THEIR_LOSSES[last])
    if issubclass(estimator, Engine) and net.matmul_precision != "highest":
        model.set_params(matmul_precision=net.matmul_precision)
    _set_fitted(model, net, coefficients, str(last))
    if classifies:
        _set_classes(model, net.classes if classes is None else classes, str(last), net.plan.n_out)
    return model


def _word(name: str, parameter: float) -> Any:
    """scikit-learn's word for an activation, or ours."""
    return WORDS.get(name, short_activation(name, parameter))


def _activation(words: list[Any], ours: bool) -> Any:
    """The parameter: one name where all are equal, else a list."""
    same = all(word == words[0] for word in words)
    if not ours and not (same and all(word in _THEIR_WORDS for word in words)):
        raise ValueError(
            f"the hidden activations are {words}, expected one of {', '.join(_THEIR_WORDS)} everywhere "
            "for scikit-learn's own class; estimator=fastmlp.sklearn.MLPClassifier takes any"
        )
    return words[0] if words and same else words or "relu"


def _dense(layer: Dense, arrays: list[Array]) -> tuple[Array, Array]:
    W, *b = arrays
    return W, b[0] if b else np.zeros(W.shape[1], W.dtype)


_LAYERS: dict[type[Layer], Callable[[Any, list[Array]], tuple[Array, Array]]] = {Dense: _dense}


def _coefficients(net: Network) -> list[tuple[Array, Array]]:
    """A matrix and a vector for each layer."""
    arrays = iter(net.get_weights())
    for layer in net.layers:
        if layer.ends:
            entry(_LAYERS, layer, "scikit-learn")
    return [
        entry(_LAYERS, node.layer, "scikit-learn")(node.layer, [next(arrays) for _ in node.shapes])
        for node in nodes_of(net.plan.n_in, net.layers)
    ]


def _set_fitted(model: Any, net: Network, coefficients: list[tuple[Array, Array]], output: str) -> None:
    """The attributes of a fitted estimator but its classes."""
    weights, filled = (list(arrays) for arrays in zip(*coefficients, strict=True))
    for layer in net.layers:
        if found := layer.shift_and_divisor(net.layer_sizes[0]):
            shift, divisor = found
            first = weights[0] / divisor[:, None]
            filled[0] = (filled[0] - shift @ first).astype(net.dtype)
            weights[0] = first.astype(net.dtype)
    model.n_features_in_, *_, model.n_outputs_ = net.layer_sizes
    model.n_layers_, model.out_activation_ = len(weights) + 1, output
    model.coefs_, model.intercepts_ = weights, filled
    model.n_iter_ = model.t_ = model._no_improvement_count = 0
    model.loss_curve_, model.best_loss_, model.loss_ = [], np.inf, np.inf
    model.validation_scores_ = model.best_validation_score_ = None


def _set_classes(model: Any, classes: Any, output: str, n_out: int) -> None:
    binarizer = require("sklearn.preprocessing", GROUP).LabelBinarizer()
    several = output == "logistic" and n_out > 1
    count = n_out if n_out > 1 else 2
    labels = np.arange(count) if classes is None else np.asarray(classes)
    if labels.shape != (count,) or not (labels[:-1] < labels[1:]).all():
        raise ValueError(f"classes is {classes!r}, expected {count} different labels in ascending order")
    if several and (labels != np.arange(count)).any():
        raise ValueError(f"classes is {classes!r} for {count} sigmoid outputs, expected None")
    binarizer.fit(np.eye(count, dtype=int) if several else labels)
    model._label_binarizer, model.classes_ = binarizer, binarizer.classes_
