"""Several threads: every package in a process of its own, one after the other.

Threads that wait by spinning, some for a tenth of a second, would take the next one's cores: so only one
process at a time has anything to do, and it begins when the others' threads sleep.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

from . import clock, jobs, peers, runner
from .jobs import Job

REST = 0.01  # seconds; a process whose threads use less than a tenth of them sleeps
MOST_RESTS = 100
WARM_UP = 0.005
Record = dict[str, Any]


class Peer:
    """A package's process."""

    def __init__(self, name: str, requests: TextIO, answers: TextIO) -> None:
        self.name, self.requests, self.answers = name, requests, answers

    def ask(self, **request: Any) -> Any:
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()
        return json.loads(self.answers.readline())


@contextmanager
def started(name: str, threads: int, tuned: bool) -> Iterator[Peer]:
    """A process for the package, which ends with the `with`."""
    command = [sys.executable, "-m", "benchmarks.peers", "--part", "serve", "--only", name]
    command += ["--threads", str(threads), *["--tuned"] * tuned]
    read, write = os.pipe()
    command += ["--answer", str(write)]
    process = subprocess.Popen(command, pass_fds=[write], stdin=subprocess.PIPE, text=True)
    os.close(write)
    assert process.stdin is not None
    with os.fdopen(read) as answers, process.stdin:
        yield Peer(name, process.stdin, answers)
    process.wait()


def serve(name: str, requests: TextIO, answers: TextIO) -> None:
    """Answer what a `Peer` asks: first the versions, then jobs to make ready and turns to time."""
    found = peers.load((name,))
    own = name == "fastmlp"
    for makers in (found.predict, found.train):
        for who in [who for who in makers if who.startswith("fastmlp") != own or who.endswith("avx2")]:
            del makers[who]
    by_title = {job.title: job for job in jobs.all_jobs()}
    runs: dict[str, clock.Call] = {}
    calls: dict[str, int] = {}
    for line in requests:
        request = json.loads(line)
        answer: Any
        if "versions" in request:
            answer = {"versions": found.versions, "missing": found.missing}
        elif "job" in request:
            runs, skipped = peers.prepare(by_title[request["job"]], found)
            calls = {who: clock.calls_for(run, runner.TURN) for who, run in runs.items()}
            answer = {"names": list(runs), "skipped": skipped}
        else:
            run, count = runs[request["run"]], calls[request["run"]]
            end = time.perf_counter() + WARM_UP
            while count > 1 and time.perf_counter() < end:
                run()
            answer = clock.seconds(run, count)
            fall_asleep()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def fall_asleep() -> None:
    """Wait until this process's threads no longer spin, so that the next one has the cores to itself."""
    for _ in range(MOST_RESTS):
        before = time.process_time()
        time.sleep(REST)
        if time.process_time() - before < REST / 10:
            return


def target(job: Job) -> float:
    """The ratio to the best other package that is asked for with two threads."""
    if job.kind == "train":
        return 1.3 if job.name == "784-512-512-10" else 1.0
    return 1.2 if job.name in jobs.WIDE and job.batch in (1, 256) else 1.0


def measure(job: Job, processes: list[Peer], rounds: int) -> Record:
    """One line: checked in every process, then timed in turn."""
    turns: list[tuple[Peer, str]] = []
    skipped: dict[str, str] = {}
    for peer in processes:
        ready = peer.ask(job=job.title)
        turns += [(peer, name) for name in ready["names"]]
        skipped |= ready["skipped"]
    samples: dict[str, list[float]] = {name: [] for _, name in turns}
    for number in range(rounds):
        for peer, name in random.Random(number).sample(turns, len(turns)):
            samples[name].append(peer.ask(run=name))
    times = {name: clock.spread(values) for name, values in samples.items()}
    return {
        "title": job.title, "name": job.name, "kind": job.kind, "batch": job.batch, "dtype": job.dtype,
        "operations": job.operations, "target": target(job), "times": times, "skipped": skipped, "limits": {},
    }  # fmt: skip


def compare(threads: int, rounds: int, quick: bool, match: str, only: str, tuned: bool) -> Record:
    """Every line with so many threads; those of float64 are left out."""
    names = [module.removesuffix("_peer") for module in peers.MODULES]
    if only or quick:
        chosen = ["fastmlp", *(only or "numpy,onnxruntime").split(",")]
        names = [name for name in names if name in chosen]
    records, versions = [], {}
    with ExitStack() as stack:
        processes = [stack.enter_context(started(name, threads, tuned)) for name in names]
        for peer in processes:
            versions |= peer.ask(versions=True)["versions"]
        for job in jobs.all_jobs(quick):
            if job.dtype == "float32" and runner.found_in(match, job):
                records.append(measure(job, processes, rounds))
                print(runner.describe(records[-1]), flush=True)
    return {"threads": threads, "rounds": rounds, "versions": versions, "lines": records}
