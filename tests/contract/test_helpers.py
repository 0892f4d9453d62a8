"""The comparisons and oracles that other tests trust: each sees planted errors, none takes zeros."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from helpers import (
    HYPER,
    LOSSES,
    OPTIMIZERS,
    OUTPUT_OF,
    RATES,
    RULES,
    Fence,
    assert_close,
    assert_same_bits,
    assert_trained,
    assert_within,
    chain,
    exact_blocks,
    exact_dense,
    fractions,
    lanes,
    loss_parameters,
    outputs_of,
    rounded,
    targets,
    train,
    train_epoch,
)

RIGHT = np.array([1.0, -2.0, 0.5, 1e-3, 700.0])


def one_ulp(x):
    moved = x.copy()
    moved[1] = np.nextafter(moved[1], 0)
    return moved


def not_a_number(x):
    moved = x.copy()
    moved[-1] = np.nan
    return moved


PLANTED = {
    "one ulp": one_ulp,
    "not a number": not_a_number,
    "zeros": lambda x: 0 * x,
    "sign": lambda x: -x,
    "order": lambda x: x[::-1],
    "too short": lambda x: x[:-1],
    "another shape": lambda x: x[None],
    "another type": lambda x: x.astype(np.float32),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_same_bits_sees(planted):
    assert_same_bits(RIGHT, RIGHT.copy())
    assert_same_bits([RIGHT, RIGHT], [RIGHT, RIGHT])
    with pytest.raises(AssertionError):
        assert_same_bits(PLANTED[planted](RIGHT), RIGHT)
    with pytest.raises(AssertionError):
        assert_same_bits([RIGHT, PLANTED[planted](RIGHT)], [RIGHT, RIGHT])


def test_same_bits_expects_something():
    with pytest.raises(AssertionError, match="nothing but zeros"):
        assert_same_bits(np.zeros(3), np.zeros(3))
    with pytest.raises(AssertionError, match="nothing but zeros"):
        assert_same_bits(np.zeros(0), np.zeros(0))
    assert_same_bits(np.zeros(3), np.zeros(3), zeros=True)
    with pytest.raises(AssertionError):
        assert_same_bits(np.array([np.nan]), np.array([np.nan]))
    with pytest.raises(AssertionError):
        assert_same_bits([RIGHT], [RIGHT, RIGHT])
    with pytest.raises(AssertionError):
        assert_same_bits(np.array([0.0, 1e-320]), np.array([0.0, 0.0]), zeros=True)


@pytest.mark.parametrize("planted", [name for name in PLANTED if name != "another type"])
def test_within_sees(planted):
    bound = 0.4 * np.spacing(np.abs(RIGHT))
    assert_within(RIGHT, RIGHT, bound)
    with pytest.raises(AssertionError):
        assert_within(PLANTED[planted](RIGHT), RIGHT, bound)


def test_within_is_a_bound_by_element():
    assert_within(RIGHT + [0, 0, 0, 0, 0.5], RIGHT, [0, 0, 0, 0, 0.5])
    with pytest.raises(AssertionError, match="off by"):
        assert_within(RIGHT + [0, 0, 0, 1e-5, 0], RIGHT, [0, 0, 0, 1e-6, 0.5])
    for wide in (1.0, np.inf, np.nan):
        with pytest.raises(AssertionError):
            assert_within(np.zeros(3), np.full(3, 0.5), wide)
    with pytest.raises(AssertionError, match="zeros would pass"):
        assert_within(np.zeros(3), np.zeros(3), 0.0)
    wide = RIGHT.astype(np.longdouble)  # an error that float64 cannot show
    if np.finfo(np.longdouble).eps < 1e-18:
        with pytest.raises(AssertionError):
            assert_within(RIGHT, wide * (1 + np.longdouble(1e-18)), 1e-19)


@pytest.mark.parametrize("planted", [name for name in PLANTED if name != "one ulp"])
def test_close_sees(planted):
    assert_close(one_ulp(RIGHT), RIGHT, 1e-12)
    with pytest.raises(AssertionError):
        assert_close(PLANTED[planted](RIGHT), RIGHT, 1e-12)
    with pytest.raises(AssertionError):
        assert_close([RIGHT, PLANTED[planted](RIGHT)], [RIGHT, RIGHT], 1e-12)


def test_close_sees_what_is_large_enough():
    with pytest.raises(AssertionError, match="off by"):
        assert_close(RIGHT * (1 + 1e-9), RIGHT, 1e-10)
    with pytest.raises(AssertionError):
        assert_close(np.array([1.0, -3e-3]), np.array([1.0, 3e-3]), 5e-3)
    with pytest.raises(AssertionError):
        assert_close(np.array([1.0, -1.9e-3]), np.array([1.0, 2.1e-3]), 1e-3)
    for nothing in (np.zeros(3), np.full(3, np.nan), np.full(3, np.inf)):
        with pytest.raises(AssertionError):
            assert_close(nothing, nothing, 1e-3)
    with pytest.raises(AssertionError):
        assert_close(RIGHT, RIGHT, 1.0)


def test_trained_wants_every_array_moved_and_finite():
    before = [np.zeros(3), np.ones(2)]
    assert_trained([np.ones(3), np.zeros(2)], before)
    with pytest.raises(AssertionError, match="changed nothing"):
        assert_trained([np.ones(3), np.ones(2)], before)
    with pytest.raises(AssertionError):
        assert_trained([np.ones(3), np.array([np.nan, 0])], before)


def test_fence_sees_gaps_and_trespass():
    fence = Fence((3, 4), np.float32, margin=2)
    with pytest.raises(AssertionError, match="unwritten"):
        fence.check()
    fence.array[...] = 0
    fence.check()
    fence.array[1, 2] = np.nan
    with pytest.raises(AssertionError, match="unwritten"):
        fence.check()
    for beside in (0, 1, -1, -2):
        fence = Fence((3, 4), np.float32, margin=2)
        fence.array[...] = 1
        fence.memory[beside] = 0
        with pytest.raises(AssertionError, match="beside"):
            fence.check()
        fence.memory[beside] = np.nan
        with pytest.raises(AssertionError, match="beside"):
            fence.check()


# Oracles


def test_rounding_of_fractions_is_that_of_the_hardware(dtype):
    rng = np.random.default_rng(1)
    x, y = (np.exp2(rng.uniform(-30, 30, 2000)) * rng.choice([-1, 1], 2000) for _ in range(2))
    for a, b in zip(x, y, strict=True):
        assert float(rounded(Fraction(a), dtype)) == dtype.type(a)
        a, b = dtype.type(a), dtype.type(b)
        assert float(rounded(Fraction(float(a)) + Fraction(float(b)), dtype)) == a + b
        assert float(rounded(Fraction(float(a)) * Fraction(float(b)), dtype)) == a * b
        assert float(rounded(Fraction(float(a)) / Fraction(float(b)), dtype)) == a / b
    digits = np.finfo(dtype).nmant
    unit = Fraction(1, 2**digits)
    assert (
        rounded(1 + unit / 2, dtype) == 1 and rounded(1 + unit * Fraction(3, 2), dtype) == 1 + 2 * unit
    )  # to even
    assert rounded(1 + unit * Fraction(501, 1000), dtype) == 1 + unit
    assert rounded(2 - unit / 2, dtype) == 2 and rounded(-(2 - unit / 2), dtype) == -2
    assert rounded(Fraction(0), dtype) == 0


def test_chain_rounds_once_a_step(dtype):
    """A sum is rounded after every step, a product never."""
    e = Fraction(1, 2 ** (np.finfo(dtype).nmant + 1))
    assert chain(Fraction(0), [1 + 2 * e, 1], [1 - 2 * e, -1], dtype) == 0  # 1 - 4 e^2 has rounded to 1
    assert (
        chain(Fraction(-1), [1 + 2 * e], [1 - 2 * e], dtype) == -4 * e * e
    )  # the product by itself would round to 1


def naive(x, w, b, dtype):
    """A plain loop in the type itself, product and sum rounded apart."""
    total = dtype.type(b)
    for one, other in zip(x, w, strict=True):
        total = dtype.type(total + dtype.type(one * other))
    return total


def test_exact_dense_depends_on_its_order(dtype):
    """The oracle could not tell a wrong order from the right one if all gave the same bits."""
    rng = np.random.default_rng(2)
    x, w = (rng.standard_normal((20, 45)).astype(dtype) for _ in range(2))
    wide = lanes(dtype)
    results = {}
    for n in (1, wide + 1, 2 * wide + 1):  # 4, 2 and 1 segments
        results[n] = [
            float(exact_dense(f, g, Fraction(1, 3), n, dtype))
            for f, g in zip(fractions(x), fractions(w), strict=True)
        ]
    results["naive"] = [float(naive(a, c, 1 / 3, dtype)) for a, c in zip(x, w, strict=True)]
    results["backward"] = [
        float(exact_dense(f[::-1], g[::-1], Fraction(1, 3), 2 * wide + 1, dtype))
        for f, g in zip(fractions(x), fractions(w), strict=True)
    ]
    assert len({tuple(values) for values in results.values()}) == 5
    exact = x.astype(np.longdouble) * w
    assert_within(
        np.array(results[1]),
        exact.sum(axis=1) + np.longdouble(1) / 3,
        45 * np.finfo(dtype).eps * np.abs(exact).sum(axis=1),
    )


def test_exact_blocks_break_after_256_rows(dtype):
    rng = np.random.default_rng(3)
    a, b = (fractions(rng.standard_normal(600).astype(dtype)) for _ in range(2))
    assert exact_blocks(a[:256], b[:256], dtype) == chain(Fraction(0), a[:256], b[:256], dtype)
    assert exact_blocks(a[:257], b[:257], dtype) != chain(Fraction(0), a[:257], b[:257], dtype) or (
        exact_blocks(a, b, dtype) != chain(Fraction(0), a, b, dtype)
    )


def test_every_kind_of_the_registry_has_what_tests_need():
    assert set(RULES) == set(OPTIMIZERS), "some rule is asked for by no class of fastmlp.optimizers"
    assert all(RULES[name].rule == name and 0 < RATES[name] < 1 for name in OPTIMIZERS)
    assert HYPER["adam"] == {
        "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8,
        "l1": 0, "l2": 0, "weight_decay": 0, "clipvalue": None, "global_clipnorm": None,
        "use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None,
        "gradient_accumulation_steps": None, "lookahead_steps": None, "lookahead_alpha": 0.5,
    }  # fmt: skip
    assert HYPER["adamw"] == {**HYPER["adam"], "weight_decay": 0.01} and HYPER["amsgrad"] == HYPER["adam"]
    assert OUTPUT_OF == {"softmax": "softmax", "sigmoid": "sigmoid", "exp": "exp", "any": "identity"}
    assert {outputs_of(loss, 3) for loss in LOSSES} >= {3, 6}
    assert loss_parameters("huber") == (0.8,) and loss_parameters("mse") == ()


def test_targets_fit_their_losses():
    rng = np.random.default_rng(0)
    soft = targets(rng, "categorical_crossentropy", 50, 4, np.float64)
    assert np.allclose(soft.sum(axis=1), 1) and np.all(soft[:, 0] == 0)
    assert set(np.unique(targets(rng, "binary_crossentropy", 50, 4, np.float64))) == {0, 1}
    classes = targets(rng, "sparse_categorical_crossentropy", 500, 4, np.float64)
    assert set(np.unique(classes)) == {0, 1, 2, 3} and classes.dtype == np.int64
    assert targets(rng, "gaussian_nll", 5, 4, np.float32).shape == (5, 2)


class Recorder:
    """A Run that trains two batches a call, each with a loss of 1; the plan is where it notes the calls."""

    def __init__(self, plan, X, y, weight, *, batch_size, **_):
        self.calls, self.batches = plan, -(-len(X) // batch_size)

    def begin(self, learning_rates, *, epoch, order, l2):
        assert learning_rates.shape == (len(learning_rates), self.batches) and (learning_rates == 0.1).all()
        self.epochs, self.epoch, self.batch = len(learning_rates), 0, 0
        self.sums = np.zeros((self.epochs, 3))

    @property
    def finished(self):
        return self.epoch == self.epochs

    def advance(self, seconds, batches):
        self.calls.append((self.epoch, self.batch))
        done = min(2, self.batches - self.batch)
        self.sums[self.epoch] += [done, 0.5 * done, 0]
        self.batch += done
        if self.batch == self.batches:
            self.epoch, self.batch = self.epoch + 1, 0


def test_train_runs_every_batch_of_every_epoch(monkeypatch):
    monkeypatch.setattr("helpers._kernels.Run", Recorder)
    calls = []
    assert train(calls, np.zeros((45, 1)), None, 0.1, epochs=2, batch_size=10) == (10.0, 5.0)
    assert calls == [(epoch, first) for epoch in (0, 1) for first in (0, 2, 4)]
    del calls[:]
    rates = np.full(5, 0.1)
    assert train_epoch(calls, np.zeros((45, 1)), None, batch_size=10, learning_rates=rates) == (5.0, 2.5)
    assert calls == [(0, 0), (0, 2), (0, 4)]


def test_a_call_that_trains_nothing_is_told(monkeypatch):
    monkeypatch.setattr("helpers._kernels.Run", Recorder)
    monkeypatch.setattr(Recorder, "advance", lambda self, *_: None)
    with pytest.raises(AssertionError):
        train([], np.zeros((45, 1)), None, 0.1)
