"""Data that the command line's tests train on, and what it printed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fastmlp import reference


def accuracy_in(text: str) -> float:
    return float(re.search(r"accuracy ([\d.]+)%", text).group(1)) / 100


# Two classes in opposite quadrants, the same on every machine.
POINTS = reference.uniform_weights(3, 0, (400, 2), 1.0)
QUADRANT = (POINTS[:, 0] * POINTS[:, 1] > 0).astype(int)


def write_npz(path: Path, target: Iterable[object]) -> Path:
    np.savez(path, X=POINTS, y=np.array([*target]))
    return path


def write_csv(path: Path, target: list[object], name: str = "kind") -> Path:
    rows = [f"{x:.6f},{y:.6f},{t}" for (x, y), t in zip(POINTS, target, strict=True)]
    path.write_text("\n".join([f"x1,x2,{name}", *rows]) + "\n")
    return path
