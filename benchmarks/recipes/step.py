"""An epoch of 784-512-512-10 with dropout, batch normalisation, AdamW, one cycle and clipping at once.

Before anybody is timed, all train without dropout from the same weights on rows in the same order, and must
change the predictions alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from fastmlp import Activation, BatchNormalization, Dense, Dropout, Network, optimizers, reference
from fastmlp.schedules import OneCycle

from ..checks import deviation
from ..peers import clock
from . import loops

Array = np.ndarray[Any, Any]

ROWS, BATCH, WIDTHS = 6400, 128, (784, 512, 512, 10)
STEPS, RATE, DECAY, NORM, MOMENTUM, EPSILON = ROWS // BATCH, 1e-3, 0.01, 1.0, 0.9, 1e-5
ASKED = {"PyTorch": 1.8, "JAX": 1.25}
BOUND = 0.02  # of the change that the epoch made: roots of small moments differ by the order of sums
RATES = OneCycle(RATE, STEPS).values(0, STEPS)


def rows() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((ROWS, WIDTHS[0]), np.float32), rng.integers(0, WIDTHS[-1], ROWS)


def network(dropout: float) -> Network:
    layers: list[Any] = [WIDTHS[0]]
    for width in WIDTHS[1:-1]:
        normalized = BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)
        layers += [Dense(width, use_bias=False), normalized, Activation("relu"), Dropout(dropout)]
    net = Network([*layers, WIDTHS[-1]], output="softmax", initializer="he_normal", seed=0)
    rates = OneCycle(RATE, STEPS)
    net.compile(optimizers.AdamW(rates, weight_decay=DECAY, global_clipnorm=NORM), metrics=[])
    return net


def _dense(net: Network) -> list[Array]:
    return [array for array in net.get_weights() if array.ndim == 2]


class Ours:
    def __init__(self, dropout: float) -> None:
        self.net, (self.X, self.y) = network(dropout), rows()

    def epoch(self, order: Array | None = None) -> None:
        """In an order of its own, which `order` is."""
        self.net.fit(self.X, self.y, epochs=1, batch_size=BATCH, verbose=False)

    def outputs(self) -> Array:
        return np.asarray(self.net.predict(self.X[:64]))


class Torch:
    """Eager, as fast as it goes without a compiler: fused AdamW, rows by index, one thread."""

    def __init__(self, dropout: float) -> None:
        X, y = rows()
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        layers: list[nn.Module] = []
        first, second, last = _dense(network(dropout))
        for W in (first, second):
            normalized = nn.BatchNorm1d(W.shape[1], eps=EPSILON, momentum=1 - MOMENTUM)
            layers += [loops.linear(W, None), normalized, nn.ReLU(), nn.Dropout(dropout)]
        self.model = nn.Sequential(*layers, loops.linear(last, np.zeros(last.shape[1], np.float32)))
        decayed = [p for p in self.model.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)

    def epoch(self, order: Array | None = None) -> None:
        chosen = torch.randperm(ROWS) if order is None else torch.from_numpy(order)
        loops.train(
            self.model, nn.CrossEntropyLoss(), self.optimizer, self.X, self.y,
            orders=[chosen], batch_size=BATCH, rates=RATES, clip=NORM,
        )  # fmt: skip

    def outputs(self) -> Array:
        """With moving variances that were divided by the count, as the others', and not by one less."""
        for layer in self.model:
            if isinstance(layer, nn.BatchNorm1d) and layer.running_var is not None:
                layer.running_var *= (BATCH - 1) / BATCH
        with torch.inference_mode():
            return np.asarray(self.model.eval()(self.X[:64]).softmax(-1))


class Jax:
    """The whole epoch in one compiled scan over donated buffers."""

    def __init__(self, dropout: float) -> None:
        X, y = rows()
        self.X, self.y = jnp.array(X), jnp.array(y)
        weights = [jnp.array(W) for W in _dense(network(dropout))]
        ones = [jnp.ones(width) for width in WIDTHS[1:-1]]
        zeros = [jnp.zeros(width) for width in WIDTHS[1:-1]]
        parameters = {"W": weights, "gamma": ones, "beta": zeros, "b": jnp.zeros(WIDTHS[-1])}
        moments = [jax.tree_util.tree_map(jnp.zeros_like, parameters) for _ in range(2)]
        self.state = jax.tree_util.tree_map(jnp.array, (parameters, *moments, (zeros, ones), jnp.zeros(())))
        self.run = jax.jit(partial(_epoch, dropout), donate_argnums=0)
        self.generator, self.key = np.random.default_rng(0), jax.random.key(0)

    def epoch(self, order: Array | None = None) -> None:
        chosen = self.generator.permutation(ROWS) if order is None else order
        self.key, key = jax.random.split(self.key)
        steps = (chosen.reshape(STEPS, BATCH), RATES.astype(np.float32), jax.random.split(key, STEPS))
        self.state = self.run(self.state, self.X, self.y, steps)
        jax.block_until_ready(self.state)

    def outputs(self) -> Array:
        parameters, _, _, (means, variances), _ = self.state
        return np.asarray(jax.nn.softmax(_logits(parameters, self.X[:64], means, variances)))


