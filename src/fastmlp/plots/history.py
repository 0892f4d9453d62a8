"""`plot_history`: loss and metrics against the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = Mapping[str, Sequence[float]]
_MARKED = 30  # epochs up to which each is marked by a point


def plot_history(
    history: Any,
    *,
    metrics: str | Sequence[str] | None = None,
    title: str | None = None,
    ax: Any = None,
    path: style.PathLike | None = None,
) -> Any:
    """Draw loss and metrics against the epoch, training beside validation.

    Parameters
    ----------
    history : History, mapping or estimator
        What `Network.fit` returned, its ``history`` dict (name to one value per epoch), or a fitted
        estimator of `fastmlp.sklearn`, whose ``loss_curve_`` and ``validation_scores_`` are drawn.
    metrics : str, sequence of str or None
        The curves to draw, one panel each; None: the loss and all metrics that have no ``val_`` before them.
    title : str or None
        Above the picture.
    ax : Axes, array of Axes or None
        As many as there are panels.  None: a new figure.
    path : str, path or None
        Save the picture here.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ValueError
        If the history is empty, lacks a metric that was asked for, or `ax` has another number of axes.

    Examples
    --------
    >>> ax = plot_history({"loss": [0.9, 0.5, 0.3], "val_loss": [0.8, 0.6, 0.5]})
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'loss')
    """
    curves = _curves_of(history)
    wanted = [metrics] if isinstance(metrics, str) else metrics
    names = list(wanted or [name for name in curves if _is_curve(name, curves)])
    missing = [name for name in names if not len(curves.get(name, ()))]
    if missing or not names:
        held = ", ".join(curves) or "nothing"
        raise ValueError(f"history has no values of {', '.join(missing) or 'a metric'}, it holds {held}")
    panels = style.panels(ax, len(names), min(len(names), 3), 5.2, 3.8)
    for panel, name in zip(panels, names, strict=True):
        _draw_curve(panel, name, curves)
    if title and len(panels) == 1:
        panels[0].set_title(title, fontsize=11)
    elif title:
        style.figure_of(panels[0]).suptitle(title, fontsize=12)
    style.save(panels[0], path)
    return panels[0] if len(panels) == 1 else panels


def _curves_of(history: Any) -> Curves:
    if hasattr(history, "loss_curve_"):
        curves = {"loss": history.loss_curve_}
        scores = getattr(history, "validation_scores_", None)
        return curves if scores is None else {**curves, "validation score": scores}
    found = getattr(history, "history", history)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"history is a {type(history).__name__}, expected a History, a mapping or an estimator"
        )
    return found


def _is_curve(name: str, curves: Curves) -> bool:
    return not name.startswith("val_") and name not in ("lr", "learning_rate") and len(curves[name]) > 0


def _draw_curve(ax: Axes, name: str, curves: Curves) -> None:
    from matplotlib.ticker import PercentFormatter

    marker = "o" if len(curves[name]) <= _MARKED else ""
    shown = [(curves[name], "training", style.TRAINING)]
    if len(curves.get("val_" + name, ())):
        shown.append((curves["val_" + name], "validation", style.VALIDATION))
    for values, label, color in shown:
        epochs = np.arange(1, len(values) + 1)
        ax.plot(epochs, values, color=color, label=label, linewidth=1.8, marker=marker, markersize=3.5)
    ax.set_ylabel(name.replace("_", " "))
    style.count_epochs(ax, max(len(values) for values, _, _ in shown))
    if "accuracy" in name:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    if len(shown) > 1:
        ax.legend(frameon=False, fontsize=9)
    style.frame(ax)
