"""Gradients of parts of a batch, added up outside: beside the twin, and the bits of a batch in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import assert_close, assert_same_bits, run_of
from pairs import FLOAT64, pair

SHARES = (slice(0, 9), slice(9, 17), slice(17, 24))  # of 24 rows


def of_parts(plan, rows, dropout=1.0, weight=None, threads=1, most=9):
    """Sums of the parts' losses and correct rows, and their gradients."""
    run = run_of(plan, *rows, weight, batch_size=most, seed=3, threads=threads)
    order = np.arange(24)[::-1].copy()
    gradients = [np.zeros(plan.vector_size, plan.dtype) for _ in SHARES]
    sums = [
        run.part_gradient(order[share], out, batch=24, seed=part, dropout=dropout)
        for part, (share, out) in enumerate(zip(SHARES, gradients, strict=True))
    ]
    return np.array(sums), gradients


def stepped(plan, rows, **more):
    sums, gradients = of_parts(plan, rows, **more)
    first, *others = gradients
    for gradient in others:
        first = first + gradient
    plan.step_by(first, 0.05, l2=0.01, weight_decay=0.02)
    return sums, plan.get_weights()


@pytest.mark.parametrize(
    ("loss", "dropout"),
    [("mse", 0.3), ("sparse_categorical_crossentropy", 0.0), ("huber", 0.2), ("binary_crossentropy", 0.0)],
)
def test_parts_agree_with_the_twin(isa, loss, dropout):
    activations = ["tanh", "relu"]
    plan, twin, *rows = pair([9, 17, 13, 4], activations, loss, isa, "adamw", dropout, global_clipnorm=0.3)
    weight = np.random.default_rng(4).uniform(0, 2, 24)
    for _ in range(3):  # masks follow from the step, too
        sums, weights = stepped(plan, rows, dropout=1.5, weight=weight)
        expected, expected_weights = stepped(twin, rows, dropout=1.5, weight=weight)
        assert_close(sums, expected, 1e-11)
        assert_close(weights, expected_weights, 1e-9)


def test_the_gradients_of_parts_make_that_of_the_batch(isa):
    plan, _, X, y = pair([9, 17, 4], ["tanh"], "mse", isa)
    _, gradients = of_parts(plan, (X, y))
    before = plan.get_weights()
    plan.step_by(np.sum(gradients, axis=0), 1.0)
    moved = [w - after for w, after in zip(before, plan.get_weights(), strict=True)]
    assert_close(moved, plan_gradients(isa, X, y), 1e-10)


def plan_gradients(isa, X, y):
    """Of the batch as a whole, before the step."""
    return pair([9, 17, 4], ["tanh"], "mse", isa)[0].gradients(X, y)[1]


@pytest.mark.parametrize("widths", [[9, 17, 4], [5, 7, 1], [40, 130, 70, 3]])  # the second trains in lines
def test_one_part_has_the_bits_of_a_batch(isa, dtype, widths):
    activations = ["tanh"] * (len(widths) - 2)
    plan, _, *rows = pair(widths, activations, "mse", isa, "adam", dtype=dtype)
    other = pair(widths, activations, "mse", isa, "adam", dtype=dtype)[0]
    whole = run_of(plan, *rows, batch_size=24, seed=3, shuffle=False)
    whole.begin(np.full((1, 1), 0.05))
    whole.advance()
    part = run_of(other, *rows, batch_size=24, seed=3)
    vector = np.zeros(other.vector_size, dtype)
    sums = part.part_gradient(np.arange(24), vector, batch=24, seed=3)
    other.step_by(vector, 0.05)
    assert_same_bits(np.array(sums), whole.sums[0, :2])
    assert_same_bits(other.get_weights(), plan.get_weights())
    assert other.step == 1 and not other.has_gradient


def test_bits_of_a_part_are_those_of_any_number_of_threads_and_room(isa):
    results = []
    for threads, most in ((1, 9), (2, 9), (2, 24)):
        plan, _, *rows = pair(
            [40, 130, 70, 3], ["relu", "tanh"], "mse", isa, dropout=0.2, dtype=np.dtype("float32")
        )
        results.append(of_parts(plan, rows, threads=threads, most=most))
    for sums, gradients in results[1:]:
        assert_same_bits(sums, results[0][0])
        assert_same_bits(gradients, results[0][1])


