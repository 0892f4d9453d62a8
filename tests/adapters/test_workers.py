"""Searches and ensembles on other processes: the same bits for any engine and number of workers."""

import os
import signal

import numpy as np
import pytest

from fastmlp import Network
from helpers import assert_same_bits

joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.ensemble import BaggingClassifier  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402

from fastmlp.sklearn import MLPClassifier  # noqa: E402
from fastmlp.tabular import TabularClassifier, TabularRegressor, cross_validate, tune  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore:Stochastic Optimizer"), pytest.mark.slow]  # half a minute
BACKENDS = ["loky 1", "loky 2", "dask"]


@pytest.fixture
def on(request):
    """A context in which joblib works by the backend of a name."""

    def chosen(name):
        kind, _, workers = name.partition(" ")
        if kind == "dask":
            request.getfixturevalue("dask_client")
        return joblib.parallel_config(kind, n_jobs=int(workers or -1))

    return chosen


@pytest.fixture
def data(rng):
    X = rng.normal(size=(90, 3))
    return X, np.where(X[:, 0] * X[:, 1] > 0, "same", "other")


@pytest.fixture
def table(data):
    X, y = data
    return {"size": X[:, 0], "kind": np.where(X[:, 1] > 0, "oak", "ash")}, y


def searched(estimator, grid, X, y):
    found = GridSearchCV(estimator, grid, cv=3).fit(X, y)
    return found.cv_results_["mean_test_score"], found.best_params_, found.predict_proba(X)


def assert_same_search(found, expected):
    assert found[1] == expected[1]
    assert_same_bits([found[0], found[2]], [expected[0], expected[2]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_grid_of_sklearns_estimators(on, data, backend):
    model, grid = (
        MLPClassifier((8,), max_iter=20, random_state=0),
        {"alpha": [1e-4, 1e-1], "dropout": [0.0, 0.2]},
    )
    expected = searched(model, grid, *data)
    with on(backend):
        assert_same_search(searched(model, grid, *data), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_grid_of_tabular_estimators(on, data, backend):
    model, grid = TabularClassifier("fast", nets=2, random_state=0), {"calibrate": [True, False]}
    expected = searched(model, grid, *data)
    with on(backend):
        assert_same_search(searched(model, grid, *data), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_ensemble(on, data, backend):
    """Its members: their mean is scikit-learn's, which adds up what each job has."""
    bag = BaggingClassifier(MLPClassifier((8,), max_iter=10), 6, random_state=0)
    expected = clone(bag).fit(*data).estimators_
    with on(backend):
        found = clone(bag).fit(*data).estimators_
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_bits(ours.coefs_, theirs.coefs_)


SPACE = {"widths": [(8,), (16,), (32,)], "epochs": [4, 12]}


def tuned(table, **options):
    model = TabularClassifier("fast", nets=1, random_state=0)
    found = tune(model, *table, SPACE, 6, cv=2, **options)
    scores = found.cv_results_.drop(columns="mean_fit_time").to_dict("list")
    return scores, found.best_params_, found.best_estimator_.predict_proba(table[0]).tolist()


@pytest.mark.parametrize("method", ["random", "halving"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_tune(on, table, backend, method):
    expected = tuned(table, method=method)
    with on(backend):
        assert tuned(table, method=method) == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_folds(on, table, backend):
    model = TabularRegressor("fast", nets=1, random_state=0)
    X, y = table[0], table[0]["size"]
    expected = cross_validate(model, X, y, 3, return_estimator=True)
    with on(backend):
        found = cross_validate(model, X, y, 3, return_estimator=True)
    assert_same_bits([found["test_score"]], [expected["test_score"]])
    for ours, theirs in zip(found["estimator"], expected["estimator"], strict=True):
        assert_same_bits([ours.predict(X)], [theirs.predict(X)])


def where(estimator, X, y):
    """A score that says which process it was computed in."""
    return float(os.getpid())


def test_a_task_is_several_fits_in_another_process(on, table, monkeypatch):
    tasks = []
    parallel = joblib.Parallel.__call__

    def counted(self, iterable):
        given = list(iterable)
        tasks.append([len(arguments[0]) for _, arguments, _ in given])
        return parallel(self, given)

    monkeypatch.setattr(joblib.Parallel, "__call__", counted)
    model = TabularClassifier("fast", nets=1, random_state=0)
    space = {"widths": [(4,), (5,)], "epochs": [1, 2, 3], "dropout": [0.0, 0.1]}
    with on("loky 2"):
        found = tune(model, *table, space, 12, cv=2, scoring=where)
    assert sum(tasks[0]) == 24 and max(tasks[0]) == 3 and len(tasks[0]) == 8
    assert os.getpid() not in found.cv_results_["mean_test_score"].tolist()


@pytest.mark.parametrize("partitions", [1, 3])
def test_partial_fits_of_dask_ml(dask_client, data, partitions):
    Incremental = pytest.importorskip("dask_ml.wrappers").Incremental
    da = pytest.importorskip("dask.array")
    X, y = data
    rows = -(-len(X) // partitions)
    expected = MLPClassifier((8,), random_state=0)
    for first in range(0, len(X), rows):
        own = slice(first, first + rows)
        expected.partial_fit(X[own], y[own], classes=["other", "same"])
    found = Incremental(MLPClassifier((8,), random_state=0), shuffle_blocks=False)
    blocks = da.from_array(X, chunks=(rows, 3)), da.from_array(y, chunks=rows)
    found.fit(*blocks, classes=["other", "same"])
    assert_same_bits(found.estimator_.coefs_, expected.coefs_)
    assert found.predict(blocks[0]).compute().tolist() == expected.predict(X).tolist()


# ---- a worker that is killed ----


class Deadly:
    """The accuracy; the first process that computes it is killed."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __call__(self, estimator, X, y):
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return estimator.score(X, y)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def mortal():
    """A cluster whose workers may be killed."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


def test_the_task_of_a_killed_worker_is_done_again(mortal, table, tmp_path):
    marker = tmp_path / "killed"
    marker.touch()
    model = TabularClassifier("fast", nets=1, random_state=0)
    expected = cross_validate(model, *table, 4, scoring=Deadly(marker))["test_score"]
    marker.unlink()
    before = {worker["pid"] for worker in mortal.run(pid).values()}
    with joblib.parallel_config("dask"):
        found = cross_validate(model, *table, 4, scoring=Deadly(marker))["test_score"]
    assert_same_bits([found], [expected])
    assert marker.exists() and before - {worker["pid"] for worker in mortal.run(pid).values()}

    marker.unlink()
    trained = [mortal.submit(train_or_die, seed, str(marker)) for seed in range(4)]
    for seed, future in enumerate(trained):
        assert_same_bits(future.result(timeout=60), train_or_die(seed, str(marker)))


def pid():
    return {"pid": os.getpid()}


def train_or_die(seed, marker):
    """The weights of a fit; the first process that asks for them is killed in the middle of it."""
    from fastmlp.callbacks import LambdaCallback

    def die(epoch, logs):
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    X = np.random.default_rng(0).normal(size=(200, 4))
    net = Network([4, 16, 1], seed=seed)
    net.compile("adam")
    net.fit(X, X[:, 0], epochs=3, callbacks=[LambdaCallback(on_epoch_end=die)])
    return net.get_weights()
