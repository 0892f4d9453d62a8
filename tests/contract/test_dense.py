"""The dense layer: its bounds, its edges, and the order of its sums, which is the numeric contract."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastmlp import _kernels
from helpers import (
    ELEMENTWISE,
    ISAS,
    PARAMETERS,
    assert_same_bits,
    assert_within,
    exact_blocks,
    exact_dense,
    fractions,
    lanes,
    segments,
)

INPUTS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 35, 65, 100]
ROWS = [*range(1, 14), 24, 25, 49]


def outputs(dtype):
    wide = lanes(dtype)
    return [1, 2, wide - 1, wide, wide + 1, 2 * wide, 2 * wide + 1, 3 * wide + 1, 8 * wide + 3]


def operands(m, k, n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    return draw(m, k), draw(k, n), draw(n), draw(m, n)


def check_forward(m, k, n, dtype, isa, bias=True, seed=0):
    """|error| <= (k + 2) eps (|X||W| + |b|), by element: two roundings a step and the joins are within it."""
    x, w, b, _ = operands(m, k, n, dtype, seed)
    b = b if bias else None
    got = _kernels.dense_forward(x, w, b, isa=isa)
    wide = np.longdouble if dtype == np.float64 else np.float64
    exact = x.astype(wide) @ w.astype(wide) + (0 if b is None else b)
    size = np.abs(x).astype(wide) @ np.abs(w).astype(wide) + (0 if b is None else np.abs(b))
    assert got.dtype == dtype
    assert_within(got, exact, (k + 2) * np.finfo(dtype).eps * size)


def check_backward(m, k, n, dtype, isa, seed=0):
    """The same bound for all three gradients, with the length of each one's sum."""
    x, w, _, dz = operands(m, k, n, dtype, seed)
    wide = np.longdouble if dtype == np.float64 else np.float64
    eps = np.finfo(dtype).eps
    dx, dw, db = _kernels.dense_backward(dz, x, w, isa=isa)
    x, w, dz = x.astype(wide), w.astype(wide), dz.astype(wide)
    assert_within(dx, dz @ w.T, (n + 2) * eps * (np.abs(dz) @ np.abs(w).T))
    assert_within(dw, x.T @ dz, (m + 2) * eps * (np.abs(x).T @ np.abs(dz)))
    assert_within(db, dz.sum(axis=0), (m + 2) * eps * np.abs(dz).sum(axis=0))


@pytest.mark.parametrize("k", INPUTS)
def test_forward_at_the_edges(isa, dtype, k):
    for n in outputs(dtype):
        for m in ROWS if k in (7, 33) else (1, 2, 5, 13, 25):
            check_forward(m, k, n, dtype, isa, bias=(m + n) % 3 > 0)


@pytest.mark.parametrize("m", [1, 2, 8, 9, 12, 13, 24, 25, 255, 256, 257, 513])
def test_gradients_at_the_edges(isa, dtype, m):
    for k in (1, 9, 17, 33) if m < 255 else (5, 17):
        for n in outputs(dtype) if m < 255 else (1, lanes(dtype) + 1):
            check_backward(m, k, n, dtype, isa)


