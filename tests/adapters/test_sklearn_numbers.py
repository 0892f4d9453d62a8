"""The estimators' numbers are those of scikit-learn's own."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from estimators import EPS, ROWS, SOLVERS, TASKS, assert_same_fit, classes_of, data, pair, parameters
from fastmlp.sklearn import MLPRegressor
from fastmlp.training import solvers
from helpers import assert_same_bits, assert_within

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# The same numbers as scikit-learn


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", ["classes", "several"])
def test_the_solvers_are_theirs(task, solver, weighted, rng):
    """Three batches of 32 and one of the rest, and a penalty that shows."""
    X, y = data(task)
    weights = rng.uniform(0.1, 3, ROWS) if weighted else None
    theirs, ours = pair(task, batch_size=32, alpha=0.5, max_iter=8, **SOLVERS[solver])
    theirs.fit(X, y, sample_weight=weights)
    ours.fit(X, y, sample_weight=weights)
    assert_same_fit(theirs, ours, X, 8 * 3)
    assert ours._optimizer.learning_rate == theirs._optimizer.learning_rate or solver in ("adam", "in order")


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", TASKS)
def test_the_losses_are_theirs(task, activation):
    """With one batch an epoch the penalty's share is exact too, so the whole curve is."""
    X, y = data(task)
    theirs, ours = pair(task, activation=activation, alpha=0.3, max_iter=10, learning_rate_init=0.01)
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same_fit(theirs, ours, X, 10)
    assert_within(ours.loss_curve_, np.array(theirs.loss_curve_), 8 * ROWS * 10 * EPS * theirs.loss_curve_[0])
    assert ours.best_loss_ == min(ours.loss_curve_) and ours.loss_ == ours.loss_curve_[-1]
    assert ours.out_activation_ == theirs.out_activation_


@pytest.mark.parametrize("alpha", [0.0, 0.4])
@pytest.mark.parametrize("task", TASKS)
def test_the_loss_of_several_batches_is_theirs(task, alpha, rng):
    """scikit-learn, led batch by batch, tells losses and |W|^2; ours takes |W|^2 as linear in the epoch."""
    X, y = data(task)
    weights = rng.uniform(0.1, 3, ROWS)
    theirs, ours = pair(task, alpha=alpha, batch_size=15, solver="sgd", momentum=0, shuffle=False)
    for model in (theirs, ours):
        model.partial_fit(X, y, sample_weight=weights, **classes_of(task, y))
    sums = weights.reshape(-1, 15).sum(axis=1)
    expected = []
    for _ in range(5):
        norms, losses = [], []
        for rows in np.arange(ROWS).reshape(-1, 15):
            norms.append(sum((W**2).sum() for W in theirs.coefs_))
            losses.append(theirs.partial_fit(X[rows], y[rows], sample_weight=weights[rows]).loss_)
        line = np.linspace(norms[0], sum((W**2).sum() for W in theirs.coefs_), 7)[:-1]
        expected.append(np.mean(losses + alpha / 2 * (line - norms) / sums))
        ours.partial_fit(X, y, sample_weight=weights)
    assert_within(ours.loss_curve_[1:], np.array(expected), 8 * ROWS * 36 * EPS * theirs.loss_curve_[0])


