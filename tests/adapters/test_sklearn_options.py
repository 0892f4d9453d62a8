"""What the estimators take beyond scikit-learn's: weights of classes, optimizers, losses, held-out rows."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score

from estimators import COLUMNS, EPS, ROWS, data, pair, parameters
from fastmlp import Network, optimizers, schedules
from fastmlp.adapters.sklearn import fitting
from fastmlp.sklearn import MLPClassifier, MLPRegressor
from helpers import assert_same_bits, assert_within

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_class_weight_is_a_sample_weight(rng):
    X, y = data("classes")
    factors = {"ant": 2.0, "bee": 0.5, "cow": 1.0}
    weights = rng.uniform(0.5, 2, ROWS)
    row_factors = np.array([factors[label] for label in y])
    options = {"max_iter": 3, "random_state": 0, "batch_size": 32}
    weighted = MLPClassifier(class_weight=factors, **options).fit(X, y, sample_weight=weights)
    assert_same_bits(
        weighted.coefs_, MLPClassifier(**options).fit(X, y, sample_weight=row_factors * weights).coefs_
    )
    assert np.any(weighted.coefs_[0] != MLPClassifier(**options).fit(X, y).coefs_[0])
    balanced = MLPClassifier(class_weight="balanced", **options).fit(X, y)
    counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
    assert_same_bits(
        balanced.coefs_,
        MLPClassifier(**options).fit(X, y, sample_weight=(ROWS / (3 * counts[1]))[counts[0]]).coefs_,
    )
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=np.unique(y))


def test_an_own_optimizer_trains_as_network_fit(dtype):
    X, y = data("several", dtype=dtype)
    optimizer = optimizers.RMSprop(schedules.CosineDecay(0.02, steps=20), clipvalue=0.5, weight_decay=0.01)
    options = {"alpha": 0.0, "shuffle": False, "batch_size": 16, "optimizer": optimizer, "random_state": 0}
    model = MLPRegressor("mse", (6,), ["gelu"], max_iter=3, **options).fit(X, y)
    start = MLPRegressor("mse", (6,), ["gelu"], max_iter=1, **{**options, "optimizer": optimizers.SGD(0.0)})
    begun = start.fit(X, y)
    net = Network([COLUMNS, 6, 3], activation="gelu", dtype=dtype.name)
    net.set_weights([a for both in zip(begun.coefs_, begun.intercepts_, strict=True) for a in both])
    net.compile(optimizer, loss="mse")
    history = net.fit(X, y, epochs=3, batch_size=16, shuffle=False)
    assert_same_bits(model.coefs_, list(net.weights))
    assert_same_bits(model.intercepts_, list(net.biases))
    assert np.allclose(model.loss_curve_, history.history["loss"], rtol=8 * EPS)


def test_own_losses():
    X, y = data("numbers")
    options = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 5, "batch_size": 30}

    def squares(y_true, y_pred):
        error = y_pred - y_true
        return float((error**2).mean()), 2 * error / error.size

    built_in, own = (MLPRegressor(loss, **options).fit(X, y) for loss in ("mse", squares))
    bound = 8 * ROWS * 15 * EPS
    assert_within(parameters(own), parameters(built_in), bound * np.abs(parameters(built_in)).max())
    wide, narrow = (MLPRegressor(("huber", delta), **options).fit(X, y) for delta in (2.0, 0.5))
    assert wide.loss_ > narrow.loss_ > 0 and np.any(wide.coefs_[0] != narrow.coefs_[0])
    assert MLPRegressor("binary_crossentropy", **options).fit(X, y > 0).out_activation_ == "logistic"
    X, y = data("classes")
    model = MLPClassifier(loss="mse", **options).fit(X, y)
    targets = (y[:, None] == model.classes_).astype(float)
    again = MLPClassifier(loss="mse", **{**options, "max_iter": 6}).fit(X, y)
    assert again.loss_curve_[:5] == model.loss_curve_
    assert 0 < ((model.predict_proba(X) - targets) ** 2).mean() < again.loss_curve_[0]
    with pytest.raises(ValueError, match="poisson"):
        MLPRegressor("poisson").fit(X, -np.ones(ROWS))
    with pytest.raises(ValueError, match="function in Python"):
        MLPRegressor(squares, solver="lbfgs").fit(X, np.ones(ROWS))


def test_dropout_and_an_activation_a_layer():
    X, y = data("classes")
    options = {"hidden_layer_sizes": (8, 6), "random_state": 0, "max_iter": 4}
    plain = MLPClassifier(activation=["relu", ("leaky_relu", 0.2)], **options).fit(X, y)
    dropped = MLPClassifier(activation=["relu", ("leaky_relu", 0.2)], dropout=[0.0, 0.5], **options)
    dropped.fit(X, y)
    names = [(node["activation"], node["parameter"]) for node in plain._net.plan.layers]
    assert names == [("relu", 0.0), ("leaky_relu", 0.2), ("softmax", 0.0)]
    assert [node["dropout"] for node in dropped._net.plan.layers] == [0.0, 0.0, 0.5]
    assert np.any(dropped.coefs_[0] != plain.coefs_[0])
    assert_same_bits(clone(dropped).fit(X, y).coefs_, dropped.coefs_)
    zero = MLPClassifier(activation=["relu", ("leaky_relu", 0.2)], dropout=[0.0, 0.0], **options).fit(X, y)
    assert_same_bits(zero.coefs_, plain.coefs_)
    with pytest.raises(ValueError, match="activation has 1 elements, expected 2"):
        MLPClassifier((3, 3), ["relu"]).fit(X, y)
    with pytest.raises(ValueError, match="dropout has 3 elements, expected 2"):
        MLPClassifier((3, 3), dropout=[0.1] * 3).fit(X, y)
    with pytest.raises(ValueError, match="dropout"):
        MLPClassifier(dropout=0.5, solver="lbfgs").fit(X, y)


@pytest.mark.parametrize("task", ["classes", "two", "labels", "numbers", "several"])
def test_own_held_out_rows(task, rng):
    X, y = data(task)
    held = data(task, rows=31, seed=3)
    weights = rng.uniform(0.5, 2, 31)
    model = pair(task)[1].set_params(max_iter=4)
    model.fit(X, y, validation_data=(*held, weights))
    metric = r2_score if task in ("numbers", "several") else accuracy_score
    assert len(model.validation_scores_) == 4
    expected = metric(held[1], model.predict(held[0]), sample_weight=weights)
    assert abs(model.validation_scores_[-1] - expected) <= 64 * EPS
    assert_same_bits(model.coefs_, pair(task)[1].set_params(max_iter=4).fit(X, y).coefs_)
    stopped = pair(task)[1].set_params(max_iter=50, early_stopping=True, tol=0.2, n_iter_no_change=2)
    stopped.fit(X, y, validation_data=held)
    assert stopped.n_iter_ < 50 and stopped.t_ == stopped.n_iter_ * ROWS
    best = metric(held[1], stopped.predict(held[0]))
    assert abs(best - stopped.best_validation_score_) <= 64 * EPS
    with pytest.raises(ValueError, match="validation_data"):
        model.fit(X, y, validation_data=held[:1])


def test_held_out_rows_of_an_unknown_class():
    X, y = data("classes")
    with pytest.raises(ValueError, match="'dog', expected one of 'ant', 'bee', 'cow'"):
        MLPClassifier(max_iter=1).fit(X, y, validation_data=(X[:2], ["ant", "dog"]))


def test_scores_are_scikit_learns(rng):
    y, p, w = rng.normal(size=(20, 3)), rng.normal(size=(20, 3)), rng.uniform(size=20)
    y[:, 1] = 2.0  # no spread
    for weights in (None, w):
        assert abs(fitting.r2(y, p, weights) - r2_score(y, p, sample_weight=weights)) <= 64 * EPS * 10
    p[:, 1] = 2.0
    assert abs(fitting.r2(y, p, w) - r2_score(y, p, sample_weight=w)) <= 64 * EPS * 10


def test_a_schedule_in_place_of_the_rate():
    X, y = data("classes")
    options = {"alpha": 0.2, "max_iter": 4, "batch_size": 30, "random_state": 0}
    for solver in ("adam", "sgd"):
        constant = MLPClassifier(solver=solver, learning_rate=schedules.Constant(0.02), **options).fit(X, y)
        plain = MLPClassifier(solver=solver, learning_rate_init=0.02, **options).fit(X, y)
        assert_same_bits(constant.coefs_, plain.coefs_)
    stopped = MLPClassifier(
        solver="sgd", momentum=0, learning_rate=schedules.StepDecay(0.02, factor=1e-9, every=3), **options
    ).fit(X, y)
    once = MLPClassifier(solver="sgd", momentum=0, learning_rate_init=0.02, **{**options, "max_iter": 1}).fit(
        X, y
    )
    assert_within(stopped.coefs_[0], once.coefs_[0], 1e-8)
