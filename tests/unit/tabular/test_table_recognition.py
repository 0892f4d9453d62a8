"""Which kind a column is, and what is left out with a reason."""

import numpy as np
import pytest

from tables import became, kinds, learned

ROWS = 40
MANY = {"x": np.linspace(0, 1, ROWS) ** 2}


@pytest.mark.parametrize(
    ("column", "note"),
    [
        ([f"name {i}" for i in range(ROWS)], "most of its values are there once, as of names or free text"),
        ([f"name {i // 2 * 2 if i < 10 else i}" for i in range(ROWS)], "most of its values are there once"),
        (list(range(ROWS)), "it numbers the rows"),
        (list(range(1000, 1000 + 2 * ROWS, 2))[::-1], "it numbers the rows"),
        ([7.0] * ROWS, "all its values are 7"),
        (["a"] * ROWS, "all its values are 'a'"),
        ([None] * ROWS, "it has no values"),
        (["?"] * ROWS, "it has no values"),
        (np.full(ROWS, "NaT", "datetime64[us]"), "it has no values"),
        (["2020-01-01"] * ROWS, "all its dates are the same"),
        (1e6 + 4e-9 * np.sin(np.arange(ROWS)), "all its values are 1e+06"),
    ],
)
def test_columns_without_use_are_left_out_with_a_reason(column, note):
    kind, said = became({**MANY, "c": column}, "c")
    assert kind == "left out" and said.startswith(note)
    assert learned({**MANY, "c": column}).names == ["x"]


def test_ids_are_told_from_free_text_and_slips():
    ids, texts = (
        [f"C-{i:03}" for i in range(ROWS)],
        [f"a long story, {i}, {'and so on ' * 9}" for i in range(ROWS)],
    )
    slip = [*map(str, np.linspace(0.5, 9, ROWS - 1)), "abc"]
    table = {**MANY, "id": ids, "text": texts, "number": list(range(ROWS)), "slip": slip}
    columns = {column.name: column for column in learned(table).columns}
    assert {name for name, column in columns.items() if getattr(column, "identifies", False)} == {
        "id",
        "number",
    }
    assert columns["slip"].note.endswith("all but 1 of its 40 different values are numbers, 'abc' is none")


def test_dates_that_are_read_as_words_are_said():
    days = [str(np.datetime64("2024-01-01") + i % 30) for i in range(ROWS)]
    slip = became({**MANY, "c": [*days[1:], "soon"]}, "c")[1]
    assert slip.endswith("all but 1 of its 31 different values are dates, 'soon' is none")
    mixed = [f"{day[8:]}/01/2024" if i % 2 else day for i, day in enumerate(days)]
    assert became({**MANY, "c": mixed}, "c")[1].endswith("dates in several forms: '2024-01-01', '02/01/2024'")
    words = [f"room {i % 25}" for i in range(ROWS)]
    assert became({**MANY, "c": words}, "c") == ("category", "")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["a", "b"] * 20, "category"),
        ([f"town {i // 2}" for i in range(ROWS)], "category"),  # each twice
        ([7.0, None] * 20, "category"),  # whether there is a value
        (["a", None] * 20, "category"),
        (["2024-03-05", None] * 20, "category"),
        (np.array(["2024-03-05", "NaT"] * 20, "datetime64[us]"), "category"),
        (np.arange(ROWS) / 3, "number"),
        (np.arange(ROWS) ** 2, "number"),
        ([0, 1] * 20, "number"),
        ([1e6, 1e6 + 1e-3] * 20, "number"),
    ],
)
def test_columns_of_use_stay(column, kind):
    assert kinds({**MANY, "c": column})["c"] == kind


def long_ids():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    some = [10**17 + i % 3 for i in range(ROWS)]
    gaps = [None, *some[1:]]
    return [
        {"id": some},
        {"id": gaps},
        {"id": [*map(str, some)]},
        [{"id": value} for value in some],
        pd.DataFrame({"id": some}),
        pd.DataFrame({"id": some}).astype(object),
        pd.DataFrame({"id": some}).astype("category"),
        pd.DataFrame({"id": pd.array(gaps, dtype="Int64")}),
        pd.DataFrame({"id": pd.array(gaps, dtype="int64[pyarrow]")}),
        pl.DataFrame({"id": some}),
        pl.DataFrame({"id": gaps}),
        pa.table({"id": some}),
        pa.table({"id": gaps}),
    ]


def test_ids_of_more_digits_than_floats_have_are_told_apart():
    """In tables of all kinds, and whatever holds them later."""
    tables = long_ids()
    for X in tables:
        column = learned(X).columns[0]
        assert column.values == tuple(str(10**17 + i) for i in range(3)), type(X)
        for other in tables:
            found = learned(X).transform(other)[1:]
            assert np.array_equal(found, learned(X).transform(X)[1:])
        (row,) = learned(X).row({"id": 10**17 + 1})
        assert np.array_equal(row, learned(X).transform({"id": [str(10**17 + 1)]})[0])
    ids = [10**17 + i for i in range(ROWS)]
    (column,) = (each for each in learned({**MANY, "id": ids}).columns if each.name == "id")
    assert column.identifies and column.note.startswith("most of its values are there once")


def test_long_numbers_that_floats_tell_apart_are_numbers():
    nanoseconds = np.arange(ROWS) ** 2 * 10**9 + 1_700_000_000_000_000_000
    encoder = learned({"t": nanoseconds})
    assert encoder.columns[0].kind == "number"
    floats = {"t": nanoseconds.astype(float)}
    assert np.array_equal(encoder.transform(floats), encoder.transform({"t": nanoseconds}))


def test_ids_stay_where_they_are_asked_for():
    table = {**MANY, "id": [f"name {i}" for i in range(ROWS)], "n": list(range(ROWS))}
    assert kinds(table, features=["x", "n"]) == {"x": "number", "n": "number", "id": "left out"}
    assert kinds(table, features=["id"])["id"] == "category"
    assert kinds(table, drop=["x"], features=["x", "n"])["x"] == "left out"


def test_arrays_keep_what_numbers_their_rows():
    """Nobody has named it; and a time series has such a column."""
    assert kinds(np.arange(2.0 * ROWS).reshape(ROWS, 2)) == {"x0": "number", "x1": "number"}


def test_few_rows_tell_nothing_of_ids():
    assert kinds({"x": [1, 2, 3, 4], "w": ["a", "b", "c", "d"]}) == {"x": "number", "w": "category"}


@pytest.mark.parametrize("argument", ["features", "drop"])
def test_unknown_names(argument):
    with pytest.raises(ValueError, match=f"{argument} names the column 'z', expected one of 'x'"):
        learned(MANY, **{argument: ["z"]})


def test_nothing_left():
    with pytest.raises(ValueError, match="X has no column to learn from .'c': all its values are 1"):
        learned({"c": [1.0, 1.0]})
    with pytest.raises(ValueError, match="no column is left by features and drop"):
        learned(MANY, drop=["x"])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinities_are_refused_with_row_and_column(value):
    with pytest.raises(ValueError, match=f"row 2, column 'b': {value} is infinite"):
        learned({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, value]})
    with pytest.raises(ValueError, match="row 1, column 'x'"):
        learned(MANY).transform({"x": [1.0, value]})
    with pytest.raises(ValueError, match="row 1, column 'b': inf is infinite"):
        learned({"b": ["1", "inf", "2"]})
