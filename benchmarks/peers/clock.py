"""Timing: how long a call takes, and many callables in turn."""

from __future__ import annotations

import gc
import statistics
import time
import timeit
from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[[], Any]

# Processor time leaves out what other processes took of a shared machine; all threads of this one count.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
_now = time.perf_counter


def chosen() -> str:
    """The clock's name in the module `time`, for another process."""
    return _now.__name__


def choose(name: str) -> None:
    """Time by one of `CLOCKS` from now on."""
    global _now
    _now = CLOCKS[name]


def best_of(statement: str, scope: dict[str, Any], calls: int = 100_000) -> float:
    """Seconds a turn of a statement, the best of nine: for what costs less than calling a function does."""
    return min(timeit.repeat(statement, timer=_now, globals=scope, number=calls, repeat=9)) / calls


def seconds(run: Call, calls: int) -> float:
    """One call's share of `calls` calls, garbage collection off."""
    collects = gc.isenabled()
    gc.disable()
    try:
        turns = range(calls)
        start = _now()
        for _ in turns:
            run()
        return (_now() - start) / calls
    finally:
        if collects:
            gc.enable()


def calls_for(run: Call, length: float) -> int:
    """How many calls fill `length` seconds, at least one."""
    calls = 1
    while True:
        taken = seconds(run, calls) * calls
        if taken >= length / 4 or calls >= 10**7:
            return max(1, round(calls * length / max(taken, 1e-9)))
        calls *= 4


def in_turn(
    runs: Mapping[str, Call], rounds: int, length: float, setup: Callable[[str], Any] = lambda name: None
) -> dict[str, list[float]]:
    """Seconds a call of each, one turn of about `length` seconds in every round.

    Each round begins with another one, so that nobody always follows the same neighbour.  `setup` is called
    with the name before every turn.
    """
    names = list(runs)
    calls = {}
    for name in names:
        setup(name)
        calls[name] = calls_for(runs[name], length)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            setup(name)
            if calls[name] > 1:
                runs[name]()  # its data back into the caches
            samples[name].append(seconds(runs[name], calls[name]))
    return samples


def spread(samples: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(samples) < 2:
        return {"median": samples[0], "low": samples[0], "high": samples[0]}
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}
