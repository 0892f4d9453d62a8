"""How well an estimator of tables does on rows that it has not seen, and which parameters do best."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import validation
from ..errors import unknown
from ..optional import require
from ..training.together import as_jobs
from . import checks, recipes
from .estimators import GROUP, TabularClassifier, TabularRegressor
from .frames import Frame
from .studies import Proposals
from .trials import METHODS, Tried, drawn, rounds

Array = np.ndarray[Any, Any]
Estimator = TabularClassifier | TabularRegressor

_TASKS = 4  # for each worker: of several fits, as a task takes the whole table with it


@dataclass(frozen=True)
class _Table:
    """Rows, and the folds that test: the same for every fit."""

    frame: Frame
    y: Array
    groups: Array | None
    folds: list[tuple[Array, Array]]  # numbers of the rows to fit and of those to test

    @classmethod
    def read(cls, estimator: Estimator, X: Any, y: Any, cv: Any, groups: Any) -> _Table:
        frame = checks.as_frame(X)
        truth = _targets(estimator, y, len(frame))
        groups = None if groups is None else checks.as_groups(groups, len(frame))
        places = np.zeros((len(frame), 1))
        return cls(
            frame, truth, groups, list(_splitter(estimator, cv, truth, groups).split(places, truth, groups))
        )


def _targets(estimator: Estimator, y: Any, rows: int) -> Array:
    if isinstance(estimator, TabularClassifier):
        return checks.as_labels(y, rows, "y")
    numbers, single = checks.as_numbers(y, rows, "y")
    return numbers[:, 0] if single else numbers


def _splitter(estimator: Estimator, cv: Any, y: Array, groups: Array | None) -> Any:
    selection = require("sklearn.model_selection", GROUP)
    classes = isinstance(estimator, TabularClassifier)
    if groups is not None and isinstance(cv, int):
        return (selection.StratifiedGroupKFold if classes else selection.GroupKFold)(cv)
    return selection.check_cv(cv, y, classifier=classes)


@dataclass(frozen=True)
class _Tested:
    """One estimator fitted to one fold's rows; scores are NaN where its training diverged."""

    model: Estimator | None
    scores: dict[str, float]
    fit_time: float
    score_time: float


def _test(estimator: Estimator, table: _Table, fold: int, scorers: Mapping[str, Any], keep: bool) -> _Tested:
    model = require("sklearn.base", GROUP).clone(estimator)
    given, tested = table.folds[fold]
    start = time.perf_counter()
    groups = None if table.groups is None else table.groups[given]
    try:
        model.fit(table.frame.rows(given), table.y[given], groups=groups)
    except FloatingPointError:
        return _Tested(None, dict.fromkeys(scorers, np.nan), time.perf_counter() - start, 0.0)
    fitted = time.perf_counter()
    rows = table.frame.rows(tested)
    scores = {name: float(scorer(model, rows, table.y[tested])) for name, scorer in scorers.items()}
    return _Tested(model if keep else None, scores, fitted - start, time.perf_counter() - fitted)


_Job = tuple[Estimator, int]  # and the number of the fold


def _tested(fleet: list[_Job], table: _Table, scorers: Mapping[str, Any], keep: bool) -> list[_Tested]:
    return [_test(estimator, table, fold, scorers, keep) for estimator, fold in fleet]


