"""Weights in few bits: the bits of the twin on every instruction set, and how far they are from float32."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels, reference
from fastmlp.layers import quantized_dense
from fastmlp.reference import storage
from fastmlp.reference.products import bfloat16
from fastmlp.reference.storage import STORAGES
from helpers import PRODUCT_ISAS, RUNNABLE, assert_same_bits, assert_same_numbers, assert_within, train

# Rows, inputs and outputs on both sides of what tiles, blocks and vectors take.
SHAPES = [
    (1, 1, 1), (1, 3, 17), (1, 64, 128), (1, 65, 129), (1, 784, 100), (2, 4, 16), (3, 5, 15), (4, 63, 33),
    (5, 17, 31), (7, 128, 47), (15, 130, 64), (16, 64, 32), (17, 96, 48), (31, 127, 65), (32, 128, 128),
    (33, 129, 1), (65, 256, 80), (130, 70, 300),
]  # fmt: skip


def usual(rng, shape):
    return rng.standard_normal(shape).astype(np.float32)


def of_any_size(rng, shape):
    """Rows and columns of zeros, of denormals, and of the largest numbers that there are."""
    numbers = usual(rng, shape) * 2.0 ** rng.integers(-20, 20, shape)
    rows, columns = (rng.choice([1.0, 0.0, 1e-36, 1e-42, 1e30], size) for size in (shape[0], shape[1]))
    numbers = numbers * rows[:, None] * np.minimum(columns, 1.0)
    return np.clip(numbers, -3e38, 3e38).astype(np.float32)


def halves(rng, shape):
    """Quotients that lie between two integers."""
    numbers = (rng.integers(-127, 127, shape) + 0.5).astype(np.float32)
    numbers[0] = 127
    numbers[:, 0] = -127
    return numbers


NUMBERS = {"usual": usual, "of any size": of_any_size, "halves": halves}


def nodes_of(n, storage=1, **more):
    return [{"kind": "dense", "units": n, "storage": storage, **more}]


def both(k, nodes, weights, isa):
    plans = _kernels.Plan(k, nodes, isa=isa), reference.Plan(k, nodes)
    for plan in plans:
        plan.set_weights(weights)
    return plans


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_predictions_are_the_twins(numbers, isa):
    rng = np.random.default_rng(5)
    for m, k, n in SHAPES:
        X, W, b = NUMBERS[numbers](rng, (m, k)), NUMBERS[numbers](rng, (k, n)), usual(rng, n)
        for bias in (True, False):
            weights = [W, b] if bias else [W]
            plan, twin = both(k, nodes_of(n, use_bias=bias), weights, isa)
            with np.errstate(over="ignore"):
                if np.any(expected := twin.predict(X)):
                    assert_same_numbers(plan.predict(X), expected)
            for got, wanted in zip(plan.get_weights(), twin.get_weights(), strict=True):
                assert_same_bits(got, wanted, zeros=True)


@pytest.mark.parametrize("isa", RUNNABLE)
def test_sums_are_those_of_whole_numbers(isa, rng):
    """An oracle of Python's integers and one formula, for the largest sums that there may be too."""
    for m, k, n in [(3, 1000, 5), (20, 131072, 17)]:
        X, W = np.ones((m, k), np.float32), np.full((k, n), -2.0, np.float32)
        X[1], W[:, 1] = usual(rng, k), usual(rng, k)
        plan, _ = both(k, nodes_of(n, use_bias=False), [W], isa)
        got = plan.predict(X)
        most = np.abs(X).max(axis=1)
        q = [
            [int(v) for v in np.rint(row * (np.float32(127) / top))] for row, top in zip(X, most, strict=True)
        ]
        scale = (np.abs(W).max(axis=0) / np.float32(127)).view(np.uint32) & np.uint32(0xFFFFFF80)
        scale = scale.view(np.float32)
        columns = [[int(v) for v in np.rint(W[:, j] / scale[j])] for j in (0, 1)]
        for r in (0, 1):
            for j in (0, 1):
                total = sum(a * b for a, b in zip(q[r], columns[j], strict=True))
                assert got[r, j] == np.float32(total) * (most[r] / np.float32(127)) * scale[j]


