"""Tabular estimators beside other packages: ``python -m benchmarks.tables FOLDER`` from the project's folder.

The folder has CSV files, packed or not, with the target in the column `target`.  A quarter of the rows is
measured on, at most 2400 of the others are learned from.  Figures are added to a file, line by line, and what
stands there already is not measured again.  Seconds are processor time, "wall" the clock's, of learning and
predicting; before a method's first ones it learns from a few rows, so that they are not those of its imports.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FASTMLP_NUM_THREADS")


def options(argv: list[str] | None = None) -> argparse.Namespace:
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=summary)
    add = parser.add_argument
    add("folder", type=Path, help="of the tables")
    add("--methods", default="default,realmlp,fast,hist-gradient-boosting,sklearn-mlp", metavar="NAMES")
    add("--tables", default="", metavar="NAMES", help="only these; all of the folder unless given")
    add("--regression", default="", metavar="NAMES", help="tables whose few whole numbers are no classes")
    add("--splits", type=int, default=3)
    add("--target", default="target", metavar="NAME")
    add("--reference", metavar="METHOD", help="what errors are divided by (default: the first method)")
    add("--json", type=Path, default=Path("tables.jsonl"), metavar="FILE", help="of the figures")
    add("--threads", type=int, default=1, help="of each method (default: 1)")
    add("--report", action="store_true", help="measure nothing")
    return parser.parse_args(argv)


def listed(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def measured(path: Path) -> list[dict[str, Any]]:
    """The figures of a file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines(chosen: argparse.Namespace, done: set[tuple[str, int, str]]) -> Iterator[dict[str, Any]]:
    """What each method makes of each split; a method that fails is told of and left out there."""
    from . import data
    from .methods import METHODS

    numeric = listed(chosen.regression)
    warm: set[tuple[str, str]] = set()
    for table in listed(chosen.tables) or data.names(chosen.folder):
        X, y = data.read(chosen.folder, table, chosen.target)
        task = "numbers" if table in numeric else data.task_of(y)
        for number in range(chosen.splits):
            part = data.split(table, X, y, number, task, chosen.threads)
            for method in listed(chosen.methods):
                if (table, number, method) in done:
                    continue
                try:
                    if (method, task) not in warm:
                        METHODS[method](data.beginning(part))
                        warm.add((method, task))
                    found = timed(METHODS[method], part)
                except Exception as problem:
                    print(f"{table}, {method}: {type(problem).__name__}: {problem}", file=sys.stderr)
                    continue
                yield {"table": table, "split": number, "method": method, **found}


def timed(method: Callable[[Any], Any], part: Any) -> dict[str, float]:
    """Its error, and the seconds that it takes."""
    from . import data

    wall, seconds = time.perf_counter(), time.process_time()
    predictions = method(part)
    seconds, wall = time.process_time() - seconds, time.perf_counter() - wall
    return {"error": data.error(part, predictions), "seconds": seconds, "wall": wall}


def main(argv: list[str] | None = None) -> int:
    chosen = options(argv)
    for name in THREADS:
        os.environ.setdefault(name, str(chosen.threads))
    warnings.simplefilter("ignore")
    from . import report

    found = measured(chosen.json)
    if not chosen.report:
        done = {(line["table"], line["split"], line["method"]) for line in found}
        with open(chosen.json, "a") as file:
            for line in lines(chosen, done):
                print(json.dumps(line), file=file, flush=True)
                found.append(line)
    wanted = listed(chosen.methods)
    figures = report.means(line for line in found if line["method"] in wanted)
    reference = chosen.reference or wanted[0]
    if reference not in figures:
        print(f"there are no figures of {reference}", file=sys.stderr)
        return 1
    print(report.text(report.rows(figures, reference), reference))
    return 0


if __name__ == "__main__":
    sys.exit(main())
