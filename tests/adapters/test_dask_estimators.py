"""Estimators that Dask's workers train: the bits of one process, for any workers and partitions."""

import os
import pickle
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fastmlp.callbacks import EarlyStopping, LambdaCallback
from helpers import assert_same_bits

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
distributed = pytest.importorskip("distributed")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.metrics import accuracy_score, r2_score  # noqa: E402

from fastmlp.dask import DaskMLPClassifier, DaskMLPRegressor  # noqa: E402
from fastmlp.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

ROWS, EPOCHS, SIZE = 203, 3, 64
NAMES = list("abcde")
OPTIONS = {"max_iter": EPOCHS, "batch_size": SIZE, "random_state": 5, "optimizer": optimizers.Adam(0.02)}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, 5)).astype(np.float32)
    return X, X[:, :3].argmax(axis=1), rng.random(ROWS)


def classifier(client=None, **options):
    return DaskMLPClassifier(client, (16, 8), dropout=0.2, **{**OPTIONS, **options})


def alone(X, y, n_out=3, output="softmax", shards=8, **options):
    """What one process trains."""
    from fastmlp import Dense, Dropout

    layers = [5, Dense(16, "relu"), Dropout(0.2), Dense(8, "relu"), Dropout(0.2), n_out]
    net = Network(layers, output=output, seed=5, dtype=X.dtype.name)
    net.compile(optimizers.Adam(0.02))
    net.fit(X, y, epochs=EPOCHS, batch_size=SIZE, shards=shards, **options)
    return net


