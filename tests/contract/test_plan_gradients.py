"""Forward and gradients of the Plan against its NumPy twin and numeric differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import (
    FREE_LOSSES,
    HYPER,
    ISAS,
    LOSSES,
    TRAINABLE,
    assert_close,
    assert_same_bits,
    assert_trained,
    layers_of,
    make_plan,
    random_weights,
    train,
)
from pairs import FLOAT64, assert_gradients_agree, pair


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", range(5))
def test_gradients_are_the_twins(isa, loss, hidden):
    widths = [9, 33, 8, 17, 20][: hidden + 1]
    plan, twin, X, y = pair(
        [*widths, 5], ["tanh", "gelu", "sigmoid", "silu"][:hidden], loss, isa, seed=hidden
    )
    assert_close(plan.predict(X), twin.predict(X), 1e-12)
    assert_close(plan.forward(X), twin.forward(X), 1e-12)
    assert_gradients_agree(plan, twin, X, y)
    assert_gradients_agree(plan, twin, X, y, np.linspace(0.2, 3, len(X)))


@pytest.mark.parametrize("loss", FREE_LOSSES)
@pytest.mark.parametrize("activation", [*TRAINABLE, "softmax", "log_softmax"])
def test_every_activation_under_every_free_loss(isa, activation, loss):
    hidden = activation if activation in TRAINABLE else "tanh"
    plan, twin, X, y = pair([7, 11, 6], [hidden], loss, isa, seed=3, output=activation)
    assert_close(plan.forward(X), twin.forward(X), 1e-12)
    assert_gradients_agree(plan, twin, X, y)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_log_softmax_has_the_logits_of_softmax(isa, dtype, loss):
    plan, twin, X, y = pair([7, 11, 6], ["tanh"], loss, isa, output="log_softmax", dtype=dtype)
    assert_close(np.exp(plan.predict(X)).sum(axis=1), np.ones(24, dtype), 1e-6)
    assert_gradients_agree(plan, twin, X, y, rtol=1e-11 if dtype == FLOAT64 else 1e-5)
    other, _, _, _ = pair([7, 11, 6], ["tanh"], loss, isa, output="softmax", dtype=dtype)
    assert_same_bits(plan.gradients(X, y)[1], other.gradients(X, y)[1])


@settings(max_examples=60, deadline=None, database=None)
@given(
    widths=st.lists(st.integers(1, 50), min_size=2, max_size=6),
    rows=st.integers(1, 70),
    loss=st.sampled_from(LOSSES),
    names=st.lists(st.sampled_from([name for name in TRAINABLE if name != "exp"]), min_size=4, max_size=4),
    use_bias=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_any_network_is_its_twin(widths, rows, loss, names, use_bias, seed):
    for isa in ISAS:
        plan, twin, X, y = pair(
            widths, names[: len(widths) - 2], loss, isa, seed=seed, rows=rows, use_bias=use_bias
        )
        expected = twin.forward(X)
        for got, a in zip(plan.forward(X), expected, strict=True):
            assert np.all(np.abs(got - a) <= 1e-11 * (np.abs(a).max() + 1e-30))
        loss_value, gradients, dX = plan.gradients(X, y, input_gradient=True)
        expected_loss, expected_gradients, expected_dX = twin.gradients(X, y, input_gradient=True)
        assert loss_value == pytest.approx(expected_loss, rel=1e-11, abs=1e-11)
        scale = max(
            np.abs(g).max() for g in [*expected_gradients, expected_dX]
        )  # a layer may be dead, not all
        for got, g in zip([*gradients, dX], [*expected_gradients, expected_dX], strict=True):
            assert np.all(np.abs(got - g) <= 1e-11 * scale + 1e-15)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_float32_is_near_its_twin(isa, dropout):
    plan, twin, X, y = pair(
        [37, 33, 17, 5],
        ["tanh", "gelu"],
        "sparse_categorical_crossentropy",
        isa,
        "adam",
        dropout,
        dtype=np.dtype(np.float32),
    )
    assert_gradients_agree(plan, twin, X, y, rtol=2e-5)
    before = plan.get_weights()
    for one in (plan, twin):
        train(one, X, y, 0.001, epochs=5, batch_size=8)
    assert_trained(plan.get_weights(), before)
    assert_close(plan.get_weights(), twin.get_weights(), 1e-4)


def test_numeric_gradient(isa):
    """Differences of the plan's own loss, so that the twin's formulas are not the only witness."""
    plan, _, X, y = pair([5, 9, 4, 3], ["gelu", "tanh"], "categorical_crossentropy", isa)
    _, gradients, dX = plan.gradients(X, y, input_gradient=True)
    weights = plan.get_weights()
    for which, gradient in enumerate(gradients):
        numeric = np.empty_like(gradient)
        for i in np.ndindex(gradient.shape):
            losses = []
            for shift in (1e-6, -1e-6):
                moved = [w.copy() for w in weights]
                moved[which][i] += shift
                plan.set_weights(moved)
                losses.append(plan.evaluate(X, y)[0] / len(X))
            numeric[i] = (losses[0] - losses[1]) / 2e-6
        assert_close(gradient, numeric, 1e-7)
    plan.set_weights(weights)
    numeric = np.empty_like(dX)
    for i in np.ndindex(X.shape):
        losses = []
        for shift in (1e-6, -1e-6):
            moved = X.copy()
            moved[i] += shift
            losses.append(plan.evaluate(moved, y)[0] / len(X))
        numeric[i] = (losses[0] - losses[1]) / 2e-6
    assert_close(dX, numeric, 1e-7)


@pytest.mark.parametrize("output", ["softmax", "log_softmax", "sigmoid", "identity", "gelu"])
@pytest.mark.parametrize("compile_first", [False, True])
def test_backward_from_an_output_gradient(isa, output, compile_first):
    layers = layers_of([9, 4], ["mish"], output)
    weights = random_weights(np.random.default_rng(2), 6, layers, FLOAT64)
    plan, twin = (make_plan(6, layers, weights, FLOAT64, kind) for kind in (isa, "numpy"))
    if compile_first:
        loss = {"softmax": "categorical_crossentropy", "sigmoid": "binary_crossentropy"}.get(output, "mse")
        plan.compile(loss, 0.0, "sgd", HYPER["sgd"])
    rng = np.random.default_rng(3)
    X, d = rng.standard_normal((20, 6)), rng.standard_normal((20, 4))
    (gradients, dX), (expected, expected_dX) = plan.backward(X, d), twin.backward(X, d)
    assert_close(gradients, expected, 1e-12)
    assert_close(dX, expected_dX, 1e-12)
