"""The same bits with any threads, in slices, run after run."""

from __future__ import annotations

import numpy as np
import pytest

from bits import compiled, data, trained
from helpers import (
    HYPER,
    OPTIMIZERS,
    assert_same_bits,
    assert_trained,
    layers_of,
    make_plan,
    normalization,
    random_weights,
    run_of,
    train,
)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_predictions(fma_isa, dtype, threads):
    plan = compiled("wide", dtype, fma_isa)
    X, y = data(plan, 1003, "categorical_crossentropy")
    assert 1003 * plan.num_parameters > 3 * 2e6, "too little work to be divided"
    assert_same_bits(plan.predict(X, threads=threads), plan.predict(X, threads=1))
    assert_same_bits(plan.predict(X.astype(np.float64), threads=threads), plan.predict(X, threads=1))
    assert plan.evaluate(X, y, threads=threads) == plan.evaluate(X, y, threads=1)


@pytest.mark.parametrize("hyper", [{}, {"global_clipnorm": 0.5}], ids=["", "clipped"])
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_training(fma_isa, dtype, threads, hyper):
    def run(threads):
        plan = compiled("wide", dtype, fma_isa, dropout=0.2, **hyper)
        X, y = data(plan, 401, "categorical_crossentropy")
        assert 200 * 3 * plan.num_parameters > 3 * 2e6, "too little work to be divided"
        before = plan.get_weights()
        sums = train(plan, X, y, 0.01, batch_size=200, threads=threads)
        assert_trained(plan.get_weights(), before)
        return plan.get_weights(), sums

    one, other = run(1), run(threads)
    assert_same_bits(other[0], one[0])
    assert other[1] == one[1]