def test_what_is_frozen_has_no_gradient(isa):
    plan, _, *rows = pair([9, 17, 4], ["tanh"], "mse", isa)
    frozen = type(plan)(
        9, [{**node, "trainable": node is not plan.layers[0]} for node in plan.layers], dtype="float64"
    )
    frozen.set_weights(plan.get_weights())
    frozen.compile("mse", 0.0, "sgd", {})
    before = frozen.get_weights()
    _, after = stepped(frozen, rows)
    assert_same_bits(after[:2], before[:2])
    assert not np.array_equal(after[2], before[2])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("place", [0, 1])
def test_a_gradient_is_told_of_from_the_last_layer_to_the_first(isa, threads, place):
    each = pair([40, 130, 70, 3], ["relu", "tanh"], "mse", isa, dropout=0.2)[place]
    rows = pair([40, 130, 70, 3], ["relu", "tanh"], "mse", isa)[2:]
    _, [expected, *_] = of_parts(each, rows, threads=threads, most=24)
    out, told = np.zeros(each.vector_size), []
    sums = run_of(each, *rows, batch_size=24, seed=3, threads=threads).part_gradient(
        np.arange(24)[::-1][SHARES[0]].copy(),
        out,
        batch=24,
        seed=0,
        ready=lambda first, sums: told.append((first, sums, out.copy())),
    )
    firsts = [first for first, *_ in told]
    assert firsts[0] == each.vector_size and firsts == sorted(firsts, reverse=True) and firsts[-1] == 0
    assert len(set(firsts)) == (4, 2)[place]  # a layer at a time; the twin, all at once
    assert set(firsts) <= {each.vector_size, *each.layer_starts} and len(each.layer_starts) == 3
    assert not told[0][2].any()
    for first, seen, copy in told:
        assert seen == sums
        assert_same_bits(copy[first:], expected[first:], zeros=first == each.vector_size)


def test_what_a_listener_raises_ends_the_gradient(isa):
    plan, _, *rows = pair([9, 17, 4], ["tanh"], "mse", isa)
    run, out, calls = run_of(plan, *rows, batch_size=24, seed=3), np.zeros(plan.vector_size), []

    def ready(first, sums):
        calls.append(first)
        if first < plan.vector_size:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        run.part_gradient(np.arange(24), out, batch=24, seed=3, ready=ready)
    assert len(calls) >= 2
    run.part_gradient(np.arange(24), out, batch=24, seed=3)


def test_a_loss_that_is_not_finite_gives_no_gradient(isa):
    plan, _, X, y = pair([9, 17, 4], ["identity"], "mse", isa)
    out = np.zeros(plan.vector_size)
    y[3] = 1e300
    loss, _ = run_of(plan, X, y, batch_size=24, seed=3).part_gradient(np.arange(24), out, batch=24, seed=3)
    assert loss == np.inf and not out.any()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"order": np.array([24])}, "order has row 24, expected 0 to 23"),
        ({"order": np.arange(10)}, "order has 10 rows, expected 1 to 9"),
        ({"order": np.arange(0)}, "order has 0 rows"),
        ({"batch": 1}, "order has 2 rows, expected 1 to 1"),
        ({"out": np.zeros(3)}, "the vector does not fit"),
        ({"dropout": 4.0}, "dropout is 4.0, expected numbers of 0 to less than 3.33333"),
    ],
)
def test_what_does_not_fit_is_told(changes, said):
    plan, _, X, y = pair([9, 17, 4], ["tanh"], "mse", "baseline", dropout=0.3)
    given = {"order": np.arange(2), "out": np.zeros(plan.vector_size), "batch": 24, "seed": 0, **changes}
    with pytest.raises((ValueError, IndexError), match=said):
        run_of(plan, X, y, batch_size=9, seed=3).part_gradient(given.pop("order"), given.pop("out"), **given)


def test_a_step_needs_a_vector_that_fits():
    plan = pair([9, 17, 4], ["tanh"], "mse", "baseline", dtype=FLOAT64)[0]
    before = plan.get_weights()
    for vector in (
        np.zeros(plan.vector_size, np.float32),
        np.zeros(plan.vector_size - 1),
        np.zeros((1, plan.vector_size)),
    ):
        with pytest.raises(ValueError, match="the vector does not fit"):
            plan.step_by(vector, 0.1)
    with pytest.raises(FloatingPointError, match="leads to weights that are not finite"):
        plan.step_by(np.full(plan.vector_size, np.inf), 0.1)
    assert_same_bits(plan.get_weights(), before)
