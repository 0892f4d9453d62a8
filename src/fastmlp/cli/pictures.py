"""The picture that training leaves beside the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..optional import install

HEIGHT = 3.8  # inches
WIDTH = 5.2


def drawn(picture: Path | None, draw: Callable[[Any, Path], object], panels: int = 1) -> str:
    """Draw a picture into axes, an array where there are several panels; what is to be said of it.

    `draw` saves it too.
    """
    if picture is None:
        return ""
    try:
        from matplotlib.figure import Figure

        figure = Figure((WIDTH * panels, HEIGHT), dpi=150, layout="constrained")  # pyplot looks for a screen
        draw(figure.subplots(1, panels), picture)
    except ImportError:
        return f" (no picture: matplotlib is not installed, {install('train')} brings it)"
    return f" and {picture}"
