"""Fitted scikit-learn MLPs become Networks and come back, with the predictions they had."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import neural_network as neural  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler, StandardScaler  # noqa: E402

from fastmlp import (  # noqa: E402
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Network,
    Rescaling,
    Standardize,
)
from fastmlp import sklearn as own  # noqa: E402
from fastmlp.sklearn import MLPClassifier, MLPRegressor, from_sklearn, to_sklearn  # noqa: E402
from helpers import assert_same_bits, assert_within  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HIDDEN = [(), (1,), (37,), (13, 7)]


def rows(dtype, count=40, columns=13):
    return np.random.default_rng(1).normal(size=(count, columns)).astype(dtype)


def fitted(task, hidden, activation, dtype, library=neural):
    """A fitted estimator of scikit-learn's, or with another `library` of ours, and rows."""
    X = rows(dtype)
    rng = np.random.default_rng(2)
    targets = {
        "classes": np.arange(len(X)) % 3,
        "two": np.arange(len(X)) % 2,
        "labels": rng.integers(0, 2, (len(X), 3)),
        "numbers": rng.normal(size=len(X)),
        "several": rng.normal(size=(len(X), 2)),
        "counts": rng.poisson(2.0, len(X)),
    }[task]
    name = "MLPClassifier" if task in ("classes", "two", "labels") else "MLPRegressor"
    kind = (
        getattr(library, name)
        if library is neural
        else {"MLPClassifier": MLPClassifier}.get(name, MLPRegressor)
    )
    options = {"loss": "poisson"} if task == "counts" else {}
    model = kind(hidden_layer_sizes=hidden, activation=activation, max_iter=3, random_state=0, **options)
    return model.fit(X, targets), X


def outputs(model, X):
    """What a Network with the same weights gives."""
    found = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    if getattr(model, "n_outputs_", 0) == 1:
        return found[:, -1:] if found.ndim == 2 else found[:, None]
    return found


def bound(net, values, dtype):
    """Sums of n terms differ by n / 2 ulp a layer, functions by a few; 8 is what later layers may enlarge."""
    return 8 * (sum(net.layer_sizes) + 8) * np.finfo(dtype).eps * np.abs(values).max()


TASKS = ["classes", "two", "labels", "numbers", "several", "counts"]


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("task", TASKS)
def test_there_and_back(task, hidden, activation, dtype):
    model, X = fitted(task, hidden, activation, dtype)
    net = from_sklearn(model)
    assert net.dtype == dtype and net.layer_sizes == (13, *hidden, model.n_outputs_)
    assert_within(net.predict(X), outputs(model, X), bound(net, outputs(model, X), dtype))
    classes = getattr(model, "classes_", None)
    back = to_sklearn(net, classes=classes)
    assert type(back) is type(model)
    assert_same_bits(back.coefs_ + back.intercepts_, model.coefs_ + model.intercepts_)
    assert_same_bits(outputs(back, X), outputs(model, X))
    assert (
        np.array_equal(back.predict(X), model.predict(X)) and back.predict(X).dtype == model.predict(X).dtype
    )
    assert back.out_activation_ == model.out_activation_ and back.n_layers_ == model.n_layers_
    if hidden:
        assert back.activation == model.activation


@pytest.mark.parametrize("task", TASKS)
def test_ours_there_and_back(task, dtype):
    model, X = fitted(task, (13, 7), "tanh", dtype, library=own)
    net = from_sklearn(model)
    assert_same_bits(net.predict(X)[:, -1:], outputs(model, X)[:, -1:])
    kind = type(model)
    back = to_sklearn(net, classes=getattr(model, "classes_", None), estimator=kind)
    assert type(back) is kind
    assert_same_bits(outputs(back, X), outputs(model, X))
    theirs = to_sklearn(net, classes=getattr(model, "classes_", None))
    assert type(theirs) is kind.__mro__[2] or type(theirs).__module__.startswith("sklearn.")
    assert_within(outputs(theirs, X), outputs(model, X), bound(net, outputs(model, X), dtype))


@pytest.mark.parametrize("task", ["classes", "numbers"])
@pytest.mark.parametrize("kind", [None, "ours"])
def test_training_goes_on(task, kind):
    model, X = fitted(task, (7,), "relu", "float64")
    ours = {"classes": MLPClassifier, "numbers": MLPRegressor}[task] if kind else None
    y = model.predict(X)
    back = to_sklearn(from_sklearn(model), classes=getattr(model, "classes_", None), estimator=ours)
    before = [W.copy() for W in back.coefs_]
    back.partial_fit(X, y)
    assert all(np.any(now != then) for now, then in zip(back.coefs_, before, strict=True))
    assert back.t_ == len(X) and len(back.loss_curve_) == 1
    back.set_params(warm_start=True, max_iter=2).fit(X, y)
    assert len(back.loss_curve_) == 3


