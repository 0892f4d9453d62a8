"""Fifty steps of each optimizer in float64 beside PyTorch's, and Lion's beside the formula of its paper."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels, optimizers, registry

torch = pytest.importorskip("torch")

STEPS, SIZE = 50, 37

# Ours, PyTorch's class, and its arguments: where both have the same defaults, none of either.
ALIKE = [
    (optimizers.SGD(0.01), "SGD", {"lr": 0.01}),
    (
        optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        "SGD",
        {"lr": 0.01, "momentum": 0.9, "nesterov": True},
    ),
    (optimizers.Adagrad(), "Adagrad", {}),
    (optimizers.RMSprop(0.01, rho=0.99), "RMSprop", {}),
    (optimizers.RMSprop(0.01, rho=0.99, centered=True), "RMSprop", {"centered": True}),
    (optimizers.Adadelta(), "Adadelta", {}),
    (optimizers.Adam(), "Adam", {}),
    (
        optimizers.Adam(0.01, beta_2=0.9, amsgrad=True),
        "Adam",
        {"lr": 0.01, "betas": (0.9, 0.9), "amsgrad": True},
    ),
    (optimizers.AdamW(), "AdamW", {}),
    (optimizers.Adamax(), "Adamax", {}),
    (optimizers.NAdam(), "NAdam", {}),
    (optimizers.NAdam(0.01, momentum_decay=1.0), "NAdam", {"lr": 0.01, "momentum_decay": 1.0}),
    (optimizers.RAdam(), "RAdam", {}),
    (optimizers.RAdam(0.01, beta_2=0.9), "RAdam", {"lr": 0.01, "betas": (0.9, 0.9)}),
    (optimizers.Rprop(), "Rprop", {}),
    (optimizers.Rprop(0.1, step_max=0.15), "Rprop", {"lr": 0.1, "step_sizes": (1e-6, 0.15)}),
    (optimizers.SGD(0.01, momentum=0.9, l2=0.1), "SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    (optimizers.Adagrad(l2=0.1), "Adagrad", {"weight_decay": 0.1}),
    (
        optimizers.RMSprop(0.01, rho=0.99, centered=True, l2=0.1),
        "RMSprop",
        {"centered": True, "weight_decay": 0.1},
    ),
    (optimizers.Adadelta(l2=0.1), "Adadelta", {"weight_decay": 0.1}),
    (optimizers.Adam(l2=0.1), "Adam", {"weight_decay": 0.1}),
    (optimizers.Adamax(l2=0.1), "Adamax", {"weight_decay": 0.1}),
    (optimizers.NAdam(l2=0.1), "NAdam", {"weight_decay": 0.1}),
    (optimizers.RAdam(l2=0.1), "RAdam", {"weight_decay": 0.1}),
    (optimizers.NAdam(weight_decay=0.1), "NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optimizers.RAdam(weight_decay=0.1), "RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
]


@pytest.fixture(autouse=True)
def _float64():
    """PyTorch keeps NAdam's product of momenta in the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def start_and_gradients():
    """Gradients whose signs stay, turn and vanish, of sizes far apart."""
    rng = np.random.default_rng(4)
    gradients = rng.standard_normal((STEPS, SIZE)) + rng.uniform(-2, 2, SIZE)
    gradients *= np.exp2(rng.uniform(-8, 3, SIZE))
    gradients[rng.random((STEPS, SIZE)) < 0.1] = 0
    return rng.standard_normal(SIZE), gradients


def ours(optimizer, w, gradients, isa):
    """The weights after each step."""
    w, h = w.copy(), optimizer.hyperparameters()
    idle = isinstance(optimizer, optimizers.SGD) and optimizer.momentum == 0
    slots = [np.zeros(SIZE) for _ in range(0 if idle else registry.OPTIMIZERS[optimizer.rule])]
    path = []
    for step, g in enumerate(gradients):
        _kernels.optimizer_update(optimizer.rule, w, g, slots, h, optimizer.learning_rate, step, isa=isa)
        path.append(w.copy())
    return np.array(path)


def assert_same_path(got, expected, start):
    assert np.abs(expected - start).max() > 0.004
    moved = np.abs(np.diff(np.concatenate([start[None], expected]), axis=0)).cumsum(axis=0)
    assert (np.abs(got - expected) <= 1e-12 * (np.abs(start) + moved)).all()


@pytest.mark.parametrize(("optimizer", "peer", "arguments"), ALIKE, ids=lambda value: str(value))
def test_steps_are_those_of_pytorch(isa, optimizer, peer, arguments):
    start, gradients = start_and_gradients()
    w = torch.tensor(start, requires_grad=True)
    stepper = getattr(torch.optim, peer)([w], **arguments)
    path = []
    for g in gradients:
        w.grad = torch.tensor(g)
        stepper.step()
        path.append(w.detach().numpy().copy())
    assert_same_path(ours(optimizer, start, gradients, isa), np.array(path), start)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_of_lion_are_those_of_its_paper(isa, decay):
    """Algorithm 2 of arXiv:2302.06675."""
    start, gradients = start_and_gradients()
    w, m, path = start.copy(), np.zeros(SIZE), []
    for g in gradients:
        update = np.sign(0.9 * m + (1 - 0.9) * g)
        m = 0.99 * m + (1 - 0.99) * g
        w = w - 1e-3 * (update + decay * w)
        path.append(w.copy())
    lion = optimizers.Lion(1e-3, weight_decay=decay)
    assert_same_path(ours(lion, start, gradients, isa), np.array(path), start)


def test_every_optimizer_has_a_peer():
    compared = {type(optimizer) for optimizer, _, _ in ALIKE} | {optimizers.Lion}
    assert compared == set(optimizers.OPTIMIZERS.values())
