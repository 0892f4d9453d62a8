"""scikit-learn's MLPClassifier and MLPRegressor."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .jobs import Array, Job

NAME, PACKAGES = "scikit-learn", {"scikit-learn": sklearn.__version__}

warnings.filterwarnings("ignore", category=ConvergenceWarning)


def estimator(job: Job) -> Any:
    """An estimator with the job's weights; arrays are float32 if the job's are."""
    kind = MLPRegressor if job.output == "identity" else MLPClassifier
    model = kind(
        hidden_layer_sizes=job.widths[1:-1], activation="logistic" if job.hidden == "sigmoid" else job.hidden,
        alpha=0.0, solver=job.optimizer, learning_rate_init=_rate(job), momentum=0.0,
        max_iter=job.epochs, warm_start=True, tol=0.0, n_iter_no_change=10**9, random_state=0,
    )  # fmt: skip
    model.fit(np.zeros((2 * job.widths[-1], job.widths[0]), job.dtype), _first_targets(job))
    given = job.weights[::2] + job.weights[1::2]
    for held, wanted in zip(model.coefs_ + model.intercepts_, given, strict=True):
        assert held.dtype == wanted.dtype
        held[...] = wanted
    model.batch_size = job.batch
    return model


def _rate(job: Job) -> float:
    """Its squared loss is half of the sum over the outputs; ours the mean."""
    mean_square = job.output == "identity" and job.optimizer == "sgd"
    return job.rate * (2 / job.widths[-1] if mean_square else 1)


def _first_targets(job: Job) -> Array:
    """Two rows of each class or of each output, so that the sizes are known."""
    if job.output == "softmax":
        return np.repeat(np.arange(job.widths[-1]), 2)
    if job.output == "sigmoid":
        return np.array([0, 1])
    zeros = np.zeros((2 * job.widths[-1], job.widths[-1]), job.dtype)
    return zeros.ravel() if job.widths[-1] == 1 else zeros


def _targets(job: Job) -> Array:
    return job.y.ravel() if job.widths[-1] == 1 else job.y


def _outputs(model: Any, job: Job) -> Callable[[Array], Array]:
    if job.output == "identity":
        return lambda X: model.predict(X).reshape(len(X), -1)
    if job.output == "sigmoid":
        return lambda X: model.predict_proba(X)[:, 1:]
    return lambda X: model.predict_proba(X)


def predict(job: Job) -> Callable[[], Array]:
    outputs, X = _outputs(estimator(job), job), job.X
    return lambda: outputs(X)


class Trainer:
    """`fit` with a warm start: `max_iter` epochs from the present weights."""

    def __init__(self, job: Job) -> None:
        self.job, self.model = job, estimator(job)
        self.outputs = _outputs(self.model, job)
        self.y = _targets(job)

    def epoch(self, order: Array | None = None) -> None:
        self.model.shuffle = order is None and not self.job.full_batch
        if order is None:
            self.model.fit(self.job.X, self.y)
        else:
            self.model.fit(self.job.X[order], self.y[order])


def train(job: Job) -> Any:
    return Trainer(job)


PREDICT = {"scikit-learn": predict}
TRAIN = {"scikit-learn": train}