@pytest.mark.parametrize("hyper", [{"l2": 1e-3}, {"global_clipnorm": 0.5}], ids=["penalty", "clipped"])
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"), [(2000, 190, 2), (3650, 301, 2), (7400, 700, 1), (1030, 1024, 10)]
)
def test_every_way_of_a_step_has_the_same_bits(fma_isa, dtype, rows, batch_size, epochs, norm, hyper):
    """Large batches of a network with few weights: threads share weights, or hand on sums over the rows.

    Sums that start anew in a chain's first block and behind whole blocks, and a last batch with rows for one.
    Each way has three batches before the fastest one goes on.
    """
    layers = layers_of([100, 97, 3], ["relu", "tanh"], "softmax", 0.1)
    weights = random_weights(np.random.default_rng(8), 20, layers, dtype)
    if norm:
        layers.insert(1, normalization(norm))
        weights[2:2] = [np.ones(100, dtype), np.zeros(100, dtype)] * (2 if norm == "batch" else 1)
    results = []
    for threads in (1, 2, 3):
        plan = make_plan(20, layers, weights, dtype, fma_isa)
        plan.compile("sparse_categorical_crossentropy", 0.0, "adam", {**HYPER["adam"], **hyper})
        X, y = data(plan, rows, "sparse_categorical_crossentropy")
        assert batch_size * 3 * plan.num_parameters > 1e6, "too little work to be divided"
        assert batch_size * 420 > 2 * 1.2 * plan.num_parameters, "too many weights for a relay"
        assert rows // batch_size * epochs >= 9, "too few batches for every way"
        results.append((plan, train(plan, X, y, 0.01, epochs=epochs, batch_size=batch_size, threads=threads)))
    assert_trained(results[0][0].get_weights(), weights)
    for plan, sums in results[1:]:
        assert_same_bits(plan.get_weights(), results[0][0].get_weights())
        assert sums == results[0][1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_slices_do_not_change_training(isa, dtype, optimizer):
    whole, sums = trained(isa, dtype, optimizer, seconds=10)
    sliced, sliced_sums = trained(isa, dtype, optimizer, seconds=0)
    assert_same_bits(sliced, whole)
    assert sliced_sums == sums


def test_slices_do_happen(isa):
    plan = compiled("narrow", np.float32, isa)
    X, y = data(plan, 150, "categorical_crossentropy")
    run = run_of(plan, X, y, batch_size=1)
    trained = 0
    for _ in range(5):  # the first slice may be longer: a copy of cold memory takes its time
        run.begin(np.full((1, 150), 0.01))
        run.advance(seconds=0)
        trained = 150 if run.finished else run.batch
    assert 1 <= trained < 150


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_runs_repeat(isa, dtype, optimizer):
    one, other = trained(isa, dtype, optimizer), trained(isa, dtype, optimizer)
    assert_same_bits(other[0], one[0])
    assert other[1] == one[1]


def test_seed_and_epoch_matter(isa, dtype):
    """What is equal above is not equal for want of randomness."""

    def run(seed, first_epoch, shuffle=True, dropout=0.0):
        plan = compiled("narrow", dtype, isa, dropout=dropout)
        X, y = data(plan, 64, "categorical_crossentropy")
        train(plan, X, y, 0.01, seed=seed, epoch=first_epoch, shuffle=shuffle)
        return plan.get_weights()[0].tobytes()

    assert len({run(1, 0), run(2, 0), run(1, 1), run(1, 0, False), run(1, 0, dropout=0.3)}) == 5
    assert run(1, 0, False) == run(2, 1, False)
    assert run(1, 0, False, 0.3) != run(2, 0, False, 0.3)


def test_batches_of_another_size_in_between_do_not_matter(isa, dtype):
    """The buffers of training are made anew when the size of the batch changes."""
    loss = "categorical_crossentropy"
    plan = compiled("narrow", dtype, isa, loss, dropout=0.3)
    X, y = data(plan, 50, loss)
    for batch_size in (50, 7, 1, 33):
        train(plan, X, y, 0.01, batch_size=batch_size)
    fresh = compiled("narrow", dtype, isa, loss, dropout=0.3)
    for batch_size in (50, 7, 1, 33):
        train(fresh, X, y, 0.01, batch_size=batch_size)
        other = compiled("narrow", dtype, isa, loss, dropout=0.3)
        other.set_weights(fresh.get_weights())
        other.set_state(fresh.get_state())
        fresh = other
    assert_same_bits(fresh.get_weights(), plan.get_weights())


def heavy(dtype, isa):
    """A network with more weights than half a second-level cache: its layers may be divided over threads.

    Units that fill no whole panels, a layer of two chains an element, one that is not divided, and a sum.
    """
    layers = layers_of([611, 400, 20, 400, 33], ["relu", "tanh", "sigmoid", "relu"], "identity")
    weights = random_weights(np.random.default_rng(8), 100, layers, dtype)
    layers[3:3] = [normalization("layer")]
    weights[6:6] = [np.ones(20, dtype), np.zeros(20, dtype)]
    layers[5:5] = [{"kind": "add", "source": 1, "activation": "tanh"}]
    plan = make_plan(100, layers, weights, dtype, isa)
    assert plan.num_parameters * np.dtype(dtype).itemsize > 2**20, "too few weights to be divided"
    return plan


CALLS = 12  # three each way, and some in the fastest


@pytest.mark.parametrize("threads", [2, 3])
def test_every_way_of_a_prediction_has_the_same_bits(fma_isa, dtype, threads):
    """Alone, with rows shared out, and with each layer's units divided."""
    plan = heavy(dtype, fma_isa)
    for rows in (1, 2, 7, 33, 64, 65):
        X = data(plan, rows)
        expected = plan.predict(X, threads=1)
        assert np.all(np.std(expected, axis=-1) > 0)
        for _ in range(CALLS):
            assert_same_bits(plan.predict(X, threads=threads), expected)
            assert_same_bits(plan.predict(X.astype(np.float64), threads=threads), expected)


def wide_input(dtype, isa):
    """The same with more inputs than units: sums of the first layer tell whether these are finite."""
    layers = layers_of([400, 33], ["relu"], "identity")
    return make_plan(1500, layers, random_weights(np.random.default_rng(9), 1500, layers, dtype), dtype, isa)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [heavy, wide_input])
def test_every_way_of_a_prediction_looks_at_its_input(make, bad, dtype):
    plan = make(dtype, None)
    X = data(plan, 3)
    for row in range(3):
        wrong = X.copy()
        wrong[row, 50] = bad
        for _ in range(CALLS):
            with pytest.raises(ValueError, match="NaN or infinity"):
                plan.predict(wrong, threads=2)
            plan.predict(X, threads=2)