def arrays(partitions, *given):
    rows = -(-ROWS // partitions)
    return [da.from_array(each, chunks=(rows, 3) if each.ndim == 2 else rows) for each in given]


@pytest.fixture(scope="module")
def threads():
    """A cluster of two workers in this process: it begins at once."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def fitted(threads, data):
    X, y, _ = arrays(3, *data)
    return classifier(threads).fit(X, y)


def test_workers_have_the_bits_of_one_process(fitted, data):
    assert_same_bits(fitted.network_.get_weights(), alone(*data[:2]).get_weights())
    assert fitted.n_features_in_ == 5 and fitted.n_iter_ == EPOCHS and fitted.classes_.tolist() == [0, 1, 2]


def test_predictions_are_those_of_the_local_estimator(fitted, data):
    X, y, weights = arrays(3, *data)
    local = fitted.to_local()
    assert type(local) is MLPClassifier and local.loss_curve_ == fitted.history_["loss"]
    assert (local.hidden_layer_sizes, local.dropout, local.random_state) == ((16, 8), 0.2, 5)
    assert_same_bits([fitted.predict_proba(X).compute()], [local.predict_proba(data[0])])
    assert fitted.predict(X).compute().tolist() == local.predict(data[0]).tolist()
    predicted = local.predict(data[0])
    assert fitted.score(X, y) == accuracy_score(data[1], predicted)
    assert fitted.score(X, y, weights) == accuracy_score(data[1], predicted, sample_weight=data[2])
    again = pickle.loads(pickle.dumps(fitted))
    assert again.client is None
    assert_same_bits(again.network_.get_weights(), fitted.network_.get_weights())


def test_parameters(fitted):
    copy = clone(fitted)
    assert copy.client is fitted.client and not hasattr(copy, "network_")
    assert copy.get_params()["hidden_layer_sizes"] == (16, 8)
    assert copy.set_params(shards=2).shards == 2
    with fitted.client.as_current():
        assert clone(copy).set_params(client=None).client_ is fitted.client


def test_words_weights_and_held_out_rows_of_data_frames(threads, data):
    words = np.array(["ant", "bee", "cat"])[data[1]]
    table = pd.DataFrame(data[0], columns=NAMES).assign(kind=words, weight=data[2])
    frame = dd.from_pandas(table, npartitions=4)
    held_out = dd.from_pandas(table[:50], npartitions=2)
    X, y = frame[NAMES], frame.kind.repartition(npartitions=2)
    stop = EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    model = classifier(threads, class_weight="balanced", callbacks=[stop])
    model.fit(X, y, frame.weight, eval_set=[(held_out[NAMES], held_out.kind)])
    expected = alone(
        data[0], words, sample_weight=data[2], class_weight="balanced",
        validation_data=(data[0][:50], words[:50]),
        callbacks=[EarlyStopping("val_loss", patience=1, restore_best_weights=True)],
    )  # fmt: skip
    assert_same_bits(model.network_.get_weights(), expected.get_weights())
    assert model.feature_names_in_.tolist() == NAMES
    assert set(model.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert model.predict(X).compute().tolist() == expected.predict_classes(data[0]).tolist()
    with pytest.raises(ValueError, match="X has the columns 'b', 'a', .*, expected 'a', 'b'"):
        model.predict(frame[["b", "a", "c", "d", "e"]])


def test_two_classes_are_one_output(threads, data):
    X, y = arrays(2, data[0].astype(np.float64), data[1] > 0)
    model = classifier(threads, shards=3).fit(X, y)
    expected = alone(data[0].astype(np.float64), data[1] > 0, 1, "sigmoid", shards=3)
    assert_same_bits(model.network_.get_weights(), expected.get_weights())
    assert model.predict(X).compute().dtype == bool and model.predict_proba(X).shape == (ROWS, 2)
    assert (model.to_local().predict(X.compute()) == model.predict(X).compute()).all()


@pytest.mark.parametrize("columns", [0, 1, 2])
def test_numbers(threads, data, columns):
    y = data[2] if columns == 0 else np.stack([data[2], data[2] ** 2], axis=1)[:, :columns]
    X, targets = arrays(3, data[0], y)
    model = DaskMLPRegressor(threads, (16, 8), dropout=0.2, **OPTIONS).fit(X, targets)
    expected = alone(data[0], y, max(columns, 1), "identity")
    assert_same_bits(model.network_.get_weights(), expected.get_weights())
    found = model.predict(X).compute()
    assert found.shape == y.shape
    local = model.to_local()
    assert type(local) is MLPRegressor
    assert_same_bits([local.predict(data[0]).reshape(y.shape)], [found])
    assert model.score(X, targets) == r2_score(y, found)


def test_partitions_without_rows(threads, data):
    X, y = (da.concatenate([each[:0], each[:100], each[:0], each[100:]]) for each in arrays(2, *data[:2]))
    model = classifier(threads).fit(X.rechunk({1: -1}), y)
    assert_same_bits(model.network_.get_weights(), alone(*data[:2]).get_weights())


def nan_at(X, row):
    X = X.copy()
    X[row, 1] = np.nan
    return X


def in_arrays(X, y):
    return da.from_array(X, chunks=(100, 5)), da.from_array(y, chunks=100)


WORDS_THEN_NUMBERS = da.concatenate([da.from_array(np.array(["a"] * 100)), da.zeros(103).astype(object)])
REFUSED = [
    (lambda X, y: (X, in_arrays(X, y)[1]), {}, TypeError, "X is a ndarray, expected a Dask array or data"),
    (
        lambda X, y: in_arrays(nan_at(X, 177), y),
        {},
        ValueError,
        "partition 1 of X: X contains nan at row 77, column 1, expected finite",
    ),
    (lambda X, y: in_arrays(X, y[:-1]), {}, ValueError, "y has 202 rows, expected 203 as in X"),
    (lambda X, y: in_arrays(X, y * 0), {}, ValueError, "y has the class 0 alone, expected two or more"),
    (
        lambda X, y: (in_arrays(X, y)[0], WORDS_THEN_NUMBERS),
        {},
        ValueError,
        "partition 0 of y holds words and partition 1 numbers, expected one of them",
    ),
    (lambda X, y: in_arrays(X, y), {"shards": 204}, ValueError, "shards is 204, expected at most 203"),
    (lambda X, y: in_arrays(X, y), {"shards": 0}, ValueError, "shards is 0, expected an integer of at least"),
    (lambda X, y: in_arrays(X, y), {"optimizer": "lbfgs"}, ValueError, "the optimizer is LBFGS, which takes"),
    (
        lambda X, y: in_arrays(X, y),
        {"activation": ["tanh"]},
        ValueError,
        "activation has 1 elements, expected",
    ),
]


@pytest.mark.parametrize(("rows", "options", "kind", "sentence"), REFUSED, ids=[case[3] for case in REFUSED])
def test_what_does_not_fit_is_refused(threads, data, rows, options, kind, sentence):
    model = classifier(threads, **options)
    with pytest.raises(kind, match=f"^(rank 0: )?{sentence}"):
        model.fit(*rows(*data[:2]))
    assert not hasattr(model, "network_")


HELD_OUT = [
    (lambda X, y: [(X, y), (X, y)], "eval_set has 2 sets of rows, expected one"),
    (lambda X, y: X, r"eval_set is a Array, expected \(X, y\) or \(X, y, sample_weight\)"),
    (lambda X, y: (X, y[:9]), "eval_set y has 9 rows, expected 203 as in eval_set X"),
    (lambda X, y: (X[:, :4], y), r"eval_set X has rows of shape \(4,\), expected \(5,\)"),
    (lambda X, y: (X, y + 1), "validation_data y contains 3 at row 6, expected one of 0, 1, 2"),
]


@pytest.mark.parametrize(("given", "sentence"), HELD_OUT, ids=[case[1] for case in HELD_OUT])
def test_held_out_rows_that_do_not_fit_are_refused(threads, data, given, sentence):
    X, y = arrays(2, *data[:2])
    with pytest.raises(ValueError, match=f"^{sentence}"):
        classifier(threads).fit(X, y, eval_set=given(X, y))


def test_an_error_of_one_worker_is_raised(threads, data):
    def fail(epoch, logs):
        raise OSError("no room for the log")

    X, y = arrays(2, *data[:2])
    with pytest.raises(OSError, match="no room for the log"):
        classifier(threads, callbacks=[LambdaCallback(on_epoch_end=fail)]).fit(X, y)


def test_the_threads_of_workers_stay_free_for_other_tasks(threads, data):
    """So ranks of several fits wait for each other in any order."""

    def ask(epoch, logs):
        own = distributed.get_worker().address
        assert distributed.get_client().submit(int, 7, workers=[own], pure=False).result(timeout=20) == 7

    X, y = arrays(2, *data[:2])
    model = classifier(threads, callbacks=[LambdaCallback(on_epoch_end=ask)]).fit(X, y)
    assert model.n_iter_ == EPOCHS


def blocks_kept(dask_scheduler):
    """How many blocks of an array a cluster has in memory."""
    tasks = dask_scheduler.tasks.items()
    return sum(task.state == "memory" and str(key).startswith("('made") for key, task in tasks)


def test_partitions_are_let_go_once_they_are_cut(threads, data):
    def count(epoch, logs):
        kept = distributed.get_client().run_on_scheduler(blocks_kept)
        if kept:
            raise MemoryError(f"{kept} blocks are kept")

    X, y = arrays(3, *data[:2])
    made = X.rechunk({1: -1}).map_blocks(np.copy, name="made")
    classifier(threads, callbacks=[LambdaCallback(on_epoch_end=count)]).fit(made, y)
    kept = made.persist()
    with pytest.raises(MemoryError, match="3 blocks are kept"):  # as these are, by the caller
        classifier(threads, callbacks=[LambdaCallback(on_epoch_end=count)]).fit(kept, y)


def test_no_client_is_told(data, monkeypatch):
    def none():
        raise ValueError("No clients found")

    monkeypatch.setattr(distributed, "default_client", none)
    X, y = arrays(2, *data[:2])
    with pytest.raises(ValueError, match="client is None and there is no client of Dask, expected one"):
        classifier().fit(X, y)


# ---- workers that are processes ----


@pytest.fixture(params=[1, 3])
def client(request):
    """A cluster of some processes, which may be killed."""
    options = {"n_workers": request.param, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.slow
def test_partitions_change_no_bit(dask_client, data):
    expected = alone(*data[:2]).get_weights()
    for partitions in (1, 2, 3, 7):
        X, y = arrays(partitions, *data[:2])
        assert_same_bits(classifier(dask_client).fit(X, y).network_.get_weights(), expected)


@pytest.mark.slow
def test_many_fits_at_once(dask_client, data):
    X, y = arrays(3, *data[:2])
    expected = alone(*data[:2]).get_weights()
    with ThreadPoolExecutor(6) as pool:
        for model in pool.map(lambda _: classifier(dask_client).fit(X, y), range(6)):
            assert_same_bits(model.network_.get_weights(), expected)


def die_once(marker):
    """A callback that kills the first process that calls it."""

    def die(epoch, logs):
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return LambdaCallback(on_epoch_end=die)


def still_trains():
    """Whether a thread of this process is in a fit."""
    for frame in sys._current_frames().values():
        while frame is not None:
            if frame.f_code.co_name == "_train":
                return True
            frame = frame.f_back
    return False


@pytest.mark.slow
def test_workers_and_those_that_are_killed_change_no_bit(client, data, tmp_path):
    X, y = arrays(3, *data[:2])
    expected = alone(*data[:2]).get_weights()
    assert_same_bits(classifier(client).fit(X, y).network_.get_weights(), expected)

    before = set(client.run(os.getpid).values())
    model = classifier(client, callbacks=[die_once(str(tmp_path / "killed"))]).fit(X, y)
    assert (tmp_path / "killed").exists() and before - set(client.run(os.getpid).values())
    assert_same_bits(model.network_.get_weights(), expected)
    for _ in range(100):
        if not any(client.run(still_trains).values()):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the ranks of the fit that was given up wait for the one that was killed")


@pytest.mark.slow
def test_workers_that_are_lost_again_and_again_end_the_fit(dask_client, data):
    X, y = arrays(3, *data[:2])

    def lost(epoch, logs):
        from fastmlp.adapters.dask.mail import Lost

        raise Lost("no answer")

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        pytest.raises(RuntimeError, match="a worker was lost in each of 2 attempts to fit, expected one in"),
    ):
        classifier(dask_client, callbacks=[LambdaCallback(on_epoch_end=lost)]).fit(X, y)