def _all_tested(
    estimators: list[Estimator], table: _Table, scorers: Mapping[str, Any], n_jobs: Any, keep: bool = False
) -> list[list[_Tested]]:
    """Each estimator on each fold, by joblib: in threads unless its user has chosen another backend.

    With several jobs each network is trained on one thread.
    """
    joblib = require("joblib", GROUP)
    jobs: list[_Job] = [(each, fold) for each in estimators for fold in range(len(table.folds))]
    count = min(joblib.effective_n_jobs(None if n_jobs is None else as_jobs(n_jobs)), len(jobs))
    if count > 1:
        jobs = [(_changed(each, {"n_jobs": 1}), fold) for each, fold in jobs]
    size = -(-len(jobs) // min(len(jobs), _TASKS * count))
    fleets = [jobs[first : first + size] for first in range(0, len(jobs), size)]
    run = joblib.Parallel(count, prefer="threads")
    found: list[_Tested] = sum(
        run(joblib.delayed(_tested)(fleet, table, scorers, keep) for fleet in fleets), []
    )
    folds = len(table.folds)
    return [found[first : first + folds] for first in range(0, len(found), folds)]


def _scorers(estimator: Estimator, scoring: Any) -> dict[str, Any]:
    check = require("sklearn.metrics", GROUP).check_scoring
    if isinstance(scoring, (list, tuple, set)):
        scoring = {name: name for name in scoring}
    named = scoring if isinstance(scoring, Mapping) else {"score": scoring}
    return {name: check(estimator, scoring=each) for name, each in named.items()}


def cross_validate(
    estimator: Estimator,
    X: Any,
    y: Any,
    cv: Any = 5,
    *,
    groups: Any = None,
    scoring: Any = None,
    n_jobs: int | None = None,
    return_estimator: bool = False,
) -> dict[str, Any]:
    """Fit to all folds but one and score that one, for each.

    As `sklearn.model_selection.cross_validate`, for tables of any kind that `fit` takes.

    Parameters
    ----------
    estimator : TabularClassifier or TabularRegressor
        Is not changed.
    X, y
        As in `fit`.
    cv : int, splitter or iterable
        As in scikit-learn: a number is of folds in the order of the rows, each class dealt out evenly.
    groups : array-like of shape (rows,), optional
        Rows of one group stay together, in these folds and in those that `fit` makes.
    scoring : str, callable, list of str or mapping, optional
        As in scikit-learn, more is better; accuracy or R^2 unless given.
    n_jobs : int, optional
        Fits at once; None is one, whose networks are trained at once.  It does not change the scores.
        Within `joblib.parallel_config("loky")`, "dask" or "ray" other processes make them, some a task;
        None is all workers that the backend has then.
    return_estimator : bool
        Whether the fitted estimators are returned.

    Returns
    -------
    dict
        "test_score", of several scores one for each name, "fit_time" and "score_time" in seconds, arrays of
        shape (folds,), and "estimator".  The score of a training that diverged is NaN.

    Examples
    --------
    >>> from fastmlp.tabular import TabularClassifier, cross_validate
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0] * 20, "kind": ["a", "b"] * 40}
    >>> model = TabularClassifier("fast", random_state=0)
    >>> cross_validate(model, table, ["yes", "no"] * 40, cv=2)["test_score"]
    array([1., 1.])
    """
    table = _Table.read(estimator, X, y, cv, groups)
    scorers = _scorers(estimator, scoring)
    keep = validation.boolean(return_estimator, "return_estimator")
    (tested,) = _all_tested([estimator], table, scorers, n_jobs, keep)
    found: dict[str, Any] = {
        "fit_time": np.array([each.fit_time for each in tested]),
        "score_time": np.array([each.score_time for each in tested]),
    }
    if keep:
        found["estimator"] = [each.model for each in tested]
    return found | {f"test_{name}": np.array([each.scores[name] for each in tested]) for name in scorers}


# ---- which parameters do best ----


@dataclass(frozen=True)
class Tuned:
    """What `tune` found, with the names of scikit-learn's searches.

    Attributes
    ----------
    cv_results_ : DataFrame
        A row for each fit of all folds: "param_width" or the like of each parameter, "epochs",
        "mean_test_score", "std_test_score", "mean_fit_time" in seconds, and "rank_test_score", 1 the best;
        trials that had all their epochs come before those that had fewer.
    best_params_ : dict
        Of rank 1.
    best_score_ : float
        Its mean score.
    best_estimator_ : TabularClassifier or TabularRegressor
        With these parameters, fitted to all rows.
    """

    cv_results_: Any
    best_params_: dict[str, Any]
    best_score_: float
    best_estimator_: Estimator


def tune(
    estimator: Estimator,
    X: Any,
    y: Any,
    space: Mapping[str, Any],
    n_trials: int = 20,
    method: Any = "random",
    *,
    seed: int = 0,
    cv: Any = 3,
    groups: Any = None,
    scoring: Any = None,
    n_jobs: int | None = None,
) -> Tuned:
    """Try parameters at random, and fit the best ones to all rows.

    Parameters
    ----------
    estimator : TabularClassifier or TabularRegressor
        Has all other parameters; is not changed.
    X, y
        As in `fit`.
    space : mapping
        Names of parameters of the estimator or of its `Recipe`, to lists of values, or to distributions with
        a method `rvs` as SciPy's; Optuna's for a study.  Lists alone are drawn from without repetition.
    n_trials : int
        How many sets of parameters are tried, at most.
    method : {"random", "halving"} or optuna.study.Study
        "random" gives all of them their epochs.  "halving" begins with few epochs, and goes on with the best
        third and three times the epochs until they have all (Jamieson and Talwalkar 2016).  A study, which
        maximizes, proposes one set after another and is told its score.
    seed : int
        Of the parameters, and of the estimators where their `random_state` is None.  A study has a sampler.
    cv, groups, scoring, n_jobs
        As in `cross_validate`, of one score.  Neither the results nor the estimator depend on `n_jobs`.

    Returns
    -------
    Tuned

    Raises
    ------
    ValueError
        If a name is of no parameter, or all trainings diverge.

    References
    ----------
    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization" (2012); Jamieson and Talwalkar,
    "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016), arXiv:1502.07943.

    Examples
    --------
    >>> from fastmlp.tabular import TabularClassifier, tune
    >>> table = {"x": [1.0, 2.0, 3.0, 4.0] * 20, "kind": ["a", "b"] * 40}
    >>> model = TabularClassifier("fast", random_state=0)
    >>> found = tune(model, table, ["yes", "no"] * 40, {"widths": [(1,), (32,)], "epochs": [1, 32]}, 4, cv=2)
    >>> found.best_params_["epochs"], found.best_score_
    (32, 1.0)
    """
    if isinstance(method, str) and method not in METHODS:
        raise unknown("method", method, METHODS)
    count, seed = validation.integer(n_trials, "n_trials", 1), validation.integer(seed, "seed", 0, 2**32 - 1)
    table = _Table.read(estimator, X, y, cv, groups)
    scorers = {"score": _scorers(estimator, scoring)["score"]}
    if estimator.random_state is None:
        estimator = _changed(estimator, {"random_state": seed})
    _check_names(estimator, space)
    trials: list[dict[str, Any]] = []
    rows: list[Tried] = []

    def tried(chosen: list[int], share: int) -> list[Tried]:
        candidates = [_shortened(_changed(estimator, trials[i]), share) for i in chosen]
        tested = _all_tested(candidates, table, scorers, n_jobs)
        return [
            Tried(i, share, _recipe(candidate).epochs, *_summary(each))
            for i, candidate, each in zip(chosen, candidates, tested, strict=True)
        ]

    if isinstance(method, str):
        trials += drawn(space, count, seed)
        for chosen, share in rounds(len(trials), method, _recipe(estimator).epochs, rows):
            rows += tried(chosen, share)
    else:
        proposals = Proposals(method, space)
        for i in range(count):
            with proposals.next() as (parameters, tell):
                trials.append(parameters)
                rows += tried([i], 1)
                tell(rows[-1].mean)
    best = min(rows, key=Tried.order)
    if np.isnan(best.mean):
        raise ValueError(
            "space leads to trainings that diverge alone, expected others, as lower learning rates"
        )
    model = _changed(estimator, trials[best.trial])
    model.fit(table.frame, table.y, groups=table.groups)
    return Tuned(_results(rows, trials), trials[best.trial], best.mean, model)


def _summary(tested: list[_Tested]) -> tuple[float, float, float]:
    scores = np.array([each.scores["score"] for each in tested])
    return float(scores.mean()), float(scores.std()), float(np.mean([each.fit_time for each in tested]))


def _check_names(estimator: Estimator, space: Mapping[str, Any]) -> None:
    known = [*estimator.get_params(deep=False), *(field.name for field in dataclasses.fields(recipes.Recipe))]
    for name in space:
        if name not in known:
            raise unknown("parameter", name, known)


def _recipe(estimator: Estimator) -> recipes.Recipe:
    return recipes.resolve(estimator.recipe, estimator._task)


def _changed(estimator: Estimator, parameters: Mapping[str, Any]) -> Any:
    """A copy with other parameters, its own or its recipe's."""
    model: Any = require("sklearn.base", GROUP).clone(estimator)
    own = {name: value for name, value in parameters.items() if name in model.get_params(deep=False)}
    model.set_params(**own)
    others = {name: value for name, value in parameters.items() if name not in own}
    return model.set_params(recipe=_recipe(model).replace(**others)) if others else model


def _shortened(estimator: Estimator, share: int) -> Estimator:
    """With one of so many of its epochs."""
    return (
        estimator if share == 1 else _changed(estimator, {"epochs": -(-_recipe(estimator).epochs // share)})
    )


def _results(rows: list[Tried], trials: list[dict[str, Any]]) -> Any:
    ranks = {id(row): rank for rank, row in enumerate(sorted(rows, key=Tried.order), 1)}
    lines = [
        {
            **{f"param_{name}": value for name, value in trials[row.trial].items()},
            "epochs": row.epochs,
            "mean_test_score": row.mean,
            "std_test_score": row.deviation,
            "mean_fit_time": row.fit_time,
            "rank_test_score": ranks[id(row)],
        }
        for row in rows
    ]
    return require("pandas", GROUP).DataFrame(lines)
