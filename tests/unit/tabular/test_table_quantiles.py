"""Quantiles and intervals of predictions: how often the truth is within, and what they refuse."""

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes

from fastmlp import ModelFileError
from fastmlp.tabular import TabularRegressor, conformal, load
from learned import QUICK_NUMBERS, part, table

LEVELS = np.array([0.05, 0.2, 0.5, 0.8, 0.95])
FIVE = QUICK_NUMBERS.replace(views=("plain",) * 5)  # every row is held out once


def regressor(recipe=QUICK_NUMBERS):
    return TabularRegressor(recipe, random_state=0)


def growing_noise(rows, seed):
    """A line whose noise grows from 0.1 to 2.1."""
    rng = np.random.default_rng(seed)
    x = rng.random(rows)
    return {"x": x}, 3 * x + (0.1 + 2 * x) * rng.normal(size=rows)


@pytest.mark.parametrize("n", [1, 2, 9, 10, 19, 30])
def test_offsets_hold_for_every_n(n):
    """Each of n + 1 residuals may be the new row's: counted over all of them, the theorem is exact."""
    values = np.random.default_rng(n).normal(size=n + 1)
    levels = np.arange(1, n + 1) / (n + 1)
    levels = np.unique([*levels, *(levels + 0.3 / (n + 1))[:-1], 0.5])
    rest = [np.sort(np.delete(values, i))[:, None] for i in range(n + 1)]
    found = np.concatenate([conformal.offsets(each, levels) for each in rest])
    at_most = (values[:, None] <= found).sum(axis=0)
    shares = np.round(levels * (n + 1), 6)
    assert (at_most == np.ceil(shares))[levels > 0.5].all()
    assert (at_most == np.floor(shares))[levels < 0.5].all()
    middle = levels.tolist().index(0.5)
    assert found[:, middle] == pytest.approx([np.median(np.delete(values, i)) for i in range(n + 1)])
    assert (np.diff(found, axis=1) >= 0).all()


def test_rows_of_their_own_cover_as_often_as_they_should():
    """Coverage given n residuals is Beta(k, n + 1 - k) for the k-th (Vovk 2012)."""
    model = regressor().fit(*growing_noise(200, 0)).conformalize(*growing_noise(499, 1))
    X, y = growing_noise(20000, 2)
    quantiles = model.predict_quantiles(X, LEVELS)
    below = (y[:, None] <= quantiles).mean(axis=0)
    for level, share in zip(LEVELS, below, strict=True):
        low, high = stats.beta(500 * level, 500 * (1 - level)).ppf([1e-4, 1 - 1e-4])
        assert low - 0.01 < share < high + 0.01
    interval = model.predict_interval(X, 0.9)
    assert np.array_equal(interval, model.predict_quantiles(X, [0.05, 0.95]))


@pytest.mark.parametrize("recipe", [QUICK_NUMBERS, FIVE], ids=["one net", "five"])
def test_held_out_rows_of_fit_cover(recipe):
    model = regressor(recipe).fit(*growing_noise(800, 0))
    X, y = growing_noise(4000, 2)
    for coverage in (0.5, 0.8, 0.9):
        low, high = model.predict_interval(X, coverage).T
        assert ((low <= y) & (y <= high)).mean() == pytest.approx(coverage, abs=0.06)


def test_a_real_table():
    X, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    first, rest = order[:300], order[300:]
    model = regressor(FIVE).fit(X[first], y[first])
    low, high = model.predict_interval(X[rest], 0.8).T
    assert ((low <= y[rest]) & (y[rest] <= high)).mean() == pytest.approx(0.8, abs=0.1)
    assert (high - low).max() < np.ptp(y[first])  # narrower than to know nothing


def test_quantiles_of_any_order_never_cross():
    X, _, y = table()
    levels = np.random.default_rng(0).uniform(0.05, 0.95, 40)
    quantiles = regressor().fit(X, y).predict_quantiles(X, levels)
    assert quantiles.shape == (160, 40) and (np.diff(quantiles[:, np.argsort(levels)], axis=1) >= 0).all()


def test_several_targets_and_one_level():
    X, _, y = table()
    model = regressor().fit(X, np.column_stack([y, -2 * y]))
    assert model.predict_quantiles(X, [0.2, 0.8]).shape == (160, 2, 2)
    assert model.predict_quantiles(X, 0.5).shape == (160, 2)
    assert model.predict_interval(X).shape == (160, 2, 2)
    single = regressor().fit(X, y)
    assert np.array_equal(single.predict_quantiles(X, 0.3), single.predict_quantiles(X, [0.3])[:, 0])


def test_residuals_are_those_of_the_rows_held_out():
    X, _, y = table()
    model = regressor(FIVE).fit(X, y)
    assert model.ensemble_.residuals[:, 0] == pytest.approx(np.sort(y - model.out_of_fold_[:, 0]))
    other, y_other = part(X, np.arange(40)), y[:40] + 500
    model = regressor().fit(X, y, validation_data=(other, y_other))
    assert model.ensemble_.residuals[:, 0] == pytest.approx(np.sort(y_other - model.predict(other)))


def test_saved_models_have_the_same_quantiles(tmp_path):
    X, _, y = table()
    model = regressor().fit(X, y)
    model.save(tmp_path / "model.npz")
    again = load(tmp_path / "model.npz")
    assert np.array_equal(again.predict_quantiles(X, LEVELS), model.predict_quantiles(X, LEVELS))
    model.ensemble_.residuals[0] = 1e9  # not sorted
    model.save(tmp_path / "model.npz")
    with pytest.raises(ModelFileError, match="residuals"):
        load(tmp_path / "model.npz")


def test_nothing_held_out(tmp_path):
    X, _, y = table()
    model = regressor(QUICK_NUMBERS.replace(held_out=0)).fit(X, y)
    model.save(tmp_path / "model.npz")
    for each in (model, load(tmp_path / "model.npz")):
        with pytest.raises(ValueError, match=r"no rows were held out in fit, .* conformalize"):
            each.predict_interval(X)
    assert model.conformalize(X, y).predict_interval(X).shape == (160, 2)
    with pytest.raises(ValueError, match="y has 2 targets, expected 1"):
        model.conformalize(X, np.column_stack([y, y]))


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([0.5, 1.0], "levels is 1, expected a finite number above 0 and below 1"),
        ([], "levels has shape"),
        ([[0.5]], "levels has shape"),
        ("middle", "levels holds strings"),
        ([0.5, 0.99], r"the level 0.99 is beyond 32 held-out rows, expected 0.0303 to 0.9697"),
    ],
)
def test_wrong_levels(levels, words):
    X, _, y = table()
    with pytest.raises((ValueError, TypeError), match=words):
        regressor().fit(X, y).predict_quantiles(X, levels)
    with pytest.raises(ValueError, match="coverage is 2"):
        regressor().fit(X, y).predict_interval(X, 2)
