"""The twin's plan: what it takes, gives and refuses."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import reference
from fastmlp.reference import plan, random
from helpers import dense
from twins import ADAM, Plan, data, epoch, network


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_stays_in_the_plans_dtype(dtype):
    made = Plan(4, [dense(6, "gelu", dropout=0.2), dense(3, "softmax")], dtype=dtype)
    made.initialize(0, "uniform", 0.5, 0)
    made.initialize(1, "normal", 0.5, 0)
    made.compile("sparse_categorical_crossentropy", 0.0, "adam", ADAM)
    X, y = data()
    epoch(made, X.astype(dtype), y)
    loss, gradients, dX = made.gradients(X.astype(dtype), y, input_gradient=True)
    arrays = [*made.get_weights(), *gradients, dX, *made.forward(X), *made.get_state()["slots"][0]]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert isinstance(loss, float)


def test_bytes_are_divided_into_pixels():
    made = Plan(3, [dense(2)], input_divisor=np.full(3, 255.0))
    made.initialize(0, "normal", 1.0, 0)
    pixels = np.array([[0, 128, 255]], np.uint8)
    scaled = pixels.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(made.predict(pixels), scaled @ made.get_weights()[0])


def test_predict_writes_into_out():
    made = network("tanh", "softmax")
    X = np.random.default_rng(16).normal(size=(5, 4))
    out = np.full((5, 3), np.nan)
    assert made.predict(X, out=out, threads=2) is out
    np.testing.assert_array_equal(out, made.predict(X))
    assert made.predict(X[0]).shape == (3,)
    with pytest.raises(ValueError, match="out must be"):
        made.predict(X, out=np.empty((5, 2)))


def test_get_weights_are_copies():
    made = network("tanh", "softmax")
    made.get_weights()[0][:] = 0
    assert np.abs(made.get_weights()[0]).min() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Plan(0, [dense(1, "tanh")]), "n_in"),
        (lambda: Plan(2, []), "layers"),
        (lambda: Plan(2, [dense(0, "tanh")]), "at least 1 output"),
        (lambda: Plan(2, [dense(1, "tan")]), "unknown, known are .*tanh"),
        (lambda: Plan(2, [dense(1, "tanh", dropout=1.0)]), "dropout"),
        (lambda: Plan(2, [dense(2, "softmax"), dense(1, "tanh")]), "last"),
        (lambda: Plan(2, [dense(1, "tanh")], dtype="int32"), "dtype"),
        (lambda: Plan(2, [dense(1, "tanh")], input_shift=[1.0]), "input_shift"),
        (lambda: network("tanh", "softmax").compile("poisson", 0.0, "sgd", {}), "needs an output activation"),
        (lambda: network("tanh", "softmax").compile("msee", 0.0, "sgd", {}), "unknown, known are .*mse"),
        (lambda: network("tanh", "softmax").compile("mse", 0.0, "sgdd", {}), "unknown, known are .*sgd"),
        (lambda: network("step", "softmax").compile("mse", 0.0, "sgd", {}), "derivative 0"),
        (lambda: network("tanh", "softmax").set_weights([np.zeros((4, 6))]), "shapes"),
        (lambda: network("tanh", "softmax").predict(np.zeros((2, 3))), "X must have shape"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_weights_change_nothing():
    made = network("tanh", "softmax")
    before = made.get_weights()
    wrong = [np.zeros_like(w) for w in before[:-1]] + [np.zeros(4)]
    with pytest.raises(ValueError, match="weights"):
        made.set_weights(wrong)
    for a, b in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_was_not_compiled_is_refused():
    made = network("tanh", "softmax")
    with pytest.raises(RuntimeError, match="no loss"):
        made.evaluate(np.zeros((1, 4)), np.zeros(1, np.int64))
    with pytest.raises(RuntimeError, match="no optimizer"):
        made.train_backward(np.zeros((1, 3)), 0.1)
    made.compile(None, 0.0, "sgd", {})
    with pytest.raises(RuntimeError, match="train_forward before"):
        made.train_backward(np.zeros((1, 3)), 0.1)


def test_attributes():
    made = network("tanh", "softmax")
    assert (made.n_in, made.n_out, made.isa, made.step, made.loss) == (4, 3, "numpy", 0, None)
    assert made.dtype == np.float64 and made.num_parameters == 4 * 6 + 6 + 6 * 3 + 3
    assert [(node["units"], node["activation"]) for node in made.layers] == [(6, "tanh"), (3, "softmax")]
    assert {node["kind"] for node in made.layers} == {"dense"} <= set(reference.KINDS)
    assert Plan(784, [dense(100, "sigmoid"), dense(10, "softmax")]).num_parameters == 79510
    assert plan.Plan is Plan and random.philox is reference.philox
