"""`plot_importances`: how much the columns of a table matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import validation
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_importances(
    importances: Any,
    *,
    most: int = 20,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw importances of columns as bars, the largest on top, with their standard deviations as lines.

    Parameters
    ----------
    importances : DataFrame
        Of `fastmlp.tabular.permutation_importance` or `gradient_importance`: "importances_mean",
        "importances_std", and the columns' names as its index.
    most : int
        How many columns to draw, at least 1.
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
    TypeError
        If `importances` is no such frame.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"importances_mean": [0.5, 0.1], "importances_std": [0.1, 0.0]}, ["x", "noise"])
    >>> ax = plot_importances(frame)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['x', 'noise']
    """
    names = getattr(importances, "index", None)
    if names is None or "importances_mean" not in importances:
        kind = type(importances).__name__
        raise TypeError(f"importances is a {kind}, expected the frame of an importance of fastmlp.tabular")
    mean, deviation = (
        np.asarray(importances[name], np.float64) for name in ("importances_mean", "importances_std")
    )
    chosen = np.argsort(-mean, kind="stable")[: validation.integer(most, "most", 1)]
    ax = style.axes(ax, 5.4, 1.2 + 0.28 * len(chosen))
    places = np.arange(len(chosen))
    ax.barh(places, mean[chosen], 0.7, xerr=deviation[chosen], color=style.TRAINING, ecolor=style.QUIET)
    ax.set_yticks(places, [str(names[i]) for i in chosen])
    ax.invert_yaxis()
    ax.set_xlabel("importance")
    style.frame(ax, title=title)
    style.save(ax, path)
    return ax
