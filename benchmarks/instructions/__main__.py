"""Instructions of five hot calls: ``python -m benchmarks.instructions`` from the project's folder.

Callgrind counts them, on AVX2 with one thread, so that they are the same however busy the machine is.  They
are compared with those in a file, and a change of more than 3 % is named.  The compiler, Python and NumPy
have a part in them.  Needs valgrind.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .calls import hot_calls

FILE = Path(__file__).resolve().parents[1] / "results" / "instructions.json"
WORKER = Path(__file__).with_name("calls.py")
CALLS = 20
NAMED = 0.03  # share of a count


def counted(calls: int = CALLS) -> dict[str, int]:
    """Instructions of one call, by name."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is missing, expected it on the path")
    environment = {**os.environ, "FASTMLP_ISA": "avx2", "FASTMLP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getppid"]
        command = [*tool, sys.executable, str(WORKER), str(calls)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        # parts 1, 3, 5 ... are what comes before the calls
        parts = [_total(out.with_name(f"counts.{2 * i + 2}")) for i in range(len(hot_calls()))]
    return {name: round(part / calls) for name, part in zip(hot_calls(), parts, strict=True)}


def _total(path: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
    assert found is not None, path
    return int(found[1])


def setting() -> dict[str, str]:
    """What has a part in the counts."""
    import numpy as np

    return {"python": platform.python_version(), "numpy": np.__version__}


def changes(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """A line for each call that takes more than a share more or fewer.

    >>> changes({"a": 1000, "b": 1000, "c": 1000}, {"a": 1031, "b": 1029, "d": 5})
    ['a: +3.1 %, 1000 to 1031', 'd: new, 5']
    """
    lines = []
    for name, count in after.items():
        if name not in before:
            lines.append(f"{name}: new, {count}")
        elif abs(count / before[name] - 1) > NAMED:
            lines.append(
                f"{name}: {count / before[name] - 1:+.1%}, {before[name]} to {count}".replace("%", " %")
            )
    return lines


def main(argv: list[str] | None = None) -> int:
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=summary)
    parser.add_argument("--file", type=Path, default=FILE, help="of the counts that are compared with")
    parser.add_argument("--update", action="store_true", help="write the counts there")
    chosen = parser.parse_args(argv)
    found: dict[str, Any] = {"setting": setting(), "instructions": counted()}
    for name, count in found["instructions"].items():
        print(f"{name:<24} {count:>12,}")
    if chosen.update:
        chosen.file.write_text(json.dumps(found, indent=2) + "\n")
        return 0
    before = json.loads(chosen.file.read_text())
    lines = changes(before["instructions"], found["instructions"])
    if before["setting"] != found["setting"]:
        print(f"the file is of {before['setting']}, these are of {found['setting']}")
    print(*(lines or ["no change above 3 %"]), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
