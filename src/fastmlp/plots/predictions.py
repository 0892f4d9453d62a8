"""What a model is made of and says of rows: a `Network`, or an estimator in scikit-learn's manner."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import Model

Array = npt.NDArray[Any]


def network_of(model: Any) -> Model:
    """The network itself, or the one that a fitted MLP estimator is made of.

    Raises TypeError for anything else.
    """
    if isinstance(model, Model):
        return model
    if hasattr(model, "coefs_"):
        from ..adapters.sklearn import from_sklearn  # not needed for networks

        return from_sklearn(model)
    expected = "a Network or a fitted MLPClassifier or MLPRegressor"
    raise TypeError(f"network is a {type(model).__name__}, expected {expected}")


def probabilities(model: Any, X: Any) -> tuple[Array, Array]:
    """Probabilities of shape (rows, classes), and the classes in their order.

    Raises TypeError for a model that has none.
    """
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        return np.asarray(model.predict_proba(X), dtype=np.float64), np.asarray(model.classes_)
    plan = getattr(model, "plan", None)
    if plan is None:
        raise TypeError(f"model is a {type(model).__name__}, expected a Network or a classifier")
    last = plan.layers[-1]["activation"]
    outputs = np.asarray(model.predict(X), dtype=np.float64)
    if last == "sigmoid" and outputs.shape[1] == 1:
        outputs = np.hstack([1 - outputs, outputs])
    elif last != "softmax":
        raise TypeError(f"model ends in {last!r}, expected 'softmax', or 'sigmoid' of one output")
    known = getattr(model, "classes", None)
    return outputs, np.arange(outputs.shape[1]) if known is None else np.asarray(known)


def is_classifier(model: Any) -> bool:
    """Whether `probabilities` has an answer."""
    if hasattr(model, "plan"):
        last = model.plan.layers[-1]
        return bool(
            last["activation"] == "softmax" or (last["activation"] == "sigmoid" and model.plan.n_out == 1)
        )
    return hasattr(model, "predict_proba") and hasattr(model, "classes_")


def labels(y: Any, classes: Array) -> Array:
    """The labels of rows as values of `classes`: those given, or the classes that rows of 0 and 1 stand for.

    Raises ValueError for a label that is not one of the classes.
    """
    given = np.asarray(y)
    if given.ndim == 2 and given.shape[1] == len(classes) > 1:
        return np.asarray(classes[given.argmax(axis=1)])
    given = given.reshape(-1)
    strange = given[~np.isin(given, classes)]
    if len(strange):
        raise ValueError(f"y holds {strange.tolist()[0]!r}, expected the model's classes {classes.tolist()}")
    return given


def same_rows(X: Any, y: Array) -> None:
    """Raises ValueError where X and y differ in rows."""
    rows = np.shape(X)[0] if np.ndim(X) else 0
    if rows != len(y):
        raise ValueError(f"y has {len(y)} labels for {rows} rows of X, expected as many")


def values(model: Any, X: Any) -> Array:
    """The predictions of a regression, of shape (rows,) or (rows, outputs)."""
    outputs = np.asarray(model.predict(X), dtype=np.float64)
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
