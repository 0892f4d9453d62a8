"""The twin's random numbers: published vectors, the specified words, weights and dropout."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastmlp import reference
from helpers import dense
from twins import Plan, network

VECTORS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), VECTORS)
def test_philox_published_vectors(counter, key, words):
    got = reference.philox(np.array(counter, np.uint32), key)
    assert got.dtype == np.uint32
    assert " ".join(f"{word:08x}" for word in got.tolist()) == words


def test_philox_takes_many_counters():
    counters = np.random.default_rng(0).integers(0, 2**32, (2, 3, 4), dtype=np.uint32)
    together = reference.philox(counters, (1, 2))
    assert together.shape == (2, 3, 4)
    np.testing.assert_array_equal(together[1, 2], reference.philox(counters[1, 2], (1, 2)))


def word(seed, c0, c1, c2, c3):
    """One philox word at a time, for loops."""
    counter = np.array([c0, c1, c2, c3], np.uint32)
    return [int(w) for w in reference.philox(counter, (seed & 0xFFFFFFFF, seed >> 32))]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 64, 1001])
def test_shuffled_is_a_permutation(n):
    order = reference.shuffled(3, 4, n)
    assert order.dtype == np.int64 and order.shape == (n,)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_shuffled_is_the_specified_one():
    seed, epoch, n = (5 << 32) + 7, 9, 11
    order = list(range(n))
    for t, i in enumerate(range(n - 1, 0, -1)):
        j = word(seed, t // 4, 0, epoch, 1)[t % 4] * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    np.testing.assert_array_equal(reference.shuffled(seed, epoch, n), order)


def test_shuffled_depends_on_seed_and_epoch_and_favours_no_place():
    base = reference.shuffled(0, 0, 100)
    assert (base != np.arange(100)).any()
    assert (base != reference.shuffled(1, 0, 100)).any()
    assert (base != reference.shuffled(1 << 32, 0, 100)).any()
    assert (base != reference.shuffled(0, 1, 100)).any()
    np.testing.assert_array_equal(base, reference.shuffled(0, 0, 100))
    counts = np.zeros((4, 4))
    for epoch in range(2000):
        counts[np.arange(4), reference.shuffled(0, epoch, 4)] += 1
    assert np.abs(counts - 500).max() < 5 * math.sqrt(2000 * 0.25 * 0.75)


@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (1, 1)])
def test_weights_are_the_specified_ones(shape):
    seed, layer, scale = (9 << 32) + 1, 2, 0.5
    uniform, normal = np.empty(shape), np.empty(shape)
    for e in range(shape[0] * shape[1]):
        w = word(seed, e // 2, 0, 0, 2 | layer << 8)[2 * (e % 2) :]
        u = ((w[0] >> 5) * 67108864 + (w[1] >> 6)) / 2**53
        uniform.flat[e] = -scale + (scale - -scale) * u
        w = word(seed, e, 0, 0, 2 | layer << 8)
        u1, u2 = (((w[i] >> 5) * 67108864 + (w[i + 1] >> 6)) / 2**53 for i in (0, 2))
        normal.flat[e] = scale * (math.sqrt(-2 * math.log(1 - u1)) * math.cos(2 * math.pi * u2))
    np.testing.assert_array_equal(reference.uniform_weights(seed, layer, shape, scale), uniform)
    np.testing.assert_allclose(reference.normal_weights(seed, layer, shape, scale), normal, rtol=1e-12)


def test_weights_are_distributed_as_named():
    uniform = reference.uniform_weights(0, 0, (200, 100), 2.0)
    assert uniform.min() >= -2 and uniform.max() < 2
    assert abs(uniform.mean()) < 5 * (2 / math.sqrt(3)) / math.sqrt(uniform.size)
    assert uniform.std() == pytest.approx(2 / math.sqrt(3), rel=0.02)
    normal = reference.normal_weights(0, 0, (200, 100), 2.0)
    assert abs(normal.mean()) < 5 * 2 / math.sqrt(normal.size)
    assert normal.std() == pytest.approx(2, rel=0.02)
    assert (np.abs(normal) < 2).mean() == pytest.approx(0.6827, abs=0.02)
    assert (np.abs(normal) < 4).mean() == pytest.approx(0.9545, abs=0.01)


def test_initialize_fills_one_array():
    made = network("tanh", "identity")
    before = made.get_weights()
    made.initialize(1, "uniform", 0.25, 6)
    after = made.get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[2], reference.uniform_weights(6, 1, (6, 3), 0.25))
    np.testing.assert_array_equal(after[3], before[3])
    made.initialize(1, "normal", 0.25, 6, 1)
    np.testing.assert_array_equal(made.get_weights()[3], reference.normal_weights(6, 1, (3,), 0.25, 1))
    np.testing.assert_array_equal(made.get_weights()[2], after[2])
    narrow = Plan(4, [dense(3)])
    narrow.initialize(0, "normal", 1.0, 6)
    expected = reference.normal_weights(6, 0, (4, 3), 1.0).astype(np.float32)
    np.testing.assert_array_equal(narrow.get_weights()[0], expected)


def test_dropout_mask_is_the_specified_one():
    seed, layer, step, rate = (3 << 32) + 2, 1, 12, 0.3
    mask = reference.dropout_mask(seed, layer, step, (3, 6), rate, np.dtype("float32"))
    assert mask.dtype == np.float32
    for r in range(3):
        for j in range(6):
            kept = word(seed, j // 4, r, step, 3 | layer << 8)[j % 4] >= math.floor(rate * 2**32)
            assert mask[r, j] == (np.float32(1 / 0.7) if kept else 0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_drops_at_its_rate_and_keeps_the_expectation(rate):
    mask = reference.dropout_mask(0, 0, 0, (200, 100), rate, np.dtype("float64"))
    deviation = math.sqrt(rate * (1 - rate) / mask.size)
    assert abs((mask == 0).mean() - rate) < 5 * deviation
    assert abs(mask.mean() - 1) < 5 * deviation / (1 - rate)
    assert (mask != reference.dropout_mask(0, 0, 1, (200, 100), rate, np.dtype("float64"))).any()
    assert (mask != reference.dropout_mask(0, 1, 0, (200, 100), rate, np.dtype("float64"))).any()
    assert (mask[0] != mask[1]).any()


def test_dropout_is_on_in_training_only_and_uses_its_mask():
    made = network("identity", "identity", dropout=0.5)
    made.compile(None, 0.0, "sgd", {})
    X = np.random.default_rng(11).normal(size=(7, 4))
    W1, b1, W2, b2 = made.get_weights()
    mask = reference.dropout_mask(8, 0, 0, X.shape, 0.5, np.dtype("float64"))
    dropped = made.train_forward(X, seed=8)
    np.testing.assert_allclose(dropped, ((X * mask) @ W1 + b1) @ W2 + b2, rtol=1e-12)
    assert np.abs(dropped - made.predict(X)).max() > 0.1
    da = np.ones_like(dropped)
    made.train_backward(da, 0.1)
    np.testing.assert_allclose(made.get_weights()[0], W1 - 0.1 * (X * mask).T @ (da @ W2.T), rtol=1e-12)


def test_dropped_hidden_units_pass_no_gradient():
    made = Plan(2, [dense(5), dense(3, dropout=0.5)], dtype="float64")
    rng = np.random.default_rng(12)
    made.set_weights([rng.normal(size=w.shape) for w in made.get_weights()])
    made.compile(None, 0.0, "sgd", {})
    before = made.get_weights()
    mask = reference.dropout_mask(5, 1, 0, (1, 5), 0.5, np.dtype("float64"))[0]
    assert 0 < (mask == 0).sum() < 5
    made.train_forward(np.ones((1, 2)), seed=5)
    made.train_backward(np.ones((1, 3)), 0.1)
    moved = np.abs(made.get_weights()[0] - before[0]).max(axis=0) > 1e-6
    np.testing.assert_array_equal(moved, mask > 0)
