"""A worker's predictions beside `predict` on the same blocks: ``python -m benchmarks.scaling.scoring``.

One worker with one thread, of Dask and of Ray, whichever are installed.  Blocks are made in the worker first,
so that what is timed is the engine's tasks and the predictions.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastmlp import Network

CASES = (((784, 512, 512, 10), 40_000), ((32, 64, 64, 1), 1_000_000))  # widths, rows a block: Dask's 128 MB
BLOCKS, REPEATS = 4, 5


def network(widths: tuple[int, ...], seed: int = 0) -> Network:
    return Network(list(widths), activation="relu", seed=seed)


def block(rows: int, columns: int, number: int = 0) -> Any:
    return np.random.default_rng(number).random((rows, columns), dtype=np.float32)


def median(call: Any) -> float:
    """Seconds of a block."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) / BLOCKS)
    return statistics.median(times[1:])


def alone(widths: tuple[int, ...], rows: int) -> float:
    net, blocks = network(widths), [block(rows, widths[0], i) for i in range(BLOCKS)]
    return median(lambda: [net.predict(each, threads=1) for each in blocks])


@contextmanager
def dask_worker() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            yield client


def of_dask(widths: tuple[int, ...], rows: int) -> float:
    import dask.array as da
    import distributed

    import fastmlp.dask

    with dask_worker() as client:
        X = da.map_blocks(
            lambda block_info: block(rows, widths[0], block_info[None]["chunk-location"][0]),
            chunks=((rows,) * BLOCKS, (widths[0],)),
            meta=np.zeros((0, 0), np.float32),
            dtype=np.float32,
        )
        X = client.persist(X)
        nets = map(network, itertools.repeat(widths), itertools.count())
        # another network each time: else the worker gives the predictions that it still has
        return median(lambda: distributed.wait(client.persist(fastmlp.dask.predict(next(nets), X))))


def of_ray(widths: tuple[int, ...], rows: int) -> float:
    import ray

    import fastmlp.ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        worker = ray.remote(Held).remote(fastmlp.ray.Predictor(network(widths)), widths[0], rows)
        return median(lambda: ray.get(worker.predict.remote()))
    finally:
        ray.shutdown()


class Held:
    """Blocks in a worker of Ray, and what predicts them."""

    def __init__(self, predictor: Any, columns: int, rows: int) -> None:
        self.predictor = predictor
        self.blocks = [{"data": block(rows, columns, i)} for i in range(BLOCKS)]

    def predict(self) -> None:
        for each in self.blocks:
            self.predictor(each)


def main() -> int:
    print("| network, rows a block | predict alone, ms a block | Dask | Ray |\n|---|---|---|---|")
    for widths, rows in CASES:
        own = alone(widths, rows)
        shares = []
        for engine in (of_dask, of_ray):
            try:
                shares.append(f"{own / engine(widths, rows):.2f}")
            except ImportError:
                shares.append("")
        name = "-".join(map(str, widths))
        print(f"| {name}, {rows} | {own * 1e3:.1f} | {' | '.join(shares)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
