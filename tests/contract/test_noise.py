"""GaussianNoise and AlphaDropout: numbers from the counter, whatever the batch, threads, instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import AlphaDropout, Dense, GaussianNoise, Network
from fastmlp.reference.random import philox
from helpers import FMA_ISAS, assert_same_bits

NOISE = 4  # the purpose of the words


def alone(layer, dtype, isa=None, width=5, seed=1):
    """A network whose training output is what the layer makes of its input."""
    net = Network([width, layer, Dense(width, use_bias=False)], dtype=dtype, seed=seed, isa=isa)
    net.set_weights([np.eye(width)])
    return net


def words(seed, step, rows, width):
    """Each number's own, one by one: word c % 4 of the block (c // 4, row, step, purpose of layer 0)."""
    found = np.empty((rows, width), np.uint32)
    for r in range(rows):
        for c in range(width):
            found[r, c] = philox(np.array([c // 4, r, step, NOISE]), (seed, 0))[c % 4]
    return found


def normal(w, dtype):
    """Box and Muller in long double from a row's words, rounded to the type as they are taken in."""
    u = ((w[:, ::2].astype(dtype) + dtype.type(0.5)) / dtype.type(2**32)).astype(np.longdouble)
    angle = 2 * np.pi * (w[:, 1::2].astype(dtype) / dtype.type(2**32)).astype(np.longdouble)
    radius = np.sqrt(-2 * np.log(u))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(len(w), -1)


@pytest.mark.parametrize("width", [1, 5, 16, 131, 260])
def test_noise_is_normal_numbers_of_the_words(isa, dtype, width, rng):
    rows = 6
    net = alone(GaussianNoise(0.5), dtype, isa, width)
    X = rng.standard_normal((rows, width)).astype(dtype)
    noise = (net(X, training=True).astype(np.longdouble) - X) / 0.5
    expected = normal(words(1, 0, rows, width + width % 2), np.dtype(dtype))[:, :width]
    bound = 40 * np.finfo(dtype).eps  # of numbers up to 8 and their rounding when X is added
    assert np.abs(expected).max() > 0.5 and np.abs(noise - expected).max() < bound
    assert_same_bits(net.predict(X), X)


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("width", [1, 5, 131])
def test_alpha_dropout_drops_by_the_words(isa, dtype, width, rate, rng):
    rows = 6
    net = alone(AlphaDropout(rate), dtype, isa, width)
    X = rng.standard_normal((rows, width)).astype(dtype)
    s = 1.0507009873554805 * 1.6732632423543772
    a = ((1 - rate) * (1 + rate * s**2)) ** -0.5
    kept = words(1, 0, rows, width) >= np.uint32(rate * 2**32)
    expected = a * np.where(kept, X.astype(float), -s) + a * rate * s
    eps = np.finfo(dtype).eps
    assert np.allclose(net(X, training=True), expected, rtol=4 * eps, atol=4 * eps)
    d = rng.standard_normal((rows, width)).astype(dtype)
    dX = net.backward(d, inputs=True)
    assert np.allclose(dX, np.where(kept, a, 0) * d, rtol=4 * eps)
    assert_same_bits(net.predict(X), X)


def test_alpha_dropout_is_pytorchs(rng):
    """Its constants: where PyTorch keeps and where it drops, which it decides by its own numbers."""
    torch = pytest.importorskip("torch")
    module = torch.nn.AlphaDropout(0.3)
    x = rng.standard_normal((50, 40))
    theirs = module(torch.from_numpy(x)).numpy()
    ours = alone(AlphaDropout(0.3), "float64", width=40)(x, training=True)
    kept = []
    for values in (theirs, ours):
        found, counts = np.unique(values.round(9), return_counts=True)
        low = found[counts.argmax()]  # what is dropped is all one number
        assert 0.2 < counts.max() / values.size < 0.4
        kept.append(np.abs(values - low) > 1e-8)
    both = kept[0] & kept[1]
    assert both.sum() > 500 and np.allclose(ours[both], theirs[both], rtol=0, atol=1e-6)
    neither = ~kept[0] & ~kept[1]
    assert neither.sum() > 50 and np.allclose(ours[neither], theirs[neither], rtol=0, atol=1e-6)


def test_moments(rng):
    X = np.zeros((2000, 50))
    noise = alone(GaussianNoise(2.0), "float32", width=50)(X, training=True)
    n = noise.size
    assert abs(noise.mean()) < 5 * 2 / n**0.5
    assert abs(noise.var() / 4 - 1) < 5 * (2 / n) ** 0.5
    assert abs((noise**4).mean() / 16 / 3 - 1) < 5 * (96 / 9 / n) ** 0.5
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.11  # a pair's two
    X = rng.standard_normal((2000, 50))
    kept = alone(AlphaDropout(0.2), "float32", width=50)(X, training=True)
    assert abs(kept.mean()) < 0.02 and abs(kept.var() - 1) < 0.03


@pytest.mark.parametrize("layer", [GaussianNoise(0.3), AlphaDropout(0.3)])
def test_bits_depend_on_neither_threads_nor_instruction_set_nor_the_rows_after(dtype, layer, rng):
    X = rng.standard_normal((300, 37)).astype(dtype)
    y = rng.standard_normal((300, 2)).astype(dtype)
    found = []
    for isa in FMA_ISAS:
        for threads in (1, 2):
            net = Network([37, layer, 70, layer, 2], activation="selu", dtype=dtype, seed=5, isa=isa)
            net.compile("adam", "mse")
            net.fit(X, y, epochs=2, batch_size=100, threads=threads, verbose=0)
            found.append(net.get_weights())
    for other in found[1:]:
        assert_same_bits(other, found[0])
    net = Network([37, layer, 2], dtype=dtype, seed=5)
    whole = net(X, training=True)
    again = Network([37, layer, 2], dtype=dtype, seed=5)
    assert_same_bits(again(X[:9], training=True), whole[:9])
    assert not np.array_equal(again(X[:9], training=True), whole[:9])  # the next pass of a step has others


def test_each_layer_step_and_seed_has_its_own(rng):
    X = np.zeros((20, 8))
    layers = [8, GaussianNoise(1.0), Dense(8, use_bias=False), GaussianNoise(1.0), 8]
    twice = Network(layers, dtype="float64", seed=1)
    first = alone(GaussianNoise(1.0), "float64", width=8)(X, training=True)
    twice.set_weights([np.zeros((8, 8)), np.eye(8), np.zeros(8)])
    assert not np.any(twice(X, training=True) == first)
    assert not np.any(alone(GaussianNoise(1.0), "float64", width=8, seed=2)(X, training=True) == first)
    net = alone(GaussianNoise(1.0), "float64", width=8)
    net.compile("sgd", "mse")
    net.train_on_batch(X, X)
    net.set_weights([np.eye(8)])
    assert not np.any(net(X, training=True) == first)


def test_gradients_pass_through_noise(isa, rng):
    """dX is d, and weights take what came in with noise on it."""
    net = alone(GaussianNoise(0.5), "float64", isa)
    X, d = rng.standard_normal((2, 7, 5))
    Y = net(X, training=True)
    assert_same_bits(net.backward(d, inputs=True), d)
    assert np.allclose(net.gradient[0], Y.T @ d, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(-1.0), "stddev is -1"),
        (lambda: GaussianNoise(float("nan")), "stddev is nan"),
        (lambda: AlphaDropout(1.0), "rate is 1"),
        (lambda: AlphaDropout("a"), "rate is 'a'"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
