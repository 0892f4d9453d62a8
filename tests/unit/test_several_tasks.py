"""Networks of several tasks: heads as users name them, their targets, losses, metrics and files."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import fastmlp
from fastmlp import Heads, Members, Network, losses, optimizers
from fastmlp.autodiff import check_gradients, hessian_vector_product, jacobian, per_sample_gradients
from fastmlp.callbacks import EarlyStopping, LambdaCallback, LayerMonitor
from helpers import assert_same_bits, assert_trained
from refusals import assert_refused

HEADS = {"price": 1, "kind": (3, "softmax"), "tags": (2, "sigmoid")}
ROWS = 60


def network(dtype="float64", heads=HEADS, **more):
    width = sum(own if isinstance(own, int) else own[0] for own in heads.values())
    return Network([4, 8, width, Heads(heads)], activation="tanh", dtype=dtype, seed=1, **more)


def data(rows=ROWS):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(rows, 4))
    return X, {
        "price": X[:, 0] - X[:, 1],
        "kind": rng.integers(0, 3, rows),
        "tags": rng.integers(0, 2, (rows, 2)),
    }


def compiled(loss=None, metrics=None, **more):
    net = network(**more)
    net.compile("adam", loss, metrics)
    return net


# The description


def test_heads_say_their_columns_and_activations():
    net = network()
    assert net.heads == {"price": slice(0, 1), "kind": slice(1, 4), "tags": slice(4, 6)}
    assert Network([4, 2]).heads == {}
    layer = net.layers[-1]
    assert layer == Heads([("price", 1), ("kind", 3, "softmax"), ("tags", 2, "sigmoid")])
    assert eval(repr(layer)) == layer and fastmlp.layers.chain.from_config(layer.to_config()) == layer
    assert layer.words() == "heads, price 1 identity, kind 3 softmax, tags 2 sigmoid"
    assert Heads({"a": (2, ("leaky_relu", 0.2))}).output_heads() == (("a", 2, "leaky_relu", 0.2),)


def test_predictions_are_those_of_networks_of_one_head_each():
    net = network()
    X, _ = data()
    found, whole = net.predict_heads(X), net.predict(X)
    *hidden, W, b = net.get_weights()
    for name, columns in net.heads.items():
        (activation,) = (own[2] for own in net.layers[-1].output_heads() if own[0] == name)
        width = columns.stop - columns.start
        alone = Network([4, 8, width], activation="tanh", output=activation, dtype="float64")
        alone.set_weights([*hidden, W[:, columns], b[columns]])
        assert_same_bits(found[name], alone.predict(X))
        assert_same_bits(whole[:, columns], found[name])
        assert_same_bits(net.predict_heads(X[0])[name], alone.predict(X[0]))
    assert list(found) == list(HEADS)


@pytest.mark.parametrize(
    ("heads", "error", "message"),
    [
        ({}, ValueError, "heads has the names none"),
        ([("a", 1), ("a", 2)], ValueError, "all different"),
        ({"a": 0}, ValueError, "columns of head 'a' is 0"),
        ({"a": "softmax"}, TypeError, "columns of head 'a'"),
        ({"a": (2, "softmx")}, ValueError, "'softmax'"),
        ({"a": (2, "log_softmax")}, ValueError, "activation of head 'a' is 'log_softmax'"),
        ([1, 2], TypeError, "heads has 1"),
        (3, TypeError, "heads is a int"),
    ],
)
def test_what_is_no_head_is_refused(heads, error, message):
    assert_refused(lambda: Heads(heads), error, message)


def test_heads_stand_at_the_end_and_divide_the_whole_output():
    heads = Heads({"a": 1, "b": 2})
    assert_refused(lambda: Network([2, 4, heads]), ValueError, "has 3 columns, expected 4")
    assert_refused(lambda: Network([2, 3, heads, 3]), ValueError, "at the end")
    assert_refused(lambda: Network([2, 3, heads], output="tanh"), ValueError, "'identity'")


def test_what_is_of_one_output_says_so():
    net = compiled()
    X, y = data()
    assert_refused(lambda: Network([2, 1]).predict_heads([1.0, 2.0]), ValueError, "fastmlp.Heads")
    assert_refused(
        lambda: net.compile(standardize_targets=True), ValueError, "standardize_targets is True", net
    )
    assert_refused(lambda: net.fit(X, y, class_weight="balanced"), ValueError, "class_weight", net)
    net.compile(optimizers.LevenbergMarquardt())
    assert_refused(lambda: net.fit(X, y, batch_size=None), ValueError, "'heads'", net)


# Losses


def test_the_loss_is_the_weighted_sum_of_each_heads_own(dtype):
    X, y = data()
    weights = np.linspace(0.5, 1.5, ROWS)
    own = {"price": losses.Huber(0.5), "kind": losses.SparseCategoricalCrossentropy(0.1)}
    net = compiled(losses.Heads(own, {"price": 2.0, "tags": 0.25}), dtype=dtype)
    scores = net.evaluate(X, y, weights)
    assert list(scores) == ["loss", "price_loss", "kind_loss", "tags_loss"]
    expected = {}
    *hidden, W, b = net.get_weights()
    for name, columns in net.heads.items():
        loss = own.get(name, losses.BinaryCrossentropy())
        output = "identity" if loss.link == "any" else loss.link
        alone = Network(
            [4, 8, columns.stop - columns.start], activation="tanh", output=output, dtype=dtype.name
        )
        alone.set_weights([*hidden, W[:, columns], b[columns]])
        alone.compile(loss=loss, metrics=[])
        expected[f"{name}_loss"] = alone.evaluate(X, y[name], weights)["loss"]
    assert {name: scores[name] for name in expected} == expected
    total = 2 * expected["price_loss"] + expected["kind_loss"] + 0.25 * expected["tags_loss"]
    assert np.isclose(scores["loss"], total, rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_a_loss_that_is_left_out_fits_its_head_and_its_targets():
    X, y = data()
    one_hot = {**y, "kind": np.eye(3)[y["kind"]]}
    net = compiled()
    explicit = compiled(
        {"price": "mse", "kind": "sparse_categorical_crossentropy", "tags": "binary_crossentropy"}
    )
    rows = compiled({"kind": losses.CategoricalCrossentropy()})
    assert net.evaluate(X, y) == explicit.evaluate(X, y) and net.loss is None
    assert net.evaluate(X, one_hot) == rows.evaluate(X, one_hot)
    assert np.isclose(net.evaluate(X, one_hot)["loss"], net.evaluate(X, y)["loss"])
    assert (explicit.loss, rows.loss) == ("heads", "heads")


@pytest.mark.parametrize("kind", ["mapping", "list", "tuple", "array", "frame", "lists"])
def test_targets_by_name_in_order_or_side_by_side(kind):
    X, y = data()
    columns = np.column_stack([y["price"], y["kind"], y["tags"]])
    given = {
        "mapping": {"tags": y["tags"].tolist(), "kind": pd.Series(y["kind"]), "price": y["price"][:, None]},
        "list": list(y.values()),
        "tuple": tuple(y.values()),
        "array": columns,
        "frame": pd.DataFrame(columns),
        "lists": columns.tolist(),
    }[kind]
    one, other = compiled(), compiled()
    for net, targets in ((one, y), (other, given)):
        net.fit(X, targets, epochs=2, batch_size=16, validation_data=(X, targets))
    assert_same_bits(other.get_weights(), one.get_weights())
    assert other.evaluate(X, given) == one.evaluate(X, y)
    assert other.train_on_batch(X, given) == one.train_on_batch(X, y)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda y: {"price": y["price"]}, ValueError, "y lacks the head 'kind'"),
        (lambda y: {**y, "kin": y["kind"]}, ValueError, "unknown head in y 'kin'"),
        (lambda y: {**y, "kind": np.arange(ROWS) % 5}, ValueError, "y of head 'kind' contains 3 at row 3"),
        (lambda y: {**y, "tags": y["tags"] - 1}, ValueError, "y of head 'tags' contains -1 at"),
        (lambda y: {**y, "tags": y["kind"]}, ValueError, "y of head 'tags' has shape"),
        (lambda y: {**y, "price": y["price"][:9]}, ValueError, "y of head 'price' has 9 rows"),
        (lambda y: {**y, "price": np.full(ROWS, np.nan)}, ValueError, "y of head 'price' contains"),
        (lambda y: {**y, "price": np.full(ROWS, "cat")}, TypeError, "y of head 'price'"),
        (lambda y: list(y.values())[:2], ValueError, "y has 2 arrays"),
        (lambda y: np.zeros((ROWS, 5)), ValueError, "expected 4 columns"),
        (lambda y: y["price"], ValueError, "expected 4 columns"),
        (lambda y: 3.0, ValueError, "y"),
    ],
)
def test_targets_that_do_not_fit_are_refused(change, error, message):
    X, y = data()
    net = compiled()
    for call in (net.fit, net.evaluate, net.train_on_batch, net.gradients):
        assert_refused(lambda: call(X, change(y)), error, message, net)  # noqa: B023


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        ({"kin": "mse"}, ValueError, "unknown head in losses 'kin', expected one of price, kind, tags"),
        (losses.Heads(weights={"kin": 1.0}), ValueError, "unknown head in weights 'kin'"),
        ({"kind": "mse"}, ValueError, "head 'kind': loss 'mse' needs the activation 'identity'"),
        ({"price": "poisson"}, ValueError, "head 'price': loss 'poisson' needs the output activation 'exp'"),
        ({"price": "gaussian_nll"}, ValueError, "head 'price': loss 'gaussian_nll' has 2 outputs a target"),
        ("categorical_crossentropy", ValueError, "'softmax', got 'identity'"),
    ],
)
def test_losses_that_do_not_fit_are_refused(loss, error, message):
    net = compiled()
    assert_refused(lambda: net.compile(loss=loss), error, message, net)
    assert net.loss is None


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((["mse"],), TypeError, "losses is a list"),
        (({"a": losses.MSE},), TypeError, "loss is the class MSE"),
        (({"a": abs},), ValueError, "the loss of head 'a' is a function in Python"),
        (({"a": losses.Heads()},), ValueError, "the loss of head 'a' is heads, expected"),
        (({}, {"a": -1.0}), ValueError, "weight of head 'a' is -1"),
        (({}, {"a": "b"}), TypeError, "weight of head 'a'"),
    ],
)
def test_what_is_no_loss_of_heads_is_refused(given, error, message):
    assert_refused(lambda: losses.Heads(*given), error, message)


def test_a_network_without_heads_has_no_loss_of_them():
    net = Network([2, 1])
    for loss in (losses.Heads(), {"price": "mse"}, "heads"):
        assert_refused(lambda: net.compile(loss=loss), ValueError, "ends with fastmlp.Heads")  # noqa: B023


def test_a_loss_of_predictions_takes_the_whole_output():
    """mse of all columns, through each head's activation."""
    net = compiled("mse", [])
    X, _ = data()
    y = np.random.default_rng(2).random((ROWS, 6))
    assert np.isclose(net.evaluate(X, y)["loss"], np.mean((net.predict(X) - y) ** 2))
    assert max(check_gradients(net, X, y).values()) < 1e-6


