"""Losses of classes: what their options do, targets as people have them, extremes."""

import dataclasses
import inspect

import numpy as np
import pytest

from fastmlp import Network, _kernels, losses
from helpers import assert_close, assert_same_bits, loss_of

CLASSES = [cls for cls in losses.LOSSES.values() if cls.classes]
SPARSE = [cls for cls in CLASSES if cls.labels]
SMOOTHED = [cls for cls in CLASSES if "label_smoothing" in {item.name for item in dataclasses.fields(cls)}]
FOCAL = [cls for cls in SMOOTHED if "gamma" in {item.name for item in dataclasses.fields(cls)}]
BINARY = losses.BinaryFocalCrossentropy


def gradient(loss, p, y, dtype, isa=None):
    y = np.array(y, np.int64 if loss.labels else dtype)
    return _kernels.loss_gradient(loss.name, loss.parameters, np.array(p, dtype), y, isa=isa)


def logits(dtype, seed=3):
    return np.random.default_rng(seed).normal(size=(9, 5)).astype(dtype)


# ---- options ----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda cls=cls: cls(label_smoothing=1), "^label_smoothing is 1, expected a") for cls in SMOOTHED),
        *((lambda cls=cls: cls(label_smoothing=-0.1), "^label_smoothing is -0.1, ") for cls in SMOOTHED),
        *((lambda cls=cls: cls(gamma=-1), "^gamma is -1, expected a finite number at") for cls in FOCAL),
        *((lambda cls=cls: cls(alpha=0), "^alpha is 0, expected a finite number above 0") for cls in FOCAL),
        (lambda: BINARY(alpha=1), "^alpha is 1, expected"),
        (lambda: losses.resolve(("hinge", 1)), "^loss 'hinge' takes no parameter, got 1$"),
        (
            lambda: losses.resolve(("binary_focal_crossentropy", {"gamme": 1})),
            "^unknown option of loss 'binary_focal_crossentropy' 'gamme', expected one of gamma, alpha, lab",
        ),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_options_by_name():
    expected = BINARY(gamma=1.5, alpha=0.3)
    assert losses.resolve(("BinaryFocalCrossentropy", {"gamma": 1.5, "alpha": 0.3})) == expected
    assert expected.parameters == (1.5, 0.3, 0.7, 0.0)
    assert losses.resolve(("categorical_crossentropy", 0.1)).label_smoothing == 0.1
    assert losses.resolve(("binary_focal_crossentropy", 1)) == BINARY(gamma=1)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.name)
def test_labels_are_smoothed_where_keras_smooths_them(cls):
    """Not in hinges, whose targets are signs, nor in a divergence; class indices are like one-hot rows."""
    keras = pytest.importorskip("keras")
    theirs = getattr(keras.losses, cls.__name__.removeprefix("Sparse"))
    assert (cls in SMOOTHED) == ("label_smoothing" in inspect.signature(theirs).parameters)


@pytest.mark.parametrize("cls", SMOOTHED, ids=lambda cls: cls.name)
def test_smoothing_is_that_of_the_targets(cls, isa, dtype):
    """The share is dealt out over all classes, or over yes and no where each output has them."""
    z, share = logits(dtype), 0.2
    y = np.arange(9) % 5
    hard = np.eye(5)[y]
    soft = hard * (1 - share) + share / (5 if cls.link == "softmax" else 2)
    plain = losses.NAMES[cls.name.removeprefix("sparse_")]
    values, d, _ = gradient(cls(label_smoothing=share), z, y if cls.labels else hard, dtype, isa)
    expected, expected_d, _ = gradient(plain(), z, soft, dtype, isa)
    bound = 32 * np.finfo(dtype).eps
    assert_close(values, expected, bound)
    assert_close(d, expected_d, bound)
    assert not np.allclose(values, gradient(plain(), z, hard, dtype, isa)[0], rtol=0.01)


