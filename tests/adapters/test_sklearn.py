"""The estimators by scikit-learn's conventions and among its tools."""

import inspect
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
import sklearn
from scipy import sparse
from sklearn import neural_network as neural
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from estimators import COLUMNS, EPS, PAIRS, ROWS, TASKS, data, pair
from fastmlp import optimizers
from fastmlp.adapters.sklearn import fitted, lbfgs, stochastic
from fastmlp.sklearn import MLPClassifier, MLPRegressor
from fastmlp.training import scoring, solvers
from fastmlp.training import sparse as row_parts
from helpers import assert_same_bits, assert_within

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
        theirs, ours = (model.fit(X, y) for model in pair(task, solver=solver, max_iter=3, **options))
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
        monkeypatch.setattr(solvers, "MOST_ROWS", 32)
        dense_model = pair("classes", **options)[1].fit(X, y)
    parts = []
    original = row_parts.dense
    for module in (scoring, stochastic, lbfgs):
        monkeypatch.setattr(module, "dense", lambda X, chosen: parts.append(original(X, chosen)) or parts[-1])
    model = pair("classes", **options)[1].fit(container(X), y)
    assert_same_bits(model.coefs_, dense_model.coefs_)
    assert_same_bits(model.predict_proba(container(X)), dense_model.predict_proba(X))
    assert len(parts) > 3 and max(map(len, parts)) <= 32


# What is said


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None\ntry:\n import fastmlp.sklearn\n"
    code += "except ImportError as error: print(error)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "sklearn is not installed" in output and 'pip install ".[sklearn]"' in output
    assert len(output.splitlines()) == 1


# Among scikit-learn's tools


def test_in_a_pipeline_and_a_search(tmp_path):
    X, y = load_iris(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), MLPClassifier((8,), solver="lbfgs", max_iter=30, random_state=0))
    scores = cross_val_score(pipe, X, y, cv=3)
    assert scores.mean() > 0.9
    grid = {"mlpclassifier__alpha": [1e-3, 10.0], "mlpclassifier__activation": ["tanh", "gelu"]}
    with joblib.parallel_config("threading"):  # test_workers has processes
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
