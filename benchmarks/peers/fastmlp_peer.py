"""The engine itself, through its public face alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastmlp import Network, __version__, optimizers

from .jobs import Array, Job

NAME, PACKAGES = "fastmlp", {"fastmlp": __version__}
OPTIMIZERS = {"sgd": optimizers.SGD, "adam": optimizers.Adam}


def network(job: Job, isa: str | None = None) -> Network:
    """The job's network, with the job's weights."""
    net = Network(job.widths, activation=job.hidden, output=job.output, dtype=job.dtype, seed=0, isa=isa)
    net.set_weights(job.weights)
    return net


def predict(job: Job, isa: str | None = None, threads: int | None = 1) -> Callable[[], Array]:
    net, X = network(job, isa), job.X
    if threads == 1:
        return lambda: net.predict(X)
    return lambda: net.predict(X, threads=threads)


def predict_out(job: Job) -> Callable[[], Array]:
    """Into an array of the caller's."""
    net, X = network(job), job.X
    out = net.predict(X)
    return lambda: net.predict(X, out)


class Trainer:
    """`epoch()` trains on all rows, `epochs` times; `outputs(X)` are the predictions then."""

    def __init__(self, job: Job, isa: str | None = None, threads: int | None = 1) -> None:
        self.net, self.job, self.threads = network(job, isa), job, threads
        self.net.compile(OPTIMIZERS[job.optimizer](job.rate), metrics=[])

    def epoch(self, order: Array | None = None) -> None:
        """Shuffles by itself; `order` is what it will come to, for the others' sake."""
        job = self.job
        self.net.fit(
            job.X, job.y, epochs=job.epochs, batch_size=job.batch, shuffle=not job.full_batch,
            verbose=False, threads=self.threads,
        )  # fmt: skip

    def outputs(self, X: Array) -> Array:
        return np.asarray(self.net.predict(X))


def train(job: Job, isa: str | None = None, threads: int | None = 1) -> Any:
    return Trainer(job, isa, threads)


PREDICT = {
    "fastmlp": predict,
    "fastmlp, out=": predict_out,
    "fastmlp, avx2": lambda job: predict(job, "avx2"),
}
TRAIN = {"fastmlp": train, "fastmlp, avx2": lambda job: train(job, "avx2")}
