"""The estimators against scikit-learn's own: the same numbers, the same conventions, and what is beyond."""

import inspect
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

import joblib  # noqa: E402
from scipy import sparse  # noqa: E402
from sklearn import neural_network as neural  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.datasets import load_iris, make_multilabel_classification  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.metrics import accuracy_score, log_loss, r2_score  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from fastmlp import Network, optimizers, schedules  # noqa: E402
from fastmlp._kernels import Run  # noqa: E402
from fastmlp.adapters.sklearn import fitted, fitting, lbfgs, stochastic  # noqa: E402
from fastmlp.adapters.sklearn import rows as row_parts  # noqa: E402
from fastmlp.callbacks import Callback, EarlyStopping, LambdaCallback, ReduceLROnPlateau  # noqa: E402
from fastmlp.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from helpers import assert_same_bits, assert_within  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EPS = np.finfo(np.float64).eps
ROWS, COLUMNS = 90, 5
PAIRS = {"classes": "MLPClassifier", "numbers": "MLPRegressor"}


def data(task, rows=ROWS, dtype="float64", seed=3):
    """X and the targets of a task: "classes", "two", "labels", "numbers", "several" or "counts"."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    scores = X @ rng.normal(size=(COLUMNS, 3)) + 0.1 * rng.normal(size=(rows, 3))
    y = {
        "classes": np.array(["ant", "bee", "cow"])[scores.argmax(axis=1)],
        "two": np.where(scores[:, 0] > 0, 7, -2),
        "labels": (scores > 0).astype(int),
        "numbers": scores[:, 0],
        "several": scores,
        "counts": rng.poisson(np.exp(scores[:, 0] / 3)).astype(float),
    }[task]
    return X.astype(dtype), y


def pair(task, **options):
    """scikit-learn's estimator and ours, with equal parameters."""
    name = "MLPClassifier" if task in ("classes", "two", "labels") else "MLPRegressor"
    if task == "counts":
        options["loss"] = "poisson"
    options = {"hidden_layer_sizes": (7, 4), "activation": "tanh", "random_state": 1, **options}
    return getattr(neural, name)(**options), {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[
        name
    ](**options)


def classes_of(task, y):
    """What `partial_fit` needs beside the rows."""
    if task in ("classes", "two", "labels"):
        return {"classes": np.arange(3) if task == "labels" else np.unique(y)}
    return {}


def parameters(model):
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def assert_same_fit(theirs, ours, X, steps):
    """Weights, losses and predictions agree to the rounding of so many steps.

    A step moves every weight by sums of at most `ROWS` terms, which differ by half an ulp a term, and carries
    the earlier differences on; 8 covers how far tanh layers of these widths enlarge them.
    """
    bound = 8 * ROWS * steps * EPS
    assert_within(parameters(ours), parameters(theirs), bound * np.abs(parameters(theirs)).max())
    outputs = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    expected = getattr(theirs, outputs)(X)
    assert_within(getattr(ours, outputs)(X), expected, bound * np.abs(expected).max() * 8)
    assert ours.n_iter_ == theirs.n_iter_ and ours.t_ == theirs.t_


# The same numbers as scikit-learn

TASKS = ["classes", "two", "labels", "numbers", "several", "counts"]
SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "no momentum": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0},
    "full momentum": {"solver": "sgd", "learning_rate_init": 0.001, "momentum": 1.0},
    "heavy ball": {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "adaptive", "tol": 0.5,
        "n_iter_no_change": 1,
    },
    "in order": {"solver": "adam", "shuffle": False},
}  # fmt: skip


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
    for kind, state in zip(pair("classes"), states, strict=True):
        kind.set_params(random_state=state, max_iter=2, early_stopping=True).fit(X, y)
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
    monkeypatch.setattr(lbfgs, "MOST_ROWS", 4)
    in_parts = function(point)
    assert abs(in_parts[0] - value) <= 11 * EPS * abs(value)
    assert_within(in_parts[1], gradient, 64 * EPS * np.abs(gradient).max())
    _, unweighted = objective("classes", weighted=False)[0](point)
    assert np.abs(unweighted - gradient).max() > 0.01