def test_products_are_near_those_of_float32(isa, rng):
    """Half a step of each row for each weight, and half a step of each column for each input."""
    X, W = usual(rng, (40, 300)), usual(rng, (300, 70))
    plan, _ = both(300, nodes_of(70, use_bias=False), [W], isa)
    x, w = X.astype(float), W.astype(float)
    steps = np.abs(x).max(axis=1) / 127, np.abs(w).max(axis=0) / 127
    bound = steps[0][:, None] * np.abs(w).sum(axis=0) + np.abs(x).sum(axis=1)[:, None] * steps[1]
    assert_within(plan.predict(X), x @ w, 0.07 * bound)


@pytest.mark.parametrize("isa", RUNNABLE)
def test_what_is_not_finite_within_gives_nan(isa):
    """A row whose inputs of a layer overflow, beside rows that do not."""
    nodes = [{"kind": "scale"}, *nodes_of(20), *nodes_of(5)]
    rng = np.random.default_rng(2)
    weights = [
        np.full(40, 3e38, np.float32),
        usual(rng, (40, 20)),
        usual(rng, 20),
        usual(rng, (20, 5)),
        usual(rng, 5),
    ]
    plan, twin = both(40, nodes, weights, isa)
    X = (usual(rng, (21, 40)) * 1e-6).clip(-1, 1)
    X[[3, 20], 7] = 2.0
    with np.errstate(over="ignore", invalid="ignore"):
        expected = twin.predict(X)
    assert np.isnan(expected).all(axis=1).sum() == 2
    assert_same_numbers(plan.predict(X), expected)
    assert np.isnan(plan.predict(X[3])).all()


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_an_input_that_is_not_finite_is_refused(value, isa):
    for k, n in [(40, 3), (3, 40), (100, 8)]:
        plan, _ = both(k, nodes_of(n), [np.ones((k, n), np.float32), np.ones(n, np.float32)], isa)
        for rows in (1, 5, 40):
            X = np.ones((rows, k), np.float32)
            X[-1, k - 1] = value
            with pytest.raises(ValueError, match="NaN|infinity|finite"):
                plan.predict(X)


def network_nodes(width, storage):
    return [
        *nodes_of(width, storage, activation="relu"),
        {"kind": "layer_normalization", "activation": "tanh"},
        *nodes_of(width, storage, activation="gelu", dropout=0.2),
        {"kind": "add", "source": 0},
        *nodes_of(5, storage, activation="softmax"),
    ]


def filled(plan, rng):
    arrays = [
        usual(rng, a.shape) / np.float32(np.sqrt(len(a))) if a.ndim == 2 else rng.uniform(0.5, 1.5, a.shape)
        for a in plan.get_weights()
    ]
    plan.set_weights(arrays)
    return plan


@pytest.mark.parametrize("storage", [1, 2])
@pytest.mark.parametrize("width", [7, 150])
def test_bits_depend_on_nothing(width, storage):
    """Neither on the instruction set, threads, the rows beside, nor on how X lies."""
    found = []
    wide = usual(np.random.default_rng(8), (300, 60))
    for isa in PRODUCT_ISAS:
        plan = filled(_kernels.Plan(30, network_nodes(width, storage), isa=isa), np.random.default_rng(4))
        X = np.ascontiguousarray(wide[:, :30])
        whole = plan.predict(X)
        for threads in (1, 2, 3):
            assert_same_bits(plan.predict(X, threads=threads), whole)
        assert_same_bits(
            np.concatenate([plan.predict(X[:1]), plan.predict(X[1:18]), plan.predict(X[18:])]), whole
        )
        assert_same_bits(np.stack([plan.predict(row) for row in X[:20]]), whole[:20])
        assert_same_bits(plan.predict(wide[:, :30]), whole)
        assert_same_bits(plan.predict(X.astype(np.float64)), whole)
        assert_same_bits(plan.forward(X)[-1], whole)
        dropped = plan.predict_dropped(X, seed=3)
        assert_same_bits(plan.predict_dropped(X[:40], seed=3), dropped[:40])
        found.append([whole, dropped])
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_stored_weights_are_stored_once_more_without_a_change(rng):
    W = np.concatenate([usual(rng, (50, 400)), of_any_size(rng, (50, 400))], axis=1)
    plan, _ = both(50, nodes_of(800, use_bias=False), [W], None)
    [first] = plan.get_weights()
    plan.set_weights([first])
    assert_same_bits(plan.get_weights()[0], first)
    q, scale = storage.int8_columns(W)
    assert_same_bits(first, q * scale)
    assert np.abs(first - W)[:, :400].max() <= 0.5001 * scale[:400].max()
    assert (np.abs(q[:, :400]).max(axis=0) == 127).all()


