"""`Network.predict(X, dropout=True)`: Monte Carlo dropout."""

import numpy as np
import pytest

from fastmlp import BatchNormalization, Dense, Dropout, Network


def passing(rate, n=40, dtype="float32"):
    """x * mask, x normalised by moving statistics."""
    layers = [n, BatchNormalization(), Dropout(rate), Dense(n, "identity", use_bias=False)]
    net = Network(layers, dtype=dtype)
    rng = np.random.default_rng(5)
    arrays = [rng.uniform(0.5, 2, n) for _ in range(4)]
    net.set_weights([*arrays, np.eye(n)])
    return net


def test_each_unit_is_dropped_or_scaled_up_behind_moving_statistics(dtype, rng):
    net, X = passing(0.3, dtype=dtype), rng.uniform(1, 2, (500, 40)).astype(dtype)
    before = net.get_weights()
    plain, dropped = net.predict(X), net.predict(X, dropout=True, seed=1)
    kept = dropped != 0
    assert kept.mean() == pytest.approx(0.7, abs=5 * (0.3 * 0.7 / 20000) ** 0.5)
    np.testing.assert_allclose(dropped[kept], plain[kept] / 0.7, rtol=1e-5)
    assert len(np.unique(kept, axis=0)) == 500, "each row has to have a mask of its own"
    assert all((a == b).all() for a, b in zip(net.get_weights(), before, strict=True))


def test_the_mean_over_seeds_is_that_of_the_masks(dtype, rng):
    """Dropout before a linear layer: predict is the mean, and rate / (1 - rate) sum((x w)^2) the variance."""
    net = Network([6, Dropout(0.2), 1], dtype=dtype)
    net.set_weights([rng.normal(size=(6, 1)), [0.5]])
    X = rng.normal(size=(3, 6)).astype(dtype)
    samples = np.stack([net.predict(X, dropout=True, seed=seed) for seed in range(4000)]).astype(float)
    variance = 0.25 * ((X * net.weights[0].T).astype(float) ** 2).sum(axis=1, keepdims=True)
    assert (abs(samples.mean(axis=0) - net.predict(X)) < 5 * np.sqrt(variance / 4000)).all()
    np.testing.assert_allclose(samples.var(axis=0), variance, rtol=0.15)


def test_seeds(dtype, rng):
    net, X = passing(0.5, dtype=dtype), rng.normal(size=(20, 40))
    one = net.predict(X, dropout=True, seed=1)
    assert (net.predict(X.tolist(), dropout=True, seed=1) == one).all()
    assert (net.predict(X[0], dropout=True, seed=1) == one[0]).all()
    assert (net.predict(X, dropout=True, seed=2) != one).any()
    assert (net.predict(X, dropout=True) != net.predict(X, dropout=True)).any()
    generators = [np.random.default_rng(4) for _ in range(2)]
    first, second = (net.predict(X, dropout=True, seed=generator) for generator in generators)
    assert (first == second).all() and (net.predict(X, dropout=True, seed=generators[0]) != first).any()


def test_out_is_written_when_all_is_well(dtype, rng):
    net, X = passing(0.5, dtype=dtype), rng.normal(size=(20, 40))
    out = np.zeros((20, 40), dtype)
    assert net.predict(X, out, dropout=True, seed=1) is out
    assert (out == net.predict(X, dropout=True, seed=1)).all()
    kept = out.copy()
    X[13, 2] = np.nan
    with pytest.raises(ValueError, match="X contains nan at row 13, column 2"):
        net.predict(X, out, dropout=True, seed=1)
    assert (out == kept).all()
    with pytest.raises(ValueError, match="out has shape"):
        net.predict(X[:3], out, dropout=True, seed=1)


def test_a_network_without_dropout_predicts_as_ever(dtype, rng):
    net = Network([4, 3, 2], activation="tanh", output="softmax", dtype=dtype, seed=2)
    X = rng.normal(size=(5, 4))
    assert (net.predict(X, dropout=True, seed=1) == net.predict(X)).all()
    assert (net.predict(X, dropout=False) == net.predict(X)).all()


def test_refusals():
    net = passing(0.5)
    X = np.ones((2, 40))
    with pytest.raises(ValueError, match="seed came without dropout=True"):
        net.predict(X, seed=3)
    with pytest.raises(TypeError, match="dropout is 0.5"):
        net.predict(X, dropout=0.5)
    with pytest.raises(ValueError, match="seed is -1"):
        net.predict(X, dropout=True, seed=-1)
    with pytest.raises(ValueError, match="threads is 0"):
        net.predict(X, dropout=True, threads=0)
