"""The gradients of the twin's networks against differences, and the lecture notes' figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from differences import assert_same_gradient, central_difference
from fastmlp import reference
from fastmlp.reference import functions
from helpers import TRAINABLE, dense, outputs_of, targets, train_epoch, train_epochs
from twins import Plan, network

# Whole networks


ANY_OUTPUT = [name for name in reference.ACTIVATIONS if name != "step"]  # whose derivative is 0 everywhere
OUTPUTS = {name: reference.LINKS.get(loss.link, ANY_OUTPUT) for name, loss in reference.LOSSES.items()}
PAIRS = [(output, loss) for loss, outputs in OUTPUTS.items() for output in outputs]


def assert_network_gradients(made, X, y, weight):
    loss, gradients, dX = made.gradients(X, y, weight, input_gradient=True)
    weights = made.get_weights()

    def value():
        made.set_weights(weights)
        return made.evaluate(X, y, weight)[0] / len(X)

    assert loss == pytest.approx(value(), rel=1e-14)
    for gradient, w in zip(gradients, weights, strict=True):
        assert gradient.shape == w.shape
        assert_same_gradient(gradient, central_difference(value, w, 1e-4), rtol=1e-6)
    assert_same_gradient(dX, central_difference(value, X, 1e-4), rtol=1e-6)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_network_gradients_for_every_output_and_loss(output, loss):
    made = network("tanh", output, seed=5, n_out=outputs_of(loss, 3))
    made.compile(loss, reference.LOSSES[loss].parameters, "sgd", {})
    rng = np.random.default_rng(6)
    y = targets(rng, loss, 5, made.n_out, np.float64)
    assert_network_gradients(made, rng.normal(size=(5, 4)), y, rng.uniform(0.5, 2, 5))


# Each activation with three of the losses, and so each loss with some of them.
HIDDEN = [
    (hidden, loss)
    for i, hidden in enumerate(TRAINABLE)
    for loss in np.roll(list(reference.LOSSES), -3 * i)[:3].tolist()
]


@pytest.mark.parametrize(("hidden", "loss"), HIDDEN)
def test_network_gradients_for_every_hidden_activation_and_loss(hidden, loss):
    made = network(hidden, OUTPUTS[loss][0], seed=7, n_out=outputs_of(loss, 3))
    made.set_weights([0.5 * w for w in made.get_weights()])  # exp of large numbers has rough differences
    made.compile(loss, reference.LOSSES[loss].parameters, "sgd", {})
    rng = np.random.default_rng(8)
    y = targets(rng, loss, 5, made.n_out, np.float64)
    assert_network_gradients(made, rng.normal(size=(5, 4)), y, None)


def test_input_rescaling_is_in_the_prediction_and_the_gradient():
    shift, divisor = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 0.5, 1.0])
    plain, rescaled = (
        network("tanh", "identity"),
        network("tanh", "identity", input_shift=shift, input_divisor=divisor),
    )
    X, y = np.random.default_rng(9).normal(size=(3, 4)), np.ones((3, 3))
    np.testing.assert_array_equal(rescaled.predict(X), plain.predict((X - shift) / divisor))
    rescaled.compile("mse", 0.0, "sgd", {})
    assert_network_gradients(rescaled, X, y, None)


def test_backward_takes_any_loss():
    made = network("tanh", "sigmoid")
    made.compile("mse", 0.0, "sgd", {})
    rng = np.random.default_rng(10)
    X, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    _, expected, expected_dX = made.gradients(X, y, input_gradient=True)
    gradients, dX = made.backward(X, 2 * (made.predict(X) - y) / y.size)
    for got, want in zip([*gradients, dX], [*expected, expected_dX], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert np.abs(want).max() > 1e-4


def test_layers_without_bias_have_no_bias():
    made = Plan(3, [dense(2, "tanh", use_bias=False), dense(1)], dtype="float64")
    assert [w.shape for w in made.get_weights()] == [(3, 2), (2, 1), (1,)]
    assert made.num_parameters == 9
    made.set_weights([np.full((3, 2), 0.5), np.full((2, 1), 2.0), np.full(1, -1.0)])
    assert made.predict(np.ones(3)) == pytest.approx(4 * math.tanh(1.5) - 1)
    made.compile("mse", 0.0, "sgd", {})
    assert [g.shape for g in made.gradients(np.ones((2, 3)), np.zeros((2, 1)))[1]] == [(3, 2), (2, 1), (1,)]


# The lecture notes


def test_lecture_case_1_forward_pass():
    made = Plan(
        2,
        [dense(3, "sigmoid"), dense(2, "sigmoid"), dense(2)],
        dtype="float64",
    )
    made.set_weights(
        [
            np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]),
            np.array([0.1, 0.2, 0.3]),
            np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]),
            np.array([0.1, 0.2]),
            np.array([[0.1, 0.3], [0.2, 0.4]]),
            np.array([0.1, 0.2]),
        ]
    )
    x = np.array([1.0, 0.5])
    w, b = made.get_weights()[:2]
    np.testing.assert_allclose(functions.dense_forward(x, w, b), [0.3, 0.7, 1.1], rtol=1e-15)
    layers = made.forward(x)
    np.testing.assert_allclose(layers[0], [0.57444252, 0.66818777, 0.75026011], atol=5e-9)
    np.testing.assert_allclose(layers[2], [0.31682708, 0.69627909], atol=5e-9)
    np.testing.assert_array_equal(made.predict(x), layers[2])
    softmax = functions.softmax(np.array([0.3, 2.9, 4.0]))
    np.testing.assert_allclose(softmax, [0.01821127, 0.24519181, 0.73659691], atol=5e-9)


def planar_points(rows=400):
    """Two classes that no line separates: petals of a flower."""
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = 4 * np.sin(4 * angle) + rng.normal(scale=0.2, size=rows)
    X = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return X, (angle > np.pi).astype(float)[:, None]


def case_3(seed=2):
    made = Plan(2, [dense(4, "tanh"), dense(1, "sigmoid")], dtype="float64")
    for layer in range(2):
        made.initialize(layer, "normal", 0.001, seed)
    made.compile("binary_crossentropy", 0.0, "sgd", {})
    return made


def test_lecture_case_3_each_intermediate_of_a_step():
    X, y = planar_points()
    made = case_3()
    rng = np.random.default_rng(3)
    made.set_weights([rng.normal(size=w.shape) for w in made.get_weights()])
    W1, b1, W2, b2 = made.get_weights()
    m = len(X)
    A1 = np.tanh(X @ W1 + b1)
    A2 = 1 / (1 + np.exp(-(A1 @ W2 + b2)))
    cost = -(y * np.log(A2) + (1 - y) * np.log(1 - A2)).sum() / m
    dZ2 = A2 - y
    dW2, db2 = A1.T @ dZ2 / m, dZ2.sum(axis=0) / m
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    dW1, db1 = X.T @ dZ1 / m, dZ1.sum(axis=0) / m

    loss, gradients, _ = made.gradients(X, y)
    assert loss == pytest.approx(cost, rel=1e-12)
    for got, want in zip(gradients, [dW1, db1, dW2, db2], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-14)
        assert np.abs(want).max() > 1e-3

    train_epoch(made, X, y, batch_size=m, shuffle=False, learning_rates=np.array([1.2]))
    for got, w, g in zip(made.get_weights(), [W1, b1, W2, b2], [dW1, db1, dW2, db2], strict=True):
        np.testing.assert_allclose(got, w - 1.2 * g, rtol=1e-10, atol=1e-13)


def test_lecture_case_3_learns_what_no_line_separates():
    X, y = planar_points()
    made = case_3()
    before = made.evaluate(X, y)[0] / len(X)
    assert before == pytest.approx(math.log(2), abs=1e-4)  # small weights know nothing yet
    run = train_epochs(made, X, y, batch_size=len(X), shuffle=False, learning_rates=np.full((3000, 1), 1.2))
    assert run.sums[-1, 0] / len(X) < 0.35
    assert ((made.predict(X) > 0.5) == (y > 0.5)).mean() > 0.85
