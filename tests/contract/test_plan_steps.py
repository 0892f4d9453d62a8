"""Fifty steps of the Plan and of its NumPy twin; steps with a loss from outside; penalties."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from helpers import (
    HYPER,
    LOSSES,
    OPTIMIZERS,
    RATES,
    RULES,
    TRAINABLE,
    assert_close,
    assert_same_bits,
    assert_trained,
    layers_of,
    make_plan,
    random_weights,
    train,
    train_epoch,
    train_epochs,
)
from pairs import FLOAT64, pair

# Fifty steps


TRAJECTORIES = [
    ([6, 3], [], "sparse_categorical_crossentropy"),
    ([6, 17, 3], ["tanh"], "categorical_crossentropy"),
    ([9, 8, 33, 2], ["gelu", "sigmoid"], "binary_crossentropy"),
    ([5, 16, 9, 7, 4], ["silu", "softplus", "elu"], "mse"),
    ([5, 12, 9, 7, 8, 4], ["tanh", "softsign", "mish", "selu"], "poisson"),
]


def trajectory(plan, X, y, optimizer):
    """(sums, weights, state) after fifty steps."""
    sums = train(plan, X, y, RATES[optimizer] / 2, epochs=10, batch_size=8)
    assert plan.step == 50
    return sums, plan.get_weights(), plan.get_state()


@functools.cache
def twins_trajectory(optimizer, hidden):
    widths, activations, loss = TRAJECTORIES[hidden]
    _, twin, X, y = pair(widths, activations, loss, None, optimizer, seed=hidden, rows=40)
    return trajectory(twin, X, y, optimizer)


@pytest.mark.parametrize("hidden", range(5))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fifty_steps_are_the_twins(isa, optimizer, hidden):
    widths, activations, loss = TRAJECTORIES[hidden]
    plan, _, X, y = pair(widths, activations, loss, isa, optimizer, seed=hidden, rows=40)
    before = plan.get_weights()
    sums, weights, state = trajectory(plan, X, y, optimizer)
    twins_sums, twins_weights, twins_state = twins_trajectory(optimizer, hidden)
    assert_trained(weights, before)
    assert_close(weights, twins_weights, 1e-10)
    assert sums == pytest.approx(twins_sums, rel=1e-10)
    for slot, twins in zip(state["slots"], twins_state["slots"], strict=True):
        assert_close(np.concatenate([*map(np.ravel, slot)]), np.concatenate([*map(np.ravel, twins)]), 1e-10)
    assert state["beta_powers"] == twins_state["beta_powers"]


@pytest.mark.parametrize("activation", TRAINABLE)
def test_fifty_steps_of_every_activation(isa, activation):
    output = activation if activation == "exp" else "identity"
    plan, twin, X, y = pair(
        [7, 13, 3], ["tanh" if output == "exp" else activation], "mse", isa, "adam", output=output
    )
    for one in (plan, twin):
        train(one, X, y, 0.005, epochs=25, batch_size=12)
    assert_close(plan.get_weights(), twin.get_weights(), 1e-10)


PENALTIES = [
    {"l1": 1e-3},
    {"l2": 0.02},
    {"weight_decay": 0.1},
    {"clipvalue": 0.02},
    {"global_clipnorm": 0.1},
    {"l1": 1e-3, "l2": 0.01, "weight_decay": 0.05, "clipvalue": 0.03, "global_clipnorm": 0.2},
]


def penalized(isa, optimizer, penalty):
    """(compiled plan, its twin, X, y) with one of the penalties, or none for None."""
    hyper = {} if penalty is None else PENALTIES[penalty]
    if hyper and optimizer == "sgd":
        hyper = {**hyper, "momentum": 0.9, "nesterov": True}
    return pair([9, 17, 3], ["tanh"], "sparse_categorical_crossentropy", isa, optimizer, rows=40, **hyper)


@functools.cache
def twins_penalized_weights(optimizer, penalty):
    _, twin, X, y = penalized(None, optimizer, penalty)
    train(twin, X, y, RATES[optimizer] / 2, epochs=5, batch_size=8)
    return twin.get_weights()


@pytest.mark.parametrize("penalty", range(len(PENALTIES)), ids=lambda i: "+".join(PENALTIES[i]))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_penalties_and_clipping_are_the_twins(isa, optimizer, penalty):
    plan, _, X, y = penalized(isa, optimizer, penalty)
    plain, _, _, _ = penalized(isa, optimizer, None)
    for one in (plan, plain):
        train(one, X, y, RATES[optimizer] / 2, epochs=5, batch_size=8)
    assert_close(plan.get_weights(), twins_penalized_weights(optimizer, penalty), 1e-10)
    by_signs = RULES[optimizer].all_rows and set(PENALTIES[penalty]) <= {"clipvalue", "global_clipnorm"}
    moved = np.any(plan.get_weights()[0] != plain.get_weights()[0])
    assert moved != by_signs, "the penalty did nothing, or clipping changed signs"


def test_penalties_leave_biases_alone(isa, dtype):
    layers = layers_of([3], [], "identity")
    plan = make_plan(2, layers, [np.ones((2, 3), dtype), np.ones(3, dtype)], dtype, isa)
    plan.compile("mse", 0.0, "sgd", {"l1": 0.25, "l2": 0.25, "weight_decay": 0.5})
    X = np.zeros((4, 2), dtype)
    train(plan, X, np.ones((4, 3), dtype), 0.5, batch_size=4)
    w, b = plan.get_weights()
    assert_same_bits(b, np.ones(3, dtype))
    assert_same_bits(w, np.full((2, 3), 0.5, dtype))  # 1 * (1 - 0.25) - 0.5 * (0.25 + 0.25)


@pytest.mark.parametrize("loss", LOSSES)
def test_training_with_dropout_weights_and_short_batches_is_the_twins(isa, loss):
    plan, twin, X, y = pair([9, 33, 5], ["tanh"], loss, isa, "rmsprop", dropout=0.3, rows=37)
    weight = np.linspace(0.1, 2, 37)
    sums = [train(one, X, y, 0.002, epochs=4, batch_size=8, weight=weight) for one in (plan, twin)]
    assert_close(plan.get_weights(), twin.get_weights(), 1e-10)
    assert sums[0] == pytest.approx(sums[1], rel=1e-10)


@pytest.mark.parametrize("batch_size", [300, 513])
def test_long_batches_are_the_twins(isa, batch_size):
    plan, twin, X, y = pair([9, 17, 5], ["tanh"], "mse", isa, "adam", rows=600)
    for one in (plan, twin):
        train(one, X, y, 0.01, epochs=2, batch_size=batch_size)
    assert_close(plan.get_weights(), twin.get_weights(), 1e-11)


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_training_from_other_types_rescales(isa, dtype, kind):
    rng = np.random.default_rng(5)
    layers = layers_of([9, 4], ["tanh"], "softmax")
    weights = random_weights(rng, 11, layers, dtype)
    X = (rng.random((40, 11)) * 255).astype(kind)
    y = rng.integers(0, 4, 40)
    rescaled = make_plan(
        11, layers, weights, dtype, isa, input_shift=np.full(11, 3.0), input_divisor=np.full(11, 255.0)
    )
    plain = make_plan(11, layers, weights, dtype, isa)
    for plan, x in ((rescaled, X), (plain, (X.astype(dtype) - dtype.type(3)) / dtype.type(255))):
        plan.compile("sparse_categorical_crossentropy", 0.0, "adam", HYPER["adam"])
        train(plan, x, y, 0.01, epochs=2)
    assert_same_bits(rescaled.get_weights(), plain.get_weights())
    twin = make_plan(
        11, layers, weights, dtype, "numpy", input_shift=np.full(11, 3.0), input_divisor=np.full(11, 255.0)
    )
    twin.compile("sparse_categorical_crossentropy", 0.0, "adam", HYPER["adam"])
    rescaled.set_weights(weights)
    got, expected = (p.gradients(X, y, input_gradient=True) for p in (rescaled, twin))
    assert_close(got[1], expected[1], 1e-11 if dtype == FLOAT64 else 1e-4)
    assert_close(got[2], expected[2], 1e-11 if dtype == FLOAT64 else 1e-4)


# A loss from outside


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("output", ["softmax", "identity", "sigmoid"])
def test_steps_with_a_loss_from_outside_are_the_twins(isa, optimizer, output):
    layers = layers_of([17, 5], ["tanh"], output, dropout=0.3)
    rng = np.random.default_rng(9)
    weights = random_weights(rng, 6, layers, FLOAT64)
    X, goal = rng.standard_normal((20, 6)), rng.random((20, 5))
    plans = [make_plan(6, layers, weights, FLOAT64, kind) for kind in (isa, "numpy")]
    for plan in plans:
        plan.compile(None, 0.0, optimizer, HYPER[optimizer])
        assert plan.loss is None
    for step in range(10):
        a, expected = (plan.train_forward(X, seed=3) for plan in plans)
        assert_close(a, expected, 1e-11)
        for plan in plans:
            plan.train_backward(2 * (a - goal) / 20, RATES[optimizer] / 2)
            assert plan.step == step + 1
    assert_close(plans[0].get_weights(), plans[1].get_weights(), 1e-10)


def test_a_loss_from_outside_takes_the_step_of_the_one_inside(isa, dtype):
    plan, _, X, y = pair([6, 9, 4], ["tanh"], "mse", isa, "adam", dropout=0.3, dtype=dtype, rows=16)
    outside, _, _, _ = pair([6, 9, 4], ["tanh"], "mse", isa, "adam", dropout=0.3, dtype=dtype, rows=16)
    outside.compile(None, 0.0, "adam", HYPER["adam"])
    train(plan, X, y, 0.01, shuffle=False)
    a = outside.train_forward(X, seed=7)
    outside.train_backward((a - y) * dtype.type(2 / 64), 0.01)
    assert_same_bits(outside.get_weights(), plan.get_weights())


def test_train_forward_predicts_with_a_compiled_loss_too(isa):
    """Predictions, not logits, whatever loss is compiled; and training goes on from there."""
    plan, twin, X, y = pair([6, 9, 4], ["tanh"], "categorical_crossentropy", isa, "adam")
    for one in (plan, twin):
        train(one, X, y, 0.01, batch_size=24)
    a, expected = (one.train_forward(X, seed=0) for one in (plan, twin))
    assert_close(a, expected, 1e-12)
    for one in (plan, twin):
        one.train_backward((a - y) / 24, 0.01)
        train(one, X, y, 0.01, batch_size=24)
    assert_close(plan.get_weights(), twin.get_weights(), 1e-11)


# Descriptions and arguments


def test_a_penalty_of_each_batch_takes_the_place_of_the_compiled_one(isa):
    """Batch by batch the numbers of a plan compiled for that penalty, and so in whole epochs."""
    penalties, rates = np.array([[0.1, 0.0, 0.5], [0.2, 0.5, 0.3]]), np.full((2, 3), 0.01)
    args = {"batch_size": 8, "seed": 1, "shuffle": False}
    for twin in (False, True):
        one, *_, X, y = pair([5, 7, 3], ["tanh"], "mse", isa, "adam")[twin:]
        start = one.get_weights()
        for l2 in penalties.ravel():
            batch = one.step % 3
            weights, state = one.get_weights(), one.get_state()
            one.compile("mse", 0.0, "adam", {**HYPER["adam"], "l2": l2})
            one.set_weights(weights)
            one.set_state(state)
            rows = slice(8 * batch, 8 * batch + 8)
            train_epoch(one, X[rows], y[rows], learning_rates=rates[0, :1], **args)
        expected = one.get_weights()
        one.compile("mse", 0.0, "adam", {**HYPER["adam"], "l2": 9.0})
        one.set_weights(start)
        for l2 in penalties:
            train_epoch(one, X, y, learning_rates=rates[0], l2=l2, **args)
        assert_same_bits(one.get_weights(), expected)
        one.compile("mse", 0.0, "adam", {**HYPER["adam"], "l2": 9.0})
        one.set_weights(start)
        train_epochs(one, X, y, learning_rates=rates, l2=penalties, **args)
        assert_same_bits(one.get_weights(), expected)


def test_a_penalty_of_one_step_from_outside(isa):
    for twin in (False, True):
        plan, *_, X, y = pair([5, 7, 3], ["tanh"], "mse", isa)[twin:]
        start, ends = plan.get_weights(), []
        for compiled, l2 in ((0.3, None), (0.1, 0.3), (0.1, None)):
            plan.compile("mse", 0.0, "sgd", {**HYPER["sgd"], "l2": compiled})
            plan.set_weights(start)
            plan.train_backward(plan.train_forward(X, seed=0) - y, 0.1, l2)
            ends.append(plan.get_weights())
        assert_same_bits(ends[0], ends[1])
        assert np.abs(ends[0][0] - ends[2][0]).max() > 1e-4
        plan.train_forward(X, seed=0)
        if not twin:
            with pytest.raises(ValueError, match="l2 is -1"):
                plan.train_backward(y, 0.1, -1.0)
