"""Steps of a network on 1, 2 and 4 processes here, and a model of up to 64 machines.

``python -m benchmarks.scaling`` from the project's folder.  Needs the group `mpi`, and mpiexec beside the
Python or on the path.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import report

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).resolve().parents[2]
WIDTHS, BATCH = (784, 2048, 2048, 10), 8192
RANKS = (1, 2, 4)


def launched(ranks: int, *arguments: object) -> Any:
    """What the worker on so many ranks prints."""
    beside = Path(sys.executable).parent / "mpiexec"
    command = str(beside) if beside.exists() else shutil.which("mpiexec")
    if command is None:
        raise SystemExit("mpiexec is missing, expected it beside Python or on the path")
    line = [command, "-n", str(ranks), sys.executable, str(WORKER), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def measured(widths: tuple[int, ...], batch: int, steps: int) -> dict[str, Any]:
    """Median steps in seconds, of ranks with one thread and of one with all; and the link's times."""
    text = "-".join(map(str, widths))

    def step(ranks: int, threads: int) -> float:
        return statistics.median(launched(ranks, "steps", text, batch, steps, threads))

    alone = [step(1, 1)]
    others = {str(ranks): step(ranks, 1) for ranks in RANKS[1:]}
    alone.append(step(1, 1))  # before and after the others
    return {
        "widths": list(widths),
        "batch": batch,
        "ranks": {"1": statistics.mean(alone), **others},
        "threads": os.cpu_count() or 1,
        "all_threads": step(1, os.cpu_count() or 1),
        "link": launched(2, "link", 20),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--steps", type=int, default=3, help="timed of each number of ranks (default %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="given", help="of --json: measure nothing")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="draw performance-scaling.png there")
    chosen = parser.parse_args(argv)
    figures = json.loads(chosen.given.read_text()) if chosen.given else measured(WIDTHS, BATCH, chosen.steps)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("\n".join(report.lines(figures)))
    if chosen.docs:
        report.draw(figures, chosen.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
