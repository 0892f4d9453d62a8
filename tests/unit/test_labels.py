"""Targets as people have them: words, booleans, whole numbers; what comes back, from files too."""

import copy
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import BatchNormalization, Network
from fastmlp.errors import ModelFileError
from helpers import assert_same_bits

ROWS = 30
INDICES = np.arange(ROWS) * 7 % 3
THREE = {
    "words": np.array(["ant", "bee", "cat"])[INDICES],
    "a list of words": np.array(["ant", "bee", "cat"])[INDICES].tolist(),
    "objects": np.array(["ant", "bee", "cat"], object)[INDICES],
    "a column": np.array(["ant", "bee", "cat"])[INDICES][:, None],
    "1 to 3": INDICES + 1,
    "negative": 5 * INDICES - 5,
    "floats": INDICES * 10.0,
    "uint8": (INDICES * 100).astype(np.uint8),
}
TWO = {
    "signs": 2 * (INDICES > 0) - 1,
    "booleans": INDICES > 0,
    "words": np.where(INDICES > 0, "yes", "no"),
    "1 and 2": (INDICES > 0) + 1.0,
}


def network(outputs=3, output=None):
    net = Network([4, 8, outputs], output=output or ("softmax" if outputs > 1 else "sigmoid"), seed=3)
    net.compile("adam")
    return net


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, 4))


@pytest.mark.parametrize("name", THREE)
def test_labels_train_as_their_indices_do(X, name):
    net, other, y = network(), network(), THREE[name]
    history = net.fit(X, y, epochs=3, validation_data=(X, y), class_weight="balanced")
    expected = other.fit(X, INDICES, epochs=3, validation_data=(X, INDICES), class_weight="balanced")
    assert history.history == expected.history
    assert_same_bits(net.get_weights(), other.get_weights())
    flat = np.asarray(y).reshape(-1)
    assert net.classes.tolist() == sorted(set(flat.tolist())) and other.classes is None
    said = net.predict_classes(X)
    assert said.tolist() == net.classes[other.predict_classes(X)].tolist() and set(said) <= set(flat)
    assert net.predict_classes(X[0]).shape == () and net.predict_classes(X[0]) == said[0]
    assert net.evaluate(X, y) == other.evaluate(X, INDICES)
    assert net.gradients(X, y)[0] == other.gradients(X, INDICES)[0]
    assert net.train_on_batch(X, y) == other.train_on_batch(X, INDICES)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", TWO)
def test_two_classes(X, name, outputs):
    net, other, y = network(outputs), network(outputs), TWO[name]
    net.fit(X, y, epochs=2)
    other.fit(X, (INDICES > 0).astype(int), epochs=2)
    assert_same_bits(net.get_weights(), other.get_weights())
    assert net.predict_classes(X).tolist() == net.classes[other.predict_classes(X)].tolist()
    assert net.predict_classes(X).dtype == net.classes.dtype and set(net.classes.tolist()) == set(y.tolist())


def test_indices_stay_indices(X):
    net = network()
    net.fit(X, INDICES)
    assert net.classes is None and net.predict_classes(X).dtype == np.int64
    net.fit(X, np.minimum(INDICES, 1))  # a class that rows lack is no reason to count anew
    assert net.classes is None
    soft = network(1)
    soft.fit(X, np.linspace(0, 1, ROWS))  # targets between no and yes
    assert soft.classes is None


def test_classes_are_learned_once(X):
    """Targets of a trained network that are no indices may be those of another coding."""
    net = network()
    for method in ("evaluate", "gradients"):
        with pytest.raises(ValueError, match="^y contains 3 at row"):
            getattr(net, method)(X, INDICES + 1)
        with pytest.raises(
            TypeError, match="^y holds strings, expected numbers, or labels that net.classes has$"
        ):
            getattr(net, method)(X, THREE["words"])
    net.fit(X, INDICES)
    with pytest.raises(ValueError, match="^y contains 3 at row"):
        net.fit(X, INDICES + 1)
    net = network()
    net.fit(X, THREE["words"])
    with pytest.raises(ValueError, match="^y contains 'dog' at row 2, expected one of 'ant', 'bee', 'cat'$"):
        net.fit(X[:3], ["ant", "bee", "dog"])
    with pytest.raises(ValueError, match="^y contains 0 at row 0, expected one of 'ant', 'bee', 'cat'$"):
        net.fit(X, INDICES)
    with pytest.raises(ValueError, match="^validation_data y contains 'x' at row 1"):
        net.fit(X, THREE["words"], validation_data=(X[:2], ["ant", "x"]))
    net.fit(X[:1], ["bee"])  # not every call has every class


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"] * 15, "^y has 2 classes, 'a', 'b', expected 3; net.classes may name those .*$"),
        ([*"abcdef"] * 5, "^y has 6 classes, 'a', 'b', 'c', 'd', 'e', 'f', expected 3$"),
        ([1, 2, 3, 4, 5] * 6, "^y contains 3 at row 2, expected classes 0 to 2$"),
        ([1.5, 2.5, 3.5] * 10, "^y contains 1.5 at row 0, expected whole class indices$"),
    ],
)
def test_labels_that_cannot_be_told_are_refused(X, y, message):
    net = network()
    with pytest.raises(ValueError, match=message):
        net.fit(X, y)
    assert net.plan.step == 0 and net.classes is None


def test_a_refused_fit_learns_nothing(X):
    net = network()
    with pytest.raises(ValueError, match="^sample_weight has shape"):
        net.fit(X, THREE["words"], sample_weight=[1.0])
    with pytest.raises(
        ValueError, match="^class_weight has the class 'dog', expected one of 'ant', 'bee', 'cat'"
    ):
        net.fit(X, THREE["words"], class_weight={"dog": 2.0})
    assert net.classes is None


