"""Keras, on JAX where that is installed, else on PyTorch."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")

import keras  # noqa: E402  the backend is chosen when it is imported

from .jobs import Array, Job  # noqa: E402

NAME = f"Keras ({keras.backend.backend()})"
PACKAGES = {"keras": keras.__version__}
LOSSES = {"softmax": "sparse_categorical_crossentropy", "sigmoid": "binary_crossentropy", "identity": "mse"}


def model(job: Job) -> Any:
    layers = [keras.layers.Dense(n, job.hidden, dtype=job.dtype) for n in job.widths[1:-1]]
    output = None if job.output == "identity" else job.output
    layers.append(keras.layers.Dense(job.widths[-1], output, dtype=job.dtype))
    net = keras.Sequential([keras.Input((job.widths[0],), dtype=job.dtype), *layers])
    net.set_weights(job.weights)
    return net


def predict(job: Job) -> Callable[[], Array]:
    net, X = model(job), job.X
    return lambda: np.asarray(net.predict_on_batch(X))


class Trainer:
    """`fit`, with a batch per call of the compiled step."""

    def __init__(self, job: Job) -> None:
        self.job, self.net = job, model(job)
        optimizers = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
        epsilon = {"epsilon": 1e-8} if job.optimizer == "adam" else {}
        self.net.compile(optimizers[job.optimizer](job.rate, **epsilon), LOSSES[job.output])

    def epoch(self, order: Array | None = None) -> None:
        job = self.job
        X, y = (job.X, job.y) if order is None else (job.X[order], job.y[order])
        self.net.fit(X, y, job.batch, job.epochs, verbose=0, shuffle=order is None and not job.full_batch)

    def outputs(self, X: Array) -> Array:
        return np.asarray(self.net.predict_on_batch(X))


def train(job: Job) -> Any:
    return Trainer(job)


PREDICT = {NAME: predict}
TRAIN = {NAME: train}
