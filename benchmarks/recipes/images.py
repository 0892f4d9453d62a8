"""MNIST and Fashion-MNIST with 784-512-512-10 and dropout: the time to the accuracy that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fastmlp.schedules import OneCycle

from ..peers import clock
from . import examples, loops

ASKED = {"mnist": 0.985, "fashion_mnist": 0.9}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
script = examples.load("06_mnist_512_512")


def figures(folder: Path, name: str) -> dict[str, Any]:
    """Seconds of both trainings, whose epochs take turns, and the test accuracy that each led to."""
    X, y, X_test, y_test = script.images(folder / name)
    epochs, rate = script.RECIPES[name]
    net = script.build_network(len(X), epochs, rate)
    theirs = Torch(X, y, epochs, rate, net.get_weights())
    seconds = {"fastmlp": 0.0, "PyTorch": 0.0}

    def own_epoch() -> None:
        net.fit(X, y, epochs=1, batch_size=script.BATCH, verbose=False)

    for _ in range(epochs):
        seconds["fastmlp"] += clock.seconds(own_epoch, 1)
        seconds["PyTorch"] += clock.seconds(theirs.epoch, 1)
    right = net.evaluate(X_test, y_test)["accuracy"], float(np.mean(theirs.classes(X_test) == y_test))
    return {
        "title": f"{TITLES[name]}, 784-512-512-10, {epochs} epochs",
        "asked": ASKED[name],
        **{who: (seconds[who], accuracy) for who, accuracy in zip(seconds, right, strict=True)},
    }


def _scaled(X: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(X.astype(np.float32) / 255)


class Torch:
    """The same network from the same weights, with the same rates; dropout and orders are its own."""

    def __init__(
        self, X: np.ndarray, y: np.ndarray, epochs: int, rate: float, weights: list[np.ndarray]
    ) -> None:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            layers += [loops.linear(W, b), nn.ReLU(), nn.Dropout(script.DROPOUT)]
        self.model = nn.Sequential(*layers[:-2])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=script.DECAY, fused=True)
        self.X, self.y = _scaled(X), torch.from_numpy(y.astype(np.int64))
        steps = -(-len(X) // script.BATCH)
        rates = OneCycle(rate, epochs * steps).values(0, epochs * steps)
        self.rates = iter(rates.reshape(epochs, steps))

    def epoch(self) -> None:
        loops.train(
            self.model, nn.CrossEntropyLoss(), self.optimizer, self.X, self.y,
            orders=loops.shuffles(len(self.X), 1), batch_size=script.BATCH, rates=next(self.rates),
        )  # fmt: skip

    def classes(self, X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(self.model.eval()(_scaled(X)).argmax(1))
