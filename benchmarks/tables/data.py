"""Tables of a folder, cut into rows to learn and rows to be measured on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOST_ROWS = 2400  # to learn
TEST_SHARE = 0.25
_MOST_CLASSES = 30


@dataclass(frozen=True)
class Split:
    """One split of one table; X are data frames, y arrays of words or numbers."""

    table: str
    number: int
    task: str  # "classes" or "numbers"
    X: Any
    y: Any
    X_test: Any
    y_test: Any
    threads: int = 1


def names(folder: Path) -> list[str]:
    """Of the folder's CSV files, packed or not."""
    return sorted({path.name.partition(".csv")[0] for path in folder.glob("*.csv*")})


def read(folder: Path, name: str, target: str) -> tuple[Any, Any]:
    """A table without its target, and the target."""
    import pandas as pd

    path = next(path for path in (folder / f"{name}.csv.gz", folder / f"{name}.csv") if path.exists())
    table = pd.read_csv(path, low_memory=False)
    y = table.pop(target)
    return table[y.notna()].reset_index(drop=True), y[y.notna()].to_numpy()


def task_of(y: Any) -> str:
    """Classes are words, or few whole numbers."""
    if y.dtype.kind not in "iuf":
        return "classes"
    return "classes" if (y == np.floor(y)).all() and len(np.unique(y)) <= _MOST_CLASSES else "numbers"


def split(table: str, X: Any, y: Any, number: int, task: str, threads: int = 1) -> Split:
    """A quarter of the rows, of every class likewise, to be measured on; of the rest the first to learn."""
    from sklearn.model_selection import train_test_split

    even = task == "classes" and np.unique(y, return_counts=True)[1].min() > 1
    rows, test = train_test_split(
        np.arange(len(y)), test_size=TEST_SHARE, random_state=number, stratify=y if even else None
    )
    rows = rows[:MOST_ROWS]
    parts = [X.iloc[chosen].reset_index(drop=True) for chosen in (rows, test)]
    return Split(table, number, task, parts[0], y[rows], parts[1], y[test], threads)


def beginning(part: Split, rows: int = 500) -> Split:
    """The split with so many rows to learn from."""
    return dataclasses.replace(part, X=part.X[:rows], y=part.y[:rows])


def error(part: Split, predictions: Any) -> float:
    """The share of wrong classes, half a row at least; or the root mean squared error over the deviation."""
    if np.shape(predictions) != part.y_test.shape:
        raise ValueError(f"predictions have shape {np.shape(predictions)}, expected {part.y_test.shape}")
    if part.task == "classes":
        wrong = float(np.mean(np.asarray(predictions).astype(str) != part.y_test.astype(str)))
        return max(wrong, 0.5 / len(part.y_test))
    e = np.asarray(predictions, np.float64) - part.y_test
    return float(np.sqrt(np.mean(e**2)) / part.y_test.std())
