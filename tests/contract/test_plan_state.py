"""The Plan's weights, optimizer state and padding."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels
from helpers import (
    HYPER,
    OPTIMIZERS,
    RATES,
    assert_same_bits,
    dense,
    layers_of,
    make_plan,
    normalization,
    random_weights,
    train,
    train_epoch,
)
from pairs import FLOAT64, pair

# State


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_run_is_the_uninterrupted_one(isa, dtype, optimizer):
    def fresh():
        hyper = {"momentum": 0.9} if optimizer == "sgd" else {}
        return pair(
            [9, 33, 5],
            ["tanh"],
            "sparse_categorical_crossentropy",
            isa,
            optimizer,
            dropout=0.3,
            rows=50,
            dtype=dtype,
            **hyper,
        )

    whole, _, X, y = fresh()
    rates = np.full(7, RATES[optimizer])
    run = lambda plan, epoch: train_epoch(  # noqa: E731
        plan, X, y, batch_size=8, seed=1, epoch=epoch, learning_rates=rates
    )
    for epoch in range(4):
        run(whole, epoch)
    resumed, _, _, _ = fresh()
    run(resumed, 0)
    run(resumed, 1)
    weights, state = resumed.get_weights(), resumed.get_state()
    run(resumed, 2)  # what was taken out does not follow
    other, _, _, _ = fresh()
    other.set_weights(weights)
    other.set_state(state)
    assert other.step == state["step"] == 14
    run(other, 2)
    assert_same_bits(other.get_weights(), resumed.get_weights())
    run(other, 3)
    assert_same_bits(other.get_weights(), whole.get_weights())
    got, expected = other.get_state(), whole.get_state()
    assert got["step"] == expected["step"] and got["beta_powers"] == expected["beta_powers"]
    assert len(got["slots"]) == _kernels.optimizer_names()[optimizer]
    for one, two in zip(got["slots"], expected["slots"], strict=True):
        assert_same_bits(one, two)


def test_compile_starts_anew(isa, dtype):
    plan, _, X, y = pair([9, 17, 4], ["tanh"], "mse", isa, "adam", dtype=dtype)
    weights = plan.get_weights()
    train(plan, X, y, 0.01)
    once = plan.get_weights()
    plan.compile("mse", 0.0, "adam", HYPER["adam"])
    state = plan.get_state()
    assert plan.step == 0 and state["beta_powers"] == (1, 1)
    assert all(not array.any() for slot in state["slots"] for array in slot)
    plan.set_weights(weights)
    train(plan, X, y, 0.01)
    assert_same_bits(plan.get_weights(), once)


def test_slots_are_as_many_as_the_rule_keeps(isa):
    for optimizer, count in _kernels.optimizer_names().items():
        plan, _, _, _ = pair([3, 2], [], "mse", isa, optimizer)
        assert len(plan.get_state()["slots"]) == (0 if optimizer == "sgd" else count)
    plan, _, _, _ = pair([3, 2], [], "mse", isa, "sgd", momentum=0.5)
    assert len(plan.get_state()["slots"]) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_padding_stays_out_of_everything(isa, dtype, optimizer):
    """A trained plan is a fresh one with its weights and state: what lies beside odd widths has no part."""
    hyper = {"l1": 1e-4, "l2": 1e-3, "weight_decay": 0.01, "global_clipnorm": 0.3}
    arguments = (
        [5, 3, 19, 33, 7],
        ["exp", "softplus", "sigmoid"],
        "sparse_categorical_crossentropy",
        isa,
        optimizer,
    )
    plan, _, X, y = pair(*arguments, dtype=dtype, dropout=0.2, **hyper)
    train(plan, X, y, RATES[optimizer] / 10, epochs=6, batch_size=7)
    fresh, _, _, _ = pair(*arguments, dtype=dtype, dropout=0.2, **hyper)
    fresh.set_weights(plan.get_weights())
    fresh.set_state(plan.get_state())
    assert_same_bits(plan.predict(X), fresh.predict(X))
    for one in (plan, fresh):
        train(one, X, y, RATES[optimizer] / 10, epochs=2, batch_size=7)
    assert_same_bits(plan.get_weights(), fresh.get_weights())
    assert np.all(np.isfinite(plan.get_weights()[0]))


def test_weights_are_copies(isa, dtype):
    plan, _, X, _ = pair([9, 17, 4], ["tanh"], "mse", isa, dtype=dtype)
    before = plan.predict(X)
    weights = plan.get_weights()
    for w in weights:
        assert w.flags.owndata and w.flags.writeable and w.flags.c_contiguous and w.dtype == dtype
        w[...] = np.nan
    assert_same_bits(plan.predict(X), before)
    mine = plan.get_weights()
    plan.set_weights(mine)
    mine[0][...] = np.nan
    assert_same_bits(plan.predict(X), before)


@pytest.mark.parametrize("use_bias", [True, False])
def test_weights_go_in_and_come_out(isa, dtype, use_bias):
    rng = np.random.default_rng(0)
    for widths in ([1, 1], [8, 16, 9], [17, 33, 15, 1], [3, 100]):
        n_in, *rest = widths
        layers = layers_of(rest, ["relu"] * (len(rest) - 1), "identity", use_bias=use_bias)
        weights = random_weights(rng, n_in, layers, dtype)
        plan = make_plan(n_in, layers, [np.zeros_like(w) for w in weights], dtype, isa)
        assert plan.num_parameters == sum(w.size for w in weights)
        assert not any(w.any() for w in plan.get_weights())
        plan.set_weights([np.asfortranarray(w) for w in weights])
        assert_same_bits(plan.get_weights(), weights)
        plan.set_weights([w.astype(np.float64).tolist() for w in weights])
        assert_same_bits(plan.get_weights(), weights)


# Divergence


def test_squares_are_those_of_the_weights_alone(isa, dtype):
    plan, twin, X, y = pair([9, 17, 4], ["tanh"], "mse", isa, dtype=dtype)
    expected = sum(float((W.astype(np.longdouble) ** 2).sum()) for W in plan.get_weights()[::2])
    assert plan.squares() == pytest.approx(expected, rel=1e-14) and expected > 1
    assert twin.squares() == pytest.approx(expected, rel=1e-14)


def test_squares_leave_normalisations_out(isa):
    layers = [normalization("batch"), dense(2)]
    for kind in (isa, "numpy"):
        plan = make_plan(5, layers, [np.full(5, 3.0)] * 4 + [np.full((5, 2), 2.0), np.ones(2)], FLOAT64, kind)
        assert plan.squares() == 40.0