# Training


def test_histories_have_each_heads_loss_and_metrics():
    X, y = data()
    by_name, by_mapping = (
        compiled(metrics=metrics)
        for metrics in (["kind_accuracy", "price_mae"], {"kind": ["accuracy"], "price": "mae"})
    )
    assert by_mapping.metrics == ["kind_accuracy", "price_mae"]
    history = by_name.fit(X, y, epochs=3, validation_split=0.25).history
    assert history == by_mapping.fit(X, y, epochs=3, validation_split=0.25).history
    measured = ["loss", "price_loss", "kind_loss", "tags_loss", "kind_accuracy", "price_mae"]
    assert list(history) == [*measured, *(f"val_{name}" for name in measured)]
    scores = by_name.evaluate(X, y)
    assert list(scores) == measured
    found = by_name.predict_heads(X)
    assert scores["kind_accuracy"] == np.mean(found["kind"].argmax(axis=1) == y["kind"])
    assert np.isclose(scores["price_mae"], np.abs(found["price"][:, 0] - y["price"]).mean())
    parts = [slice(0, 40), slice(40, None)]
    batches = [(X[part], {name: own[part] for name, own in y.items()}) for part in parts]
    assert scores == pytest.approx(by_name.evaluate(batches))


def test_each_heads_loss_of_held_out_rows_is_that_of_evaluate():
    X, y = data()
    net = compiled(losses.Heads(weights={"kind": 0.5}))
    history = net.fit(X, y, epochs=2, validation_data=(X, y)).history
    scores = net.evaluate(X, y)
    assert {f"val_{name}": value for name, value in scores.items()} == {
        name: values[-1] for name, values in history.items() if name.startswith("val_")
    }
    own = [history[f"val_{head}_loss"][-1] for head in HEADS]
    assert np.dot([1, 0.5, 1], own) == pytest.approx(history["val_loss"][-1], rel=1e-12)


