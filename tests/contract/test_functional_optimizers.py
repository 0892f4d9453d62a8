"""`fastmlp.functional`: optimizers against PyTorch's formulas."""

import math

import numpy as np
import pytest

from fastmlp import functional, registry
from fastmlp.optimizers import OPTIMIZERS
from functional_cases import DTYPES, tolerance
from helpers import assert_same_bits


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("step", [-1, 2**53, 2**63, 10**30])
def test_steps_out_of_range_are_refused(name, step):
    with pytest.raises(ValueError, match="step is .*expected an integer from 0 to 9007199254740991"):
        getattr(functional, f"{name}_update")([1.0], [1.0], step=step)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_last_step_is_made_at_once(name):
    """Its betas' powers are 0, or too small to change a difference from 1, long before."""
    update = getattr(functional, f"{name}_update")
    (w, slots), (other, others) = (update([1.0, -2.0], [0.5, 3.0], step=n) for n in (10**6, 2**53 - 1))
    assert_same_bits([w, *slots], [other, *others], zeros=True)
    assert w[0] < 1 and w[1] < -2


def expected_update(name, w, g, slots, h, rate, step):
    """One step by PyTorch's formulas, in float64."""
    if h["clipvalue"] is not None:
        g = np.clip(g, -h["clipvalue"], h["clipvalue"])
    g = g + h["l1"] * np.sign(w) + h["l2"] * w
    w = w * (1 - rate * h["weight_decay"])
    if name == "sgd":
        if h["momentum"] == 0:
            return w - rate * g, slots
        v = h["momentum"] * slots[0] + g
        return w - rate * (g + h["momentum"] * v if h["nesterov"] else v), [v]
    if name == "adagrad":
        s = slots[0] + g * g
        return w - rate * g / (np.sqrt(s) + h["epsilon"]), [s]
    if name == "rmsprop":
        s = h["rho"] * slots[0] + (1 - h["rho"]) * g * g
        return w - rate * g / (np.sqrt(s) + h["epsilon"]), [s]
    m = h["beta_1"] * slots[0] + (1 - h["beta_1"]) * g
    v = h["beta_2"] * slots[1] + (1 - h["beta_2"]) * g * g
    state = [m, v, np.maximum(v, slots[2])] if name == "amsgrad" else [m, v]
    t = step + 1
    corrected = np.sqrt(state[-1]) / math.sqrt(1 - h["beta_2"] ** t) + h["epsilon"]
    return w - rate / (1 - h["beta_1"] ** t) * m / corrected, state


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "extra",
    [{}, {"l1": 0.01, "l2": 0.1}, {"weight_decay": 0.5}, {"clipvalue": 0.3}],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("sgd", {}),
        ("sgd", {"momentum": 0.9}),
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("adagrad", {}),
        ("rmsprop", {"rho": 0.8}),
        ("adam", {"beta_1": 0.8}),
        ("adam", {"amsgrad": True, "beta_2": 0.5}),
        ("adamw", {}),
    ],
)
def test_optimizers_follow_their_formula(name, own, extra, dtype, rng):
    optimizer = OPTIMIZERS[name](0.1, **own, **extra)
    hyper, rule = optimizer.hyperparameters(), optimizer.rule
    w = rng.normal(size=(3, 7)).astype(dtype)
    exact, slots = w.astype(np.float64), None
    exact_slots = [np.zeros((3, 7)) for _ in range(registry.OPTIMIZERS[rule])]
    for step in range(4):
        g = rng.normal(size=(3, 7)).astype(dtype)
        before = w.copy()
        new, slots = getattr(functional, f"{name}_update")(
            w, g, slots, step=step, learning_rate=0.1, **own, **extra
        )
        exact, exact_slots = expected_update(rule, exact, g.astype(np.float64), exact_slots, hyper, 0.1, step)
        assert (w == before).all() and new.dtype == dtype
        np.testing.assert_allclose(new, exact, rtol=16 * tolerance(dtype), atol=4 * tolerance(dtype))
        for slot, exact_slot in zip(slots, exact_slots, strict=True):
            np.testing.assert_allclose(
                slot, exact_slot, rtol=16 * tolerance(dtype), atol=4 * tolerance(dtype)
            )
        assert np.abs(new - w).max() > 1e-3
        w = new


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: functional.adam_update([1.0], [1.0, 2.0]),
            ValueError,
            r"g has shape \(2,\), expected \(1,\)",
        ),
        (lambda: functional.adam_update([1.0], [1.0], [[0.0]]), ValueError, "slots has 1 arrays, expected 2"),
        (lambda: functional.adam_update([1.0], [1.0], 5), TypeError, "slots is a int, expected a list"),
        (lambda: functional.sgd_update([1.0], [1.0], beta_1=0.5), TypeError, "beta_1"),
        (lambda: functional.sgd_update([1.0], [1.0], learning_rate=-1), ValueError, "learning_rate is -1"),
        (lambda: functional.sgd_update([1.0], [1.0], step=-1), ValueError, "step is -1"),
    ],
)
def test_bad_updates(call, error, message):
    with pytest.raises(error, match=message):
        call()
