"""`plot_residuals`: how far a regression is off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..optional import require
from . import predictions, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_residuals(
    model: Any,
    X: Any,
    y: Any,
    *,
    output: int = 0,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw the residuals y - prediction against the prediction, as scikit-learn's PredictionErrorDisplay.

    Without a pattern the points lie evenly about 0; a bend is what the model misses, a funnel an error that
    grows.  At most 1000 rows are drawn.

    Parameters
    ----------
    model : Network or regressor
    X : array_like of shape (rows, n_in)
    y : array_like of shape (rows,) or (rows, outputs)
    output : int
        Which of several outputs to draw.
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
        If y does not have the shape of the predictions.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 1], seed=0)
    >>> ax = plot_residuals(net, np.eye(2), [0.5, 1.0])
    >>> ax.get_xlabel()
    'prediction'
    """
    display = require("sklearn.metrics", "plots").PredictionErrorDisplay
    predicted, true = predictions.values(model, X), np.asarray(y, dtype=np.float64)
    if true.size != predicted.size or len(true) != len(predicted):
        raise ValueError(
            f"y has shape {true.shape} for predictions of shape {predicted.shape}, expected the same"
        )
    if predicted.ndim == 2:
        predicted, true = predicted[:, output], true[:, output]
    ax = style.axes(ax, 5.4, 3.9)
    display.from_predictions(
        true.reshape(-1),
        predicted,
        kind="residual_vs_predicted",
        random_state=0,
        scatter_kwargs={"s": 14, "color": style.TRAINING, "alpha": 0.55, "edgecolors": "none"},
        line_kwargs={"color": style.QUIET, "linewidth": 1.2},
        ax=ax,
    )
    ax.set(xlabel="prediction", ylabel="y - prediction")
    style.frame(ax, title=title)
    style.save(ax, path)
    return ax