TERMS = [f"{head}_loss" for head in HEADS]
FITS = {
    "arrays": lambda X, y: {"X": X, "y": y, "batch_size": 16},
    "all rows": lambda X, y: {"X": X, "y": y, "batch_size": None},
    "batches": lambda X, y: {
        "X": [(X[i : i + 16], {name: own[i : i + 16] for name, own in y.items()}) for i in range(0, ROWS, 16)]
    },
    "sparse": lambda X, y: {"X": pytest.importorskip("scipy.sparse").csr_array(X), "y": y, "batch_size": 16},
    "shards": lambda X, y: {"X": X, "y": y, "batch_size": 16, "shards": 3},
}


def barely_trained(weights, **more):
    """A network that hardly moves, so that the losses of an epoch's batches are those of its beginning."""
    net = network(**more)
    net.compile(optimizers.SGD(1e-14), losses.Heads({"price": "huber"}, weights=weights))
    return net


@pytest.mark.parametrize("given", FITS)
@pytest.mark.parametrize("heard", [False, True], ids=["unwatched", "heard"])
@pytest.mark.parametrize("tags", [0.25, 0.0])
def test_each_heads_loss_of_the_training_rows_is_that_of_evaluate(given, heard, tags):
    X, y = data()
    net = barely_trained({"kind": 2.0, "tags": tags})
    expected, logs = net.evaluate(X, y), []
    hears = LambdaCallback(on_train_batch_end=lambda batch, own: logs.append(own))
    history = net.fit(**FITS[given](X, y), epochs=2, callbacks=[hears] if heard else []).history
    for name in ("loss", *TERMS):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-10)
    np.testing.assert_allclose(np.dot([1, 2, tags], [history[name] for name in TERMS]), history["loss"])
    for log in logs:
        assert list(log) == ["loss", *TERMS]
        assert log["loss"] == pytest.approx(np.dot([1, 2, tags], [log[name] for name in TERMS]), rel=1e-10)
    if heard:
        rows = [len(X)] if given == "all rows" else [16, 16, 16, 12]
        for name in TERMS:
            mean = np.dot(rows, [log[name] for log in logs[: len(rows)]]) / len(X)
            assert mean == pytest.approx(expected[name], rel=1e-10)


