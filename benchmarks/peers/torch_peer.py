"""PyTorch: eager, TorchScript (traced, frozen, optimised) and torch.compile."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from . import setting
from .jobs import Array, Job

NAME, PACKAGES = "PyTorch", {"torch": torch.__version__}
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "identity": nn.Identity}

torch.set_num_threads(setting.threads())
warnings.filterwarnings("ignore", message=".*torch.jit.*")


def module(job: Job, link: bool) -> nn.Sequential:
    """The network with the job's weights; without the link its outputs are logits."""
    layers: list[nn.Module] = []
    arrays = [torch.from_numpy(array.copy()) for array in job.weights]
    for W, b in zip(arrays[::2], arrays[1::2], strict=True):
        dense = nn.Linear(*W.shape, dtype=W.dtype)
        dense.weight.data, dense.bias.data = W.T.contiguous(), b
        layers += [dense, ACTIVATIONS[job.hidden]()]
    layers.pop()
    if link and job.output != "identity":
        layers.append(nn.Softmax(-1) if job.output == "softmax" else nn.Sigmoid())
    return nn.Sequential(*layers)


def _call(model: Any, job: Job) -> Callable[[], Array]:
    """Array in, array out; neither is copied."""
    X, from_numpy, inference_mode = job.X, torch.from_numpy, torch.inference_mode

    def run() -> Array:
        with inference_mode():
            return model(from_numpy(X)).numpy()

    return run


def predict(job: Job) -> Callable[[], Array]:
    return _call(module(job, True).eval(), job)


def predict_script(job: Job) -> Callable[[], Array]:
    with torch.inference_mode():
        traced = torch.jit.trace(module(job, True).eval(), torch.from_numpy(job.X))
        run = _call(torch.jit.optimize_for_inference(torch.jit.freeze(traced)), job)
    for _ in range(3):  # the profiling executor settles in its first calls
        run()
    return run


def predict_compile(job: Job) -> Callable[[], Array]:
    torch._dynamo.reset()
    return _call(torch.compile(module(job, True).eval(), dynamic=False), job)


def _loss(job: Job) -> nn.Module:
    if job.output == "softmax":
        return nn.CrossEntropyLoss()
    return nn.BCEWithLogitsLoss() if job.output == "sigmoid" else nn.MSELoss()


class Trainer:
    """The loop of the tutorials, with the fused optimizer and rows gathered by index."""

    def __init__(self, job: Job, compiled: bool = False) -> None:
        self.job, self.model = job, module(job, False)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[job.optimizer]
        self.optimizer = kind(self.model.parameters(), lr=job.rate, fused=True)
        self.X, self.y = torch.from_numpy(job.X), torch.from_numpy(job.y)
        loss = _loss(job)

        def objective(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return loss(self.model(x), y)

        if compiled:
            torch._dynamo.reset()
        self.objective = torch.compile(objective, dynamic=False) if compiled else objective

    def epoch(self, order: Array | None = None) -> None:
        job, X, y = self.job, self.X, self.y
        for _ in range(job.epochs):
            if job.full_batch:
                self.step(X, y)
                continue
            chosen = torch.randperm(job.rows) if order is None else torch.from_numpy(order)
            for rows in chosen.split(job.batch):
                self.step(X[rows], y[rows])

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.objective(x, y).backward()
        self.optimizer.step()

    def outputs(self, X: Array) -> Array:
        """With the link; the compiled model is not asked for another number of rows."""
        with torch.inference_mode():
            z = self.model(torch.from_numpy(X))
            if self.job.output == "identity":
                return np.asarray(z)
            return np.asarray(z.softmax(-1) if self.job.output == "softmax" else z.sigmoid())


def train(job: Job) -> Any:
    return Trainer(job)


PREDICT = {"PyTorch": predict, "TorchScript": predict_script, "torch.compile": predict_compile}
TRAIN = {"PyTorch": train, "torch.compile": lambda job: Trainer(job, compiled=True)}
