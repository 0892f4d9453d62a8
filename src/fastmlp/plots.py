"""Pictures of training and of networks; needs matplotlib (``pip install fastmlp[train]``).

Each function takes ``ax=`` to draw into a picture of yours, ``path=`` to save (the suffix decides the format:
``.png``, ``.svg``, ``.pdf``), and returns the matplotlib figure. No window is opened and matplotlib's backend
and settings are left alone, so the functions work in scripts, notebooks and on machines without a screen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import reference
from .files import atomic
from .model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]

__all__ = [
    "plot_activations",
    "plot_decision_boundary",
    "plot_gradient_norms",
    "plot_history",
    "plot_weights",
]

_TRAINING, _VALIDATION, _QUIET = "#2563a8", "#d9722e", "#5b6470"
# Class colours that also differ in lightness, for readers who do not tell the hues apart.
_CLASSES = ("#2563a8", "#d9722e", "#3c9a5f", "#8a4fa3", "#c2a100", "#4fb3bf", "#b23a48", "#7a6a58")
_DPI = 150


def _new_figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib, which pip install "fastmlp[train]" brings') from error
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _axes(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    if ax is None:
        new = _new_figure(width, height)
        return new, new.subplots()
    return _figure_of(ax), ax


def _figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("ax belongs to no figure, expected axes that do")
    return figure


def _finish(figure: Figure, path: PathLike | None) -> Figure:
    if path is not None:
        name = os.fspath(path)
        kind = os.path.splitext(name)[1][1:]
        if not kind:
            kind = figure.canvas.get_default_filetype()
            name = f"{name}.{kind}"
        atomic.write(name, lambda file: figure.savefig(file, format=kind))
    return figure


def _quiet_frame(ax: Axes, grid: bool = True) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_QUIET)
    ax.tick_params(colors=_QUIET, labelsize=9)
    if grid:
        ax.grid(True, color="#e4e7eb", linewidth=0.8)
        ax.set_axisbelow(True)


def plot_history(
    history: Any,
    *,
    metrics: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Draw loss and metrics against the epoch, training beside validation.

    Parameters
    ----------
    history : History or mapping
        What `Network.fit` returned, or its ``history`` dict: name to one value per epoch.
    metrics : sequence of str or None
        The curves to draw, one panel each; None: the loss and all metrics that have no ``val_`` before them.
    title : str or None
        Above the picture.
    ax : Axes or None
        Draw one metric (the first of `metrics`) here. None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the history is empty or does not hold a metric that was asked for.

    Examples
    --------
    >>> figure = plot_history({"loss": [0.9, 0.5, 0.3], "val_loss": [0.8, 0.6, 0.5]})
    >>> len(figure.axes)
    1
    """
    curves: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    names = list(metrics or [name for name in curves if _is_curve(name, curves)])
    missing = [name for name in names if not len(curves.get(name, ()))]
    if missing or not names:
        held = ", ".join(curves) or "nothing"
        raise ValueError(f"history has no values of {', '.join(missing) or 'a metric'}, it holds {held}")
    if ax is not None:
        figure, panels = _figure_of(ax), [ax]
    else:
        figure = _new_figure(5.2 * len(names), 3.8)
        panels = list(figure.subplots(1, len(names), squeeze=False)[0])
    for panel, name in zip(panels, names, strict=False):
        _draw_curve(panel, name, curves)
    if title:
        figure.suptitle(title, fontsize=12)
    return _finish(figure, path)


def _is_curve(name: str, curves: Mapping[str, Sequence[float]]) -> bool:
    return not name.startswith("val_") and name not in ("lr", "learning_rate") and len(curves[name]) > 0


