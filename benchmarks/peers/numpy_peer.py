"""NumPy as an expert writes it: arrays made once, `out=` everywhere, activations in place, flat weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .jobs import Array, Job

NAME, PACKAGES = "NumPy", {"numpy": np.__version__}


def sigmoid(z: Array) -> None:
    np.negative(z, z)
    np.exp(z, z)
    np.add(z, 1, z)
    np.reciprocal(z, z)


def tanh(z: Array) -> None:
    np.tanh(z, z)


def relu(z: Array) -> None:
    np.maximum(z, 0, out=z)


def identity(z: Array) -> None:
    pass


class Softmax:
    """In place along the last axis, with its row sums kept."""

    def __init__(self, z: Array) -> None:
        self.row = np.empty((*z.shape[:-1], 1), z.dtype)

    def __call__(self, z: Array) -> None:
        np.maximum.reduce(z, -1, None, self.row, True)
        np.subtract(z, self.row, z)
        np.exp(z, z)
        np.add.reduce(z, -1, None, self.row, True)
        np.divide(z, self.row, z)


IN_PLACE: dict[str, Callable[[Array], None]] = {
    "sigmoid": sigmoid, "tanh": tanh, "relu": relu, "identity": identity
}  # fmt: skip


def _activation(name: str, z: Array) -> Callable[[Array], None]:
    return Softmax(z) if name == "softmax" else IN_PLACE[name]


class Layers:
    """The forward pass for a fixed number of rows; one row goes as a vector, which BLAS does faster."""

    def __init__(self, job: Job, rows: int, weights: list[Array]) -> None:
        self.steps = []
        shape = (rows,) if rows > 1 else ()
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            z = np.empty((*shape, W.shape[1]), W.dtype)
            name = job.output if W is weights[-2] else job.hidden
            self.steps.append((W, b, z, _activation(name, z)))

    def __call__(self, x: Array) -> Array:
        for W, b, z, activation in self.steps:
            np.dot(x, W, z)
            np.add(z, b, z)
            activation(z)
            x = z
        return x


def predict(job: Job) -> Callable[[], Array]:
    layers = Layers(job, job.batch, job.weights)
    if job.batch > 1:
        return lambda: layers(job.X)
    X = job.X
    return lambda: layers(X[0])[None]


def _views(flat: Array, weights: list[Array]) -> list[Array]:
    """Arrays shaped like the weights, side by side in one vector."""
    ends = np.cumsum([array.size for array in weights])
    return [flat[end - a.size : end].reshape(a.shape) for end, a in zip(ends, weights, strict=True)]


class SGD:
    def __init__(self, w: Array, rate: float) -> None:
        self.w, self.rate = w, rate

    def __call__(self, g: Array) -> None:
        np.multiply(g, self.rate, g)
        np.subtract(self.w, g, self.w)


class Adam:
    """Moments and scratch are vectors as long as all parameters; everything in place."""

    def __init__(self, w: Array, rate: float) -> None:
        self.w, self.rate, self.t = w, rate, 0
        self.m, self.v, self.s = np.zeros_like(w), np.zeros_like(w), np.empty_like(w)

    def __call__(self, g: Array) -> None:
        m, v, s = self.m, self.v, self.s
        self.t += 1
        root = math.sqrt(1 - 0.999**self.t)
        np.multiply(m, 0.9, m)
        np.multiply(g, 0.1, s)
        np.add(m, s, m)
        np.multiply(v, 0.999, v)
        np.multiply(g, g, g)
        np.multiply(g, 0.001, g)
        np.add(v, g, v)
        np.sqrt(v, s)
        np.add(s, 1e-8 * root, s)
        np.divide(m, s, s)
        np.multiply(s, self.rate * root / (1 - 0.9**self.t), s)
        np.subtract(self.w, s, self.w)


def _through(name: str, da: Array, a: Array, s: Array) -> None:
    """da becomes dz, in place; s is scratch."""
    if name == "sigmoid":
        np.subtract(1, a, s)
        np.multiply(s, a, s)
    elif name == "tanh":
        np.multiply(a, a, s)
        np.subtract(1, s, s)
    elif name == "relu":
        np.greater(a, 0, s, casting="unsafe")
    else:
        return
    np.multiply(da, s, da)


class Step:
    """One mini-batch of a fixed number of rows: gather, forward, backward, update."""

    def __init__(self, job: Job, rows: int, weights: list[Array], gradients: list[Array]) -> None:
        self.job, self.rows = job, rows
        self.x, self.y = job.X, job.y
        if not job.full_batch:
            self.x = np.empty((rows, job.widths[0]), job.dtype)
            self.y = np.empty((rows, *job.y.shape[1:]), job.y.dtype)
        self.layers = Layers(job, rows, weights)
        self.weights, self.gradients = weights[::2], gradients
        self.deltas = [np.empty((rows, n), job.dtype) for n in job.widths[1:]]
        self.scratch = [np.empty((rows, n), job.dtype) for n in job.widths[1:]]
        self.lines = np.arange(rows)
        outputs = rows * job.widths[-1]
        self.factor = {"softmax": 1 / rows, "sigmoid": 1 / outputs, "identity": 2 / outputs}[job.output]

    def __call__(self, chosen: Array) -> None:
        """`chosen`: the rows' numbers.  mode="clip" lets `take` write into `out` without another copy."""
        job = self.job
        if not job.full_batch:
            np.take(job.X, chosen, 0, self.x, "clip")
            np.take(job.y, chosen, 0, self.y, "clip")
        p = self.layers(self.x)
        if job.output == "softmax":
            p[self.lines, self.y] -= 1
        else:
            np.subtract(p, self.y, p)
        np.multiply(p, self.factor, self.deltas[-1])
        self.backward()

    def backward(self) -> None:
        outputs = [z for _, _, z, _ in self.layers.steps]
        for i in range(len(outputs) - 1, -1, -1):
            dz = self.deltas[i]
            x = outputs[i - 1] if i else self.x
            np.dot(x.T, dz, self.gradients[2 * i])
            np.add.reduce(dz, 0, None, self.gradients[2 * i + 1])
            if i:
                np.dot(dz, self.weights[i].T, self.deltas[i - 1])
                _through(self.job.hidden, self.deltas[i - 1], x, self.scratch[i - 1])


class Trainer:
    """`epoch()` trains on all rows, `epochs` times; `outputs(X)` are the predictions then."""

    def __init__(self, job: Job) -> None:
        self.job, self.generator, self.given = job, np.random.default_rng(0), np.arange(job.rows)
        flat = np.concatenate([array.ravel() for array in job.weights])
        self.gradient = np.empty_like(flat)
        self.weights = _views(flat, job.weights)
        gradients = _views(self.gradient, job.weights)
        self.update = {"sgd": SGD, "adam": Adam}[job.optimizer](flat, job.rate)
        sizes = {job.batch, job.rows % job.batch} - {0}
        self.steps = {size: Step(job, size, self.weights, gradients) for size in sizes}

    def epoch(self, order: Array | None = None) -> None:
        job = self.job
        for _ in range(job.epochs):
            chosen = self.shuffled() if order is None else order
            for first in range(0, job.rows, job.batch):
                part = chosen[first : first + job.batch]
                self.steps[len(part)](part)
                self.update(self.gradient)

    def shuffled(self) -> Array:
        return self.given if self.job.full_batch else self.generator.permutation(self.job.rows)

    def outputs(self, X: Array) -> Array:
        return Layers(self.job, len(X), self.weights)(X)


def train(job: Job) -> Any:
    return Trainer(job)


PREDICT = {"NumPy": predict}
TRAIN = {"NumPy": train}