def test_classes_may_be_named_before(X):
    net = network()
    net.classes = ["cat", "ant", "bee"]  # in the order of the outputs
    y = np.where(INDICES == 2, "ant", THREE["words"])
    other = network()
    net.fit(X, y)
    other.fit(X, np.array([1, 2, 1])[INDICES])
    assert_same_bits(net.get_weights(), other.get_weights())
    assert (
        net.predict_classes(X).tolist() == np.array(["cat", "ant", "bee"])[other.predict_classes(X)].tolist()
    )
    net.classes = None
    assert net.predict_classes(X).dtype == np.int64
    for wrong in (["a", "b"], ["a", "b", "b"], 5, [["a", "b", "c"]]):
        with pytest.raises(ValueError, match="^classes is .*, expected 3 (different )?labels$"):
            net.classes = wrong
    with pytest.raises(TypeError, match="^classes holds 1 at row 1, expected a word as elsewhere$"):
        net.classes = ["a", 1, "b"]
    with pytest.raises(ValueError, match="read-only"):
        net.classes = [1, 2, 3]
        net.classes[0] = 5


def test_class_weights_go_by_label(X):
    y = THREE["words"]
    net, other = network(), network()
    net.fit(X, y, class_weight={"cat": 4.0, "ant": 0.5})
    other.fit(X, INDICES, sample_weight=np.array([0.5, 1.0, 4.0])[INDICES])
    assert_same_bits(net.get_weights(), other.get_weights())


@pytest.mark.parametrize("case", ["labels", "rows", "binary"])
def test_balanced_class_weights_are_scikit_learns(X, case):
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_sample_weight
    indices = np.minimum(np.arange(ROWS) // 8, 2)
    outputs = 1 if case == "binary" else 3
    indices = np.minimum(indices, 1) if case == "binary" else indices
    y = np.eye(3)[indices] if case == "rows" else indices
    net, other, plain = (network(outputs) for _ in range(3))
    for each in (net, other, plain):
        each.compile("sgd")  # whose steps are as large as the weights say
    net.fit(X, y, class_weight="balanced", epochs=2)
    other.fit(X, y, sample_weight=compute("balanced", indices), epochs=2)
    for own, theirs in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5, atol=1e-7)
    plain.fit(X, y, epochs=2)
    assert np.abs(plain.weights[0] - net.weights[0]).max() > 1e-5
    with pytest.raises(
        TypeError, match="^class_weight is 'equal', expected 'balanced' or a mapping of classes"
    ):
        net.fit(X, y, class_weight="equal")


@pytest.mark.parametrize("output", ["softmax", "log_softmax", "sigmoid"])
def test_predict_proba(X, output):
    net = network(3, output)
    p = net.predict(X)
    expected = np.exp(p) if output == "log_softmax" else p
    assert np.array_equal(net.predict_proba(X), expected) and net.predict_proba(X[0]).shape == (3,)
    single = network(1)
    p = single.predict(X)[:, 0]
    assert np.array_equal(single.predict_proba(X), np.stack([1 - p, p], axis=1))
    assert np.array_equal(single.predict_proba(X[0]), [1 - p[0], p[0]])
    with pytest.raises(ValueError, match="^the output has activation 'identity', predict_proba expects"):
        Network([4, 2]).predict_proba(X)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("classes", [["b", "a", "ü"], [3, -1, 2], [0.5, 1.5, 2.0], None])
def test_files_copies_and_pickles_keep_the_labels(X, classes, suffix, tmp_path):
    net = network()
    net.classes = classes
    net.save(tmp_path / f"net{suffix}")
    others = [fastmlp.load(tmp_path / f"net{suffix}"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    for other in [*others, net.folded()]:
        assert (other.classes is None) == (classes is None)
        assert other.predict_classes(X).tolist() == net.predict_classes(X).tolist()
        if classes is not None:
            assert other.classes.tolist() == classes and other.classes.dtype == net.classes.dtype


def test_booleans_come_back_from_files(tmp_path):
    net = network(1)
    net.classes = [False, True]
    net.save(tmp_path / "net.npz")
    assert fastmlp.load(tmp_path / "net.npz").classes.dtype == bool


@pytest.mark.parametrize("damaged", ["abc", [], {}, ["a", "b"], ["a", "b", 1], [[1], [2], [3]], [1, 1, 2]])
def test_damaged_labels_are_refused(damaged, tmp_path):
    from test_cli_predict import with_classes

    with_classes(network(), damaged, tmp_path / "net.npz")
    with pytest.raises(ModelFileError, match="net.npz has a damaged list of classes"):
        fastmlp.load(tmp_path / "net.npz")


def test_data_frames(X):
    pandas = pytest.importorskip("pandas")
    for y in (pandas.Series(THREE["words"]), pandas.Series(THREE["words"]).astype("category")):
        net = network()
        net.fit(X, y)
        assert net.classes.tolist() == ["ant", "bee", "cat"]
    with pytest.raises(TypeError, match="^y holds (None|nan) at row 1, expected a word as elsewhere$"):
        network().fit(X[:3], pandas.Series(["a", None, "b"]))


def test_to_sklearn_takes_the_labels(X):
    pytest.importorskip("sklearn")
    from fastmlp.sklearn import to_sklearn

    net = Network([4, BatchNormalization(), 8, 3], output="softmax", seed=3)
    net.compile()
    net.fit(X, THREE["words"])
    assert to_sklearn(net).predict(X).tolist() == net.predict_classes(X).tolist()
