"""A dictionary of single values is read as the table of one row that it is, by a way of its own."""

import pickle

import numpy as np
import pytest

from fastmlp.tabular import TabularClassifier, TabularRegressor
from learned import QUICK, QUICK_NUMBERS, table
from tables import learned


def wide(rows=160):
    X, labels, numbers = table(rows)
    rng = np.random.default_rng(1)
    X["day"] = np.datetime64("2024-01-01") + np.arange(rows)
    X["town"] = np.array([f"t{i}" for i in rng.integers(0, 15, rows)])
    X["level"] = rng.choice(["1", "2", "3.5", "more"], rows)
    X["big"] = rng.gamma(0.3, 1e5, rows)
    X["id"] = [f"row {i}" for i in range(rows)]
    X["day"] = X["day"].astype(str)
    return X, labels, numbers


def rows_of(X):
    return [{name: np.asarray(values)[i].item() for name, values in X.items()} for i in range(160)]


ODD = [
    {"size": None, "colour": None, "town": None, "big": None, "day": None},
    {"size": float("nan"), "colour": "nan", "flag": " True ", "town": "nowhere"},
    {"size": 3, "big": 10**30, "level": 2, "flag": "False"},
    {"size": "1.5", "level": 3.5, "town": 7, "colour": " red", "id": None},
    {"size": -1e100, "level": True, "flag": None},
]


def test_rows_are_those_of_the_table():
    X, _, _ = wide()
    encoder = learned(X)
    rows = rows_of(X)
    for row in [*rows, *({**rows[i], **odd} for i, odd in enumerate(ODD))]:
        found = encoder.row(row)
        assert found.dtype == np.float32 and np.array_equal(found, encoder.transform([row])), row
    moved = dict(reversed(rows[3].items()))
    assert np.array_equal(encoder.row({**moved, "more": 1}), encoder.transform([rows[3]]))


def test_what_is_no_row_of_single_values_is_left_to_the_table():
    X, labels, _ = wide()
    encoder, row = learned(X), rows_of(X)[0]
    assert encoder.row({**row, "size": [1.0]}) is None and encoder.row({**row, "size": np.float64(1)}) is None
    assert encoder.row({name: value for name, value in row.items() if name != "town"}) is None
    model = TabularClassifier(QUICK, random_state=0)
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(row)
    model.fit(X, labels)
    for wrong, words in (({"size": "a lot"}, "'a lot' is no number"), ({"size": float("inf")}, "infinite")):
        with pytest.raises(ValueError, match=f"row 0, column 'size': .*{words}|.*{words}"):
            model.predict({**row, **wrong})
    with pytest.raises(ValueError, match="X lacks the column 'town'"):
        model.predict({name: value for name, value in row.items() if name != "town"})


def test_predictions_have_the_same_bits():
    X, labels, numbers = wide()
    recipe = QUICK.replace(views=("plain", "quantiles", "periodic"))
    model = TabularClassifier(recipe, random_state=0).fit(X, labels)
    regressor = TabularRegressor(QUICK_NUMBERS, random_state=0).fit(X, numbers)
    for row in rows_of(X)[:20]:
        assert np.array_equal(model.predict_proba(row), model.predict_proba([row]))
        assert np.array_equal(model.predict(row), model.predict([row]))
        assert np.array_equal(regressor.predict(row), regressor.predict([row]))
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(row), model.predict_proba(row))
