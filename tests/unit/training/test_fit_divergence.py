"""Divergence: which weights and which state are left."""

import numpy as np
import pytest

from fastmlp import Network, optimizers
from fastmlp.callbacks import LambdaCallback
from fits import N_IN, N_OUT, mse
from helpers import (
    assert_same_bits,
    assert_trained,
)


@pytest.mark.parametrize("python_loss", [False, True])
@pytest.mark.parametrize(("rate", "epochs"), [(1e30, 1), (1e30, 5), (1e3, 200)])
def test_divergence_keeps_the_last_finite_weights(data, python_loss, rate, epochs):
    X, y = data[0], data[0][:, :N_OUT]
    net = Network([N_IN, 8, N_OUT], dtype="float32", seed=5)
    net.compile(optimizers.SGD(rate), mse if python_loss else "mse")
    seen = [net.get_weights()]
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(net.get_weights()))
    X = X * 1e15 if epochs == 1 else X  # one step to weights beyond float32
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="^training diverged in epoch"),
    ):
        net.fit(X, y, epochs=epochs, batch_size=None, callbacks=[watch])
    weights = net.get_weights()
    assert all(np.isfinite(array).all() for array in weights)
    assert any(all(np.array_equal(a, b) for a, b in zip(weights, older, strict=True)) for older in seen)
    net.compile(optimizers.SGD(1e-6), "mse")  # the network is free, and may go on
    net.set_weights(seen[0])
    net.fit(data[0], y)
    assert_trained(net.get_weights(), seen[0])


@pytest.mark.parametrize("python_loss", [False, True])
def test_divergence_takes_the_optimizers_state_back_too(data, python_loss):
    """The only step leads beyond float32; then there was none, for weights, momentum and count alike."""
    net = Network([N_IN, 8, N_OUT], dtype="float32", seed=5)
    net.compile(optimizers.SGD(1e30, momentum=0.9), mse if python_loss else "mse")
    before = net.get_weights()
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="^training diverged"),
    ):
        net.fit(data[0] * 1e15, data[0][:, :N_OUT], batch_size=None)
    assert_same_bits(net.get_weights(), before, zeros=True)
    state = net.plan.get_state()
    assert state["step"] == 0 and len(state["slots"]) == 1
    assert all(not array.any() for array in state["slots"][0])


@pytest.mark.parametrize("python_loss", [False, True])
def test_an_epoch_whose_losses_are_finite_has_not_diverged(python_loss):
    """Though their sum is beyond the numbers: a batch is judged by its own loss."""
    X, y = np.ones((3, 1)), np.full((3, 1), 1.2e154)  # losses of 1.44e308 each
    net = Network([1, 1], initializer="zeros", dtype="float64")
    net.compile(optimizers.SGD(1e-160), mse if python_loss else "mse")
    with np.errstate(over="ignore"):
        net.fit(X, y, epochs=2, batch_size=1, verbose=0)
    assert net.epochs_done == 2 and net.get_weights()[1] > 0
    before = net.get_weights()
    with np.errstate(over="ignore"), pytest.raises(FloatingPointError, match="the loss of batch 2 is not"):
        net.fit(X, y * np.array([[1], [1], [2]]), batch_size=1, shuffle=False, verbose=0)
    assert net.get_weights()[1] > before[1]  # of the first two batches
