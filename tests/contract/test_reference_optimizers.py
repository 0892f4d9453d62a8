"""The twin's optimizers by hand, and the small numbers that become zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastmlp import reference
from fastmlp.reference import optimizers
from helpers import dense
from twins import ADAM, Plan

W0, G0 = np.array([1.0, -2.0, 0.5]), np.array([0.5, -1.0, 4.0])


def steps(name, hyperparameters, gradients=(G0,), rate=0.1):
    """Weights and slots after the gradients."""
    w = W0.copy()
    slots = [np.zeros(3) for _ in range(reference.OPTIMIZERS[name].slots)]
    for t, g in enumerate(gradients):
        assert reference.optimizer_update(name, w, g, slots, hyperparameters, rate, t) is None
    return w, slots


def test_sgd_by_hand():
    np.testing.assert_allclose(steps("sgd", {})[0], [0.95, -1.9, 0.1], rtol=1e-15)
    # v = g, then v = 0.9 g + g
    w, (v,) = steps("sgd", {"momentum": 0.9, "nesterov": False}, (G0, G0))
    np.testing.assert_allclose(v, 1.9 * G0, rtol=1e-15)
    np.testing.assert_allclose(w, W0 - 0.1 * (1 + 1.9) * G0, rtol=1e-14)
    # g + 0.9 v: 1.9 g, then g + 0.9 * 1.9 g
    w, _ = steps("sgd", {"momentum": 0.9, "nesterov": True}, (G0, G0))
    np.testing.assert_allclose(w, W0 - 0.1 * (1.9 + 2.71) * G0, rtol=1e-14)


def test_adagrad_by_hand():
    w, (s,) = steps("adagrad", {"epsilon": 1e-10}, (G0, 2 * G0))
    np.testing.assert_allclose(s, 5 * G0**2, rtol=1e-15)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 + 2 / math.sqrt(5)), rtol=1e-9)


def test_rmsprop_by_hand():
    w, (s,) = steps("rmsprop", {"rho": 0.9, "epsilon": 1e-8}, (G0, 2 * G0))
    np.testing.assert_allclose(s, (0.09 + 0.4) * G0**2, rtol=1e-14)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 / math.sqrt(0.1) + 2 / 0.7), rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_by_hand(name):
    # the first corrected step is the gradient's sign, whatever its size
    w, (m, v) = steps(name, ADAM)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0), rtol=1e-7)
    np.testing.assert_allclose(m, 0.1 * G0, rtol=1e-14)
    np.testing.assert_allclose(v, 0.001 * G0**2, rtol=1e-12)
    # the second: m' = (0.09 + 0.2) g / 0.19, v' = (0.000999 + 0.004) g^2 / 0.001999
    w, _ = steps(name, ADAM, (G0, 2 * G0))
    second = (0.29 / 0.19) / math.sqrt(0.004999 / 0.001999)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 + second), rtol=1e-7)


def test_amsgrad_by_hand():
    # beta_2 = 0.5: v = g^2 / 2, then g^2 / 4 from a gradient of 0, and the larger stays
    h = {**ADAM, "beta_2": 0.5}
    w, (m, v, largest) = steps("amsgrad", h, (G0, 0 * G0))
    np.testing.assert_allclose(m, 0.09 * G0, rtol=1e-14)
    np.testing.assert_allclose(v, G0**2 / 4, rtol=1e-14)
    np.testing.assert_allclose(largest, G0**2 / 2, rtol=1e-14)
    # the first step is the sign; the second m' = 0.09 g / 0.19 over sqrt(0.5 g^2 / 0.75)
    second = (0.09 / 0.19) / math.sqrt(0.5 / 0.75)
    np.testing.assert_allclose(w, W0 - 0.1 * np.sign(G0) * (1 + second), rtol=1e-7)


def test_epsilon_is_added_outside_the_root():
    g = np.array([1.0, -1.0, 1.0])
    np.testing.assert_allclose(steps("adagrad", {"epsilon": 1.0}, (g,))[0], W0 - 0.05 * g, rtol=1e-14)
    np.testing.assert_allclose(steps("adam", {**ADAM, "epsilon": 1.0}, (g,))[0], W0 - 0.05 * g, rtol=1e-12)
    rms = 0.1 / (math.sqrt(0.1) + 1)
    np.testing.assert_allclose(
        steps("rmsprop", {"rho": 0.9, "epsilon": 1.0}, (g,))[0], W0 - rms * g, rtol=1e-14
    )


def test_penalties_decay_and_clips_by_hand():
    np.testing.assert_allclose(steps("sgd", {"l2": 0.1})[0], W0 - 0.1 * (G0 + 0.1 * W0), rtol=1e-15)
    np.testing.assert_allclose(steps("sgd", {"l1": 0.1})[0], W0 - 0.1 * (G0 + 0.1 * np.sign(W0)), rtol=1e-15)
    np.testing.assert_allclose(steps("sgd", {"weight_decay": 0.5})[0], 0.95 * W0 - 0.1 * G0, rtol=1e-15)
    np.testing.assert_allclose(steps("sgd", {"clipvalue": 0.75})[0], W0 - 0.1 * np.array([0.5, -0.75, 0.75]))
    norm = math.sqrt(0.25 + 1 + 16)
    np.testing.assert_allclose(
        steps("sgd", {"global_clipnorm": 2.0})[0], W0 - 0.1 * G0 * 2 / norm, rtol=1e-14
    )
    np.testing.assert_array_equal(steps("sgd", {"global_clipnorm": 5.0})[0], steps("sgd", {})[0])
    # the penalty is added after the clip, to the weights as they were before the decay
    both = steps("sgd", {"clipvalue": 0.75, "l2": 1.0, "weight_decay": 0.5})[0]
    np.testing.assert_allclose(both, 0.95 * W0 - 0.1 * (np.array([0.5, -0.75, 0.75]) + W0), rtol=1e-14)


def test_adamw_decays_apart_from_the_averages():
    decayed, (m, _) = steps("adamw", {**ADAM, "weight_decay": 0.5})
    plain, (plain_m, _) = steps("adamw", ADAM)
    np.testing.assert_allclose(decayed - plain, -0.05 * W0, rtol=1e-12)
    np.testing.assert_array_equal(m, plain_m)


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 2.0**-100), ("float64", 2.0**-900)])
def test_small_numbers_become_zero(dtype, limit):
    x = np.array([limit, -limit, 0.99 * limit, -0.99 * limit, 0, np.nan, np.inf], dtype)
    flushed = optimizers.flush(x)
    assert flushed.dtype == x.dtype
    np.testing.assert_array_equal(flushed, np.array([limit, -limit, 0, 0, 0, np.nan, np.inf], dtype))
    assert not np.signbit(flushed[3])


def test_weights_and_slots_are_flushed():
    w, v = np.array([1e-280, 1.0]), np.array([1e-280, 0.0])
    reference.optimizer_update("sgd", w, np.zeros(2), [v], {"momentum": 0.5}, 0.1)
    np.testing.assert_array_equal(w, [0, 1])
    np.testing.assert_array_equal(v, [0, 0])


def test_deltas_are_flushed():
    made = Plan(1, [dense(1, "sigmoid")], dtype="float64")
    made.compile("binary_crossentropy", 0.0, "sgd", {})
    for delta, expected in [(1e-250, 2.5e-251), (1e-280, 0.0)]:  # the slope at 0 is 1/4
        _, db = made.backward(np.ones((1, 1)), np.array([[delta]]))[0]
        assert db[0] == pytest.approx(expected, rel=1e-12, abs=0)
    for z in (-500.0, -700.0):  # the delta of a target 0 is sigmoid(z), near exp(z)
        made.set_weights([np.zeros((1, 1)), np.array([z])])
        _, db = made.gradients(np.ones((1, 1)), np.zeros((1, 1)))[1]
        assert db[0] == pytest.approx(math.exp(z) if z > -600 else 0.0, rel=1e-12, abs=0)
