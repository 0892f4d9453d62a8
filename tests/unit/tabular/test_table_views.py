"""Piecewise-linear views of numbers."""

import numpy as np

from fastmlp.tabular import TabularRegressor, gradient_importance
from fastmlp.tabular.views import Quantiles
from learned import QUICK_NUMBERS


def test_values_that_differ_by_rounding_are_in_one_bin():
    x = np.array([0, 1e-17, -2e-17, 1, 2, 3] * 20, np.float32)[:, None]
    view = Quantiles.learn(x, 1, 12)
    assert (view.highs - view.lows).min() > 0.1
    seen = view(x)
    assert np.abs(seen[0] - seen[2]).max() < 1e-6 < np.abs(seen[0] - seen[3]).max()


def test_weekdays_with_the_same_cosine():
    days = {"day": np.arange("2024-01-01", "2024-06-09", dtype="datetime64[D]").astype(str)}
    model = TabularRegressor(QUICK_NUMBERS.replace(views=("quantiles",)), random_state=0)
    model.fit(days, np.arange(160.0))
    assert gradient_importance(model, days)["importances_mean"].max() < 1e3
