"""scikit-learn's estimators beside ours, and the data they are fitted to."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn import neural_network as neural

from fastmlp.sklearn import MLPClassifier, MLPRegressor
from helpers import assert_within

EPS = np.finfo(np.float64).eps
ROWS, COLUMNS = 90, 5
PAIRS = {"classes": "MLPClassifier", "numbers": "MLPRegressor"}


def data(task, rows=ROWS, dtype="float64", seed=3):
    """X and the targets of a task: "classes", "two", "labels", "numbers", "several" or "counts"."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    scores = X @ rng.normal(size=(COLUMNS, 3)) + 0.1 * rng.normal(size=(rows, 3))
    y = {
        "classes": np.array(["ant", "bee", "cow"])[scores.argmax(axis=1)],
        "two": np.where(scores[:, 0] > 0, 7, -2),
        "labels": (scores > 0).astype(int),
        "numbers": scores[:, 0],
        "several": scores,
        "counts": rng.poisson(np.exp(scores[:, 0] / 3)).astype(float),
    }[task]
    return X.astype(dtype), y


def pair(task, **options):
    """scikit-learn's estimator and ours, with equal parameters."""
    if task == "classes" and options.get("early_stopping") and sklearn.__version__.startswith("1.7."):
        pytest.skip("scikit-learn 1.7 asks whether words are NaN")
    name = "MLPClassifier" if task in ("classes", "two", "labels") else "MLPRegressor"
    if task == "counts":
        options["loss"] = "poisson"
    options = {"hidden_layer_sizes": (7, 4), "activation": "tanh", "random_state": 1, **options}
    return getattr(neural, name)(**options), {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[
        name
    ](**options)


def classes_of(task, y):
    """What `partial_fit` needs beside the rows."""
    if task in ("classes", "two", "labels"):
        return {"classes": np.arange(3) if task == "labels" else np.unique(y)}
    return {}


def parameters(model):
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def assert_same_fit(theirs, ours, X, steps):
    """Weights, losses and predictions agree to the rounding of so many steps.

    A step moves every weight by sums of at most `ROWS` terms, which differ by half an ulp a term, and carries
    the earlier differences on; 8 covers how far tanh layers of these widths enlarge them.
    """
    bound = 8 * ROWS * steps * EPS
    assert_within(parameters(ours), parameters(theirs), bound * np.abs(parameters(theirs)).max())
    outputs = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    expected = getattr(theirs, outputs)(X)
    assert_within(getattr(ours, outputs)(X), expected, bound * np.abs(expected).max() * 8)
    assert ours.n_iter_ == theirs.n_iter_ and ours.t_ == theirs.t_


TASKS = ["classes", "two", "labels", "numbers", "several", "counts"]
SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "no momentum": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0},
    "full momentum": {"solver": "sgd", "learning_rate_init": 0.001, "momentum": 1.0},
    "heavy ball": {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "adaptive", "tol": 0.5,
        "n_iter_no_change": 1,
    },
    "in order": {"solver": "adam", "shuffle": False},
}  # fmt: skip
