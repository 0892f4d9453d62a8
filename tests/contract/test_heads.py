"""Heads: slices of the output, each with its activation, and losses that are sums of theirs."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels, reference, registry
from helpers import (
    ELEMENTWISE,
    FMA_ISAS,
    HYPER,
    LINKS,
    LOSSES,
    OUTPUT_OF,
    PARAMETERS,
    TRAINABLE,
    assert_close,
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
    train_epochs,
)

# In the lanes, in a panel, in many: inputs, hidden units.
SIZES = {"narrow": (5, 4), "one panel": (20, 30), "wide": (33, 70)}
TASKS = ["mse", "sparse_categorical_crossentropy", "binary_crossentropy", "gaussian_nll"]
WEIGHTS = [0.7, 1.3, 2.5, 0.4]


def head_of(loss, weight, count=1):
    """(columns, activation, parameter) of a head, and its part of the loss."""
    outputs = outputs_of(loss, count if LINKS[loss] != "softmax" else 3)
    activation = OUTPUT_OF[LINKS[loss]]
    return (outputs, activation, PARAMETERS[activation]), (loss, loss_parameters(loss), outputs, weight)


def heads_of(losses, weights, count=1):
    pairs = zip(losses, weights, strict=True)
    heads, parts = zip(*(head_of(*pair, count) for pair in pairs), strict=True)
    return heads, (parts, ())


def plan_of(size, dtype, isa, losses=TASKS, weights=WEIGHTS, dropout=0.0):
    """A plan, and the loss of its heads."""
    n_in, hidden = SIZES[size]
    heads, loss = heads_of(losses, weights, 7 if size == "wide" else 1)
    layers = layers_of([hidden, sum(head[0] for head in heads)], ["tanh"], "identity", dropout)
    arrays = random_weights(np.random.default_rng(1), n_in, layers, dtype)
    return make_plan(n_in, layers, arrays, dtype, isa, heads=heads), loss


def data(plan, loss, rows=70):
    """X, y and weights of rows."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((rows, plan.n_in)).astype(plan.dtype)
    columns = [
        targets(rng, name, rows, outputs, plan.dtype).reshape(rows, -1) for name, _, outputs, _ in loss[0]
    ]
    weight = rng.uniform(0.2, 2, rows).astype(plan.dtype)
    return X, np.concatenate(columns, axis=1).astype(plan.dtype), weight


def slices(columns, widths):
    return np.split(columns, np.cumsum(widths)[:-1], axis=-1)


def alone(p, y, weight, loss, isa):
    """Of each head what `loss_gradient` says of it alone."""
    outputs = slices(p, [head[2] for head in loss[0]])
    own = slices(y, reference.losses.target_columns(loss[0]))
    for (name, parameters, _, _), z, t in zip(loss[0], outputs, own, strict=True):
        if name in registry.LABEL_LOSSES:
            t = t[:, 0].astype(np.int64)
        yield _kernels.loss_gradient(name, parameters, np.ascontiguousarray(z), t, weight, isa=isa)


def test_a_loss_of_heads_is_the_weighted_sum_of_each_ones(isa, dtype):
    """Every loss there is, in one output; the values to the bit."""
    rng = np.random.default_rng(0)
    weights = [0.5 + 0.25 * i for i in range(len(LOSSES))]
    heads, loss = heads_of(LOSSES, weights, 2)  # a cosine of one number is its sign
    widths = [head[0] for head in heads]
    _, y, weight = data(plan_of("wide", dtype, None)[0], loss, 37)
    p = rng.standard_normal((37, sum(widths))).astype(dtype)
    values, d, _ = _kernels.loss_gradient(*loss, p, y, weight, isa=isa)
    expected, gradients = np.zeros(37, dtype), []
    for share, (value, gradient, _) in zip(weights, alone(p, y, weight, loss, isa), strict=True):
        expected += dtype.type(share) * value
        gradients.append(share * gradient.astype(np.float64))
    assert_same_bits(values, expected)
    rtol = 1e-6 if dtype == np.float32 else 1e-14
    for got, one in zip(slices(d, widths), gradients, strict=True):
        assert_close(got, one.astype(dtype), rtol)


