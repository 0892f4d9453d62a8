"""`plot_decision_boundary`: the plane, coloured by what a model says there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import unknown
from . import predictions, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]
Sides = tuple[Array, Array]  # of the grid: x1 and x2


def plot_decision_boundary(
    model: Any,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    features: tuple[int | str, int | str] = (0, 1),
    resolution: int = 300,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Colour the plane of two columns by what a model predicts there, with the rows as points.

    Two classes: the probability of the second, and the line where it is 0.5. More: the likeliest class.  A
    regression: the predicted value. Where X has more than two columns, the others are held at their medians,
    and the title says so.

    Parameters
    ----------
    model : Network or estimator
        A network that ends in softmax or sigmoid, a classifier with ``predict_proba``, or a regression of one
        output.
    X : array_like or data frame of shape (rows, n_in)
        Numbers; the axes have the names of a frame's columns.
    y : array_like of shape (rows,), (rows, 1) or (rows, classes)
        Labels (of any kind that the model knows), rows of 0 and 1, or the values of a regression.
    features : (int or str, int or str)
        The columns of X that the picture's axes stand for, by place or, of a frame, by name.
    resolution : int
        Grid points along each side.
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
        If X, y and `features` do not fit each other, or y holds a label that the model does not know.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)
    >>> ax = plot_decision_boundary(net, [[0.0, 0.0], [1.0, 1.0]], [0, 1], resolution=20)
    """
    points, names = _numbers(X), _names(X)
    first, second = _checked(points, features, names)
    if len(points) != np.shape(y)[0]:
        raise ValueError(f"y has {np.shape(y)[0]} labels for {len(points)} rows of X, expected as many")
    x1, x2 = _margins(points[:, first], resolution), _margins(points[:, second], resolution)
    grid = np.tile(np.median(points, axis=0), (resolution * resolution, 1))
    grid[:, [first, second]] = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    ax = style.axes(ax, 5.2, 4.7)
    rows = _like(X, grid, names) if names and hasattr(model, "feature_names_in_") else grid
    draw = _draw_classes if predictions.is_classifier(model) else _draw_values
    draw(ax, model, (x1, x2), rows, points[:, [first, second]], y)
    xlabel, ylabel = (names[column] if names else f"$x_{{{column + 1}}}$" for column in (first, second))
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set(xlim=(x1[0], x1[-1]), ylim=(x2[0], x2[-1]))
    if points.shape[1] > 2:
        title = title or "the other columns at their medians"
    style.frame(ax, title=title, grid=False)
    style.save(ax, path)
    return ax


def _numbers(X: Any) -> Array:
    try:
        return np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X has columns that hold no numbers, expected numbers alone: {error}") from error


def _names(X: Any) -> list[str]:
    """Those of a frame's columns; none where they are numbers, or X is an array."""
    names: list[Any] = list(getattr(X, "columns", ()))
    return names if all(isinstance(name, str) for name in names) else []


def _like(X: Any, rows: Array, names: list[str]) -> Any:
    """Rows as a frame like X, for models that look for names."""
    return type(X)(rows, **{"schema" if hasattr(X, "schema") else "columns": names})


def _checked(points: Array, features: Sequence[int | str], names: list[str]) -> tuple[int, int]:
    if points.ndim != 2 or points.shape[1] < 2 or len(points) == 0:
        raise ValueError(f"X has shape {points.shape}, expected (rows, columns) with at least two columns")
    for column in features if names else ():
        if isinstance(column, str) and column not in names:
            raise unknown("column", column, names)
    chosen = [names.index(column) if column in names else column for column in features]
    last = points.shape[1] - 1
    places = [int(column) for column in chosen if not isinstance(column, str) and 0 <= column <= last]
    if len(chosen) != 2 or len(set(places)) != 2:
        raise ValueError(f"features is {features!r}, expected two different columns from 0 to {last}")
    return places[0], places[1]


def _margins(values: Array, resolution: int) -> Array:
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low or 1.0)
    return np.linspace(low - margin, high + margin, resolution)


def _draw_classes(ax: Axes, model: Any, sides: Sides, grid: Any, points: Array, y: Any) -> None:
    shares, classes = predictions.probabilities(model, grid)
    given = predictions.labels(y, classes)
    shape = (len(sides[1]), len(sides[0]))
    if len(classes) == 2:
        _draw_probability(ax, sides, shares[:, 1].reshape(shape), classes[1])
    else:
        _draw_regions(ax, sides, shares.argmax(axis=1).reshape(shape), len(classes))
    for code, name in enumerate(classes):
        chosen = points[given == name]
        if len(chosen):
            _draw_points(ax, chosen, len(points), color=style.color(code), label=f"class {name}")
    ax.legend(fontsize=9, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=5)


def _draw_points(ax: Axes, chosen: Array, rows: int, **options: Any) -> None:
    size = 16 if rows > 50 else 50
    ax.scatter(chosen[:, 0], chosen[:, 1], s=size, edgecolors="white", linewidths=0.5, zorder=3, **options)


def _draw_probability(ax: Axes, sides: Sides, probability: Array, name: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("two classes", ["#9dbbe0", "#f7f7f7", "#f2bd97"])
    field = ax.contourf(*sides, probability, levels=np.linspace(0, 1, 21), cmap=shades, vmin=0, vmax=1)
    if probability.min() < 0.5 < probability.max():
        ax.contour(*sides, probability, levels=[0.5], colors="#30363d", linewidths=1.4)
    style.color_bar(field, ax, f"predicted probability of class {name}", ticks=[0, 0.25, 0.5, 0.75, 1])


def _draw_regions(ax: Axes, sides: Sides, regions: Array, n_classes: int) -> None:
    from matplotlib.colors import ListedColormap

    shades = ListedColormap([style.color(code) for code in range(n_classes)])
    ax.pcolormesh(*sides, regions, cmap=shades, vmin=-0.5, vmax=n_classes - 0.5, alpha=0.25, rasterized=True)


def _draw_values(ax: Axes, model: Any, sides: Sides, grid: Any, points: Array, y: Any) -> None:
    outputs, given = predictions.values(model, grid), np.asarray(y, dtype=np.float64)
    if outputs.ndim != 1 or given.size != len(points):
        raise ValueError(f"the model has {outputs.shape[-1]} outputs, expected classes or one value")
    low, high = float(min(outputs.min(), given.min())), float(max(outputs.max(), given.max()))
    scale: dict[str, Any] = {"cmap": "viridis", "vmin": low, "vmax": high}
    field = ax.pcolormesh(*sides, outputs.reshape(len(sides[1]), len(sides[0])), rasterized=True, **scale)
    _draw_points(ax, points, len(points), c=given.reshape(-1), **scale)
    style.color_bar(field, ax, "predicted value; the points: their own")