def test_each_heads_loss_of_a_batch():
    X, y = data()
    for layers in ([4, 8, 6], [4, Members(3), 8, 6]):
        net = Network([*layers, Heads(HEADS)], activation="tanh", dtype="float64", seed=1)
        net.compile("adam")
        expected = net.evaluate(X, y)
        weight = np.arange(ROWS) % 3 / 2
        assert net.train_on_batch(X, y) == pytest.approx(expected, rel=1e-12)
        weighted = net.evaluate(X, y, weight)
        assert net.train_on_batch(X, y, weight) == pytest.approx(weighted, rel=1e-12)


def test_an_infinite_loss_of_a_head_that_counts_nothing():
    X, y = data()
    net = barely_trained({"price": 0.0})
    history = net.fit(X, {**y, "price": np.full(ROWS, 1e308)}, batch_size=16).history
    assert history["price_loss"] == [np.inf] and np.isfinite(history["loss"][0])


@pytest.mark.parametrize("given", ["arrays", "batches", "shards"])
def test_each_heads_loss_of_an_epoch_that_was_stopped(given, tmp_path):
    X, y = data()
    fit = FITS[given](X, y)
    whole, net = compiled(), compiled()
    expected = whole.fit(**fit, epochs=2).history
    stops = LambdaCallback(on_train_batch_end=lambda batch, logs: setattr(net, "stop_training", batch == 2))
    net.fit(**fit, epochs=2, callbacks=[stops])
    net.save(tmp_path / "net.npz", include_optimizer=True)
    loaded = fastmlp.load(tmp_path / "net.npz")
    assert loaded.fit(**fit, epochs=2, resume=True).history == expected
    assert_same_bits(loaded.get_weights(), whole.get_weights())


