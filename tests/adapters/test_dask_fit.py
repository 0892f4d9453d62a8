"""Arrays and data frames of Dask stream through `fit`, with the bits of their rows in memory."""

import threading
import tracemalloc

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.callbacks import Callback
from helpers import assert_same_bits

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.slow

ROWS = 1003
PARTITIONS = [1, 2, 3, 7]
NAMES = list("abcd")


def network(n_in=4):
    net = Network([n_in, 8, 3], output="softmax", seed=0)
    net.compile("adam")
    return net


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, 4)), rng.integers(0, 3, ROWS), rng.random(ROWS)


def in_memory(data, **options):
    net = network()
    X, y, _ = data
    return net, net.fit(X, y, epochs=2, shuffle=False, **options)


def arrays(data, partitions):
    rows = -(-ROWS // partitions)
    return tuple(da.from_array(each, chunks=(rows, 3) if each.ndim == 2 else rows) for each in data)


def frame(data, partitions):
    return dd.from_pandas(pd.DataFrame(data[0], columns=NAMES).assign(y=data[1]), npartitions=partitions)


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_of_arrays_change_no_bit(dask_client, data, partitions):
    expected, wanted = in_memory(data, validation_data=data[:2])
    X, y, _ = arrays(data, partitions)
    others = [y, y.rechunk(100), data[1], data[1].tolist()]
    for given in others:
        net = network()
        history = net.fit(X, given, epochs=2, validation_data=(X, given))
        assert_same_bits(net.get_weights(), expected.get_weights())
        assert net.plan.step == expected.plan.step
        assert history.history["val_loss"] == pytest.approx(wanted.history["val_loss"], rel=1e-12)


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_of_data_frames_change_no_bit(dask_client, data, partitions):
    expected, _ = in_memory(data)
    table = frame(data, partitions)
    for given in ((table, "y"), (table[NAMES], table.y), (table[NAMES], data[1])):
        net = network()
        net.fit(*given, epochs=2)
        assert_same_bits(net.get_weights(), expected.get_weights())
    net.fit(table, "y", validation_data=(table, "y"))


def test_weights_of_rows(data):
    expected, _ = in_memory(data, sample_weight=data[2])
    X, y, weights = arrays(data, 3)
    for given in (weights, data[2]):
        net = network()
        net.fit(X, y, epochs=2, sample_weight=given)
        assert_same_bits(net.get_weights(), expected.get_weights())


def test_rows_of_unknown_number(data):
    X, y, _ = arrays(data, 3)
    kept = data[0][:, 0] > 0.5
    expected, _ = in_memory((data[0][kept], data[1][kept], None))
    chosen = da.from_array(data[0], chunks=(100, 4))[da.from_array(kept, chunks=100)]
    for targets in (da.from_array(data[1], chunks=100)[da.from_array(kept, chunks=100)], data[1][kept]):
        net = network()
        net.fit(chosen, targets, epochs=2)
        assert_same_bits(net.get_weights(), expected.get_weights())


def test_words_are_learned_as_labels(data):
    X, y, _ = arrays(data, 3)
    words = np.array(["bird", "cat", "dog"])[data[1]]
    net = network()
    net.fit(X, da.from_array(words, chunks=100), epochs=2)
    assert net.classes.tolist() == ["bird", "cat", "dog"]
    assert_same_bits(net.get_weights(), in_memory(data)[0].get_weights())


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_evaluate_is_the_same_in_any_partitions(data, partitions):
    net = network()
    whole = net.evaluate(*data)
    X, y, weights = arrays(data, partitions)
    found = net.evaluate(X, y, weights)
    assert found == net.evaluate(*arrays(data, 1)) == net.evaluate(X, data[1], data[2])
    assert found == pytest.approx(whole, rel=1e-12)
    table = frame(data, partitions)
    assert net.evaluate(table[NAMES], table.y) == pytest.approx(net.evaluate(*data[:2]), rel=1e-12)


# ---- larger than memory ----


def blocks(count, rows, made=None, step=None):
    """An array whose blocks are made when they are computed."""

    def make(number):
        if made is not None:
            made.append(number)
        if step is not None:
            step(number)
        return np.random.default_rng(number).normal(size=(rows, 4))

    parts = [da.from_delayed(dask.delayed(make)(i), (rows, 4), float) for i in range(count)]
    return da.concatenate(parts)


def test_memory_stays_flat():
    def peak(partitions):
        X = blocks(partitions, 50_000)
        y = (X[:, 0] > 0).astype(int)
        net = network()
        tracemalloc.start()
        with dask.config.set(scheduler="threads", num_workers=2):
            net.fit(X, y, batch_size=6000)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert net.plan.step == -(-len(X) // 6000)
        return found

    few, many, one = peak(8), peak(40), 50_000 * 4 * 8
    assert many < 1.3 * few and many < 10 * one


def test_at_most_one_partition_is_computed_ahead():
    made, seen = [], []

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs):
            seen.append((batch, max(made)))

    with dask.config.set(scheduler="synchronous"):
        network().fit(blocks(6, 100, made), np.zeros(600, int), batch_size=10, callbacks=[Watch()])
    assert sorted(made) == list(range(6))  # each once
    assert len(seen) == 60
    assert all(newest <= (batch + 3) // 10 + 2 for batch, newest in seen)


def test_the_next_partition_is_computed_while_one_trains():
    second = threading.Event()
    waited = []

    class Wait(Callback):
        def on_train_batch_end(self, batch, logs):
            if batch == 0:
                waited.append(second.wait(20))

    X = blocks(2, 100, step=lambda number: second.set() if number == 1 else None)
    with dask.config.set(scheduler="synchronous"):
        network().fit(X, np.zeros(200, int), batch_size=10, callbacks=[Wait()])
    assert waited == [True]


def test_an_error_of_a_partition_is_raised_as_it_is():
    def fail(number):
        if number == 3:
            raise OSError("the disk has gone")

    net = network()
    with dask.config.set(scheduler="threads"), pytest.raises(OSError, match="the disk has gone"):
        net.fit(blocks(5, 100, step=fail), np.zeros(500, int), batch_size=10)
    assert 0 < net.plan.step <= 30
    assert not [thread for thread in threading.enumerate() if thread.name == "fastmlp batches"]


# ---- what does not fit ----

X_SHORT = da.zeros((5, 4))
REFUSED = [
    (lambda X, y: (X, y[:-1]), {}, "y has 1002 rows, expected 1003 as in X"),
    (lambda X, y: (X, y[:-1].compute()), {}, "y has 1002 rows, expected 1003 as in X"),
    (lambda X, y: (X[X[:, 0] > 0], y[:300]), {}, "y has 1 partitions, expected 3 as in X"),
    (lambda X, y: (X[X[:, 0] > 0], y), {"batch_size": 200}, "y has 335 rows for partition 0 of X, expected "),
    (
        lambda X, y: (X, y),
        {"batch_size": None},
        "batch_size is None and X a Array of Dask, expected a number",
    ),
    (
        lambda X, y: (X, y),
        {"validation_split": 0.1},
        "validation_split is 0.1 of batches, expected validation_",
    ),
    (lambda X, y: (X[:, :3], y), {}, r"batch 0 X has shape \(32, 3\), expected \(rows, 4\)"),
    (lambda X, y: (X, y - 1.5), {}, "batch 0 y "),
    (
        lambda X, y: (X, y),
        {"validation_data": (X_SHORT, [0])},
        "y has 1 rows, expected 5 as in validation_data X",
    ),
]


@pytest.mark.parametrize(("arguments", "options", "sentence"), REFUSED, ids=[case[2] for case in REFUSED])
def test_what_does_not_fit_is_refused(data, arguments, options, sentence):
    X, y, _ = arrays(data, 3)
    net = network()
    with pytest.raises(ValueError, match=f"^{sentence}"):
        net.fit(*arguments(X, y), **options)
    assert net.plan.step == 0
