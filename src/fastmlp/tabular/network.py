"""From a recipe to a network: its layers, its optimizer, and how it begins on given rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import (
    Activation,
    Dense,
    Dropout,
    Embedding,
    Layer,
    MemberDense,
    Members,
    ParametricActivation,
    PeriodicEmbedding,
    Scale,
)
from ..layers.lowering import nodes_of
from ..network import Network
from ..optimizers import Adam
from ..schedules import Constant, CosineDecay, CosLog4, FlatCosine, Schedule
from .recipes import Recipe

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Inputs:
    """The columns of a network's input.

    Attributes
    ----------
    width : int
        How many there are.
    periodic : int
        How many, the first ones, have a periodic embedding.
    sizes : tuple of int
        How many codes the last ones have, a table each.
    """

    width: int
    periodic: int = 0
    sizes: tuple[int, ...] = ()


# ---- layers ----


def layers_of(inputs: Inputs, outputs: int, recipe: Recipe) -> list[int | Layer]:
    """The layers of a network, its input's width first."""
    front = _front(inputs, recipe)
    width = inputs.width
    for layer in front:
        width = layer.output_width(width)
    layers: list[int | Layer] = [inputs.width, *front]
    for i, units in enumerate(recipe.widths):
        hidden = _hidden(width, units, recipe, first=i == 0)
        layers += [*hidden, _activation(recipe), Dropout(recipe.dropout)]
        width = units
    return [*layers, _last(width, outputs, recipe)]


def _front(inputs: Inputs, recipe: Recipe) -> list[Layer]:
    """What stands before the dense layers."""
    layers: list[Layer] = []
    if inputs.periodic:
        rates = _rates(recipe.embedding, "frequency", "phase", "W", "b")
        layers.append(PeriodicEmbedding(inputs.periodic, recipe.frequencies, sigma=recipe.sigma, **rates))
    if inputs.sizes:
        layers.append(Embedding(inputs.sizes, recipe.table_width, **_rates(1.0, "tables")))
    if recipe.scale:
        layers.append(Scale(**_rates(recipe.scale, "s")))
    return layers


def _rates(factor: float, *names: str) -> dict[str, Any]:
    """A factor of the rate of arrays, and of their decay once more: into RealMLP's decay it enters twice."""
    return {"learning_rate": factor, "weight_decay": dict.fromkeys(names, factor)}


def _activation(recipe: Recipe) -> Layer:
    if not recipe.parametric:
        return Activation(recipe.activation)
    return ParametricActivation(recipe.activation, **_rates(recipe.parametric, "alpha"))


def _hidden(n_in: int, units: int, recipe: Recipe, *, first: bool) -> list[Layer]:
    """x W + b, or of members ((x * r) W) * s + b, which first differ by r of the first layer."""
    k = recipe.members
    if k == 1:
        return [Dense(units, **_training(n_in, recipe))]
    return [
        Members(k, start="signs" if first else "ones", weight_decay={"r": 1.0}),
        Dense(units, **_training(n_in, recipe, use_bias=False)),
        Members(k, start="ones", use_bias=True, learning_rate={"b": recipe.bias}, weight_decay={"r": 1.0}),
    ]


def _last(n_in: int, outputs: int, recipe: Recipe) -> Layer:
    training = _training(n_in, recipe)
    return (
        Dense(outputs, **training)
        if recipe.members == 1
        else MemberDense(recipe.members, outputs, **training)
    )


def _training(n_in: int, recipe: Recipe, *, use_bias: bool = True) -> dict[str, Any]:
    """How a dense layer begins, with the rates that y = x W / sqrt(n_in) + b would give it.

    Adam's steps do not depend on the size of gradients: W / sqrt(n_in) moves by the rate over sqrt(n_in), and
    decays by the rate alone.
    """
    root = math.sqrt(n_in)
    rates, decays = {"W": 1 / root}, {"W": root}
    if use_bias:
        rates["b"], decays["b"] = recipe.bias, 0.0
    return {
        "use_bias": use_bias,
        "initializer": "lecun_normal",
        "learning_rate": rates,
        "weight_decay": decays,
    }


def build(
    inputs: Inputs,
    outputs: int,
    recipe: Recipe,
    *,
    softmax: bool,
    seed: int,
    matmul_precision: str | None = None,
) -> Network:
    """A network as it is before it has seen rows."""
    output = "softmax" if softmax else "identity"
    layers = layers_of(inputs, outputs, recipe)
    return Network(layers, output=output, seed=seed, matmul_precision=matmul_precision)


# ---- steps ----


def compile_for(net: Network, recipe: Recipe, steps: int, loss: str) -> None:
    """The optimizer and the schedules of so many steps."""
    decay = _wave(recipe.weight_decay, recipe.decay_schedule, steps) if recipe.weight_decay else 0.0
    rate = _wave(recipe.learning_rate, recipe.schedule, steps)
    adam = Adam(rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2, weight_decay=decay)
    net.compile(adam, loss, [], dropout_schedule=_wave(1.0, recipe.dropout_schedule, steps))


def _wave(peak: float, name: str, steps: int) -> Schedule:
    if name == "constant":
        return Constant(peak)
    kind = {"cosine": CosineDecay, "coslog4": CosLog4, "flat_cosine": FlatCosine}[name]
    return kind(peak, steps=steps)


# ---- the start ----


def begin(net: Network, recipe: Recipe, X: Array) -> None:
    """Sets the weights that training begins with; X has the rows to train on, float32 of shape (rows, n)."""
    if recipe.start == "normal":
        _begin_normal(net)
    else:
        net.adapt(X)


def _begin_normal(net: Network) -> None:
    rng = np.random.Generator(np.random.PCG64(net.seed))
    nodes = nodes_of(net.plan.n_in, net.layers)
    dense = [place for place, node in enumerate(nodes) if node.layer.kind == Dense.kind]
    state = net.state_dict()
    for place in dense:
        b = state[f"layers.{place}.b"]
        state[f"layers.{place}.b"] = np.asarray(rng.standard_normal(b.shape), b.dtype)
    for name in "Wb":
        state[f"layers.{dense[-1]}.{name}"] = np.zeros_like(state[f"layers.{dense[-1]}.{name}"])
    net.load_state_dict(state)
