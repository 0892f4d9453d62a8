"""The Plan against its NumPy twin, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp import _kernels, reference
from helpers import (
    FREE_LOSSES,
    HYPER,
    LINKS,
    LOSSES,
    OPTIMIZERS,
    OUTPUT_OF,
    OUTPUTS,
    PARAMETERS,
    RATES,
    RUNNABLE,
    TRAINABLE,
    assert_close,
    assert_same_bits,
    assert_trained,
    layers_of,
    loss_parameter,
    make_plan,
    normalization,
    outputs_of,
    random_weights,
    run_of,
    targets,
    train,
    train_epoch,
    train_epochs,
)

FLOAT64 = np.dtype(np.float64)


def pair(
    widths,
    activations,
    loss,
    isa,
    optimizer="sgd",
    dropout=0.0,
    use_bias=True,
    seed=0,
    rows=24,
    output=None,
    dtype=FLOAT64,
    **hyper,
):
    """(compiled plan, its twin, X, y), with the same weights; the last of the widths counts targets."""
    rng = np.random.default_rng(seed)
    n_in, *widths = widths
    widths[-1] = outputs_of(loss, widths[-1])
    layers = layers_of(widths, activations, output or OUTPUT_OF[LINKS[loss]], dropout, use_bias)
    weights = random_weights(rng, n_in, layers, dtype)
    plans = [make_plan(n_in, layers, weights, dtype, kind) for kind in (isa, "numpy")]
    for plan in plans:
        plan.compile(loss, loss_parameter(loss), optimizer, {**HYPER[optimizer], **hyper})
    X = rng.standard_normal((rows, n_in)).astype(dtype)
    return *plans, X, targets(rng, loss, rows, widths[-1], dtype)


def assert_gradients_agree(plan, twin, X, y, weight=None, rtol=1e-11):
    got = plan.gradients(X, y, weight, input_gradient=True)
    expected = twin.gradients(X, y, weight, input_gradient=True)
    assert got[0] == pytest.approx(expected[0], rel=rtol)
    assert_close(got[1], expected[1], rtol)
    assert_close(got[2], expected[2], rtol)
    assert plan.gradients(X, y, weight)[2] is None
    loss, correct = plan.evaluate(X, y, weight)
    expected_loss, expected_correct = twin.evaluate(X, y, weight)
    assert loss == pytest.approx(expected_loss, rel=rtol) and correct == pytest.approx(
        expected_correct, rel=1e-14
    )
    assert loss == pytest.approx(got[0] * len(X), rel=1e-14)


# Forward and gradients


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
    for isa in RUNNABLE:
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


# Fifty steps


TRAJECTORIES = [
    ([6, 3], [], "sparse_categorical_crossentropy"),
    ([6, 17, 3], ["tanh"], "categorical_crossentropy"),
    ([9, 8, 33, 2], ["gelu", "sigmoid"], "binary_crossentropy"),
    ([5, 16, 9, 7, 4], ["silu", "softplus", "elu"], "mse"),
    ([5, 12, 9, 7, 8, 4], ["tanh", "softsign", "mish", "selu"], "poisson"),
]


@pytest.mark.parametrize("hidden", range(5))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fifty_steps_are_the_twins(isa, optimizer, hidden):
    widths, activations, loss = TRAJECTORIES[hidden]
    plan, twin, X, y = pair(widths, activations, loss, isa, optimizer, seed=hidden, rows=40)
    before = plan.get_weights()
    sums = [train(one, X, y, RATES[optimizer] / 2, epochs=10, batch_size=8) for one in (plan, twin)]
    assert plan.step == twin.step == 50
    assert_trained(plan.get_weights(), before)
    assert_close(plan.get_weights(), twin.get_weights(), 1e-10)
    assert sums[0] == pytest.approx(sums[1], rel=1e-10)
    for slot, twins in zip(plan.get_state()["slots"], twin.get_state()["slots"], strict=True):
        assert_close(slot, twins, 1e-10)
    assert plan.get_state()["beta_powers"] == twin.get_state()["beta_powers"]


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


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda h: "+".join(h))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_penalties_and_clipping_are_the_twins(isa, optimizer, penalty):
    if optimizer == "sgd":
        penalty = {**penalty, "momentum": 0.9, "nesterov": True}
    plan, twin, X, y = pair(
        [9, 17, 3], ["tanh"], "sparse_categorical_crossentropy", isa, optimizer, rows=40, **penalty
    )
    plain, _, _, _ = pair([9, 17, 3], ["tanh"], "sparse_categorical_crossentropy", isa, optimizer, rows=40)
    for one in (plan, twin, plain):
        train(one, X, y, RATES[optimizer] / 2, epochs=5, batch_size=8)
    assert_close(plan.get_weights(), twin.get_weights(), 1e-10)
    assert np.any(plan.get_weights()[0] != plain.get_weights()[0]), "the penalty did nothing"


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


def cut(plan, rows, seconds=np.inf, batches=None, **more):
    """A run of rates that diverges, in calls of so many seconds or batches: the run and what it said."""
    X, y, rates = rows
    run = run_of(plan, X, y, batch_size=9, seed=3, **more)
    run.begin(rates, epoch=4)
    with pytest.raises(FloatingPointError) as error:
        while True:
            run.advance(seconds, batches)
    return run, str(error.value)


def assert_same_state(plan, other):
    assert_same_bits(plan.get_weights(), other.get_weights())
    got, expected = plan.get_state(), other.get_state()
    assert got["step"] == expected["step"] and got["beta_powers"] == expected["beta_powers"]
    for one, two in zip(got["slots"], expected["slots"], strict=True):
        assert_same_bits(one, two)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_raises_and_leaves_the_last_that_is_finite(isa, dtype, optimizer):
    """The sixth step goes too far: the loss after it is not finite, the weights still are."""
    made = [pair([9, 17, 4], ["identity"], "mse", isa, optimizer, dtype=dtype, rows=64) for _ in range(2)]
    plan, expected, (X, y) = made[0][0], made[1][0], made[0][2:]
    start = plan.get_weights()
    rates = np.full((1, 64), 0.001)
    rates[0, 5:] = 1e200 if dtype == FLOAT64 else 1e30
    for one in (plan, expected):
        train(one, X, y, 0.001)
    run, before = (run_of(one, X, y, batch_size=1, seed=0) for one in (plan, expected))
    run.begin(rates)
    with pytest.raises(FloatingPointError, match="the loss of batch 6 is not finite"):
        run.advance()
    assert (run.epoch, run.batch) == (0, 6)
    before.begin(rates)
    before.advance(batches=6)
    assert_same_state(plan, expected)
    assert plan.step == 4 + 6 and np.abs(plan.get_weights()[0]).max() > rates[0, -1] / 1e9
    for one in (plan, expected):
        one.set_weights(start)
        train(one, X, y, 0.001)
    assert_same_state(plan, expected)
    assert_trained(plan.get_weights(), start)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch", [9, 27])  # three in an epoch, or one that the stage may keep
@pytest.mark.parametrize(("widths", "dropout"), [([9, 17, 4], 0.2), ([3, 4, 2], 0.0)], ids=["wide", "narrow"])
def test_epochs_in_one_call_are_epochs_one_by_one(isa, dtype, shuffle, batch, widths, dropout):
    """For the compiled plan bit by bit, and so for its twin."""
    rates = np.linspace(0.01, 0.05, 12).reshape(4, 3)[:, : 27 // batch].copy()
    fixed = {"batch_size": batch, "seed": 3, "shuffle": shuffle}
    for twin in (False, True):
        made = lambda: pair(widths, ["tanh"], "mse", isa, "adam", dropout, dtype=dtype, rows=27)  # noqa: B023, E731
        whole, one_by_one, (X, y) = made()[twin], made()[twin], made()[2:]
        run = run_of(whole, X, y, **fixed)
        run.begin(rates, epoch=5)
        run.advance()
        expected = [
            train_epoch(one_by_one, X, y, epoch=5 + i, learning_rates=rates[i], **fixed) for i in range(4)
        ]
        assert run.finished and run.sums[:, :2].tolist() == [list(pair) for pair in expected]
        assert_same_bits(whole.get_weights(), one_by_one.get_weights())
        run.begin(rates, epoch=5)
        run.advance(batches=27 // batch)
        assert run.epoch == 1 and np.isfinite(run.sums[:, :2]).all(1).tolist() == [True, False, False, False]
        train_epoch(one_by_one, X, y, epoch=5, learning_rates=rates[0], **fixed)
        X *= 2  # what an earlier call gathered is not used again
        run.begin(rates, epoch=5)
        run.advance(batches=27 // batch)
        train_epoch(one_by_one, X, y, epoch=5, learning_rates=rates[0], **fixed)
        assert_same_bits(whole.get_weights(), one_by_one.get_weights())


def test_epochs_of_given_orders_are_epochs_one_by_one(isa, dtype):
    order = np.random.default_rng(2).permuted(np.tile(np.arange(27), (3, 1)), axis=1)
    rates = np.linspace(0.01, 0.05, 9).reshape(3, 3)
    for twin in (False, True):
        made = lambda: pair([9, 17, 4], ["tanh"], "mse", isa, "adam", 0.2, dtype=dtype, rows=27)  # noqa: B023, E731
        whole, one_by_one, (X, y) = made()[twin], made()[twin], made()[2:]
        args = {"batch_size": 9, "seed": 3}
        run = train_epochs(whole, X, y, learning_rates=rates, order=order, squares=True, **args)
        expected = [
            [
                *train_epoch(one_by_one, X, y, learning_rates=rates[i], order=order[i], **args),
                one_by_one.squares(),
            ]
            for i in range(3)
        ]
        assert run.sums.tolist() == expected
        assert_same_bits(whole.get_weights(), one_by_one.get_weights())


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "mse"])
def test_an_epoch_of_given_rows_is_one_of_the_gathered_rows(isa, dtype, loss):
    rng = np.random.default_rng(4)
    order, weight = rng.integers(0, 40, 31), rng.uniform(0.5, 2, 40).astype(dtype)
    args = {"batch_size": 9, "seed": 3, "shuffle": False, "learning_rates": np.full(4, 0.05)}
    for twin in (False, True):
        made = lambda: pair([9, 17, 4], ["tanh"], loss, isa, "adam", dtype=dtype, rows=40)  # noqa: B023, E731
        direct, gathered, (X, y) = made()[twin], made()[twin], made()[2:]
        sums = train_epoch(direct, X, y, weight, order=order, **args)
        assert sums == train_epoch(gathered, X[order], y[order], weight[order], **args)
        assert_same_bits(direct.get_weights(), gathered.get_weights())
        with_shuffle = made()[twin]
        train_epoch(with_shuffle, X, y, weight, order=order, **{**args, "shuffle": True})
        assert_same_bits(with_shuffle.get_weights(), direct.get_weights())


@pytest.mark.parametrize(
    "order",
    [[[0, 24]], [[0, -1]], [[0.0, 1.0]], [[[0], [1]]], np.arange(3, dtype=np.int32)[None]],
    ids=["too large", "negative", "floats", "three dimensions", "int32"],
)
def test_an_order_that_names_no_rows_is_refused(isa, order):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    run = run_of(plan, X, y, batch_size=8)
    with pytest.raises((ValueError, TypeError), match="^order"):
        run.begin(np.full((1, 1), 0.01), order=np.asarray(order))


def test_epochs_of_no_rows_and_no_epochs_are_refused(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    run = run_of(plan, X, y, batch_size=8)
    with pytest.raises(ValueError, match="^there is nothing to train"):
        run.begin(np.empty((1, 0)), order=np.empty((1, 0), np.int64))
    with pytest.raises(ValueError, match="^there is nothing to train"):
        run.begin(np.empty((0, 3)))


def test_a_run_that_is_at_its_end_trains_no_more(isa):
    for plan in pair([3, 4, 2], ["tanh"], "mse", isa, "adam")[:2]:
        X, y = pair([3, 4, 2], ["tanh"], "mse", isa)[2:]
        run = run_of(plan, X, y, batch_size=8)
        assert (run.batches, run.epoch, run.batch) == (3, 0, 0)
        with pytest.raises(RuntimeError, match="no epochs left"):
            run.advance()
        run.begin(np.full((2, 3), 0.01))
        for cursor in ((0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)):
            assert not run.finished
            run.advance(batches=1)
            assert (run.epoch, run.batch) == cursor
        assert run.finished and plan.step == 6
        with pytest.raises(RuntimeError, match="no epochs left"):
            run.advance()
        assert plan.step == 6


def test_squares_are_those_of_the_weights_alone(isa, dtype):
    plan, twin, X, y = pair([9, 17, 4], ["tanh"], "mse", isa, dtype=dtype)
    expected = sum(float((W.astype(np.longdouble) ** 2).sum()) for W in plan.get_weights()[::2])
    assert plan.squares() == pytest.approx(expected, rel=1e-14) and expected > 1
    assert twin.squares() == pytest.approx(expected, rel=1e-14)


def test_squares_leave_normalisations_out(isa):
    layers = [normalization("batch"), (2, "identity", 0.0, True, 0.0)]
    for kind in (isa, "numpy"):
        plan = make_plan(5, layers, [np.full(5, 3.0)] * 4 + [np.full((5, 2), 2.0), np.ones(2)], FLOAT64, kind)
        assert plan.squares() == 40.0


def test_an_epoch_that_diverges_leaves_the_epochs_before_it(isa, dtype):
    rates = np.full((5, 3), 0.01)
    rates[2, 0] = np.inf
    made = [pair([9, 17, 4], ["tanh"], "mse", isa, "adam", dropout=0.1, dtype=dtype) for _ in range(2)]
    X, y = made[0][2:]
    for plan, two_epochs in zip(made[0][:2], made[1][:2], strict=True):
        run, message = cut(plan, (X, y, rates))
        expected = train_epochs(two_epochs, X, y, batch_size=9, seed=3, epoch=4, learning_rates=rates[:2])
        assert (run.epoch, run.batch) == (2, 0) and "step of batch 0 leads to weights" in message
        assert run.sums[:2].tolist()[0][:2] == expected.sums.tolist()[0][:2]
        assert run.sums[:2, :2].tolist() == expected.sums[:, :2].tolist()
        assert plan.step == 6
        assert_same_state(plan, two_epochs)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_that_is_not_a_number_raises_before_any_weight_moves(isa, dtype, loss):
    """In its batch: the batches before it are trained."""
    made = lambda: pair([9, 17, 4], ["relu"], loss, isa, "adam", dtype=dtype, rows=40)  # noqa: E731
    before, _, X, y = made()
    train(before, X[:32], y[:32], 0.01, batch_size=8, shuffle=False)
    for bad in (np.nan, np.inf):
        for clean in (X, y) if y.dtype == dtype else (X,):
            plan, broken = made()[0], clean.copy()
            broken[33, -1] = bad
            rows = (broken, y) if clean is X else (X, broken)
            with pytest.raises((FloatingPointError, ValueError)):
                train(plan, *rows, 0.01, batch_size=8, shuffle=False)
            assert_same_state(plan, before)
            if clean is X:
                with pytest.raises((FloatingPointError, ValueError)):
                    plan.evaluate(*rows)


# Descriptions and arguments


def test_registries_agree_with_the_twin():
    assert set(PARAMETERS) == set(reference.ACTIVATIONS)
    assert PARAMETERS == {name: entry.parameter for name, entry in reference.ACTIVATIONS.items()}
    assert LINKS == {name: entry.link for name, entry in reference.LOSSES.items()}
    assert OUTPUTS == {name: entry.outputs for name, entry in reference.LOSSES.items()}
    assert {n: p for n, (p, *_) in _kernels.loss_names().items()} == {
        n: e.parameter for n, e in reference.LOSSES.items()
    }
    assert _kernels.optimizer_names() == {name: entry.slots for name, entry in reference.OPTIMIZERS.items()}


def test_attributes(isa, dtype):
    plan, twin, _, _ = pair([9, 17, 4], ["leaky_relu"], "mse", isa, dtype=dtype)
    assert plan.isa == isa
    for name in ("n_in", "n_out", "dtype", "num_parameters", "step", "loss"):
        assert getattr(plan, name) == getattr(twin, name), name
    assert twin.layers == plan.layers
    with pytest.raises(AttributeError):
        plan.n_in = 3


@pytest.mark.parametrize(
    "n_in, layers, more",
    [
        (0, [(1, "tanh", 0.0, True, 0.0)], {}),
        (-5, [(1, "tanh", 0.0, True, 0.0)], {}),
        (3, [], {}),
        (3, [(0, "tanh", 0.0, True, 0.0)], {}),
        (3, [(2, "tanh", 0.0, True, 0.0), (-1, "tanh", 0.0, True, 0.0)], {}),
        (3, [(2, "nonsense", 0.0, True, 0.0)], {}),
        (3, [(2, "softmax", 0.0, True, 0.0), (2, "tanh", 0.0, True, 0.0)], {}),
        (3, [(2, "tanh", 0.0, True, 1.0)], {}),
        (3, [(2, "tanh", 0.0, True, -0.1)], {}),
        (3, [(2, "tanh", 0.0, True, float("nan"))], {}),
        (3, [(2, "tanh")], {}),
        (3, [(2, "tanh", 0.0, True, 0.0)], {"dtype": "int32"}),
        (3, [(2, "tanh", 0.0, True, 0.0)], {"dtype": "float16"}),
        (3, [(2, "tanh", 0.0, True, 0.0)], {"isa": "nonsense"}),
        (3, [(2, "tanh", 0.0, True, 0.0)], {"input_shift": [1.0, 2.0]}),
        (3, [(2, "tanh", 0.0, True, 0.0)], {"input_divisor": np.ones((1, 3))}),
    ],
)
def test_descriptions_that_make_no_network(n_in, layers, more):
    with pytest.raises(ValueError):
        _kernels.Plan(n_in, layers, **more)


@pytest.mark.parametrize("width", [2**31, 2**47, 2**62])
def test_networks_beyond_memory(width):
    with pytest.raises(MemoryError):
        _kernels.Plan(width, [(width, "tanh", 0.0, True, 0.0)])


def test_isa_of_the_environment(isa, monkeypatch):
    layers = [(2, "tanh", 0.0, True, 0.0)]
    monkeypatch.setenv("FASTMLP_ISA", isa)
    assert _kernels.Plan(3, layers).isa == isa and _kernels.isas()["default"] == isa
    monkeypatch.setenv("FASTMLP_ISA", "nonsense")
    with pytest.raises(ValueError, match="FASTMLP_ISA"):
        _kernels.Plan(3, layers)
    assert _kernels.Plan(3, layers, isa=isa).isa == isa
    monkeypatch.delenv("FASTMLP_ISA")
    assert _kernels.Plan(3, layers).isa == RUNNABLE[-1]


def test_compile_refuses_what_does_not_fit(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    train(plan, X, y, 0.01)
    state = plan.get_state()
    for arguments in (
        ("nonsense", 0.0, "sgd", {}),
        ("mse", 0.0, "nonsense", {}),
        ("mse", 0.0, "sgd", {"surprise": 1}),
        ("mse", 0.0, "adam", {**HYPER["adam"], "epsilon": 0.0}),
        ("poisson", 0.0, "sgd", {}),
        ("binary_crossentropy", 0.0, "sgd", {}),
        ("sparse_categorical_crossentropy", 0.0, "sgd", {}),
    ):
        with pytest.raises(ValueError):
            plan.compile(*arguments)
        assert plan.loss == "mse" and plan.step == state["step"]
        assert_same_bits(plan.get_state()["slots"][0], state["slots"][0])
    stepped = _kernels.Plan(3, [(2, "step", 0.0, True, 0.0), (2, "identity", 0.0, True, 0.0)], isa=isa)
    assert stepped.predict(np.ones(3, np.float32)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="'step'"):
        stepped.compile("mse", 0.0, "sgd", {})


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
@pytest.mark.parametrize("epsilon", [1e-40, 1e-60])
def test_epsilon_that_float32_cannot_hold_makes_no_not_a_number(isa, optimizer, epsilon):
    """A dead weight divides zero by epsilon; so does the padding."""
    hyper = {**HYPER[optimizer], "epsilon": epsilon, "weight_decay": 0.0}
    try:
        plan, _, X, y = pair([3, 4, 2], ["relu"], "mse", isa, optimizer, dtype=np.dtype(np.float32), **hyper)
    except ValueError as error:
        assert "epsilon" in str(error)
        return
    X[:, 0] = 0
    train(plan, X, y, 0.01)
    assert all(np.isfinite(w).all() for w in plan.get_weights())


def test_work_without_compile(isa):
    plan = _kernels.Plan(3, [(2, "tanh", 0.0, True, 0.0)], dtype="float64", isa=isa)
    X, y = np.ones((4, 3)), np.ones((4, 2))
    for work in (
        lambda: train(plan, X, y, 0.1),
        lambda: plan.gradients(X, y),
        lambda: plan.evaluate(X, y),
        lambda: plan.train_forward(X, seed=0),
        lambda: plan.train_backward(y, 0.1),
    ):
        with pytest.raises(RuntimeError):
            work()
    assert plan.step == 0


def test_train_backward_needs_a_forward(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa)
    plan.compile(None, 0.0, "sgd", HYPER["sgd"])
    d = np.ones((24, 2))
    with pytest.raises(RuntimeError):
        plan.train_backward(d, 0.1)
    plan.train_forward(X, seed=0)
    for bad in (d[:23], d[:, :1], d.astype(np.float32), d.astype(complex)):
        with pytest.raises((ValueError, TypeError)):
            plan.train_backward(bad, 0.1)
    plan.train_backward(d, 0.1)
    with pytest.raises(RuntimeError):
        plan.train_backward(d, 0.1)
    assert plan.step == 1


BAD_ROWS = {
    "X one row": {"X": np.ones(3)},
    "X width": {"X": np.ones((24, 4))},
    "X rows": {"X": np.ones((23, 3))},
    "X empty": {"X": np.ones((0, 3))},
    "X complex": {"X": np.ones((24, 3), complex)},
    "y rows": {"y": np.zeros(23, np.int64)},
    "y shape": {"y": np.zeros((24, 1), np.int64)},
    "y type": {"y": np.zeros(24, np.int32)},
    "y one-hot": {"y": np.zeros((24, 2))},
    "y negative": {"y": np.full(24, -1)},
    "y too large": {"y": np.full(24, 2)},
    "weight rows": {"sample_weight": np.ones(23)},
    "weight type": {"sample_weight": np.ones(24, np.float32)},
    "weight shape": {"sample_weight": np.ones((24, 1))},
    "batch size": {"batch_size": 0},
    "seed": {"seed": -1},
    "loss unknown": {"loss": ("nonsense", 0.0)},
    "loss unfit": {"loss": ("poisson", 0.0)},
    "loss's targets": {"loss": ("mse", 0.0)},
}

BAD_EPOCHS = {
    "order rows": {"order": np.zeros((2, 15), np.int64)},
    "order epochs": {"order": np.zeros((3, 24), np.int64)},
    "order of one epoch": {"order": np.zeros(24, np.int64)},
    "order type": {"order": np.zeros((2, 24), np.int32)},
    "order too large": {"order": np.full((2, 24), 24)},
    "rates of one epoch": {"learning_rates": np.ones(3)},
    "rates too few": {"learning_rates": np.ones((2, 2))},
    "rates too many": {"learning_rates": np.ones((2, 4))},
    "rates type": {"learning_rates": np.ones((2, 3), np.float32)},
    "penalties of one epoch": {"l2": np.ones(3)},
    "penalties too few": {"l2": np.ones((2, 2))},
    "penalties type": {"l2": np.ones((2, 3), np.float32)},
    "penalty negative": {"l2": np.array([[0.1, -0.1, 0.0]] * 2)},
    "penalty infinite": {"l2": np.array([[0.1, np.inf, 0.0]] * 2)},
    "penalty NaN": {"l2": np.array([[0.1, 0.1, np.nan]] * 2)},
    "epoch": {"epoch": -1},
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_run_refuses_rows_that_do_not_fit(isa, case):
    plan, _, X, _ = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    good = {
        "X": X,
        "y": np.arange(24) % 2,
        "sample_weight": None,
        "batch_size": 8,
        "seed": 1,
        "shuffle": True,
    }
    chosen = {**good, **BAD_ROWS[case]}
    weights = plan.get_weights()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        _kernels.Run(plan, **chosen)
    rows = {name: chosen.get(name) for name in ("X", "y", "sample_weight", "loss")}
    if BAD_ROWS[case].keys() & rows.keys() and case != "X one row":
        for work in (plan.evaluate, plan.gradients):
            with pytest.raises((ValueError, TypeError)):
                work(**rows)
    assert_same_bits(plan.get_weights(), weights)
    run = _kernels.Run(plan, **good)
    run.begin(np.full((1, 3), 0.01))
    run.advance()
    assert plan.step == 3


@pytest.mark.parametrize("case", BAD_EPOCHS)
def test_a_run_refuses_epochs_that_do_not_fit(isa, case):
    """What was begun before goes on."""
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    good = {"learning_rates": np.full((2, 3), 0.01)}
    run = run_of(plan, X, y, batch_size=8)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        run.begin(**{**good, **BAD_EPOCHS[case]})
    assert plan.step == 0 and run.finished
    run.begin(**good)
    run.advance(batches=4)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        run.begin(**{**good, **BAD_EPOCHS[case]})
    assert (run.epoch, run.batch, plan.step) == (1, 1, 4)
    run.advance()
    whole, _, _, _ = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    expected = train_epochs(whole, X, y, batch_size=8, **good)
    assert_same_bits(plan.get_weights(), whole.get_weights())
    assert_same_bits(run.sums[:, :2], expected.sums[:, :2])


@pytest.mark.parametrize("kind", ["y", "order", "learning_rates", "l2"])
def test_what_a_run_has_looked_through_cannot_be_changed_under_it(isa, kind):
    """Another thread may write into the caller's arrays while it trains: what was checked is copied."""
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    whole, _, _, _ = pair([3, 4, 2], ["tanh"], "sparse_categorical_crossentropy", isa, "adam")
    rates, l2 = np.full((2, 3), 0.01), np.full((2, 3), 0.1)
    order = np.tile(np.arange(24)[::-1], (2, 1)).copy()
    expected = train_epochs(whole, X, y.copy(), batch_size=8, learning_rates=rates, order=order, l2=l2)
    run = run_of(plan, X, y, batch_size=8)
    run.begin(rates, order=order, l2=l2)
    run.advance(batches=2)
    given = {"y": y, "order": order, "learning_rates": rates, "l2": l2}[kind]
    given[...] = 2**40 if given.dtype.kind == "i" else np.nan
    run.advance()
    assert_same_bits(plan.get_weights(), whole.get_weights())
    assert_same_bits(run.sums[:, :2], expected.sums[:, :2])