def test_weights_take_a_part_of_the_memory():
    plain, *small = (_kernels.Plan(512, [{"kind": "dense", "units": 512, "storage": s}]) for s in range(3))
    assert [round(plan.vector_size / plain.vector_size, 1) for plan in small] == [0.3, 0.5]


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_bfloat16_has_the_bits_of_float32_with_rounded_weights(numbers, isa):
    """In layers of one chain and of segments, from rows and from panels."""
    rng = np.random.default_rng(6)
    for m, k, n in SHAPES:
        X, W, b = NUMBERS[numbers](rng, (m, k)), NUMBERS[numbers](rng, (k, n)), usual(rng, n)
        for bias in (True, False):
            weights = [W, b] if bias else [W]
            plan, twin = both(k, nodes_of(n, use_bias=bias, storage=2), weights, isa)
            plain = _kernels.Plan(k, nodes_of(n, use_bias=bias, storage=0), isa=isa)
            plain.set_weights(twin.get_weights())
            for got, wanted in zip(plan.get_weights(), twin.get_weights(), strict=True):
                assert_same_bits(got, wanted, zeros=True)
            if np.any(expected := plain.predict(X)):
                assert_same_numbers(plan.predict(X), expected)
        nodes = [{"kind": "scale"}, *nodes_of(n, storage=2)]
        inside, plain = (_kernels.Plan(k, [nodes[0], {**nodes[1], "storage": s}], isa=isa) for s in (2, 0))
        rounded = [np.full(k, 2, np.float32), bfloat16(W), b]
        inside.set_weights(rounded)
        plain.set_weights(rounded)
        assert_same_numbers(inside.predict(X), plain.predict(X))


def test_bfloat16_is_the_nearest(rng):
    W = np.concatenate([of_any_size(rng, (60, 40)), [[1, 1.00390625, 1.01171875, 3.4e38] * 10]]).astype(
        np.float32
    )
    plan = _kernels.Plan(61, nodes_of(40, use_bias=False, storage=2))
    plan.set_weights([W])
    [found] = plan.get_weights()
    assert found[60, :3].tolist() == [1, 1, 1.015625] and np.isinf(found[60, 3])
    assert (found.view(np.uint32) & 0xFFFF == 0).all()
    held = np.abs(W) >= 2.0**-126
    held[60, 3::4] = False
    assert np.abs(found - W)[held].max() > 0 and (np.abs(found - W) <= 2.0**-8 * np.abs(W))[held].all()
    plan.set_weights([found])
    assert_same_bits(plan.get_weights()[0], found)


def test_the_engine_the_twin_and_the_layer_know_the_same(rng):
    assert quantized_dense.STORAGES == STORAGES
    assert quantized_dense.MOST_INT8_INPUTS == storage.MOST_INT8_INPUTS
    for plan in (_kernels.Plan, reference.Plan):
        plan(storage.MOST_INT8_INPUTS, nodes_of(1))
        with pytest.raises(ValueError):
            plan(storage.MOST_INT8_INPUTS + 1, nodes_of(1))


@pytest.mark.parametrize("kind", [_kernels.Plan, reference.Plan])
@pytest.mark.parametrize("storage", [1, 2])
def test_what_trains_is_refused(kind, storage, rng):
    plan = kind(4, nodes_of(3, storage))
    X, y = usual(rng, (6, 4)), usual(rng, (6, 3))
    calls = [
        lambda: plan.compile("mse", 0.0, "sgd", {}),
        lambda: plan.train_forward(X, seed=0),
        lambda: plan.gradients(X, y, loss=("mse", ())),
        lambda: plan.backward(X, y),
        lambda: plan.blend(kind(4, nodes_of(3, storage)), 0.5),
        lambda: plan.initialize(0, "uniform", 1.0, 0),
        lambda: kind(4, nodes_of(3, storage), dtype="float64"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="few bits"):
            call()
    with pytest.raises(RuntimeError):
        train(plan, X, y, 0.1)


def test_a_few_rows_divided_over_threads_have_the_same_bits(rng):
    """Weights of more than half a second-level cache."""
    plan = filled(
        _kernels.Plan(1100, [*nodes_of(1100, 2, activation="relu"), *nodes_of(1100, 2), *nodes_of(3, 2)]), rng
    )
    X = usual(rng, (9, 1100))
    whole = plan.predict(X, threads=1)
    for threads in (2, 3):
        for rows in (1, 9):
            for _ in range(12):  # each way over the threads is tried
                assert_same_bits(plan.predict(X[:rows], threads=threads), whole[:rows])