def test_a_heads_training_loss_may_be_watched():
    X, y = data()
    net = compiled()
    stop = EarlyStopping("kind_loss", patience=1, min_delta=100.0)
    assert len(net.fit(X, y, epochs=9, callbacks=[stop]).epoch) == 2


def test_weights_enter_metrics_of_heads():
    X, y = data()
    net = compiled(metrics={"kind": ["accuracy"]})
    weights = (y["kind"] == 1).astype(float)
    share = np.mean(net.predict_heads(X)["kind"].argmax(axis=1)[y["kind"] == 1] == 1)
    assert net.evaluate(X, y, weights)["kind_accuracy"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ({"kin": ["accuracy"]}, ValueError, "unknown head in metrics 'kin'"),
        ({"kind": ["acuracy"]}, ValueError, "unknown metric 'kind_acuracy'"),
        (["accuracy"], ValueError, "metrics has 'accuracy', expected a head's, such as 'price_accuracy'"),
        ({"kind": [len]}, TypeError, "metrics of head 'kind' has"),
        ({"kind": ["loss"]}, ValueError, "'kind_loss'"),
        (["kind_accuracy", "kind_accuracy"], ValueError, "twice"),
    ],
)
def test_metrics_that_do_not_fit_are_refused(metrics, error, message):
    net = compiled()
    assert_refused(lambda: net.compile(metrics=metrics), error, message, net)


def test_a_monitor_may_watch_one_heads_loss():
    X, y = data()
    net = compiled()
    stop = EarlyStopping("val_kind_loss", patience=1)
    history = net.fit(X, y, epochs=500, validation_split=0.5, callbacks=[stop]).history
    values = history["val_kind_loss"]
    assert 2 < len(values) < 500 and values[-1] >= min(values) == values[-2]
    assert history["val_loss"] != values


def test_batches_have_targets_by_name():
    X, y = data()
    one, other = compiled(), compiled()
    batches = [(X[i : i + 20], {k: v[i : i + 20] for k, v in y.items()}) for i in range(0, ROWS, 20)]
    one.fit(X, y, epochs=2, batch_size=20, shuffle=False)
    other.fit(batches, epochs=2)
    assert_same_bits(other.get_weights(), one.get_weights())


def test_whole_rows_weigh_as_their_copies_would():
    X, y = data()
    net, other = (compiled(losses.Heads(weights={"kind": 3.0})) for _ in range(2))
    repeated = np.repeat(np.arange(ROWS), 2)
    value, pairs = net.gradients(X, y, np.full(ROWS, 2.0))
    twice, copies = other.gradients(X[repeated], {k: v[repeated] for k, v in y.items()})
    assert np.isclose(value, 2 * twice)
    for (dW, db), (dV, dc) in zip(pairs, copies, strict=True):
        assert np.allclose(dW, 2 * dV, atol=1e-13) and np.allclose(db, 2 * dc, atol=1e-13)


def test_derivatives_of_all_kinds():
    X, y = data(9)
    net = compiled(losses.Heads({"price": "huber"}, {"kind": 0.5}))
    assert max(check_gradients(net, X, y).values()) < 1e-6
    gradients = [np.mean(array, axis=0) for array in per_sample_gradients(net, X, y)]
    flat = [array for pair in net.gradients(X, y)[1] for array in pair]
    for got, expected in zip(gradients, flat, strict=True):
        assert np.allclose(got, expected)
    rng = np.random.default_rng(4)
    v = [rng.normal(size=array.shape) for array in net.get_weights()]
    got, weights, found = hessian_vector_product(net, X, y, v), net.get_weights(), []
    for sign in (1e-5, -1e-5):
        net.set_weights([w + sign * d for w, d in zip(weights, v, strict=True)])
        found.append([array for pair in net.gradients(X, y)[1] for array in pair])
    for hv, high, low in zip(got, *found, strict=True):
        assert np.allclose(hv, (high - low) / 2e-5, atol=1e-7) and hv.any()
    net.set_weights(weights)
    J = jacobian(net, X)
    step = np.zeros_like(X)
    step[:, 1] = 1e-6
    assert np.allclose(J[:, :, 1], (net.predict(X + step) - net.predict(X - step)) / 2e-6, atol=1e-8)