def _draw_curve(ax: Axes, name: str, curves: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    marker = "o" if len(curves[name]) <= 30 else ""
    shown = [(curves[name], "training", _TRAINING)]
    if len(curves.get("val_" + name, ())):
        shown.append((curves["val_" + name], "validation", _VALIDATION))
    for values, label, color in shown:
        epochs = np.arange(1, len(values) + 1)
        ax.plot(epochs, values, color=color, label=label, linewidth=1.8, marker=marker, markersize=3.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel(name.replace("_", " "))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "accuracy" in name:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    if len(shown) > 1:
        ax.legend(frameon=False, fontsize=9)
    _quiet_frame(ax)


def plot_activations(
    names: Sequence[str] = ("step", "sigmoid", "tanh", "relu", "leaky_relu"),
    *,
    limit: float = 5.0,
    path: PathLike | None = None,
) -> Figure:
    """Draw activation functions and, dashed, their derivatives.

    Parameters
    ----------
    names : sequence of str
        Elementwise activations.
    limit : float
        The curves run from -limit to limit.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If a name is not an elementwise activation.

    Examples
    --------
    >>> len(plot_activations(["relu", "gelu"]).axes)
    2
    """
    known = [name for name, entry in reference.ACTIVATIONS.items() if entry.saved != "row"]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"names holds {', '.join(map(repr, unknown)) or 'nothing'}, expected some of {', '.join(known)}"
        )
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    figure = _new_figure(3.4 * columns, 2.7 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, name in zip(panels, names, strict=False):
        _draw_activation(ax, name, limit)
    for ax in panels[len(names) : -1]:
        figure.delaxes(ax)
    curves = panels[0].get_legend_handles_labels()
    if len(names) < len(panels):
        panels[-1].set_axis_off()
        panels[-1].legend(*curves, loc="center", frameon=False, fontsize=11)
    else:
        figure.legend(*curves, loc="outside lower center", ncols=2, frameon=False)
    return _finish(figure, path)


def _draw_activation(ax: Axes, name: str, limit: float) -> None:
    z = np.linspace(-limit, limit, 1001)
    a = reference.activation_forward(name, z)
    derivative = reference.activation_backward(
        name, np.ones_like(z), z if reference.ACTIVATIONS[name].saved == "z" else a
    )
    ax.axhline(0, color="#b8bfc8", linewidth=0.8)
    ax.axvline(0, color="#b8bfc8", linewidth=0.8)
    ax.plot(z, _broken_at_jumps(a), color=_TRAINING, linewidth=2, label="activation a(z)")
    broken = _broken_at_jumps(derivative)
    ax.plot(z, broken, color=_VALIDATION, linewidth=1.6, linestyle="--", label="derivative a'(z)")
    ax.set_title(name, fontsize=11, family="monospace")
    ax.set_xlabel("z")
    if max(a.max(), -a.min()) <= 1:
        ax.set_ylim(-1.15, 1.15)
    _quiet_frame(ax)


def _broken_at_jumps(values: Array) -> Array:
    """The values with a gap where they jump, so that a jump is not drawn as a slope."""
    steps = np.abs(np.diff(values))
    jumps = steps > 0.25 * max(float(np.ptp(values)), 1e-12)
    return np.where(np.append(jumps, False), np.nan, values)


def plot_decision_boundary(
    network: Model,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    resolution: int = 300,
    title: str | None = None,
    ax: Axes | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Colour the plane by the class that a network of two inputs predicts, with the rows as points.

    Parameters
    ----------
    network : Network
        With two inputs and either one sigmoid output (the line is at 0.5) or one output per class.
    X : array_like of shape (rows, 2)
    y : array_like of shape (rows,) or (rows, 1)
        Class codes.
    resolution : int
        Grid points along each side.
    title : str or None
    ax : Axes or None
        Draw here. None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If `X` does not have two columns.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0)
    >>> figure = plot_decision_boundary(net, [[0.0, 0.0], [1.0, 1.0]], [0, 1], resolution=20)
    """
    points, classes = np.asarray(X, dtype=np.float64), np.asarray(y).reshape(-1).astype(np.int64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(classes):
        raise ValueError(f"X has shape {points.shape} for {len(classes)} labels, expected (rows, 2)")
    x1, x2 = (_margins(points[:, axis], resolution) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    outputs = np.asarray(network.predict(grid))
    figure, ax = _axes(ax, 5.2, 4.7)
    if outputs.shape[1] == 1:
        _draw_probability(figure, ax, x1, x2, outputs.reshape(len(x2), len(x1)))
    else:
        _draw_regions(ax, x1, x2, outputs.argmax(axis=1).reshape(len(x2), len(x1)), outputs.shape[1])
    for code in np.unique(classes):
        chosen = points[classes == code]
        ax.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=16 if len(points) > 50 else 50,
            color=_CLASSES[code % len(_CLASSES)],
            edgecolors="white",
            linewidths=0.5,
            label=f"class {code}",
            zorder=3,
        )
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(x1[0], x1[-1]), ylim=(x2[0], x2[-1]))
    ax.legend(fontsize=9, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=5)
    _quiet_frame(ax, grid=False)
    if title:
        ax.set_title(title, fontsize=11)
    return _finish(figure, path)


def _margins(values: Array, resolution: int) -> Array:
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low or 1.0)
    return np.linspace(low - margin, high + margin, resolution)


def _draw_probability(figure: Figure, ax: Axes, x1: Array, x2: Array, probability: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("two classes", ["#9dbbe0", "#f7f7f7", "#f2bd97"])
    field = ax.contourf(x1, x2, probability, levels=np.linspace(0, 1, 21), cmap=shades, vmin=0, vmax=1)
    if probability.min() < 0.5 < probability.max():
        ax.contour(x1, x2, probability, levels=[0.5], colors="#30363d", linewidths=1.4)
    bar = figure.colorbar(field, ax=ax, ticks=[0, 0.25, 0.5, 0.75, 1], pad=0.02)
    bar.set_label("predicted probability of class 1", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _draw_regions(ax: Axes, x1: Array, x2: Array, regions: Array, n_classes: int) -> None:
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([_CLASSES[code % len(_CLASSES)] for code in range(n_classes)])
    ax.pcolormesh(x1, x2, regions, cmap=colours, vmin=-0.5, vmax=n_classes - 0.5, alpha=0.25, rasterized=True)


def plot_weights(
    network: Model | npt.ArrayLike,
    shape: tuple[int, int] | None = None,
    *,
    layer: int = 0,
    limit: int = 64,
    path: PathLike | None = None,
) -> Figure:
    """Draw each unit's incoming weights as a picture: blue is negative, red positive, white zero.

    Parameters
    ----------
    network : Network or array_like of shape (n_in, n_out)
        A network, or one weight matrix.
    shape : (int, int) or None
        Height and width of a picture, n_in pixels in all; None: a square.
    layer : int
        Which layer's weights to take from a network.
    limit : int
        Draw at most this many units.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If n_in weights do not fill `shape`.

    Examples
    --------
    >>> figure = plot_weights(np.random.default_rng(0).normal(size=(784, 16)))
    """
    weights = np.asarray(network.weights[layer] if hasattr(network, "weights") else network, dtype=np.float64)
    n_in = weights.shape[0]
    side = math.isqrt(n_in)
    height, width = shape or (side, side)
    if weights.ndim != 2 or height * width != n_in:
        raise ValueError(
            f"shape is {height} x {width} pixels, which do not hold weights of shape {weights.shape}"
        )
    units = min(weights.shape[1], limit)
    columns = min(units, 8 if units > 20 else math.ceil(math.sqrt(units)))
    rows = math.ceil(units / columns)
    figure = _new_figure(1.25 * columns + 1.0, 1.4 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    # One scale for all units, so that their strengths compare; the few largest weights may saturate.
    extent = float(np.quantile(np.abs(weights[:, :units]), 0.995)) or 1.0
    for unit, ax in enumerate(panels):
        ax.set_axis_off()
        if unit < units:
            picture = weights[:, unit].reshape(height, width)
            image = ax.imshow(picture, cmap="RdBu_r", vmin=-extent, vmax=extent, interpolation="nearest")
            ax.set_title(f"unit {unit}", fontsize=8, color=_QUIET, pad=2)
    bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.02, extend="both", aspect=30)
    bar.set_label("weight", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return _finish(figure, path)


def plot_gradient_norms(
    norms: Mapping[str, Sequence[float]],
    *,
    title: str | None = None,
    ax: Axes | None = None,
    path: PathLike | None = None,
) -> Figure:
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
    Figure

    Examples
    --------
    >>> figure = plot_gradient_norms({"sigmoid": [1e-6, 1e-4, 1e-2], "relu": [0.5, 0.4, 0.6]})
    """
    from matplotlib.ticker import MaxNLocator

    figure, ax = _axes(ax, 5.6, 3.8)
    for index, (label, values) in enumerate(norms.items()):
        shown = np.where(np.asarray(values, dtype=np.float64) > 0, values, np.nan)
        layers = np.arange(1, len(shown) + 1)
        color = _CLASSES[index % len(_CLASSES)]
        ax.plot(layers, shown, marker="o", markersize=4, linewidth=1.8, color=color, label=label)
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="layer (1 is next to the input)", ylabel="norm of dL/dW")
    ax.legend(frameon=False, fontsize=9)
    _quiet_frame(ax)
    if title:
        ax.set_title(title, fontsize=11)
    return _finish(figure, path)
