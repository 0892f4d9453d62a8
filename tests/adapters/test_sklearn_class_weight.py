"""`class_weight` of the estimators: which factors are taken, of which classes, in folds and parts of data."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.model_selection import KFold, cross_val_score

from fastmlp.sklearn import MLPClassifier
from helpers import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ["adam", "lbfgs"]
LABELS = {
    "words": np.array(["a", "b", "c"]),
    "objects": np.array(["a", "b", "c"], object),
    "numbers": np.arange(3),
}


@pytest.fixture
def X(rng):
    return rng.normal(size=(60, 3))


def classifier(class_weight, **options):
    return MLPClassifier((4,), random_state=0, class_weight=class_weight, **{"max_iter": 3, **options})


def of_rows(factors, y):
    return np.array([factors.get(label, 1.0) for label in y.tolist()])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("factor", "error", "message"),
    [
        (np.nan, ValueError, "^class_weight of class 1 is nan, expected a finite number at least 0$"),
        (np.inf, ValueError, "^class_weight of class 1 is inf, expected a finite number at least 0$"),
        (-1.0, ValueError, "^class_weight of class 1 is -1, expected a finite number at least 0$"),
        ("2", TypeError, "^class_weight of class 1 is '2', expected a number$"),
        (None, TypeError, "^class_weight of class 1 is None, expected a number$"),
    ],
)
def test_a_factor_is_a_finite_number_of_at_least_0(solver, factor, error, message, X):
    with pytest.raises(error, match=message):
        classifier({0: 2.0, 1: factor}, solver=solver).fit(X, np.arange(60) % 3)
    model = classifier({0: 2.0, 1: factor})
    with pytest.raises(error, match=message):  # though no row is of its class
        model.partial_fit(X[:2], [0, 2], classes=[0, 1, 2])


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_of_0_alone_are_refused(solver, X):
    y = np.arange(60) % 3
    with pytest.raises(
        ValueError, match="^class_weight is 0 for every class of y, expected at least one above"
    ):
        classifier(dict.fromkeys(range(3), 0.0), solver=solver).fit(X, y)
    with pytest.raises(ValueError, match="^class_weight times sample_weight is 0 in every row"):
        classifier({0: 0.0}, solver=solver).fit(X, y, sample_weight=(y == 0) * 1.0)


@pytest.mark.parametrize("kind", LABELS)
def test_a_class_that_the_rows_lack_has_no_effect(kind, X):
    labels = LABELS[kind]
    y = labels[np.arange(60) % 2]  # without the last
    given = {labels[0]: 2.0, labels[1]: 0.5, labels[2]: 7.0}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "class_weight")
        model = classifier(given).fit(X, y)
    weighted = classifier(None).fit(X, y, sample_weight=of_rows({labels[0]: 2.0, labels[1]: 0.5}, y))
    assert_same_bits(model.coefs_, weighted.coefs_)
    with pytest.warns(
        UserWarning, match="^class_weight has the class .*, expected one of .*; it has no effect$"
    ):
        model = classifier({labels[0]: 2.0, labels[2]: 7.0}).fit(X, y)
    weighted = classifier(None).fit(X, y, sample_weight=of_rows({labels[0]: 2.0}, y))
    assert_same_bits(model.coefs_, weighted.coefs_)


@pytest.mark.filterwarnings("ignore:class_weight has the class")
@pytest.mark.parametrize("given", [{0: 2.0, 1: 1.0, 2: 5.0}, {2: 5.0}])
def test_folds_that_lack_a_class(given, X):
    y = np.sort(np.arange(60) % 3)  # each of three folds takes a class away
    scores = cross_val_score(classifier(given), X, y, cv=KFold(3), error_score="raise")
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", LABELS)
def test_partial_fits_of_a_class_without_a_factor(kind, X):
    labels = LABELS[kind]
    weighted, by_hand = classifier({labels[0]: 2.0}), classifier(None)
    for part in (slice(0, 20, 3), slice(1, 20, 3), slice(20, 60)):
        y = labels[np.arange(60) % 3][part]
        weighted.partial_fit(X[part], y, classes=labels)
        by_hand.partial_fit(X[part], y, classes=labels, sample_weight=of_rows({labels[0]: 2.0}, y))
    assert_same_bits(weighted.coefs_, by_hand.coefs_)


def test_a_part_of_factor_0_trains_nothing(X):
    model = classifier({0: 0.0}).partial_fit(X, np.arange(60) % 3, classes=[0, 1, 2])
    before = model.coefs_
    model.set_params(alpha=0.0, solver="sgd", momentum=0.0)
    model._optimizer = None
    del model._optimizer
    model.partial_fit(X[:5], np.zeros(5, int))
    assert_same_bits(model.coefs_, before)


@pytest.mark.parametrize("label", ["z", 1])
def test_labels_of_no_known_class_are_refused(label, X):
    y = LABELS["words"][np.arange(60) % 3]
    message = "^class_weight has the class .*, expected one of 'a', 'b', 'c'$"
    with pytest.raises(ValueError, match=message):
        classifier({"a": 2.0, label: 1.0}).partial_fit(X, y, classes=["a", "b", "c"])
    model = classifier({"a": 2.0}, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.set_params(class_weight={label: 1.0}).fit(X, y)
    if label == 1:  # no fold could have it
        with pytest.raises(ValueError, match=message):
            classifier({1: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match="not in `self.classes_`"):
        classifier({"a": 2.0}).partial_fit(X, y, classes=["a", "b"])


def test_several_labels_a_row(X):
    Y = X > 0
    with pytest.raises(
        ValueError, match="^class_weight is a dict with several labels a row, expected 'balanced'"
    ):
        classifier({0: 2.0}).fit(X, Y)
    assert classifier("balanced").fit(X, Y).predict(X).shape == Y.shape
