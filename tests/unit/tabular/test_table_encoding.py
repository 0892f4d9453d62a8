"""The matrix that a network is given, and tables that are not those of training."""

import json

import numpy as np
import pytest

from fastmlp.tabular.encoding import Scaling, TableEncoder
from tables import learned

TABLE = {
    "n": [1.0, 2.0, None, 4.0, 100.0],
    "c": ["u", "v", "w", None, "u"],
    "two": ["yes", "no", "yes", None, "no"],
    "d": ["2020-01-01", "2020-06-01", "2021-01-01", None, "2020-03-01"],
    "id": ["only", "only", "only", "only", "only"],
}


def test_columns_of_the_matrix():
    encoder = learned(TABLE)
    assert encoder.names == [
        "n", "d (year)", "d (season, cos)", "d (season, sin)", "d (weekday, cos)", "d (weekday, sin)",
        "n (gap)", "c = u", "c = v", "c = w", "two = no", "d (gap)",
    ]  # fmt: skip
    assert encoder.number_count == 6
    matrix = encoder.transform(TABLE)
    assert matrix.dtype == np.float32 and matrix.shape == (5, 12) and np.isfinite(matrix).all()
    raw = [
        [0, 0, 1, 0, 0],
        [1, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0],
        [-1, 1, -1, 0, 1],
        [0, 0, 0, 1, 0],
    ]  # fmt: skip
    centers, spreads = [0, 0, 0, 0, 0, 0], [0.5, 1, 0.5, 0.5, 2, 0.5]
    for column, (values, center, spread) in enumerate(zip(raw, centers, spreads, strict=True), start=6):
        z = (np.array(values) - center) / spread
        assert matrix[:, column] == pytest.approx(z / np.sqrt(1 + (z / 3) ** 2), rel=1e-6)


def test_scaling_against_its_formula():
    x = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    z = (x - 3) / 2
    assert Scaling.learn(x[:, None])(x[:, None])[:, 0] == pytest.approx(z / np.sqrt(1 + z**2 / 9), rel=1e-15)
    spike = np.array([5.0] * 9 + [9.0])  # the middle half is one number: half the range
    z = (spike - 5) / 2
    for almost in (spike, spike + np.spacing(5.0) * np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])):
        scaled = Scaling.learn(almost[:, None])(almost[:, None])[:, 0]
        assert scaled == pytest.approx(z / np.sqrt(1 + z**2 / 9))
    assert Scaling.learn(np.full((3, 1), 2.0))(np.array([[7.0]])).tolist() == [[0.0]]


def test_a_gap_is_the_median():
    encoder = learned(TABLE)
    assert encoder.columns[0].median == 3.0
    assert encoder.transform(TABLE)[2, 0] == 0


def test_gaps_where_training_had_none():
    encoder = learned({"n": [1.0, 2.0, 4.0], "c": ["a", "b", "c"]})
    assert encoder.transform({"n": [None], "c": [None]}).tolist() == [[0, 0, 0, 0]]


def test_large_categories_are_codes_of_an_embedding():
    values = [f"v{i}" for i in range(10)]
    encoder = learned({"big": values * 3, "n": list(range(7)) * 4 + [9, 9]})
    assert [column.name for column in encoder.embedded] == ["big"]
    assert encoder.embedded[0].size == 11
    rows = {"big": ["v9", "v0", "never seen", None], "n": [0] * 4}
    assert encoder.transform(rows)[:, -1].tolist() == [10, 1, 0, 0]
    assert encoder.names[-1] == "big"


def test_unknown_values_are_zeros():
    encoder = learned(TABLE)
    row = {name: [values[0]] for name, values in TABLE.items()}
    assert encoder.transform({**row, "c": ["z"], "two": ["?"]})[0, 7:11].tolist() == [0, 0, 0, 0]


