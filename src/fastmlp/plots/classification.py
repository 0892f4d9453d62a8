"""How well a classifier does: confusion matrix, ROC, precision and recall, calibration.

scikit-learn computes and draws them (its Display objects); it must be installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..optional import require
from . import predictions, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]


def plot_confusion_matrix(
    model: Any,
    X: Any,
    y: Any,
    *,
    normalize: str | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw how many rows of each class were taken for which.

    Parameters
    ----------
    model : Network or classifier
    X : array_like of shape (rows, n_in)
    y : array_like of shape (rows,)
        Labels that the model knows.
    normalize : {None, "true", "pred", "all"}
        Numbers of rows, or shares of the true class's rows, of the predicted class's, of all.
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
        If y has another number of rows than X or holds a label that the model does not know.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 3], output="softmax", seed=0)
    >>> ax = plot_confusion_matrix(net, np.eye(2), [0, 2])
    """
    display = require("sklearn.metrics", "plots").ConfusionMatrixDisplay
    shares, classes, given = _answers(model, X, y)
    side = min(3.2 + 0.35 * len(classes), 12.0)
    ax = style.axes(ax, side + 0.8, side)
    predicted = classes[shares.argmax(axis=1)]
    wide = len(classes) > 6
    display.from_predictions(
        given,
        predicted,
        labels=classes,
        normalize=normalize,
        values_format=None if normalize is None else ".2f",
        include_values=len(classes) <= 30,
        xticks_rotation="vertical" if wide else "horizontal",
        cmap="Blues",
        colorbar=False,
        text_kw={"fontsize": 7 if wide else 10},
        ax=ax,
    )
    ax.set(xlabel="predicted class", ylabel="true class")
    style.frame(ax, title=title, grid=False)
    style.save(ax, path)
    return ax


def plot_roc(
    model: Any,
    X: Any,
    y: Any,
    *,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw the ROC: the share of a class's rows found, against the share of the others taken for it.

    Two classes: one curve, of the second class. More: each class against the others. The area under each
    curve (AUC) stands in the legend; 0.5 is what chance gives.

    Parameters
    ----------
    model : Network or classifier
    X : array_like of shape (rows, n_in)
    y : array_like of shape (rows,)
        Labels that the model knows.
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
        If y has another number of rows than X, an unknown label, or one class alone.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 1], output="sigmoid", seed=0)
    >>> ax = plot_roc(net, np.eye(2), [0, 1])
    >>> ax.get_ylabel()
    'true positive rate'
    """
    display = require("sklearn.metrics", "plots").RocCurveDisplay
    ax = style.axes(ax, 4.8, 4.6)
    for score, is_class, name, color in _each_against_the_others(model, X, y):
        curve = display.from_predictions(is_class, score, ax=ax)
        curve.line_.set(label=f"class {name}, AUC {curve.roc_auc:.3f}", **_line(color))
    ax.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle="--", label="chance, AUC 0.5")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    return _finished(ax, title, path, "lower right")


def plot_precision_recall(
    model: Any,
    X: Any,
    y: Any,
    *,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw precision (the share of right ones among the found) against recall (the share found).

    Two classes: one curve, of the second class. More: each class against the others. The average precision
    (AP) stands in the legend; chance gives the share of the class's rows.

    Parameters
    ----------
    model : Network or classifier
    X : array_like of shape (rows, n_in)
    y : array_like of shape (rows,)
        Labels that the model knows.
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
        If y has another number of rows than X, an unknown label, or one class alone.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 1], output="sigmoid", seed=0)
    >>> ax = plot_precision_recall(net, np.eye(2), [0, 1])
    >>> ax.get_xlabel()
    'recall'
    """
    display = require("sklearn.metrics", "plots").PrecisionRecallDisplay
    ax = style.axes(ax, 4.8, 4.6)
    for score, is_class, name, color in _each_against_the_others(model, X, y):
        curve = display.from_predictions(is_class, score, ax=ax)
        curve.line_.set(label=f"class {name}, AP {curve.average_precision:.3f}", **_line(color))
        ax.axhline(is_class.mean(), color=color, linewidth=0.8, linestyle=":")
    ax.set(xlabel="recall", ylabel="precision")
    return _finished(ax, title, path, "lower left")


def plot_calibration(
    model: Any,
    X: Any,
    y: Any,
    *,
    bins: int = 10,
    title: str | None = None,
    ax: Axes | None = None,
    path: style.PathLike | None = None,
) -> Axes:
    """Draw how often rows are of a class against the probability that was predicted for it.

    On the diagonal the probabilities mean what they say. Each point stands for as many rows as the others.

    Parameters
    ----------
    model : Network or classifier
    X : array_like of shape (rows, n_in)
    y : array_like of shape (rows,)
        Labels that the model knows.
    bins : int
        Points of a curve, at most.
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
        If y has another number of rows than X, an unknown label, or one class alone.

    Examples
    --------
    >>> from fastmlp import Network
    >>> net = Network([2, 1], output="sigmoid", seed=0)
    >>> ax = plot_calibration(net, np.eye(2), [0, 1])
    """
    display = require("sklearn.calibration", "plots").CalibrationDisplay
    ax = style.axes(ax, 4.8, 4.6)
    for score, is_class, name, color in _each_against_the_others(model, X, y):
        display.from_predictions(
            is_class,
            score,
            n_bins=bins,
            strategy="quantile",
            ref_line=False,
            name=f"class {name}",
            markersize=4,
            ax=ax,
            **_line(color),
        )
    ax.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, linestyle="--", label="perfect")
    ax.set(xlabel="predicted probability", ylabel="share of rows that are of the class")
    return _finished(ax, title, path, "upper left")


def _answers(model: Any, X: Any, y: Any) -> tuple[Array, Array, Array]:
    """Probabilities, classes and true labels."""
    shares, classes = predictions.probabilities(model, X)
    given = predictions.labels(y, classes)
    predictions.same_rows(X, given)
    return shares, classes, given


def _each_against_the_others(model: Any, X: Any, y: Any) -> list[tuple[Array, Array, Any, str]]:
    """(score, whether a row is of the class, its name, its colour) for each curve to draw."""
    shares, classes, given = _answers(model, X, y)
    if len(np.unique(given)) < 2:
        alone = given.tolist()[0]
        raise ValueError(f"y holds the class {alone!r} alone, expected rows of two classes or more")
    codes = [1] if len(classes) == 2 else [code for code, name in enumerate(classes) if (given == name).any()]
    return [(shares[:, code], given == classes[code], classes[code], style.color(code)) for code in codes]


def _line(color: str) -> dict[str, Any]:
    return {"color": color, "linewidth": 1.8}


def _finished(ax: Axes, title: str | None, path: style.PathLike | None, legend: Any) -> Axes:
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
    ax.legend(frameon=False, fontsize=8, loc=legend)
    style.frame(ax, title=title)
    style.save(ax, path)
    return ax
