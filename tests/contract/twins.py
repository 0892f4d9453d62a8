"""Small networks of the NumPy twin, and what they are trained on."""

from __future__ import annotations

import numpy as np

from fastmlp import reference
from helpers import dense, train_epoch

Plan = reference.Plan
ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
ONE_EPOCH = {"batch_size": 4, "seed": 1, "learning_rates": np.full(3, 0.05)}


def network(hidden, output, seed=0, n_in=4, width=6, n_out=3, **more):
    """A float64 plan with one hidden layer and biases that are not zero."""
    layers = [
        dense(width, hidden, reference.ACTIVATIONS[hidden].parameter, dropout=more.pop("dropout", 0.0)),
        dense(n_out, output, reference.ACTIVATIONS[output].parameter),
    ]
    made = Plan(n_in, layers, dtype="float64", **more)
    rng = np.random.default_rng(seed)
    made.set_weights([rng.normal(size=w.shape) for w in made.get_weights()])
    return made


def epoch(made, X, y, weight=None, **changes):
    return train_epoch(made, X, y, weight, **{**ONE_EPOCH, **changes})


def data(rows=10):
    rng = np.random.default_rng(13)
    return rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)


def classifier(optimizer="sgd", hyperparameters=None, **more):
    made = network("tanh", "softmax", **more)
    made.compile(
        "sparse_categorical_crossentropy", 0.0, optimizer, {} if hyperparameters is None else hyperparameters
    )
    return made