def test_loops_of_ones_own_go_through_the_activations():
    X, y = data()
    net = compiled()
    Y, kind = net(X, training=True), net.heads["kind"]
    dY = np.zeros_like(Y)
    rows = np.arange(ROWS), y["kind"]
    dY[:, kind][rows] = -1 / Y[:, kind][rows] / ROWS  # of the cross-entropy
    net.backward(dY)
    alone = compiled(losses.Heads(weights={"price": 0.0, "tags": 0.0}))
    expected = [array for pair in alone.gradients(X, y)[1] for array in pair]
    for got, one in zip(net.gradient, expected, strict=True):
        assert np.allclose(got, one, atol=1e-14)
    before = net.get_weights()
    net.step()
    assert not np.array_equal(net.get_weights()[0], before[0])


def test_solvers_and_monitors_take_them():
    X, y = data()
    net = network()
    net.compile(optimizers.LBFGS(), losses.Heads(weights={"price": 0.5}))
    history = net.fit(X, y, epochs=20, batch_size=None).history["loss"]
    assert history[-1] < 0.8 * history[0]
    assert len(fastmlp.learning_rate_range(compiled(), X, y, batch_size=16, steps=20).losses) == 20
    monitor = LayerMonitor(X, y)
    net.compile("adam")
    net.fit(X, y, epochs=1, callbacks=[monitor])


def test_members_have_heads():
    X, y = data()
    net = Network([4, Members(3), 8, 6, Heads(HEADS)], dtype="float64", seed=2)
    net.compile("adam", losses.Heads(weights={"kind": 2.0}))
    before = net.get_weights()
    net.fit(X, y, epochs=2, batch_size=10)
    assert_trained(net.get_weights(), before)
    assert np.allclose(net.predict_heads(X)["kind"].sum(axis=1), 1)


# Files, pickles, copies


@pytest.mark.parametrize("way", ["npz", "safetensors", "pickle", "copy", "folded"])
def test_a_network_goes_on_elsewhere_as_it_would_have_here(way, tmp_path, dtype):
    X, y = data()
    loss = losses.Heads(
        {"price": ("huber", 0.5), "kind": losses.SparseCategoricalFocalCrossentropy(1.5), "tags": None},
        {"kind": 0.5},
    )
    net = compiled(loss, {"kind": ["accuracy"]}, dtype=dtype)
    net.fit(X, y, epochs=1, batch_size=16)
    if way == "folded":
        assert_same_bits(net.folded().predict(X), net.predict(X))
        assert net.folded().heads == net.heads
        return
    if way in ("pickle", "copy"):
        other = pickle.loads(pickle.dumps(net)) if way == "pickle" else copy.deepcopy(net)
    else:
        net.save(tmp_path / f"net.{way}", include_optimizer=True)
        other = fastmlp.load(tmp_path / f"net.{way}")
    assert_same_bits(other.predict(X), net.predict(X))
    assert (other.heads, other.loss_parameter, other.metrics) == (
        net.heads,
        net.loss_parameter,
        net.metrics,
    )
    assert other.evaluate(X, y) == net.evaluate(X, y)
    for one in (net, other):
        one.fit(X, y, epochs=1, batch_size=16)
    assert_same_bits(other.get_weights(), net.get_weights())


def test_every_loss_of_a_head_is_saved(tmp_path):
    """By name, with its options."""
    for cls in losses.LOSSES.values():
        loss = cls()
        activation = "identity" if loss.link == "any" else loss.link
        net = network(heads={"a": (2 * loss.outputs, activation), "b": 1})
        net.compile(loss={"a": loss})
        net.save(tmp_path / "net.npz")
        assert fastmlp.load(tmp_path / "net.npz")._compiled.loss == losses.Heads({"a": loss})


def test_a_heads_name_may_begin_anothers():
    net = Network([2, 4, Heads({"a": 1, "a_b": (3, "softmax")})], seed=0)
    net.compile("adam", metrics={"a": ["mae"], "a_b": ["accuracy"]})
    X = np.random.default_rng(0).normal(size=(20, 2))
    y = {"a": X[:, 0], "a_b": np.arange(20) % 3}
    scores, found = net.evaluate(X, y), net.predict_heads(X)
    assert scores["a_b_accuracy"] == np.mean(found["a_b"].argmax(axis=1) == y["a_b"])
    assert scores["a_mae"] == pytest.approx(np.abs(found["a"][:, 0] - y["a"]).mean(), rel=1e-6)
