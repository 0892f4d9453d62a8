"""`Network.adapt`: weights that begin by what they are given to work on."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _kernels, validation
from ..layers import Dense
from ..layers.lowering import input_vectors, nodes_of
from ..model import Array, Model

MOST_ROWS = 4096  # that a start is computed on
_MEAN_OF = 5  # rows


def adapt(net: Model, X: Any) -> None:
    inputs = validation.as_inputs(X, net.plan.n_in, net.dtype)
    rng = np.random.Generator(np.random.PCG64(net.seed))
    rows = inputs if len(inputs) <= MOST_ROWS else inputs[rng.permutation(len(inputs))[:MOST_ROWS]]
    with net.changing():
        before = net.get_weights()
        try:
            _start_all(net, rows, rng)
        except BaseException:
            net.set_weights(before)
            raise


def _start_all(net: Model, rows: Array, rng: np.random.Generator) -> None:
    """Every dense layer in turn, as what it takes in depends on those before it."""
    at = 0  # of the layer's arrays among all
    for place, node in enumerate(nodes_of(net.plan.n_in, net.layers)):
        if node.layer.kind == Dense.kind and node.spec()["trainable"]:
            weights = net.get_weights()
            started = _started(_inputs(net, place, rows), weights[at], rng)
            weights[at : at + len(node.shapes)] = started[: len(node.shapes)]
            net.set_weights(weights)
        at += len(node.shapes)


def _inputs(net: Model, place: int, rows: Array) -> Array:
    """What node `place` takes in; of members, the rows of all."""
    if place:
        return net.plan.forward(rows)[place - 1].reshape(-1, net.plan.layers[place - 1]["units"])
    shift, divisor = input_vectors(net.plan.n_in, net.layers, net.dtype)
    rows = rows.astype(net.dtype)
    rows = rows if shift is None else rows - shift.astype(net.dtype)
    return rows if divisor is None else rows / divisor.astype(net.dtype)


def _started(inputs: Array, W: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """W with pre-activations of unit variance, and b minus a random mean of five rows' for each unit."""
    z = _kernels.dense_forward(inputs, W)
    if not np.isfinite(z).all():
        where = f"in the dense layer of {z.shape[1]} units"
        raise ValueError(f"X leads to numbers beyond {z.dtype} {where}, expected finite ones")
    spread = z.std(axis=0, dtype=np.float64)
    factor: Array = np.asarray(1.0 / np.where(spread > 1e-12, spread, 1.0))
    rows = rng.integers(0, len(z), (z.shape[1], _MEAN_OF))
    weights = rng.standard_exponential((z.shape[1], _MEAN_OF))
    weights /= weights.sum(axis=1, keepdims=True)
    chosen = z[rows, np.arange(z.shape[1])[:, None]].astype(np.float64)
    means: Array = np.asarray((chosen * weights).sum(axis=1))
    return np.asarray(W * factor, W.dtype), np.asarray(-means * factor, W.dtype)
