"""Initial weights that are made of drawn ones: orthogonal and truncated; gains."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Dense, MemberDense, Members, Network, load
from fastmlp.reference.random import normal_weights, uniform_weights
from fastmlp.starts import orthonormal
from helpers import assert_same_bits

SEED = 11


def weights(initializer, shape, dtype="float64"):
    """W of the second layer."""
    return Network([4, shape[0], Dense(shape[1], initializer=initializer)], dtype=dtype, seed=SEED).weights[1]


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (40, 7), (7, 40), (150, 130), (130, 150)])
@pytest.mark.parametrize("gain", [None, 1.5])
def test_orthogonal_is_q_of_a_normal_matrix(shape, gain):
    """NumPy's QR of the twin's numbers, R with a positive diagonal."""
    W = weights("orthogonal" if gain is None else ("orthogonal", gain), shape) / (gain or 1.0)
    normal = normal_weights(SEED, 1, shape, 1.0)
    tall = normal if shape[0] >= shape[1] else normal.T
    Q, R = np.linalg.qr(tall)
    expected = Q * np.sign(np.diag(R))
    assert np.abs(W - (expected if shape[0] >= shape[1] else expected.T)).max() < 1e-10
    small = W.T @ W if shape[0] >= shape[1] else W @ W.T
    assert np.abs(small - np.eye(min(shape))).max() < 1e-14 * max(shape) ** 0.5


def test_rows_that_are_nearly_dependent_become_orthogonal():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal(90) + 1e-6 * rng.standard_normal((80, 90))
    Q = orthonormal(matrix)
    assert np.abs(Q @ Q.T - np.eye(80)).max() < 1e-13


def test_truncated_normal_is_the_inverse_of_its_distribution():
    truncnorm = pytest.importorskip("scipy.stats").truncnorm
    u = uniform_weights(SEED, 1, (300, 200), 1.0)
    W = weights(("truncated_normal", 0.3), (300, 200))
    expected = truncnorm.ppf((u + 1) / 2, -2, 2)
    assert np.abs(W / 0.3 - expected).max() < 1e-12
    assert 0.599 < np.abs(W).max() <= 0.6
    assert abs(W.std() / 0.3 - 0.87962566103423978) < 0.005  # Keras' and TensorFlow's number
    assert abs(weights("truncated_normal", (300, 200)).std() / 0.05 - 0.8796) < 0.005


@pytest.mark.parametrize("initializer", ["orthogonal", "truncated_normal"])
def test_both_types_begin_alike_and_files_keep_the_name(initializer, tmp_path):
    single, double = (weights(initializer, (20, 30), dtype) for dtype in ("float32", "float64"))
    assert_same_bits(single, double.astype(np.float32))
    other = Network([4, 20, Dense(30, initializer=initializer)], dtype="float64", seed=SEED + 1).weights[1]
    assert not np.any(other == double)
    net = Network([4, 3], initializer=initializer, seed=0)
    assert not np.array_equal(net.weights[0], Network([4, 3], seed=0).weights[0])
    net.save(tmp_path / "net.npz")
    assert load(tmp_path / "net.npz").layers == net.layers


def test_a_gain_multiplies(tmp_path):
    one, two = weights("he_normal", (20, 30)), weights(("he_normal", 2.0), (20, 30))
    assert_same_bits(two, 2 * one)
    assert_same_bits(weights(("he_normal", 1.0), (20, 30)), one)
    assert Network([2, 1], initializer=("he_normal", 0.0)).weights[0].any() == np.False_
    net = Network([4, Dense(3, initializer=("lecun_uniform", 0.5))], seed=0)
    net.save(tmp_path / "net.npz")
    assert load(tmp_path / "net.npz").layers == net.layers


def test_members_are_orthogonal_each(tmp_path):
    layers = [4, Members(3), MemberDense(3, 2, initializer="orthogonal")]
    W = Network(layers, dtype="float64", seed=3).get_weights()[-2].reshape(3, 2, 4)
    for member in W:
        assert np.abs(member @ member.T - np.eye(2)).max() < 1e-14
    assert not np.any(W[0] == W[1])


def test_layers_of_one_shape_begin_apart():
    net = Network([6, 6, 6], initializer="orthogonal", seed=3)
    assert not np.any(net.weights[0] == net.weights[1])
