"""What mpiexec runs: ``worker.py steps WIDTHS BATCH STEPS THREADS`` or ``worker.py link REPEATS``.

Rank 0 prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from functools import partial
from typing import Any

import numpy as np

from fastmlp import Network
from fastmlp.callbacks import LambdaCallback
from fastmlp.mpi import local_rows
from fastmlp.training.ranks import Ranks

LINK_SIZES = (1_000, 1_000_000, 4_000_000)  # numbers of float32


def steps(comm: Any, widths: str, batch: str, count: str, threads: str) -> list[float]:
    """Seconds of each step but the first, of a fit on a batch's rows."""
    n_in, *layers = map(int, widths.split("-"))
    rng = np.random.default_rng(0)
    X = local_rows(rng.random((int(batch), n_in), dtype=np.float32), comm)
    y = local_rows(rng.integers(0, layers[-1], int(batch)), comm)
    net = Network([n_in, *layers], activation="relu", output="softmax", seed=0)
    net.compile("adam")
    stamps: list[float] = []
    stamp = LambdaCallback(on_train_batch_end=lambda batch, logs: stamps.append(time.perf_counter()))
    options = {"epochs": int(count) + 1, "batch_size": None, "threads": int(threads), "verbose": 0}
    net.fit(X, y, comm=comm, callbacks=[stamp], **options)
    return np.diff(stamps).tolist()


def link(comm: Any, repeats: str) -> dict[str, float]:
    """Seconds of a meeting, and of adding gradients of some sizes, by their numbers."""
    ranks = Ranks(comm)
    found = {"meeting": _median(lambda: ranks.gather("here", 0.0), int(repeats))}
    for size in LINK_SIZES:
        gradient = np.ones(size, np.float32)
        counts = [1] * comm.size
        found[str(size)] = _median(partial(_summed, ranks, gradient, counts), int(repeats))
    return found


def _summed(ranks: Ranks, gradient: Any, counts: list[int]) -> None:
    exchange = ranks.exchange([gradient], counts, [0])
    exchange.ready(0)
    exchange.total()


def _median(call: Any, repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    from mpi4py import MPI

    result = {"steps": steps, "link": link}[sys.argv[1]](MPI.COMM_WORLD, *sys.argv[2:])
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(result))
