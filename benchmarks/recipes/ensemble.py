"""Five networks with Gaussian likelihood on California housing: time, and negative log likelihood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fastmlp import Network

from ..peers import clock
from . import examples, loops

MEMBERS, EPOCHS = 5, 40
script = examples.load("07_deep_ensemble")


def figures(folder: Path) -> dict[str, Any]:
    """Seconds of both trainings, whose members take turns, and the likelihoods of held-out prices."""
    houses = script.load(folder / "california_housing" / "cal.housing.arff")
    networks = [script.build_network(houses.X, seed) for seed in range(MEMBERS)]
    modules = [Torch(houses, seed, net.get_weights()) for seed, net in enumerate(networks)]
    seconds = {"fastmlp": 0.0, "PyTorch": 0.0}
    for net, module in zip(networks, modules, strict=True):
        seconds["fastmlp"] += clock.seconds(lambda net=net: fit(net, houses.X, houses.y), 1)
        seconds["PyTorch"] += clock.seconds(module.fit, 1)
    outputs = {
        "fastmlp": [net.predict(houses.X_test) for net in networks],
        "PyTorch": [module.predict(houses.X_test) for module in modules],
    }
    return {
        "title": f"California housing, {MEMBERS} networks 8-50-2, {EPOCHS} epochs",
        **{
            name: (seconds[name], *script.negative_log_likelihoods(each, houses.y_test))
            for name, each in outputs.items()
        },
    }


def fit(net: Network, X: np.ndarray, y: np.ndarray) -> None:
    net.fit(X, y, epochs=EPOCHS, batch_size=script.BATCH, verbose=False)


def gaussian_nll(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    mean, log_variance = outputs[:, 0], outputs[:, 1]
    return (0.5 * (log_variance + torch.square(y - mean) * torch.exp(-log_variance))).mean()


class Torch:
    """One of the modules, from given weights, on standardized rows and prices; outputs in the units of y."""

    def __init__(self, houses: Any, seed: int, weights: list[np.ndarray]) -> None:
        torch.manual_seed(seed)
        W, b, V, c = weights
        self.center, self.spread = houses.X.mean(0), houses.X.std(0)
        self.mean, self.std = houses.y.mean(), houses.y.std()
        self.model = nn.Sequential(loops.linear(W, b), nn.ReLU(), loops.linear(V, c))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=script.RATE, fused=True)
        self.X = torch.from_numpy((houses.X - self.center) / self.spread)
        self.y = torch.from_numpy((houses.y - self.mean) / self.std)

    def fit(self) -> None:
        loops.train(
            self.model, gaussian_nll, self.optimizer, self.X, self.y,
            orders=loops.shuffles(len(self.X), EPOCHS), batch_size=script.BATCH,
        )  # fmt: skip

    def predict(self, X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            z = self.model(torch.from_numpy((X - self.center) / self.spread)).numpy()
        return np.column_stack([z[:, 0] * self.std + self.mean, z[:, 1] + 2 * np.log(self.std)])
