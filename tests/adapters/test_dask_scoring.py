"""`fastmlp.dask.predict` on processes of a local cluster: neither partitions nor workers change a bit."""

import numpy as np
import pytest

from fastmlp import BatchNormalization, Embedding, Heads, Network
from fastmlp.adapters import carried
from fastmlp.adapters.carried import Carried, Scorer
from fastmlp.dask import predict
from helpers import assert_same_bits

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.slow

ROWS = 1003
PARTITIONS = [1, 2, 3, 7]


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, 4))


def network(**options):
    net = Network([4, 16, BatchNormalization(), 3], output="softmax", seed=0, **options)
    net.adapt(np.random.default_rng(1).normal(size=(50, 4)))
    return net


def array(X, partitions):
    return da.from_array(X, chunks=(-(-len(X) // partitions), 3))  # of columns two


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_of_an_array_change_no_bit(dask_client, X, partitions, dtype):
    net = network(dtype=dtype)
    found = predict(net, array(X, partitions))
    assert (found.shape, found.dtype, found.numblocks) == ((ROWS, 3), np.dtype(dtype), (partitions, 1))
    assert_same_bits([found.compute()], [net.predict(X)])


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_of_a_data_frame_change_no_bit(dask_client, X, partitions):
    net = network()
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(ROWS) * 2)
    found = predict(net, dd.from_pandas(frame, npartitions=partitions))
    expected = pd.DataFrame(net.predict(X), index=frame.index)
    assert list(found.columns) == [0, 1, 2] and set(found.dtypes) == {np.dtype("float32")}
    pd.testing.assert_frame_equal(found.compute(), expected, check_exact=True)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_classes"])
def test_methods_give_what_they_give_of_all_rows(dask_client, X, method):
    net = network()
    net.classes = ["bird", "cat", "dog"]
    expected = getattr(net, method)(X)
    found = predict(net, array(X, 3), method=method)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert found.compute().tolist() == expected.tolist()
    series = predict(net, dd.from_pandas(pd.DataFrame(X), npartitions=3), method=method)
    assert series.compute().to_numpy().tolist() == expected.tolist()
    assert series.compute().dtypes.tolist() == series.dtypes.tolist() if expected.ndim == 2 else series.dtype


def test_codes_and_heads(dask_client, rng):
    net = Network([2, Embedding([5], dims=[3]), 8, 4, Heads({"price": 1, "kind": (3, "softmax")})], seed=0)
    X = np.column_stack([rng.normal(size=ROWS), rng.integers(0, 5, ROWS)])
    assert_same_bits([predict(net, da.from_array(X, chunks=(100, 2))).compute()], [net.predict(X)])


def test_rows_of_unknown_number_and_partitions_without_any(dask_client, X):
    net = network()
    dX = array(X, 7)
    kept = dX[dX[:, 0] > 0]
    assert_same_bits([predict(net, kept).compute()], [net.predict(X[X[:, 0] > 0])])
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcd")), npartitions=7)
    some = predict(net, frame[frame.a > 2]).compute()  # not in every partition
    assert_same_bits([some.to_numpy()], [net.predict(X[X[:, 0] > 2])])
    none = predict(net, frame[frame.a > 1e9]).compute()
    assert none.shape == (0, 3) and set(none.dtypes) == {np.dtype("float32")}


# ---- tables ----


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    rows = 200
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "kind": rng.choice(["oak", "ash", None, "3", "3.0"], rows),
            "born": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, rows), "D"),
            "grade": pd.Categorical(rng.choice(["a", "b", "c"], rows)),
        }
    )
    frame["mixed"] = pd.Series(list(rng.choice(np.array([1, 2.5, "x", None], object), rows)), dtype=object)
    return frame


@pytest.fixture(scope="module")
def tabular(table):
    pytest.importorskip("sklearn")
    from fastmlp.tabular import TabularClassifier, TabularRegressor

    size = table["size"].fillna(0).to_numpy()
    labels = np.where(size > 0, "large", np.where(size < -0.5, "small", "none"))
    options = {"random_state": 0, "nets": 2}
    return [
        (TabularClassifier("fast", **options).fit(table, labels), "predict_proba"),
        (TabularClassifier("fast", **options).fit(table, labels), "predict"),
        (TabularRegressor("fast", **options).fit(table, size), "predict"),
        (TabularRegressor("fast", **options).fit(table, np.column_stack([size, -size])), "predict"),
    ]


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_of_a_table_change_no_bit(dask_client, table, tabular, partitions):
    with dask.config.set({"dataframe.convert-string": False}):  # which would make words of numbers among them
        given = dd.from_pandas(table, npartitions=partitions)
    for model, method in tabular:
        expected = getattr(model, method)(table)
        found = predict(model, given, method=method).compute()
        assert found.to_numpy().tolist() == expected.tolist(), method
        assert found.index.equals(table.index)


