"""`plot_learning_rates`: the picture of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_learning_rates(
    found: Any,
    *,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw the loss against the learning rate, with the rate that `learning_rate_range` suggests.

    Parameters
    ----------
    found : RangeTest
        What `fastmlp.learning_rate_range` returned.
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
    >>> from fastmlp import Network, learning_rate_range
    >>> net = Network([1, 8, 1], seed=0)
    >>> net.compile("sgd")
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> ax = plot_learning_rates(learning_rate_range(net, X, X**2))
    >>> ax.get_xscale()
    'log'
    """
    ax = style.axes(ax, 5.4, 3.8)
    ax.plot(found.learning_rates, found.losses, color=style.FAINT, linewidth=1, label="each batch")
    ax.plot(found.learning_rates, found.smoothed, color=style.TRAINING, linewidth=1.8, label="smoothed")
    label = f"suggested: {found.suggestion:.2g}"
    ax.axvline(found.suggestion, color=style.VALIDATION, linewidth=1.4, linestyle="--", label=label)
    ax.set_xscale("log")
    low, first = float(np.min(found.smoothed)), float(found.smoothed[0])
    margin = max(first - low, 1e-12)
    ax.set(xlabel="learning rate", ylabel="loss", ylim=(low - 0.2 * margin, first + 0.8 * margin))
    ax.legend(frameon=False, fontsize=9)
    style.frame(ax, title=title)
    style.save(ax, path)
    return ax
