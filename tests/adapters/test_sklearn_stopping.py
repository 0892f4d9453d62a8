"""How the estimators stop: held-out rows that can be scored, divergence, what ends a fit before its time."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastmlp.callbacks import EarlyStopping, LambdaCallback
from fastmlp.sklearn import MLPClassifier, MLPRegressor
from helpers import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 40


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, 3))


def classifier(**options):
    return MLPClassifier((4,), random_state=0, **{"max_iter": 4, **options})


def regressor(**options):
    return MLPRegressor(hidden_layer_sizes=(4,), random_state=0, **{"max_iter": 4, **options})


def drawn(model, y):
    """The rows that a fit holds out, drawn by its generator after the weights; and the generator."""
    draws = np.random.RandomState(0)
    for size in ((3, 4), 4, (4, 1), 1):
        draws.uniform(size=size)
    stratify = y if isinstance(model, MLPClassifier) else None
    return train_test_split(np.arange(ROWS), random_state=draws, test_size=0.1, stratify=stratify)[1], draws


# Held-out rows


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("make", [classifier, regressor])
def test_held_out_rows_without_weight_are_drawn_anew(make, left, X):
    model = make(early_stopping=True, max_iter=9, learning_rate_init=0.05)
    y = X[:, 0] > 0 if make is classifier else X[:, 0].copy()
    held_out, draws = drawn(model, y)
    weights = np.ones(ROWS)
    weights[held_out[left:]] = 0
    anew = draws.permutation(np.flatnonzero(weights))[: len(held_out)]
    model.fit(X, y, sample_weight=weights)
    assert np.isfinite(model.validation_scores_).all() and len(set(model.validation_scores_)) > 1
    assert abs(model.best_validation_score_ - model.score(X[anew], y[anew])) < 1e-12
    score = model.validation_scores_[0]
    X[held_out[left:]] = 1e3  # of weight 0: they neither train nor score
    if make is regressor:
        y[held_out[left:]] = 1e3
    assert model.set_params(max_iter=1).fit(X, y, sample_weight=weights).validation_scores_ == [score]


def test_the_drawn_rows_are_kept_where_they_can_be_scored(X):
    y = X[:, 0] > 0
    weights = np.ones(ROWS)
    held_out, _ = drawn(classifier(), y)
    weights[held_out[2:]] = 0
    model = classifier(early_stopping=True, max_iter=1).fit(X, y, sample_weight=weights)
    right = model.predict(X[held_out[:2]]) == y[held_out[:2]]
    assert model.validation_scores_ == [right.mean()]


@pytest.mark.parametrize(("bag", "make"), [(BaggingClassifier, classifier), (BaggingRegressor, regressor)])
def test_bagging(bag, make, X):
    y = X[:, 0] > 0 if make is classifier else X[:, 0]
    for seed in range(6):
        bagged = bag(make(early_stopping=True, max_iter=2), 10, random_state=seed).fit(X[:25], y[:25])
        assert np.isfinite([model.validation_scores_ for model in bagged.estimators_]).all()


def test_too_few_rows_with_a_weight_are_refused(X):
    weights = np.zeros(ROWS)
    weights[:2] = 1
    with pytest.raises(ValueError, match="^sample_weight is above 0 in 2 rows, expected at least 3 with"):
        regressor(early_stopping=True).fit(X, X[:, 0], sample_weight=weights)


_ZEROS = "Sample weights must contain|sample_weight is zero in all|^validation_data has 0 rows with a weight"


@pytest.mark.parametrize(
    ("make", "rows", "weights", "message"),
    [
        (regressor, 1, None, "^validation_data has 1 rows, expected at least 2 to score"),
        (regressor, 3, [0, 0, 2], "^validation_data has 1 rows with a weight, expected at least 2 to score"),
        (regressor, 3, [0, 0, 0], _ZEROS),
        (classifier, 3, [0, 0, 0], _ZEROS),
    ],
)
def test_held_out_rows_of_ones_own_that_cannot_be_scored(make, rows, weights, message, X):
    y = (X[:, 0] > 0) * 1.0 if make is regressor else X[:, 0] > 0
    data = (X[:rows], y[:rows]) if weights is None else (X[:rows], y[:rows], weights)
    with pytest.raises(ValueError, match=message):
        make(early_stopping=True).fit(X, y, validation_data=data)


def test_one_row_of_ones_own_has_an_accuracy(X):
    y = X[:, 0] > 0
    model = classifier().fit(X, y, validation_data=(X[:1], y[:1]))
    assert set(model.validation_scores_) <= {0.0, 1.0}


def test_equal_held_out_targets_are_warned_of(X):
    y = X[:, 0]
    with pytest.warns(UserWarning, match="^The 5 targets of validation_data are all equal: R.2 is 0"):
        regressor().fit(X, y, validation_data=(X[:5], np.full(5, 2.0)))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The . targets")
        regressor().fit(X, y, validation_data=(X[:5], [2.0, 2.0, 2.0, 2.0, 2.5]))


# Divergence


def spoil(epoch, rate=1e200):
    """A callback that makes the learning rate useless from an epoch on."""

    def begin(number, logs):
        if number == epoch:
            spoilt.network.learning_rate = rate

    spoilt = LambdaCallback(on_epoch_begin=begin)
    return spoilt


@pytest.mark.parametrize("batch_size", [8, ROWS])
@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_divergence_ends_early_stopping_with_the_best_weights(make, batch_size, X):
    y = X[:, 0] > 0 if make is classifier else X[:, 0]
    options = {"solver": "sgd", "early_stopping": True, "batch_size": batch_size - 4, "max_iter": 50}
    weights = []
    spy = LambdaCallback(on_epoch_end=lambda *_: weights.append(spy.network.get_weights()))
    model = make(callbacks=[spoil(3), spy], **options)
    with pytest.warns(ConvergenceWarning, match="training diverged in iteration"):
        model.fit(X, y)
    assert 4 <= model.n_iter_ <= 8 and np.isnan(model.loss_) and np.isnan(model.validation_scores_[-1])
    best = int(np.nanargmax(model.validation_scores_))
    assert_same_bits(model._net.get_weights(), weights[best])
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_divergence_from_the_first_epoch_is_an_error(early_stopping, X):
    model = MLPRegressor(
        hidden_layer_sizes=(20, 20), activation="identity", solver="sgd", learning_rate_init=1e100,
        early_stopping=early_stopping, max_iter=30, random_state=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="^Solver produced non-finite parameter weights"):
        model.fit(X * 1e3, X[:, 0] * 1e9)
    assert all(np.isfinite(array).all() for array in model.coefs_ + model.intercepts_)
    assert model.n_iter_ < 4 if early_stopping else model.n_iter_ == 30  # as in scikit-learn


def test_lbfgs_leaves_no_weights_that_are_not_finite(X, monkeypatch):
    from fastmlp.adapters.sklearn import engine

    def minimize(objective, **options):
        objective.net.set_weights(before)
        objective.net.plan.set_weights([array * np.inf for array in before])
        return np.nan, 1

    model = regressor(solver="lbfgs").fit(X, X[:, 0])
    before = model._net.get_weights()
    monkeypatch.setattr(engine, "minimize", minimize)
    with pytest.raises(ValueError, match="^Solver produced non-finite"):
        model.set_params(warm_start=True).fit(X, X[:, 0])
    assert_same_bits(model._net.get_weights(), before)


def test_a_score_of_nan_is_no_progress(X, monkeypatch):
    from fastmlp.adapters.sklearn import fitting

    scores = iter([0.5, *[np.nan] * 30])
    monkeypatch.setattr(fitting.HeldOut, "score", lambda self, trainer: next(scores))
    model = regressor(early_stopping=True, n_iter_no_change=3, max_iter=30).fit(X, X[:, 0])
    assert model.n_iter_ == 5 and model.best_validation_score_ == 0.5


# What else ends a fit


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
@pytest.mark.parametrize("callback", [False, True])
def test_the_best_weights_come_back_whatever_ends_the_fit(callback, error, X):
    weights, ended = [], []

    def fail(epoch, logs):
        weights.append(spy.network.get_weights())
        if epoch == 6:
            raise error

    spy = LambdaCallback(on_epoch_end=fail, on_train_end=lambda logs: ended.append(logs))
    stop = EarlyStopping("val_score", mode="max", patience=99, restore_best_weights=True)
    options = {
        "early_stopping": not callback,
        "callbacks": [spoil(4, 3.0), *([stop] if callback else []), spy],
    }
    model = regressor(max_iter=9, learning_rate_init=0.05, n_iter_no_change=99, **options)
    if isinstance(error, KeyboardInterrupt):
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit(X, X[:, 0], validation_data=(X[:9], X[:9, 0]))
    else:
        with pytest.raises(RuntimeError, match="mine"):
            model.fit(X, X[:, 0], validation_data=(X[:9], X[:9, 0]))
    best = int(np.argmax(model.validation_scores_))
    assert best < 6 and len(weights) == 7
    assert_same_bits(model._net.get_weights(), weights[best])
    assert len(ended) == 1 and ended[0].keys() == {"loss", "val_score"}


def test_the_best_loss_of_one_batch_is_that_of_the_weights_it_began_with(X):
    begins = []
    spy = LambdaCallback(on_epoch_begin=lambda *_: begins.append(spy.network.get_weights()))
    stop = EarlyStopping("loss", patience=99, restore_best_weights=True)
    model = regressor(
        callbacks=[spy, spoil_a_step := spoil(5), stop], solver="sgd", batch_size=ROWS, max_iter=9,
        learning_rate_init=0.01,
    )  # fmt: skip
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, X[:, 0])
    assert spoil_a_step.network is model._net
    assert stop.best_epoch == 5 == int(np.nanargmin(model.loss_curve_))
    assert_same_bits(model._net.get_weights(), begins[5])
