"""Tables with a column of targets, in memory or one after another, train as the arrays in them do."""

import tracemalloc

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.callbacks import Callback
from fits import N_IN, N_OUT, network
from helpers import assert_same_bits

pa = pytest.importorskip("pyarrow")

ROWS = 150


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, N_IN)), rng.integers(0, N_OUT, ROWS)


@pytest.fixture
def table(data):
    """Columns a, b, kind, c, d, e."""
    X, y = data
    columns = dict(zip("abcde", X.T, strict=True))
    names = ["a", "b", "kind", "c", "d", "e"]
    return pa.table({name: columns.get(name, y) for name in names})


def parquet(table, folder):
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(table, folder / "rows.parquet", row_group_size=41)
    return pq.ParquetFile(folder / "rows.parquet")


def dataset(table, folder):
    parquet(table, folder)
    return pytest.importorskip("pyarrow.dataset").dataset(folder / "rows.parquet")


def pieces(table):
    return [table.slice(first, 37) for first in range(0, ROWS, 37)]


MANY = {
    "Parquet file": parquet,
    "data set": dataset,
    "list of tables": lambda table, folder: pieces(table),
    "list of record batches": lambda table, folder: table.to_batches(max_chunksize=29),
    "list of data frames": lambda table, folder: [piece.to_pandas() for piece in pieces(table)],
}


@pytest.mark.parametrize("kind", MANY)
def test_tables_train_to_the_bits_of_their_arrays(tmp_path, data, table, kind):
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    wanted = expected.fit(*data, epochs=2, batch_size=16, shuffle=False, validation_data=data)
    given = MANY[kind](table, tmp_path)
    history = net.fit(given, "kind", epochs=2, batch_size=16, validation_data=(given, "kind"))
    assert_same_bits(net.get_weights(), expected.get_weights())
    assert net.plan.step == expected.plan.step == 20
    assert history.history["val_loss"] == pytest.approx(wanted.history["val_loss"], rel=1e-12)


def test_a_reader_passes_once(data, table):
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    expected.fit(*data, batch_size=16, shuffle=False)
    net.fit(table.to_reader(max_chunksize=29), "kind", batch_size=16)
    assert_same_bits(net.get_weights(), expected.get_weights())
    with pytest.raises(ValueError, match="passes once, and epochs is 2"):
        net.fit(table.to_reader(), "kind", epochs=2)


@pytest.mark.parametrize("frame", [False, True])
def test_one_table_is_shuffled_like_arrays(data, table, frame):
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    expected.fit(*data, epochs=2, validation_split=0.1)
    net.fit(table.to_pandas() if frame else table, "kind", epochs=2, validation_split=0.1)
    assert_same_bits(net.get_weights(), expected.get_weights())


def test_a_column_of_words_and_an_array_as_y(data, table):
    words = np.array(["p", "q", "r"])
    named = table.set_column(2, "kind", pa.array(words[data[1]]))
    expected, net, other = (network(optimizer="adam") for _ in range(3))
    expected.fit(*data, batch_size=16, shuffle=False)
    net.fit(named.to_reader(max_chunksize=40), "kind", batch_size=16)
    other.fit(table.drop_columns("kind"), data[1], batch_size=16, shuffle=False)
    assert net.classes.tolist() == ["p", "q", "r"]
    assert_same_bits(net.get_weights(), expected.get_weights())
    assert_same_bits(other.get_weights(), expected.get_weights())


@pytest.mark.parametrize("kind", ["uint8", "int16", "int64", "float16", "float32"])
def test_every_kind_of_number(rng, kind):
    X, y = rng.integers(0, 100, (64, 2)).astype(kind), rng.normal(size=64)
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "y": y})
    nets = [Network([2, 4, 1], seed=0) for _ in range(2)]
    for net in nets:
        net.compile("adam")
    nets[0].fit(X.astype("float64"), y, shuffle=False)
    nets[1].fit(table.to_reader(max_chunksize=20), "y")
    assert_same_bits(nets[1].get_weights(), nets[0].get_weights())