@pytest.mark.parametrize("cls", SPARSE, ids=lambda cls: cls.name)
def test_class_indices_are_one_hot_rows(cls, isa, dtype):
    z, y = logits(dtype), np.arange(9) % 5
    loss = loss_of(cls.name)
    rows = dataclasses.replace(losses.NAMES[cls.name.removeprefix("sparse_")](), **dataclasses.asdict(loss))
    for mine, other in zip(
        gradient(loss, z, y, dtype, isa), gradient(rows, z, np.eye(5)[y], dtype, isa), strict=True
    ):
        assert_same_bits(mine, other, zeros=True)


@pytest.mark.parametrize("cls", FOCAL, ids=lambda cls: cls.name)
def test_a_gamma_of_zero_is_the_cross_entropy(cls, isa, dtype):
    z, y = logits(dtype), np.arange(9) % 5
    y = y if cls.labels else np.eye(5)[y]
    focal, plain = cls(gamma=0), losses.NAMES[cls.name.replace("focal_", "")]()
    factor = 1 if focal.alpha is None else focal.alpha
    for mine, other in zip(
        gradient(focal, z, y, dtype, isa)[:2], gradient(plain, z, y, dtype, isa)[:2], strict=True
    ):
        assert_close(mine, factor * other, 16 * np.finfo(dtype).eps)


def test_a_divergence_is_nothing_where_the_two_agree(isa, dtype):
    z = logits(dtype)
    y = np.exp(z.astype(np.float64))
    y /= y.sum(axis=1, keepdims=True)
    values, d, _ = gradient(losses.KLDivergence(), z, y, dtype, isa)
    assert np.abs(values).max() < 8 * np.finfo(dtype).eps and np.abs(d).max() < np.finfo(dtype).eps
    assert gradient(losses.KLDivergence(), z, np.roll(y, 1, axis=1), dtype, isa)[0].min() > 0.01


# ---- extremes ----


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("cls", FOCAL[:2], ids=lambda cls: cls.name)
def test_focal_losses_of_sure_rows(cls, gamma, isa, dtype):
    loss = cls(gamma=gamma, alpha=0.5)
    y = [0, 1, 0] if cls.labels else [[1, 0], [0, 1], [1, 0]]
    values, d, _ = gradient(loss, [[1e4, -1e4], [1e4, -1e4], [0, -np.inf]], y, dtype, isa)
    assert values.tolist() == [0, 1e4, 0]  # half of -log(p), as the row is wrong for sure
    assert (3 * d).tolist() == [[0, 0], [0.5, -0.5], [0, 0]]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_binary_focal_loss_of_sure_rows(gamma, isa, dtype):
    loss = BINARY(gamma=gamma, alpha=0.25)
    values, d, _ = gradient(loss, [[1e4], [-1e4], [1e4], [-1e4]], [[1], [0], [0], [1]], dtype, isa)
    assert values.tolist() == [0, 0, 7500, 2500]
    assert (4 * d).ravel().tolist() == [0, 0, 0.75, -0.25]


# ---- hinges ----

HINGES = [losses.Hinge(), losses.SquaredHinge()]
each_hinge = pytest.mark.parametrize("loss", HINGES, ids=lambda loss: loss.name)


@each_hinge
def test_hinges_take_signs_and_bits(loss):
    X = np.random.default_rng(0).normal(size=(20, 3))
    bits = (X[:, 0] > 0).astype(int)
    found = []
    for y in (bits, 2 * bits - 1, bits.astype(bool)):
        net = Network([3, 4, 1], activation="tanh", seed=0, dtype="float64")
        net.compile("sgd", loss)
        net.fit(X, y, epochs=3, verbose=0)
        found.append(net.evaluate(X, y))
    assert found[0] == found[1] == found[2] and 0 < found[0]["loss"]
    assert found[0]["accuracy"] == np.mean((net.predict(X)[:, 0] > 0) == bits)


@each_hinge
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 2], "y contains 2 at row 1, column 0, expected -1 or 1, or 0 or 1 for loss"),
        ([-1, 0.5], "y contains 0.5 at row 1, column 0, expected -1 or 1, or 0 or 1 for loss"),
        ([-1, 0], "y contains 0 at row 1, column 0, expected -1 or 1 beside a target of -1 for loss"),
    ],
)
def test_other_targets_have_no_side(loss, y, message):
    with pytest.raises(ValueError) as caught:
        loss.as_targets(y, 1, np.dtype("float32"), 2)
    assert str(caught.value) == f"{message} {loss.name!r}"


