"""What PyTorch lacks and `to_torch` needs: `Rescaling`, `Standardize`, `OutputRescaling`,
`GaussianNoise`, `MaxPieces`, `Exp`, `Step`, `Squareplus`, `SparsePlus`, `SparseSigmoid`, `Skip`,
`SkipSequential`.

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
    *("Exp", "Step", "Squareplus", "SparsePlus", "SparseSigmoid", "Skip", "SkipSequential"),
)

Rescaling: Any  # as `__getattr__` says of all; mypy does not look there in a circle of imports for types
GaussianNoise: Any
MaxPieces: Any


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    torch = require("torch", "torch")
    for cls in (*_rescalings(torch), *_layers(torch), *_activations(torch), *_skips(torch)):
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


def _skips(torch: Any) -> list[type]:
    class Skip(torch.nn.Module):  # type: ignore[misc]
        """x + the output of the module that stands `back` places before it in a `SkipSequential`.

        The number is in its state dict too: without it that would be another network's.
        """

        def __init__(self, back: int) -> None:
            super().__init__()
            self.back = back
            self.register_buffer("places_back", torch.tensor(back, device="cpu"))

        def forward(self, x: Any, other: Any) -> Any:
            return x + other

        def _load_from_state_dict(self, state: Any, prefix: str, *others: Any) -> None:
            came = state.get(f"{prefix}places_back")
            if came is not None and int(came) != self.back:
                *_, errors = others
                errors.append(f"{prefix}places_back is {int(came)}, expected {self.back}")
            super()._load_from_state_dict(state, prefix, *others)

        def extra_repr(self) -> str:
            return f"back={self.back}"

    class SkipSequential(torch.nn.Sequential):  # type: ignore[misc]
        """A Sequential in which each `Skip` is given an earlier output beside the last one."""

        def forward(self, x: Any) -> Any:
            added = {i - module.back for i, module in enumerate(self) if isinstance(module, Skip)}
            if added and min(added) < 0:
                raise IndexError(
                    "a Skip is given the output of a module before the first one of a SkipSequential"
                )
            kept: dict[int, Any] = {}
            for i, module in enumerate(self):
                x = module(x, kept[i - module.back]) if isinstance(module, Skip) else module(x)
                if i in added:
                    kept[i] = x
            return x

    return [Skip, SkipSequential]
