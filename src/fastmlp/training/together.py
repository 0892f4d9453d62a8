"""Jobs that run side by side, in threads: the engine leaves Python free while it trains."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from .. import validation

T = TypeVar("T")
R = TypeVar("R")


def as_jobs(n_jobs: Any) -> int:
    """A number that is not 0; None is -1, all processors."""
    if n_jobs is None:
        return -1
    count = validation.integer(n_jobs, "n_jobs", -1024)
    if count == 0:
        raise ValueError("n_jobs is 0, expected 1 or more, or -1 for all processors")
    return count


def workers(n_jobs: int | None, jobs: int) -> int:
    """Threads for so many jobs; None or -1 is one for each processor, as joblib counts below 0."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = processors if n_jobs is None else n_jobs if n_jobs > 0 else processors + 1 + n_jobs
    return max(1, min(wanted, jobs))


def run(job: Callable[[T], R], items: Sequence[T], threads: int, stop: threading.Event) -> list[R]:
    """`job` of each item, in their order; whatever ends one early sets `stop` for all, which jobs look at."""
    if threads == 1:
        return [job(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        futures: list[Future[R]] = []
        try:
            futures.extend(pool.submit(job, item) for item in items)
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()  # where one has failed, its error and not what others still do
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
