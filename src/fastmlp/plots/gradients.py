"""`plot_gradient_norms`: how long each layer's gradient is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_gradient_norms(
    norms: Mapping[str, Sequence[float]],
    *,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw how long each layer's weight gradient is, on a logarithmic axis, one line per network.

    Parameters
    ----------
    norms : mapping
        Label to the norms, the first layer first. A norm of 0 is left out of the line.
    title : str or None
    ax : Axes or None
        Draw here. None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = plot_gradient_norms({"sigmoid": [1e-6, 1e-4, 1e-2], "relu": [0.5, 0.4, 0.6]})
    """
    from matplotlib.ticker import MaxNLocator

    ax = style.axes(ax, 5.6, 3.8)
    for index, (label, values) in enumerate(norms.items()):
        shown = np.where(np.asarray(values, dtype=np.float64) > 0, values, np.nan)
        layers = np.arange(1, len(shown) + 1)
        ax.plot(layers, shown, marker="o", markersize=4, linewidth=1.8, color=style.color(index), label=label)
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="layer (1 is next to the input)", ylabel="norm of dL/dW")
    ax.legend(frameon=False, fontsize=9)
    style.frame(ax, title=title)
    style.save(ax, path)
    return ax
