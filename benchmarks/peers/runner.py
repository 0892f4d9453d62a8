"""Measures: every job with every competitor in turn, then what only the engine is asked for."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

import fastmlp

from . import clock, fastmlp_peer, jobs, limit, peers
from .few_bits import few_bits
from .jobs import Job

TURN = 0.02  # seconds of one competitor's turn in a round
NOT_SLOWER = 0.95  # of two threads: what is left to noise
THREADS = (1, 2, 4, 8)
MANY_NOT_SLOWER = 0.91  # of four and eight, on however few cores: one thread's time in 1.1 of it
Record = dict[str, Any]


def environment(found: peers.Field, cores: Iterable[int]) -> Record:
    """Versions, machine, instruction set, threads: what a reader needs to judge the figures."""
    config: list[str] = []
    fastmlp.show_config(config.append)
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": len(list(cores)),
        "versions": found.versions,
        "missing": found.missing,
        "blas": _blas(),
        "config": [" ".join(line.split()) for line in config],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _blas() -> list[str]:
    """Every BLAS that is loaded, with the kernels it chose and its threads."""
    try:
        import threadpoolctl
    except ImportError:
        return []
    pools = threadpoolctl.threadpool_info()
    return sorted({f"{pool['internal_api']} {pool.get('architecture', '')} {pool['num_threads']} thread(s)"
                   for pool in pools})  # fmt: skip


def _limits(samples: list[dict[str, float]]) -> dict[str, float]:
    """Medians by kind."""
    names = samples[0] if samples else {}
    return {name: float(np.median([sample[name] for sample in samples])) for name in names}


def _limit_now() -> list[dict[str, float]]:
    try:
        return [limit.rates()]
    except limit.NoLimit as error:
        _say_once(str(error))
        return []


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        print(text, file=sys.stderr)


def measure(job: Job, found: peers.Field, rounds: int) -> Record:
    """One line: checked, then timed in turn, with the multiply-add limit in every round of a wide net's."""
    runs, skipped = peers.prepare(job, found)
    limits: list[dict[str, float]] = []

    def setup(name: str) -> None:
        if name == "fastmlp" and job.name in jobs.WIDE:
            limits.extend(_limit_now())

    samples = clock.in_turn(runs, rounds, TURN, setup)
    times = {name: clock.spread(values) for name, values in samples.items()}
    return {
        "title": job.title, "name": job.name, "kind": job.kind, "batch": job.batch, "dtype": job.dtype,
        "optimizer": job.optimizer, "rows": job.rows, "operations": job.operations, "target": job.target,
        "times": times, "skipped": skipped, "limits": _limits(limits),
    }  # fmt: skip


def best_other(record: Record, bound: bool = False) -> tuple[str, float] | None:
    """The fastest competitor of a line and its median.

    Those with buffers bound beforehand stand against `predict(X, out)`: a call of theirs takes no array and
    gives none.
    """
    others = {
        name: t["median"]
        for name, t in record["times"].items()
        if not name.startswith("fastmlp") and (bound or not name.endswith("bound"))
    }
    return min(others.items(), key=lambda item: item[1]) if others else None


def ratio(record: Record, bound: bool = False) -> float | None:
    """How many times faster the engine is than the fastest other."""
    other = best_other(record, bound)
    own = record["times"].get("fastmlp, out=" if bound else "fastmlp")
    return other[1] / own["median"] if other and own else None


def describe(record: Record) -> str:
    """A line for the terminal."""
    other, own = best_other(record), record["times"]["fastmlp"]["median"]
    if other is None:
        return f"{record['title']:<58} {own * 1e6:12.2f} us"
    target = f" (asked for: {record['target']})" if record["target"] else ""
    bound = ratio(record, bound=True)
    both = f"; into a given array {bound:.2f} x" if bound else ""
    return f"{record['title']:<58} {own * 1e6:12.2f} us  {ratio(record):6.2f} x {other[0]}{target}{both}"


def found_in(match: str, job: Job) -> bool:
    """Whether a line is among those that `--match` chooses."""
    return re.search(match, job.title) is not None


def compare(found: peers.Field, rounds: int, quick: bool, match: str) -> list[Record]:
    records = []
    for job in jobs.all_jobs(quick):
        if found_in(match, job):
            records.append(measure(job, found, rounds))
            print(describe(records[-1]), flush=True)
    return records


def doubles(rounds: int, quick: bool) -> list[Record]:
    """float64 beside float32: the engine alone, on training and on batches of 256."""
    chosen = [*jobs.TRAINING, *(job for job in jobs.predictions() if job.batch == 256)]
    records = []
    for job in chosen:
        if quick and not job.quick:
            continue
        runs = {dtype: _own_run(replace(job, dtype=dtype)) for dtype in ("float32", "float64")}
        times = {k: clock.spread(v) for k, v in clock.in_turn(runs, rounds, TURN).items()}
        records.append({"title": job.title, "times": times})
        share = _share(times, "float32", "float64")
        print(f"{job.title:<58} float64 at {share:.2f} of float32's rate", flush=True)
    return records