def _normalized(parameters: Any, layer: int, z: Any, mean: Any, variance: Any) -> Any:
    scale = jax.lax.rsqrt(variance + EPSILON) * parameters["gamma"][layer]
    return jax.nn.relu((z - mean) * scale + parameters["beta"][layer])


def _logits(parameters: Any, x: Any, means: Any, variances: Any) -> Any:
    for layer, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        x = _normalized(parameters, layer, x @ parameters["W"][layer], mean, variance)
    return x @ parameters["W"][-1] + parameters["b"]


def _loss(parameters: Any, x: Any, y: Any, key: Any, dropout: float) -> Any:
    """And the batch's means and variances."""
    means, variances = [], []
    for layer in range(len(WIDTHS) - 2):
        z = x @ parameters["W"][layer]
        means.append(z.mean(0))
        variances.append(jnp.square(z - means[-1]).mean(0))
        x = _normalized(parameters, layer, z, means[-1], variances[-1])
        if dropout:
            kept = jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - dropout, x.shape)
            x = jnp.where(kept, x / (1 - dropout), 0)
    z = x @ parameters["W"][-1] + parameters["b"]
    loss = -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()
    return loss, (means, variances)


def _epoch(dropout: float, state: Any, X: Any, y: Any, steps: Any) -> Any:
    tree_map = jax.tree_util.tree_map

    def step(state: Any, of_step: Any) -> Any:
        (parameters, m, v, moving, t), (chosen, rate, key) = state, of_step
        x, targets = (array.at[chosen].get(mode="promise_in_bounds") for array in (X, y))
        g, batch = jax.grad(_loss, has_aux=True)(parameters, x, targets, key, dropout)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(a)) for a in jax.tree_util.tree_leaves(g)))
        g = tree_map(lambda a: a * jnp.minimum(1, NORM / norm), g)
        t = t + 1
        root = jnp.sqrt(1 - 0.999**t)
        m = tree_map(lambda old, a: 0.9 * old + 0.1 * a, m, g)
        v = tree_map(lambda old, a: 0.999 * old + 0.001 * a * a, v, g)
        size, epsilon = rate / (1 - 0.9**t) * root, 1e-8 * root

        def moved(w: Any, a: Any, b: Any) -> Any:
            kept = 1 - rate * DECAY if w.ndim == 2 else 1
            return w * kept - size * a / (jnp.sqrt(b) + epsilon)

        moving = tree_map(lambda old, now: MOMENTUM * old + (1 - MOMENTUM) * now, moving, batch)
        return (tree_map(moved, parameters, m, v), m, v, moving, t), None

    return jax.lax.scan(step, state, steps)[0]


PEERS: dict[str, Callable[[float], Any]] = {"fastmlp": Ours, "PyTorch": Torch, "JAX": Jax}


def check() -> dict[str, float]:
    """How far the others are from the engine after an epoch; AssertionError beyond the bound."""
    order = reference.shuffled(0, 0, ROWS)
    peers = {name: make(0.0) for name, make in PEERS.items()}
    before = network(0.0).predict(rows()[0][:64])
    for peer in peers.values():
        peer.epoch(order)
    own = peers["fastmlp"].outputs()
    found = {
        name: deviation(peer.outputs(), own, before) for name, peer in peers.items() if name != "fastmlp"
    }
    for name, value in found.items():
        assert value < BOUND, f"{name} differs by {value:.3f} of what the epoch changed, expected {BOUND}"
    return found


def figures(rounds: int) -> dict[str, Any]:
    """Seconds an epoch of each, in turn, once their results have been compared."""
    found = check()
    peers = {name: make(0.2) for name, make in PEERS.items()}
    for peer in peers.values():
        peer.epoch()
    samples = clock.in_turn({name: peer.epoch for name, peer in peers.items()}, rounds, 0.02)
    return {"deviation": found, **{name: clock.spread(values) for name, values in samples.items()}}
