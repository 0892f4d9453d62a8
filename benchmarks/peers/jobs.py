"""What is measured: networks, batches, data, and what is expected of each line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Job:
    """One line of a table: a network, and rows to predict or to train on.

    Attributes
    ----------
    name : str
        The widths, as a reader writes them.
    widths : tuple of int
        Input, hidden layers, output.
    hidden, output : str
        Activations.
    batch : int
        Rows of a call of predict, or of a step of training.
    kind : {"predict", "train"}
    dtype : str
    target : float or None
        The ratio to the best other package that is asked for.
    rows, epochs : int
        Of training: rows of the data, and how often one timed call uses them all.
    optimizer : {"sgd", "adam"}
    rate : float
        The learning rate.
    """

    name: str
    widths: tuple[int, ...]
    hidden: str
    output: str
    batch: int
    kind: str = "predict"
    dtype: str = "float32"
    target: float | None = None
    rows: int = 0
    epochs: int = 1
    optimizer: str = "sgd"
    rate: float = 0.01
    quick: bool = field(default=False, compare=False)

    @property
    def title(self) -> str:
        """The line's name in tables and pictures."""
        words = [self.name, self.hidden]
        if self.kind == "predict":
            words.append("1 row" if self.batch == 1 else f"{self.batch} rows")
        else:
            words.append("full batch" if self.full_batch else f"batch {self.batch}")
            words += [f"{self.rows} rows", {"sgd": "SGD", "adam": "Adam"}[self.optimizer]]
            words += [f"{self.epochs} steps"] if self.epochs > 1 else []
        return ", ".join(words + [self.dtype] * (self.dtype != "float32"))

    @property
    def full_batch(self) -> bool:
        """Whether a step of training uses all rows, so that their order does not matter."""
        return self.batch == self.rows

    @property
    def products(self) -> int:
        """Weights, and so multiply-adds for each row of a prediction."""
        return sum(a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def operations(self) -> int:
        """Floating-point operations of one timed call, multiply and add counted apart, matrices alone."""
        if self.kind == "predict":
            return 2 * self.batch * self.products
        first = self.widths[0] * self.widths[1]  # whose input needs no gradient
        return 2 * self.rows * self.epochs * (3 * self.products - first)

    @cached_property
    def weights(self) -> list[Array]:
        """[W1, b1, W2, ...]: everybody's start, of a size that keeps activations near 1."""
        generator = np.random.default_rng(1)
        arrays = []
        for n_in, n_out in zip(self.widths[:-1], self.widths[1:], strict=True):
            scale = math.sqrt(3.0 / n_in)
            arrays.append(generator.uniform(-scale, scale, (n_in, n_out)).astype(self.dtype))
            arrays.append(generator.uniform(-0.1, 0.1, n_out).astype(self.dtype))
        return arrays

    @cached_property
    def X(self) -> Array:
        generator = np.random.default_rng(2)
        rows = self.batch if self.kind == "predict" else self.rows
        return generator.standard_normal((rows, self.widths[0]), np.float32).astype(self.dtype)

    @cached_property
    def y(self) -> Array:
        """Targets: classes for softmax, 0 or 1 for sigmoid, numbers for identity."""
        generator = np.random.default_rng(3)
        if self.output == "softmax":
            return generator.integers(0, self.widths[-1], self.rows)
        shape = (self.rows, self.widths[-1])
        if self.output == "sigmoid":
            return generator.integers(0, 2, shape).astype(self.dtype)
        return generator.standard_normal(shape, np.float32).astype(self.dtype)

    @cached_property
    def probe(self) -> Array:
        """Rows on which trained networks are compared."""
        generator = np.random.default_rng(4)
        return generator.standard_normal((64, self.widths[0]), np.float32).astype(self.dtype)


# name, widths, hidden activation, output activation, the ratio asked for with one row
NETS = (
    ("2-3-2-2", (2, 3, 2, 2), "sigmoid", "identity", 20.0),
    ("17-64-64-6", (17, 64, 64, 6), "tanh", "identity", 16.0),
    ("784-16-16-10", (784, 16, 16, 10), "sigmoid", "softmax", 10.0),
    ("784-100-10", (784, 100, 10), "sigmoid", "softmax", 3.2),
    ("32-256-256-1", (32, 256, 256, 1), "relu", "identity", 3.2),
    ("784-512-512-10", (784, 512, 512, 10), "relu", "softmax", 1.2),
    ("13-37-13", (13, 37, 13), "tanh", "identity", None),
    ("561-37-6", (561, 37, 6), "relu", "softmax", None),
    ("37-561-1000-13", (37, 561, 1000, 13), "relu", "identity", None),
)
BATCHES = (1, 32, 256, 4096)

TRAINING = (
    Job("784-100-10", (784, 100, 10), "sigmoid", "softmax", 32, "train", target=2.5, rows=9600,
        optimizer="adam", rate=1e-3, quick=True),
    Job("784-100-10", (784, 100, 10), "sigmoid", "softmax", 32, "train", target=2.0, rows=9600, rate=0.1),
    Job("784-16-16-10", (784, 16, 16, 10), "sigmoid", "softmax", 10, "train", target=3.0, rows=6000,
        rate=0.1, quick=True),
    Job("784-512-512-10", (784, 512, 512, 10), "relu", "softmax", 128, "train", target=1.6, rows=6400,
        optimizer="adam", rate=1e-4),
    Job("2-4-1", (2, 4, 1), "tanh", "sigmoid", 400, "train", target=3.0, rows=400, epochs=200, rate=0.5,
        quick=True),
    Job("17-64-64-6", (17, 64, 64, 6), "tanh", "identity", 64, "train", target=3.0, rows=6400,
        optimizer="adam", rate=1e-3, quick=True),
    Job("1024 x 4 layers", (1024,) * 5, "relu", "identity", 512, "train", target=1.2, rows=2048, rate=0.01),
    Job("13-37-13", (13, 37, 13), "tanh", "identity", 37, "train", rows=3700, rate=0.05),
    Job("561-37-6", (561, 37, 6), "relu", "softmax", 13, "train", rows=3900, optimizer="adam", rate=1e-3),
    Job("37-561-1000-13", (37, 561, 1000, 13), "relu", "identity", 100, "train", rows=2000, rate=0.01),
)  # fmt: skip

WIDE = ("784-512-512-10", "1024 x 4 layers", "37-561-1000-13")


def _batch_target(widths: tuple[int, ...], batch: int) -> float:
    narrow = max(widths[1:]) <= 100
    if batch > 256:
        return 1.4 if narrow else 1.25
    return 2.0 if narrow else 1.3


def predictions() -> list[Job]:
    """Every network with every batch."""
    return [
        Job(name, widths, hidden, output, batch,
            target=one_row if batch == 1 else _batch_target(widths, batch),
            quick=batch <= 32 and len(name) <= len("784-100-10"))
        for name, widths, hidden, output, one_row in NETS
        for batch in BATCHES
    ]  # fmt: skip


def wide_prediction() -> Job:
    """4096 rows through 1024 x 4, which only the two-thread table asks for."""
    return replace(TRAINING[6], kind="predict", batch=4096, target=None, rows=0)


def all_jobs(quick: bool = False) -> list[Job]:
    """The lines of both tables: float32, then the float64 lines that others are measured on too."""
    jobs = [*predictions(), *TRAINING]
    names, batches = ("784-100-10", "784-512-512-10"), (1, 32, 128, 256)
    doubles = [job for job in jobs if job.name in names and job.batch in batches]
    jobs += [replace(job, dtype="float64", target=None, quick=False) for job in doubles]
    return [job for job in jobs if job.quick or not quick]
