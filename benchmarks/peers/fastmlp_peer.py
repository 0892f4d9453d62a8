"""The engine itself, through its public face alone."""

from __future__ import annotations

from collections.abc import Callable

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


def predict(job: Job, isa: str | None = None) -> Callable[[], Array]:
    net, X = network(job, isa), job.X
    return lambda: net.predict(X)


def predict_out(job: Job) -> Callable[[], Array]:
    """Into an array of the caller's."""
    net, X = network(job), job.X
    out = net.predict(X)
    return lambda: net.predict(X, out)


class Trainer:
    """`epoch()` trains on all rows, `epochs` times; `outputs(X)` are the predictions then."""

    def __init__(self, job: Job, isa: str | None = None) -> None:
        self.net, self.job = network(job, isa), job
        self.net.compile(OPTIMIZERS[job.optimizer](job.rate), metrics=[])

    def epoch(self, order: Array | None = None) -> None:
        """Shuffles by itself; `order` is what it will come to, for the others' sake."""
        job = self.job
        self.net.fit(
            job.X, job.y, epochs=job.epochs, batch_size=job.batch, shuffle=not job.full_batch,
            verbose=False,
        )  # fmt: skip

    def outputs(self, X: Array) -> Array:
        return np.asarray(self.net.predict(X))


PREDICT = {
    "fastmlp": predict,
    "fastmlp, out=": predict_out,
    "fastmlp, avx2": lambda job: predict(job, "avx2"),
}
TRAIN = {"fastmlp": Trainer, "fastmlp, avx2": lambda job: Trainer(job, "avx2")}
