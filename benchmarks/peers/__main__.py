"""The engine beside other packages, in one run: ``python -m benchmarks.peers`` from the project's folder.

Competitors take turns, so that a change of the machine's speed meets all of them; results are compared before
any time is shown; medians.  One core unless --cores says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
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
    everything = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0, 1}
    cores = settle(chosen.core, chosen.tuned)
    figures = _measure(chosen, rounds, cores, everything)
    _keep(figures, chosen)
    return 0


def _answer(chosen: argparse.Namespace, rounds: int) -> int:
    """The part of a process that may use every core; figures go back through a pipe."""
    from . import runner

    with os.fdopen(chosen.answer, "w") as pipe:
        json.dump(runner.threads(rounds, chosen.quick), pipe)
    return 0


def _measure(
    chosen: argparse.Namespace, rounds: int, cores: list[int], everything: set[int]
) -> dict[str, Any]:
    from . import limit, peers, runner

    found = peers.load(tuple(filter(None, chosen.only.split(","))), chosen.quick)
    for name, reason in found.missing.items():
        print(f"without {name}: {reason}")
    figures: dict[str, Any] = {
        "environment": runner.environment(found, cores),
        "rounds": rounds,
        "tuned": TUNED if chosen.tuned else {},
    }
    try:
        figures["limits"] = limit.rates()
        print("multiply-add limit, GFLOP/s:", figures["limits"])
    except limit.NoLimit as error:
        print(error)
    figures["lines"] = runner.compare(found, rounds, chosen.quick, chosen.match)
    if not chosen.match:
        figures["doubles"] = runner.doubles(rounds, chosen.quick)
        figures["cost"] = runner.cost(rounds, chosen.quick)
        figures["rows"] = runner.cost_of_rows(rounds, chosen.quick)
        figures["fixed"] = runner.fixed()
        if len(everything) > 1:
            os.sched_setaffinity(0, everything)  # for the child, which inherits it
            figures["threads"] = runner.in_subprocess("threads", rounds, chosen.quick)
        else:
            print("one core only, so two threads are not measured")
    return figures


def _keep(figures: dict[str, Any], chosen: argparse.Namespace) -> None:
    """Write the figures; the page and the pictures too, if this was a whole run."""
    whole = not chosen.quick and not chosen.match and not chosen.only
    name = "tuned.json" if chosen.tuned else "latest.json"
    target = chosen.json or (ROOT / "benchmarks" / "results" / name if whole else None)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"figures: {target}")
    if whole and not chosen.tuned:
        from . import report

        report.write(figures, chosen.docs)


if __name__ == "__main__":
    sys.exit(main())
