"""What all pictures share: colours, lettering, where they are drawn and how they are saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import atomic
from ..optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PathLike = str | os.PathLike[str]
Panels = np.ndarray[Any, Any]  # of Axes

TRAINING, VALIDATION, QUIET, FAINT = "#2563a8", "#d9722e", "#5b6470", "#b8bfc8"
# Colours of classes also differ in lightness, for readers who do not tell the hues apart.
CLASSES = ("#2563a8", "#d9722e", "#3c9a5f", "#8a4fa3", "#c2a100", "#4fb3bf", "#b23a48", "#7a6a58")
_DPI = 110


def color(index: int) -> str:
    """The colour of a class, or of one of several lines."""
    return CLASSES[index % len(CLASSES)]


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or the axes of a new figure of pyplot, which notebooks show and `plt.show()` opens."""
    return panels(ax, 1, 1, width, height)[0]


def panels(ax: Any, count: int, columns: int, width: float, height: float) -> Panels:
    """`count` axes: those of `ax`, one or several of the caller's, or those of a new figure of pyplot.

    A panel of a new figure is `width` times `height` inches.  Raises ValueError if `ax` has another number.
    """
    if ax is None:
        rows = -(-count // columns)
        drawn = new_figure(width * columns, height * rows).subplots(rows, columns, squeeze=False).ravel()
        for unused in drawn[count:]:
            unused.remove()
        return drawn[:count]
    given = np.array(ax, dtype=object).ravel()
    if len(given) != count:
        raise ValueError(f"ax has {len(given)} axes, expected {count}, one for each panel")
    for one in given:
        if not hasattr(one, "get_figure") or one.get_figure(root=True) is None:
            raise TypeError(f"ax is {one!r}, expected axes of matplotlib that belong to a figure")
    return given


def new_figure(width: float, height: float) -> Figure:
    """A figure of pyplot."""
    pyplot = require("matplotlib.pyplot", "plots")
    figure: Figure = pyplot.figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    return figure


def figure_of(ax: Axes) -> Figure:
    """The figure that axes belong to."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def frame(ax: Axes, *, title: str | None = None, grid: bool = True) -> None:
    """Quiet lines and small lettering."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.tick_params(colors=QUIET, labelsize=9)
    if grid:
        ax.grid(True, color="#e4e7eb", linewidth=0.8)
        ax.set_axisbelow(True)
    if title:
        ax.set_title(title, fontsize=11)


def count_epochs(ax: Axes, last: int) -> None:
    """The axis of epochs 1 to `last`: the first tick is at 1, none so near that it covers its label."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(integer=True).tick_values(1, last)
    ax.set_xticks([1, *(tick for tick in ticks if 1 + last / 12 < tick <= last)])
    ax.set_xlim(1 - 0.02 * last, last + 0.02 * last)
    ax.set_xlabel("epoch")


def color_bar(image: Any, ax: Axes | Sequence[Axes], label: str, **options: Any) -> Any:
    """A scale of colours beside the axes."""
    first = ax[0] if isinstance(ax, Sequence) else ax
    bar = figure_of(first).colorbar(image, ax=ax, pad=0.02, **options)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return bar


def save(ax: Axes, path: PathLike | None) -> None:
    """The figure of `ax` as a file, whole or not at all; the suffix decides the format, .png without one."""
    if path is None:
        return
    figure, name = figure_of(ax), os.fspath(path)
    kind = os.path.splitext(name)[1][1:]
    if not kind:
        kind = figure.canvas.get_default_filetype()
        name = f"{name}.{kind}"
    atomic.write(name, lambda file: figure.savefig(file, format=kind))
