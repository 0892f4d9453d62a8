"""`plot_weights`: what each unit looks at, as pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import validation
from . import predictions, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]


def plot_weights(
    network: Any,
    shape: tuple[int, int] | None = None,
    *,
    layer: int = 0,
    limit: int = 64,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw each unit's incoming weights as a picture: blue is negative, red positive, white zero.

    The pictures stand in rows, unit 0 first, and share one scale of colours, so that their strengths compare.

    Parameters
    ----------
    network : Network, fitted MLPClassifier or MLPRegressor, or array_like of shape (n_in, n_out)
        A network, or one weight matrix.
    shape : (int, int) or None
        Height and width of a picture, n_in pixels in all; None: a square.
    layer : int
        Which of a network's layers with weights; below 0 it counts from the end.
    limit : int
        Draw at most this many units.
    title : str or None
    ax : Axes or None
        Draw here. None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If n_in weights do not fill `shape`, or there is no such layer.

    Examples
    --------
    >>> ax = plot_weights(np.random.default_rng(0).normal(size=(784, 16)))
    """
    matrix = isinstance(network, (list, tuple)) or hasattr(network, "__array__")
    weights = np.asarray(network if matrix else _weights_of(network, layer), np.float64)
    side = math.isqrt(weights.shape[0])
    height, width = shape or (side, side)
    if weights.ndim != 2 or height * width != weights.shape[0]:
        raise ValueError(
            f"shape is {height} x {width} pixels, which do not hold weights of shape {weights.shape}"
        )
    units = min(weights.shape[1], limit)
    columns = min(units, 8 if units > 20 else math.ceil(math.sqrt(units)))
    rows = math.ceil(units / columns)
    ax = style.axes(ax, 1.25 * columns + 1.2, 1.25 * rows + 0.6)
    # The few largest weights may saturate.
    extent = float(np.quantile(np.abs(weights[:, :units]), 0.995)) or 1.0
    mosaic = _mosaic(weights[:, :units], height, width, rows, columns)
    image = ax.imshow(mosaic, cmap="RdBu_r", vmin=-extent, vmax=extent, interpolation="nearest")
    ax.set_xticks(_middles(columns, width), [str(i) for i in range(columns)])
    ax.set_yticks(_middles(rows, height), [str(i * columns) for i in range(rows)])
    ax.tick_params(length=0)
    style.frame(ax, title=title, grid=False)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="unit: add the number of the row and that of the column")
    ax.xaxis.label.set_fontsize(8)
    style.color_bar(image, ax, "weight", shrink=0.8, extend="both", aspect=30)
    style.save(ax, path)
    return ax


def _mosaic(weights: Array, height: int, width: int, rows: int, columns: int) -> Array:
    """All pictures in one, a line of NaN between two; (rows (height + 1) - 1, columns (width + 1) - 1)."""
    grid = np.full((rows, height + 1, columns, width + 1), np.nan)
    for unit in range(weights.shape[1]):
        row, column = divmod(unit, columns)
        grid[row, :height, column, :width] = weights[:, unit].reshape(height, width)
    return grid.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def _middles(count: int, size: int) -> Array:
    return np.asarray((size + 1) * np.arange(count) + (size - 1) / 2)


def _weights_of(network: Any, layer: int) -> Array:
    weights = predictions.network_of(network).weights
    found: Array = weights[validation.integer(layer, "layer", -len(weights), len(weights) - 1)]
    return found
