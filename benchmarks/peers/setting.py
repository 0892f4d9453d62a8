"""What every package is told before it is imported: its threads and cores."""

from __future__ import annotations

import os

# What an expert may set where libraries do not see that a processor has AVX-512, or do not trust it.
TUNED = {"OPENBLAS_CORETYPE": "SkylakeX", "XLA_FLAGS": "--xla_cpu_prefer_vector_width=512"}
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FASTMLP_NUM_THREADS")


def settle(threads: int, core: int | None, tuned: bool) -> list[int]:
    """So many threads for everybody, each with a core; before the imports, where pools are made."""
    for name in COUNTS:
        os.environ[name] = str(threads)
    if tuned:
        os.environ.update(TUNED)
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not hasattr(os, "sched_setaffinity"):
        print("this system cannot hold a process to cores, so threads are limited only by settings")
        return [0]
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[-threads:] if core is None else [core]
    os.sched_setaffinity(0, chosen)
    return chosen


def threads() -> int:
    """What `settle` said, else one."""
    return int(os.environ.get(COUNTS[0], "1"))
