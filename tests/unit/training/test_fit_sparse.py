"""Sparse X trains, predicts and is measured as the dense array is, some of its rows dense at a time."""

import tracemalloc

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fastmlp.callbacks import LambdaCallback
from fastmlp.training import sparse as sparse_rows
from fits import ALL_OPTIMIZERS, N_IN, N_OUT, Explodes, mse, network
from helpers import assert_same_bits, assert_trained

sparse = pytest.importorskip("scipy.sparse")

ROWS = 90


@pytest.fixture
def data(rng, monkeypatch):
    """Rows of which a chunk holds eleven."""
    monkeypatch.setattr(sparse_rows, "CHUNK", 11 * N_IN * 8)
    X = rng.normal(size=(ROWS, N_IN)) * (rng.random((ROWS, N_IN)) < 0.4)
    return X, rng.integers(0, N_OUT, ROWS)


@pytest.mark.parametrize("optimizer", ALL_OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_fit_has_the_bits_of_the_dense_one(data, dtype, optimizer, shuffle):
    X, y = data
    size, weights = (None if optimizer.all_rows else 4), np.linspace(0.5, 2, ROWS)
    nets, histories = [network(optimizer=optimizer, dtype=dtype) for _ in range(2)], []
    before = nets[0].get_weights()
    for net, given in zip(nets, (X, sparse.csr_array(X)), strict=True):
        options = {"epochs": 2, "batch_size": size, "shuffle": shuffle, "validation_split": 0.1}
        histories.append(net.fit(given, y, sample_weight=weights, **options).history)
    assert_trained(nets[1].get_weights(), before)
    assert_same_bits(nets[1].get_weights(), nets[0].get_weights())
    assert list(histories[1]) == list(histories[0]) and len(histories[1]) == 4
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array", "coo_array"])
@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int64"])
def test_predict_and_evaluate(data, dtype, form, kind):
    X, y = (10 * np.abs(data[0])).astype(kind), data[1]
    given, net = getattr(sparse, form)(X), network(dtype=dtype)
    expected = net.predict(X)
    assert_same_bits(net.predict(given), expected)
    out = np.empty_like(expected)
    assert net.predict(given, out) is out
    assert_same_bits(out, expected)
    assert net.evaluate(given, y) == pytest.approx(net.evaluate(X, y), rel=1e-6)
    assert net.predict_classes(given).tolist() == expected.argmax(axis=1).tolist()


def test_metrics_losses_in_python_held_out_data_and_callbacks(data):
    X, y = data[0], np.eye(N_OUT)[data[1]]
    found = []
    for given in (X, sparse.csr_array(X)):
        net, batches = Network([N_IN, 8, N_OUT], dtype="float64", seed=1), []
        net.compile("adam", mse, metrics=["mae"])
        note = LambdaCallback(on_train_batch_end=lambda batch, logs, to=batches: to.append(batch))
        history = net.fit(given, y, epochs=2, batch_size=16, validation_data=(given, y), callbacks=[note])
        found.append((net, history.history, batches))
    assert_same_bits(found[1][0].get_weights(), found[0][0].get_weights())
    assert found[1][2] == found[0][2] == [0, 1, 2, 3, 4, 5] * 2
    for name, values in found[0][1].items():
        assert found[1][1][name] == pytest.approx(values, rel=1e-12)


def test_sparse_batches(data):
    X, y = data
    nets = [network(optimizer="adam") for _ in range(3)]
    nets[0].fit(X, y, batch_size=10, shuffle=False)
    parts = [slice(i, i + 10) for i in range(0, ROWS, 10)]
    nets[1].fit([(sparse.csr_array(X[part]), y[part]) for part in parts])
    for part in parts:
        nets[2].train_on_batch(sparse.csr_array(X[part]), y[part])
    for net in nets[1:]:
        assert_same_bits(net.get_weights(), nets[0].get_weights())


def test_a_divergence_is_that_of_the_dense_rows(data):
    X, y = data[0], np.tile(data[1][:, None], (1, N_OUT)).astype(float)
    said = []
    for given in (X, sparse.csr_array(X)):
        net = network(optimizer=optimizers.SGD(Explodes()), loss="mse")
        with pytest.raises(FloatingPointError) as caught:
            net.fit(given, y, batch_size=8)
        said.append((str(caught.value), net.get_weights()))
    assert said[0][0] == said[1][0]
    assert_same_bits(said[1][1], said[0][1])


def test_never_whole(monkeypatch, rng):
    monkeypatch.setattr(sparse_rows, "CHUNK", 1 << 16)
    X = sparse.random(20_000, 400, density=0.002, format="csr", dtype=np.float32, random_state=1)
    y = rng.normal(size=20_000)
    net = Network([400, 2, 1], seed=0)
    net.compile("sgd")
    whole = 4 * 400 * 20_000
    tracemalloc.start()
    net.fit(X, y, batch_size=16, validation_split=0.2)
    net.predict(X)
    net.evaluate(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert net.plan.step == 1000 and peak < whole / 8


def test_elements_in_parts_are_added():
    """In their own dtype, before they are those of the network."""
    parts, columns, starts = np.array([1e9, 1.0, -1e9, 2.0]), np.array([2, 2, 2, 0]), np.array([0, 3, 4])
    X = sparse.csr_array((parts, columns, starts), (2, N_IN))
    net = network(dtype="float32")
    assert_same_bits(net.predict(X), net.predict([[0, 0, 1, 0, 0], [2, 0, 0, 0, 0]]))
    assert X.nnz == 4  # the caller's stays as it is


REFUSED = [
    (np.zeros((3, N_IN + 1)), r"X has shape \(3, 6\), expected \(rows, 5\)"),
    (np.zeros((0, N_IN)), r"X is empty with shape \(0, 5\)"),
    (np.where(np.arange(15).reshape(3, 5) == 8, np.nan, 1), "X contains nan at row 1, column 3"),
    (
        np.where(np.arange(15).reshape(3, 5) == 8, 1e60, 1),
        "X contains 1e.60 at row 1, column 3, which float32",
    ),
    (np.ones((3, N_IN), complex), "X holds complex128, expected real numbers"),
]


@pytest.mark.parametrize("X, sentence", REFUSED, ids=[case[1] for case in REFUSED])
def test_what_does_not_fit_is_refused(X, sentence):
    net = network(dtype="float32")
    for call in (net.predict, lambda X: net.fit(X, [0, 1, 2][: X.shape[0]])):
        with pytest.raises((ValueError, TypeError), match=sentence):
            call(sparse.csr_array(X))
    assert net.plan.step == 0


@pytest.mark.parametrize("solver", ["lbfgs", "levenbergmarquardt"])
def test_solvers_take_them(solver):
    X = sparse.random(60, 5, 0.4, format="csr", random_state=0)
    y = np.random.default_rng(0).normal(size=60)
    found = []
    for given in (X, X.toarray()):
        net = Network([5, 4, 1], seed=0)
        net.compile(solver, "mse")
        losses = net.fit(given, y, epochs=3, batch_size=None, verbose=0).history["loss"]
        found.append((losses, net.get_weights()))
    assert found[0][0] == found[1][0] and found[0][0][-1] < found[0][0][0]
    assert_same_bits(found[0][1], found[1][1])