def _share(times: Record, first: str, second: str) -> float:
    return float(times[first]["median"] / times[second]["median"])


def _own_run(job: Job) -> Callable[[], Any]:
    return fastmlp_peer.predict(job) if job.kind == "predict" else fastmlp_peer.Trainer(job).epoch


def threads(rounds: int, quick: bool) -> list[Record]:
    """More threads allowed beside one, on every job: two faster where asked for, none slower anywhere."""
    records = []
    for job in [*jobs.predictions(), jobs.wide_prediction(), *jobs.TRAINING]:
        if quick and not job.quick:
            continue
        runs = {str(count): _own_run(job) for count in THREADS}
        samples = clock.in_turn(runs, rounds, TURN, lambda name: fastmlp.set_num_threads(int(name)))
        times = {k: clock.spread(v) for k, v in samples.items()}
        asked = job.name in jobs.WIDE[:2] and (job.kind == "train" or job.batch == 4096)
        records.append({"title": job.title, "times": times, "target": 1.8 if asked else NOT_SLOWER})
        shares = ", ".join(f"{k} threads {_share(times, '1', k):.2f} x" for k in times if k != "1")
        print(f"{job.title:<58} {shares}", flush=True)
    return records


def cost(rounds: int, quick: bool) -> list[Record]:
    """Seconds a row against parameters, 1e3 to 1e7, three square layers; and against rows, one net."""
    widths = (18, 58, 183, 577) if quick else (18, 32, 58, 103, 183, 325, 577, 1027, 1826)
    records = []
    for width in widths:
        base = Job(f"{width} x 3", (width,) * 4, "relu", "identity", 1, rate=1e-4)
        kinds = {
            "one row": base,
            "256 rows": replace(base, batch=256),
            "training, batch 128": replace(base, batch=128, kind="train", rows=256),
        }
        runs = {name: _own_run(job) for name, job in kinds.items()}
        samples = clock.in_turn(runs, max(3, rounds // 2), TURN)
        rows = {"one row": 1, "256 rows": 256, "training, batch 128": 256}
        per_row = {name: clock.spread(samples[name])["median"] / rows[name] for name in runs}
        records.append({"parameters": 3 * (width * width + width), "seconds a row": per_row})
        words = ", ".join(f"{name} {t * 1e6:.3f} us a row" for name, t in per_row.items())
        print(f"{records[-1]['parameters']:>10} parameters: {words}", flush=True)
    return records


def cost_of_rows(rounds: int, quick: bool) -> list[Record]:
    """Seconds against rows, 784-100-10."""
    base = next(job for job in jobs.predictions() if job.name == "784-100-10")
    records = []
    for batch in (1, 3, 10, 32, 100, 316, 1000, 3162) + ((10_000, 31_623) if not quick else ()):
        run = _own_run(replace(base, batch=batch))
        times = clock.in_turn({"predict": run}, max(3, rounds // 2), TURN)
        records.append({"rows": batch, "seconds": clock.spread(times["predict"])["median"]})
    return records


def fixed(rounds: int, quick: bool) -> Record:
    """What a call costs before it computes anything, and the import, in seconds."""
    job = jobs.predictions()[0]
    net, X = fastmlp_peer.network(job), job.X
    out = net.predict(X)
    names = {
        "predict": "net.predict(X)",
        "predict, out=": "net.predict(X, out)",
        "predict, vector": "net.predict(x)",
    }
    scope = {"net": net, "X": X, "x": X[0], "out": out}
    figures = {}
    for name, statement in names.items():
        figures[name] = clock.best_of(statement, scope)
        print(f"{name}: {figures[name] * 1e9:.0f} ns a call, {job.name}")
    figures["import"] = _import_seconds()
    print(f"import fastmlp after numpy: {figures['import'] * 1e3:.1f} ms")
    return figures


def _import_seconds() -> float:
    """The best of several fresh processes."""
    code = "import numpy; from time import {0}; t = {0}(); import fastmlp; print({0}() - t)"
    command = [sys.executable, "-c", code.format(clock.chosen())]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, env=env) for _ in range(9)]
    return min(float(run.stdout) for run in runs)


def in_subprocess(part: str, rounds: int, quick: bool) -> list[Record]:
    """A part that needs more than the one core this process is held to."""
    command = [sys.executable, "-m", "benchmarks.peers", "--part", part, "--rounds", str(rounds)]
    command += ["--quick"] * quick
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    read, write = os.pipe()
    with os.fdopen(read) as answer:
        process = subprocess.Popen([*command, "--answer", str(write)], pass_fds=[write], env=environment)
        os.close(write)
        text = answer.read()
    if process.wait():
        raise RuntimeError(f"the {part} part ended with status {process.returncode}")
    result: list[Record] = json.loads(text)
    return result


PARTS: dict[str, Callable[[int, bool], Any]] = {
    "doubles": doubles,
    "cost": cost,
    "rows": cost_of_rows,
    "fixed": fixed,
    "few_bits": few_bits,
}
