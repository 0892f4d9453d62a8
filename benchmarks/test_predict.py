"""Whole networks predicting: `Network.predict` against the twin's Plan on the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastmlp import Network, reference

from .checks import deviation

NETS = {
    "2-3-2-2": ([2, 3, 2, 2], "sigmoid", "identity"),
    "17-64-64-6": ([17, 64, 64, 6], "tanh", "identity"),
    "784-16-16-10": ([784, 16, 16, 10], "sigmoid", "softmax"),
    "784-100-10": ([784, 100, 10], "sigmoid", "softmax"),
    "13-37-1000-561": ([13, 37, 1000, 561], "relu", "identity"),
}


def make(name: str, dtype: Any) -> tuple[Network, reference.Plan]:
    """The network and its twin, with the same weights."""
    widths, activation, output = NETS[name]
    net = Network(widths, activation=activation, output=output, dtype=dtype.name, seed=0)
    twin = reference.Plan(widths[0], net.plan.layers, dtype=dtype.name)
    twin.set_weights(net.get_weights())
    return net, twin


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("rows", [1, 32, 4096])
@pytest.mark.parametrize("who", ["fastmlp", "numpy"])
def test_predict(benchmark: Any, name: str, rows: int, who: str, dtype: Any, normal: Any) -> None:
    net, twin = make(name, dtype)
    X = normal(rows, net.layer_sizes[0])
    assert deviation(net.predict(X), twin.predict(X)) < 64 * np.finfo(dtype).eps * len(net.layer_sizes)
    benchmark.group = f"predict {name}, {rows} rows, {dtype}"
    benchmark((net if who == "fastmlp" else twin).predict, X, threads=1)