@settings(max_examples=100, deadline=None, database=None)
@given(
    m=st.integers(1, 70),
    k=st.integers(1, 80),
    n=st.integers(1, 150),
    double=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@example(m=300, k=33, n=17, double=False, bias=True, seed=1)
def test_any_shape(m, k, n, double, bias, seed):
    dtype = np.dtype(np.float64 if double else np.float32)
    for isa in ISAS:
        check_forward(m, k, n, dtype, isa, bias, seed)
        check_backward(m, k, n, dtype, isa, seed)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_zero_width_is_refused(isa, dtype, shape):
    with pytest.raises(ValueError, match="at least 1"):
        _kernels.dense_forward(np.ones((2, shape[0]), dtype), np.ones(shape, dtype), isa=isa)


def test_zero_rows_are_refused(isa, dtype):
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        _kernels.dense_forward(np.ones((0, 3), dtype), np.ones((3, 2), dtype), isa=isa)
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        _kernels.dense_backward(
            np.ones((0, 2), dtype), np.ones((0, 3), dtype), np.ones((3, 2), dtype), isa=isa
        )


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_fused_activation_is_the_activation(isa, dtype, name):
    for m, k, n in [(1, 40, 5), (1, 20, 70), (50, 40, 5), (50, 20, 70)]:
        x, w, b, _ = operands(m, k, n, dtype)
        z = _kernels.dense_forward(x, w, b, isa=isa)
        a = _kernels.dense_forward(x, w, b, name, PARAMETERS[name], isa=isa)
        assert_same_bits(a, _kernels.activation_forward(name, z, PARAMETERS[name], isa=isa))


# The order of the sums, by exact fractions


def test_segments_are_those_of_the_contract():
    # fmt: off
    for wide, dtype in (16, np.float32), (8, np.float64):
        assert segments(31, 1, dtype) == [(0, 31)]                                   # few inputs
        assert segments(32, wide, dtype) == [(0, 8), (8, 16), (16, 24), (24, 32)]    # one panel
        assert segments(35, 1, dtype) == [(0, 8), (8, 16), (16, 24), (24, 35)]       # the last takes the rest
        assert segments(33, wide + 1, dtype) == [(0, 16), (16, 33)]                  # two panels
        assert segments(33, 2 * wide, dtype) == [(0, 16), (16, 33)]
        assert segments(784, 2 * wide + 1, dtype) == [(0, 784)]                      # wider: one chain
    # fmt: on


def chosen(n):
    """First, middle and last outputs: the oracle is slow."""
    return sorted({0, n // 2, n - 1})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "k, panels, extra",
    [
        (5, 0, 3),
        (31, 0, 3),
        (32, 1, 0),
        (33, 0, 1),
        (35, 1, 0),
        (64, 0, 2),
        (32, 1, 1),
        (33, 2, 0),
        (47, 2, 0),
        (40, 2, 1),
    ],
)
def test_forward_sums_in_the_order_of_the_contract(fma_isa, dtype, k, panels, extra, bias):
    n = panels * lanes(dtype) + extra
    x, w, b, _ = operands(14, k, n, dtype, seed=k)
    b = b if bias else None
    z = _kernels.dense_forward(x, w, b, isa=fma_isa)
    exact_x, exact_w = fractions(x), fractions(w)
    exact_b = fractions(np.zeros(n) if b is None else b)
    for r in (0, 13):
        expected = [float(exact_dense(exact_x[r], exact_w[:, j], exact_b[j], n, dtype)) for j in chosen(n)]
        assert_same_bits(z[r, chosen(n)], np.array(expected, dtype))
        assert_same_bits(_kernels.dense_forward(x[r], w, b, isa=fma_isa), z[r])


@pytest.mark.parametrize("k, n", [(5, 3), (20, 40), (100, 3), (70, 9), (33, 1)])
@pytest.mark.parametrize("m", [3, 256, 259, 520])
def test_weight_gradients_sum_in_blocks_of_256_rows(fma_isa, dtype, m, k, n):
    x, w, _, dz = operands(m, k, n, dtype, seed=m)
    _, dw, db = _kernels.dense_backward(dz, x, w, isa=fma_isa)
    exact_x, exact_dz, ones = fractions(x[:, chosen(k)]), fractions(dz[:, chosen(n)]), fractions(np.ones(m))
    for a, i in enumerate(chosen(k)):
        expected = [float(exact_blocks(exact_x[:, a], exact_dz[:, j], dtype)) for j in range(len(chosen(n)))]
        assert_same_bits(dw[i, chosen(n)], np.array(expected, dtype))
    expected = [float(exact_blocks(ones, exact_dz[:, j], dtype)) for j in range(len(chosen(n)))]
    assert_same_bits(db[chosen(n)], np.array(expected, dtype))


@pytest.mark.parametrize("m, k, n", [(1, 3, 40), (5, 33, 17), (20, 2, 33)])
def test_input_gradient_is_one_chain_over_the_outputs(fma_isa, dtype, m, k, n):
    x, w, _, dz = operands(m, k, n, dtype, seed=n)
    dx, _, _ = _kernels.dense_backward(dz, x, w, isa=fma_isa)
    exact_w, exact_dz = fractions(w), fractions(dz)
    for r in {0, m - 1}:
        expected = [
            float(exact_blocks(exact_w[i], exact_dz[r], dtype)) for i in chosen(k)
        ]  # n <= 256: one block
        assert_same_bits(dx[r, chosen(k)], np.array(expected, dtype))
