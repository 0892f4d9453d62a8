"""Heads whose targets are words, booleans or any whole numbers, and what comes back by their names."""

import copy
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import Heads, Network, losses
from fastmlp.adapters.carried import Scorer
from fastmlp.callbacks import LayerMonitor
from fastmlp.cli import main
from fastmlp.errors import ModelFileError
from helpers import assert_same_bits
from refusals import assert_refused

ROWS = 40
HEADS = {"price": 1, "kind": (3, "softmax"), "sold": (1, "sigmoid"), "side": 1, "rest": (2, "softmax")}
KINDS, SIDES = np.array(["ant", "bee", "cat"]), np.array([3, 7])


def network(heads=HEADS):
    width = sum(own if isinstance(own, int) else own[0] for own in heads.values())
    net = Network([4, 6, width, Heads(heads)], activation="tanh", seed=2)
    net.compile("adam", {"side": "hinge"} if "side" in heads else None, {"kind": ["accuracy"]})
    return net


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, 4))


@pytest.fixture
def indices(rng):
    """Targets that need no labels."""
    return {
        "price": rng.normal(size=ROWS),
        "kind": rng.permutation(np.arange(ROWS) % 3),
        "sold": rng.permutation(np.arange(ROWS) % 2),
        "side": rng.permutation(np.arange(ROWS) % 2),
        "rest": rng.permutation(np.arange(ROWS) % 2),
    }


@pytest.fixture
def labelled(indices):
    """The same with labels, but for the price and the rest."""
    return {
        **indices,
        "kind": KINDS[indices["kind"]],
        "sold": indices["sold"] == 1,
        "side": SIDES[indices["side"]],
    }


@pytest.fixture
def fitted(X, labelled):
    net = network()
    net.fit(X, labelled, epochs=2)
    return net


def plain(classes):
    return {name: own.tolist() for name, own in classes.items()}


KNOWN = {"kind": ["ant", "bee", "cat"], "sold": [False, True], "side": [3, 7]}


@pytest.mark.parametrize("form", ["mapping", "lists", "arrays"])
def test_labels_train_as_their_indices_do(X, indices, labelled, form):
    y = {
        "mapping": labelled,
        "lists": {name: own.tolist() for name, own in labelled.items()},
        "arrays": list(labelled.values()),
    }[form]
    net, other = network(), network()
    history = net.fit(X, y, epochs=3, batch_size=16, validation_data=(X, y))
    expected = other.fit(X, indices, epochs=3, batch_size=16, validation_data=(X, indices))
    assert history.history == expected.history
    assert_same_bits(net.get_weights(), other.get_weights())
    assert plain(net.classes) == KNOWN and other.classes is None
    assert net.evaluate(X, y) == other.evaluate(X, indices)
    assert net.gradients(X, y)[0] == other.gradients(X, indices)[0]
    assert net.train_on_batch(X, y) == other.train_on_batch(X, indices)
    net.fit(X, y, callbacks=[LayerMonitor(X, y, print_fn=None)])


def test_predicted_classes_and_probabilities_come_back_by_head(X, fitted):
    raw = fitted.predict_heads(X)
    found = fitted.predict_classes(X)
    assert list(found) == ["kind", "sold", "side", "rest"]
    assert (found["kind"] == KINDS[raw["kind"].argmax(axis=1)]).all() and len(set(found["kind"])) > 1
    assert found["sold"].dtype == bool and (found["sold"] == (raw["sold"][:, 0] > 0.5)).all()
    assert (found["side"] == np.where(raw["side"][:, 0] > 0, 7, 3)).all() and len(set(found["side"])) == 2
    assert (found["rest"] == raw["rest"].argmax(axis=1)).all()
    one = fitted.predict_classes(X[0])
    assert {name: own[()] for name, own in one.items()} == {name: own[0] for name, own in found.items()}
    shares = fitted.predict_proba(X)
    assert {name: own.shape for name, own in shares.items()} == {
        "kind": (ROWS, 3), "sold": (ROWS, 2), "rest": (ROWS, 2),
    }  # fmt: skip
    for name, own in shares.items():
        np.testing.assert_allclose(own.sum(axis=1), 1, rtol=1e-6)
        assert ((own.argmax(axis=1) if name != "kind" else KINDS[own.argmax(axis=1)]) == found[name]).all()


def test_heads_without_classes_say_so(X):
    net = Network([4, 2, Heads({"a": 1, "b": 1})], seed=0)
    for call in (net.predict_classes, net.predict_proba):
        assert_refused(lambda: call(X), ValueError, "the heads a, b have no classes")  # noqa: B023