def test_arrays_of_a_table(dask_client, rng):
    pytest.importorskip("sklearn")
    from fastmlp.tabular import TabularRegressor

    X = rng.normal(size=(80, 3))
    model = TabularRegressor("fast", random_state=0, nets=1).fit(X, X[:, 0])
    assert_same_bits([predict(model, da.from_array(X, chunks=(13, 2))).compute()], [model.predict(X)])


# ---- the model on its way ----


def count_openings():
    """Has a worker count the files that it opens."""
    opened = Carried._opened
    carried.openings = []

    def counted(self):
        carried.openings.append(self.digest)
        return opened(self)

    Carried._opened = counted


def openings_and_arrivals(name, dask_worker):
    arrivals = sum(name in map(str, entry["keys"]) for entry in dask_worker.transfer_incoming_log)
    return carried.openings, arrivals


def test_the_model_goes_once_to_a_worker_and_is_opened_once(dask_client, X):
    net = Network([4, 32, 3], seed=1234)
    name = Scorer(net, "predict", 1).name
    assert name in dict(predict(net, array(X, 7)).__dask_graph__())  # not in the task of every partition
    dask_client.run(count_openings)
    for partitions in (7, 40):
        assert_same_bits([predict(net, array(X, partitions)).compute()], [net.predict(X)])
    seen = dask_client.run(openings_and_arrivals, name)
    assert len(seen) == 2
    digest = Carried.of(net).digest
    for openings, arrivals in seen.values():
        assert openings.count(digest) <= 1 and arrivals <= 2  # once for each of the two calls
    assert any(digest in openings for openings, _ in seen.values())


def test_predictions_are_of_the_network_as_it_was(dask_client, X):
    net = network()
    expected, found = net.predict(X), predict(net, array(X, 3))
    net.set_weights([np.zeros_like(array) for array in net.get_weights()])
    assert_same_bits([found.compute()], [expected])


def test_a_process_keeps_few_models_open(X):
    for seed in range(3 * carried._KEPT):
        Scorer(Network([4, 1], seed=seed), "predict", 1)(X)
    assert len(carried._open) == carried._KEPT


@pytest.mark.parametrize(("options", "expected"), [({}, 1), ({"threads": 3}, 3), ({"threads": None}, None)])
def test_threads_inside_a_worker(monkeypatch, X, options, expected):
    asked = []
    net = network()

    class Asked:
        plan = net.plan

        def predict(self, rows, threads):
            asked.append(threads)
            return net.predict(rows)

    monkeypatch.setattr(Carried, "model", lambda self: Asked())
    predict(net, array(X, 2), **options).compute(scheduler="synchronous")
    assert set(asked) == {expected} and len(asked) >= 3


# ---- what does not fit ----

REFUSED = [
    (lambda X: X, {}, TypeError, "X is a ndarray, expected a Dask array or data frame"),
    (lambda X: da.from_array(X)[:, 0], {}, ValueError, "X.ndim is 1, expected 2"),
    (lambda X: da.from_array(X)[:, :3], {}, ValueError, "X has 3 columns, expected 4"),
    (lambda X: dd.from_pandas(pd.DataFrame(X[:, :3])), {}, ValueError, "X has 3 columns, expected 4"),
    (da.from_array, {"method": "fit"}, ValueError, "unknown method 'fit', expected one of predict, predict_"),
    (da.from_array, {"threads": 0}, ValueError, "threads is 0"),
]


@pytest.mark.parametrize(("make", "options", "kind", "sentence"), REFUSED, ids=[case[3] for case in REFUSED])
def test_what_does_not_fit_is_refused_at_once(X, make, options, kind, sentence):
    with pytest.raises(kind, match=f"^{sentence}"):
        predict(network(), make(X), **options)


def test_what_is_no_model_is_refused(X):
    with pytest.raises(TypeError, match="^net is a dict, expected a Network, a TabularClassifier or"):
        predict({}, da.from_array(X))


def test_columns_that_a_table_lacks_are_refused_at_once(table, tabular):
    given = dd.from_pandas(table.drop(columns="born"), npartitions=2)
    with pytest.raises(ValueError, match="^X lacks the column 'born', expected the columns of training"):
        predict(tabular[0][0], given)


def test_a_value_that_does_not_fit_is_named_with_its_partition(dask_client, X):
    X[777, 1] = np.nan
    sentence = "^partition 7 of X: X contains nan at row 77, column 1, expected finite numbers"
    for given in (da.from_array(X, chunks=(100, 4)), dd.from_pandas(pd.DataFrame(X), chunksize=100)):
        with pytest.raises(ValueError, match=sentence):
            predict(network(), given).compute()


def test_another_error_of_a_worker_comes_as_it_is(dask_client, X):
    words = pd.DataFrame({"a": list("xyz"), "b": 1.0, "c": 2.0, "d": 3.0})
    with pytest.raises(TypeError, match="^partition 0 of X: X holds 'x' at row 0, column 0, expected real"):
        predict(network(), dd.from_pandas(words, npartitions=1)).compute()
    assert_same_bits([predict(network(), array(X, 2)).compute()], [network().predict(X)])


def test_the_name_is_found_when_it_is_used():
    import fastmlp

    assert fastmlp.dask.predict is predict
