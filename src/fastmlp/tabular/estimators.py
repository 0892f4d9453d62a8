"""`TabularClassifier` and `TabularRegressor`: scikit-learn's estimators for tables as people have them."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import validation
from ..optional import require
from ..training.together import as_jobs
from . import checks, conformal, files, learning, metrics, recipes
from .encoding import Encoded, TableEncoder
from .ensemble import Ensemble
from .fitting import Rows
from .frames import Frame
from .recipes import Recipe
from .targets import Classes, Numbers, Targets

Array = np.ndarray[Any, Any]

GROUP = "tabular"
_base = require("sklearn.base", GROUP)
_weights = require("sklearn.utils.class_weight", GROUP)
_multiclass = require("sklearn.utils.multiclass", GROUP)
_sk = require("sklearn.utils", GROUP)
_sk_validation = require("sklearn.utils.validation", GROUP)

_Base: Any = _base.BaseEstimator
_ClassifierMixin: Any = _base.ClassifierMixin
_RegressorMixin: Any = _base.RegressorMixin


class _Tabular(_Base):  # type: ignore[misc]
    """What both estimators have in common."""

    _task: str
    ensemble_: Ensemble

    def __init__(
        self,
        recipe: str | Recipe = "default",
        *,
        nets: int | None = None,
        metric: Any = None,
        features: str | Iterable[str] | None = None,
        drop: str | Iterable[str] | None = (),
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
        matmul_precision: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.nets = nets
        self.metric = metric
        self.features = features
        self.drop = drop
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.matmul_precision = matmul_precision

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = True
        return tags

    # ---- learning ----

    def _plan(self) -> learning.Plan:
        recipe = recipes.resolve(self.recipe, self._task)
        nets = len(recipe.views) if self.nets is None else validation.integer(self.nets, "nets", 1)
        limit, precision = self.time_limit, self.matmul_precision
        if precision is not None:
            validation.as_matmul_precision(precision)
        return learning.Plan(
            recipe=recipe,
            nets=nets,
            metric=metrics.resolve(self.metric, self._task),
            threads=as_jobs(self.n_jobs),
            seed=int(_sk.check_random_state(self.random_state).randint(2**31 - 1)),
            time_limit=None if limit is None else validation.real(limit, "time_limit", above=0.0),
            say=print if validation.boolean(self.verbose, "verbose") else None,
            matmul_precision=precision,
        )

    def _learn(
        self,
        frame: Frame,
        truth: Array,
        targets: Targets,
        weights: Array | None,
        held_out: tuple[Frame, Array, Array | None] | None,
        groups: Any,
    ) -> None:
        """Fits to rows that have been checked."""
        start, plan = time.perf_counter(), self._plan()
        chosen: Any
        if groups is not None:
            groups = checks.as_groups(groups, len(frame))
        count, chosen = len(frame), slice(None)
        if weights is not None and not weights.all():  # as if the others were not there
            chosen = np.flatnonzero(weights)
            frame, truth, weights = frame.rows(chosen), truth[chosen], weights[chosen]
            groups = None if groups is None else groups[chosen]
        encoder = TableEncoder.learn(
            frame, features=self.features, drop=self.drop, one_hot_up_to=plan.recipe.one_hot_up_to
        )
        others = None
        if held_out is not None:
            X, y, w = held_out
            others = Rows(encoder.transform(X, "validation_data X"), y, w)
        rows = Rows(encoder.transform(frame), truth, weights)
        learned = learning.learn(encoder, targets, rows, plan, held_out=others, groups=groups)
        self.ensemble_ = learned.ensemble
        self.out_of_fold_ = np.full((count, targets.outputs), np.nan)
        self.out_of_fold_[chosen] = learned.out_of_fold
        self.metadata_: dict[str, Any] = {}
        self.fit_seconds_ = time.perf_counter() - start
        self.n_features_in_ = len(frame.names)
        if frame.named:
            self.feature_names_in_ = np.array(frame.names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    # ---- files ----

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one `.npz` file without pickles; `fastmlp.tabular.load` reads it.

        Parameters
        ----------
        path : str or path
            Ends with ".npz".

        Raises
        ------
        ValueError
            If labels are neither words, numbers nor booleans, or the path ends otherwise.
        """
        files.save(path, *self._saved())

    def _saved(self) -> tuple[Ensemble, dict[str, Any]]:
        """What a file holds."""
        _sk_validation.check_is_fitted(self, "ensemble_")
        recipe = recipes.resolve(self.recipe, self._task)
        about = {
            "estimator": type(self).__name__,
            "recipe": self.recipe if isinstance(self.recipe, str) else recipe.to_config(),
            "nets": self.nets,
            "n_features": self.n_features_in_,
            "single": getattr(self, "_single", True),
            "metadata": self.metadata_,
        }
        return self.ensemble_, about

    def _to_bytes(self) -> bytes:
        """What `save` writes, in memory."""
        return files.to_bytes(*self._saved())

    # ---- other forms ----

    def exported_inputs(self, X: Any) -> Array:
        """Rows as `export_c` and `export_onnx` take them.

        Parameters
        ----------
        X : table
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (rows, used columns)
            A number is itself, NaN where there is none; a category its code, 0 of a gap and of what `fit` has
            not seen; a date the seconds since 1970.  Columns that are left out are not among them.

        Examples
        --------
        >>> from fastmlp.tabular import TabularClassifier
        >>> table = {"size": [1.5, None, 3.0, 2.0] * 20, "colour": ["red", "blue"] * 40}
        >>> model = TabularClassifier("fast", random_state=0).fit(table, ["stop", "go"] * 40)
        >>> model.exported_inputs({"colour": ["blue", "green"], "size": [None, 1.0]})
        array([[nan,  1.],
               [ 1.,  0.]])
        """
        _sk_validation.check_is_fitted(self, "ensemble_")
        return self.ensemble_.encoder.told(checks.as_frame(X))

    def export_c(self, path: str | os.PathLike[str], *, name: str | None = None, levels: Any = None) -> None:
        """Write the fitted model as one C99 file without dependencies.

        The file defines ``void NAME_predict(const double *x, double *out)``, from a row of
        `exported_inputs` to what `predict_proba` or `predict` gives, ``NAME_predict_rows``, and
        ``NAME_code``, the code of a word in a column.  Gaps, scaling, views, all networks, temperature and
        range are in it, tables of the words of categories, and NAME_classes.  Its header lists the columns.
        With fused multiply-add networks give the bits of Python.  ``-DNAME_TEST`` adds a comparing `main`.

        Parameters
        ----------
        path : str or path
            Its suffix is ".c".
        name : str, optional
            What every name in the file begins with, a C identifier; None takes the file's name.
        levels : float or sequence of float, optional
            Of ``NAME_predict_quantiles``, which is in the file then; of numbers, as in `predict_quantiles`.

        Raises
        ------
        ValueError, TypeError
            If the suffix is another one, the name is no C identifier, or levels do not fit.
        """
        from .export import c

        _sk_validation.check_is_fitted(self, "ensemble_")
        c.export(self.ensemble_, path, name=name, levels=levels)

    def export_onnx(self, path: str | os.PathLike[str], *, opset: int | None = None) -> None:
        """Write the fitted model as an ONNX file, for ONNX Runtime and other programs.

        Its input "X", of float64 and shape (rows, used columns), is `exported_inputs`.  The outputs are those
        of the estimator: "probabilities" (rows, classes) and "label", or "prediction" (rows, targets),
        all but labels float64.  The metadata "columns" is JSON with the name of each column, what stands for
        it, and the values of categories, the first of code 1.

        Parameters
        ----------
        path : str or path
        opset : int, optional
            Version of the operators, as in `fastmlp.onnx.save`.

        Raises
        ------
        ImportError
            Without the package onnx.
        """
        from .export import onnx

        _sk_validation.check_is_fitted(self, "ensemble_")
        onnx.export(self.ensemble_, path, opset=opset)

    def _restore(self, ensemble: Ensemble, about: dict[str, Any]) -> None:
        """What `fit` finds out, from a file."""
        self.ensemble_ = ensemble
        self.metadata_ = about.get("metadata", {})
        self.n_features_in_ = validation.integer(about["n_features"], "n_features", 1)
        if ensemble.encoder.named:
            self.feature_names_in_ = np.array([column.name for column in ensemble.encoder.columns], object)

    # ---- prediction ----

    @property
    def columns_(self) -> Any:
        """What became of each column of the table: a pandas DataFrame with its name, kind and notes."""
        _sk_validation.check_is_fitted(self, "ensemble_")
        return require("pandas", GROUP).DataFrame(self.ensemble_.encoder.report())

    def prepare(self, X: Any) -> Encoded:
        """Make rows of a table ready, once for many predictions of them.

        Parameters
        ----------
        X : table
            As in `fit`.

        Returns
        -------
        Encoded
            What `predict` and the like of this estimator take in place of the table, with the same results.

        Examples
        --------
        >>> from fastmlp.tabular import TabularRegressor
        >>> table = {"colour": ["red", "blue"] * 30, "size": [1.5, None, 3.0] * 20}
        >>> model = TabularRegressor("fast", random_state=0).fit(table, [2.0, 1.0] * 30)
        >>> rows = model.prepare({"size": [2.0], "colour": ["blue"]})
        >>> model.predict(rows).round(1)
        array([1.])
        """
        _sk_validation.check_is_fitted(self, "ensemble_")
        return Encoded(self.ensemble_.encoder.transform(self._frame(X)), self.ensemble_.encoder)

    def _predicted(self, X: Any, threads: int | None = None) -> Array:
        if type(X) in (dict, Encoded) and "ensemble_" in vars(self):
            row = self._ready(X) if type(X) is Encoded else self.ensemble_.encoder.row(X)
            if row is not None:
                return self.ensemble_.predict_encoded(row, threads)
        _sk_validation.check_is_fitted(self, "ensemble_")
        return self.ensemble_.predict(self._frame(X), threads)

    def _ready(self, rows: Encoded) -> Array:
        if rows.encoder is not self.ensemble_.encoder:
            raise ValueError("X has rows that another estimator has prepared, expected this one's")
        return rows.matrix

    def _frame(self, X: Any) -> Frame:
        frame = checks.as_frame(X)
        if not (frame.named and self.ensemble_.encoder.named):
            checks.check_width(frame, self.n_features_in_, type(self).__name__)
        return frame


