"""`plot_network`: the units and layers of a network, with their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers import chain
from ..model import Model
from . import predictions, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_network(
    network: Any,
    *,
    most_units: int = 12,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw the layers as columns of units, with names, shapes and numbers of parameters below.

    A line is a weight: blue negative, red positive, the darker the larger in its layer. Of a wide layer
    only the first and last units are drawn.

    Parameters
    ----------
    network : Network, or fitted MLPClassifier or MLPRegressor
    most_units : int
        Units drawn of a layer, at most.
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
    >>> from fastmlp import Network
    >>> ax = plot_network(Network([2, 4, 1], seed=0))
    >>> [text.get_text().splitlines()[0] for text in ax.texts]
    ['input', 'dense, relu', 'dense, identity']
    """
    network = predictions.network_of(network)
    columns = chain.rows(network.plan.n_in, network.layers)
    drawn = [_shown(width, most_units) for _, width, _ in columns]
    places = [_heights(units, width) for units, (_, width, _) in zip(drawn, columns, strict=True)]
    top = max(heights[0] for heights in places)
    ax = style.axes(ax, 1.2 + 1.5 * len(columns), 1.4 + 0.42 * max(top, 1.0))
    for place, ((words, width, parameters), heights) in enumerate(zip(columns, places, strict=True)):
        ax.scatter([place] * len(heights), heights, s=90, color="white", edgecolors=style.QUIET, zorder=3)
        if len(heights) < width:
            gap = heights[np.argmax(heights[:-1] - heights[1:])] - 1
            ax.annotate("⋮", (place, gap), ha="center", va="center", fontsize=13, color=style.QUIET)
        _draw_words(ax, (place, -top - 0.9), words, width, parameters)
    _draw_weights(ax, _matrices(network), drawn, places)
    ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-top - 3.2, top + 0.6))
    ax.set_axis_off()
    if title:
        ax.set_title(title, fontsize=11)
    style.save(ax, path)
    return ax


def _shown(width: int, most: int) -> Any:
    """The units of a layer that are drawn."""
    if width <= most:
        return np.arange(width)
    first = most // 2
    return np.concatenate([np.arange(first), np.arange(width - (most - first - 1), width)])


def _heights(units: Any, width: int) -> Any:
    """Where the units stand, the first on top, about 0; one place is left free where units are left out."""
    places = np.arange(len(units), dtype=np.float64)
    if len(units) < width:
        places[units >= len(units)] += 1
    return (places[-1] / 2) - places


def _draw_words(ax: Axes, place: tuple[float, float], words: str, width: int, parameters: int) -> None:
    lines = [words, f"(rows, {width})"]
    if parameters:
        lines.append(f"{parameters:,} parameter" + "s" * (parameters > 1))
    ax.text(*place, "\n".join(lines), ha="center", va="top", fontsize=7.5, color=style.QUIET, linespacing=1.5)


def _draw_weights(ax: Axes, matrices: list[Any], drawn: list[Any], places: list[Any]) -> None:
    """Lines from each column to the next: the weights of what has weights, plain ones elsewhere."""
    from matplotlib.collections import LineCollection

    for place, weights in enumerate(matrices):
        before, after = drawn[place], drawn[place + 1]
        if weights is None:
            pairs = [(i, i) for i in range(min(len(before), len(after)))]
            shades: Any = [style.FAINT] * len(pairs)
        else:
            pairs = [(i, j) for i in range(len(before)) for j in range(len(after))]
            shades = _shades(weights[np.ix_(before, after)].astype(np.float64).ravel())
        lines = [[(place, places[place][i]), (place + 1, places[place + 1][j])] for i, j in pairs]
        ax.add_collection(LineCollection(lines, colors=shades, linewidths=0.8, zorder=1))


def _matrices(network: Model) -> list[Any]:
    """The weight matrix of each layer, None of one that has another kind of arrays, or none."""
    arrays, width, found = iter(network.get_weights()), network.plan.n_in, []
    for layer in network.layers:
        named = {name: next(arrays) for name in layer.arrays(width)}
        found.append(named.get("W"))
        width = layer.output_width(width)
    return found


def _shades(weights: Any) -> Any:
    """Blue for negative, red for positive weights, paler the smaller beside the largest."""
    from matplotlib import colormaps

    largest = np.abs(weights).max() or 1.0
    shades = colormaps["RdBu_r"](0.5 + 0.5 * np.sign(weights))
    shades[:, 3] = np.minimum(0.08 + 0.92 * np.abs(weights) / largest, 1.0)
    return shades
