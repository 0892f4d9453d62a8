"""Networks with skip connections, in every place that these can take."""

import numpy as np

from fastmlp import (
    Activation,
    Add,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    LayerNormalization,
    MemberDense,
    Members,
    Network,
    OutputRescaling,
    PeriodicEmbedding,
    PReLU,
    Residual,
    Scale,
    Standardize,
)


def _random(layers, dtype, rng):
    """The network with numbers that are not zero anywhere, and that keep a deep one's outputs small."""
    net = Network(layers, dtype=dtype, seed=3)
    net.load_state_dict({
        name: rng.uniform(0.5, 1.5, array.shape) if name.endswith(("variance", "gamma"))
        else rng.standard_normal(array.shape) / np.sqrt(len(array)) / 2
        for name, array in net.state_dict().items()
    })  # fmt: skip
    return net


def residual_nets(dtype, rng):
    """Of layers that every form of a network has."""
    batch, relu = BatchNormalization(), Activation("relu")
    block = Residual([Dense(37, "relu"), Dense(8, "identity")])
    pre = Residual([LayerNormalization(), Dense(16, "gelu"), Dropout(0.2), Dense(8, "identity")])
    standard = Standardize(rng.uniform(-1, 1, 8), rng.uniform(0.5, 2, 8))
    nets = {
        "stacked": [5, Dense(8, "tanh"), block, pre, block, Dense(3, "softmax")],
        "activated": [5, 8, block, relu, Dense(8), Add(5), Activation("tanh"), 2],
        "nested": [5, 8, Residual([Dense(8, "tanh"), block, Dense(8, "elu")]), Dense(3, "log_softmax")],
        "of_sums": [6, Dense(8), Dense(8, "tanh"), Add(1), Dense(8), Add(3), Add(1), Add(3), 1],
        "normalized": [8, standard, 8, batch, relu, Residual([Dense(8), batch, relu, 8, batch]), relu, 4],
        "before_normalization": [8, Dense(8, "identity"), batch, relu, Dense(8), Add(1), batch, 2],
        "of_normalization": [8, 8, batch, Dense(8, "tanh"), Add(2), batch, Activation("elu"), 2],
        "dropped": [4, Dense(8), Residual([Dropout(0.3), 8]), Dropout(0.2), Dense(8), Add(1), 3],
        "at_the_end": [5, Dense(3, "tanh"), PReLU(), Dense(3, "identity"), Add(1), Activation("softmax")],
        "kept_output": [5, Dense(3, "tanh"), PReLU(), Add(1), PReLU()],
        "of_the_input": [4, GaussianNoise(0.1), GaussianNoise(0.2), Add(1), Dense(4), Add(2), Add(2), 2],
        "twice_itself": [4, Dense(6, "tanh"), Add(1), Add(1), Add(3), OutputRescaling([3.0] * 6, [1.0] * 6)],
    }
    return {name: _random(layers, dtype, rng) for name, layers in nets.items()}


def residual_table_nets(dtype, rng):
    """Of layers that tables have, also across the first layer of members."""
    nets = {
        "waves": [5, PeriodicEmbedding(4, 6, 3), Scale(), Dense(13), Add(2), Residual([13]), 2],
        "shared": [6, Dense(8), Members(5), Dense(8, "tanh"), Add(1), Residual([8]), Add(2), 3],
        "headed": [6, Dense(8), MemberDense(5, 8, "elu"), Add(1), MemberDense(5, 8), Add(3), Add(1)],
    }
    return {f"table_{name}": _random(layers, dtype, rng) for name, layers in nets.items()}