def test_moved_columns_are_put_in_order():
    encoder = learned(TABLE)
    moved = {name: TABLE[name] for name in reversed(TABLE)}
    assert np.array_equal(encoder.transform(moved), encoder.transform(TABLE))
    more = {"extra": [0] * 5, **TABLE}
    assert np.array_equal(encoder.transform(more), encoder.transform(TABLE))


def test_missing_columns_are_named():
    table = {name: values for name, values in TABLE.items() if name not in ("n", "two")}
    with pytest.raises(ValueError, match="X lacks the columns 'n', 'two', expected the columns of training"):
        learned(TABLE).transform(table)
    with pytest.raises(ValueError, match="it has the column 'N', which training did not have"):
        learned(TABLE).transform({**table, "N": [1] * 5, "two": TABLE["two"]})


def test_columns_left_out_may_be_missing():
    encoder = learned(TABLE)
    rest = {name: values for name, values in TABLE.items() if name != "id"}
    assert np.array_equal(encoder.transform(rest), encoder.transform(TABLE))


def test_arrays_go_by_place():
    encoder = learned({"a": [1.0, 2.0, 4.0], "b": [3.0, 5.0, 9.0]})
    named = encoder.transform({"b": [3.0], "a": [2.0]})
    assert np.array_equal(encoder.transform(np.array([[2.0, 3.0]])), named)
    with pytest.raises(ValueError, match="X has 1 columns, expected 2 as in training"):
        encoder.transform(np.ones((1, 1)))


def test_dtypes_may_differ_between_training_and_prediction():
    """A category of numbers stays one, whatever holds its values later."""
    pd = pytest.importorskip("pandas")
    encoder = learned(pd.DataFrame({"c": pd.Categorical([1, 2, 3, 1])}))
    expected = encoder.transform({"c": ["1", "3"]}).tolist()
    assert expected[0] != expected[1]
    for column in (
        pd.Categorical([1, 3]),
        pd.Categorical(["1", "3"]),
        np.array([1, 3], np.int8),
        [1.0, 3.0],
        pd.Categorical([1, 3], categories=[3, 2, 1]),
    ):
        assert encoder.transform(pd.DataFrame({"c": column})).tolist() == expected


@pytest.mark.parametrize("spelled", [(True, False), ("true", "false"), ("TRUE", "FALSE"), ("True", "False")])
def test_booleans_are_one_however_they_are_written(spelled):
    """A file that one program wrote is predicted from another's, or from a frame that pandas read."""
    encoder = learned({"n": [1.0, 2.0, 4.0], "flag": [spelled[0], spelled[1], spelled[0]]})
    yes, no = encoder.transform({"n": [1.0, 1.0], "flag": list(spelled)}).tolist()
    assert yes != no
    for other in ((True, False), ("true", "false"), ("TRUE", "FALSE"), (1, 0), (1.0, 0.0), ("1", "0")):
        assert encoder.transform({"n": [1.0, 1.0], "flag": list(other)}).tolist() == [yes, no]
        for value, expected in zip(other, (yes, no), strict=True):
            assert encoder.row({"n": 1.0, "flag": value}).tolist() == [expected]
    assert (
        encoder.transform({"n": [1.0], "flag": ["yes"]}).tolist()
        == encoder.transform({"n": [1.0], "flag": [None]}).tolist()
    )


def test_spellings_stay_apart_beside_other_words():
    encoder = learned({"flag": ["TRUE", "true", "False", "x"] * 3})
    codes = encoder.transform({"flag": ["TRUE", "true", "True", "False", "0"]}).tolist()
    assert codes[0] != codes[1] and codes[2] == codes[4]  # with another word they are words


def test_booleans_in_several_spellings_are_two_values():
    """As pandas reads them, of a file that two programs wrote."""
    encoder = learned({"flag": ["TRUE", "true", "True", "False", "FALSE", None] * 3})
    assert encoder.columns[0].values == ("False", "True")
    codes = encoder.transform({"flag": ["TRUE", "true", "True", "1", "false", "0"]}).tolist()
    assert codes[0] == codes[1] == codes[2] == codes[3] != codes[4] == codes[5]


