"""The same bits on every fma instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from bits import NETWORKS, compiled, data, network, trained
from helpers import (
    FMA_ISAS,
    LOSSES,
    OPTIMIZERS,
    TRAINABLE,
    assert_same_bits,
    layers_of,
    make_plan,
    random_weights,
)

needs_two = pytest.mark.skipif(len(FMA_ISAS) < 2, reason="this machine runs only one fma instruction set")


def on_every_isa(run):
    """The same result on every fma instruction set; returns it."""
    first, *others = (run(isa) for isa in FMA_ISAS)
    for other in others:
        assert_same_bits(other, first)
    return first


@needs_two
@pytest.mark.parametrize("name", NETWORKS)
def test_instruction_sets_predict_the_same(dtype, name):
    def run(isa):
        plan = network(name, dtype, isa)
        X = data(plan, 150)
        return [
            plan.predict(X),
            plan.predict(X[3]),
            plan.predict((X * 50 + 100).astype(np.uint8)),
            *plan.forward(X),
        ]

    on_every_isa(run)


@needs_two
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["narrow", "two panels", "wide"])
def test_instruction_sets_find_the_same_gradients(dtype, name, loss):
    def run(isa):
        plan = compiled(name, dtype, isa, loss)
        X, y = data(plan, 300, loss)
        weight = np.linspace(0.1, 2, 300).astype(dtype)
        value, gradients, dX = plan.gradients(X, y, weight, input_gradient=True)
        return [np.array(value), *gradients, dX, np.array(plan.evaluate(X, y, weight)[0])]

    on_every_isa(run)


@needs_two
@pytest.mark.parametrize("activation", TRAINABLE)
def test_instruction_sets_agree_on_every_activation(dtype, activation):
    def run(isa):
        layers = layers_of([33, 9], [activation], activation)
        plan = make_plan(21, layers, random_weights(np.random.default_rng(6), 21, layers, dtype), dtype, isa)
        X = data(plan, 40)
        gradients, dX = plan.backward(X, np.cos(np.arange(40 * 9)).reshape(40, 9).astype(dtype))
        return [plan.predict(X), *gradients, dX]

    on_every_isa(run)


@needs_two
@pytest.mark.parametrize("batch_size", [1, 16, 150])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_instruction_sets_train_the_same(dtype, optimizer, batch_size):
    sums = set()

    def run(isa):
        results, run_sums = trained(isa, dtype, optimizer, epochs=2, batch_size=batch_size)
        sums.add(run_sums)
        return results

    on_every_isa(run)
    assert len(sums) == 1


@needs_two
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_instruction_sets_train_the_same_with_every_penalty(dtype, optimizer):
    penalties = {"l1": 1e-3, "l2": 1e-2, "weight_decay": 0.1, "clipvalue": 0.05, "global_clipnorm": 0.5}
    if optimizer == "sgd":
        penalties |= {"momentum": 0.9, "nesterov": True}
    on_every_isa(lambda isa: trained(isa, dtype, optimizer, **penalties)[0])


@needs_two
@pytest.mark.parametrize("name", ["wide", "one panel"])
def test_instruction_sets_train_wide_networks_the_same(dtype, name):
    on_every_isa(lambda isa: trained(isa, dtype, "adam", epochs=1, name=name)[0])