def test_rows_without_weight_train_nothing():
    """Three batches in order, the first without weight: its rows might as well be missing."""
    X, y = data("several")
    weights = np.ones(ROWS)
    weights[:30] = 0
    options = {
        "solver": "sgd",
        "alpha": 0.5,
        "shuffle": False,
        "batch_size": 30,
        "momentum": 0,
        "random_state": 0,
    }
    whole = MLPRegressor(max_iter=3, **options).fit(X, y, sample_weight=weights)
    part = MLPRegressor(max_iter=3, **options).fit(X[30:], y[30:], sample_weight=weights[30:])
    assert_same_bits(whole.coefs_ + whole.intercepts_, part.coefs_ + part.intercepts_)
    assert np.isfinite(whole.loss_curve_).all()
    with pytest.raises(ValueError, match="zero"):
        MLPRegressor().fit(X, y, sample_weight=np.zeros(ROWS))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_lbfgs_is_theirs(task, weighted, rng):
    """A line search may turn on the last bit, so few iterations are compared."""
    X, y = data(task)
    weights = rng.uniform(0.1, 3, ROWS) if weighted else None
    theirs, ours = pair(task, solver="lbfgs", alpha=0.3, max_iter=4)
    theirs.fit(X, y, sample_weight=weights)
    ours.fit(X, y, sample_weight=weights)
    assert_same_fit(theirs, ours, X, 4 * 8)
    assert abs(ours.loss_ - theirs.loss_) <= 8 * ROWS * 4 * EPS * abs(theirs.loss_)
    assert ours.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", ["classes", "two", "numbers", "several", "counts"])
def test_early_stopping_is_theirs(task, weighted, rng):
    X, y = data(task)
    weights = rng.uniform(0.1, 3, ROWS) if weighted else None
    theirs, ours = pair(
        task, early_stopping=True, validation_fraction=0.3, max_iter=12, tol=0.05, n_iter_no_change=3
    )
    theirs.fit(X, y, sample_weight=weights)
    ours.fit(X, y, sample_weight=weights)
    assert_same_fit(theirs, ours, X, 12)
    assert np.allclose(ours.validation_scores_, theirs.validation_scores_, rtol=0, atol=ROWS * 100 * EPS)
    assert ours.best_loss_ is None and ours.best_validation_score_ == max(ours.validation_scores_)


@pytest.mark.parametrize("task", ["classes", "labels", "numbers"])
def test_partial_fit_is_theirs(task, tmp_path):
    """The optimizer's state goes on from call to call, through a pickle too."""
    X, y = data(task)
    for options in SOLVERS.values():
        theirs, ours = pair(task, batch_size=32, **options)
        more = classes_of(task, y)
        for _ in range(4):
            theirs.partial_fit(X, y, **more)
            ours.partial_fit(X, y, **more)
            ours = pickle.loads(pickle.dumps(ours))
        assert_same_fit(theirs, ours, X, 4 * 3)


def test_warm_start_is_theirs():
    X, y = data("classes")
    theirs, ours = pair("classes", warm_start=True, max_iter=3)
    for _ in range(3):
        theirs.fit(X, y)
        ours.fit(X, y)
    assert len(ours.loss_curve_) == len(theirs.loss_curve_) == 9
    assert_same_fit(theirs, ours, X, 9)
    with pytest.raises(ValueError, match="5-7-4-3, expected 5-6-3"):
        ours.set_params(hidden_layer_sizes=(6,)).fit(X, y)


@pytest.mark.parametrize(
    "labels", ["few", "two", "many", "one", "floats", "bools", "objects", "column", "list"]
)
def test_targets_are_read_as_theirs(labels, rng):
    X, _ = data("classes")
    y = {
        "few": rng.integers(-3, 4, ROWS),
        "two": np.where(X[:, 0] > 0, "yes", "no"),
        "many": rng.integers(0, 40, ROWS),
        "one": np.full(ROWS, 5),
        "floats": rng.integers(0, 3, ROWS) * 2.0,
        "bools": X[:, 0] > 0,
        "objects": np.array(["x", "y", "z"], dtype=object)[rng.integers(0, 3, ROWS)],
        "column": rng.integers(0, 3, (ROWS, 1)),
        "list": rng.integers(0, 3, ROWS).tolist(),
    }[labels]
    theirs, ours = pair("classes", max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, y)
        ours.fit(X, y)
    assert ours.classes_.dtype == theirs.classes_.dtype and np.array_equal(ours.classes_, theirs.classes_)
    assert vars(ours._label_binarizer).keys() == vars(theirs._label_binarizer).keys()
    assert ours._label_binarizer.y_type_ == theirs._label_binarizer.y_type_
    assert_same_fit(theirs, ours, X, 3)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    with pytest.raises(ValueError):
        ours.fit(X, rng.normal(size=ROWS))
    with pytest.raises(ValueError, match="inconsistent"):
        ours.fit(X[:-1], y)


