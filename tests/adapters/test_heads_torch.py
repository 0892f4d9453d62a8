"""A network with heads beside the same in PyTorch, where the losses of several tasks are added by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import Dense, Heads, Network, losses, optimizers
from helpers import assert_close, assert_trained

torch = pytest.importorskip("torch")
nn = torch.nn

N_IN, HIDDEN, ROWS, STEPS = 5, 8, 24, 50
WEIGHTS = {"price": 0.5, "kind": 2.0, "count": 0.3, "spread": 1.5}
HEADS = {"price": 2, "kind": (3, "softmax"), "tags": (2, "sigmoid"), "count": (1, "exp"), "spread": 2}
LOSSES = {
    "price": losses.Huber(0.8),
    "kind": losses.SparseCategoricalCrossentropy(0.1),
    "spread": losses.GaussianNLL(),
}
THEIRS = {
    "price": nn.HuberLoss(delta=0.8),
    "kind": nn.CrossEntropyLoss(label_smoothing=0.1),
    "tags": nn.BCEWithLogitsLoss(),
    "count": nn.PoissonNLLLoss(),
    "spread": lambda z, y: nn.GaussianNLLLoss(eps=1e-300)(z[:, :1], y, z[:, 1:].exp()),
}


def test_fifty_steps_on_a_sum_of_losses():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(ROWS, N_IN))
    y = {
        "price": rng.normal(size=(ROWS, 2)),
        "kind": rng.integers(0, 3, ROWS),
        "tags": rng.integers(0, 2, (ROWS, 2)).astype(float),
        "count": rng.poisson(2.0, (ROWS, 1)).astype(float),
        "spread": rng.normal(size=(ROWS, 1)),
    }
    net = Network([N_IN, Dense(HIDDEN, "tanh"), 10, Heads(HEADS)], dtype="float64", seed=2)
    module = nn.Sequential(nn.Linear(N_IN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 10)).double()
    before = net.get_weights()
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), before, strict=True):
            parameter.copy_(torch.from_numpy(array.T.copy()))
    net.compile(optimizers.Adam(0.01), losses.Heads(LOSSES, WEIGHTS))
    ours = net.fit(X, y, epochs=STEPS, batch_size=None, shuffle=False).history["loss"]
    optimizer, values = torch.optim.Adam(module.parameters(), 0.01), []
    inputs, expected = torch.from_numpy(X), {name: torch.from_numpy(own) for name, own in y.items()}
    for _ in range(STEPS):
        optimizer.zero_grad()
        Z = module(inputs)
        parts = {name: THEIRS[name](Z[:, columns], expected[name]) for name, columns in net.heads.items()}
        value = sum(WEIGHTS.get(name, 1.0) * part for name, part in parts.items())
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert_trained(net.get_weights(), before)
    assert np.allclose(ours, values, rtol=1e-9) and ours[-1] < 0.7 * ours[0]
    assert_close(net.get_weights(), [p.detach().numpy().T.copy() for p in module.parameters()], 1e-8)
    Z = module(inputs).detach()
    found = net.predict_heads(X)
    assert np.allclose(found["kind"], Z[:, net.heads["kind"]].softmax(dim=1).numpy())
    assert np.allclose(found["tags"], Z[:, net.heads["tags"]].sigmoid().numpy())
    assert np.allclose(found["count"], Z[:, net.heads["count"]].exp().numpy())