def test_numbers_may_come_as_words():
    encoder = learned({"n": [1.0, 2.0, 4.0], "w": ["1", "2", "4"]})
    assert encoder.transform({"n": ["2"], "w": [2]}).tolist() == [[0, 0]]


@pytest.mark.parametrize("gap", [np.nan, np.datetime64("NaT", "us"), None, ""], ids=str)
@pytest.mark.parametrize("name", ["n", "d", "c"])
def test_a_column_of_gaps_alone_has_whatever_type(name, gap):
    """As pandas makes floats of empty cells."""
    table = {"n": [1.0, 2.0, 4.0], "d": ["2024-01-01", "2024-05-01", "2025-01-01"], "c": ["a", "b", "c"]}
    encoder = learned(table)
    expected = encoder.transform({**table, name: [None] * 3})
    assert np.array_equal(encoder.transform({**table, name: np.array([gap] * 3)}), expected)
    row = {each: values[0] for each, values in table.items()}
    assert np.array_equal(encoder.transform({**row, name: gap}), expected[:1])


def test_the_first_cell_that_is_no_gap_is_named():
    encoder = learned({"n": [1.0, 2.0, 4.0], "d": ["2024-01-01", "2024-05-01", "2025-01-01"]})
    with pytest.raises(ValueError, match="row 1, column 'd': 3.0 is a number"):
        encoder.transform({"n": [1.0, 1.0], "d": [np.nan, 3.0]})
    with pytest.raises(ValueError, match="row 1, column 'n': '2024-.*' is a date"):
        encoder.transform({"n": np.array(["NaT", "2024-01-01"], "M8[D]"), "d": [None, None]})


@pytest.mark.parametrize(
    ("name", "cell", "words"),
    [
        ("n", "many", "row 0, column 'n': 'many' is no number"),
        ("n", np.datetime64("2020-01-01"), "column 'n': .* is a date, expected a number"),
        ("d", "soon", "row 0, column 'd': 'soon' is no date"),
        ("d", 3.5, "column 'd': 3.5 is a number, expected a date"),
    ],
)
def test_cells_of_another_kind_are_refused_with_their_place(name, cell, words):
    row = {column: [values[0]] for column, values in TABLE.items()}
    with pytest.raises(ValueError, match=words):
        learned(TABLE).transform({**row, name: np.array([cell])})


def test_a_description_in_json_is_the_encoder():
    big = {**TABLE, "k": [f"v{i}" for i in range(5)]}
    encoder = learned(big, one_hot_up_to=4, features=[*big])
    again = TableEncoder.from_config(json.loads(json.dumps(encoder.to_config(), allow_nan=False)))
    assert again.report() == encoder.report() and again.names == encoder.names
    assert np.array_equal(again.transform(big), encoder.transform(big))


def test_one_row_has_the_bits_that_it_has_among_others():
    encoder = learned(TABLE)
    whole = encoder.transform(TABLE)
    for i in range(5):
        row = {name: values[i] for name, values in TABLE.items()}
        assert np.array_equal(encoder.transform(row)[0], whole[i])


def test_a_number_far_away_is_at_the_end_of_its_side():
    """Neither its square nor its distance from the median, which are infinite, makes it the median."""
    far = [1e155, -1e155, 1.7e308, -1.7e308, 1e17]
    x = np.array([-1.0, 0.0, 1.0, 2.0, -1.7e308])
    scaling = Scaling.learn(x[:, None])
    assert scaling(np.array(far)[:, None])[:, 0].tolist() == [3.0, -3.0, 3.0, -3.0, 3.0]
    encoder = learned({"x": x[:4].tolist()})
    rows = [encoder.row({"x": value})[0, 0].item() for value in far]
    assert rows == encoder.transform({"x": far})[:, 0].tolist() == [3.0, -3.0, 3.0, -3.0, 3.0]
