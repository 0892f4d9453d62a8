"""Whole trainings beside other packages: ``python -m benchmarks.recipes [FOLDER]`` from the project's folder.

FOLDER, or $FASTMLP_DATA, holds mnist, fashion_mnist and california_housing.  One core, one thread each.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..peers.setting import settle

PARTS = ("step", "ensemble", "mnist", "fashion_mnist", "precision")


def options(argv: list[str] | None = None) -> argparse.Namespace:
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=summary)
    parser.add_argument("folder", type=Path, nargs="?", help="of the data (default $FASTMLP_DATA)")
    parser.add_argument("--parts", default=",".join(PARTS), metavar="NAMES", help="default %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="of the epoch with everything")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: processor time")
    parser.add_argument("--core", type=int, metavar="N", help="the core to stay on")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    chosen = options(argv)
    folder = chosen.folder or Path(os.environ.get("FASTMLP_DATA", ""))
    settle(1, chosen.core, tuned=False)
    from ..peers import clock

    clock.choose(chosen.clock)
    for part in chosen.parts.split(","):
        if part not in PARTS:
            print(f"--parts names {part!r}, expected some of {', '.join(PARTS)}", file=sys.stderr)
            return 2
        print("\n".join(_lines(part, folder, chosen.rounds)), flush=True)
    return 0


def _lines(part: str, folder: Path, rounds: int) -> Iterable[str]:
    """Rows of a table in Markdown."""
    if part == "step":
        from . import step

        return _step(step.figures(rounds), step.ASKED)
    if part == "ensemble":
        from . import ensemble

        return _ensemble(ensemble.figures(folder))
    if part == "precision":
        from . import precision

        return [
            line for name in precision.WIDTHS for line in precision.lines(precision.figures(folder, name))
        ]
    from . import images

    return _images(images.figures(folder, part))


def _step(found: dict[str, Any], asked: dict[str, float]) -> Iterable[str]:
    own = found["fastmlp"]["median"]
    yield f"| 784-512-512-10 with everything, fastmlp | {own * 1e3:.0f} ms an epoch | |"
    for name, ratio in asked.items():
        seconds, off = found[name]["median"], found["deviation"][name]
        yield f"| {name} | {seconds * 1e3:.0f} ms, {seconds / own:.2f} of {ratio} times | {off:.4f} apart |"


def _ensemble(found: dict[str, Any]) -> Iterable[str]:
    own = found["fastmlp"][0]
    for name in ("fastmlp", "PyTorch"):
        seconds, members, mixture = found[name]
        each = ", ".join(f"{value:.3f}" for value in members)
        yield f"| {found['title']}, {name} | {seconds:.2f} s, {seconds / own:.1f} | {each} | {mixture:.3f} |"


def _images(found: dict[str, Any]) -> Iterable[str]:
    own = found["fastmlp"][0]
    for name in ("fastmlp", "PyTorch"):
        seconds, accuracy = found[name]
        right = f"{accuracy:.2%} of {found['asked']:.1%}"
        yield f"| {found['title']}, {name} | {seconds:.1f} s, {seconds / own:.2f} | {right} |"


if __name__ == "__main__":
    sys.exit(main())
