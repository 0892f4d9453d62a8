"""Losses and their gradients against formulas in extended precision and against differences."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from fastmlp import _kernels
from fastmlp.losses import LOSSES as CLASSES
from fastmlp.registry import LABEL_LOSSES
from helpers import (
    HYPER,
    ISAS,
    LINKS,
    LOSSES,
    OUTPUT_OF,
    assert_close,
    assert_same_bits,
    assert_within,
    dense,
    lanes,
    loss_parameters,
    outputs_of,
    targets,
)
from loss_formulas import one_hot, value_and_gradient

MEANS = [name for name in LOSSES if LINKS[name] != "softmax"]  # over targets
UNCOUNTED = [name for name in LOSSES if not CLASSES[name].classes]


def widths(dtype):
    return [1, 2, lanes(dtype) - 1, lanes(dtype), lanes(dtype) + 1, 40, 1000]


def batch(name, rows, n, dtype, seed=0, scale=2.0):
    """(p, y) of n targets."""
    rng, n = np.random.default_rng(seed), outputs_of(name, n)
    return (scale * rng.standard_normal((rows, n))).astype(dtype), targets(rng, name, rows, n, dtype)


def parameters_of(name, dtype):
    return [float(dtype.type(value)) for value in loss_parameters(name)]


@functools.lru_cache(maxsize=32)  # tests of one loss follow each other
def cases(name, dtype, n):
    """Batches of n targets, p and y, with the right values and gradients and what these are relative to."""
    found = []
    for rows in (1, 3, 30) if n < 1000 else (1, 3):  # wide rows take long in extended precision
        p, y = batch(name, rows, n, dtype, seed=n + rows)
        found.append((p, y, *value_and_gradient(name, p, y, parameters_of(name, dtype))))
    return found


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)], ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients(isa, dtype, name, weighted):
    for n in widths(dtype):
        bound = (n / lanes(dtype) + 16) * np.finfo(dtype).eps
        of_values, of_gradients = [], []  # what came, what is right, what its roundings are relative to
        for p, y, exact, exact_d, size, size_d in cases(name, dtype, n):
            rows = len(p)
            weight = np.linspace(0.25, 3, rows).astype(dtype) if weighted else None
            values, d, _ = _kernels.loss_gradient(name, parameters_of(name, dtype), p, y, weight, isa=isa)
            assert values.dtype == d.dtype == dtype
            factor = np.ones(rows) if weight is None else weight.astype(np.longdouble)
            of_values.append((values, factor * exact, bound * factor * size))
            scale = (factor / rows)[:, None]
            of_gradients.append((d, scale * exact_d, bound * scale * size_d))
        if n == 1 and np.ptp(of_gradients[-1][1]) < np.finfo(np.longdouble).eps:
            continue  # constant: test_one_class
        for parts in (of_values, of_gradients):
            assert_within(*map(np.concatenate, zip(*parts, strict=True)))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_the_value(isa, name):
    parameter = loss_parameters(name)
    p, y = batch(name, 4, 11, np.float64, seed=5)
    weight = np.array([1.0, 0.5, 2.0, 3.0])
    _, d, _ = _kernels.loss_gradient(name, parameter, p, y, weight, isa=isa)
    numeric = np.empty_like(p)
    for i in np.ndindex(p.shape):
        means = []
        for shift in (1e-6, -1e-6):
            moved = p.copy()
            moved[i] += shift
            means.append(_kernels.loss_gradient(name, parameter, moved, y, weight, isa=isa)[0].mean())
        numeric[i] = (means[0] - means[1]) / 2e-6
    assert_close(d, numeric, 1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_multiply_values_exactly_and_leave_the_count(isa, dtype, name):
    p, y = batch(name, 9, 5, dtype)
    weight = np.linspace(0, 2, 9).astype(dtype)
    values, d, correct = _kernels.loss_gradient(name, loss_parameters(name), p, y, isa=isa)
    weighted, weighted_d, weighted_correct = _kernels.loss_gradient(
        name, loss_parameters(name), p, y, weight, isa=isa
    )
    assert_same_bits(weighted, weight * values)
    assert_close(weighted_d, weight[:, None] * d, 4 * np.finfo(dtype).eps)
    assert_same_bits(weighted_d[0], np.zeros(p.shape[1], dtype), zeros=True)
    assert_same_bits(weighted_correct, correct, zeros=True)


# Extremes


def loss(name, p, y, dtype, isa, parameter=0.0):
    p = np.array(p, dtype)
    y = np.array(y, np.int64 if name in LABEL_LOSSES else dtype)
    return _kernels.loss_gradient(name, parameter, p, y, isa=isa)


@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_softmax_extremes(isa, dtype, name):
    sparse = name.startswith("sparse")
    y = [0, 1] if sparse else [[1, 0], [0, 1]]
    values, d, _ = loss(name, [[1e4, -1e4], [1e4, -1e4]], y, dtype, isa)
    assert values.tolist() == [0, 20000]
    assert d.tolist() == [[0, 0], [0.5, -0.5]]
    values, d, _ = loss(name, [[-1e4, -1e4]], y[:1], dtype, isa)
    assert_within(values, np.log([2.0]), np.finfo(dtype).eps)
    assert d.tolist() == [[-0.5, 0.5]]
    large = np.finfo(dtype).max / 4
    values, d, _ = loss(name, [[large, -large]], y[1:], dtype, isa)
    assert values.tolist() == [2 * large] and d.tolist() == [[1, -1]]
    values, d, _ = loss(name, [[0.0, -np.inf]], y[:1], dtype, isa)
    assert values.tolist() == [0] and d.tolist() == [[0, 0]]
    values, d, _ = loss(name, [[0.0, -np.inf]], y[1:], dtype, isa)
    assert values.tolist() == [np.inf] and d.tolist() == [[1, -1]]


@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_one_class_costs_nothing(isa, dtype, name):
    y = [0, 0] if name.startswith("sparse") else [[1], [1]]
    values, d, correct = loss(name, [[-1e4], [3.0]], y, dtype, isa)
    assert values.tolist() == [0, 0] and d.tolist() == [[0], [0]] and correct.tolist() == [1, 1]


def test_soft_targets_with_zeros(isa, dtype):
    values, d, _ = loss("categorical_crossentropy", [[1e4, 0.0, -np.inf]], [[1.0, 0.0, 0.0]], dtype, isa)
    assert values.tolist() == [0] and d.tolist() == [[0, 0, 0]]
    values, d, _ = loss("categorical_crossentropy", [[0.0, 0.0, -1e4]], [[0.25, 0.75, 0.0]], dtype, isa)
    assert_within(values, np.log([2.0]), 2 * np.finfo(dtype).eps)
    assert d.tolist() == [[0.25, -0.25, 0]]


def test_sum_of_soft_targets_need_not_be_one(isa, dtype):
    p, y = np.array([[0.5, -1.0, 2.0]], dtype), np.array([[0.5, 0.5, 0.25]], dtype)
    values, d, _ = _kernels.loss_gradient("categorical_crossentropy", 0.0, p, y, isa=isa)
    exact, exact_d, *_ = value_and_gradient("categorical_crossentropy", p, y)
    assert_within(values, exact, 10 * np.finfo(dtype).eps)
    assert_within(d, exact_d, 10 * np.finfo(dtype).eps)


def test_binary_extremes(isa, dtype):
    z, y = [[1e4, 1e4, -1e4, -1e4]], [[1, 0, 1, 0]]
    values, d, correct = loss("binary_crossentropy", z, y, dtype, isa)
    assert values.tolist() == [5000] and d.tolist() == [[0, 0.25, -0.25, 0]] and correct.tolist() == [0.5]
    values, d, _ = loss("binary_crossentropy", [[-20.0]], [[0.0]], dtype, isa)
    assert_within(values, np.log1p(np.exp(np.array([-20.0]))), 4 * np.finfo(dtype).eps * np.exp(-20.0))
    assert_within(d, np.exp(np.array([[-20.0]])), 1e-6 * np.exp(-20.0))


def test_mean_losses_at_extremes(isa, dtype):
    assert loss("mse", [[1e4, -1e4]], [[-1e4, -1e4]], dtype, isa)[0].tolist() == [2e8]
    values, d, _ = loss("mae", [[1e4, -1e4, 3.0, 5.0]], [[-1e4, -1e4, 6.0, 5.0]], dtype, isa)
    assert values.tolist() == [5000.75] and d.tolist() == [[0.25, 0, -0.25, 0]]
    values, d, _ = loss("huber", [[1e4, -1e4, 0.5, 1.0]], [[0.0] * 4], dtype, isa, 1.0)
    assert values.tolist() == [(9999.5 * 2 + 0.125 + 0.5) / 4] and d.tolist() == [[0.25, -0.25, 0.125, 0.25]]
    huge = float(np.sqrt(np.finfo(dtype).max) * 8)  # its square overflows
    values, d, _ = loss("huber", [[huge]], [[0.0]], dtype, isa, 1.0)
    assert values.tolist() == [huge] and d.tolist() == [[1]]
    values, d, _ = loss("poisson", [[-1e4, 0.0]], [[0.0, 3.0]], dtype, isa)
    assert values.tolist() == [0.5] and d.tolist() == [[0, -1]]
    assert loss("poisson", [[1e4]], [[1.0]], dtype, isa)[0].tolist() == [np.inf]
    # a variance of exp(-1e4) beside an error costs more than any number, one beside none is only gained from
    values, d, _ = loss(
        "gaussian_nll", [[3.0, 1.0, 1e4, 0.0], [3.0, 1.0, -1e4, 0.0]], [[1.0, 1.0]] * 2, dtype, isa
    )
    assert values.tolist() == [2500, np.inf] and d[0].tolist() == [0, 0, 0.125, 0.125]
    assert d[1].tolist() == [np.inf, 0, -np.inf, 0.125]


@pytest.mark.parametrize("name", LOSSES)
def test_not_a_number_is_told_and_stays_in_its_row(isa, dtype, name):
    for n in (2, lanes(dtype) + 3):
        p, y = batch(name, 3, n, dtype)
        clean, _, _ = _kernels.loss_gradient(name, loss_parameters(name), p, y, isa=isa)
        for column in (0, n - 1, -1):
            bad = p.copy()
            bad[1, column] = np.nan
            values, _, _ = _kernels.loss_gradient(name, loss_parameters(name), bad, y, isa=isa)
            assert np.isnan(values[1])
            assert_same_bits(values[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("name", LOSSES)
def test_tiny_gradients_are_flushed(isa, dtype, name):
    below = np.finfo(dtype).tiny * 2
    for n in (2, 9):
        p, y = batch(name, 2, n, dtype)
        weight = np.array([below, 1], dtype)
        _, d, _ = _kernels.loss_gradient(name, loss_parameters(name), p, y, weight, isa=isa)
        assert_same_bits(d[0], np.zeros(p.shape[1], dtype), zeros=True)
        assert not np.signbit(d[0]).any()
        assert np.any(d[1] != 0)


# Counts


def test_the_first_largest_output_is_the_answer(isa, dtype):
    z = [[1, 1, 0], [1, 1, 0], [0, 2, 2], [3, 3, 3], [-1, -2, -1]]
    correct = loss("sparse_categorical_crossentropy", z, [0, 1, 2, 0, 2], dtype, isa)[2]
    assert correct.tolist() == [1, 0, 0, 1, 0]
    y = [[0, 1, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1], [0.4, 0.2, 0.4]]
    assert loss("categorical_crossentropy", z, y, dtype, isa)[2].tolist() == [0, 1, 1, 0, 1]


def test_counts_in_wide_rows(isa, dtype):
    rng = np.random.default_rng(2)
    for n in (lanes(dtype) + 1, 1000):
        z = rng.integers(0, 3 * n, (200, n)).astype(dtype)  # many ties
        y = np.where(rng.random(200) < 0.5, z.argmax(axis=1), rng.integers(0, n, 200))
        expected = (z.argmax(axis=1) == y).astype(np.float64)
        assert 60 < expected.sum() < 140
        assert_same_bits(loss("sparse_categorical_crossentropy", z, y, dtype, isa)[2], expected)
        assert_same_bits(loss("categorical_crossentropy", z, one_hot(y, n), dtype, isa)[2], expected)


def test_binary_counts_shares_of_outputs(isa, dtype):
    z = [[0.0, 1e-30, -1.0, 5.0], [2.0, 2.0, -2.0, -2.0], [-0.0, -1.0, -1.0, -1.0]]
    y = [[0, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0.5]]
    assert loss("binary_crossentropy", z, y, dtype, isa)[2].tolist() == [0.75, 1, 0.25]


@pytest.mark.parametrize("name", UNCOUNTED)
def test_regression_counts_nothing(isa, dtype, name):
    p = [[1.0] * outputs_of(name, 1), [2.0] * outputs_of(name, 1)]
    assert loss(name, p, [[1.0], [2.0]], dtype, isa, loss_parameters(name))[2].tolist() == [0, 0]


# The numeric contract: one partial sum a lane of the cache line, then a fixed tree


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16, 17, 40, 100])
def test_sums_along_a_row_have_the_order_of_the_contract(fma_isa, dtype, n):
    wide = lanes(dtype)
    p, y = batch("mse", 20, n, dtype, seed=n)
    squares = (p - y) * (p - y)
    padded = np.zeros((20, -(-n // wide) * wide), dtype)
    padded[:, :n] = squares
    sums = np.zeros((20, wide), dtype)
    for first in range(0, n, wide):
        sums = sums + padded[:, first : first + wide]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    assert_same_bits(_kernels.loss_gradient("mse", 0.0, p, y, isa=fma_isa)[0], sums[:, 0] / dtype.type(n))


# Arguments


@pytest.mark.parametrize("name", LOSSES)
def test_arguments_that_do_not_fit_are_refused(isa, dtype, name):
    p, y = batch(name, 4, 3, dtype)
    parameters = loss_parameters(name)

    def call(p=p, y=y, weight=None):
        return _kernels.loss_gradient(name, parameters, p, y, weight, isa=isa)

    call()
    for bad in (p[0], p[:3], p.astype(np.int64), p.astype(np.float16)):
        with pytest.raises((ValueError, TypeError)):
            call(p=bad)
    for bad in (y[:3], y.astype(np.int32), y.astype(complex)):
        with pytest.raises((ValueError, TypeError)):
            call(y=bad)
    for bad in (np.ones(3, dtype), np.ones((4, 1), dtype), np.ones(4, np.int64)):
        with pytest.raises((ValueError, TypeError)):
            call(weight=bad)
    with pytest.raises(ValueError, match="unknown"):
        _kernels.loss_gradient("nonsense", 0.0, p, y, isa=isa)


@pytest.mark.parametrize("label", [-1, 3, 2**40])
def test_labels_out_of_range_are_refused(isa, dtype, label):
    with pytest.raises(ValueError, match="expected 0 to 2"):
        _kernels.loss_gradient(
            "sparse_categorical_crossentropy", 0.0, np.zeros((2, 3), dtype), np.array([0, label]), isa=isa
        )


@pytest.mark.parametrize("name", MEANS)
def test_long_double_works_afterwards(isa, dtype, name):
    """x86's MMX registers are those of long double: a kernel that leaves one in use makes NaN of them."""
    layers = [dense(outputs_of(name, 1), OUTPUT_OF[LINKS[name]])]
    plan = _kernels.Plan(1, layers, dtype=dtype.name, isa=isa)
    plan.compile(name, loss_parameters(name), "sgd", HYPER["sgd"])
    plan.evaluate(np.ones((40, 1), dtype), np.ones((40, 1), dtype))
    assert np.all(np.arange(20, dtype=np.longdouble) * 3 == np.arange(20) * 3)
