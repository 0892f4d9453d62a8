"""A dictionary of single values is read as the table of one row that it is, by a way of its own."""

import copy
import dataclasses
import datetime
import pickle

import numpy as np
import pytest
import sklearn.exceptions

from fastmlp.tabular import TabularClassifier, TabularRegressor, calibration, frames
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
PLAIN = [
    *({name: None} for name in ("size", "colour", "flag", "day", "town", "level", "big")),
    {"size": float("nan"), "level": float("nan"), "town": float("nan")},
    {"size": 3, "big": -(2**53), "level": 2, "town": 7, "flag": 1},
    {"size": "1.5", "big": " ? ", "level": 3.5, "day": "NA", "flag": " True "},
    {"size": np.float64(1.5), "big": np.int64(7), "level": np.float32(3.5), "flag": np.True_},
    {"size": np.float64("nan"), "town": np.str_(" t3"), "colour": np.str_("red")},
    {"day": datetime.date(2023, 12, 31)},
    {"day": datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)},
    {"day": " 1901-07-03 "},
]


def test_rows_are_those_of_the_table():
    X, _, _ = wide()
    encoder = learned(X)
    rows = rows_of(X)
    for row in [*rows, *({**rows[i], **odd} for i, odd in enumerate([*ODD, *PLAIN]))]:
        found = encoder.row(row)
        assert found.dtype == np.float32 and np.array_equal(found, encoder.transform([row])), row
    moved = dict(reversed(rows[3].items()))
    assert np.array_equal(encoder.row({**moved, "more": 1}), encoder.transform([rows[3]]))


def test_no_plain_value_makes_a_frame(monkeypatch):
    """Which takes twenty times as long: neither gaps, whole numbers, words nor dates."""
    X, _, _ = wide()
    encoder = learned(X)
    rows = [{**rows_of(X)[i], **odd} for i, odd in enumerate(PLAIN)]
    expected = [encoder.transform([row]) for row in rows]
    monkeypatch.delattr(frames, "as_column")
    for row, found in zip(rows, expected, strict=True):
        assert np.array_equal(encoder.row(row), found), row


@pytest.mark.parametrize("kind", ["datetime64[us]", "datetime64[D]", "pandas"])
def test_rows_of_moments_are_those_of_the_table(kind):
    moments = np.datetime64("1999-12-30T22:10:05", "s") + np.arange(0, 7 * 10**8, 10**6 + 977)
    moments = moments.astype("datetime64[D]") if kind == "datetime64[D]" else moments
    moments = moments.astype("datetime64[us]")
    encoder = learned({"when": moments, "n": np.arange(len(moments)) % 7.0})
    table = encoder.transform({"when": moments, "n": np.zeros(len(moments))})
    values = moments.tolist()
    if kind == "pandas":
        values = [*pytest.importorskip("pandas").DatetimeIndex(moments)]
    found = [encoder.row({"when": value, "n": 0.0}) for value in values]
    assert np.array_equal(np.vstack(found), table)


def test_what_is_no_row_of_single_values_is_left_to_the_table():
    X, labels, _ = wide()
    encoder, row = learned(X), rows_of(X)[0]
    assert encoder.row({**row, "size": [1.0]}) is None and encoder.row({**row, "size": 1 + 0j}) is None
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


@pytest.mark.parametrize("view", ["plain", "quantiles", "periodic"])
@pytest.mark.parametrize("members", [1, 3])
def test_one_row_is_predicted_as_among_others(view, members):
    X, labels, numbers = wide()
    for recipe, kind, y in ((QUICK, TabularClassifier, labels), (QUICK_NUMBERS, TabularRegressor, numbers)):
        short = recipe.replace(views=(view, "plain"), members=members, parametric=0.0, epochs=2)
        ensemble = kind(short, random_state=0).fit(X, y).ensemble_
        rows = ensemble.encoder.transform(X)[:9]
        for each in (ensemble, dataclasses.replace(ensemble, temperature=1.7), copy.deepcopy(ensemble)):
            together = each.predict_encoded(rows)
            alone = np.vstack([each.predict_encoded(rows[i : i + 1]) for i in range(9)])
            assert together.std() > 0 and np.array_equal(alone, together)
            assert np.array_equal(each._of_row(rows[:1]), together[:1])


