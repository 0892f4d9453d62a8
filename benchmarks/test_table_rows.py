"""One row of a table, as a dictionary: a tabular estimator beside a scikit-learn pipeline and LightGBM."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastmlp.tabular import Recipe, TabularClassifier

WORDS = ["two", "five", "many"]


@pytest.fixture(scope="module")
def table() -> tuple[Any, Any]:
    """Six columns of numbers, three of words."""
    rng, rows = np.random.default_rng(0), 400
    columns: dict[str, Any] = {f"n{i}": rng.normal(size=rows) for i in range(6)}
    for name, size in zip(WORDS, (2, 5, 30), strict=True):
        columns[name] = rng.choice([f"w{i}" for i in range(size)], rows)
    return pd.DataFrame(columns), np.where(columns["n0"] > 0, "up", "down")


def microseconds(call: Callable[[], Any], number: int) -> float:
    call()
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6


def pipeline(table: tuple[Any, Any]) -> Callable[[], Any]:
    X, y = table
    numbers = [name for name in X if name not in WORDS]
    columns = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), WORDS))
    model = make_pipeline(columns, MLPClassifier((64,), max_iter=50)).fit(X, y)
    return lambda: model.predict_proba(X[3:4])


def lightgbm(table: tuple[Any, Any]) -> Callable[[], Any]:
    lgb = pytest.importorskip("lightgbm")
    X, y = table
    coded = X.assign(**{name: X[name].astype("category").cat.codes for name in WORDS})
    booster = lgb.LGBMClassifier(verbose=-1, n_jobs=1).fit(coded, y).booster_
    row = coded[3:4].to_numpy(np.float64)
    return lambda: booster.predict(row)


@pytest.mark.parametrize(("other", "ratio"), [(pipeline, 100), (lightgbm, 2)])
@pytest.mark.filterwarnings("ignore")
def test_a_row_takes_a_fraction_of_the_time(
    table: tuple[Any, Any], other: Callable[[Any], Callable[[], Any]], ratio: float
) -> None:
    X, y = table
    model = TabularClassifier(Recipe.named("fast", "classes").replace(epochs=4), random_state=0).fit(X, y)
    row = X.iloc[3].to_dict()
    assert np.array_equal(model.predict_proba(row), model.predict_proba(X[3:4]))
    ours, theirs = microseconds(lambda: model.predict_proba(row), 2000), microseconds(other(table), 50)
    print(f"a row: {ours:.1f} us, {other.__name__} {theirs:.0f} us, {theirs / ours:.0f} times as long")
    assert theirs > ratio * ours
