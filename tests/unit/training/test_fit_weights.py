"""Weights of rows and classes, penalties and clipping."""

import copy

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fits import N_IN, N_OUT, ROWS, network
from helpers import (
    assert_close,
    assert_same_bits,
)


def test_sample_and_class_weights_multiply(rng, data):
    X, y = data
    weight = rng.integers(1, 5, ROWS).astype(float)
    classes = {0: 2.0, 2: 0.25}
    factor = np.array([2.0, 1.0, 0.25])[y]
    both, product, neither = network(), network(), network()
    history = both.fit(X, y, epochs=2, sample_weight=weight, class_weight=classes, validation_data=(X, y))
    product.fit(X, y, epochs=2, sample_weight=weight * factor)
    neither.fit(X, y, epochs=2)
    assert_same_bits(both.get_weights(), product.get_weights())
    assert np.any(both.weights[0] != neither.weights[0])
    assert history.history["val_loss"][-1] == both.evaluate(X, y)["loss"]  # held-out rows are not weighed


def test_class_weights_know_every_form_of_target(data):
    X, labels = data
    nets = []
    for loss, y in (
        ("sparse_categorical_crossentropy", labels),
        ("categorical_crossentropy", np.eye(N_OUT)[labels]),
    ):
        net = network(loss)
        net.fit(X, y, epochs=2, class_weight={1: 4})
        other = network(loss)
        other.fit(X, y, epochs=2, sample_weight=np.where(labels == 1, 4, 1))
        assert_same_bits(net.get_weights(), other.get_weights())
        nets.append(net)
    assert_close(nets[0].get_weights(), nets[1].get_weights(), 1e-10)
    binary, other = (Network([N_IN, 1], output="sigmoid", dtype="float64", seed=5) for _ in range(2))
    for net, options in (
        (binary, {"class_weight": {1: 4}}),
        (other, {"sample_weight": np.where(labels == 1, 4, 1)}),
    ):
        net.compile("sgd")
        net.fit(X, labels == 1, epochs=2, **options)
    assert_same_bits(binary.get_weights(), other.get_weights())


def test_whole_weights_are_duplicated_rows(rng, data):
    X, y = data
    times = rng.integers(0, 4, ROWS)
    repeated = np.repeat(np.arange(ROWS), times)
    share = len(repeated) / ROWS  # a loss is divided by the number of rows, whatever they weigh
    weighted = Network([N_IN, 8, N_OUT], output="softmax", dtype="float64", seed=5)
    duplicated = copy.deepcopy(weighted)
    weighted.compile(optimizers.SGD(0.5))
    duplicated.compile(optimizers.SGD(0.5 * share))
    one = weighted.fit(X, y, epochs=20, batch_size=None, sample_weight=times)
    two = duplicated.fit(X[repeated], y[repeated], epochs=20, batch_size=None)
    assert_close(weighted.get_weights(), duplicated.get_weights(), 1e-10)
    assert_close(one.history["loss"], np.multiply(two.history["loss"], share), 1e-10)


@pytest.mark.parametrize("penalty", ["l1", "l2", "weight_decay"])
def test_penalties_do_not_depend_on_the_batch(data, penalty):
    """Rows of weight 0 leave nothing but the penalty, once a step."""
    results = []
    for rows in (1, 8, ROWS):
        net = Network([N_IN, 8, N_OUT], dtype="float64", seed=5)
        before = net.get_weights()
        net.compile(optimizers.SGD(0.5, **{penalty: 0.125}), "mse")
        X, y = data[0][:rows], np.zeros((rows, N_OUT))
        net.fit(X, y, epochs=1, batch_size=None, sample_weight=np.zeros(rows))
        results.append(net.get_weights())
    for result in results:
        assert_same_bits(result, results[0], zeros=True)  # the biases are
    for old, new in zip(before, results[0], strict=True):
        if old.ndim == 1:
            assert_same_bits(new, old, zeros=True)
        else:
            shrunk = np.sign(old) if penalty == "l1" else old
            assert_close(new, old - 0.5 * 0.125 * shrunk, 1e-14)


@pytest.mark.parametrize("split", [False, True])
def test_held_out_rows_without_weight_are_refused(data, split):
    """Their loss would be 0 from the first epoch on."""
    X, y = data
    weights = np.r_[np.ones(ROWS - 5), np.zeros(5)]
    held_out = {"validation_split": 5 / ROWS} if split else {"validation_data": (X[-5:], y[-5:], np.zeros(5))}
    net = network()
    with pytest.raises(ValueError, match="^sample_weight is 0 in all 5 held-out rows, expected one above 0"):
        net.fit(X, y, sample_weight=weights, **held_out)
    assert net.plan.step == 0


def test_doubled_rows_take_the_same_penalized_steps(data):
    X, y = data
    results = []
    for times in (1, 2):
        net = Network([N_IN, 8, N_OUT], output="softmax", dtype="float64", seed=5)
        net.compile(optimizers.SGD(0.5, l1=0.01, l2=0.1, weight_decay=0.05))
        net.fit(np.tile(X, (times, 1)), np.tile(y, times), epochs=10, batch_size=None)
        results.append(net.get_weights())
    assert_close(results[1], results[0], 1e-10)


def clipped_step(data, **clip):
    """A gradient, and how far one step of rate 1 went against it."""
    net = Network([N_IN, 8, N_OUT], output="softmax", dtype="float64", seed=5)
    net.compile(optimizers.SGD(1.0, **clip))
    before = net.get_weights()
    _, pairs = net.gradients(*data)
    net.fit(*data, batch_size=None)
    gradient = np.concatenate([array.ravel() for pair in pairs for array in pair])
    return gradient, np.concatenate(
        [(old - new).ravel() for old, new in zip(before, net.get_weights(), strict=True)]
    )


def test_clipping_by_value(data):
    gradient, step = clipped_step(data, clipvalue=0.03)
    assert 0 < np.mean(np.abs(gradient) > 0.03) < 1
    assert_close(step, np.clip(gradient, -0.03, 0.03), 1e-10)


def test_clipping_by_global_norm(data):
    gradient, step = clipped_step(data, global_clipnorm=0.1)
    norm = np.sqrt(np.sum(gradient**2))
    assert norm > 0.2
    assert_close(step, gradient * (0.1 / norm), 1e-10)
    gradient, step = clipped_step(data, global_clipnorm=2 * norm)
    assert_close(step, gradient, 1e-10)
