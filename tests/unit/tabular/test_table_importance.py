"""Importances of columns: scikit-learn's by permutation, numeric differences for gradients."""

import numpy as np
import pandas as pd
import pytest
from sklearn import inspection

from fastmlp.tabular import (
    Recipe,
    TabularClassifier,
    TabularRegressor,
    gradient_importance,
    permutation_importance,
)
from learned import QUICK, QUICK_NUMBERS, table

VIEWS = ("plain", "quantiles")


def wide(rows=160):
    """A table with a date, an embedded category and a column that is left out."""
    X, labels, numbers = table(rows)
    rng = np.random.default_rng(1)
    X["day"] = pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d")
    X["town"] = np.array([f"t{i}" for i in rng.integers(0, 15, rows)])
    X["id"] = [f"row {i}" for i in range(rows)]
    return pd.DataFrame(X), labels, numbers


def classifier(recipe=QUICK):
    return TabularClassifier(recipe, random_state=0)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_permutations_are_those_of_scikit_learn(scoring):
    X, labels, _ = wide()
    model = classifier(QUICK.replace(views=VIEWS)).fit(X, labels)
    theirs = inspection.permutation_importance(model, X, labels, scoring=scoring, n_repeats=4, random_state=3)
    ours = permutation_importance(model, X, labels, scoring=scoring, n_repeats=4, random_state=3)
    assert ours.loc[X.columns, "importances_mean"].tolist() == theirs.importances_mean.tolist()
    assert ours.loc[X.columns, "importances_std"].tolist() == theirs.importances_std.tolist()
    assert ours["importances_mean"].is_monotonic_decreasing and ours.index.name == "column"
    assert set(ours.index[:3]) & {"size", "colour"} == {"size", "colour"}
    assert ours.loc["id"].tolist() == [0, 0]


def test_permutations_of_numbers_and_weights():
    X, _, numbers = wide()
    model = TabularRegressor(QUICK_NUMBERS, random_state=0).fit(X, numbers)
    given = {"n_repeats": 2, "random_state": 0, "sample_weight": np.linspace(0, 1, 160)}
    theirs = inspection.permutation_importance(model, X, numbers, **given)
    ours = permutation_importance(model, X, numbers, **given)
    assert ours.loc[X.columns, "importances_mean"].tolist() == theirs.importances_mean.tolist()


def output(model, matrix):
    """Of its only network, from the encoded matrix."""
    member = model.ensemble_.members[0]
    return member.net.predict(model.ensemble_.views[member.view](matrix)).astype(np.float64)


@pytest.mark.parametrize("view", ["plain", "quantiles", "periodic"])
def test_gradients_are_numeric_differences(view):
    X, labels, _ = wide()
    recipe = QUICK.replace(views=(view,), activation="tanh", dropout=0)
    model = classifier(recipe).fit(X, labels)
    encoder, net = model.ensemble_.encoder, model.ensemble_.members[0].net
    matrix, step = encoder.transform(X), np.float32(2**-12)
    matrix[:, : encoder.number_count] += np.float32(2**-7)  # off the edges of bins
    expected = dict.fromkeys(encoder.origins, 0.0)
    for i, name in enumerate(encoder.origins[:-1]):
        more, less = matrix.copy(), matrix.copy()
        more[:, i] += step
        less[:, i] -= step
        expected[name] += np.abs(output(model, more) - output(model, less)).mean() / (2 * step)
    state = net.state_dict()
    key = next(key for key in state if key.endswith("tables"))
    for j in range(8):  # a number of the embedding of every row
        ends = []
        for sign in (1, -1):
            moved = state[key].copy()
            moved[j::8] += sign * step
            net.load_state_dict({**state, key: moved})
            ends.append(output(model, matrix))
        expected["town"] += np.abs(ends[0] - ends[1]).mean() / (2 * step)
    net.load_state_dict(state)
    assert min(expected.values()) > 1e-3
    encoder.transform = lambda X: matrix  # the rows that were moved
    found = gradient_importance(model, X)["importances_mean"]
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.02), name
    assert found["id"] == 0 and found.is_monotonic_decreasing


def test_gradients_of_several_networks_and_targets():
    X, _, numbers = wide()
    recipe = QUICK_NUMBERS.replace(views=VIEWS)
    model = TabularRegressor(recipe, random_state=0).fit(X, np.column_stack([numbers, numbers]))
    frame = gradient_importance(model, X)
    assert (frame["importances_std"] > 0).sum() == 5 and frame.index[-1] == "id"
    assert "importances_mean" in str(frame) and len(frame) == 6


def test_arrays_and_wrong_arguments():
    X = np.random.default_rng(0).normal(size=(100, 3))
    model = TabularRegressor(QUICK_NUMBERS, random_state=0).fit(X, X[:, 1])
    assert permutation_importance(model, X, X[:, 1], random_state=0).index[0] == "x1"
    with pytest.raises(ValueError, match="n_repeats is 0"):
        permutation_importance(model, X, X[:, 1], n_repeats=0)
    with pytest.raises(ValueError, match="not fitted"):
        gradient_importance(TabularRegressor(), X)


def test_gradients_of_members_that_share_weights():
    X, labels, _ = wide()
    model = classifier(Recipe.named("tabm", "classes").replace(epochs=2)).fit(X, labels)
    found = gradient_importance(model, X)["importances_mean"]
    assert found["id"] == 0 and found.drop("id").min() > 0 and found.index[-1] == "id"
