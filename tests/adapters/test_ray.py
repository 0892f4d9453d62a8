"""`fastmlp.ray.Predictor` on a head that the test starts: neither blocks nor batches change a bit."""

import os

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.callbacks import LambdaCallback
from fastmlp.ray import Predictor
from helpers import assert_same_bits

pytestmark = pytest.mark.slow  # half a minute
ROWS = 203
PARTITIONS = [1, 2, 3, 7]


@pytest.fixture(scope="module")
def ray():
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", object_store_memory=200_000_000)
    yield ray
    ray.shutdown()


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, 4))


def network(n_out=3, **options):
    return Network([4, 16, n_out], output="softmax" if n_out > 1 else "identity", seed=0, **options)


def in_order(data):
    batches = list(data.iter_batches(batch_size=None))
    rows = np.concatenate([batch["row"] for batch in batches])
    return np.concatenate([batch["prediction"] for batch in batches])[np.argsort(rows)]


def numbered(ray, columns, partitions):
    """A data set of so many blocks, its rows numbered."""
    table = pytest.importorskip("pyarrow").table({**columns, "row": np.arange(ROWS)})
    size = -(-ROWS // partitions)
    return ray.data.from_arrow([table.slice(first, size) for first in range(0, ROWS, size)])


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_blocks_change_no_bit(ray, X, partitions):
    net = network()
    data = numbered(ray, dict(zip("abcd", X.T, strict=True)), partitions)
    found = data.map_batches(Predictor(net, list("abcd")), batch_size=50)
    assert_same_bits([in_order(found)], [net.predict(X)])


def test_actors_are_made_of_the_class(ray, X):
    net = network(1)
    data = numbered(ray, dict(zip("abcd", X.T, strict=True)), 3)
    found = data.map_batches(Predictor, fn_constructor_args=(net, list("abcd")), concurrency=1)
    assert_same_bits([in_order(found)], [net.predict(X)[:, 0]])


def test_tables(ray, rng):
    pytest.importorskip("sklearn")
    from fastmlp.tabular import TabularClassifier

    table = {"size": rng.normal(size=ROWS), "kind": rng.choice(np.array(["oak", "ash"]), ROWS)}
    labels = np.where(table["size"] > 0, "a", "b")
    model = TabularClassifier("fast", random_state=0, nets=1).fit(table, labels)
    data = numbered(ray, table, 3)
    for method in ("predict", "predict_proba"):
        found = in_order(data.map_batches(Predictor(model, method=method), batch_size=60))
        assert found.tolist() == getattr(model, method)(table).tolist()


def test_searches_of_joblib(ray, rng):
    joblib, _ = pytest.importorskip("joblib"), pytest.importorskip("sklearn")
    from ray.util.joblib import register_ray

    from fastmlp.tabular import TabularClassifier, tune

    table = {"size": rng.normal(size=80), "kind": rng.choice(np.array(["oak", "ash"]), 80)}
    labels = np.where(table["size"] > 0, "a", "b")
    model = TabularClassifier("fast", nets=1, random_state=0)

    def tuned():
        found = tune(model, table, labels, {"widths": [(8,), (16,)], "epochs": [2, 6]}, 4, cv=2)
        scores = found.cv_results_["mean_test_score"].tolist()
        return scores, found.best_estimator_.predict_proba(table).tolist()

    expected = tuned()
    register_ray()
    with joblib.parallel_config("ray"):
        assert tuned() == expected


def fitted(width, report):
    """The last held-out loss of a network of a width; `report` hears of every epoch."""
    net = Network([4, width, 1], seed=0)
    net.compile("adam")
    X = np.random.default_rng(0).normal(size=(200, 4))
    callback = LambdaCallback(on_epoch_end=lambda epoch, logs: report(dict(logs)))
    history = net.fit(X, X[:, 0], epochs=4, validation_split=0.2, verbose=0, callbacks=[callback])
    return history.history["val_loss"][-1]


def test_trials_of_ray_tune(ray, tmp_path, monkeypatch):
    tune = pytest.importorskip("ray.tune")
    monkeypatch.setattr(fitted, "__module__", "__main__")  # workers do not find the tests: it goes by value
    widths = [2, 8, 32]

    def trial(config):
        fitted(config["width"], tune.report)

    settings = tune.TuneConfig(metric="val_loss", mode="min")
    run = tune.RunConfig(storage_path=str(tmp_path), verbose=0)
    space = {"width": tune.grid_search(widths)}
    found = tune.Tuner(trial, param_space=space, tune_config=settings, run_config=run).fit()
    assert [each.metrics["training_iteration"] for each in found] == [4, 4, 4]
    assert {each.config["width"]: each.metrics["val_loss"] for each in found} == {
        width: fitted(width, lambda logs: None) for width in widths
    }


# ---- without Ray ----


def test_columns_of_a_batch(X):
    net = network()
    columns = dict(zip("abcd", X.T, strict=True))
    for predictor, batch in (
        (Predictor(net), {"data": X}),
        (Predictor(net), columns),
        (Predictor(net, "data"), {"id": np.arange(ROWS), "data": X}),
        (Predictor(net, list("abcd")), {"id": np.arange(ROWS), **columns}),
    ):
        found = predictor(batch)
        assert list(found) == [*batch, "prediction"]
        assert_same_bits([found["prediction"]], [net.predict(X)])
    assert Predictor(network(1), output="price")({"data": X})["price"].shape == (ROWS,)


REFUSED = [
    (lambda X: Predictor({}), TypeError, "net is a dict, expected a Network"),
    (lambda X: Predictor(network(), 3), TypeError, "columns is a int, expected a name or a list of names"),
    (
        lambda X: Predictor(network(), [3]),
        TypeError,
        "columns holds a int, expected a name or",
    ),
    (lambda X: Predictor(network(), output=3), TypeError, "output is a int, expected a name"),
    (lambda X: Predictor(network())(X), TypeError, "batch is a ndarray, expected a dict"),
    (lambda X: Predictor(network(), "x")({"y": X}), ValueError, "batch lacks the column 'x', expected"),
    (lambda X: Predictor(network())({"y": X[:, :3]}), ValueError, "X has shape "),
]


@pytest.mark.parametrize(("call", "kind", "sentence"), REFUSED, ids=[case[2] for case in REFUSED])
def test_what_does_not_fit_is_refused(X, call, kind, sentence):
    with pytest.raises(kind, match=f"^{sentence}"):
        call(X)
