"""`plot_histograms`: how weights, activations or gradients are spread, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import predictions, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("weights", "activations", "gradients")


def plot_histograms(
    network: Any,
    kind: str = "weights",
    X: Any = None,
    y: Any = None,
    *,
    bins: int = 50,
    title: str | None = None,
    ax: Any = None,
    path: style.PathLike | None = None,
) -> Any:
    """Draw how the numbers of each layer are spread, one panel a layer.

    The title of a panel gives the standard deviation and, where there are any, the share of exact zeros: of
    activations, those are the units that relu has shut.

    Parameters
    ----------
    network : Network, or fitted MLPClassifier or MLPRegressor
    kind : {"weights", "activations", "gradients"}
        The weights of the dense layers, the outputs of the layers for the rows X, or the gradients of the
        loss with respect to the weights (of a Network, which must be compiled).
    X, y : array_like
        Rows, and their targets for the gradients.
    bins : int
        Bars of a panel.
    title : str or None
    ax : Axes, array of Axes or None
        As many as there are panels. None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ValueError
        If `kind` is another, or X or y is missing that it needs.

    Examples
    --------
    >>> from fastmlp import Network
    >>> len(plot_histograms(Network([4, 8, 3], seed=0)))
    2
    """
    arrays = _arrays(predictions.network_of(network), kind, X, y)
    panels = style.panels(ax, len(arrays), min(len(arrays), 4), 3.0, 2.5)
    for index, (panel, values) in enumerate(zip(panels, arrays, strict=True)):
        _draw(panel, np.asarray(values, dtype=np.float64).reshape(-1), bins)
        panel.set_xlabel(f"{kind} of layer {index + 1}", fontsize=9)
    if title:
        style.figure_of(panels[0]).suptitle(title, fontsize=12)
    style.save(panels[0], path)
    return panels[0] if len(panels) == 1 else panels


def _arrays(network: Any, kind: str, X: Any, y: Any) -> list[Any]:
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(map(repr, _KINDS))}")
    if kind == "weights":
        return list(network.weights)
    if X is None or (kind == "gradients" and y is None):
        raise ValueError(f"{'X' if X is None else 'y'} is None, expected rows to take {kind} of")
    if kind == "activations":
        return list(network.forward(X))
    return [pair[0] for pair in network.gradients(X, y)[1]]


def _draw(ax: Axes, values: Any, bins: int) -> None:
    finite = values[np.isfinite(values)]
    ax.hist(finite, bins=bins, color=style.TRAINING, alpha=0.85)
    words = f"std {finite.std():.3g}" if len(finite) else "no finite value"
    zeros = np.mean(values == 0) if len(values) else 0.0
    if zeros > 0:
        words += f", {zeros:.0%} zeros"
    if len(finite) < len(values):
        words += f", {len(values) - len(finite)} not finite"
    style.frame(ax)
    ax.set_title(words, fontsize=9, color=style.QUIET)
