"""Metrics by name are scikit-learn's, with weights of rows and without."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.metrics as sklearn

from fastmlp import Network
from fastmlp.metrics import value_of
from helpers import assert_close

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")

ROWS = 60


@pytest.fixture(params=[False, True], ids=["equal", "weighted"])
def weights(request, rng):
    return rng.uniform(0, 2, ROWS) * (rng.uniform(size=ROWS) > 0.2) if request.param else None


def compare(name, y, predictions, weights, expected):
    expected = float(expected)
    assert value_of(name, y, predictions, weights) == pytest.approx(expected, rel=1e-12, abs=1e-15), name
    assert np.isfinite(expected)


@pytest.mark.parametrize("classes", [3, 5])
def test_several_classes(rng, weights, classes):
    y = np.r_[np.arange(classes), rng.integers(0, classes, ROWS - classes)]
    z = rng.normal(size=(ROWS, classes)) + 1.5 * np.eye(classes)[y]
    z[:, -1] -= 9  # never the strongest: a precision of nothing
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    said, options = p.argmax(axis=1), {"sample_weight": weights}
    expected = {
        "accuracy": sklearn.accuracy_score(y, said, **options),
        "balanced_accuracy": sklearn.balanced_accuracy_score(y, said, **options),
        "top_2_accuracy": sklearn.top_k_accuracy_score(y, p, k=2, **options),
        "precision": sklearn.precision_score(y, said, average="macro", zero_division=0, **options),
        "recall": sklearn.recall_score(y, said, average="macro", **options),
        "f1": sklearn.f1_score(y, said, average="macro", **options),
        "auc": sklearn.roc_auc_score(y, p, multi_class="ovr", **options),
        "log_loss": sklearn.log_loss(y, p, **options),
    }
    for name, value in expected.items():
        for targets in (y, np.eye(classes)[y]):
            compare(name, targets, p, weights, value)
    assert len({round(value, 6) for value in expected.values()}) >= len(expected) - 1


@pytest.mark.parametrize("outputs", [1, 2])
def test_two_classes(rng, weights, outputs):
    y = rng.integers(0, 2, ROWS)
    p = np.round(1 / (1 + np.exp(-rng.normal(size=ROWS) - 2 * y + 1.5)), 1)  # equal scores among them
    predictions = p[:, None] if outputs == 1 else np.stack([1 - p, p], axis=1)
    said = p > 0.5
    options = {"sample_weight": weights}
    targets = y[:, None].astype(float) if outputs == 1 else y
    expected = {
        "accuracy": sklearn.accuracy_score(y, said, **options),
        "balanced_accuracy": sklearn.balanced_accuracy_score(y, said, **options),
        "precision": sklearn.precision_score(y, said, **options),
        "recall": sklearn.recall_score(y, said, **options),
        "f1": sklearn.f1_score(y, said, **options),
        "auc": sklearn.roc_auc_score(y, p, **options),
        "log_loss": sklearn.log_loss(y, p, **options),
    }
    for name, value in expected.items():
        compare(name, targets, predictions, weights, value)


def test_independent_outputs(rng, weights):
    y = rng.integers(0, 2, (ROWS, 3)).astype(float)
    p = 1 / (1 + np.exp(-rng.normal(size=(ROWS, 3)) - 2 * y + 1))
    said, options = p > 0.5, {"sample_weight": weights, "average": "macro"}
    compare("precision", y, p, weights, sklearn.precision_score(y, said, **options))
    compare("recall", y, p, weights, sklearn.recall_score(y, said, **options))
    compare("f1", y, p, weights, sklearn.f1_score(y, said, **options))
    compare("auc", y, p, weights, sklearn.roc_auc_score(y, p, **options))
    losses = [sklearn.log_loss(y[:, k], p[:, k], sample_weight=weights) for k in range(3)]
    compare("log_loss", y, p, weights, np.mean(losses))


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers(rng, weights, outputs):
    y = rng.normal(size=(ROWS, outputs)) * np.arange(1, outputs + 1)
    p = y + rng.normal(size=y.shape)
    options = {"sample_weight": weights}
    compare("mae", y, p, weights, sklearn.mean_absolute_error(y, p, **options))
    compare("mse", y, p, weights, sklearn.mean_squared_error(y, p, **options))
    compare("rmse", y, p, weights, sklearn.root_mean_squared_error(y, p, **options))
    compare("r2", y, p, weights, sklearn.r2_score(y, p, **options))


@pytest.mark.parametrize("right", [False, True])
def test_r2_of_constant_targets(right):
    y = np.full((5, 1), 2.0)
    p = y if right else y + np.arange(5)[:, None]
    assert value_of("r2", y, p) == sklearn.r2_score(y, p) == float(right)


def test_probabilities_of_0_and_1():
    y, p = np.array([0, 1, 1]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    compare("log_loss", y, p, None, sklearn.log_loss(y, p))
    single = p.astype(np.float32)  # has an epsilon of its own
    assert_close(value_of("log_loss", y, single), sklearn.log_loss(y, single), 1e-6)


def test_equal_scores_among_the_strongest():
    y, p = np.array([0, 1, 2, 0]), np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [1, 0, 0]])
    compare("top_1_accuracy", y, p, None, sklearn.top_k_accuracy_score(y, p, k=1))
    assert value_of("top_9_accuracy", y, p) == 1.0


def test_areas_of_classes_that_are_missing():
    """scikit-learn has none; ours is the mean of those that are defined."""
    y, p = (
        np.array([0, 1, 0, 1]),
        np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]),
    )
    expected = [sklearn.roc_auc_score(y == k, p[:, k]) for k in (0, 1)]
    compare("auc", y, p, None, np.mean(expected))
    assert np.isnan(value_of("auc", np.zeros(4, int), p))


def test_coverage_by_hand(rng, weights):
    y = rng.normal(size=(ROWS, 2))
    low, middle, high = (rng.normal(size=(ROWS, 2)) + shift for shift in (-1, 0, 1))
    within = (y >= np.minimum(np.minimum(low, middle), high)) & (
        y <= np.maximum(np.maximum(low, middle), high)
    )
    quantiles = np.concatenate([low, middle, high], axis=1)
    compare("coverage", y, quantiles, weights, np.average(within.mean(axis=1), weights=weights))
    compare("coverage", y, high, weights, np.average((y <= high).mean(axis=1), weights=weights))
    y[0] = [low[0, 0], high[0, 1]]
    assert value_of("coverage", y[:1], np.concatenate([low, high], axis=1)[:1]) == 1.0  # the ends count


@pytest.mark.parametrize("output", ["softmax", "log_softmax"])
def test_a_network_measures_its_predictions(rng, weights, output):
    X, y = rng.normal(size=(ROWS, 4)), rng.integers(0, 3, ROWS)
    net = Network([4, 6, 3], output=output, dtype="float64", seed=0)
    net.compile("sgd", metrics=["auc", "log_loss"])
    p = net.predict(X) if output == "softmax" else np.exp(net.predict(X))
    logs = net.evaluate(X, y, weights)
    assert_close(logs["auc"], sklearn.roc_auc_score(y, p, multi_class="ovr", sample_weight=weights), 1e-12)
    assert_close(logs["log_loss"], sklearn.log_loss(y, p, sample_weight=weights), 1e-12)


def test_scikit_learns_own_functions_are_metrics(rng, weights):
    X, y = rng.normal(size=(ROWS, 4)), rng.normal(size=ROWS)
    net = Network([4, 6, 1], dtype="float64", seed=0)
    net.compile("sgd", metrics=[sklearn.r2_score, "r2"])
    logs = net.evaluate(X, y, weights)
    assert_close(logs["r2"], logs["r2_score"], 1e-12)
