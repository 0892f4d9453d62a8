"""The counter-based generator against its published vectors and its twin, and what is made from it."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels, reference
from helpers import HYPER, assert_same_bits, dense, make_plan

SEEDS = [0, 1, 20, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1]


def words(text):
    return [int(word, 16) for word in text.split()]


# Random123's kat_vectors, philox4x32 with 10 rounds.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize("counter, key, expected", VECTORS)
def test_published_vectors(counter, key, expected):
    assert _kernels.philox(np.array(words(counter), np.uint32), words(key)).tolist() == words(expected)


def test_counters_of_any_shape():
    counters = np.random.default_rng(1).integers(0, 2**32, (5, 3, 4), dtype=np.uint32)
    out = _kernels.philox(counters, (7, 2**31))
    assert out.dtype == np.uint32
    assert_same_bits(out, reference.philox(counters, (7, 2**31)))
    assert_same_bits(out[2, 1], _kernels.philox(counters[2, 1], (7, 2**31)))
    for bad in (np.zeros(3, np.uint32), np.zeros((4, 5), np.uint32), np.uint32(0)):
        with pytest.raises(ValueError, match="counter has shape"):
            _kernels.philox(bad, (0, 0))


@pytest.mark.parametrize("seed", SEEDS)
def test_shuffle_is_its_twins_and_a_permutation(seed):
    for n in (2, 3, 4, 5, 6, 100, 1003):
        for epoch in (0, 1, 77, 2**32 - 1):
            order = _kernels.shuffled(seed, epoch, n)
            assert order.dtype == np.int64
            assert_same_bits(order, reference.shuffled(seed, epoch, n))
            assert_same_bits(np.sort(order), np.arange(n))
    assert _kernels.shuffled(seed, 0, 0).tolist() == [] and _kernels.shuffled(seed, 0, 1).tolist() == [0]


def test_shuffle_moves_every_row_everywhere():
    orders = np.array([_kernels.shuffled(seed, epoch, 5) for seed in range(40) for epoch in range(50)])
    counts = np.array([[np.sum(orders[:, place] == row) for row in range(5)] for place in range(5)])
    assert np.all(np.abs(counts - 400) < 90)  # 5 deviations of a fair draw of 2000


def test_shuffle_refuses_what_it_cannot_do():
    for arguments in (
        (0, 0, -1),
        (-1, 0, 5),
        (2**64, 0, 5),
        (0, -1, 5),
        (0, 2**32, 5),
        ("0", 0, 5),
        (0.5, 0, 5),
        (0, 0.5, 5),
    ):
        with pytest.raises((ValueError, OverflowError, TypeError)):
            _kernels.shuffled(*arguments)


SHAPES = [(1, 1), (3, 5), (7, 2), (16, 17), (33, 40)]


def initialized(shape, layer, kind, scale, seed, dtype, isa):
    """The weights of one layer of a plan whose layers all have that shape or its transpose."""
    k, n = shape
    widths = [k if number % 2 else n for number in range(layer + 1)]
    plan = _kernels.Plan(k, [dense(w, "tanh") for w in widths], dtype=dtype.name, isa=isa)
    plan.set_weights([np.full_like(w, 5) for w in plan.get_weights()])
    plan.initialize(layer, kind, scale, seed)
    weights = plan.get_weights()
    drawn = weights.pop(2 * layer)
    for other in weights:
        assert np.all(other == 5)
    return drawn


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_uniform_weights_are_their_twins_exactly(isa, dtype, shape, seed):
    for layer in (0, 2, 4):
        expected = reference.uniform_weights(seed, layer, shape, 0.37).astype(dtype)
        assert_same_bits(initialized(shape, layer, "uniform", 0.37, seed, dtype, isa), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_normal_weights_are_their_twins_but_for_rounding(isa, dtype, shape, seed):
    """cos loses digits to the rounding of 2 pi u where it crosses zero: an absolute 1e-15 there."""
    for layer in (0, 2):
        expected = reference.normal_weights(seed, layer, shape, 0.01)
        got = initialized(shape, layer, "normal", 0.01, seed, dtype, isa)
        rounding = np.finfo(np.float32).eps / 2 if dtype == np.float32 else 1e-12
        assert np.all(np.abs(got - expected) <= rounding * np.abs(expected) + 1e-15 * 0.01)
        assert np.all(got != 0)


def test_both_types_start_from_the_same_weights(isa):
    for kind in ("uniform", "normal"):
        double = initialized((40, 30), 0, kind, 0.1, 3, np.dtype("float64"), isa)
        assert_same_bits(
            initialized((40, 30), 0, kind, 0.1, 3, np.dtype("float32"), isa), double.astype(np.float32)
        )


def test_weights_have_the_distribution_they_should(isa):
    uniform = initialized((200, 250), 0, "uniform", 0.5, 9, np.dtype("float64"), isa)
    assert -0.5 <= uniform.min() < -0.4999 and 0.4999 < uniform.max() < 0.5
    assert abs(uniform.mean()) < 5 * 0.5 / np.sqrt(3 * 50000)
    assert uniform.var() == pytest.approx(1 / 12, rel=0.02)
    normal = initialized((200, 250), 0, "normal", 2.0, 9, np.dtype("float64"), isa)
    assert abs(normal.mean()) < 5 * 2 / np.sqrt(50000)
    assert normal.std() == pytest.approx(2, rel=0.015)
    assert np.mean(np.abs(normal) < 2) == pytest.approx(0.6827, abs=0.01)
    assert np.mean(normal**4) / 16 == pytest.approx(3, rel=0.1)
    assert abs(np.corrcoef(normal[:, ::2].ravel(), normal[:, 1::2].ravel())[0, 1]) < 0.02


def test_layers_and_seeds_draw_apart(isa):
    float64 = np.dtype("float64")
    drawn = [
        initialized((3, 3), layer, "normal", 1.0, seed, float64, isa)
        for layer in (0, 2)
        for seed in (0, 1, 2**32)
    ]
    assert len({w.tobytes() for w in drawn}) == 6
    assert len(np.unique(np.concatenate(drawn))) == 6 * 9


def test_each_array_of_a_layer_draws_its_own(isa, dtype):
    plan = _kernels.Plan(3, [dense(21, "tanh")], dtype=dtype.name, isa=isa)
    plan.initialize(0, "uniform", 0.5, 7, 1)
    W, b = plan.get_weights()
    assert_same_bits(b, reference.uniform_weights(7, 0, (21,), 0.5, 1).astype(dtype))
    assert not W.any() and len(np.unique(b)) == 21
    plan.initialize(0, "uniform", 0.5, 7)
    assert_same_bits(plan.get_weights()[1], b)
    assert not np.isin(plan.get_weights()[0], b).any()


def test_initialize_refuses_what_it_cannot_do(isa):
    plan = _kernels.Plan(2, [dense(2, "tanh")], isa=isa)
    plan.initialize(0, "normal", 1.0, 0)
    kept = plan.get_weights()
    for arguments in (
        (1, "normal", 1.0, 0),
        (-1, "normal", 1.0, 0),
        (0, "nonsense", 1.0, 0),
        (0, "normal", 1.0, -1),
        (0, "normal", 1.0, 2**64),
        (0, "normal", "wide", 0),
        (0, "normal", 1.0, 0, 2),
        (0, "normal", 1.0, 0, -1),
    ):
        with pytest.raises((ValueError, IndexError, OverflowError, TypeError)):
            plan.initialize(*arguments)
    assert_same_bits(plan.get_weights()[0], kept[0])


# Dropout, seen through a layer that changes nothing: its outputs are the mask


def mask_plan(width, rate, dtype, isa, layer=0):
    rates = [0.0] * layer + [rate]
    layers = [dense(width, use_bias=False, dropout=one) for one in rates]
    plan = make_plan(width, layers, [np.eye(width, dtype=dtype)] * (layer + 1), dtype, isa)
    plan.compile(None, 0.0, "sgd", HYPER["sgd"])
    return plan


@pytest.mark.parametrize("rate", [0.001, 0.1, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("width", [1, 5, 37, 300])
def test_dropout_masks_are_their_twins(isa, dtype, width, rate):
    rows = 70 if width < 100 else 9
    for seed, layer in ((0, 0), (2**64 - 1, 2), (2**40 + 3, 1)):
        plan = mask_plan(width, rate, dtype, isa, layer)
        ones = np.ones((rows, width), dtype)
        for step in range(2):
            mask = reference.dropout_mask(seed, layer, step, (rows, width), rate, dtype)
            assert_same_bits(plan.train_forward(ones, seed=seed), mask)
            assert_same_bits(plan.train_forward(ones[:3], seed=seed), mask[:3], zeros=True)
            plan.train_forward(ones, seed=seed)
            plan.train_backward(np.zeros_like(ones), 0.0)
            assert plan.step == step + 1


def test_dropout_keeps_its_share(isa):
    for rate in (0.2, 0.7):
        mask = mask_plan(300, rate, np.dtype("float32"), isa).train_forward(
            np.ones((300, 300), np.float32), seed=1
        )
        assert np.mean(mask == 0) == pytest.approx(rate, abs=0.01)
        assert mask.mean() == pytest.approx(1, abs=0.02)
        assert set(np.unique(mask)) == {0, np.float32(1 / (1 - rate))}


def test_dropout_is_off_where_nothing_is_trained(isa, dtype):
    plan = mask_plan(37, 0.5, dtype, isa)
    ones = np.ones((9, 37), dtype)
    for prediction in (plan.predict(ones), plan.forward(ones)[0]):
        assert_same_bits(prediction, ones)
    gradients, dX = plan.backward(ones, ones)
    assert_same_bits(dX, ones)
    assert_same_bits(gradients[0], np.full((37, 37), 9, dtype))


def test_cosine():
    x = np.concatenate(
        [np.linspace(-2 * np.pi, 2 * np.pi, 4001), [0.0, 1e-300, np.pi / 2, -np.pi, 2 * np.pi]]
    )
    got = np.array([_kernels.cosine(value) for value in x])
    assert np.all(np.abs(got - np.cos(x)) <= 1e-15)
    assert _kernels.cosine(0.0) == 1 and _kernels.cosine(np.pi) == -1
    assert_same_bits(got, np.array([_kernels.cosine(-value) for value in x]))