def test_batches_learn_labels_from_the_first(X, labelled, indices):
    parts = [slice(0, 20), slice(20, None)]
    net, other = network(), network()
    for one, y in ((net, labelled), (other, indices)):
        one.fit([(X[part], {name: own[part] for name, own in y.items()}) for part in parts])
    assert_same_bits(net.get_weights(), other.get_weights())
    assert plain(net.classes) == KNOWN


def test_classes_may_be_set_of_some_heads(X, indices):
    net = network()
    net.classes = {
        "kind": [
            "ant",
            "bee",
            "cat",
        ]
    }
    y = {**indices, "kind": np.full(ROWS, "bee"), "sold": indices["sold"] == 1}
    net.fit(X, y)
    assert plain(net.classes) == {"kind": KNOWN["kind"], "sold": [False, True]}
    for classes, error, message in (
        ({"kin": ["a", "b", "c"]}, ValueError, "unknown head in classes 'kin'"),
        ({"kind": ["a", "b"]}, ValueError, "classes of head 'kind' is .*, expected 3 labels"),
        (["a", "b", "c"], TypeError, "expected a mapping of the heads price, kind"),
    ):
        assert_refused(lambda: setattr(net, "classes", classes), error, message, net)  # noqa: B023
    net.classes = {}
    assert net.classes is None


def test_labels_that_are_unknown_are_refused(X, indices, labelled, fitted):
    wrong = {**labelled, "kind": np.where(np.arange(ROWS) == 5, "dog", labelled["kind"])}
    for call in (fitted.fit, fitted.evaluate, fitted.train_on_batch, fitted.gradients):
        assert_refused(
            lambda: call(X, wrong),  # noqa: B023
            ValueError,
            "y of head 'kind' contains 'dog' at row 5, expected one of 'ant', 'bee', 'cat'",
            fitted,
        )
    net = network()
    assert_refused(lambda: net.evaluate(X, labelled), TypeError, "y of head 'kind' holds strings", net)
    few = {**labelled, "kind": np.full(ROWS, "ant")}
    assert_refused(lambda: net.fit(X, few), ValueError, "y of head 'kind' has 1 classes, 'ant'", net)


def test_columns_side_by_side_hold_labels_too(X, labelled):
    heads = {"price": 1, "side": (2, "softmax")}
    nets = [Network([4, 3, Heads(heads)], seed=0) for _ in range(2)]
    for net in nets:
        net.compile("adam")
        net.classes = {"side": SIDES}
    nets[0].fit(X, {name: labelled[name] for name in heads})
    nets[1].fit(X, np.column_stack([labelled[name] for name in heads]))
    assert_same_bits(nets[1].get_weights(), nets[0].get_weights())


def test_a_loss_of_the_whole_output_takes_its_signs(X, indices):
    net = Network([4, 1, Heads({"side": 1})], seed=0)
    net.compile("adam", losses.Hinge(), [])
    net.fit(X, 2 * indices["side"] - 1)
    assert net.classes is None and set(net.predict_classes(X)["side"]) <= {0, 1}


@pytest.mark.parametrize("way", ["npz", "safetensors", "pickle", "copy", "folded"])
def test_labels_go_where_the_network_goes(X, labelled, fitted, way, tmp_path):
    if way in ("npz", "safetensors"):
        fitted.save(tmp_path / f"net.{way}")
        other = fastmlp.load(tmp_path / f"net.{way}")
    else:
        makers = {"pickle": lambda net: pickle.loads(pickle.dumps(net)), "copy": copy.deepcopy}
        other = makers.get(way, lambda net: net.folded())(fitted)
    assert plain(other.classes) == KNOWN
    found, expected = other.predict_classes(X), fitted.predict_classes(X)
    if way == "folded":  # it is not compiled, and a hinge's head has its classes from its loss
        expected.pop("side")
    assert list(found) == list(expected)
    assert all((found[name] == own).all() for name, own in expected.items())


def test_damaged_labels_in_a_file_are_refused(fitted, tmp_path):
    for damaged in ({"kind": KINDS[:2]}, {"kin": KINDS}, {"kind": np.empty(0)}):
        fitted._classes = damaged
        fitted.save(tmp_path / "net.npz")
        with pytest.raises(ModelFileError, match="net.npz has a damaged list of classes"):
            fastmlp.load(tmp_path / "net.npz")


def test_the_command_line_tells_them(fitted, tmp_path, capsys):
    fitted.save(tmp_path / "net.npz")
    assert main(["info", str(tmp_path / "net.npz")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "classes of kind: ant, bee, cat" in said and "classes of side: 3, 7" in said


def test_workers_give_one_array_alone(fitted):
    assert Scorer(fitted, "predict", None).form(4).shape == (0, 8)
    with pytest.raises(ValueError, match="method is 'predict_classes' and the network has the heads price"):
        Scorer(fitted, "predict_classes", None)
