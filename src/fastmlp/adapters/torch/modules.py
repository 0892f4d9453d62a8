"""What PyTorch lacks and `to_torch` needs: `Rescaling`, `Standardize`, `OutputRescaling`,
`GaussianNoise`, `MaxPieces`, `Exp`, `Step`, `Squareplus`, `SparsePlus`, `SparseSigmoid`.

The classes are made when they are first asked for, as their base needs torch; they are found here by name, so
that whole modules pickle.
"""

from __future__ import annotations

import math
from typing import Any

from ... import layers
from ...optional import require

NAMES = (
    *("Rescaling", "Standardize", "OutputRescaling", "GaussianNoise", "MaxPieces"),
    *("Exp", "Step", "Squareplus", "SparsePlus", "SparseSigmoid"),
)


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    torch = require("torch", "torch")
    for cls in (*_rescalings(torch), *_layers(torch), *_activations(torch)):
        cls.__module__, cls.__qualname__ = __name__, cls.__name__
        globals()[cls.__name__] = cls
    return globals()[name]


def _rescalings(torch: Any) -> list[type]:
    class Scaling(torch.nn.Module):  # type: ignore[misc]
        """x * scale + offset, computed as `fastmlp.Rescaling` does."""

        def __init__(self, scale: float, offset: float = 0.0) -> None:
            super().__init__()
            shift, divisor = layers.Rescaling(scale, offset).shift_and_divisor(1)
            self.scale, self.offset = scale, offset
            self.shift, self.divisor = float(shift[0]), float(divisor[0])

        def forward(self, x: Any) -> Any:
            return (x - self.shift) / self.divisor

        def extra_repr(self) -> str:
            return f"scale={self.scale}, offset={self.offset}"

    class Standardize(torch.nn.Module):  # type: ignore[misc]
        """(x - mean) / std; both are buffers of shape (n_in,)."""

        def __init__(self, mean: Any, std: Any) -> None:
            super().__init__()
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)

        def forward(self, x: Any) -> Any:
            return (x - self.mean) / self.std

    class OutputRescaling(torch.nn.Module):  # type: ignore[misc]
        """x * scale + offset; both are buffers of shape (n_out,)."""

        def __init__(self, scale: Any, offset: Any) -> None:
            super().__init__()
            self.register_buffer("scale", scale)
            self.register_buffer("offset", offset)

        def forward(self, x: Any) -> Any:
            return x * self.scale + self.offset

    Scaling.__name__ = "Rescaling"
    return [Scaling, Standardize, OutputRescaling]


def _layers(torch: Any) -> list[type]:
    class GaussianNoise(torch.nn.Module):  # type: ignore[misc]
        """x + stddev n in training, n normal; else x."""

        def __init__(self, stddev: float) -> None:
            super().__init__()
            self.stddev = stddev

        def forward(self, x: Any) -> Any:
            return x + self.stddev * torch.randn_like(x) if self.training else x

        def extra_repr(self) -> str:
            return f"stddev={self.stddev}"

    class MaxPieces(torch.nn.Module):  # type: ignore[misc]
        """max over k of x_(k n + j), n columns out of `pieces` n."""

        def __init__(self, pieces: int) -> None:
            super().__init__()
            self.pieces = pieces

        def forward(self, x: Any) -> Any:
            return x.unflatten(-1, (self.pieces, -1)).max(-2).values

        def extra_repr(self) -> str:
            return f"pieces={self.pieces}"

    return [GaussianNoise, MaxPieces]


def _activations(torch: Any) -> list[type]:
    class Exp(torch.nn.Module):  # type: ignore[misc]
        """exp(x)"""

        def forward(self, x: Any) -> Any:
            return torch.exp(x)

    class Step(torch.nn.Module):  # type: ignore[misc]
        """1 where x > 0, else 0"""

        def forward(self, x: Any) -> Any:
            return (x > 0).to(x.dtype)

    class Squareplus(torch.nn.Module):  # type: ignore[misc]
        """(x + sqrt(x^2 + b)) / 2, below 0 without its cancellation"""

        def __init__(self, b: float = 4.0) -> None:
            super().__init__()
            self.b = b

        def forward(self, x: Any) -> Any:
            half = x.abs() / 2 + torch.hypot(x, x.new_tensor(math.sqrt(self.b))) / 2
            return torch.where(x < 0, self.b / 4 / half, half)

        def extra_repr(self) -> str:
            return f"b={self.b}"

    class SparsePlus(torch.nn.Module):  # type: ignore[misc]
        """0 up to -1, (x + 1)^2 / 4 up to 1, then x"""

        def forward(self, x: Any) -> Any:
            return torch.where(x > 1, x, (torch.clamp(x + 1, 0, 2) / 2) ** 2)

    class SparseSigmoid(torch.nn.Module):  # type: ignore[misc]
        """(x + 1) / 2 between 0 and 1"""

        def forward(self, x: Any) -> Any:
            return torch.clamp(x + 1, 0, 2) / 2

    return [Exp, Step, Squareplus, SparsePlus, SparseSigmoid]
