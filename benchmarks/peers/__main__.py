"""The engine beside other packages, in one run: ``python -m benchmarks.peers`` from the project's folder.

Competitors take turns, so that a change of the machine's speed meets all of them; results are compared before
any time is shown; medians.  One core, and one thread, but in the tables that say otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import setting

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def options(argv: list[str] | None = None) -> argparse.Namespace:
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=summary)
    add = parser.add_argument
    add("--quick", action="store_true", help="few lines, few rounds, no docs; for CI")
    add("--only", default="", metavar="NAMES", help="of numpy,torch,onnxruntime,sklearn,jax,keras")
    add("--match", default="", metavar="TEXT", help="only lines whose title this regular expression finds")
    add("--rounds", type=int, help="turns of each competitor (default 9, quick 3)")
    add("--tuned", action="store_true", help="wide vectors for those who do not take them by themselves here")
    add("--clock", choices=("wall", "cpu"), default="wall", help="cpu: processor time, on a shared machine")
    add("--threads", type=int, metavar="N", help="only the table with so many, a process for each package")
    add("--core", type=int, metavar="N", help="the core to stay on (default: the last allowed one)")
    add("--json", type=Path, metavar="FILE", help="of the figures (default benchmarks/results/latest.json)")
    add("--docs", type=Path, default=ROOT / "docs", metavar="FOLDER", help="of the page and the pictures")
    add("--report", type=Path, metavar="FILE", help="measure nothing, write the page from these figures")
    add("--part", choices=("all", "threads", "serve"), default="all", help=argparse.SUPPRESS)
    add("--answer", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    chosen = options(argv)
    rounds = chosen.rounds or (3 if chosen.quick else 9)
    if chosen.report:
        from . import report

        report.write(json.loads(chosen.report.read_text()), chosen.docs)
        return 0
    if chosen.part != "all":
        return _answer(chosen, rounds)
    if chosen.threads:
        return _threads(chosen, rounds)
    everything = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    cores = setting.settle(1, chosen.core, chosen.tuned)
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
    with os.fdopen(chosen.answer, "w") as pipe:
        if chosen.part == "serve":
            setting.settle(chosen.threads, None, chosen.tuned)
            from . import apart

            apart.serve(chosen.only, sys.stdin, pipe)
        else:
            from . import runner

            json.dump(runner.threads(rounds, chosen.quick), pipe)
    return 0


def _threads(chosen: argparse.Namespace, rounds: int) -> int:
    """Only the table with several threads; whole, it takes its place among the last run's figures."""
    setting.settle(chosen.threads, None, chosen.tuned)
    from . import apart, report

    whole = not (chosen.quick or chosen.match or chosen.only or chosen.tuned)
    measured = apart.compare(chosen.threads, rounds, chosen.quick, chosen.match, chosen.only, chosen.tuned)
    target = chosen.json or (RESULTS / "latest.json" if whole else None)
    if target is None:
        return 0
    figures = json.loads(target.read_text()) if target.exists() else {}
    figures["apart"] = measured
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n")
    if whole and "lines" in figures:
        report.write(figures, chosen.docs)
    return 0


def _measure(
    chosen: argparse.Namespace, rounds: int, cores: list[int], everything: set[int], figures: dict[str, Any]
) -> Iterator[None]:
    """Fill in the figures; yields after every part."""
    from . import apart, clock, limit, peers, runner

    clock.choose(chosen.clock)
    found = peers.load(tuple(filter(None, chosen.only.split(","))), chosen.quick)
    for name, reason in found.missing.items():
        print(f"without {name}: {reason}")
    figures["environment"] = runner.environment(found, cores)
    figures |= {"rounds": rounds, "clock": chosen.clock, "tuned": setting.TUNED if chosen.tuned else {}}
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
    figures["apart"] = apart.compare(2, rounds, chosen.quick, chosen.match, chosen.only, chosen.tuned)
    yield


if __name__ == "__main__":
    sys.exit(main())
