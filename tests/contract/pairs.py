"""A compiled plan beside its NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import (
    HYPER,
    LINKS,
    OUTPUT_OF,
    assert_close,
    layers_of,
    loss_parameters,
    make_plan,
    outputs_of,
    random_weights,
    targets,
)

FLOAT64 = np.dtype(np.float64)


def pair(
    widths,
    activations,
    loss,
    isa,
    optimizer="sgd",
    dropout=0.0,
    use_bias=True,
    seed=0,
    rows=24,
    output=None,
    dtype=FLOAT64,
    **hyper,
):
    """(compiled plan, its twin, X, y), with the same weights; the last of the widths counts targets."""
    rng = np.random.default_rng(seed)
    n_in, *widths = widths
    widths[-1] = outputs_of(loss, widths[-1])
    layers = layers_of(widths, activations, output or OUTPUT_OF[LINKS[loss]], dropout, use_bias)
    weights = random_weights(rng, n_in, layers, dtype)
    plans = [make_plan(n_in, layers, weights, dtype, kind) for kind in (isa, "numpy")]
    for plan in plans:
        plan.compile(loss, loss_parameters(loss), optimizer, {**HYPER[optimizer], **hyper})
    X = rng.standard_normal((rows, n_in)).astype(dtype)
    return *plans, X, targets(rng, loss, rows, widths[-1], dtype)


def assert_gradients_agree(plan, twin, X, y, weight=None, rtol=1e-11):
    got = plan.gradients(X, y, weight, input_gradient=True)
    expected = twin.gradients(X, y, weight, input_gradient=True)
    assert got[0] == pytest.approx(expected[0], rel=rtol)
    assert_close(got[1], expected[1], rtol)
    assert_close(got[2], expected[2], rtol)
    assert plan.gradients(X, y, weight)[2] is None
    loss, correct = plan.evaluate(X, y, weight)
    expected_loss, expected_correct = twin.evaluate(X, y, weight)
    assert loss == pytest.approx(expected_loss, rel=rtol) and correct == pytest.approx(
        expected_correct, rel=1e-14
    )
    assert loss == pytest.approx(got[0] * len(X), rel=1e-14)
