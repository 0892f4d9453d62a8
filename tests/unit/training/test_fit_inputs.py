"""What X may be: every kind of number trains as the same floats do; a memory map is read where it lies."""

import tracemalloc

import numpy as np
import pytest

from fastmlp import Network
from helpers import assert_same_bits

ROWS, N_IN = 40, 6


def trained(X, y, dtype="float32", **options):
    net = Network([N_IN, 5, 1], dtype=dtype, seed=3)
    net.compile("adam")
    return net, net.fit(X, y, epochs=2, batch_size=7, **options).history


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64", "uint16", "float16", "bool"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kind_of_number(rng, kind, dtype):
    X, y = rng.integers(0, 120, (ROWS, N_IN)), rng.normal(size=ROWS)
    X = (X > 60) if kind == "bool" else X.astype(kind)
    net, history = trained(X, y, dtype, validation_data=(X, y))
    other, expected = trained(X.astype(dtype), y, dtype, validation_data=(X.astype(dtype), y))
    assert history == expected and np.isfinite(history["loss"]).all()
    assert_same_bits(net.get_weights(), other.get_weights())
    assert net.evaluate(X, y) == other.evaluate(X.astype(dtype), y)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_memory_map_is_not_copied(rng, tmp_path, kind, mode):
    rows, columns = 20_000, 200  # much more than what else is allocated beside the rows
    X = rng.integers(0, 100, (rows, columns)).astype(kind)
    X.tofile(tmp_path / "X.raw")
    y = rng.normal(size=rows).astype(np.float32)
    mapped = np.memmap(tmp_path / "X.raw", dtype=kind, mode=mode, shape=X.shape)
    net, expected = (Network([columns, 1], seed=3) for _ in range(2))
    net.compile("adam")
    expected.compile("adam")
    expected.fit(X, y, epochs=1, batch_size=50)
    tracemalloc.start()
    net.fit(mapped, y, epochs=1, batch_size=50)
    net.evaluate(mapped, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_same_bits(net.get_weights(), expected.get_weights())
    order = 8 * rows  # the epoch's own
    assert peak < 1.5 * order + 0.5 * X.nbytes
