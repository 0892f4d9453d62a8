"""`Network.adapt`: pre-activations begin with variance 1 on given rows."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Members,
    Network,
    Residual,
    Scale,
    Standardize,
)
from helpers import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.uniform(50, 300, (400, 5)) * [1, 10, 0.1, 1, 1]


def nets(dtype):
    """Each with the places of its dense layers in `forward`."""
    yield Network([5, 40, 20, 3], activation="tanh", seed=1, dtype=dtype), [0, 1, 2]
    yield Network([5, Standardize.adapt(X), 8, Dropout(0.5), 3], seed=2, dtype=dtype), [0, 1]
    twice = [Dense(6, "relu"), Dense(6, "relu")]  # equal descriptions
    yield Network([5, Scale(), *twice, Residual(twice), 2], seed=3, dtype=dtype), [1, 2, 3, 4, 6]
    normalized = [Dense(8, use_bias=False), BatchNormalization(), Activation("silu")]
    yield Network([5, *normalized, Dense(2, use_bias=False)], seed=4, dtype=dtype), [0, 2]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pre_activations_have_variance_1(dtype, number):
    """By NumPy in float64, from what the network says that each layer takes in."""
    net, places = list(nets(dtype))[number]
    before = net.weights
    net.adapt(X)
    first = (X - X.mean(axis=0)) / X.std(axis=0) if isinstance(net.layers[0], Standardize) else X
    inputs = [first, *net.forward(X)]
    for place, W, W0 in zip(places, net.weights, before, strict=True):
        z = inputs[place].astype(float) @ W.astype(float)
        assert np.allclose(z.std(axis=0), 1, rtol=2e-4 if dtype == "float32" else 1e-9)
        factor = np.linalg.norm(W, axis=0) / np.linalg.norm(W0, axis=0)
        assert np.allclose(W, factor * W0, rtol=1e-5)  # a column's direction stays


def test_pre_activations_of_all_members_together_have_variance_1():
    net = Network([5, Members(3), Dense(8, "tanh"), Members(3, start="normal"), 4], dtype="float64", seed=1)
    net.adapt(X)
    factors, W, b, others, V, c = net.get_weights()
    z = (X[:, None] * factors) @ W
    assert np.allclose(z.std(axis=(0, 1)), 1)
    assert np.allclose(((np.tanh(z + b) * others) @ V).std(axis=(0, 1)), 1)


def test_biases_are_minus_means_of_five_rows():
    """Written out once more: RealMLP's convex combination, its random numbers after those of the rows."""
    net = Network([5, 30, 1], seed=9, dtype="float64")
    W0 = net.weights[0]
    net.adapt(X)
    rng = np.random.Generator(np.random.PCG64(9))
    z = X @ W0
    rows, weights = rng.integers(0, 400, (30, 5)), rng.standard_exponential((30, 5))
    for unit in range(30):
        share = weights[unit] / weights[unit].sum()
        expected = -(share * z[rows[unit], unit]).sum() / z[:, unit].std()
        assert np.isclose(net.biases[0][unit], expected, rtol=1e-10)
    below = (net.forward(X)[0] == 0).mean(axis=0)
    assert np.all((0 < below) & (below < 1))  # every kink lies among the rows


def test_it_follows_from_the_seed_and_the_rows_that_are_chosen():
    many = RNG.standard_normal((5000, 5))
    one, two, other = (Network([5, 16, 1], seed=seed) for seed in (1, 1, 2))
    for net in (one, two, other):
        net.adapt(many)
    assert_same_bits(one.get_weights(), two.get_weights())
    assert not np.array_equal(one.weights[0], other.weights[0])
    chosen = np.random.Generator(np.random.PCG64(1)).permutation(5000)[:4096]
    W = Network([5, 16, 1], seed=1).weights[0]
    assert np.allclose(one.weights[0], W / (many[chosen] @ W).std(axis=0), rtol=1e-5)


def test_columns_without_spread_and_frozen_layers_stay():
    net = Network([5, Dense(4, "relu", trainable=False), 3], seed=0)
    before = net.get_weights()
    net.adapt(X)
    assert_same_bits(net.get_weights()[:2], before[:2], zeros=True)
    assert not np.array_equal(net.weights[1], before[2])
    net = Network([5, 3], seed=0)
    before = net.weights[0]
    net.adapt(X[:1])
    assert_same_bits(net.weights[0], before)
    assert np.isfinite(net.biases[0]).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.full((3, 5), np.nan), "X contains nan"),
        (np.zeros((3, 4)), r"X has shape \(3, 4\), expected"),
        (np.zeros((0, 5)), "X is empty"),
    ],
)
def test_what_does_not_fit_changes_nothing(rows, message):
    net = Network([5, 3], seed=0)
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        net.adapt(rows)
    assert_same_bits(net.get_weights()[0], before[0])


def test_numbers_that_leave_the_type_change_nothing():
    net = Network([5, 8, 8, 1], activation="exp", seed=0)
    net.set_weights([4e3 * w if w.ndim == 2 else w for w in net.get_weights()])
    before = net.get_weights()
    with pytest.raises(ValueError, match="X leads to numbers beyond float32 in the dense layer of 8 units"):
        net.adapt(1e35 * X)
    assert_same_bits(net.get_weights()[::2], before[::2])
