"""Pictures: the one that training leaves beside the model, and those of `plot`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..optional import install

HEIGHT = 3.8  # inches
WIDTH = 5.2


def draw(picture: Path, into: Callable[[Any, Path], object], panels: int = 1) -> None:
    """Draw a picture into axes, an array where there are several panels; `into` saves it too."""
    from matplotlib.figure import Figure

    figure = Figure((WIDTH * panels, HEIGHT), dpi=150, layout="constrained")  # pyplot looks for a screen
    into(figure.subplots(1, panels), picture)


def drawn(picture: Path | None, into: Callable[[Any, Path], object], panels: int = 1) -> str:
    """The same where a picture is asked for and matplotlib is there; what is to be said of it."""
    if picture is None:
        return ""
    try:
        draw(picture, into, panels)
    except ImportError:
        return f" (no picture: matplotlib is not installed, {install('train')} brings it)"
    return f" and {picture}"
