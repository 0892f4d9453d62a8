"""Around the steps of a rule: moving averages, lookahead, gradients of several batches in one step."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import reference
from helpers import HYPER, assert_close, assert_same_bits, dense, make_plan, normalization, train_epochs

AVERAGE = {"use_ema": True, "ema_momentum": 0.9}
LOOKAHEAD = {"lookahead_steps": 3, "lookahead_alpha": 0.4}
SEVERAL = {"gradient_accumulation_steps": 3}
OPTIONS = {
    "average": AVERAGE,
    "overwritten": {**AVERAGE, "ema_overwrite_frequency": 4},
    "lookahead": LOOKAHEAD,
    "several": SEVERAL,
    "several, clipped": {**SEVERAL, "global_clipnorm": 0.1},
    "averages of several": {**SEVERAL, **AVERAGE},
    "several and lookahead": {**SEVERAL, **LOOKAHEAD},
}
NODES = [
    dense(33, "tanh", dropout=0.2),
    normalization("batch", "relu"),
    {"kind": "dense", "units": 20, "activation": "gelu", "trainable": False},
    dense(3, "softmax", dropout=0.1),
]
OPTIMIZERS = ["sgd", "adam", "amsgrad"]


@pytest.fixture(params=OPTIONS)
def options(request):
    return OPTIONS[request.param]


def plan_of(isa, dtype, optimizer, options, n_in=7, nodes=NODES):
    plan = _with_weights(n_in, nodes, dtype, isa)
    plan.compile("sparse_categorical_crossentropy", 0.0, optimizer, {**HYPER[optimizer], **options})
    return plan


def _with_weights(n_in, nodes, dtype, isa):
    shapes = [a.shape for a in reference.Plan(n_in, nodes).get_weights()]
    rng = np.random.default_rng(6)
    return make_plan(n_in, nodes, [rng.uniform(0.1, 0.6, s).astype(dtype) for s in shapes], dtype, isa)


def rows_of(dtype, rows=50, n_in=7):
    rng = np.random.default_rng(7)
    return rng.standard_normal((rows, n_in)).astype(dtype), rng.integers(0, 3, rows)


def run(plan, X, y, epochs=3, **more):
    more = {"batch_size": 8, **more}
    rates = np.full((epochs, -(-len(X) // more["batch_size"])), 0.05)
    return train_epochs(plan, X, y, learning_rates=rates, **more)


def everything(plan):
    state = plan.get_state()
    return [*plan.get_weights(), *(array for slot in state["slots"] for array in slot)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_is_the_twins(isa, dtype, optimizer, options):
    plan, twin = (plan_of(kind, dtype, optimizer, options) for kind in (isa, "numpy"))
    X, y = rows_of(dtype)
    before = plan.get_weights()
    runs = [run(plan, X, y), run(twin, X, y)]
    tolerance = 1e-9 if dtype == np.float64 else 2e-3
    assert_close([runs[0].sums[:, 0]], [runs[1].sums[:, 0]], tolerance)
    assert len(everything(plan)) == len(everything(twin)) > len(before)
    scale = [np.abs(b).max() or 1 for b in everything(twin)]
    for got, expected, size in zip(everything(plan), everything(twin), scale, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * size)
    for name in ("step", "pending"):
        assert plan.get_state()[name] == twin.get_state()[name]
    assert (plan.step, plan.batches) == (21 // options.get("gradient_accumulation_steps", 1), 21)
    assert any((a != b).any() for a, b in zip(plan.get_weights(), before, strict=True))
    for one in (plan, twin):
        one.take_average()
    for got, expected in zip(plan.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_bits_depend_on_neither_threads_nor_slices_nor_instruction_sets(fma_isa, dtype, options):
    nodes = [dense(120, "tanh", dropout=0.2), normalization("batch", "relu"), dense(3, "softmax")]
    X, y = rows_of(dtype, 900, 60)
    one = plan_of("avx2", dtype, "adam", options, 60, nodes)
    assert 200 * 3 * one.num_parameters > 3e6, "too little work to be divided"
    first = run(one, X, y, batch_size=200)
    for batches in (1, 2):
        other = plan_of(fma_isa, dtype, "adam", options, 60, nodes)
        second = run(other, X, y, batch_size=200, threads=2, batches=batches)
        assert_same_bits(everything(other), everything(one), zeros=True)
        assert (first.sums[:, :2] == second.sums[:, :2]).all()


@pytest.mark.parametrize("extra", [{}, {"global_clipnorm": 0.1}], ids=["", "clipped"])
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, "rprop", "lion"])
@pytest.mark.parametrize("around", [None, *OPTIONS])
def test_a_call_for_each_batch_has_the_bits_of_one_call(fma_isa, dtype, optimizer, around, extra):
    """The step of a batch alone may be written beside the state: with layers that no step moves, too."""
    options = {**OPTIONS.get(around, {}), **extra}
    X, y = rows_of(dtype)
    plans = [plan_of(fma_isa, dtype, optimizer, options) for _ in range(3)]
    runs = [run(plan, X, y, batches=batches) for plan, batches in zip(plans, (None, 1, 2), strict=True)]
    for plan, its_run in zip(plans[1:], runs[1:], strict=True):
        assert_same_bits(everything(plan), everything(plans[0]), zeros=True)
        assert (its_run.sums[:, :2] == runs[0].sums[:, :2]).all()
        assert plan.get_state()["beta_powers"] == plans[0].get_state()["beta_powers"]


def test_a_state_that_was_taken_out_goes_on_alike(isa, dtype, options):
    X, y = rows_of(dtype)
    whole, half, other = (plan_of(isa, dtype, "adam", options) for _ in range(3))
    run(whole, X, y, epochs=1, seed=3)
    run(half, X, y, epochs=1, seed=3)
    other.set_weights(half.get_weights())
    other.set_state(half.get_state())
    assert other.get_state()["pending"] == 7 % options.get("gradient_accumulation_steps", 1)
    run(whole, X, y, epochs=2, epoch=1, seed=3)
    run(other, X, y, epochs=2, epoch=1, seed=3)
    assert_same_bits(everything(other), everything(whole), zeros=True)


def test_steps_from_outside_are_those_of_a_run(isa, dtype, options):
    """The gradient of each batch by hand, with a loss from outside."""
    nodes = [dense(9, "tanh"), normalization("batch"), dense(2)]
    plans = [_with_weights(7, nodes, dtype, isa) for _ in range(2)]
    X, _ = rows_of(dtype, 40)
    y = np.random.default_rng(8).standard_normal((40, 2)).astype(dtype)
    for plan in plans:
        plan.compile("mse", 0.0, "adam", {**HYPER["adam"], **options})
    run(plans[0], X, y, epochs=2, shuffle=False)
    for _ in range(2):
        for at in range(0, 40, 8):
            p = plans[1].train_forward(X[at : at + 8], seed=7)
            plans[1].train_backward((p - y[at : at + 8]) / 8, 0.05)
    assert plans[0].batches == plans[1].batches == 10
    for a, b in zip(everything(plans[1]), everything(plans[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=50 * np.finfo(dtype).eps * max(1, np.abs(b).max()))


def test_a_run_that_diverges_leaves_the_last_finite_state(isa, options):
    dtype = np.dtype(np.float64)
    plan, expected = (_with_weights(7, [dense(2)], dtype, isa) for _ in range(2))
    X, _ = rows_of(dtype, 40)
    y = np.ones((40, 2))
    X[25, 0] = 1e200
    for one in (plan, expected):
        one.compile("mse", 0.0, "sgd", options)
    with pytest.raises(FloatingPointError):
        run(plan, X, y, epochs=1, shuffle=False)
    run(expected, X[:24], y[:24], epochs=1, shuffle=False)
    assert_same_bits(everything(plan), everything(expected), zeros=True)
    assert plan.batches == expected.batches == 3


def test_masks_differ_between_the_batches_of_a_step():
    plan = _with_weights(7, [dense(7, dropout=0.5)], np.dtype(np.float64), None)
    plan.compile(None, 0.0, "sgd", {"gradient_accumulation_steps": 4})
    X, seen = np.ones((5, 7)), []
    for _ in range(3):
        seen.append(plan.train_forward(X, seed=1))
        plan.train_backward(np.zeros((5, 7)), 0.1)
    assert plan.step == 0
    assert not np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[1], seen[2])
