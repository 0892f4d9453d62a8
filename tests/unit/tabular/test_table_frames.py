"""Tables of every kind are read as the same columns."""

import datetime
import decimal

import numpy as np
import pytest

from fastmlp.tabular import frames

NUMBERS, WORDS, FLAGS = [1.0, None, 3.0], ["x", None, "y"], [True, False, None]
DAYS = [datetime.date(2020, 1, 1), None, datetime.date(2020, 3, 1)]


def pandas_frame():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"n": NUMBERS, "w": WORDS, "f": FLAGS, "d": pd.to_datetime(DAYS)})


def pandas_own_types():
    pd = pytest.importorskip("pandas")
    return pandas_frame().assign(
        n=pd.array([1, None, 3], dtype="Int64"),
        w=pd.array(WORDS, dtype="string"),
        f=pd.array(FLAGS, dtype="boolean"),
    )


def pandas_types_of_arrow():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    table = pd.DataFrame({"n": NUMBERS, "w": WORDS, "f": FLAGS}).convert_dtypes(dtype_backend="pyarrow")
    return table.assign(d=pd.array(DAYS, dtype=pd.ArrowDtype(pa.date32())))


def polars_frame():
    pl = pytest.importorskip("polars")
    return pl.DataFrame({"n": NUMBERS, "w": WORDS, "f": FLAGS, "d": DAYS})


def arrow_table():
    pa = pytest.importorskip("pyarrow")
    return pa.table({"n": NUMBERS, "w": WORDS, "f": FLAGS, "d": DAYS})


def records():
    rows = zip(NUMBERS, [word or "" for word in WORDS], FLAGS, DAYS, strict=True)
    rows = [(np.nan if number is None else number, *row) for number, *row in rows]
    return np.array(rows, [("n", "f4"), ("w", "U1"), ("f", object), ("d", "M8[D]")])


def mapping():
    return {"n": NUMBERS, "w": WORDS, "f": FLAGS, "d": DAYS}


def rows():
    named = zip(NUMBERS, WORDS, FLAGS, DAYS, strict=True)
    return [dict(zip("nwfd", row, strict=True)) for row in named]


@pytest.mark.parametrize(
    "make",
    [
        pandas_frame,
        pandas_own_types,
        pandas_types_of_arrow,
        polars_frame,
        arrow_table,
        records,
        mapping,
        rows,
    ],
    ids=lambda make: make.__name__,
)
def test_every_kind_of_table_gives_the_same_columns(make):
    frame = frames.read(make())
    assert frame.names == ["n", "w", "f", "d"] and len(frame) == 3 and frame.named
    n, w, f, d = frame.columns.values()
    assert n.dtype == np.float64 and n[0] == 1 and np.isnan(n[1]) and n[2] == 3
    assert [word or None for word in w] == ["x", None, "y"]
    assert f.tolist() == ["True", "False", None]
    assert d.dtype == "datetime64[us]" and np.isnat(d[1]) and d[2] == np.datetime64("2020-03-01")


def test_arrays_have_names_by_place():
    frame = frames.read(np.arange(6).reshape(3, 2))
    assert frame.names == ["x0", "x1"] and not frame.named
    assert frame.columns["x1"].tolist() == [1.0, 3.0, 5.0]


def test_lists_of_words_and_numbers_keep_the_numbers():
    frame = frames.read([[1, "a"], [2.5, "b"]])
    assert frame.columns["x0"].tolist() == [1.0, 2.5] and frame.columns["x1"].tolist() == ["a", "b"]


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    frame = frames.read(sparse.csr_matrix([[0.0, 2.0], [1.0, 0.0]]))
    assert frame.columns["x1"].tolist() == [2.0, 0.0]


def test_one_mapping_of_values_is_one_row():
    frame = frames.read({"n": 1, "w": "x"})
    assert len(frame) == 1 and frame.columns["n"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ([decimal.Decimal("1.5"), None], [1.5, None]),
        ([datetime.timedelta(minutes=1), datetime.timedelta(0)], [60.0, 0.0]),
        (np.array([1, "NaT"], "timedelta64[h]"), [3600.0, None]),
        ([np.timedelta64(1, "h"), np.timedelta64("NaT", "h"), None], [3600.0, None, None]),
        ([np.timedelta64(1, "ms"), datetime.timedelta(hours=2)], [0.001, 7200.0]),
        ([np.timedelta64(1, "h"), 1], ["1 hours", "1"]),
        ([3, "a", 3.0, b" b "], ["3", "a", "3", "b"]),
        ([True, 1], ["True", "1"]),
    ],
)
def test_values_of_a_column(values, seen):
    column = frames.read({"x": values}).columns["x"].tolist()
    assert [None if value != value else value for value in column] == seen


