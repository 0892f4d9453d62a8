"""PyTorch's loop, as fast as a user writes it without a compiler: fused optimizers, rows by index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

Array = np.ndarray[Any, Any]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

torch.set_num_threads(1)


def linear(W: Array, b: Array | None) -> nn.Linear:
    """A layer with given weights, W (n_in, n_out)."""
    layer = nn.Linear(*W.shape, bias=b is not None)
    layer.weight.data = torch.from_numpy(W.T.copy())
    if b is not None:
        layer.bias.data = torch.from_numpy(b.copy())
    return layer


def train(
    model: nn.Module,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    X: torch.Tensor,
    y: torch.Tensor,
    *,
    orders: Sequence[torch.Tensor],
    batch_size: int,
    rates: Array | None = None,
    clip: float | None = None,
) -> None:
    """An epoch for every order of the rows; `rates` are one a step, `clip` the gradient's greatest norm."""
    parameters = list(model.parameters())
    model.train()
    step = 0
    for order in orders:
        for rows in order.split(batch_size):
            if rates is not None:
                for group in optimizer.param_groups:
                    group["lr"] = float(rates[step])
            optimizer.zero_grad(set_to_none=True)
            loss(model(X[rows]), y[rows]).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(parameters, clip)
            optimizer.step()
            step += 1


def shuffles(rows: int, epochs: int) -> list[torch.Tensor]:
    return [torch.randperm(rows) for _ in range(epochs)]
