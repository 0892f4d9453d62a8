"""How much the columns of a table matter to a fitted estimator: by permutation, and by gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autodiff, validation
from ..network import Network
from ..optional import require
from . import checks
from .encoding import Encoded, TableEncoder
from .ensemble import Ensemble, Member
from .estimators import GROUP, TabularClassifier, TabularRegressor

Array = np.ndarray[Any, Any]


def permutation_importance(
    model: TabularClassifier | TabularRegressor,
    X: Any,
    y: Any,
    *,
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: Any = None,
    sample_weight: Any = None,
) -> Any:
    """By how much the score falls where the values of one column are dealt to other rows.

    The definition and, for the same `random_state`, the numbers are those of
    `sklearn.inspection.permutation_importance`; the table is read once.  Rows that `fit` has not seen tell
    what matters for new rows.  Of columns that say the same, each may look unimportant.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted.
    X : table
        As in `fit`, two or more rows.
    y : array-like of shape (rows,) or (rows, targets)
    scoring : str or callable, optional
        As in scikit-learn, more is better; accuracy or R^2 unless given.
    n_repeats : int
        Permutations of each column.
    random_state : int, RandomState or None
    sample_weight : array-like of shape (rows,), optional
        Of the score.

    Returns
    -------
    DataFrame
        "importances_mean" and "importances_std" over the permutations; a row for each column of the table,
        the most important first.

    References
    ----------
    Breiman, "Random Forests" (2001), section 10.

    Examples
    --------
    >>> from fastmlp.tabular import TabularRegressor, permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> table = {"noise": rng.random(200), "x": rng.random(200)}
    >>> model = TabularRegressor("fast", random_state=0).fit(table, table["x"])
    >>> permutation_importance(model, table, table["x"], random_state=0).index.tolist()
    ['x', 'noise']
    """
    repeats = validation.integer(n_repeats, "n_repeats", 1)
    scorer = require("sklearn.metrics", GROUP).check_scoring(model, scoring=scoring)
    encoder, matrix = _encoded(model, X)
    extra = {} if sample_weight is None else {"sample_weight": sample_weight}

    def score(rows: Array) -> float:
        return float(scorer(model, Encoded(rows, encoder), y, **extra))

    baseline = score(matrix)
    seed = require("sklearn.utils", GROUP).check_random_state(random_state).randint(2**31)
    falls = np.zeros((len(encoder.columns), repeats))
    origins = np.array(encoder.origins, object)
    for i, column in enumerate(encoder.columns):
        own = np.flatnonzero(origins == column.name)
        if len(own):
            falls[i] = [baseline - score(rows) for rows in _permuted(matrix, own, repeats, seed)]
    return _frame(encoder, falls.mean(axis=1), falls.std(axis=1))


def _permuted(matrix: Array, columns: Array, repeats: int, seed: int) -> Any:
    """The matrix with some columns in another order of rows, over and over, dealt on from the one before."""
    rng, order, rows = np.random.RandomState(seed), np.arange(len(matrix)), matrix.copy()
    for _ in range(repeats):
        rng.shuffle(order)
        rows[:, columns] = rows[np.ix_(order, columns)]
        yield rows


def gradient_importance(model: TabularClassifier | TabularRegressor, X: Any) -> Any:
    """How far the networks' outputs move with each column: the mean of abs(d output / d input).

    Inputs are as the networks take them: numbers over the range of their middle half, a date's parts, 0 and 1
    of categories, the numbers of an embedding; those of one column are added up.  Outputs are probabilities
    before calibration, or targets over their standard deviation; the mean is over them and the rows.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted.
    X : table
        As in `fit`.

    Returns
    -------
    DataFrame
        "importances_mean" and "importances_std" over the networks; a row for each column of the table, the
        most important first.

    Examples
    --------
    >>> from fastmlp.tabular import TabularRegressor, gradient_importance
    >>> rng = np.random.default_rng(0)
    >>> table = {"noise": rng.random(200), "x": rng.random(200)}
    >>> model = TabularRegressor("fast", random_state=0).fit(table, table["x"])
    >>> gradient_importance(model, table).index.tolist()
    ['x', 'noise']
    """
    encoder, matrix = _encoded(model, X)
    places = {column.name: i for i, column in enumerate(encoder.columns)}
    found = np.zeros((len(model.ensemble_.members), len(places)))
    for each, member in zip(found, model.ensemble_.members, strict=True):
        np.add.at(each, [places[name] for name in encoder.origins], _slopes(model.ensemble_, member, matrix))
    return _frame(encoder, found.mean(axis=0), found.std(axis=0))


def _slopes(ensemble: Ensemble, member: Member, matrix: Array) -> Array:
    """The mean of abs(d output / d input) of a network, for each column of the matrix."""
    view = ensemble.views[member.view]
    seen = view(matrix)
    slopes = np.mean(
        [
            np.abs(view.back(each, matrix)).mean(axis=0)
            for each in autodiff.jacobian(member.net, seen).swapaxes(0, 1)
        ],
        axis=0,
    )
    codes = len(ensemble.encoder.embedded)
    if codes:
        slopes[-codes:] = _slopes_of_codes(member.net, seen, codes)
    return np.asarray(slopes)


def _slopes_of_codes(net: Network, seen: Array, codes: int) -> Array:
    """The same of the numbers that a code becomes, added up for each of the last columns."""
    place = next(i for i, layer in enumerate(net.layers) if layer.kind == "embedding")
    inside = net.forward(seen)[place]
    inside = inside[:, 0] if inside.ndim == 3 else inside  # `Members` stand behind it: all the same
    after = [inside.shape[1], *net.layers[place + 1 :]]
    rest = Network(after, dtype=net.dtype, matmul_precision=net.matmul_precision)
    rest.set_weights(net.get_weights()[-len(rest.get_weights()) :])
    slopes = np.abs(autodiff.jacobian(rest, inside)).mean(axis=(0, 1))
    width = (inside.shape[1] - _others(net, place, seen.shape[1] - codes)) // codes
    return np.asarray(slopes[-codes * width :].reshape(codes, width).sum(axis=1))


def _others(net: Network, place: int, others: int) -> int:
    """How many columns beside the embedded ones an `Embedding` gives, of so many that come into the net."""
    for layer in net.layers[:place]:
        others = layer.output_width(others)
    return others


def _encoded(model: Any, X: Any) -> tuple[TableEncoder, Array]:
    require("sklearn.utils.validation", GROUP).check_is_fitted(model, "ensemble_")
    encoder: TableEncoder = model.ensemble_.encoder
    return encoder, encoder.transform(checks.as_frame(X))


def _frame(encoder: TableEncoder, mean: Array, deviation: Array) -> Any:
    pandas = require("pandas", GROUP)
    names = pandas.Index([column.name for column in encoder.columns], name="column")
    frame = pandas.DataFrame({"importances_mean": mean, "importances_std": deviation}, names)
    return frame.sort_values("importances_mean", ascending=False, kind="stable")
