"""What every kind of layer keeps, walked from the twin's registry; frozen layers, skips and factors."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Dense, Network, Residual, Scale, _kernels, reference
from helpers import (
    FMA_ISAS,
    HYPER,
    assert_close,
    assert_same_bits,
    assert_trained,
    dense,
    make_plan,
    random_weights,
    train,
)

KINDS = list(reference.KINDS)
EPS = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}
LOSS = "sparse_categorical_crossentropy"
CODES = (2, 7, 1)  # how many each of the last columns of rows_of has


def nodes_of(kind, width=13):
    """A network around one layer of a kind, with an activation and, where it takes two inputs, a source."""
    traits = reference.KINDS[kind].traits
    source = {"source": 0} if "two_inputs" in traits else {}
    if "reads_codes" in traits:
        tables = {"sizes": CODES, "dims": (2, width, 1)}
        return [
            {"kind": kind, "activation": "tanh", **tables},
            {"kind": "dense", "units": 3, "activation": "softmax"},
        ]
    while not reference.layers.width_of(reference.layers.node_of({"kind": kind}, width), width):
        width += 1  # to one that the kind takes
    return [
        {"kind": "dense", "units": width, "activation": "tanh"},
        {"kind": "dense", "units": width, "activation": "tanh"},
        {"kind": kind, "activation": "tanh", "function": "silu", **source},
        {"kind": "dense", "units": 3, "activation": "softmax"},
    ]


def filled(plan, rng):
    """Sets random arrays; vectors are positive, as a variance must be."""
    arrays = [
        rng.normal(size=a.shape) / np.sqrt(len(a)) if a.ndim == 2 else rng.uniform(0.5, 1.5, a.shape)
        for a in plan.get_weights()
    ]
    plan.set_weights(arrays)
    return plan.get_weights()


def arrays_of(plan):
    """What the twin's registry says of the arrays of a plan's layers."""
    widths = [plan.n_in, *(node["units"] for node in plan.layers)]
    for node, n_in in zip(plan.layers, widths, strict=False):
        yield from reference.KINDS[node["kind"]].arrays(node, n_in).values()


def rows_of(rng, rows, dtype="float64"):
    X = rng.normal(size=(rows, 5))
    X[:, 2:] = rng.integers(0, CODES, (rows, 3))
    return X.astype(dtype), rng.integers(0, 3, rows)


@pytest.mark.parametrize("kind", KINDS)
def test_the_twin_agrees(kind, isa, dtype, rng):
    plan = _kernels.Plan(5, nodes_of(kind), dtype=dtype.name, isa=isa)
    twin = reference.Plan(5, nodes_of(kind), dtype="float64")
    twin.set_weights(filled(plan, rng))
    X, y = rows_of(rng, 61, dtype)
    assert_close(plan.predict(X), twin.predict(X.astype(float)).astype(dtype), 256 * EPS[dtype.name])
    before = plan.get_weights()
    for one in (plan, twin):
        one.compile(LOSS, 0.0, "sgd", {})
        train(one, X.astype(one.dtype), y, 0.1, epochs=2)
    assert_trained(plan.get_weights(), before)
    for got, expected in zip(plan.get_weights(), twin.get_weights(), strict=True):
        assert_close(got, expected.astype(dtype), 1024 * EPS[dtype.name])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_differences_of_the_loss(kind, isa, rng):
    plan = _kernels.Plan(5, nodes_of(kind), dtype="float64", isa=isa)
    arrays = filled(plan, rng)
    plan.compile(LOSS, 0.0, "sgd", {})
    X, y = rows_of(rng, 23)
    _, gradients, dX = plan.gradients(X, y, input_gradient=True)

    def difference(array, at):
        losses, kept, h = [], array[at], 1e-5
        for value in (kept + h, kept - h):
            array[at] = value
            plan.set_weights(arrays)
            losses.append(plan.evaluate(X, y)[0] / len(X))
        array[at] = kept
        plan.set_weights(arrays)
        return (losses[0] - losses[1]) / (2 * h)

    kept = [array.moves for array in arrays_of(reference.Plan(5, nodes_of(kind)))]
    moved = [pair for pair, moves in zip(zip(arrays, gradients, strict=True), kept, strict=True) if moves]
    reals = 2 if "reads_codes" in reference.KINDS[kind].traits else 5  # a code cannot be moved a little
    for array, gradient in [*moved, (X[:, :reals], dX[:, :reals])]:
        for at in list(np.ndindex(array.shape))[:: max(1, array.size // 5)]:
            assert abs(difference(array, at) - gradient[at]) < 1e-8
    assert all(np.abs(gradient).max() > 1e-5 for gradient in (gradients[0], gradients[-1], dX))


@pytest.mark.parametrize("kind", KINDS)
def test_bits_depend_on_nothing(kind, dtype, rng):
    """Neither on the instruction set, threads, nor on the rows beside."""
    X, y = rows_of(rng, 300, dtype)
    found = []
    for isa in FMA_ISAS:
        for threads in (1, 2, 3):
            plan = _kernels.Plan(5, nodes_of(kind, 37), dtype=dtype.name, isa=isa)
            before = filled(plan, np.random.default_rng(4))
            plan.compile(LOSS, 0.0, "adam", HYPER["adam"])
            train(plan, X, y, 0.01, epochs=2, batch_size=128, threads=threads)
            whole = plan.predict(X, threads=threads)
            assert_same_bits(np.concatenate([plan.predict(X[:7]), plan.predict(X[7:])]), whole)
            assert_trained(plan.get_weights(), before)
            found.append([*plan.get_weights(), whole])
    for other in found[1:]:
        for got, expected in zip(other, found[0], strict=True):
            assert_same_bits(got, expected)


def test_residual_adds_its_input(rng):
    net = Network([5, 4, Residual([Dense(4, "tanh")]), 2], dtype="float64", output="identity", seed=1)
    U, a, W, b, V, c = net.get_weights()
    X = rng.normal(size=(9, 5))
    x = np.maximum(X @ U + a, 0)
    assert_close(net.predict(X), (x + np.tanh(x @ W + b)) @ V + c, 1e-13)


def test_a_frozen_layer_keeps_its_arrays_and_the_rest_learns(isa, dtype, rng):
    nodes = nodes_of("scale")
    nodes[1]["trainable"] = False
    plan = _kernels.Plan(5, nodes, dtype=dtype.name, isa=isa)
    before = filled(plan, rng)
    X, y = rows_of(rng, 61, dtype)
    plan.compile(LOSS, 0.0, "sgd", {})
    train(plan, X, y, 0.1)
    after = plan.get_weights()
    assert_same_bits(after[2], before[2])
    assert_same_bits(after[3], before[3])
    assert_trained(after[:2] + after[4:], before[:2] + before[4:])


def test_factors_multiply_the_learning_rate(isa, rng):
    """One SGD step moves an array by its factor as much."""
    X, y = rows_of(rng, 16)  # one batch
    moved = []
    for factors in ({}, {"s": 4.0}):
        nodes = nodes_of("scale")
        nodes[2]["learning_rate"] = factors
        plan = _kernels.Plan(5, nodes, dtype="float64", isa=isa)
        before = filled(plan, np.random.default_rng(4))
        plan.compile(LOSS, 0.0, "sgd", {})
        train(plan, X, y, 0.1)
        moved.append([now - then for now, then in zip(plan.get_weights(), before, strict=True)])
    for number, (plain, scaled) in enumerate(zip(*moved, strict=True)):
        assert_close(scaled, plain * (4.0 if number == 4 else 1.0), 1e-9)


@pytest.mark.parametrize("penalty", ["l1", "l2", "weight_decay"])
def test_a_factor_of_decay_is_one_of_penalties(isa, rng, penalty):
    """Ten steps of the plan and of its twin, whose first layer has thrice the penalty and whose last none."""
    layers = [dense(7, "tanh"), dense(3)]
    weights = random_weights(rng, 5, layers, np.float64)
    layers[0]["weight_decay"], layers[1]["weight_decay"] = {"W": 3.0}, {"W": 0.0}
    X, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    after = []
    for kind in (isa, "numpy"):
        plan = make_plan(5, layers, weights, np.float64, kind)
        plan.compile("mse", 0.0, "adam", {**HYPER["adam"], penalty: 0.02})
        train(plan, X, y, 0.01, epochs=2, batch_size=8)
        after.append(plan.get_weights())
    assert_trained(after[0], weights)
    assert_close(*after, 1e-11)


def test_a_skip_from_a_layer_of_another_width_is_refused():
    nodes = [{"kind": "dense", "units": 4}, {"kind": "dense", "units": 3}, {"kind": "add", "source": 0}]
    with pytest.raises(ValueError, match="adds layer 0, expected one before it with 3 outputs"):
        _kernels.Plan(5, nodes)


def test_scale_begins_as_the_identity():
    assert_same_bits(Network([4, Scale(), 3], seed=2).get_weights()[0], np.ones(4, np.float32))
