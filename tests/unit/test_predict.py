"""Predict: any input that can be read, any place to write to, and nothing beside it."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels
from helpers import Fence, assert_same_bits, assert_within, layers_of, make_plan, random_weights

NETWORKS = {
    "tiny": (2, [3, 2]),
    "narrow": (37, [33, 17, 5]),
    "one panel": (784, [16, 10]),
    "wide": (19, [300, 131]),
    "column": (1, [1]),
}


def network(name, dtype, isa, **rescaling):
    n_in, widths = NETWORKS[name]
    layers = layers_of(widths, ["tanh"] * (len(widths) - 1), "softmax" if widths[-1] > 1 else "sigmoid")
    return make_plan(
        n_in, layers, random_weights(np.random.default_rng(0), n_in, layers, dtype), dtype, isa, **rescaling
    )


def inputs(rows, plan, seed=1):
    return np.random.default_rng(seed).standard_normal((rows, plan.n_in)).astype(plan.dtype)


# Where predictions are written


@pytest.mark.parametrize("rows", [1, 2, 7, 48, 49, 500, 2500])
@pytest.mark.parametrize("name", NETWORKS)
def test_out_is_filled_and_nothing_else(isa, dtype, name, rows):
    plan = network(name, dtype, isa)
    X = inputs(rows, plan)
    fence = Fence((rows, plan.n_out), dtype)
    assert plan.predict(X, out=fence.array) is fence.array
    fence.check()
    assert_same_bits(fence.array, plan.predict(X))
    one = Fence((plan.n_out,), dtype, margin=1)
    plan.predict(X[0], out=one.array)
    one.check()
    assert_same_bits(one.array, fence.array[0])


def test_out_in_the_middle_of_a_batch(isa, dtype):
    plan = network("narrow", dtype, isa)
    X = inputs(30, plan)
    whole = Fence((30, plan.n_out), dtype)
    plan.predict(X[10:20], out=whole.array[10:20])
    assert np.isnan(whole.array[:10]).all() and np.isnan(whole.array[20:]).all()
    plan.predict(X[:10], out=whole.array[:10])
    plan.predict(X[20:], out=whole.array[20:])
    whole.check()
    assert_same_bits(whole.array, plan.predict(X))


def test_out_that_does_not_fit_is_refused_and_kept(isa, dtype):
    plan = network("narrow", dtype, isa)
    X = inputs(6, plan)
    other = np.float64 if dtype == np.float32 else np.float32
    read_only = np.zeros((6, 5), dtype)
    read_only.flags.writeable = False
    shared = np.zeros(6 * 37 + 8, dtype)
    bytes_ = np.zeros(6 * 5 * dtype.itemsize + 1, np.uint8)
    bad = {
        "too few rows": np.zeros((5, 5), dtype),
        "too many rows": np.zeros((7, 5), dtype),
        "width": np.zeros((6, 6), dtype),
        "one row": np.zeros(5, dtype),
        "dimensions": np.zeros((6, 5, 1), dtype),
        "type": np.zeros((6, 5), other),
        "integers": np.zeros((6, 5), f"i{dtype.itemsize}"),
        "byte order": np.zeros((6, 5), dtype.newbyteorder()),
        "alignment": bytes_[1:].view(dtype).reshape(6, 5),
        "columns": np.zeros((6, 10), dtype)[:, ::2],
        "rows": np.zeros((12, 5), dtype)[::2],
        "order": np.zeros((5, 6), dtype).T,
        "read-only": read_only,
        "overlap": shared[3:33].reshape(6, 5),
    }
    for what, out in bad.items():
        x = X
        if what == "overlap":
            x = shared[: 6 * 37].reshape(6, 37)
            x[...] = X
        kept = out.copy()
        with pytest.raises(ValueError, match="out does not fit"):
            plan.predict(x, out=out)
        assert np.array_equal(out, kept), what
    for out in ([[0.0] * 5] * 6, 3, "text"):
        with pytest.raises(ValueError, match="out does not fit"):
            plan.predict(X, out=out)


def test_out_beside_the_input_in_one_block_is_allowed(isa, dtype):
    plan = network("narrow", dtype, isa)
    memory = np.zeros(6 * 37 + 30, dtype)
    X, out = memory[: 6 * 37].reshape(6, 37), memory[6 * 37 :].reshape(6, 5)
    X[...] = inputs(6, plan)
    assert_same_bits(plan.predict(X, out=out), plan.predict(X.copy()))


# What can be read


def frozen(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def between_canaries(X, step):
    wide = np.full((len(X), step * X.shape[1]), 1e30, X.dtype)
    wide[:, ::step] = X
    return wide[:, ::step]


def misaligned(X):
    memory = np.zeros(X.nbytes + 1, np.uint8)
    view = memory[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


LAYOUTS = {
    "read-only": frozen,
    "Fortran order": np.asfortranarray,
    "every second column": lambda X: between_canaries(X, 2),
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "rows backward": lambda X: X[::-1].copy()[::-1],
    "columns backward": lambda X: X[:, ::-1].copy()[:, ::-1],
    "rows of a wider array": lambda X: np.hstack([X, np.full_like(X, np.nan)])[:, : X.shape[1]],
    "misaligned": misaligned,
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["narrow", "wide", "column"])
def test_layout_of_the_input_does_not_matter(isa, dtype, name, layout):
    plan = network(name, dtype, isa)
    for rows in (1, 5, 60):
        X = inputs(rows, plan)
        other = LAYOUTS[layout](X)
        assert_same_bits(plan.predict(other), plan.predict(X))
        assert_same_bits(plan.forward(other), plan.forward(X))
        assert_same_bits(plan.predict(other[0]), plan.predict(X)[0])


def test_one_row_repeated_by_a_stride_of_zero(isa, dtype):
    plan = network("narrow", dtype, isa)
    x = inputs(1, plan)
    assert_same_bits(plan.predict(np.broadcast_to(x, (9, 37))), np.repeat(plan.predict(x), 9, axis=0))


@pytest.mark.parametrize(
    "kind", ["float64", "float32", "uint8", "int64", "int32", "uint16", "bool", "float16"]
)
@pytest.mark.parametrize("name", ["narrow", "one panel"])
def test_types_convert_as_numpy_does(isa, dtype, name, kind):
    plan = network(name, dtype, isa)
    rng = np.random.default_rng(3)
    for rows in (1, 3, 70):
        X = (rng.random((rows, plan.n_in)) * (2 if kind == "bool" else 255)).astype(kind)
        assert_same_bits(plan.predict(X), plan.predict(X.astype(dtype)))
        assert_same_bits(plan.predict(X[0]), plan.predict(X)[0])
        strided = np.repeat(X, 3, axis=0)[::3]
        assert_same_bits(plan.predict(strided), plan.predict(X.astype(dtype)))


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "int64"])
def test_rescaling_has_the_bits_of_numpy(isa, dtype, kind):
    rng = np.random.default_rng(4)
    shift, divisor = rng.standard_normal(37), rng.uniform(0.5, 300, 37)
    plain = network("narrow", dtype, isa)
    X = (rng.random((23, 37)) * 255).astype(kind)
    converted = X.astype(dtype)
    for one, other in ((shift, divisor), (None, divisor), (shift, None), (None, np.full(37, 255.0))):
        plan = network("narrow", dtype, isa, input_shift=one, input_divisor=other)
        expected = converted if one is None else converted - one.astype(dtype)
        expected = expected if other is None else expected / other.astype(dtype)
        assert_same_bits(plan.predict(X), plain.predict(expected))
        assert_same_bits(plan.predict(X[5]), plain.predict(expected[5]))
        assert_same_bits(plan.predict(X[::-2]), plain.predict(expected[::-2].copy()))


def test_rows_one_by_one_are_the_batch(isa, dtype):
    for name in NETWORKS:
        plan = network(name, dtype, isa)
        X = inputs(100, plan)
        batch = plan.predict(X)
        for i, x in enumerate(X):
            assert_same_bits(plan.predict(x), batch[i])
            assert_same_bits(plan.predict(x[None]), batch[i : i + 1])


def test_forward_ends_with_predict(isa, dtype):
    plan = network("narrow", dtype, isa)
    for rows in (1, 60, 1025, 2100):
        X = inputs(rows, plan)
        layers = plan.forward(X)
        assert [a.shape for a in layers] == [(rows, 33), (rows, 17), (rows, 5)]
        assert_same_bits(layers[-1], plan.predict(X))
        W, b = plan.get_weights()[:2]
        assert_same_bits(layers[0], _kernels.dense_forward(X, W, b, "tanh", isa=isa))
    assert [a.shape for a in plan.forward(X[0])] == [(33,), (17,), (5,)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NETWORKS)
def test_input_that_is_not_finite_is_refused_wherever_it_stands(isa, dtype, name, bad):
    plan = network(name, dtype, isa)
    for rows in (1, 2, 700):
        X = inputs(rows, plan)
        for r, c in {(0, 0), (rows - 1, plan.n_in - 1), (rows // 2, plan.n_in // 2)}:
            for x in (X.copy(), X.astype(np.float64)):
                x[r, c] = bad
                with pytest.raises(ValueError, match="NaN or infinity"):
                    plan.predict(x)
    largest = np.full((3, plan.n_in), np.finfo(dtype).max, dtype)
    assert plan.predict(largest).shape == (3, plan.n_out)  # finite, whatever comes of it


def test_float64_beyond_float32_is_not_finite(isa):
    plan = network("narrow", np.float32, isa)
    with pytest.raises(ValueError, match="X has numbers beyond float32"):
        plan.predict(np.full((2, 37), 1e300))


def test_shapes_and_types_that_cannot_be_read(isa, dtype):
    plan = network("narrow", dtype, isa)
    for X in (
        np.zeros((3, 36)),
        np.zeros((3, 38)),
        np.zeros(36),
        np.zeros((2, 3, 37)),
        np.zeros((0, 37)),
        np.zeros(()),
        np.zeros((3, 37), complex),
        np.full((3, 37), "a"),
        np.full((3, 37), None),
    ):
        with pytest.raises((ValueError, TypeError)):
            plan.predict(X)


def test_predictions_are_right(isa, dtype):
    """Against float64 matrices, so that equal bits above are not equal mistakes."""
    for name in NETWORKS:
        plan = network(name, dtype, isa)
        X = inputs(50, plan)
        a = X.astype(np.float64)
        weights = [w.astype(np.float64) for w in plan.get_weights()]
        for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            a = np.tanh(a @ w + b)
        z = a @ weights[-2] + weights[-1]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        exact = e / e.sum(axis=1, keepdims=True) if plan.n_out > 1 else 1 / (1 + np.exp(-z))
        assert_within(plan.predict(X), exact, 60 * np.finfo(dtype).eps)
        assert_within(plan.predict(X), exact, 400 * np.finfo(dtype).eps * exact)


# The fast door that Network inherits


class Slow(_kernels.Predictor):
    def _predict(self, X, out, threads):
        return "slow"


def test_predictor_takes_ready_arrays_itself_and_hands_on_the_rest(isa, dtype):
    plan = network("narrow", dtype, isa)
    door = Slow(plan)
    assert door.plan is plan
    X = inputs(9, plan)
    for x in (X, X[0], X[::2], X.astype(np.float64), (X > 0).astype(np.uint8), frozen(X)):
        assert_same_bits(door.predict(x), plan.predict(x))
        assert_same_bits(door(x), plan.predict(x))
    fence = Fence((9, 5), dtype)
    assert door.predict(X, out=fence.array) is fence.array
    fence.check()
    not_finite = X.copy()
    not_finite[3, 3] = np.nan
    for x in (X.tolist(), X[:, :5], X.astype(np.int64), not_finite, X[:, ::-1], X[:0], X[0, 0], None):
        assert door.predict(x) == "slow"
    assert door.predict(X, out=np.zeros((9, 4), dtype)) == "slow"
    assert_same_bits(door.predict(X, threads=2), plan.predict(X))
    for threads in (0, -1, 2**40, 1.5, "two"):
        assert door.predict(X, threads=threads) == "slow"


def test_predictor_needs_a_plan():
    with pytest.raises(TypeError):
        Slow(None)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_out_is_untouched_when_a_late_row_is_not_finite(isa, wrong, threads):
    plan = network("wide", np.float32, isa)
    X = inputs(3001, plan).astype(np.float64)
    out = np.full((3001, plan.n_out), 7, np.float32)
    X[-1, 2] = wrong
    with pytest.raises(ValueError):
        plan.predict(X, out=out, threads=threads)
    assert np.all(out == 7)
    X[-1, 2] = 0
    assert plan.predict(X, out=out, threads=threads) is out
    assert_same_bits(out, plan.predict(X))
