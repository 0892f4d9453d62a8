"""Tables as people have them: an MLP beside gradient boosting, where it is better and where it is not.

python examples/08_tables_and_trees.py [FILE COLUMN] [--splits 3]

FILE is a CSV whose COLUMN is predicted, classes if it holds words or few whole numbers.  Without it the
tables of the folder $FASTMLP_DATA/tables are taken, or else what scikit-learn comes with; and a table that is
made of rules, where the trees are better.  Both models have the same rows; a quarter, another one in each
split, is held out.  The trees are scikit-learn's, told which columns are categories and given dates as
numbers; `TabularClassifier` and `TabularRegressor` find that out.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from fastmlp.tabular import TabularClassifier, TabularRegressor

Table = tuple[str, pd.DataFrame, np.ndarray]  # its name, columns and targets
FEW = 20  # whole numbers that are classes
MOST = 255  # categories of a column that the trees can have

# Of $FASTMLP_DATA/tables, with the column to predict.
FILES = {
    "raw/seoul-bike.csv": "Rented Bike Count",
    "raw/auto-mpg.csv": "mpg",
    "raw/telco-churn.csv": "Churn",
    "raw/titanic.csv": "Survived",
    "banana.csv.gz": "target",
    "vowel.csv.gz": "target",
    "wine-quality-red.csv.gz": "target",
    "mushroom.csv.gz": "target",
    "allhypo.csv.gz": "target",
}


def read(path: Path, column: str) -> Table:
    frame = pd.read_csv(path).dropna(subset=[column])
    return path.name, frame.drop(columns=column), frame[column].to_numpy()


def tables(folder: str | None) -> Iterator[Table]:
    """Those that there are."""
    yield rules()
    paths = {Path(folder, "tables", name): column for name, column in FILES.items()} if folder else {}
    if any(path.exists() for path in paths):
        for path, column in paths.items():
            if path.exists():
                yield read(path, column)
        return
    for load in (
        datasets.load_diabetes,
        datasets.load_digits,
        datasets.load_breast_cancer,
        datasets.load_wine,
    ):
        X, y = load(return_X_y=True, as_frame=True)
        yield load.__name__.removeprefix("load_"), X, y.to_numpy()


def rules(rows: int = 1000) -> Table:
    """Made of a few thresholds, each of one column: what trees are made of too."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.random((rows, 12)), columns=[f"x{i}" for i in range(12)])
    checked = ((X.x1 < 0.35) & (X.x2 > 0.4)) | (X.x3 > 0.72) | (X.x4 < 0.08)
    return "rules (made)", X, np.where(X.x0 > 0.9, "refused", np.where(checked, "checked", "granted"))


def are_classes(y: np.ndarray) -> bool:
    return y.dtype.kind not in "iuf" or (len(np.unique(y)) <= FEW and bool((y == np.round(y)).all()))


def for_trees(X: pd.DataFrame) -> pd.DataFrame:
    """Numbers, dates as numbers, words as categories; without names and ids, which have too many values."""
    X = X.copy()
    for name in X.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes]]:
        dates = pd.to_datetime(X[name], errors="coerce", dayfirst=True, format="mixed")
        if dates.notna().mean() > 0.9:
            X[name], X[f"{name} day of week"] = dates.dt.day_of_year, dates.dt.day_of_week
            X[f"{name} year"] = dates.dt.year
        else:
            X[name] = X[name].astype("category")
    return X[[name for name in X if X[name].dtype != "category" or X[name].nunique() <= MOST]]


def error(y: np.ndarray, predictions: np.ndarray) -> float:
    """The share of wrong classes, or the root mean squared error over the deviation of y."""
    if are_classes(y):
        return float((predictions != y).mean())
    return float(np.sqrt(np.mean((predictions - y) ** 2)) / y.std())


def measured(
    model: Any, X: pd.DataFrame, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[float, float]:
    """Error on held-out rows, and seconds of processors to fit."""
    start = time.process_time()
    model.fit(X.iloc[train], y[train])
    return error(y[test], model.predict(X.iloc[test])), time.process_time() - start


def compare(table: Table, splits: int) -> list[tuple[float, float]]:
    """Of the MLP and of the trees: mean error and seconds."""
    _, X, y = table
    classes, seen = are_classes(y), for_trees(X)
    found = []
    for seed in range(splits):
        rows = train_test_split(np.arange(len(y)), random_state=seed, stratify=y if classes else None)
        mlp: Callable[..., Any] = TabularClassifier if classes else TabularRegressor
        trees = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        ours = measured(mlp(random_state=seed), X, y, *rows)
        theirs = measured(trees(categorical_features="from_dtype", random_state=seed), seen, y, *rows)
        found.append((ours, theirs))
    return [tuple(each) for each in np.mean(found, axis=0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("column", nargs="?")
    parser.add_argument("--splits", type=int, default=3)
    options = parser.parse_args()
    if options.file is not None and options.column is None:
        parser.error("FILE comes with the COLUMN to predict")
    given = [read(options.file, options.column)] if options.file else tables(os.environ.get("FASTMLP_DATA"))
    ratios = []
    print(f"{'':24} {'rows':>6} {'MLP':>8} {'trees':>8} {'ratio':>6}   seconds of processors")
    for table in given:
        (ours, our_seconds), (theirs, their_seconds) = compare(table, options.splits)
        ratios.append((ours + 1e-3) / (theirs + 1e-3))
        print(
            f"{table[0]:24} {len(table[2]):6} {ours:8.4f} {theirs:8.4f} {ratios[-1]:6.2f}   "
            f"{our_seconds:.1f} and {their_seconds:.1f}",
            flush=True,
        )
    better = sum(ratio < 1 for ratio in ratios)
    print(f"the MLP is better on {better} of {len(ratios)}; mean ratio {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