# Conventions


@parametrize_with_checks(
    [
        MLPClassifier(max_iter=100),
        MLPRegressor(max_iter=100),
        MLPRegressor(solver="sgd", max_iter=50),
        MLPClassifier((8, 6), ["gelu", "logistic"], max_iter=100, optimizer=optimizers.AdamW(0.01)),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", PAIRS.values())
def test_parameters_begin_with_theirs(name):
    theirs, ours = (
        inspect.signature(getattr(module, name)).parameters for module in (neural, sys.modules[__name__])
    )
    assert list(ours)[: len(theirs)] == list(theirs)
    for parameter in theirs:
        assert ours[parameter].default == theirs[parameter].default
        assert ours[parameter].kind == theirs[parameter].kind


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("task", ["classes", "labels", "numbers"])
def test_attributes_are_theirs(task, solver):
    X, y = data(task)
    for options in ({}, {"early_stopping": True}):
        theirs, ours = (
            model.set_params(solver=solver, max_iter=3, **options).fit(X, y) for model in pair(task)
        )
        names = [name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")]
        assert "coefs_" in names and "n_features_in_" in names
        for name in names:
            expected, got = getattr(theirs, name), getattr(ours, name)
            assert type(got) is type(expected) or isinstance(got, (int, float)), name
        assert isinstance(ours, type(theirs))
        assert {name for name in dir(theirs) if not name.startswith("_")} <= set(dir(ours))


def test_an_unfitted_one_has_no_weights():
    model = MLPClassifier()
    assert not hasattr(model, "coefs_") and not hasattr(model, "intercepts_")
    for method in (model.predict, model.predict_proba, model.predict_log_proba):
        with pytest.raises(NotFittedError):
            method([[1.0, 2.0]])
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize("task", TASKS)
def test_written_weights_are_predicted_with(task):
    X, y = data(task)
    theirs, ours = (model.set_params(max_iter=2).fit(X, y) for model in pair(task))
    before = ours.predict(X)
    changed = []
    for model in (theirs, ours):
        model.coefs_[0][:] = 0.25  # in an array
        model.intercepts_[1] = np.full(4, 0.5)  # in the list
        model.coefs_ = [2 * W for W in model.coefs_]  # the list itself
        changed.append(model.predict(X))
    if task in ("numbers", "several", "counts"):
        assert_within(changed[1], changed[0], 64 * EPS * np.abs(changed[0]).max())
        assert not np.array_equal(before, changed[1])
    else:
        assert np.array_equal(changed[1], changed[0])
    assert ours._lists is None, "nobody holds the arrays any more"
    ours.coefs_[0][0, 0] = -1.0
    assert pickle.loads(pickle.dumps(ours)).coefs_[0][0, 0] == -1.0 == ours.coefs_[0][0, 0]
    held = ours.coefs_
    ours.predict(X[:1])
    ours.predict(X[:1])
    held[0][0, 0] = 3.0
    assert ours.predict(X[:1]) is not None and ours._net.weights[0][0, 0] == 3.0


def test_the_short_way_checks_once(monkeypatch):
    """A ready array is not looked at by scikit-learn's validation, and everything else is."""
    models = [pair(task)[1].set_params(max_iter=2).fit(*data(task)) for task in TASKS]
    X = data("classes")[0]
    expected = [model.predict(X.tolist()) for model in models]
    seen = []
    original = fitted.checks.validate_data
    monkeypatch.setattr(fitted.checks, "validate_data", lambda *a, **k: seen.append(1) or original(*a, **k))
    for model, answers in zip(models, expected, strict=True):
        many = [model.predict(X[i : i + 1]) for i in range(ROWS)]
        if model.out_activation_ != "logistic" or answers.ndim == 1:
            assert not seen
        seen.clear()
        assert_same_bits(np.concatenate(many), answers, zeros=True)
        if hasattr(model, "predict_proba"):
            proba = model.predict_proba(X)
            assert not seen and np.array_equal(proba, model.predict_proba(X.tolist()))
            assert np.array_equal(np.log(proba), model.predict_log_proba(X))
        assert model.predict(np.asfortranarray(X)).shape == answers.shape
        for wrong, message in (
            (X[:, :3], "features"), (np.where(X > 2, np.nan, X), "NaN"), (X[0], "1D"), (X[:0], "0 sample"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=message):
                model.predict(wrong)
        seen.clear()


def test_names_of_columns_are_compared():
    pandas = pytest.importorskip("pandas")
    X, y = data("classes")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = MLPClassifier((4,), max_iter=2).fit(frame, y)
    assert list(model.feature_names_in_) == list("abcde")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        expected = model.predict(frame)
    with pytest.warns(UserWarning, match="valid feature names"):
        assert np.array_equal(model.predict(X), expected)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


# Sparse rows


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sparse_rows_are_made_dense_in_parts(solver, container, monkeypatch):
    X, y = data("classes")
    X[np.abs(X) < 0.7] = 0
    options = {"solver": solver, "max_iter": 4, "batch_size": 16, "early_stopping": solver == "adam"}
    fit = pair("classes", **options)[1].fit
    dense_model = fit(X, y)
    monkeypatch.setattr(row_parts, "CHUNK", 32 * COLUMNS * 8)
    if solver == "lbfgs":
        monkeypatch.setattr(lbfgs, "MOST_ROWS", 32)
        dense_model = pair("classes", **options)[1].fit(X, y)
    parts = []
    original = row_parts.dense
    for module in (row_parts, stochastic, lbfgs):
        monkeypatch.setattr(module, "dense", lambda X, chosen: parts.append(original(X, chosen)) or parts[-1])
    model = pair("classes", **options)[1].fit(container(X), y)
    assert_same_bits(model.coefs_, dense_model.coefs_)
    assert_same_bits(model.predict_proba(container(X)), dense_model.predict_proba(X))
    assert len(parts) > 3 and max(map(len, parts)) <= 32


# Beyond scikit-learn


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


class Recorder(Callback):
    def __init__(self, batches):
        self.heard = []
        if batches:
            self.on_train_batch_begin = lambda batch, logs: self.heard.append(("batch", batch))
            self.on_train_batch_end = lambda batch, logs: self.heard.append(("done", batch, sorted(logs)))

    def on_train_begin(self, logs):
        self.heard.append(("begin", self.params["epochs"], self.params["steps"]))

    def on_epoch_end(self, epoch, logs):
        self.heard.append(("epoch", epoch, sorted(logs)))

    def on_train_end(self, logs):
        self.heard.append(("end",))


def test_callbacks_hear_of_epochs_and_batches():
    X, y = data("classes")
    options = {"max_iter": 2, "batch_size": 45, "random_state": 0}
    quiet = MLPClassifier(**options).fit(X, y)
    for batches in (False, True):
        recorder = Recorder(batches)
        model = MLPClassifier(callbacks=recorder, **options).fit(X, y, validation_data=(X, y))
        assert_same_bits(model.coefs_, quiet.coefs_)
        middle = [("batch", 0), ("done", 0, ["loss"]), ("batch", 1), ("done", 1, ["loss"])] if batches else []
        ends = [[*middle, ("epoch", i, ["loss", "val_score"])] for i in range(2)]
        assert recorder.heard == [("begin", 2, 2), *ends[0], *ends[1], ("end",)]


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("task", ["classes", "counts"])
def test_weights_find_their_rows_however_batches_are_taken(task, alpha):
    """In the engine, gathered one by one, made dense: the same fit, and scikit-learn's own."""
    X, y = data(task)
    weight = np.random.default_rng(5).uniform(0.5, 2, len(X))
    weight[:40:3] = 0
    theirs, own = pair(task, max_iter=3, batch_size=16, alpha=alpha)
    theirs.fit(X, y, sample_weight=weight)
    own.fit(X, y, sample_weight=weight)
    for mine, other in zip(own.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(own.loss_curve_, theirs.loss_curve_, rtol=1e-3 if alpha else 1e-10)
    for rows, callbacks in ((sparse.csr_array(X), None), (X, Recorder(True))):
        other = pair(task, max_iter=3, batch_size=16, alpha=alpha)[1].set_params(callbacks=callbacks)
        other.fit(rows, y, sample_weight=weight)
        assert_same_bits(other.coefs_, own.coefs_)
        np.testing.assert_allclose(other.loss_curve_, own.loss_curve_, rtol=1e-12)


def test_callbacks_steer():
    X, y = data("classes")
    options = {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.1, "random_state": 0, "max_iter": 6}

    def lower(epoch, logs):
        callback.network.optimizer = optimizers.SGD(0.0)

    callback = LambdaCallback(on_epoch_end=lower)
    once = MLPClassifier(**{**options, "max_iter": 1}).fit(X, y)
    assert_same_bits(MLPClassifier(callbacks=callback, **options).fit(X, y).coefs_, once.coefs_)
    falling = MLPClassifier(
        callbacks=[ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=10.0)], **options
    ).fit(X, y)
    assert falling._optimizer.learning_rate < 1e-3
    stopping = EarlyStopping("val_score", patience=1, min_delta=0.5, mode="max", restore_best_weights=True)
    stopped = MLPClassifier(callbacks=[stopping], **options).fit(X, y, validation_data=(X, y))
    assert stopped.n_iter_ < 6
    assert abs(stopped.score(X, y) - stopped.validation_scores_[0]) <= EPS  # nothing was better by 0.5
    with pytest.raises(ValueError, match="callbacks came with solver='lbfgs'"):
        MLPClassifier(solver="lbfgs", callbacks=[]).fit(X, y)
    with pytest.raises(TypeError, match="callbacks holds a str"):
        MLPClassifier(callbacks=["stop"]).fit(X, y)


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


# What is said


def test_lines_and_progress(capsys):
    X, y = data("classes")
    MLPClassifier(max_iter=2, verbose=True, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Iteration", "Validation"] * 2
    MLPClassifier(max_iter=2, verbose="progress").fit(X, y)
    assert capsys.readouterr().out.startswith("epoch 1/2  loss ")
    MLPClassifier(max_iter=2, verbose=True, solver="lbfgs").fit(X, y)
    assert capsys.readouterr().out.startswith("Iteration 1, loss = ")
    MLPClassifier(max_iter=2).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_convergence_is_warned_of(solver):
    X, y = data("classes")
    with pytest.warns(ConvergenceWarning):
        MLPClassifier(max_iter=2, solver=solver).fit(X, y)


def test_ctrl_c_keeps_what_there_is():
    X, y = data("classes")

    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    model = MLPClassifier(max_iter=9, random_state=0, callbacks=LambdaCallback(on_epoch_begin=interrupt))
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert model.n_iter_ == 2
    assert_same_bits(model.coefs_, MLPClassifier(max_iter=2, random_state=0).fit(X, y).coefs_)


def test_ctrl_c_after_several_epochs_in_one_call_counts_them_all(monkeypatch):
    X, y = data("classes")
    original, raised = stochastic._Block.next_epoch, []

    def interrupted(block):
        if block.told == 2 and not raised:
            raised.append(block)
            raise KeyboardInterrupt
        return original(block)

    monkeypatch.setattr(stochastic._Block, "next_epoch", interrupted)
    model = MLPClassifier(max_iter=9, random_state=0, n_iter_no_change=20)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    done = raised[0].run.epoch
    assert model.n_iter_ == len(model.loss_curve_) == done > 2
    again = MLPClassifier(max_iter=done, random_state=0, n_iter_no_change=20).fit(X, y)
    assert model.loss_curve_ == again.loss_curve_
    assert_same_bits(model.coefs_, again.coefs_)


def test_ctrl_c_between_calls_leaves_an_optimizer_to_go_on_with(monkeypatch):
    """Of 30 epochs that were drawn the first call trains one, and the next one is interrupted."""

    class EpochByEpoch(Run):
        def advance(self, seconds, batches=None):
            super().advance(batches=self.batches - self.batch)

    X, y = data("classes")
    monkeypatch.setattr(stochastic, "Run", EpochByEpoch)
    original, raised = stochastic._Block.has_next, []

    def interrupted(block):
        if block.told == 1 and not raised:
            raised.append(len(block.run.sums))
            raise KeyboardInterrupt
        return original(block)

    options = {"shuffle": False, "random_state": 0, "n_iter_no_change": 50}
    one, other = (MLPClassifier(max_iter=epochs, **options) for epochs in (30, 1))
    other.fit(X, y)
    monkeypatch.setattr(stochastic._Block, "has_next", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        one.fit(X, y)
    assert raised == [30] and one.n_iter_ == 1
    assert_same_bits(one.partial_fit(X, y).coefs_, other.partial_fit(X, y).coefs_)


@pytest.mark.parametrize("batch_size", [16, 33, 200])  # even batches, a rest, all rows
@pytest.mark.parametrize(
    ("options", "several"),
    [
        *((options, name != "invscaling") for name, options in SOLVERS.items()),
        ({"tol": 0.02, "n_iter_no_change": 3, "max_iter": 60}, True),
        ({"dropout": 0.2, "activation": ["relu", "gelu"]}, True),
        ({"optimizer": optimizers.Adam(0.01, l2=0.01)}, True),
        ({"learning_rate": schedules.ExponentialDecay(0.01, factor=0.9, every=20)}, True),
        ({"random_state": np.random.RandomState}, True),
    ],
)
def test_epochs_in_one_call_are_those_one_by_one(options, several, batch_size, monkeypatch):
    """A callback that does nothing makes every epoch a call of its own."""
    X, y = data("classes")
    X, y = X[:96], y[:96]
    blocks, original = [], stochastic.Trainer._from_block
    monkeypatch.setattr(
        stochastic.Trainer,
        "_from_block",
        lambda trainer, rows, block: blocks.append(len(block.run.sums)) or original(trainer, rows, block),
    )
    options = {"hidden_layer_sizes": (9, 5), "max_iter": 25, "random_state": 3, **options}
    draws = options["random_state"]
    fits = []
    for callbacks in ([], [Callback()]):
        options["random_state"] = draws if draws == 3 else draws(3)
        blocks.clear()
        model = MLPClassifier(**options, batch_size=batch_size, alpha=0.1, callbacks=callbacks)
        fits.append(model.fit(X, y))
        assert bool(blocks) == (several and not callbacks)
    one, other = fits
    assert_same_bits(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_)
    for name in ("loss_curve_", "n_iter_", "t_", "best_loss_", "_no_improvement_count"):
        assert getattr(one, name) == getattr(other, name), name
    if draws != 3:
        assert one.random_state.randint(2**31) == other.random_state.randint(2**31)
    one, other = (fit.partial_fit(X, y) for fit in fits)
    assert_same_bits(one.coefs_, other.coefs_)


def test_long_epochs_are_calls_of_their_own(monkeypatch):
    """Ctrl-C waits for a slice of time, not for an epoch."""
    X, y = data("classes")
    drawn, original = [], stochastic.Trainer._draw
    monkeypatch.setattr(stochastic.Trainer, "_draw", lambda *args: drawn.append(original(*args)) or drawn[-1])
    for brief, blocks in ((1e9, True), (ROWS, False)):
        monkeypatch.setattr(stochastic, "BRIEF", brief)
        drawn.clear()
        MLPClassifier(max_iter=4).fit(X, y)
        assert drawn and all((block is not None) == blocks for block in drawn)


@pytest.mark.parametrize("batch_size", [32, 200])
def test_numpys_own_generator_is_left_as_theirs_leaves_it(batch_size):
    X, y = data("classes")
    after = []
    for model in pair("classes", random_state=None, batch_size=batch_size, max_iter=3):
        np.random.seed(0)  # noqa: NPY002
        model.fit(X, y)
        after.append(np.random.random())  # noqa: NPY002
    assert after[0] == after[1]


def test_a_diverging_fit_says_so():
    X, y = data("numbers")
    model = MLPRegressor(activation="identity", solver="sgd", learning_rate_init=100.0, max_iter=30)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, 100 * y)
    assert np.isnan(model.loss_) and model.n_iter_ == 30


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None\ntry:\n import fastmlp.sklearn\n"
    code += "except ImportError as error: print(error)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "sklearn is not installed" in output and 'pip install "fastmlp[sklearn]"' in output
    assert len(output.splitlines()) == 1


# Among scikit-learn's tools


def test_in_a_pipeline_and_a_search(tmp_path):
    X, y = load_iris(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), MLPClassifier((8,), solver="lbfgs", max_iter=30, random_state=0))
    scores = cross_val_score(pipe, X, y, cv=3)
    assert scores.mean() > 0.9
    grid = {"mlpclassifier__alpha": [1e-3, 10.0], "mlpclassifier__activation": ["tanh", "gelu"]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.9 and search.best_params_["mlpclassifier__alpha"] == 1e-3
    joblib.dump(search.best_estimator_, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    assert_same_bits(loaded.predict_proba(X), search.predict_proba(X))
    assert loaded[-1].__class__.__module__.startswith("fastmlp.")


def test_calibrated_cloned_and_pickled():
    X, y = data("classes")
    calibrated = CalibratedClassifierCV(MLPClassifier((8,), max_iter=30, random_state=0), cv=3).fit(X, y)
    assert log_loss(y, calibrated.predict_proba(X)) < np.log(3)
    model = MLPClassifier((8,), max_iter=3, optimizer=optimizers.SGD(0.1), dropout=[0.1], random_state=0)
    assert clone(model).get_params() == model.get_params() and not hasattr(clone(model.fit(X, y)), "coefs_")
    again = pickle.loads(pickle.dumps(model))
    assert_same_bits(again.predict_proba(X), model.predict_proba(X))
    assert_same_bits(again.partial_fit(X, y).coefs_, model.partial_fit(X, y).coefs_)


def test_outputs_as_frames_and_routed_weights(rng):
    pytest.importorskip("pandas")
    X, y = data("numbers")
    pipe = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0))
    pipe.set_output(transform="pandas")
    assert pipe.fit(X, y).predict(X).shape == (ROWS,)
    weights = rng.uniform(0, 3, ROWS)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0).set_fit_request(
            sample_weight=True
        )
        model.set_score_request(sample_weight=True)
        routed = cross_validate(
            model, X, y, params={"sample_weight": weights}, cv=2, return_estimator=True, return_indices=True
        )
    train = routed["indices"]["train"][0]
    expected = MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0).fit(
        X[train], y[train], weights[train]
    )
    assert_same_bits(routed["estimator"][0].coefs_, expected.coefs_)


def test_multilabel_as_in_scikit_learn():
    X, y = make_multilabel_classification(50, random_state=0)
    theirs, ours = pair("labels", max_iter=50)
    assert np.array_equal(ours.fit(X, y).predict(X), theirs.fit(X, y).predict(X))
    assert ours.score(X, y) == theirs.score(X, y)
