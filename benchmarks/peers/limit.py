"""The machine's multiply-add limit, by a loop in assembly compiled when it is asked for."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path


class NoLimit(RuntimeError):
    """There is no compiler here, or it cannot build the loop."""


@cache
def program() -> Path:
    """The compiled loop, in a temporary folder that goes when the process ends."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoLimit("no C compiler, so the multiply-add limit is not measured")
    folder = tempfile.mkdtemp(prefix="fastmlp-limit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder, "limit")
    source = Path(__file__).with_name("limit.c")
    command = [*compiler.split(), "-O2", str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = "".join(done.stderr.strip().splitlines()[:1])
        raise NoLimit(f"{compiler} cannot build the multiply-add loop: {reason}")
    return target


def rates(rounds: int = 6) -> dict[str, float]:
    """GFLOP/s of one core by instruction set and type, "avx512-float32" say; about 2 ms a round and kind."""
    done = subprocess.run([str(program()), str(rounds)], capture_output=True, text=True, check=True)
    return {name: float(rate) for name, rate in (line.split() for line in done.stdout.splitlines())}


def best(rates_now: dict[str, float], dtype: str) -> float:
    """The widest instruction set's rate for a type; 0 where nothing could be measured."""
    return max((rate for name, rate in rates_now.items() if name.endswith(dtype)), default=0.0)
