"""Networks of the kinds of layers that tables have, and rows for them."""

import numpy as np

from fastmlp import (
    Dense,
    Embedding,
    MemberDense,
    Members,
    Network,
    OutputRescaling,
    ParametricActivation,
    PeriodicEmbedding,
    PReLU,
    Scale,
)


def randomized(net, rng, size=1.0):
    """The network with biases and weights that are not zero anywhere."""
    net.set_weights([size * rng.standard_normal(w.shape) / np.sqrt(len(w)) for w in net.get_weights()])
    return net


def table_nets(dtype, rng):
    """What tables have, with codes of 3 and 40 in the last two columns where there is an Embedding."""
    codes, last = Embedding([3, 40], [8, 3]), MemberDense(5, 19, ("elu", 0.3), use_bias=False)
    share, biased = ParametricActivation("mish"), Members(5, use_bias=True)
    scaled, rescaled = OutputRescaling([9, 2], [-3, 0.1]), OutputRescaling([4, 5, 6], [7, 8, 9])
    selu = ParametricActivation("selu")
    nets = {
        "waves": [19, PeriodicEmbedding(17), Scale(), Dense(37), selu, Dense(3, "softmax")],
        "codes": [5, PeriodicEmbedding(2, 5, 7), codes, Scale(), 40, share, 2, scaled],
        "coded": [2, codes, share, PReLU(), Dense(3, "tanh"), PReLU()],
        "shared": [6, Scale(), Members(5), Dense(17, "relu", use_bias=False), biased, last],
        "headed": [4, codes, 37, MemberDense(5, 35, "relu"), Members(5), 3, rescaled],
        "chosen": [6, PeriodicEmbedding(), Members(3), Dense(17, "relu"), MemberDense(3, 4, "log_softmax")],
    }
    return {name: randomized(Network(layers, dtype=dtype), rng, 2.0) for name, layers in nets.items()}


def table_rows(net, rng, rows=50):
    X = rng.uniform(-3, 3, (rows, net.plan.n_in)).astype(net.dtype)
    if any(isinstance(layer, Embedding) for layer in net.layers):
        X[:, -2], X[:, -1] = rng.integers(0, 3, rows), rng.integers(0, 40, rows)
    return X
