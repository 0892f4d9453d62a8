"""The same bits for a row: alone, at any place in a batch, in the lanes of a narrow network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bits import NETWORKS, compiled, data, network
from fastmlp import _kernels
from helpers import (
    ELEMENTWISE,
    FMA_ISAS,
    HYPER,
    ISAS,
    LINKS,
    LOSSES,
    OUTPUT_OF,
    PARAMETERS,
    RATES,
    TRAINABLE,
    assert_same_bits,
    assert_trained,
    dense,
    layers_of,
    loss_parameters,
    make_plan,
    outputs_of,
    random_weights,
    targets,
    train,
)

# A row alone and at any place in a batch


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rows", [2, 7, 64, 1000])
def test_row_in_a_batch_is_the_row_alone(isa, dtype, name, rows):
    plan = network(name, dtype, isa)
    X = data(plan, rows)
    batch = plan.predict(X)
    alone = np.stack([plan.predict(x) for x in X])
    assert_same_bits(batch, alone)
    order = np.random.default_rng(3).permutation(rows)
    assert_same_bits(plan.predict(X[order]), alone[order])
    assert_same_bits(plan.forward(X)[0][-1], plan.forward(X[-1])[0])


@settings(max_examples=40, deadline=None, database=None)
@given(
    widths=st.lists(st.integers(1, 90), min_size=2, max_size=5),
    rows=st.integers(2, 130),
    double=st.booleans(),
    activation=st.sampled_from(TRAINABLE),
    seed=st.integers(0, 1000),
)
def test_any_network_has_the_same_bits(widths, rows, double, activation, seed):
    """Row alone or in a batch, and on every fma instruction set; the baseline keeps the first of the two."""
    dtype = np.dtype(np.float64 if double else np.float32)
    n_in, *widths = widths
    rng = np.random.default_rng(seed)
    layers = layers_of(widths, [activation, "tanh", activation][: len(widths) - 1], "softmax")
    weights = random_weights(rng, n_in, layers, dtype)
    X = rng.standard_normal((rows, n_in)).astype(dtype)
    results = {}
    for isa in ISAS:
        plan = make_plan(n_in, layers, weights, dtype, isa)
        results[isa] = plan.predict(X)
        for r in {0, rows // 2, rows - 1}:
            assert_same_bits(plan.predict(X[r]), results[isa][r])
        assert_same_bits(plan.predict(X[rows // 2 :]), results[isa][rows // 2 :])
    for isa in FMA_ISAS:
        assert_same_bits(results[isa], results[FMA_ISAS[0]])


@pytest.mark.parametrize("loss", LOSSES)
def test_evaluate_adds_rows_in_order_in_float64(isa, dtype, loss):
    plan = compiled("narrow", dtype, isa, loss)
    X, y = data(plan, 700, loss)
    weight = np.random.default_rng(4).uniform(0.1, 2, 700).astype(dtype)
    total = correct = 0.0
    for r in range(700):
        row_loss, row_correct = plan.evaluate(X[r : r + 1], y[r : r + 1], weight[r : r + 1])
        assert row_loss == dtype.type(row_loss)
        total, correct = total + row_loss, correct + row_correct
    assert plan.evaluate(X, y, weight) == (total, correct)
    assert total != 0


def test_input_gradient_of_a_row_does_not_depend_on_the_batch(isa, dtype):
    plan = network("narrow", dtype, isa)
    X = data(plan, 70)
    d = np.random.default_rng(5).standard_normal((70, plan.n_out)).astype(dtype)
    dX = plan.backward(X, d)[1]
    for r in range(70):
        assert_same_bits(plan.backward(X[r : r + 1], d[r : r + 1])[1], dX[r : r + 1])


# Networks so narrow that batch rows go in the lanes


@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", "log_softmax"])
@pytest.mark.parametrize("hidden", ELEMENTWISE)
def test_rows_of_a_narrow_network_are_the_same_alone(isa, dtype, hidden, output):
    p = PARAMETERS[hidden]
    layers = [dense(4, hidden, p), dense(3, hidden, p, use_bias=False), dense(4, output)]
    plan = _kernels.Plan(7, layers, dtype=dtype, isa=isa)
    rng = np.random.default_rng(11)
    plan.set_weights([0.4 * rng.standard_normal(w.shape).astype(dtype) for w in plan.get_weights()])
    X = rng.standard_normal((101, 7)).astype(dtype)
    alone = np.array([plan.predict(row) for row in X])
    assert np.all(np.isfinite(alone)) and np.ptp(alone) > 0.01
    for rows in (2, 15, 16, 17, 33, 101):
        assert_same_bits(plan.predict(X[:rows]), alone[:rows])
        assert_same_bits(plan.predict(X[-rows:].astype(np.float64)), alone[-rows:])
    with pytest.raises(ValueError):
        plan.predict(np.where(np.arange(101)[:, None] == 100, np.nan, X))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if LINKS[loss] != "softmax"])
def test_rows_of_one_target_lose_as_each_alone(isa, dtype, loss, weighted):
    """Few outputs put batch rows in the lanes; the loss of arrays sees each row by itself.

    With unit weights the prediction's logit is the input, so the gradient of the input is the loss's own.
    """
    rng = np.random.default_rng(5)
    n = outputs_of(loss, 2 if loss == "cosine_similarity" else 1)  # a cosine of one number is its sign
    z, y = (3 * rng.standard_normal((37, n)).astype(dtype), targets(rng, loss, 37, n, dtype))
    weight = rng.random(37).astype(dtype) if weighted else None
    plan = _kernels.Plan(n, [dense(n, OUTPUT_OF[LINKS[loss]], use_bias=False)], dtype=dtype, isa=isa)
    plan.set_weights([np.eye(n)])
    plan.compile(loss, loss_parameters(loss), "sgd", {})
    values, d, correct = _kernels.loss_gradient(loss, loss_parameters(loss), z, y, weight, isa=isa)
    assert np.any(d > 0) and np.any(d < 0)
    assert_same_bits(plan.gradients(z, y, weight, input_gradient=True)[2], d)
    total = right = 0.0
    for row, value in enumerate(values):
        total += float(value)
        right += correct[row] * (1.0 if weight is None else float(weight[row]))
    assert plan.evaluate(z, y, weight) == (total, right)


NARROW = [
    (2, [4, 1], ["tanh"], "binary_crossentropy", "sgd"),
    (3, [4, 3, 1], ["mish", "relu"], "huber", "adam"),
    (1, [1, 1], ["gelu"], "poisson", "sgd"),
    (4, [4, 4], ["gelu"], "sparse_categorical_crossentropy", "adam"),
    (4, [3, 4, 2], ["leaky_relu", "softplus"], "categorical_crossentropy", "adamw"),
    (2, [4, 3], ["tanh"], "mse", "rmsprop"),
    (2, [3], [], "binary_crossentropy", "adagrad"),
    (3, [4, 4], ["tanh"], "gaussian_nll", "amsgrad"),
]


@pytest.mark.parametrize("n_in, widths, hidden, loss, optimizer", NARROW)
def test_narrow_networks_train_as_wide_ones(isa, dtype, n_in, widths, hidden, loss, optimizer):
    """A narrow network trains with batch rows in the lanes; inputs that are all 0 make it a wide one.

    Each of those adds 0 to every sum, so the bits must be those of the network without them.
    """
    rng = np.random.default_rng(13)
    layers = layers_of(widths, hidden, OUTPUT_OF[LINKS[loss]])
    weights = random_weights(rng, n_in, layers, dtype)
    X = rng.standard_normal((301, n_in)).astype(dtype)
    y, weight = targets(rng, loss, 301, widths[-1], dtype), rng.random(301).astype(dtype)
    wide_X = np.zeros((301, 17), dtype)
    wide_X[:, :n_in] = X
    for batch_size, threads in ((16, 1), (50, 1), (301, 1), (301, 3)):
        results = []
        for inputs in (X, wide_X):
            rows = np.zeros((inputs.shape[1], widths[0]), dtype)
            rows[:n_in] = weights[0]
            plan = make_plan(inputs.shape[1], layers, [rows, *weights[1:]], dtype, isa)
            plan.compile(loss, loss_parameters(loss), optimizer, HYPER[optimizer])
            sums = train(plan, inputs, y, RATES[optimizer], 3, weight, batch_size=batch_size, threads=threads)
            after = plan.get_weights()
            results.append(([after[0][:n_in], *after[1:]], sums))
        assert results[0][1] == results[1][1]
        assert_same_bits(results[0][0], results[1][0])
        assert_trained(results[0][0], weights)


@pytest.mark.parametrize("kind", ["uint8", "float64", "rescaled", "strided"])
def test_narrow_networks_read_any_rows(isa, kind):
    rng = np.random.default_rng(3)
    X, y = rng.integers(0, 256, (100, 3)), rng.integers(0, 2, (100, 1)).astype("f")
    inputs = {"uint8": X.astype(np.uint8), "float64": X.astype(float), "rescaled": X.astype(np.uint8)}
    given = inputs.get(kind, np.repeat(X.astype("f"), 2, axis=0)[::2])
    shown = (X / np.float32(255)).astype("f") if kind == "rescaled" else X.astype("f")
    layers = layers_of([4, 1], ["tanh"], "sigmoid")
    weights = [0.01 * w for w in random_weights(rng, 3, layers, "f")]
    divisor = {"input_divisor": np.full(3, 255.0)} if kind == "rescaled" else {}
    plans = [make_plan(3, layers, weights, "f", isa, **more) for more in (divisor, {})]
    for plan, inputs in zip(plans, (given, shown), strict=True):
        plan.compile("binary_crossentropy", 0.0, "sgd", {})
        train(plan, inputs, y, 0.01, 2, batch_size=40)
    assert_same_bits(plans[0].get_weights(), plans[1].get_weights())
    assert_trained(plans[0].get_weights(), weights)