def test_a_random_state_object_is_drawn_from_alike():
    X, y = data("classes")
    states = [np.random.RandomState(5), np.random.RandomState(5)]
    for kind, state in zip(pair("classes", max_iter=2, early_stopping=True), states, strict=True):
        kind.set_params(random_state=state).fit(X, y)
    assert states[0].randint(2**31) == states[1].randint(2**31)


def test_float32_is_kept(dtype):
    for task in ("classes", "several"):
        for solver in ("adam", "sgd", "lbfgs"):
            X, y = data(task, dtype=dtype)
            theirs, ours = pair(task, solver=solver, max_iter=3)
            ours.fit(X, y)
            theirs.fit(X, y)
            assert {array.dtype for array in ours.coefs_ + ours.intercepts_} == {dtype}
            outputs = "predict_proba" if task == "classes" else "predict"
            assert getattr(ours, outputs)(X).dtype == dtype
            expected = getattr(theirs, outputs)(X)
            bound = 8 * ROWS * 24 * np.finfo(dtype).eps * np.abs(expected).max()
            assert_within(getattr(ours, outputs)(X), expected, min(bound, 0.1))
            wider = getattr(ours, outputs)(X.astype(np.float64))
            assert wider.dtype == np.float64
            assert_same_bits(wider.astype(dtype), getattr(ours, outputs)(X))


# Gradients


def objective(task, activation="tanh", alpha=0.7, weighted=True):
    """scikit-learn's loss of a small network as lbfgs sees it, and a point to look at."""
    rng = np.random.default_rng(0)
    X, y = data(task, rows=11)
    model = pair(task, activation=activation, alpha=alpha, solver="lbfgs", max_iter=1)[1].fit(X, y)
    targets = np.asarray(model._label_binarizer.transform(y)) if hasattr(model, "classes_") else y
    weights = rng.uniform(0.1, 3, 11) if weighted else None
    return (lambda p: model._loss_grad_lbfgs(p, X, targets, weights)), 0.5 * rng.normal(
        size=len(parameters(model))
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
@pytest.mark.parametrize("task", ["classes", "two", "labels", "numbers", "counts"])
def test_the_gradient_is_the_losses(task, activation, weighted):
    """Central differences of h: h^2 / 6 of the third derivative, and the loss's rounding over h."""
    function, point = objective(task, activation, weighted=weighted)
    value, gradient = function(point)
    h = 6e-6
    numeric = np.empty_like(point)
    for i in range(len(point)):
        ends = [function(point + sign * h * (np.arange(len(point)) == i))[0] for sign in (1, -1)]
        numeric[i] = (ends[0] - ends[1]) / (2 * h)
    assert np.abs(gradient).max() > 0.01
    assert np.abs(numeric - gradient).max() <= 100 * h**2 + 64 * EPS * value / h


def test_the_objective_does_not_depend_on_its_parts(monkeypatch):
    function, point = objective("classes")
    value, gradient = function(point)
    monkeypatch.setattr(solvers, "MOST_ROWS", 4)
    in_parts = function(point)
    assert abs(in_parts[0] - value) <= 11 * EPS * abs(value)
    assert_within(in_parts[1], gradient, 64 * EPS * np.abs(gradient).max())
    _, unweighted = objective("classes", weighted=False)[0](point)
    assert np.abs(unweighted - gradient).max() > 0.01


# What is said


@pytest.mark.parametrize("batch_size", [32, 200])
def test_numpys_own_generator_is_left_as_theirs_leaves_it(batch_size):
    X, y = data("classes")
    after = []
    for model in pair("classes", random_state=None, batch_size=batch_size, max_iter=3):
        np.random.seed(0)  # noqa: NPY002
        model.fit(X, y)
        after.append(np.random.random())  # noqa: NPY002
    assert after[0] == after[1]