def test_many_classes_and_rows_of_another_kind_take_the_longer_way():
    rng = np.random.default_rng(0)
    X = {"x": rng.normal(size=600), "y": rng.normal(size=600)}
    model = TabularClassifier(QUICK.replace(epochs=1), random_state=0).fit(X, np.arange(600) % 300)
    row = {"x": 0.5, "y": -0.25}
    assert model.ensemble_._of_row is None
    assert np.array_equal(model.predict_proba(row), model.predict_proba([row]))
    model = TabularRegressor(QUICK_NUMBERS.replace(epochs=1), random_state=0).fit(X, X["x"])
    matrix = model.ensemble_.encoder.transform([row])
    for other in (matrix.astype(np.float64), np.asfortranarray(np.vstack([matrix] * 2))[:1], matrix[:, :1]):
        assert model.ensemble_._of_row(other) is None
    assert np.array_equal(
        model.ensemble_.predict_encoded(matrix.astype(np.float64)), model.predict([row])[:, None]
    )


def test_temperature_is_the_softmax_of_what_is_divided():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    p[0] = [1, 0, 0, 0, 0]
    for temperature in (0.3, 1.0, 2.5):
        powers = np.maximum(p, 1e-12).astype(np.longdouble) ** (1 / np.longdouble(temperature))
        expected = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float64)
        np.testing.assert_allclose(calibration.tempered(p, temperature), expected, rtol=1e-13)
        assert np.array_equal(
            calibration.tempered(p, temperature)[7:8], calibration.tempered(p[7:8], temperature)
        )


@pytest.mark.parametrize("classes", [2, 4])
def test_temperatures_are_those_of_half_a_row_more_that_is_wrong(classes):
    rng = np.random.default_rng(classes)
    p = rng.dirichlet(np.full(classes, 0.3), 30)
    weights = rng.integers(0, 4, 30).astype(float)
    truth = np.where(rng.random(30) < 0.8, p.argmax(axis=1), rng.integers(0, classes, 30))
    for w in (np.ones(30), weights):
        wrong = 0.5 / (w.sum() ** 2 / (w**2).sum() + 1)
        target = np.where(np.eye(classes)[truth] == 1, 1 - wrong, wrong / (classes - 1))
        grid = 2 ** np.linspace(-3, 3, 1201)
        losses = [-w @ (target * np.log(calibration.tempered(p, T))).sum(axis=1) for T in grid]
        assert calibration.temperature(p, truth, w) == pytest.approx(grid[np.argmin(losses)], rel=0.01)


def test_few_rows_that_are_all_right_are_no_reason_for_certainty():
    p = np.full((20, 2), [0.1, 0.9])
    truth = np.ones(20, int)
    found = calibration.tempered(p, calibration.temperature(p, truth))
    assert found[:, 0] == pytest.approx(0.5 / 21, rel=0.01)


@pytest.mark.parametrize("rows", [1, 160])
def test_prepared_rows_have_the_predictions_of_their_table(rows):
    X, labels, numbers = wide()
    given = {name: values[:rows] for name, values in X.items()}
    model = TabularClassifier(QUICK, random_state=0).fit(X, labels)
    prepared = model.prepare(given)
    assert (model.predict_proba(prepared) == model.predict_proba(given)).all()
    assert (model.predict(prepared) == model.predict(given)).all()
    other = TabularRegressor(QUICK_NUMBERS, random_state=0).fit(X, numbers)
    ready = other.prepare(given)
    other.conformalize(X, numbers)  # which leaves them as they are
    assert (other.predict(ready) == other.predict(given)).all()
    assert (other.predict_interval(ready) == other.predict_interval(given)).all()
    with pytest.raises(ValueError, match="X has rows that another estimator has prepared"):
        other.predict(prepared)
    with pytest.raises(ValueError, match="X lacks the column"):
        model.prepare({name: values for name, values in given.items() if name != "town"})


def test_rows_are_prepared_by_what_has_been_fitted():
    with pytest.raises(sklearn.exceptions.NotFittedError):
        TabularClassifier().prepare({"x": [1.0]})
