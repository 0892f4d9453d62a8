"""Runs of a Plan: epochs in one call, given orders, and where a run that diverges stops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastmlp import BusyError
from helpers import LOSSES, assert_same_bits, assert_trained, run_of, train, train_epoch, train_epochs
from pairs import FLOAT64, pair

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


def test_who_has_the_plan_has_its_runs(isa):
    """What a run holds is read without Python's lock while it trains: others may change none of it."""
    plan, _, X, y = pair([3, 4, 2], ["tanh"], "mse", isa, "adam")
    run = run_of(plan, X, y, batch_size=8)
    run.begin(np.full((2, 3), 0.01))
    run.advance(batches=4)
    sums, seen, weights = run.sums, run.sums.copy(), plan.get_weights()

    def intrude():
        for call in (
            lambda: run.begin(np.full((1, 3), 9.0)),
            lambda: run.change(np.full((2, 3), 9.0)),
            run.advance,
        ):
            with pytest.raises(BusyError):
                call()
        return True

    with plan.changing(), ThreadPoolExecutor(1) as other:
        assert other.submit(intrude).result()
    assert run.sums is sums and (run.epoch, run.batch) == (1, 1)
    assert_same_bits(np.nan_to_num(sums), np.nan_to_num(seen))
    assert_same_bits(plan.get_weights(), weights)
    run.advance()
    assert run.finished and run.sums is sums


def test_a_begin_without_memory_changes_nothing(isa, monkeypatch):
    (plan, _, X, y), (other, *_) = (pair([3, 4, 2], ["tanh"], "mse", isa, "adam") for _ in range(2))
    run, expected = (run_of(one, X, y, batch_size=8) for one in (plan, other))
    for one in (run, expected):
        one.begin(np.full((3, 3), 0.01))
        one.advance(batches=5)

    def empty(*_):
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(np, "empty", empty)
        run.begin(np.zeros((1, 3)))
    assert (run.epoch, run.batch) == (1, 2)
    run.advance(batches=1)
    expected.advance(batches=1)
    assert_same_state(plan, other)
