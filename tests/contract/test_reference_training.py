"""The twin's epochs: their batches, slices, states and ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastmlp import reference
from helpers import HYPER, run_of
from twins import ADAM, classifier, data, epoch, network

MOVING = {"momentum": 0.9, **ADAM}


def test_an_epoch_is_its_batches_in_shuffled_order():
    X, y = data()
    weight = np.random.default_rng(14).uniform(0.5, 2, 10)
    made, by_hand = classifier(), classifier()
    rates = np.array([0.1, 0.2, 0.3])
    loss, correct = epoch(made, X, y, weight, epoch=5, learning_rates=rates)
    assert made.step == 3
    order = reference.shuffled(1, 5, 10)
    total = right = 0.0
    for rows, rate in zip([order[:4], order[4:8], order[8:]], rates, strict=True):
        value, hits = by_hand.evaluate(X[rows], y[rows], weight[rows])
        total, right = total + value, right + hits
        gradients = by_hand.gradients(X[rows], y[rows], weight[rows])[1]
        by_hand.set_weights([w - rate * g for w, g in zip(by_hand.get_weights(), gradients, strict=True)])
    assert loss == pytest.approx(total, rel=1e-12) and correct == right
    start = classifier().get_weights()
    for got, want, old in zip(made.get_weights(), by_hand.get_weights(), start, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert np.abs(got - old).max() > 1e-3


@pytest.mark.parametrize("optimizer", list(reference.OPTIMIZERS))
def test_an_epoch_in_slices_is_the_whole_epoch(optimizer):
    X, y = data()
    h = {**HYPER[optimizer], **MOVING, "nesterov": True}
    whole, sliced = classifier(optimizer, h, dropout=0.3), classifier(optimizer, h, dropout=0.3)
    loss, correct = epoch(whole, X, y)
    run = run_of(sliced, X, y, batch_size=4, seed=1)
    run.begin(np.full((1, 3), 0.05))
    for expected in ((0, 1), (0, 2), (1, 0)):
        run.advance(seconds=0.0)
        assert (run.epoch, run.batch) == expected
    assert run.finished and run.sums[0, :2].tolist() == [loss, correct]
    for a, b in zip(whole.get_weights(), sliced.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", list(reference.OPTIMIZERS))
def test_training_goes_on_from_a_saved_state(optimizer):
    X, y = data()
    h = {**HYPER[optimizer], **MOVING}
    first = classifier(optimizer, h)
    for number in range(4):
        epoch(first, X, y, epoch=number)
    second = classifier(optimizer, h, seed=99)
    second.set_weights(first.get_weights())
    second.set_state(first.get_state())
    fresh = classifier(optimizer, h)
    fresh.set_weights(first.get_weights())
    for made in (first, second, fresh):
        epoch(made, X, y, epoch=4)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first.get_weights(), fresh.get_weights(), strict=True))


def test_state_has_step_powers_and_slots():
    X, y = data()
    made = classifier("adam", ADAM)
    epoch(made, X, y)
    state = made.get_state()
    assert state["step"] == 3
    assert state["beta_powers"] == pytest.approx((0.9**3, 0.999**3), rel=1e-14)
    assert len(state["slots"]) == 2
    for slot in state["slots"]:
        assert [array.shape for array in slot] == [w.shape for w in made.get_weights()]
        assert all(np.abs(array).max() > 0 for array in slot)
    assert len(classifier("sgd", {"momentum": 0.0}).get_state()["slots"]) == 0
    assert len(classifier("sgd", {"momentum": 0.5}).get_state()["slots"]) == 1


def test_the_plan_updates_as_optimizer_update_does():
    X, y = data(4)
    h = {**ADAM, "l2": 0.1, "weight_decay": 0.2, "clipvalue": 0.05}
    made = classifier("adamw", h)
    before, gradients = made.get_weights(), made.gradients(X, y)[1]
    epoch(made, X, y, shuffle=False, learning_rates=np.array([0.1]))
    for i, (got, w, g) in enumerate(zip(made.get_weights(), before, gradients, strict=True)):
        penalties = {} if i % 2 == 0 else {"l2": 0.0, "weight_decay": 0.0}  # biases are not penalised
        old = w.copy()
        reference.optimizer_update(
            "adamw", w, g, [np.zeros_like(w), np.zeros_like(w)], {**h, **penalties}, 0.1
        )
        np.testing.assert_allclose(got, w, rtol=1e-12)
        assert np.abs(got - old).max() > 1e-3


def test_global_norm_is_over_all_parameters():
    X, y = data(4)
    plain, clipped = classifier(), classifier("sgd", {"global_clipnorm": 0.01})
    before, gradients = plain.get_weights(), plain.gradients(X, y)[1]
    norm = math.sqrt(sum((g * g).sum() for g in gradients))
    assert norm > 0.1
    epoch(clipped, X, y, shuffle=False, learning_rates=np.array([1.0]))
    for got, w, g in zip(clipped.get_weights(), before, gradients, strict=True):
        np.testing.assert_allclose(w - got, 0.01 / norm * g, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("by_step", [False, True])
def test_a_run_that_diverges_leaves_the_last_that_is_finite(by_step):
    """The weights of the loss that is not finite, or those before the step that led to such."""
    X, y = data()
    rates = np.full((2, 3), 0.05)
    made, expected = classifier("adam", ADAM), classifier("adam", ADAM)
    before = run_of(expected, X, y, batch_size=4, seed=1)
    before.begin(rates)
    before.advance(batches=5)
    if by_step:
        rates[1, 2] = math.inf
    else:
        X = X.copy()
        X[reference.shuffled(1, 1, 10)[-1]] = np.nan  # in the second epoch's last batch
    epoch(made, data()[0], y)
    run = run_of(made, X, y, batch_size=4, seed=1)
    run.begin(rates[1:], epoch=1)
    message = "step of batch 2 leads to weights" if by_step else "loss of batch 2 is"
    for _ in range(2):  # the cursor stays at that batch
        with pytest.raises(FloatingPointError, match=message):
            run.advance()
        assert (run.epoch, run.batch) == (0, 2)
        for a, b in zip(made.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        got, want = made.get_state(), expected.get_state()
        assert got["step"] == want["step"] == 5 and got["beta_powers"] == want["beta_powers"]
        for slot, kept in zip(got["slots"], want["slots"], strict=True):
            for a, b in zip(slot, kept, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_diverging_run_says_so():
    made = network("relu", "identity")
    made.compile("mse", 0.0, "sgd", {})
    X, y = data()
    with pytest.raises(FloatingPointError):
        for number in range(200):
            epoch(made, X, np.eye(3)[y], epoch=number, learning_rates=np.full(3, 1e6))
    assert all(np.isfinite(w).all() for w in made.get_weights())


def test_a_loss_from_outside_trains_as_the_one_inside():
    X, _ = data(4)
    y = np.random.default_rng(15).normal(size=(4, 3))
    inside, outside = network("tanh", "sigmoid", dropout=0.4), network("tanh", "sigmoid", dropout=0.4)
    inside.compile("mse", 0.0, "adam", ADAM)
    outside.compile(None, 0.0, "adam", ADAM)
    assert outside.loss is None
    for number in range(3):
        epoch(inside, X, y, epoch=number, shuffle=False, learning_rates=np.array([0.1]))
        a = outside.train_forward(X, seed=1)
        outside.train_backward(2 * (a - y) / a.size, 0.1)
    for got, want, old in zip(
        outside.get_weights(), inside.get_weights(), network("tanh", "sigmoid").get_weights(), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9)
        assert np.abs(got - old).max() > 0.01
