"""The engine beside other packages, in one run: ``python -m benchmarks.peers`` from the project's folder.

Competitors take turns, so that a change of the machine's speed meets all of them; results are compared before
any time is shown; medians.  One core unless --cores says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
# What an expert may set where libraries do not see that a processor has AVX-512, or do not trust it.
TUNED = {
    "OPENBLAS_CORETYPE": "SkylakeX",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_cpu_prefer_vector_width=512",
}
SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FASTMLP_NUM_THREADS")


def options(argv: list[str] | None = None) -> argparse.Namespace:
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=summary)
    add = parser.add_argument
    add("--quick", action="store_true", help="few lines, few rounds, no docs; for CI")
    add("--only", default="", metavar="NAMES", help="of numpy,torch,onnxruntime,sklearn,jax,keras")
    add("--match", default="", metavar="TEXT", help="only lines whose title contains this")
    add("--rounds", type=int, help="turns of each competitor (default 9, quick 3)")
    add("--tuned", action="store_true", help="wide vectors for those who do not take them by themselves here")
    add("--clock", choices=("wall", "cpu"), default="wall", help="cpu: processor time, on a shared machine")
    add("--core", type=int, metavar="N", help="the core to stay on (default: the last allowed one)")
    add("--json", type=Path, metavar="FILE", help="of the figures (default benchmarks/results/latest.json)")
    add("--docs", type=Path, default=ROOT / "docs", metavar="FOLDER", help="of the page and the pictures")
    add("--report", type=Path, metavar="FILE", help="measure nothing, write the page from these figures")
    add("--part", choices=("all", "threads"), default="all", help=argparse.SUPPRESS)
    add("--answer", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def settle(core: int | None, tuned: bool) -> list[int]:
    """One core and one thread for everybody; before the imports, since libraries make their pools in them."""
    for name in SINGLE:
        os.environ[name] = "1"
    if tuned:
        os.environ.update(TUNED)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not hasattr(os, "sched_setaffinity"):
        print("this system cannot hold a process to one core, so threads are limited only by settings")
        return [0]
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    return [chosen]


def main(argv: list[str] | None = None) -> int:
    chosen = options(argv)
    rounds = chosen.rounds or (3 if chosen.quick else 9)
    if chosen.report:
        from . import report

        report.write(json.loads(chosen.report.read_text()), chosen.docs)
        return 0
    if chosen.part == "threads":
        return _answer(chosen, rounds)
    everything = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    cores = settle(chosen.core, chosen.tuned)
    whole = not (chosen.quick or chosen.match or chosen.only)
    target = chosen.json or (RESULTS / ("tuned.json" if chosen.tuned else "latest.json") if whole else None)
    figures: dict[str, Any] = {}
    for _ in _measure(chosen, rounds, cores, everything, figures):
        if target is not None:  # after every part: a quarter of an hour is not lost to an error at its end
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(figures, indent=1) + "\n")
    if whole and not chosen.tuned:
        from . import report

        report.write(figures, chosen.docs)
    return 0


def _answer(chosen: argparse.Namespace, rounds: int) -> int:
    """The part of a process that may use every core; figures go back through a pipe."""
    from . import runner

    with os.fdopen(chosen.answer, "w") as pipe:
        json.dump(runner.threads(rounds, chosen.quick), pipe)
    return 0


def _measure(
    chosen: argparse.Namespace, rounds: int, cores: list[int], everything: set[int], figures: dict[str, Any]
) -> Iterator[None]:
    """Fill in the figures; yields after every part."""
    from . import clock, limit, peers, runner

    clock.choose(chosen.clock)
    found = peers.load(tuple(filter(None, chosen.only.split(","))), chosen.quick)
    for name, reason in found.missing.items():
        print(f"without {name}: {reason}")
    figures["environment"] = runner.environment(found, cores)
    figures |= {"rounds": rounds, "clock": chosen.clock, "tuned": TUNED if chosen.tuned else {}}
    try:
        figures["limits"] = limit.rates()
        print("multiply-add limit, GFLOP/s:", figures["limits"])
    except limit.NoLimit as error:
        print(error)
    figures["lines"] = runner.compare(found, rounds, chosen.quick, chosen.match)
    yield
    if chosen.match:
        return
    for name, part in runner.PARTS.items():
        figures[name] = part(rounds, chosen.quick)
        yield
    if len(everything) < 2:
        print("one core only, so two threads are not measured")
        return
    os.sched_setaffinity(0, everything)  # for the child, which inherits it
    figures["threads"] = runner.in_subprocess("threads", rounds, chosen.quick)
    yield


if __name__ == "__main__":
    sys.exit(main())