@pytest.mark.parametrize("size", SIZES)
def test_what_a_plan_gives_is_what_its_twin_gives(isa, dtype, size):
    (plan, loss), (twin, _) = (plan_of(size, dtype, kind) for kind in (isa, "numpy"))
    X, y, weight = data(plan, loss)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    assert_close(plan.predict(X), twin.predict(X), rtol)
    assert_close(plan.forward(X), twin.forward(X), rtol)
    got, expected = (p.evaluate(X, y, weight, loss=loss) for p in (plan, twin))
    assert np.isclose(got[0], expected[0], rtol=rtol)
    got, expected = (p.gradients(X, y, weight, input_gradient=True, loss=loss) for p in (plan, twin))
    assert np.isclose(got[0], expected[0], rtol=rtol)
    assert_close([*got[1], got[2]], [*expected[1], expected[2]], 20 * rtol)
    d = np.random.default_rng(5).standard_normal((len(X), plan.n_out)).astype(dtype)
    got, expected = (p.backward(X, d) for p in (plan, twin))
    assert_close([*got[0], got[1]], [*expected[0], expected[1]], 20 * rtol)
    for p in (plan, twin):
        p.train_forward(X, seed=1)
    assert_close(plan.accumulate(d, inputs=True), twin.accumulate(d, inputs=True), 20 * rtol)
    assert_close(plan.get_gradient(), twin.get_gradient(), 20 * rtol)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_the_loss(isa, size):
    """In float64, by differences of evaluate along one direction."""
    plan, loss = plan_of(size, np.dtype("float64"), isa)
    X, y, weight = data(plan, loss)
    _, gradient, _ = plan.gradients(X, y, weight, loss=loss)
    weights, rng = plan.get_weights(), np.random.default_rng(4)
    u = [1e-6 * rng.standard_normal(w.shape) for w in weights]
    values = []
    for sign in (1, -1):
        plan.set_weights([w + sign * d for w, d in zip(weights, u, strict=True)])
        values.append(plan.evaluate(X, y, weight, loss=loss)[0] / len(X))
    along = sum(float((g * d).sum()) for g, d in zip(gradient, u, strict=True))
    assert abs(along) > 1e-8
    assert np.isclose(along, (values[0] - values[1]) / 2, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_each_activation_is_of_its_own_columns(isa, dtype, size):
    """All at once, and softmax twice, as each is of an array; derivatives of saved z and of saved a."""
    n_in, hidden = SIZES[size]
    names = [*ELEMENTWISE, "softmax", "softmax"]
    heads = [(1 + i % 3, name, PARAMETERS[name]) for i, name in enumerate(names)]
    layers = [dense(hidden, "tanh"), dense(sum(head[0] for head in heads))]
    arrays = random_weights(np.random.default_rng(6), n_in, layers, dtype)
    plan, plain = (make_plan(n_in, layers, arrays, dtype, isa, heads=own) for own in (heads, ()))
    X = np.random.default_rng(7).standard_normal((37, n_in)).astype(dtype)
    z = slices(plain.predict(X), [head[0] for head in heads])
    a = [
        _kernels.activation_forward(name, np.ascontiguousarray(own), parameter, isa=isa)
        for own, (_, name, parameter) in zip(z, heads, strict=True)
    ]
    assert_same_bits(plan.predict(X), np.concatenate(a, axis=1))
    trainable = [head for head in heads if head[1] in (*TRAINABLE, "softmax")]
    layers[-1] = dense(sum(head[0] for head in trainable))
    arrays = random_weights(np.random.default_rng(6), n_in, layers, dtype)
    plan, plain = (make_plan(n_in, layers, arrays, dtype, isa, heads=own) for own in (trainable, ()))
    z = slices(plain.predict(X), [head[0] for head in trainable])
    da = np.random.default_rng(8).standard_normal((37, plan.n_out)).astype(dtype)
    dz = []
    for own, d, (_, name, parameter) in zip(
        z, slices(da, [head[0] for head in trainable]), trainable, strict=True
    ):
        own, d = np.ascontiguousarray(own), np.ascontiguousarray(d)
        saved_z = registry.ACTIVATIONS[name][1] == "z"
        saved = own if saved_z else _kernels.activation_forward(name, own, parameter, isa=isa)
        dz.append(_kernels.activation_backward(name, d, saved, parameter, isa=isa))
    (got, dX), (expected, dX_plain) = plan.backward(X, da), plain.backward(X, np.concatenate(dz, axis=1))
    assert_same_bits([*got, dX], [*expected, dX_plain])


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_the_same_alone_and_with_any_threads(fma_isa, dtype, size):
    plan, _ = plan_of(size, dtype, fma_isa)
    X = np.random.default_rng(9).standard_normal((101, plan.n_in)).astype(dtype)
    expected = np.array([plan.predict(row) for row in X])
    assert np.ptp(expected) > 0.1
    for rows in (1, 2, 15, 16, 17, 101):
        assert_same_bits(plan.predict(X[:rows]), expected[:rows])
        assert_same_bits(plan.predict(X[-rows:].astype(np.float64), threads=2), expected[-rows:])
    assert_same_bits(plan.forward(X)[-1], expected)
    assert_same_bits(plan.train_forward(X, seed=0), expected)


def trained(isa, dtype, size, threads=1, batch_size=30, dropout=0.2):
    plan, loss = plan_of(size, dtype, isa, dropout=dropout)
    plan.compile(*loss, "adam", HYPER["adam"])
    X, y, weight = data(plan, loss, 300)
    before = plan.get_weights()
    rates = np.full((2, -(-len(X) // batch_size)), 0.01)
    run = train_epochs(plan, X, y, weight, batch_size=batch_size, learning_rates=rates, threads=threads)
    assert_trained(plan.get_weights(), before)
    sums = run.sums[:, [0, *range(3, 3 + len(loss[0]))]]  # of the losses, and of each head's
    np.testing.assert_allclose(sums[:, 1:] @ [head[3] for head in loss[0]], sums[:, 0], rtol=1e-5)
    return [*plan.get_weights(), sums, np.array(plan.evaluate(X, y, weight, loss=loss)[:1])]


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("size", SIZES)
def test_training_has_the_same_bits_everywhere_and_its_twins_numbers(dtype, size, dropout):
    first, *others = (
        trained(isa, dtype, size, threads, dropout=dropout) for isa in FMA_ISAS for threads in (1, 2)
    )
    for other in others:
        assert_same_bits(other, first)
    assert_close(first, trained("numpy", dtype, size, dropout=dropout), 1e-3 if dtype == np.float32 else 1e-9)


def test_large_batches_have_the_same_bits_in_every_way_of_a_step(fma_isa, dtype):
    one, *others = (trained(fma_isa, dtype, "wide", threads, batch_size=150) for threads in (1, 2, 3))
    for other in others:
        assert_same_bits(other, one)


def test_a_step_in_parts_is_the_step_of_a_run(fma_isa, dtype):
    """Where losses take predictions, so that their gradients can come from outside."""
    losses, weights = ["mse", "huber"], [2.0, 0.5]
    (plan, loss), (other, _) = (plan_of("one panel", dtype, fma_isa, losses, weights) for _ in range(2))
    X, y, _ = data(plan, loss, 32)
    for p in (plan, other):
        p.compile(*loss, "sgd", HYPER["sgd"])
    train(plan, X, y, 0.1, batch_size=32, seed=1, shuffle=False)
    _, d, _ = _kernels.loss_gradient(*loss, other.train_forward(X, seed=1), y, isa=fma_isa)
    other.train_backward(d, 0.1)
    assert_same_bits(other.get_weights(), plan.get_weights())


def test_heads_of_members_are_means_over_them(isa, dtype):
    heads, loss = heads_of(TASKS, WEIGHTS)
    layers = [
        {"kind": "members", "members": 3},
        dense(9, "tanh"),
        dense(sum(head[0] for head in heads)),
    ]
    plan, twin = (
        (reference if kind == "numpy" else _kernels).Plan(4, layers, dtype=dtype.name, heads=heads, isa=kind)
        for kind in (isa, "numpy")
    )
    rng = np.random.default_rng(2)
    weights = [0.5 * rng.standard_normal(w.shape).astype(dtype) for w in plan.get_weights()]
    for p in (plan, twin):
        p.set_weights(weights)
    X, y, weight = data(plan, loss, 19)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    assert_close(plan.predict(X), plan.forward(X)[-1].mean(axis=1), rtol)
    assert_close(plan.predict(X), twin.predict(X), rtol)
    got, expected = (p.gradients(X, y, weight, input_gradient=True, loss=loss) for p in (plan, twin))
    assert np.isclose(got[0], expected[0], rtol=rtol)
    assert_close([*got[1], got[2]], [*expected[1], expected[2]], 20 * rtol)


def test_a_weight_of_zero_leaves_a_head_out_however_wrong_it_is(isa, dtype):
    losses = ["mse", "poisson"]
    heads, loss = heads_of(losses, [0.5, 0.0])
    p = np.array([[1.0, 1e30], [2.0, -1.0]], dtype)
    values, d, _ = _kernels.loss_gradient(*loss, p, np.zeros((2, 2), dtype), isa=isa)
    assert_same_bits(values, np.array([0.5, 2.0], dtype))
    assert_same_bits(d, np.array([[0.5, 0.0], [1.0, 0.0]], dtype))
    twin = reference.loss_gradient(*loss, p, np.zeros((2, 2), dtype))
    assert_same_bits(twin[0], values)
    assert_same_bits(twin[1], d)


def test_a_class_that_is_none_is_the_first(isa, dtype):
    """Targets are checked before they come to a plan, but other threads may write to them."""
    loss = (("sparse_categorical_crossentropy", 0.0, 3, 1.0),), ()
    p = np.random.default_rng(0).standard_normal((5, 3)).astype(dtype)
    wrong = np.array([[3.0], [-1.0], [1e30], [np.nan], [-0.5]], dtype)
    values, d, _ = _kernels.loss_gradient(*loss, p, wrong, isa=isa)
    expected = _kernels.loss_gradient(*loss, p, np.zeros((5, 1), dtype), isa=isa)
    assert_same_bits([values, d], list(expected[:2]))


@pytest.mark.parametrize("isa", ["numpy", None])
def test_what_does_not_fit_is_refused(isa):
    dtype = np.dtype("float32")
    plans = reference if isa == "numpy" else _kernels
    layers = [dense(4)]
    for heads in ([(2, "identity", 0.0)], [(0, "identity", 0.0), (4, "identity", 0.0)]):
        with pytest.raises(ValueError, match="4 outputs"):
            plans.Plan(2, layers, heads=heads)
    with pytest.raises(ValueError, match="tanh"):
        plans.Plan(2, [dense(4, "tanh")], heads=[(4, "identity", 0.0)])
    with pytest.raises(ValueError, match="log_softmax"):
        plans.Plan(2, layers, heads=[(4, "log_softmax", 0.0)])
    with pytest.raises(ValueError, match="nothing"):
        plans.Plan(2, layers, heads=[(4, "nothing", 0.0)])
    plan = plans.Plan(2, layers, heads=[(1, "identity", 0.0), (3, "softmax", 0.0)])
    assert plan.heads == ((1, "identity", 0.0), (3, "softmax", 0.0))
    with pytest.raises(ValueError, match="heads"):
        plan.rescale_output(np.ones(4, dtype), np.ones(4, dtype))
    mse, softmax = ("mse", 0.0, 1, 1.0), ("categorical_crossentropy", 0.0, 3, 1.0)
    X, y = np.ones((1, 2), dtype), np.ones((1, 4), dtype)
    with pytest.raises(ValueError, match="softmax"):
        plan.evaluate(X, y, loss=((mse, ("mse", 0.0, 3, 1.0)), ()))
    with pytest.raises(ValueError, match="identity"):
        plan.evaluate(X, y, loss=((("binary_crossentropy", 0.0, 1, 1.0), softmax), ()))
    with pytest.raises(ValueError, match="heads"):
        plan.evaluate(X, y, loss=((mse,), ()))
    with pytest.raises(ValueError, match="heads"):
        plans.Plan(2, layers).evaluate(X, y, loss=((mse, softmax), ()))
    with pytest.raises(ValueError, match="softmax"):
        plan.compile("categorical_crossentropy", 0.0, "sgd", {})
    step = plans.Plan(2, layers, heads=[(4, "step", 0.0)])
    with pytest.raises(ValueError, match="step"):
        step.compile("mse", 0.0, "sgd", {})
    if isa is None:
        for wrong in (("mse", 0.0, 1, -1.0), ("mse", 0.0, 1, np.nan), ("gaussian_nll", 0.0, 1, 1.0)):
            with pytest.raises(ValueError, match="head has the loss"):
                plan.evaluate(X, y, loss=((wrong, softmax), ()))
    plan.compile((mse, softmax), (), "sgd", {})
    assert plan.loss == "heads"
