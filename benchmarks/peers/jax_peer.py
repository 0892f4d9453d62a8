"""JAX: jit, and for training a whole epoch as one compiled scan with donated buffers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .jobs import Array, Job

NAME, PACKAGES = "JAX", {"jax": jax.__version__}
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu, "identity": lambda z: z
}  # fmt: skip

jax.config.update("jax_enable_x64", True)  # float32 arrays stay float32


def logits(job: Job, weights: list[Any], x: Any) -> Any:
    for i in range(0, len(weights), 2):
        z = x @ weights[i] + weights[i + 1]
        x = ACTIVATIONS[job.hidden](z)
    return z


def link(job: Job, z: Any) -> Any:
    if job.output == "softmax":
        return jax.nn.softmax(z)
    return jax.nn.sigmoid(z) if job.output == "sigmoid" else z


def predict(job: Job) -> Callable[[], Array]:
    weights = [jnp.asarray(array) for array in job.weights]
    run = jax.jit(lambda weights, x: link(job, logits(job, weights, x)))
    X = job.X
    compiled = run.lower(weights, X).compile()
    return lambda: np.asarray(compiled(weights, X))


def loss(job: Job, weights: list[Any], x: Any, y: Any) -> Any:
    z = logits(job, weights, x)
    if job.output == "softmax":
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()
    if job.output == "sigmoid":
        return (jax.nn.softplus(z) - z * y).mean()
    return jnp.square(z - y).mean()


def updated(job: Job, weights: list[Any], gradients: list[Any], state: Any) -> tuple[list[Any], Any]:
    """One step of the optimizer; the state is (t, m, v)."""
    if job.optimizer == "sgd":
        return [w - job.rate * g for w, g in zip(weights, gradients, strict=True)], state
    t, m, v = state
    t = t + 1
    real = weights[0].dtype
    root = jnp.sqrt(1 - 0.999**t).astype(real)
    rate = (job.rate / (1 - 0.9**t)).astype(real) * root
    m = [0.9 * old + 0.1 * g for old, g in zip(m, gradients, strict=True)]
    v = [0.999 * old + 0.001 * g * g for old, g in zip(v, gradients, strict=True)]
    moved = [w - rate * a / (jnp.sqrt(b) + 1e-8 * root) for w, a, b in zip(weights, m, v, strict=True)]
    return moved, (t, m, v)


def _rows(array: Any, rows: Any) -> Any:
    return array.at[rows].get(mode="promise_in_bounds")


class Trainer:
    """`epoch()` is one call of one compiled function."""

    def __init__(self, job: Job) -> None:
        self.job, self.generator = job, np.random.default_rng(0)
        self.weights = [jnp.array(array) for array in job.weights]
        zeros = [jnp.zeros_like(array) for array in self.weights]
        adam = job.optimizer == "adam"
        self.state = (jnp.zeros(()), zeros, [jnp.zeros_like(a) for a in zeros]) if adam else ()
        self.X, self.y = jnp.array(job.X), jnp.array(job.y)
        self.run = jax.jit(partial(self._epoch, job), donate_argnums=(0, 1))

    @staticmethod
    def _epoch(job: Job, weights: Any, state: Any, X: Any, y: Any, order: Any) -> Any:
        def step(carry: Any, rows: Any) -> Any:
            x, targets = (X, y) if job.full_batch else (_rows(X, rows), _rows(y, rows))
            gradients = jax.grad(lambda w: loss(job, w, x, targets))(carry[0])
            return updated(job, carry[0], gradients, carry[1]), None

        carry, whole = (weights, state), job.rows // job.batch * job.batch
        chosen = order[:, :whole].reshape(-1, job.batch)
        carry, _ = jax.lax.scan(step, carry, chosen)
        return carry if whole == job.rows else step(carry, order[0, whole:])[0]

    def epoch(self, order: Array | None = None) -> None:
        job = self.job
        if job.full_batch:
            orders = np.zeros((job.epochs, job.rows), np.int64)  # the steps are counted by it, no more
        else:
            orders = (self.generator.permutation(job.rows) if order is None else order)[None]
        self.weights, self.state = self.run(self.weights, self.state, self.X, self.y, orders)
        jax.block_until_ready(self.weights)

    def outputs(self, X: Array) -> Array:
        return np.asarray(link(self.job, logits(self.job, self.weights, X)))


def train(job: Job) -> Any:
    return Trainer(job)


PREDICT = {"JAX": predict}
TRAIN = {"JAX": train}
