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

    def __init__(self, state, recipe):
        self.recipe = recipe
        self.scale = self.parameter(state["layers.0.s"])
        self.layers = []
        for i in range(1, len(recipe.widths) + 2):
            W, b = state[f"layers.{i}.W"], state[f"layers.{i}.b"]
            self.layers.append((self.parameter(W * math.sqrt(len(W))), self.parameter(b)))
        weights, biases = zip(*self.layers, strict=True)
        self.groups = [([self.scale], 6.0, 0.0), (list(weights), 1.0, 1.0), (list(biases), 0.1, 0.0)]
        groups = [{"params": parameters} for parameters, _, _ in self.groups]
        self.adam = torch.optim.Adam(groups, betas=(0.9, 0.95), eps=1e-8)

    @staticmethod
    def parameter(array):
        return torch.tensor(np.asarray(array, np.float64), requires_grad=True)

    def outputs(self, X):
        x = X * self.scale
        for W, b in self.layers[:-1]:
            x = ACTIVATIONS[self.recipe.activation](x @ W / math.sqrt(len(W)) + b)
        W, b = self.layers[-1]
        return x @ W / math.sqrt(len(W)) + b

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
                factor = decay * recipe.weight_decay * recipe.learning_rate * (rate * high * flat) ** 2
                for parameter in parameters:
                    parameter.mul_(1 - factor)
        self.adam.step()

    def state(self):
        arrays = {"layers.0.s": self.scale}
        for i, (W, b) in enumerate(self.layers, 1):
            arrays |= {f"layers.{i}.W": W / math.sqrt(len(W)), f"layers.{i}.b": b}
        return {name: array.detach().numpy() for name, array in arrays.items()}


def rows(task):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    if task == "classes":
        truth = (X[:, 0] * X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 0.5)
        return X, Classes(np.arange(3)), truth
    truth = np.stack([X[:, 0] * X[:, 1] + X[:, 2]], axis=1).astype(np.float64)
    return X, Numbers.learn(truth), truth


@pytest.mark.parametrize("schedule", ["coslog4", "cosine"])
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_steps_are_realmlps(task, schedule):
    recipe = Recipe.named("realmlp", task).replace(
        widths=(12, 8), dropout=0.0, schedule=schedule, epochs=EPOCHS, weight_decay=0.5, learning_rate=0.02
    )
    X, targets, truth = rows(task)
    inputs = network.Inputs(COLUMNS, 0)
    net = network.build(inputs, targets.outputs, recipe, softmax=targets.softmax, seed=5)
    network.begin(net, recipe, X)
    theirs = Theirs(net.state_dict(), recipe)
    y = targets.to_network(truth, recipe.label_smoothing)
    steps = EPOCHS * ROWS // BATCH
    network.compile_for(net, recipe, steps, targets.loss)
    net.fit(X, y, epochs=EPOCHS, batch_size=BATCH, verbose=False)
    theirs_X, theirs_y = (torch.tensor(array.astype(np.float64)) for array in (X, y))
    for step in range(steps):
        epoch, batch = divmod(step, ROWS // BATCH)
        chosen = shuffled(5, epoch, ROWS)[batch * BATCH : (batch + 1) * BATCH]
        theirs.step(theirs_X[chosen], theirs_y[chosen], step / steps)
    for name, array in theirs.state().items():
        assert net.state_dict()[name] == pytest.approx(array, rel=1e-3, abs=2e-5), name
    outputs = theirs.outputs(theirs_X).detach()
    expected = torch.softmax(outputs, dim=1) if targets.softmax else outputs
    assert net.predict(X) == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_pre_activations_begin_with_unit_variance(task):
    recipe = Recipe.named("realmlp", task).replace(widths=(12, 8))
    X, targets, _ = rows(task)
    net = network.build(network.Inputs(COLUMNS, 0), targets.outputs, recipe, softmax=targets.softmax, seed=5)
    network.begin(net, recipe, X)
    theirs = Theirs(net.state_dict(), recipe)
    x = torch.tensor(X.astype(np.float64))
    for W, b in theirs.layers:
        z = x @ W / math.sqrt(len(W)) + b
        assert z.std(dim=0, correction=0).detach().numpy() == pytest.approx(1, abs=1e-4)
        low, high = (z - b).amin(dim=0), (z - b).amax(dim=0)
        assert bool(((-b > low) & (-b < high)).all())  # a mean of rows lies between them
        x = ACTIVATIONS[recipe.activation](z)


def test_a_start_from_normal_numbers():
    recipe = Recipe.named("realmlp-s", "classes").replace(widths=(400, 300))
    X, targets, _ = rows("classes")
    net = network.build(network.Inputs(COLUMNS, 0), targets.outputs, recipe, softmax=True, seed=5)
    network.begin(net, recipe, X)
    state = net.state_dict()
    assert state["layers.2.W"].std() * math.sqrt(400) == pytest.approx(1, abs=0.02)
    assert state["layers.2.b"].std() == pytest.approx(1, abs=0.15)
    assert not state["layers.3.W"].any() and not state["layers.3.b"].any()


def test_dropout_falls_to_nothing_after_half_of_the_steps():
    recipe = Recipe.named("realmlp", "classes")
    net = network.build(network.Inputs(2, 0), 2, recipe, softmax=True, seed=0)
    network.compile_for(net, recipe, 100, "categorical_crossentropy")
    assert net.dropout_schedule.values(0, 100) == pytest.approx([flat_cosine(t / 100) for t in range(100)])
