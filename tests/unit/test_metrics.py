"""Metrics: their values, their names, what `evaluate` and `fit` make of them."""

import numpy as np
import pytest

from fastmlp import Dropout, Network
from fastmlp.metrics import MEASURES, check_metrics, name_of, value_of
from refusals import assert_refused

ROWS = 12

# Three rows of three outputs, the strongest of them 0, 1 and 0; in the last none is above 0.5.
THREE = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.4, 0.35, 0.25]])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "expected"),
    [
        (np.array([0, 2, 0]), THREE, 2 / 3),  # classes
        (np.array([0.0, 2.0, 0.0]), THREE, 2 / 3),  # classes as a loss in Python gets them
        (np.array([[0.0], [2.0], [0.0]]), THREE, 2 / 3),
        (np.eye(3)[[0, 2, 1]], THREE, 1 / 3),  # one-hot rows
        (np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]), THREE, 2 / 3),  # soft rows
        (np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), THREE, 6 / 9),  # independent outputs
        (np.array([[1.0], [0.0], [1.0]]), THREE[:, :1], 2 / 3),  # one output
        (np.array([1.0, 0.0, 0.0]), THREE[:, :1], 1.0),
    ],
)
def test_accuracy(y_true, y_pred, expected):
    assert value_of("accuracy", y_true, y_pred) == expected


def test_errors_by_hand():
    y_true, y_pred = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.5, 2.0], [1.0, 4.0]])
    assert value_of("mae", y_true, y_pred) == 2.5 / 4
    assert value_of("mse", y_true, y_pred) == 4.25 / 4
    assert value_of("mae", np.array([1.0, 3.0]), np.array([[2.0], [5.0]])) == 1.5  # (rows,) is (rows, 1)


def test_errors_of_classes_are_those_of_one_hot_rows():
    for name in ("mae", "mse"):
        one_hot = value_of(name, np.eye(3)[[0, 1, 2]], THREE)
        assert value_of(name, np.array([0, 1, 2]), THREE) == one_hot > 0.1


def test_sums_are_in_float64():
    y_true, y_pred = np.zeros((1 << 20, 1), np.float32), np.full((1 << 20, 1), 0.1, np.float32)
    assert value_of("mae", y_true, y_pred) == float(np.float32(0.1))
    assert value_of("mse", y_true, y_pred) == float(np.float32(0.1) ** 2)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_shapes_that_do_not_fit_are_not_broadcast(name):
    expected = r"one target for every" if name == "coverage" else r"\(3, 1\)"
    with pytest.raises(ValueError, match=rf"^y has shape \(3, 2\), expected {expected}"):
        value_of(name, np.ones((3, 2)), np.ones((3, 1)))


def test_names():
    class Named:
        def __call__(self, y_true, y_pred):
            return 1

    assert [name_of(metric) for metric in ("mae", np.mean, Named(), lambda a, b: 0)] == [
        "mae", "mean", "Named", "<lambda>",
    ]  # fmt: skip
    assert value_of(Named(), THREE, THREE) == 1.0
    assert check_metrics(iter(["mae", np.mean])) == ["mae", np.mean]


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ("accuracy", TypeError, "^metrics is a str, expected a list of names and functions$"),
        (5, TypeError, "^metrics is a int, expected a list"),
        (["accurcy"], ValueError, "^unknown metric 'accurcy', expected .*; did you mean 'accuracy'\\?$"),
        (["mean_square_error"], ValueError, "; did you mean 'mean_squared_error'\\?$"),
        (["top_0_accuracy"], ValueError, "^unknown metric 'top_0_accuracy'"),
        ([dict], TypeError, "^metrics has the class dict, expected a name or a function$"),
        ([5], ValueError, "^unknown metric 5, expected one of"),
        ([["accuracy"]], ValueError, r"^unknown metric \['accuracy'\], expected one of"),
        (["mae", "mae"], ValueError, "^metrics has 'mae' twice, expected different names"),
        (["acc", "accuracy"], ValueError, "^metrics has 'accuracy' twice"),  # another name of the same
        ([lambda a, b: 0, lambda a, b: 1], ValueError, "^metrics has '<lambda>' twice"),
    ],
)
def test_bad_metrics_are_refused_by_compile(metrics, error, message):
    net = Network([2, 2], output="softmax", seed=0)
    net.compile("sgd", metrics=["mse"])
    with pytest.raises(error, match=message):
        net.compile("adam", metrics=metrics)
    assert net.optimizer.name == "sgd" and net.metrics == ["mse"]


def loss(y_true, y_pred):
    return 0.0, np.zeros_like(y_pred)


def test_a_metric_may_not_take_the_name_of_the_loss():
    with pytest.raises(ValueError, match="^metrics has 'loss' twice"):
        check_metrics([loss])


@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [
        ("softmax", "sparse_categorical_crossentropy", np.arange(ROWS) % 3),
        ("softmax", "categorical_crossentropy", np.eye(3)[np.arange(ROWS) % 3]),
        ("sigmoid", "binary_crossentropy", np.eye(3)[np.arange(ROWS) % 3][:, [0, 0, 1]]),
        ("identity", "mse", np.eye(3)[np.arange(ROWS) % 3]),
    ],
)
def test_evaluate_measures_predictions(rng, dtype, output, loss, y):
    """The plan counts right rows of some losses itself; the metric's function says the same."""
    X = rng.normal(size=(ROWS, 4)).astype(dtype)
    net = Network([4, 6, Dropout(0.5), 3], output=output, dtype=dtype, seed=0)
    net.compile("sgd", loss, metrics=["mse", "accuracy", "mae"])
    logs, predictions = net.evaluate(X, y), net.predict(X)
    assert list(logs) == ["loss", "mse", "accuracy", "mae"]
    target = y.astype(dtype) if y.ndim == 2 else y
    for name in ("mse", "accuracy", "mae"):
        # the plan adds the rows' shares of right outputs, which may be thirds
        assert logs[name] == pytest.approx(value_of(name, target, predictions), rel=1e-14, abs=0)
    assert logs["mse"] > 0.01 and 0 < logs["accuracy"] < 1


def test_accuracy_of_an_epoch_counts_rows_as_they_pass(rng):
    """Each batch is counted before its step, so rate 0 counts them all with the same weights."""
    X, y = rng.normal(size=(ROWS, 4)), np.arange(ROWS) % 3
    net = Network([4, 6, 3], output="softmax", dtype="float64", seed=0)
    net.compile("sgd")
    net.optimizer = type(net.optimizer)(0.0)
    before = net.evaluate(X, y)
    history = net.fit(X, y, batch_size=5).history
    assert history["accuracy"] == [before["accuracy"]] and 0 < before["accuracy"] < 1
    assert history["loss"] == pytest.approx([before["loss"]], rel=1e-13, abs=0)


def test_metrics_of_keras_are_told_their_names():
    """Objects of theirs are means of all they ever took: of epochs before, and of held-out rows."""
    keras = pytest.importorskip("keras")
    net = Network([2, 2], seed=0)
    for metric, expected in [
        (keras.metrics.MeanAbsoluteError(), "its name 'MeanAbsoluteError' or a function"),
        (keras.metrics.mean_absolute_error, "its name 'mean_absolute_error' or a function"),
        (keras.metrics.AUC, "its name 'AUC' or a function"),
        (keras.metrics.MeanIoU(2), "one of accuracy, .*, top_5_accuracy or a function"),
    ]:
        name = getattr(metric, "__name__", type(metric).__name__)
        message = f"^metrics has {name} of keras, expected {expected}$"
        assert_refused(lambda metric=metric: net.compile(metrics=[metric]), TypeError, message, net)
