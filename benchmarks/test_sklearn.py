"""The estimators against scikit-learn's own: fits from the same random state, and predictions of one row.

Each group of the table is one job of the two; their results are compared before anything is timed.  Fits run
with one thread, and as both are installed, with the threads that each takes by itself.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest

from .checks import deviation

neural = pytest.importorskip("sklearn.neural_network")

from fastmlp import sklearn as own  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LIBRARIES = {"fastmlp": own, "scikit-learn": neural}
HIDDEN = {"16": (16,), "50": (50,), "100": (100,), "100-100": (100, 100), "180": (180,)}
FITS = [(rows, hidden) for rows in (100, 1000, 10_000, 100_000) for hidden in HIDDEN]


def blas(threads: int | None) -> AbstractContextManager[Any]:
    """BLAS with so many threads, where threadpoolctl can tell it so."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(threads)
    return limits


def model(who: str, kind: str, hidden: str, epochs: int, threads: int | None = 1, **options: Any) -> Any:
    """An estimator that runs all of its epochs."""
    if who == "fastmlp":
        options["threads"] = threads
    return getattr(LIBRARIES[who], kind)(
        hidden_layer_sizes=HIDDEN[hidden], max_iter=epochs, n_iter_no_change=np.inf, random_state=0, **options
    )


def table(rows: int, dtype: Any) -> tuple[Any, Any]:
    """20 columns and three classes that depend on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 20))
    return X.astype(dtype), (X @ rng.normal(size=(20, 3))).argmax(axis=1)


@pytest.mark.parametrize("threads", [1, None], ids=["one", "own"])
@pytest.mark.parametrize(("rows", "hidden"), FITS)
@pytest.mark.parametrize("who", LIBRARIES)
def test_fit(benchmark: Any, who: str, rows: int, hidden: str, dtype: Any, threads: int | None) -> None:
    X, y = table(rows, dtype)
    epochs = max(2, min(200, 20_000 // rows))
    with warnings.catch_warnings(), blas(threads):
        warnings.simplefilter("ignore")
        models = [model(name, "MLPClassifier", hidden, epochs, threads).fit(X, y) for name in LIBRARIES]
        before = model("scikit-learn", "MLPClassifier", hidden, 1, learning_rate_init=1e-30).fit(X, y)
        outputs = [each.predict_proba(X[:1000]) for each in (*models, before)]
        # rounding goes through all steps; a wrong rate, penalty, order or loss is 0.01 and above
        assert deviation(*outputs) < (2e-3 if dtype == np.float32 else 1e-8)
        used = "one thread" if threads else "own threads"
        benchmark.group = f"fit 20-{hidden}-3, {rows} rows, {epochs} epochs, {dtype}, {used}"
        benchmark(model(who, "MLPClassifier", hidden, epochs, threads).fit, X, y)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize("who", LIBRARIES)
def test_predict(benchmark: Any, who: str, rows: int, kind: str, dtype: Any) -> None:
    X, y = table(1000, dtype)
    with blas(1):
        models = {name: model(name, kind, "100", 3).fit(X, y) for name in LIBRARIES}
        method = "predict_proba" if kind == "MLPClassifier" else "predict"
        outputs = [getattr(each, method)(X) for each in models.values()]
        assert deviation(*outputs) < 1e4 * np.finfo(dtype).eps
        benchmark.group = f"predict {kind} 20-100, {rows} rows, {dtype}"
        benchmark(models[who].predict, X[:rows])
