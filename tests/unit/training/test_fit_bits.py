"""The same bits: in pieces, from files, on every instruction set, with any number of threads."""

import copy
import pickle

import numpy as np
import pytest

import fastmlp
from fastmlp import Dropout, Network, optimizers
from fastmlp.training import passes
from fits import ALL_OPTIMIZERS, N_IN, N_OUT, ROWS, network
from helpers import (
    FMA_ISAS,
    assert_same_bits,
    assert_trained,
)


@pytest.mark.parametrize("optimizer", ALL_OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("copied", ["not at all", "file", "pickle", "deepcopy"])
def test_a_resumed_run_ends_with_the_bits_of_one(tmp_path, data, dtype, optimizer, copied):
    X, y = data
    batch_size = ROWS if optimizer.all_rows else 8
    whole, first = network(optimizer=optimizer, dtype=dtype), network(optimizer=optimizer, dtype=dtype)
    whole.fit(X, y, epochs=5, batch_size=batch_size)
    first.fit(X, y, epochs=2, batch_size=batch_size)
    assert any(np.any(a != b) for a, b in zip(first.get_weights(), whole.get_weights(), strict=True))
    if copied == "file":
        first.save(tmp_path / "net.npz", include_optimizer=True)
        second = fastmlp.load(tmp_path / "net.npz")
    elif copied == "pickle":
        second = pickle.loads(pickle.dumps(first))
    else:
        second = copy.deepcopy(first) if copied == "deepcopy" else first
    if second is not first:
        first.fit(X, y, epochs=9, batch_size=None)  # a copy shares nothing with its origin
    second.fit(X, y, epochs=3, batch_size=batch_size)
    assert_same_bits(second.get_weights(), whole.get_weights())
    assert second.plan.step == whole.plan.step == 5 * -(-ROWS // batch_size)
    for one, other in zip(second.plan.get_state()["slots"], whole.plan.get_state()["slots"], strict=True):
        assert_same_bits(one, other)


def wide(isa, threads, optimizer, dtype):
    """A training run large enough for several threads."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(700, 64)), rng.integers(0, 10, 700)
    net = Network(
        [64, 96, Dropout(0.2), 48, 10], activation="gelu", output="softmax", dtype=dtype, seed=1, isa=isa
    )
    net.compile(optimizer)
    before = net.get_weights()
    history = net.fit(X, y, epochs=3, batch_size=256, validation_split=0.1, threads=threads)
    assert_trained(net.get_weights(), before)
    return net.get_weights(), history.history


@pytest.mark.parametrize(
    "optimizer", [optimizers.Adam(0.01, global_clipnorm=0.5), optimizers.SGD(0.1, momentum=0.9)]
)
def test_instruction_sets_and_threads_train_the_same_bits(dtype, optimizer):
    expected, numbers = wide(FMA_ISAS[-1], 1, optimizer, dtype)
    for isa in FMA_ISAS:
        for threads in (1, 2, 3):
            weights, history = wide(isa, threads, optimizer, dtype)
            assert_same_bits(weights, expected)
            assert history == numbers and len(numbers) == 4


def test_slices_of_time_do_not_change_the_numbers(rng, monkeypatch):
    """An epoch's loss adds its rows in one order, wherever the slices end."""
    X, y = rng.normal(size=(3000, N_IN)), rng.integers(0, N_OUT, 3000)
    results = []
    for seconds in (0.0, 1e-4, 1e9):
        monkeypatch.setattr(passes, "SLICE", seconds)
        net = network(optimizer="adam")
        history = net.fit(X, y, epochs=2, batch_size=7)
        results.append((net.get_weights(), history.history))
    for weights, history in results:
        assert_same_bits(weights, results[0][0])
        assert history == results[0][1]