def test_a_hinge_at_its_margin(isa, dtype):
    p, y = [[1.0, 3.0, 0.5, -0.5]], [[1, 1, 1, 1]]
    values, d, correct = gradient(losses.Hinge(), p, y, dtype, isa)
    assert values.tolist() == [0.5] and d.tolist() == [[0, 0, -0.25, -0.25]] and correct.tolist() == [0.75]
    values, d, _ = gradient(losses.SquaredHinge(), p, y, dtype, isa)
    assert values.tolist() == [0.625] and d.tolist() == [[0, 0, -0.25, -0.75]]


@each_hinge
@pytest.mark.parametrize("n_out", [1, 3])
def test_metrics_of_classes_are_decided_at_nothing(loss, n_out):
    """As scikit-learn's on the signs; among the rows are some whose signs sum to 1 and outputs near 0."""
    scores = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(n_out)
    X, signs = rng.normal(size=(60, 4)), np.where(rng.random((60, n_out)) < 0.4, 1, -1)
    net = Network([4, n_out], seed=0, dtype="float64")
    names = ["accuracy", "precision", "recall", "f1", "auc"]
    net.compile("sgd", loss, metrics=names + ["balanced_accuracy"] * (n_out == 1))
    p = net.predict(X)
    said, so = p > 0, signs > 0
    assert 0.1 < said.mean() < 0.9 and ((p > 0) != (p > 0.5)).mean() > 0.1
    average = {"average": "macro" if n_out > 1 else "binary", "zero_division": 0}
    expected = {
        "accuracy": np.mean(said == so),
        "precision": scores.precision_score(so, said, **average),
        "recall": scores.recall_score(so, said, **average),
        "f1": scores.f1_score(so, said, **average),
        "auc": scores.roc_auc_score(so, p),
        "balanced_accuracy": scores.balanced_accuracy_score(so[:, 0], said[:, 0]),
    }
    for y in (signs, so.astype(int)):
        found = net.evaluate(X, y)
        assert {name: found[name] for name in net.metrics} == pytest.approx(
            {name: expected[name] for name in net.metrics}, rel=1e-12
        )


@each_hinge
def test_the_least_positive_output_is_yes(loss, dtype):
    net = Network([1, 1], initializer="zeros", dtype=dtype)
    net.compile("sgd", loss, metrics=["accuracy", "recall", "f1"])
    least = np.nextafter(np.zeros(1, dtype), 1, dtype=dtype) * 2**30
    net.set_weights([[[1]], [0]])
    assert net.evaluate([least], [1])["recall"] == net.evaluate([least], [1])["accuracy"] == 1
    assert net.evaluate([-least], [1])["recall"] == net.evaluate([-least], [1])["accuracy"] == 0
    assert net.predict_classes([least, -least]).tolist() == [1, 0]


@pytest.mark.parametrize("loss", ["binary_crossentropy", "binary_focal_crossentropy"])
def test_rows_of_one_yes_each_are_no_classes_where_outputs_are_independent(loss):
    """Outputs that are all below 0.5 say no, also where every row has just one yes."""
    net = Network([1, 3], output="sigmoid", initializer="zeros", dtype="float64")
    net.compile("sgd", loss, metrics=["accuracy", "recall", "log_loss"])
    net.set_weights([[[0, 0, 0]], [-0.1, -0.2, -0.3]])
    found = net.evaluate([[0.0], [0.0], [0.0]], np.eye(3))
    assert found["accuracy"] == 2 / 3 and found["recall"] == 0
    p = net.predict([[0.0]])
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(p) / 3 + np.log(1 - p) * 2 / 3), rel=1e-12)


def test_one_output_without_a_loss_of_classes_has_none():
    net = Network([1, 1], seed=0)
    with pytest.raises(ValueError, match="^the one output has activation 'identity'"):
        net.predict_classes([[1.0]])