class TabularClassifier(_ClassifierMixin, _Tabular):  # type: ignore[misc]
    """Classes from the rows of a table: words, categories, dates, gaps and all.

    Parameters
    ----------
    recipe : str or Recipe
        "default", "realmlp", "realmlp-s", "fast" or "tabm", or a `Recipe` of your own.
    nets : int, optional
        Networks that are averaged, one for each view of the recipe unless given.
    metric : str or callable, optional
        What held-out rows are measured by, to choose the epoch: "error" (the default), "log_loss", "auc",
        "f1" or "balanced_accuracy", or a function (class numbers, probabilities, weights or None) -> error.
    class_weight : dict, "balanced" or None
        Label to factor.
    calibrate : bool
        Whether one temperature, found on held-out rows, makes the probabilities say how often they are right.
    features : str or iterable of str, optional
        Columns to use, even where they look like ids; all others are left out.
    drop : str or iterable of str, optional
        Columns to leave out.
    time_limit : float, optional
        Seconds.  Fewer epochs are made where the recipe's would take longer.
    n_jobs : int, optional
        Networks that are trained at once; None or -1 is one for each processor.
    random_state : int, RandomState or None
        Splits, first weights, shuffling and dropout follow from it.
    verbose : bool
        Whether a line is printed for each network.
    matmul_precision : {"highest", "high", "medium"}, optional
        As in `fastmlp.Network`.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
    columns_ : DataFrame
        What became of each column.
    feature_names_in_ : ndarray of str
        Where the columns of `fit` had names.
    out_of_fold_ : ndarray, shape (rows, classes)
        Probabilities of the rows of `fit` by networks that held them out, NaN where none did, as in rows of
        weight 0.
    ensemble_ : Ensemble
        The encoder and the networks.
    metadata_ : dict
        Empty after `fit`; what you put into it, of what JSON can hold, is saved with the model.

    Examples
    --------
    >>> from fastmlp.tabular import TabularClassifier
    >>> table = {"colour": ["red", "blue"] * 30, "size": [1.5, None, 3.0] * 20}
    >>> y = ["stop", "go"] * 30
    >>> model = TabularClassifier("fast", random_state=0).fit(table, y)
    >>> model.predict({"size": [2.0], "colour": ["blue"]})
    array(['go'], dtype='<U4')
    """

    _task = "classes"

    def __init__(
        self,
        recipe: str | Recipe = "default",
        *,
        nets: int | None = None,
        metric: Any = None,
        class_weight: Any = None,
        calibrate: bool = True,
        features: str | Iterable[str] | None = None,
        drop: str | Iterable[str] | None = (),
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
        matmul_precision: str | None = None,
    ) -> None:
        super().__init__(
            recipe,
            nets=nets,
            metric=metric,
            features=features,
            drop=drop,
            time_limit=time_limit,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
            matmul_precision=matmul_precision,
        )
        self.class_weight = class_weight
        self.calibrate = calibrate

    def _plan(self) -> learning.Plan:
        calibrate = validation.boolean(self.calibrate, "calibrate")
        return dataclasses.replace(super()._plan(), calibrate=calibrate)

    def _restore(self, ensemble: Ensemble, about: dict[str, Any]) -> None:
        super()._restore(ensemble, about)
        assert isinstance(ensemble.targets, Classes)
        self.classes_ = ensemble.targets.classes

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, ...] | None = None,
        groups: Any = None,
    ) -> TabularClassifier:
        """Learn from a table.

        Parameters
        ----------
        X : table
            A pandas or polars frame, Arrow table, array, sparse matrix, mapping of names to columns, or list
            of mappings; columns of numbers, words, booleans, dates, gaps among them.
        y : array-like of shape (rows,)
            Labels, without gaps.
        sample_weight : array-like of shape (rows,), optional
            0 or more; rows of weight 0 are left out.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Rows that choose the epoch, in place of a part of the others.
        groups : array-like of shape (rows,), optional
            Rows of one group are held out together.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit; the error names the row and the column.
        """
        frame = checks.as_frame(X)
        labels = checks.as_labels(y, len(frame), "y")
        _multiclass.check_classification_targets(labels)
        classes, truth = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y has one class, {classes.tolist()[0]!r}, expected two or more classes")
        checks.check_rows(frame)
        weights = checks.as_weights(sample_weight, len(frame))
        if self.class_weight is not None:
            factors = _weights.compute_sample_weight(self.class_weight, labels)
            weights = factors if weights is None else weights * factors
        held_out = None
        if validation_data is not None:
            other, y_other, w_other = checks.as_validation(validation_data)
            labels = checks.as_labels(y_other, len(other), "validation_data y")
            held_out = other, checks.class_numbers(labels, classes), w_other
        self._learn(frame, truth, Classes(classes), weights, held_out, groups)
        self.classes_ = classes
        return self

    def predict_proba(self, X: Any, *, threads: int | None = None) -> Array:
        """Probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : table
            As in `fit`; columns are found by name where they have names.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        ndarray of float64, shape (rows, classes)
        """
        return self._predicted(X, threads)

    def predict(self, X: Any, *, threads: int | None = None) -> Array:
        """The likeliest class of each row.

        Parameters
        ----------
        X : table
            As in `fit`.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        ndarray, shape (rows,)
        """
        likeliest = self.predict_proba(X, threads=threads).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])


