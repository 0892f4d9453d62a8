"""Predictions that are a * scale + offset of the last activations a, and losses of those."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import (
    FMA_ISAS,
    assert_close,
    assert_same_bits,
    layers_of,
    make_plan,
    random_weights,
    train_epochs,
)

# In the lanes, in a panel, in many.
NETWORKS = {"narrow": (5, [7, 3]), "one panel": (20, [30, 2]), "wide": (33, [70, 40])}
LOSSES = {"mse": 0.0, "huber": 0.5, "quantile": (0.3,)}


def plan_of(name, dtype, isa, rescaled=True):
    n_in, widths = NETWORKS[name]
    layers = layers_of(widths, ["tanh"], "identity")
    plan = make_plan(n_in, layers, random_weights(np.random.default_rng(1), n_in, layers, dtype), dtype, isa)
    if rescaled:
        plan.rescale_output(*scaling(plan))
    return plan


def scaling(plan):
    rng = np.random.default_rng(2)
    return (rng.uniform(low, 9, plan.n_out).astype(plan.dtype) for low in (0.5, 3))


def data(plan, rows=70):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((rows, plan.n_in)), rng.standard_normal((rows, plan.n_out))
    return X.astype(plan.dtype), y.astype(plan.dtype)


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_one_fma_beyond_the_activations(fma_isa, dtype, name):
    plain, plan = plan_of(name, dtype, fma_isa, rescaled=False), plan_of(name, dtype, fma_isa)
    X, _ = data(plan)
    scale, offset = scaling(plan)
    exact = plain.predict(X).astype(np.longdouble) * scale + offset  # float64's rounding twice is rare
    got = plan.predict(X)
    if dtype == np.float32:
        assert_same_bits(got, exact.astype(dtype))
    assert np.all(np.abs(got - exact) <= np.spacing(np.abs(got)))
    assert_same_bits(plan.forward(X)[-1], got)
    assert_same_bits(plan.train_forward(X, seed=0), got)
    for rows in (1, 2, 17, 70):
        assert_same_bits(plan.predict(X[:rows], threads=2), got[:rows])
    assert_same_bits(plan.predict(X[3]), got[3])


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_plan_gives_is_what_its_twin_gives(isa, dtype, name):
    plan, twin = plan_of(name, dtype, isa), plan_of(name, dtype, "numpy")
    X, y = data(plan)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    assert_close(plan.predict(X), twin.predict(X), rtol)
    assert_close(plan.forward(X), twin.forward(X), rtol)
    for loss in LOSSES.items():
        for standardized in (False, True):
            got, expected = (p.evaluate(X, y, loss=loss, standardized=standardized) for p in (plan, twin))
            assert np.isclose(got[0], expected[0], rtol=rtol)
        got, expected = (p.gradients(X, y, input_gradient=True, loss=loss) for p in (plan, twin))
        assert np.isclose(got[0], expected[0], rtol=rtol)
        assert_close([*got[1], got[2]], [*expected[1], expected[2]], 20 * rtol)
    got, expected = (p.backward(X, y) for p in (plan, twin))
    assert_close([*got[0], got[1]], [*expected[0], expected[1]], 20 * rtol)
    for p in (plan, twin):
        p.train_forward(X, seed=1)
    assert_close(plan.accumulate(y, inputs=True), twin.accumulate(y, inputs=True), 20 * rtol)
    assert_close(plan.get_gradient(), twin.get_gradient(), 20 * rtol)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_the_rescaled_predictions(isa, name, loss):
    """In float64, by differences of evaluate along one direction."""
    plan = plan_of(name, np.dtype("float64"), isa)
    X, y = data(plan)
    chosen = (loss, LOSSES[loss])
    _, gradient, _ = plan.gradients(X, y, loss=chosen)
    weights = plan.get_weights()
    rng = np.random.default_rng(4)
    u = [1e-6 * rng.standard_normal(w.shape) for w in weights]
    values = []
    for sign in (1, -1):
        plan.set_weights([w + sign * d for w, d in zip(weights, u, strict=True)])
        values.append(plan.evaluate(X, y, loss=chosen)[0] / len(X))
    along = sum(float((g * d).sum()) for g, d in zip(gradient, u, strict=True))
    assert abs(along) > 1e-8
    assert np.isclose(along, (values[0] - values[1]) / 2, rtol=1e-5)


def trained(plan, dtype, loss="mse", standardized=False, threads=1):
    X, y = data(plan, 300)
    plan.compile(loss, LOSSES[loss], "adam", {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8})
    more = {"standardized": True} if standardized else {}
    run = train_epochs(
        plan, X, y, learning_rates=np.full((2, 10), 0.01), batch_size=30, threads=threads, **more
    )
    return [*plan.get_weights(), run.sums[:, :1]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_training_on_standardized_targets_has_the_bits_of_a_plan_that_does_not_rescale(
    isa, dtype, name, loss
):
    plain, plan = plan_of(name, dtype, isa, rescaled=False), plan_of(name, dtype, isa)
    assert_same_bits(trained(plan, dtype, loss, standardized=True), trained(plain, dtype, loss))
    X, y = data(plan)
    chosen = (loss, LOSSES[loss])
    assert plan.evaluate(X, y, loss=chosen, standardized=True) == plain.evaluate(X, y, loss=chosen)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("standardized", [False, True])
def test_training_has_the_same_bits_everywhere(dtype, name, standardized):
    found = [
        trained(plan_of(name, dtype, isa), dtype, standardized=standardized, threads=threads)
        for isa in FMA_ISAS
        for threads in (1, 2)
    ]
    for other in found[1:]:
        assert_same_bits(other, found[0])
    twin = trained(plan_of(name, dtype, "numpy"), dtype, standardized=standardized)
    assert_close(found[0], twin, 1e-3 if dtype == np.float32 else 1e-9)


def test_a_stage_of_one_kind_of_targets_does_not_serve_the_other(isa, dtype):
    """In turns on one plan, in the lanes only where nothing is rescaled."""
    one, other = plan_of("narrow", dtype, isa), plan_of("narrow", dtype, isa)
    expected = [trained(one, dtype, standardized=kind) for kind in (True, False, True)]
    got = []
    for kind in (True, False, True):
        weights = other.get_weights()
        fresh = plan_of("narrow", dtype, isa)
        fresh.set_weights(weights)
        got.append(trained(fresh, dtype, standardized=kind))
        other.set_weights(fresh.get_weights())
    assert_same_bits(got, expected)


@pytest.mark.parametrize("isa", ["numpy", None])
def test_what_does_not_fit_is_refused(isa):
    dtype = np.dtype("float32")
    plan = plan_of("narrow", dtype, isa, rescaled=False)
    with pytest.raises((ValueError, TypeError), match="scale"):
        plan.rescale_output(np.ones(2, dtype), np.ones(3, dtype))
    with pytest.raises((ValueError, TypeError), match="offset"):
        plan.rescale_output(np.ones(3, dtype), np.ones(2, dtype))
    weights = [np.ones((2, 2), dtype), np.ones(2, dtype)]
    output = make_plan(2, layers_of([2], [], "softmax"), weights, dtype, isa)
    with pytest.raises(ValueError, match="softmax"):
        output.rescale_output(np.ones(2, dtype), np.ones(2, dtype))
    if isa is None:
        with pytest.raises(ValueError, match="standardized"):
            plan.evaluate(*data(plan), loss=("mse", 0.0), standardized=True)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_standardized_targets_are_those_of_a_plan_that_does_not_rescale(isa, dtype, name, loss):
    plain, plan = plan_of(name, dtype, isa, rescaled=False), plan_of(name, dtype, isa)
    X, y = data(plan)
    chosen = loss, LOSSES[loss]
    value, gradients, dX = plan.gradients(X, y, input_gradient=True, loss=chosen, standardized=True)
    expected = plain.gradients(X, y, input_gradient=True, loss=chosen)
    assert value == expected[0] > 0
    assert_same_bits([*gradients, dX], [*expected[1], expected[2]], zeros=True)
    assert value != plan.gradients(X, y, loss=chosen)[0]
