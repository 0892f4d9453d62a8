"""One network of a tabular estimator, trained."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..callbacks import Callback
from ..network import Network
from . import network
from .metrics import Metric
from .network import Inputs
from .recipes import Recipe
from .targets import Targets

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rows:
    """X float32 (rows, n), the truth as `targets` takes it, and weights (rows,) or None."""

    X: Array
    truth: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    def part(self, chosen: Array) -> Rows:
        weights = None if self.weights is None else self.weights[chosen]
        return Rows(self.X[chosen], self.truth[chosen], weights)


@dataclass(frozen=True)
class Lesson:
    """All that one network is made of."""

    inputs: Inputs
    targets: Targets
    recipe: Recipe
    rows: Rows
    held_out: Rows | None
    seed: int
    metric: Metric
    deadline: float | None = None  # of time.monotonic
    stop: threading.Event | None = None
    matmul_precision: str | None = None

    @property
    def batch_size(self) -> int:
        """Of equal batches, as many as there are whole ones of the recipe's size."""
        return -(-len(self.rows) // max(1, len(self.rows) // self.recipe.batch_size))


@dataclass(frozen=True)
class Trained:
    """A network, the held-out error of every epoch, and the epoch that its weights are of."""

    net: Network
    errors: list[float]
    epoch: int


class Best(Callback):
    """Keeps the weights of the last of the best epochs, and ends the fit when its time is over."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.errors: list[float] = []
        self.epoch = -1
        self.weights: list[Array] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        held_out = self.lesson.held_out
        if held_out is None:
            self.epoch = epoch
        else:
            self._measure(epoch, held_out)
        if self._is_over():
            self.network.stop_training = True

    def _measure(self, epoch: int, held_out: Rows) -> None:
        outputs = self.network.predict(held_out.X, threads=1)
        predictions = self.lesson.targets.from_network(outputs)
        self.errors.append(self.lesson.metric(held_out.truth, predictions, held_out.weights))
        if self.weights is None or self.errors[-1] <= self.errors[self.epoch]:
            self.epoch, self.weights = epoch, self.network.get_weights()

    def _is_over(self) -> bool:
        late = self.lesson.deadline is not None and time.monotonic() > self.lesson.deadline
        return late or (self.lesson.stop is not None and self.lesson.stop.is_set())


def fit(lesson: Lesson) -> Trained:
    """Makes and trains the network on one thread.

    Raises
    ------
    FloatingPointError
        If it diverges before there is an epoch to keep.
    KeyboardInterrupt
        After Ctrl-C: a part of an ensemble is none.
    """
    recipe, rows, targets = lesson.recipe, lesson.rows, lesson.targets
    net = network.build(
        lesson.inputs, targets.outputs, recipe, softmax=targets.softmax, seed=lesson.seed,
        matmul_precision=lesson.matmul_precision,
    )  # fmt: skip
    network.begin(net, recipe, rows.X)
    batches = -(-len(rows) // lesson.batch_size)
    network.compile_for(net, recipe, recipe.epochs * batches, targets.loss)
    best = Best(lesson)
    try:
        history = net.fit(
            rows.X,
            targets.to_network(rows.truth, recipe.label_smoothing),
            epochs=recipe.epochs,
            batch_size=lesson.batch_size,
            sample_weight=rows.weights,
            callbacks=[best],
            verbose=False,
            threads=1,
        )
        if history.interrupted:
            raise KeyboardInterrupt
    except FloatingPointError:
        if best.epoch < 0:
            raise
    if best.weights is not None:
        net.set_weights(best.weights)
    return Trained(net, best.errors, best.epoch)
