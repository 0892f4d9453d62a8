"""Every kernel against its NumPy twin."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from fastmlp import reference, registry
from fastmlp.optimizers import OPTIMIZERS

from .checks import assert_close, relative_bound

ROWS, N_IN, N_OUT = 256, 784, 100

ACTIVATIONS = registry.ACTIVATIONS
SWITCHED = [  # with a switch that chooses another rule: Adam(amsgrad=True)
    cls(**{item.name: True})
    for cls in OPTIMIZERS.values()
    for item in dataclasses.fields(cls)
    if not item.metadata.get("of_rule", True)
]
RULES = [*(cls() for cls in OPTIMIZERS.values()), *SWITCHED]
HYPERPARAMETERS = {optimizer.rule: optimizer.hyperparameters() for optimizer in RULES}
HYPERPARAMETERS["sgd"]["momentum"] = 0.9


def double(*arrays: Any) -> list[Any]:
    """The arrays in float64: the twin's answer there is what both are held to."""
    return [array.astype(np.float64) for array in arrays]


def test_dense_forward(benchmark: Any, engine: Any, dtype: Any, normal: Any) -> None:
    x, w, b = normal(ROWS, N_IN), normal(N_IN, N_OUT), normal(N_OUT)
    bound = N_IN * np.finfo(dtype).eps * (np.abs(x) @ np.abs(w) + np.abs(b))
    assert_close(engine.dense_forward(x, w, b), reference.dense_forward(*double(x, w, b)), bound)
    benchmark.group = f"dense_forward {ROWS} x {N_IN} x {N_OUT} {dtype}"
    benchmark(engine.dense_forward, x, w, b)


def test_dense_backward(benchmark: Any, engine: Any, dtype: Any, normal: Any) -> None:
    dz, x, w = normal(ROWS, N_OUT), normal(ROWS, N_IN), normal(N_IN, N_OUT)
    absolute = reference.dense_backward(np.abs(dz), np.abs(x), np.abs(w))
    expected = reference.dense_backward(*double(dz, x, w))
    for actual, wanted, scale, terms in zip(
        engine.dense_backward(dz, x, w), expected, absolute, (N_OUT, ROWS, ROWS), strict=True
    ):
        assert_close(actual, wanted, terms * np.finfo(dtype).eps * scale)
    benchmark.group = f"dense_backward {ROWS} x {N_IN} x {N_OUT} {dtype}"
    benchmark(engine.dense_backward, dz, x, w)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_forward(benchmark: Any, engine: Any, name: str, dtype: Any, normal: Any) -> None:
    parameter, z = ACTIVATIONS[name][0], normal(ROWS, N_OUT)
    expected = reference.activation_forward(name, *double(z), parameter)
    assert_close(engine.activation_forward(name, z, parameter), expected, relative_bound(expected, dtype, 16))
    benchmark.group = f"{name} forward {ROWS} x {N_OUT} {dtype}"
    benchmark(engine.activation_forward, name, z, parameter)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_backward(benchmark: Any, engine: Any, name: str, dtype: Any, normal: Any) -> None:
    parameter, kind = ACTIVATIONS[name]
    da, z = normal(ROWS, N_OUT), normal(ROWS, N_OUT)
    saved = z if kind == "z" else reference.activation_forward(name, z, parameter)
    expected = reference.activation_backward(name, *double(da, saved), parameter)
    actual = engine.activation_backward(name, da, saved, parameter)
    assert_close(actual, expected, relative_bound(expected, dtype, 64))
    benchmark.group = f"{name} backward {ROWS} x {N_OUT} {dtype}"
    benchmark(engine.activation_backward, name, da, saved, parameter)


@pytest.mark.parametrize("name", reference.ELEMENTARY)
def test_elementary(benchmark: Any, engine: Any, name: str, dtype: Any, normal: Any) -> None:
    x = np.abs(normal(ROWS, N_OUT)) if name.startswith("log") else normal(ROWS, N_OUT)
    expected = reference.elementary(name, *double(x))
    assert_close(engine.elementary(name, x), expected, relative_bound(expected, dtype, 16))
    benchmark.group = f"elementary {name} {ROWS} x {N_OUT} {dtype}"
    benchmark(engine.elementary, name, x)


@pytest.mark.parametrize("name", reference.LOSSES)
def test_loss_gradient(benchmark: Any, engine: Any, name: str, dtype: Any, normal: Any) -> None:
    outputs = registry.LOSS_OUTPUTS[name]
    columns = 10 // outputs
    p, y = normal(ROWS, columns * outputs), reference.activation_forward("softmax", normal(ROWS, columns))
    if name in registry.LABEL_LOSSES:
        y = np.arange(ROWS) % 10
    parameter = reference.LOSSES[name].parameters
    target = y if name in registry.LABEL_LOSSES else double(y)[0]
    expected = reference.loss_gradient(name, parameter, *double(p), target)
    for actual, wanted in zip(engine.loss_gradient(name, parameter, p, y)[:2], expected[:2], strict=True):
        assert_close(actual, wanted, relative_bound(wanted, dtype, 64))
    benchmark.group = f"{name} {ROWS} x 10 {dtype}"
    benchmark(engine.loss_gradient, name, parameter, p, y)


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_optimizer_update(benchmark: Any, engine: Any, name: str, dtype: Any, normal: Any) -> None:
    w, g, h = normal(N_IN, N_OUT), normal(N_IN, N_OUT), HYPERPARAMETERS[name]
    slots = [np.zeros_like(w) for _ in range(reference.OPTIMIZERS[name].slots)]
    expected, expected_slots = double(w)[0], double(*slots)
    for step in range(3):
        reference.optimizer_update(name, expected, *double(g), expected_slots, h, 1e-3, step)
        engine.optimizer_update(name, w, g, slots, h, 1e-3, step)
    assert_close(w, expected, relative_bound(expected, dtype, 64))
    benchmark.group = f"{name} update {N_IN} x {N_OUT} {dtype}"
    benchmark(engine.optimizer_update, name, w, g, slots, h, 1e-3, 3)


def test_every_optimizer_is_timed() -> None:
    assert set(HYPERPARAMETERS) == set(registry.OPTIMIZERS)
