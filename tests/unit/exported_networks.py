"""Networks with all that exported files can do, and the numbers in them not zero."""

import numpy as np

from fastmlp import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Network,
    Rescaling,
    Standardize,
    registry,
)
from table_networks import randomized

ACTIVATIONS = registry.ACTIVATIONS


def named(names):
    """The activation, with a parameter that is not the default where it has one."""
    return {name: (name, 0.3) if ACTIVATIONS[name][0] else name for name in names}


def activation_nets(dtype, rng):
    """Each activation in a hidden layer and after the output, arguments from -50 to 50 and beyond."""
    nets = {}
    for name, activation in named(ACTIVATIONS).items():
        hidden = "tanh" if ACTIVATIONS[name][1] == "row" else activation
        layers = [3, Dense(13, hidden), Dense(5, activation)]
        nets[f"net_{name}"] = randomized(Network(layers, dtype=dtype), rng, 3.0)
    return nets


def shape_nets(dtype, rng):
    """Widths on both sides of every rule: segments from 32 inputs on, up to two cache lines of outputs."""
    nets = {}
    for i, widths in enumerate(
        [(1, 1), (13, 37), (31, 8), (32, 1), (32, 8), (33, 9), (37, 16), (35, 17), (100, 32), (100, 33),
         (64, 13), (37, 100), (1, 100, 37, 13, 1), (100, 100, 16, 7), (40, 48, 20, 3)]
    ):  # fmt: skip
        layers = [widths[0], *(Dense(n, use_bias=(i + j) % 3 != 0) for j, n in enumerate(widths[1:]))]
        net = Network(layers, activation="relu", dtype=dtype)
        nets["n" + "_".join(map(str, widths))] = randomized(net, rng)
    return nets


def normalized_nets(dtype, rng):
    """Normalisation at the input, between layers, and after the last one."""
    batch, layer = BatchNormalization(), LayerNormalization(epsilon=1e-2)
    nets = {
        "batch": Network([13, Dense(37), batch, Activation("relu"), Dense(5, "softmax")], dtype=dtype),
        "first": Network([13, batch, layer, Dense(4, "tanh"), Dense(3)], dtype=dtype),
        "last": Network([40, Rescaling(1 / 9), layer, 17, layer, Activation("gelu"), 7, batch], dtype=dtype),
        "wide": Network([13, 37, layer, Dense(40, "tanh"), layer, Activation("softmax")], dtype=dtype),
        "one": Network([1, layer, Dense(1), layer, Activation("sigmoid")], dtype=dtype),
    }
    for net in nets.values():
        state = {k: rng.standard_normal(v.shape) / np.sqrt(len(v)) for k, v in net.state_dict().items()}
        net.load_state_dict({k: v**2 + 0.5 if k.endswith("variance") else v for k, v in state.items()})
    return nets


def rescaled_nets(dtype, rng):
    """Each step before the first layer, and dropout."""
    first = {
        "plain": [],
        "pixels": [Rescaling(1 / 255)],
        "shifted": [Rescaling(2.0, -1.0)],
        "standard": [Standardize(rng.uniform(-9, 9, 13), rng.uniform(0.1, 9, 13))],
        "dropped": [Standardize(rng.uniform(-9, 9, 13), np.ones(13)), Dropout(0.5)],
    }
    return {
        name: randomized(Network([13, *layers, 37, Dropout(0.2), Dense(2, "sigmoid")], dtype=dtype), rng)
        for name, layers in first.items()
    }
