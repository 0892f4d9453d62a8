"""The network in plain NumPy: the readable twin of everything the compiled engine does.

Read the modules in this order to learn how a multi-layer perceptron works:

functions
    Activations, each beside its derivative, and the dense layer beside its gradients.
normalization
    Batch and layer normalisation beside their gradients.
layers
    Kinds of layers, each beside its gradients.
losses
    What a prediction costs, beside the gradient of that cost.
optimizers
    How a gradient moves the weights.
random
    Where shuffling, initial weights and dropout get their numbers.
plan
    All of it put together: `Plan` predicts and goes backward.
run
    `Run` trains it, mini-batch after mini-batch.

The twin imports NumPy alone.  It computes what the engine computes, but for rounding: the engine fixes
the order of every sum, NumPy does not.

Examples
--------
>>> import numpy as np
>>> from fastmlp import reference
>>> plan = reference.Plan(2, [{"kind": "dense", "units": 1, "activation": "sigmoid"}], dtype="float64")
>>> plan.set_weights([np.array([[1.0], [-1.0]]), np.array([0.5])])
>>> plan.predict(np.array([[0.5, 1.0]]))
array([[0.5]])
"""

from __future__ import annotations

from .functions import (
    ACTIVATIONS,
    ELEMENTARY,
    Activation,
    activation_backward,
    activation_forward,
    dense_backward,
    dense_forward,
    elementary,
)
from .layers import KINDS, LayerKind
from .losses import LINKS, LOSSES, Loss, loss_gradient
from .normalization import normalization_backward, normalized, statistics
from .optimizers import OPTIMIZERS, Optimizer, optimizer_update
from .plan import Plan
from .random import cosine, dropout_mask, normal_weights, philox, shuffled, sign_weights, uniform_weights
from .run import Run

__all__ = [
    "ACTIVATIONS",
    "ELEMENTARY",
    "KINDS",
    "LINKS",
    "LOSSES",
    "OPTIMIZERS",
    "Activation",
    "LayerKind",
    "Loss",
    "Optimizer",
    "Plan",
    "Run",
    "activation_backward",
    "activation_forward",
    "cosine",
    "dense_backward",
    "dense_forward",
    "dropout_mask",
    "elementary",
    "loss_gradient",
    "normal_weights",
    "normalization_backward",
    "normalized",
    "optimizer_update",
    "philox",
    "shuffled",
    "sign_weights",
    "statistics",
    "uniform_weights",
]