def test_written_weights_are_converted():
    model, X = fitted("numbers", (7,), "relu", "float64", library=own)
    model.coefs_[0][:] = 0.5
    assert np.all(from_sklearn(model).weights[0] == 0.5)


@pytest.mark.parametrize("options", [{}, {"with_mean": False}, {"with_std": False}])
def test_a_scaler_stays_in_the_network(options):
    X = rows("float64") * 5 + 3
    y = X[:, 0] - X[:, 1]
    mlp = neural.MLPRegressor(hidden_layer_sizes=(7,), max_iter=3, random_state=0)
    pipe = make_pipeline(StandardScaler(**options), mlp).fit(X, y)
    net = from_sklearn(pipe)
    assert isinstance(net.layers[0], Standardize)
    expected = pipe.predict(X)[:, None]
    assert_within(net.predict(X), expected, bound(net, expected, "float64"))
    with pytest.raises(TypeError, match="the pipeline has MinMaxScaler before the MLP"):
        from_sklearn(make_pipeline(MinMaxScaler(), neural.MLPRegressor(max_iter=3)).fit(X, y))


@pytest.mark.parametrize("first", [Rescaling(1 / 8, 0.5), Standardize(tuple(range(13)), (2.0,) * 13)])
def test_other_layers_go_into_the_weights(first, dtype):
    X = rows(dtype) * 3
    layers = [13, first, Dense(7, "tanh"), Dropout(0.3), Dense(6, use_bias=False), BatchNormalization()]
    net = Network(
        [*layers, Activation("tanh"), Dense(3, "softmax", use_bias=False)], dtype=dtype.name, seed=0
    )
    net.compile()
    net.fit(X, np.arange(len(X)) % 3, epochs=2, verbose=False)
    expected = net.predict(X)
    for estimator in (None, MLPClassifier):
        model = to_sklearn(net, estimator=estimator)
        # folding scales weights, which rounds them once more a layer
        assert_within(model.predict_proba(X), expected, 4 * bound(net, expected, dtype))
        assert model.hidden_layer_sizes == (7, 6) and model.activation == "tanh"
        assert {array.dtype for array in model.coefs_ + model.intercepts_} == {dtype}


def test_any_activation_with_our_class():
    net = Network([13, 7, 6, 3], activation=["gelu", ("leaky_relu", 0.3)], output="softmax", seed=0)
    model = to_sklearn(net, estimator=MLPClassifier, classes=["a", "b", "c"])
    assert model.activation == ["gelu", ("leaky_relu", 0.3)]
    X = rows("float32")
    assert_same_bits(model.predict_proba(X), net.predict(X))
    assert np.array_equal(model.predict(X), np.array(["a", "b", "c"])[net.predict_classes(X)])
    with pytest.raises(ValueError, match="hidden activations are"):
        to_sklearn(net)


def test_what_cannot_be_is_said():
    with pytest.raises(TypeError, match="estimator is a LogisticRegression"):
        from_sklearn(LogisticRegression())
    with pytest.raises(NotFittedError):
        from_sklearn(neural.MLPClassifier())
    with pytest.raises(ValueError, match="LayerNormalization"):
        to_sklearn(Network([3, LayerNormalization(), 2], seed=0))
    with pytest.raises(ValueError, match="output activation is 'tanh'"):
        to_sklearn(Network([3, 2], output="tanh"))
    net = Network([3, 4, 3], output="softmax", seed=0)
    for classes in ([0, 1], [2, 1, 0], [1, 1, 2]):
        with pytest.raises(ValueError, match="expected 3 different labels in ascending order"):
            to_sklearn(net, classes=classes)
    with pytest.raises(ValueError, match="sigmoid outputs, expected None"):
        to_sklearn(Network([3, 3], output="sigmoid", seed=0), classes=["a", "b", "c"])


def test_labels_of_two_classes():
    net = Network([3, 4, 1], output="sigmoid", seed=0)
    model = to_sklearn(net, classes=["no", "yes"])
    X = rows("float32", columns=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(model.predict(X) == "yes", net.predict_classes(X) == 1)