@pytest.mark.parametrize(
    ("values", "mask"),
    [
        ([1.0, -999.0, 3.0], [False, True, False]),
        ([1, -999, 3], [False, True, False]),
        (["x", "?", "y"], [False, True, False]),
        ([True, False, False], [False, False, True]),
        (np.array(["2020-01-01", "1900-01-01", "2020-03-01"], "datetime64[ns]"), [False, True, False]),
        (np.array([1, 2, 3], "timedelta64[s]"), [False, True, False]),
        ([1, 2, 3], [False] * 3),
    ],
)
def test_masked_cells_are_gaps(values, mask):
    column = np.ma.masked_array(values, mask)
    expected = [None if hidden else value for value, hidden in zip(np.asarray(values), mask, strict=True)]
    expected = frames.read({"x": expected}).columns["x"]
    for table in ({"x": column}, column.reshape(-1, 1)):
        (found,) = frames.read(table).columns.values()
        assert type(found) is np.ndarray and found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_times_and_zones():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    moments = frames.read({"x": [datetime.datetime(2020, 1, 1, 12, tzinfo=zone)] * 2}).columns["x"]
    assert moments[0] == np.datetime64("2020-01-01T10:00")
    days = [np.datetime64("2020-01-01", "ns"), None, datetime.date(2020, 1, 2), np.datetime64("NaT", "us")]
    expected = np.array(["2020-01-01", "NaT", "2020-01-02", "NaT"], "datetime64[us]")
    np.testing.assert_array_equal(frames.read({"x": days}).columns["x"], expected)
    hours = frames.read({"x": [datetime.time(6, 30), datetime.time(7)]}).columns["x"]
    assert hours[1] - hours[0] == np.timedelta64(30, "m")


def test_zones_and_periods_of_pandas():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(
        {
            "z": pd.date_range("2020-07-01 12:00", periods=2, tz="Europe/Berlin"),
            "p": pd.period_range("2020-01", periods=2, freq="M"),
        }
    )
    frame = frames.read(table)
    assert frame.columns["z"][0] == np.datetime64("2020-07-01T10:00")
    assert frame.columns["p"][1] == np.datetime64("2020-02-01")


def test_owners_categories_are_marked():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for table in (
        pd.DataFrame({"c": pd.Categorical([1, 2]), "n": [1, 2]}),
        pl.DataFrame({"c": pl.Series(["1", "2"], dtype=pl.Categorical), "n": [1, 2]}),
    ):
        assert frames.read(table).marked == {"c"}
        assert frames.read(table).columns["c"].tolist() in ([1.0, 2.0], ["1", "2"])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.zeros(3), r"X has shape \(3,\), expected \(rows, columns\); one row is X\[None\]"),
        ({}, "X has no columns"),
        ({"a": [1, 2], "b": [1]}, "column 'b' of X has 1 rows, expected 2 as in 'a'"),
        ([{"a": 1}, {"b": 1}], "row 1 of X differs from row 0 in 'a'"),
        (np.zeros((2, 1), complex), "complex"),
        ("table.csv", "X is a str, expected a table$"),
        ((row for row in [{"a": 1}]), "X is a generator, expected a table$"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table(table, words):
    with pytest.raises((ValueError, TypeError), match=words):
        frames.read(table)


def test_names_there_twice():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="X has the column 'a' more than once"):
        frames.read(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_whole_numbers_beyond_the_largest_float_are_infinite():
    assert frames.read({"x": [10**400, -(10**400), 1]}).columns["x"].tolist() == [np.inf, -np.inf, 1.0]


def test_a_lazy_frame_is_to_be_collected():
    pl = pytest.importorskip("polars")
    lazy = pl.DataFrame({"a": [1]}).lazy()
    with pytest.raises(TypeError, match=r"X is a LazyFrame, expected a table; X.collect\(\) is one"):
        frames.read(lazy)