class TabularRegressor(_RegressorMixin, _Tabular):  # type: ignore[misc]
    """Numbers from the rows of a table: words, categories, dates, gaps and all.

    Predictions stay within the range of the targets that were learned from.

    Parameters
    ----------
    metric : str or callable, optional
        What held-out rows are measured by, to choose the epoch: "rmse" (the default), "mae" or "r2", or a
        function (truth, predictions, weights or None) -> error of arrays of shape (rows, targets).
    recipe, nets, features, drop, time_limit, n_jobs, random_state, verbose
        As in `TabularClassifier`.

    Attributes
    ----------
    columns_, feature_names_in_, out_of_fold_, ensemble_, metadata_
        As in `TabularClassifier`.

    Examples
    --------
    >>> from fastmlp.tabular import TabularRegressor
    >>> table = {"day": ["2024-01-0%d" % (1 + i % 9) for i in range(90)], "x": [i / 9 for i in range(90)]}
    >>> model = TabularRegressor("fast", random_state=0).fit(table, table["x"])
    >>> model.score(table, table["x"]) > 0.9
    True
    """

    _task = "numbers"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _restore(self, ensemble: Ensemble, about: dict[str, Any]) -> None:
        super()._restore(ensemble, about)
        assert isinstance(ensemble.targets, Numbers)
        self._single = validation.boolean(about["single"], "single")

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, ...] | None = None,
        groups: Any = None,
    ) -> TabularRegressor:
        """Learn from a table.

        Parameters
        ----------
        X, sample_weight, validation_data, groups
            As in `TabularClassifier.fit`.
        y : array-like of shape (rows,) or (rows, targets)
            Finite numbers, without gaps.
        """
        frame = checks.as_frame(X)
        truth, single = checks.as_numbers(y, len(frame), "y")
        checks.check_rows(frame)
        weights = checks.as_weights(sample_weight, len(frame))
        held_out = None
        if validation_data is not None:
            other, y_other, w_other = checks.as_validation(validation_data)
            numbers, _ = checks.as_numbers(y_other, len(other), "validation_data y")
            held_out = other, numbers, w_other
        used = truth if weights is None else truth[weights > 0]
        self._learn(frame, truth, Numbers.learn(used), weights, held_out, groups)
        self._single = single
        return self

    def predict(self, X: Any, *, threads: int | None = None) -> Array:
        """The expected number of each row.

        Parameters
        ----------
        X : table
            As in `fit`.
        threads : int, optional
            At most this many threads.

        Returns
        -------
        ndarray of float64, shape (rows,), or (rows, targets) as y was
        """
        predictions = self._predicted(X, threads)
        return predictions[:, 0] if self._single else predictions

    # ---- what is likely beside the prediction ----

    def conformalize(self, X: Any, y: Any) -> TabularRegressor:
        """Take the residuals of other rows, which have had no part in `fit`, for quantiles and intervals.

        `fit` takes those of the rows that networks held out, which have also chosen the epoch, and which are
        predicted by some of the networks alone.  With rows of their own the coverage holds exactly.

        Parameters
        ----------
        X : table
            As in `fit`.
        y : array-like of shape (rows,) or (rows, targets)
        """
        frame = checks.as_frame(X)
        truth, _ = checks.as_numbers(y, len(frame), "y")
        predictions = self._predicted(frame)
        if truth.shape != predictions.shape:
            expected = f"expected {predictions.shape[1]} as in training"
            raise ValueError(f"y has {truth.shape[1]} targets, {expected}")
        found = conformal.residuals(truth, predictions)
        self.ensemble_ = dataclasses.replace(self.ensemble_, residuals=found)
        return self

    def predict_quantiles(self, X: Any, levels: Any) -> Array:
        """Numbers that the truth is below with given probabilities: split conformal prediction.

        To the prediction is added a quantile of the residuals of rows that training has not seen (see
        `conformalize`); it is the same for all rows.  A new row of the same kind is at or below the quantile
        of a level above 1/2 with at least that probability, whatever the distribution; below 1/2 at most.

        Parameters
        ----------
        X : table
            As in `fit`.
        levels : float or sequence of float
            0 < level < 1; of n held-out rows from 1 / (n + 1) to n / (n + 1).

        Returns
        -------
        ndarray of float64, shape (rows, levels), or (rows, targets, levels) as y was
            Without the last axis for one number.  Quantiles of higher levels are never lower.

        Raises
        ------
        ValueError
            If no rows were held out, or a level is beyond what their number can tell.

        References
        ----------
        Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-Free Predictive Inference for
        Regression" (2018); Romano, Patterson and Candes, "Conformalized Quantile Regression" (2019), for its
        two sides.

        Examples
        --------
        >>> from fastmlp.tabular import TabularRegressor
        >>> table = {"x": [i / 99 for i in range(200)]}
        >>> model = TabularRegressor("fast", random_state=0).fit(table, table["x"])
        >>> model.predict_quantiles({"x": [0.5, 1.0]}, [0.1, 0.5, 0.9]).shape
        (2, 3)
        """
        wanted = conformal.as_levels(levels)
        predictions = self._predicted(X)
        quantiles = predictions[:, :, None] + self.ensemble_.offsets(wanted)
        quantiles = quantiles[:, 0] if self._single else quantiles
        return quantiles if np.ndim(levels) else quantiles[..., 0]

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Ends of intervals that the truth is within, with a given probability.

        Parameters
        ----------
        X : table
            As in `fit`.
        coverage : float
            0 < coverage < 1; the truth is above and below the interval equally often.

        Returns
        -------
        ndarray of float64, shape (rows, 2), or (rows, targets, 2) as y was
            `predict_quantiles` of (1 - coverage) / 2 and (1 + coverage) / 2.

        Examples
        --------
        >>> from fastmlp.tabular import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> X, noise = rng.random((600, 1)), rng.normal(size=600)
        >>> y = 3 * X[:, 0] + noise
        >>> model = TabularRegressor("fast", random_state=0).fit(X[:300], y[:300])
        >>> low, high = model.predict_interval(X[300:], coverage=0.9).T
        >>> bool(0.8 < ((low <= y[300:]) & (y[300:] <= high)).mean() < 0.97)
        True
        """
        share = validation.real(coverage, "coverage", above=0.0, below=1.0)
        return self.predict_quantiles(X, [(1 - share) / 2, (1 + share) / 2])


def load(path: str | os.PathLike[str]) -> TabularClassifier | TabularRegressor:
    """A fitted estimator from a file that its `save` wrote.

    Its recipe and number of networks are those of the file, other parameters the defaults.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ModelFileError
        If the file is damaged or another one.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastmlp.tabular import TabularClassifier, load
    >>> model = TabularClassifier("fast", random_state=0).fit({"x": [1.0, 2.0] * 30}, ["a", "b"] * 30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "model.npz"))
    ...     again = load(os.path.join(folder, "model.npz"))
    >>> again.predict({"x": [2.0]})
    array(['b'], dtype='<U1')
    """
    return _restored(*files.load(path))


def from_bytes(content: bytes) -> TabularClassifier | TabularRegressor:
    """A fitted estimator from the bytes of its file."""
    return _restored(*files.from_bytes(content))


def _restored(ensemble: Ensemble, about: dict[str, Any]) -> TabularClassifier | TabularRegressor:
    kind: Any = TabularClassifier if isinstance(ensemble.targets, Classes) else TabularRegressor
    recipe = about["recipe"] if isinstance(about["recipe"], str) else Recipe.from_config(about["recipe"])
    model = kind(recipe, nets=about["nets"])
    model._restore(ensemble, about)
    found: TabularClassifier | TabularRegressor = model
    return found
