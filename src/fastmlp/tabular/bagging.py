"""Several networks trained at once, each with the bits that it has alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


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
        futures = [pool.submit(job, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