def test_tables_are_not_held_together(rng):
    X, y = rng.normal(size=(5000, N_IN)), rng.integers(0, N_OUT, 5000)
    whole = 50 * X.nbytes

    def tables():
        for _ in range(50):
            yield pa.table({**dict(zip("abcde", X.T.copy(), strict=True)), "kind": y})

    net = network()
    tracemalloc.start()
    net.fit(tables(), "kind", batch_size=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert net.plan.step == 250 and peak < whole / 5


HELD_OUT = pa.table({"a": [1.0], "kind": [0]})
REFUSED = [
    (lambda t: (t, "none"), {}, "y is 'none', expected one of the columns of X: a, b, kind"),
    (lambda t: ([t], "none"), {}, "columns of table 0 of X: a, b, kind"),
    (lambda t: ([[1.0]], "kind"), {}, "y is 'kind' and table 0 of X a list, expected a table"),
    (lambda t: (5, "kind"), {}, "X is a int, expected a table or an iterable of tables"),
    (lambda t: ([t], "kind"), {"batch_size": None}, "batch_size is None and X a list"),
    (lambda t: ([t.select(["a", "kind"])], "kind"), {}, r"batch 0 X has shape \(32, 1\)"),
    (lambda t: (t, "kind"), {"validation_data": ([], "a")}, "validation_data y is 'a', expected 'kind'"),
    (lambda t: ("rows.parquet", "kind"), {}, "^X is a str, expected a table or an iterable of tables$"),
    (
        lambda t: (t.drop_columns("kind"), t["kind"]),
        {"validation_data": (HELD_OUT, "kind")},
        "^validation_data y is 'kind', expected an array, or the name of a column as y, too$",
    ),
]


@pytest.mark.parametrize("arguments, options, sentence", REFUSED, ids=[case[2] for case in REFUSED])
def test_what_does_not_fit_is_refused(table, arguments, options, sentence):
    net = network()
    with pytest.raises((ValueError, TypeError), match=sentence):
        net.fit(*arguments(table), **options)
    assert net.plan.step == 0


def test_a_query_is_collected_first(table):
    polars = pytest.importorskip("polars")
    query, net = polars.from_arrow(table).lazy(), network()
    message = "X is a LazyFrame, expected what (validation_data )?X.collect\\(\\) gives$"
    for call in (
        lambda: net.fit(query, "kind"),
        lambda: net.fit(query, np.zeros(ROWS)),
        lambda: net.predict(query),
        lambda: net.fit(table, "kind", validation_data=(query, "kind")),
    ):
        with pytest.raises(TypeError, match=message):
            call()


@pytest.mark.parametrize("kind", MANY)
def test_tables_are_evaluated_as_their_arrays(tmp_path, data, table, kind):
    net = network()
    expected = net.evaluate(*data)
    assert net.evaluate(table, "kind") == net.evaluate(table.to_pandas(), "kind") == expected
    assert net.evaluate(MANY[kind](table, tmp_path), "kind") == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="y is 'none', expected one of the columns of X: a, b, kind"):
        net.evaluate(table, "none")


def test_columns_in_another_order_are_refused(table):
    turned = table.select(["b", "a", "kind", "c", "d", "e"])
    with pytest.raises(ValueError, match="table 1 of X has the columns b, a, .* as in the first table"):
        network().fit([table, turned], "kind")
    for held_out in (turned, [turned]):
        with pytest.raises(ValueError, match="validation_data X has the columns b, a"):
            network().fit(table, "kind", validation_data=(held_out, "kind"))


def test_a_gap_is_refused_with_its_place(table):
    gap = pa.table({**{name: table[name] for name in "abde"}, "c": pa.array([1.0] * 40 + [None] * 110)})
    gap = gap.append_column("kind", table["kind"])
    with pytest.raises(ValueError, match="batch 2 X contains nan at row 8, column 4"):
        network().fit(gap.to_reader(), "kind", batch_size=16)


# ---- larger than memory ----


def row_groups(folder, rng):
    """A Parquet file of 40 row groups, and what they take in memory."""
    pq = pytest.importorskip("pyarrow.parquet")
    rows = 20_000
    X = rng.normal(size=(rows, N_IN))
    whole = pa.table({**dict(zip("abcde", X.T.copy(), strict=True)), "kind": rng.integers(0, N_OUT, rows)})
    pq.write_table(whole, folder / "many.parquet", row_group_size=rows // 40)
    return folder / "many.parquet", whole.nbytes


@pytest.mark.parametrize("kind", ["Parquet file", "data set"])
def test_arrow_keeps_no_row_group_that_has_been_read(tmp_path, rng, kind):
    path, size = row_groups(tmp_path, rng)
    pq, dataset = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow.dataset")
    held = []

    class Look(Callback):
        def on_train_batch_end(self, batch, logs):
            held.append(pa.total_allocated_bytes())

    before = pa.total_allocated_bytes()
    given = pq.ParquetFile(path) if kind == "Parquet file" else dataset.dataset(path)
    network().fit(given, "kind", batch_size=250, callbacks=[Look()])
    assert len(held) == 80 and max(held) - before < size / 3


def test_a_data_set_of_several_files_has_its_partitions_as_columns(tmp_path, data, table):
    dataset = pytest.importorskip("pyarrow.dataset")
    part = pa.array(np.repeat([0, 1], [70, 80]))
    whole = table.drop_columns(["e"]).append_column("part", part)
    schema = pa.schema([("part", pa.int64())])
    dataset.write_dataset(
        whole, tmp_path / "parts", format="parquet", partitioning=dataset.partitioning(schema, flavor="hive")
    )
    given = dataset.dataset(tmp_path / "parts", partitioning="hive")
    assert len(given.files) == 2
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    expected.fit(given.to_table(), "kind", batch_size=16, shuffle=False)
    net.fit(given, "kind", batch_size=16)
    assert_same_bits(net.get_weights(), expected.get_weights())


def test_a_filtered_data_set_is_what_its_filter_leaves(tmp_path, data, table):
    field = pytest.importorskip("pyarrow.compute").field
    given = dataset(table, tmp_path).filter(field("a") > 0)
    expected, net = network(optimizer="adam"), network(optimizer="adam")
    kept = data[0][:, 0] > 0
    expected.fit(data[0][kept], data[1][kept], batch_size=16, shuffle=False)
    net.fit(given, "kind", batch_size=16)
    assert_same_bits(net.get_weights(), expected.get_weights())
