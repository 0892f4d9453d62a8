"""`matmul_precision` of estimators."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from fastmlp import sklearn as ours  # noqa: E402
from fastmlp import tabular
from helpers import assert_same_bits  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 70)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def fitted(X, y, **options):
    return ours.MLPClassifier((80, 64), max_iter=3, random_state=0, **options).fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_scikit_learns_estimators_take_it(data, solver):
    X, y = data
    highest = fitted(X, y, solver=solver).predict_proba(X)
    assert_same_bits(fitted(X, y, solver=solver, matmul_precision="highest").predict_proba(X), highest)
    model = fitted(X, y, solver=solver, matmul_precision="medium")
    off = np.abs(model.predict_proba(X) - highest).max()
    assert 1e-6 < off < 0.1
    net = ours.from_sklearn(model)
    assert net.matmul_precision == "medium"
    assert_same_bits(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))
    back = ours.to_sklearn(net, estimator=ours.MLPClassifier)
    assert_same_bits(back.predict_proba(X), model.predict_proba(X))


def test_scikit_learns_estimators_refuse(data):
    X, y = data
    with pytest.raises(ValueError, match="matmul_precision"):
        fitted(X, y, matmul_precision="low")
    with pytest.raises(ValueError, match="matmul_precision is 'high' with dtype float64"):
        fitted(X.astype(np.float64), y, matmul_precision="high")


def test_tabular_estimators_take_it(data, tmp_path):
    X, y = data
    model = tabular.TabularClassifier("fast", random_state=0, nets=1, matmul_precision="medium").fit(X, y)
    highest = tabular.TabularClassifier("fast", random_state=0, nets=1).fit(X, y)
    assert (model.predict_proba(X) != highest.predict_proba(X)).any()
    assert {member.net.matmul_precision for member in model.ensemble_.members} == {"medium"}
    model.save(tmp_path / "model.npz")
    assert_same_bits(tabular.load(tmp_path / "model.npz").predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="matmul_precision is 'low', expected"):
        tabular.TabularRegressor("fast", matmul_precision="low").fit(X, y)
