"""`plot_layers`: what a `LayerMonitor` has recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import unknown
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..callbacks import LayerMonitor

_LABELS = {
    "activations": "root mean square of outputs",
    "gradients": "norm of the gradient",
    "updates": "relative change in an epoch",
    "dead": "share of dead units",
    "saturated": "share of saturated outputs",
}
_SHARES = ("dead", "saturated")


def plot_layers(
    monitor: LayerMonitor,
    quantities: str | Sequence[str] | None = None,
    *,
    title: str | None = None,
    ax: Any = None,
    path: style.PathLike | None = None,
) -> Axes | style.Panels:
    """Draw how activations, gradients and updates of each layer fare over the epochs, a line a layer.

    Parameters
    ----------
    monitor : LayerMonitor
        After a fit.
    quantities : str or sequence of str, optional
        Of ``monitor.history``, a panel each: "activations", "gradients", "updates", "dead", "saturated". None
        draws those that any layer has.
    title : str or None
    ax : Axes, several Axes or None
        Draw here, one for each panel. None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Axes or ndarray of Axes
        An array for several panels.

    Raises
    ------
    ValueError
        If nothing was recorded, or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network
    >>> from fastmlp.callbacks import LayerMonitor
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> net = Network([1, 8, 8, 1], seed=0)
    >>> net.compile()
    >>> monitor = LayerMonitor(X, X**2)
    >>> _ = net.fit(X, X**2, epochs=3, callbacks=[monitor])
    >>> ax = plot_layers(monitor, "gradients")
    """
    history = monitor.history
    if not history or not history["gradients"]:
        raise ValueError("monitor has recorded no epoch, expected one after a fit")
    names = [quantities] if isinstance(quantities, str) else quantities
    if names is None:
        names = [name for name, values in history.items() if not np.isnan(values).all()]
    for name in names:
        if name not in history:
            raise unknown("quantity", name, history)
    panels = style.panels(ax, len(names), min(len(names), 2), 4.6, 3.2)
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, name, history[name], monitor.layers)
    if title and len(panels) == 1:
        panels[0].set_title(title, fontsize=11)
    elif title:
        style.figure_of(panels[0]).suptitle(title, fontsize=12)
    style.save(panels[0], path)
    return panels[0] if len(panels) == 1 else panels


def _draw(ax: Axes, name: str, epochs: Sequence[Sequence[float]], layers: Sequence[str]) -> None:
    """A line for each layer that has any number; a logarithm has none of 0."""
    values = np.array(epochs, dtype=np.float64).T
    for index, (label, line) in enumerate(zip(layers, values, strict=True)):
        shown = line if name in _SHARES else np.where(line > 0, line, np.nan)
        if not np.isnan(shown).all():
            numbers = np.arange(1, len(shown) + 1)
            ax.plot(numbers, shown, marker="o", markersize=3, color=style.color(index), label=label)
    ax.set_yscale("linear" if name in _SHARES else "log")
    if name in _SHARES:
        ax.set_ylim(-0.05, 1.05)
    style.count_epochs(ax, len(epochs))
    ax.set_ylabel(_LABELS[name])
    if ax.get_lines():
        ax.legend(frameon=False, fontsize=8)
    style.frame(ax)
