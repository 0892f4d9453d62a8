"""The recipe of the tabular estimators beside the same in PyTorch, written as RealMLP's paper has it.

Weights there are N(0, 1) and y = x W / sqrt(n_in) + b; rates and decays of parameters are Adam's groups.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")

import torch

from fastmlp.functional import shuffled
from fastmlp.layers.lowering import nodes_of
from fastmlp.tabular import Recipe, network
from fastmlp.tabular.targets import Classes, Numbers

ROWS, COLUMNS, BATCH, EPOCHS = 96, 5, 32, 12
ACTIVATIONS = {"selu": torch.nn.functional.selu, "mish": torch.nn.functional.mish}


def wave(schedule, t):
    if schedule == "coslog4":
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))
    return 0.5 * (1 + math.cos(math.pi * t))


def flat_cosine(t):
    return 1.0 if t <= 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * t - 1)))


class Theirs:
    """The network and its training, in float64 from the start of ours."""

    def __init__(self, net, recipe):
        self.recipe = recipe
        self.waves, self.scale, self.layers, self.shares = {}, None, [], []
        self.groups = []  # parameters, factor of the rate, factor of the decay
        for kind, arrays in arrays_of(net):
            own = {name: self.parameter(array) for name, array in arrays.items()}
            if kind == "periodic_embedding":
                self.waves = own
                self.groups.append((list(own.values()), 0.1, 1.0))
            elif kind == "scale":
                self.scale = own["s"]
                self.groups.append(([own["s"]], 6.0, 1.0))
            elif kind == "dense":
                W = self.parameter(arrays["W"] * math.sqrt(len(arrays["W"])))
                self.layers.append((W, own["b"]))
                self.groups += [([W], 1.0, 1.0), ([own["b"]], 0.1, 0.0)]
            else:
                self.shares.append(own["alpha"])
                self.groups.append(([own["alpha"]], 0.1, 1.0))
        groups = [{"params": parameters} for parameters, _, _ in self.groups]
        self.adam = torch.optim.Adam(groups, betas=(0.9, 0.95), eps=1e-8)

    @staticmethod
    def parameter(array):
        return torch.tensor(np.asarray(array, np.float64), requires_grad=True)

    def front(self, X):
        """What the first dense layer takes in."""
        if self.waves:
            frequency, phase, W, b = (self.waves[name] for name in ("frequency", "phase", "W", "b"))
            count = frequency.shape[1]
            cosines = torch.cos(2 * math.pi * X[:, None, :count] * frequency + phase)
            values = torch.einsum("rfp,fkp->rpk", cosines, W.reshape(len(frequency), -1, count)) + b.T
            X = torch.cat([values.reshape(len(X), -1), X], dim=1)
        return X * self.scale

    def activated(self, z, i):
        f = ACTIVATIONS[self.recipe.activation](z)
        return z + self.shares[i] * (f - z) if self.shares else f

    def outputs(self, X):
        x = self.front(X)
        for i, (W, b) in enumerate(self.layers):
            z = x @ W / math.sqrt(len(W)) + b
            x = self.activated(z, i) if i < len(self.layers) - 1 else z
        return x

    def step(self, X, y, t):
        recipe, high, flat = self.recipe, wave(self.recipe.schedule, t), flat_cosine(t)
        z = self.outputs(X)
        log_likelihood = (y * torch.log_softmax(z, dim=1)).sum(dim=1)
        loss = -log_likelihood.mean() if y.shape[1] > 1 else ((z - y) ** 2).mean()
        self.adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            for group, (parameters, rate, decay) in zip(self.adam.param_groups, self.groups, strict=True):
                group["lr"] = recipe.learning_rate * rate * high
                factor = decay * recipe.weight_decay * recipe.learning_rate * rate**2 * high * flat
                for parameter in parameters:
                    parameter.mul_(1 - factor)
        self.adam.step()

    def arrays(self):
        """In the order of `Network.get_weights`."""
        found = [*self.waves.values(), self.scale]
        for i, (W, b) in enumerate(self.layers):
            found += [W / math.sqrt(len(W)), b, *self.shares[i : i + 1]]
        return [array.detach().numpy() for array in found]


def arrays_of(net):
    """The kind of each node, and its arrays by name."""
    nodes = nodes_of(net.plan.n_in, net.layers)
    arrays = iter(net.get_weights())
    return [(node.layer.kind, {name: next(arrays) for name in node.shapes}) for node in nodes]


def rows(task):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    if task == "classes":
        truth = (X[:, 0] * X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 0.5)
        return X, Classes(np.arange(3)), truth
    truth = np.stack([X[:, 0] * X[:, 1] + X[:, 2]], axis=1).astype(np.float64)
    return X, Numbers.learn(truth), truth


@pytest.mark.parametrize("schedule", ["coslog4", "cosine"])
@pytest.mark.parametrize("periodic", [0, 3])
@pytest.mark.parametrize("parametric", [0.0, 0.1])
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_steps_are_realmlps(task, parametric, periodic, schedule):
    recipe = Recipe.named("realmlp", task).replace(
        widths=(12, 8), dropout=0.0, schedule=schedule, parametric=parametric, epochs=EPOCHS,
        weight_decay=0.5, learning_rate=0.02,
    )  # fmt: skip
    X, targets, truth = rows(task)
    inputs = network.Inputs(COLUMNS, periodic)
    net = network.build(inputs, targets.outputs, recipe, softmax=targets.softmax, seed=5)
    network.begin(net, recipe, X)
    theirs = Theirs(net, recipe)
    y = targets.to_network(truth, recipe.label_smoothing)
    steps = EPOCHS * ROWS // BATCH
    network.compile_for(net, recipe, steps, targets.loss)
    net.fit(X, y, epochs=EPOCHS, batch_size=BATCH, verbose=False)
    theirs_X, theirs_y = (torch.tensor(array.astype(np.float64)) for array in (X, y))
    for step in range(steps):
        epoch, batch = divmod(step, ROWS // BATCH)
        chosen = shuffled(5, epoch, ROWS)[batch * BATCH : (batch + 1) * BATCH]
        theirs.step(theirs_X[chosen], theirs_y[chosen], step / steps)
    for ours, array in zip(net.get_weights(), theirs.arrays(), strict=True):
        assert ours == pytest.approx(array, rel=1e-3, abs=2e-5)
    outputs = theirs.outputs(theirs_X).detach()
    expected = torch.softmax(outputs, dim=1) if targets.softmax else outputs
    assert net.predict(X) == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_pre_activations_begin_with_unit_variance(task):
    recipe = Recipe.named("realmlp", task).replace(widths=(12, 8))
    X, targets, _ = rows(task)
    net = network.build(network.Inputs(COLUMNS, 3), targets.outputs, recipe, softmax=targets.softmax, seed=5)
    network.begin(net, recipe, X)
    theirs = Theirs(net, recipe)
    x = theirs.front(torch.tensor(X.astype(np.float64)))
    for i, (W, b) in enumerate(theirs.layers):
        z = x @ W / math.sqrt(len(W)) + b
        assert z.std(dim=0, correction=0).detach().numpy() == pytest.approx(1, abs=1e-4)
        low, high = (z - b).amin(dim=0), (z - b).amax(dim=0)
        assert bool(((-b > low) & (-b < high)).all())  # a mean of rows lies between them
        x = theirs.activated(z, i) if i < 2 else z


def test_a_start_from_normal_numbers():
    recipe = Recipe.named("realmlp-s", "classes").replace(widths=(400, 300))
    X, targets, _ = rows("classes")
    net = network.build(network.Inputs(COLUMNS, 3), targets.outputs, recipe, softmax=True, seed=5)
    network.begin(net, recipe, X)
    dense = [arrays for kind, arrays in arrays_of(net) if kind == "dense"]
    assert dense[1]["W"].std() * math.sqrt(400) == pytest.approx(1, abs=0.02)
    assert dense[1]["b"].std() == pytest.approx(1, abs=0.15)
    assert not dense[2]["W"].any() and not dense[2]["b"].any()


def test_dropout_falls_to_nothing_after_half_of_the_steps():
    recipe = Recipe.named("realmlp", "classes")
    net = network.build(network.Inputs(2, 2), 2, recipe, softmax=True, seed=0)
    network.compile_for(net, recipe, 100, "categorical_crossentropy")
    assert net.dropout_schedule.values(0, 100) == pytest.approx([flat_cosine(t / 100) for t in range(100)])