def test_weights_and_state_that_do_not_fit(isa):
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    train(plan, X, y, 0.01)
    weights, state = plan.get_weights(), plan.get_state()
    wrong = [
        weights[:-1],
        [*weights, weights[0]],
        [weights[0].T, *weights[1:]],
        [*weights[:-1], np.zeros(3)],
        [*weights[:-1], "text"],
        [np.zeros(1)] * 4,
    ]
    for bad in wrong:
        with pytest.raises((ValueError, TypeError)):
            plan.set_weights(bad)
        for slots in ([bad, state["slots"][1]], [state["slots"][0], bad]):
            with pytest.raises((ValueError, TypeError)):
                plan.set_state({**state, "slots": slots})
    for slots in ([], state["slots"][:1], [*state["slots"], weights]):
        with pytest.raises(ValueError):
            plan.set_state({**state, "slots": slots})
    for bad in ({"step": "many"}, {"beta_powers": (0.5,)}, {"beta_powers": "text"}, {"step": 2**70}):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            plan.set_state({**state, "slots": [[w + 1 for w in weights]] * 2, **bad})
    for key in ("step", "beta_powers", "slots"):
        with pytest.raises(KeyError):
            plan.set_state({k: v for k, v in state.items() if k != key})
    assert_same_bits(plan.get_weights(), weights)
    after = plan.get_state()
    assert after["step"] == state["step"] and after["beta_powers"] == state["beta_powers"]
    for one, two in zip(after["slots"], state["slots"], strict=True):
        assert_same_bits(one, two)


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
