"""One network on the workers of a cluster: ranks are tasks of Dask, and a fit that loses one begins anew."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ...network import Network
from ...optional import require
from ...training.shards import Parts
from .mail import Lost, Mail, Mailbox
from .rows import Blocks, joined

GROUP = "dask"
LOOK = 0.5  # seconds between two looks at the workers
COMES = 60  # seconds in which there has to be a worker

Result = TypeVar("Result")


@dataclass
class Given:
    """X, y and weights in blocks, and the fit that is to be."""

    X: Blocks
    y: Blocks
    weights: Blocks | None
    held_out: list[Blocks]  # none, or X, y and perhaps weights
    dtype: np.dtype[Any]  # of the network, and so of X
    network: Callable[[], Network]  # compiled, the same wherever it is called
    options: dict[str, Any]  # of `Network.fit`
    threads: int | None


def until_kept(attempt: Callable[[], Result]) -> Result:
    """What an attempt returns, as often begun as Dask begins a task of workers that are lost."""
    most = int(require("dask", GROUP).config.get("distributed.scheduler.allowed-failures"))
    for left in range(most, -1, -1):
        try:
            return attempt()
        except Lost as error:
            if not left:
                came = f"a worker was lost in each of {most + 1} attempts to fit"
                raise RuntimeError(f"{came}, expected one in which all stay: {error}") from error
    raise AssertionError("the last attempt returns or raises")


def together(client: Any, given: Given) -> tuple[Network, dict[str, list[float]]]:
    """The trained network and its history; Lost where a worker of it was lost."""
    shards = given.options["shards"]
    parts = Parts(len(given.X), shards, range(0))
    addresses = _addresses(client, shards)
    fit = uuid.uuid4().hex
    places = [{"workers": [address], "allow_other_workers": False, "pure": False} for address in addresses]
    boxes = [client.submit(Mailbox, fit, rank, actor=True, **place) for rank, place in enumerate(places)]
    tasks: list[Any] = []
    try:
        _watch(client, boxes, addresses)
        everywhere = {"pure": False}
        held_out = [_rows(client, each, 0, len(each), everywhere, given.dtype) for each in given.held_out]
        ends = [0, *(int(parts.ends[own[-1]]) for own in np.array_split(np.arange(shards), len(places)))]
        blocks = [given.X, given.y, *([] if given.weights is None else [given.weights])]
        own = [
            [_rows(client, each, first, last, place, given.dtype) for each in blocks]
            for place, (first, last) in zip(places, itertools.pairwise(ends), strict=True)
        ]
        _watch(client, [*held_out, *itertools.chain(*own)], addresses)
        for each in (*blocks, *given.held_out):
            each.futures.clear()  # Dask need not keep them
        for rank, (place, rows) in enumerate(zip(places, own, strict=True)):
            given_to = (given.network, fit, rank, boxes, rows, held_out, given.options, given.threads)
            tasks.append(client.submit(_train, *given_to, **place))
        _watch(client, tasks, addresses)
        return tasks[0].result()
    except BaseException:
        client.cancel([*boxes, *tasks], force=True)
        raise


def _addresses(client: Any, most: int) -> list[str]:
    """Workers, those first that have the least to do."""
    client.wait_for_workers(1, timeout=COMES)
    busy = client.processing()
    return sorted(client.nthreads(), key=lambda address: (len(busy.get(address, ())), address))[:most]


def _rows(
    client: Any, blocks: Blocks, first: int, last: int, place: dict[str, Any], dtype: np.dtype[Any]
) -> Any:
    """A future of the rows [first, last); those of X have a dtype that is given."""
    futures, slices = blocks.cut(first, last)
    dtype = dtype if blocks.is_X else blocks.dtype
    return client.submit(joined, futures, slices, blocks.name, dtype, **place)


def _train(
    network: Callable[[], Network],
    fit: str,
    rank: int,
    boxes: list[Any],
    own: list[Any],
    held_out: list[Any],
    options: dict[str, Any],
    threads: int | None,
) -> tuple[Network, dict[str, list[float]]] | None:
    """A rank, on its worker; the first one returns what all have."""
    distributed = require("distributed", GROUP)
    comm = Mail(fit, rank, boxes)
    threads = distributed.get_worker().state.nthreads if threads is None else threads
    distributed.secede()  # ranks wait for each other, so none may wait for a thread of its worker
    net, (X, y, *weights) = network(), own
    history = net.fit(
        X, y, sample_weight=weights[0] if weights else None, comm=comm, threads=threads, verbose=False,
        validation_data=tuple(held_out) or None, **options,
    )  # fmt: skip
    comm.flush()
    return (net, history.history) if rank == 0 else None


def _watch(client: Any, tasks: list[Any], addresses: list[str]) -> None:
    """Until all tasks are done; raises the error of one, and Lost where a worker has gone."""
    distributed = require("distributed", GROUP)
    while not all(task.status == "finished" for task in tasks):
        failed = [task for task in tasks if task.status not in ("finished", "pending")]
        if gone := set(addresses) - set(client.nthreads()):  # why a task may have failed
            raise Lost(f"the worker {min(gone)} has gone")
        for task in failed:
            task.result()
        with contextlib.suppress(TimeoutError, distributed.TimeoutError):
            distributed.wait(tasks, timeout=LOOK)
