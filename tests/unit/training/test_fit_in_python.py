"""Losses and metrics in Python that misbehave."""

import numpy as np
import pytest

from fastmlp.callbacks import LambdaCallback
from fits import N_OUT, ROWS, mse, network
from helpers import (
    assert_same_bits,
)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (1.0, TypeError, r"loss returned a float, expected \(value, gradient\)"),
        ((1.0,), TypeError, "loss returned a tuple"),
        ((1.0, np.zeros(3)), ValueError, r"gradient of shape \(3,\), expected \(23, 3\)"),
        ((np.zeros(2), np.zeros((ROWS, N_OUT))), TypeError, "loss returned the value"),
        (("1", np.zeros((ROWS, N_OUT))), TypeError, "loss returned the value '1'"),
        ((1.0, np.zeros((ROWS, N_OUT), complex)), TypeError, "gradient of complex128"),
    ],
)
def test_what_a_loss_returns_is_checked(data, result, error, message):
    net = network()
    net.compile("sgd", lambda y_true, y_pred: result)
    before = net.get_weights()
    with pytest.raises(error, match=message):
        net.fit(*data, batch_size=None)
    assert_same_bits(net.get_weights(), before, zeros=True)


@pytest.mark.parametrize(("value", "gradient"), [(np.nan, 0.0), (np.inf, 0.0), (1.0, np.nan), (1.0, -np.inf)])
def test_a_loss_in_python_must_be_finite(data, value, gradient):
    calls = []

    def loss(y_true, y_pred):
        calls.append(len(y_pred))
        return (value, np.full_like(y_pred, gradient)) if len(calls) == 3 else mse(y_true[:, None], y_pred)

    net = network("mse", "adam")
    net.compile("adam", loss)
    seen = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(net.get_weights()))
    with pytest.raises(
        FloatingPointError, match="^training diverged in epoch 1: the loss of batch 2 is not finite; "
    ):
        net.fit(*data, batch_size=5, callbacks=[watch])
    assert net.plan.step == len(seen) == 2 and len(calls) == 3
    assert_same_bits(net.get_weights(), seen[1])


@pytest.mark.parametrize("value", ["high", None, np.zeros(2)])
def test_what_a_metric_returns_is_checked(data, value):
    def odd(y_true, y_pred):
        return value

    net = network()
    net.compile("sgd", metrics=[odd])
    with pytest.raises(TypeError, match="^metric 'odd' returned a .*, expected a number$"):
        net.evaluate(*data)
