"""`MLPClassifier` and `MLPRegressor`: scikit-learn's parameters, and the engine's beside them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ... import registry
from ...callbacks import Callback
from ...losses import LOSSES, NAMES, Loss
from ...optimizers import Optimizer
from ...optional import require
from ...schedules import Schedule
from . import fitted
from .engine import Engine
from .fitted import GROUP
from .turns import alone

Array = np.ndarray[Any, Any]

_base = require("sklearn.base", GROUP)
_checks = require("sklearn.utils._param_validation", GROUP)
_neural = require("sklearn.neural_network", GROUP)
_meta = require("sklearn.utils.metaestimators", GROUP)

_TRAINED = {name for name, (_, saved) in registry.ACTIVATIONS.items() if saved != "row"} - {"step"}


def _losses_of(*links: str) -> tuple[type[Loss], ...]:
    """Those of one output a target that have one of the links."""
    return tuple(cls for cls in LOSSES.values() if cls.link in links and cls().outputs == 1)


_OF_NUMBERS = _losses_of("any", "sigmoid", "exp")
_OF_CLASSES = tuple(cls for cls in _losses_of("any") if not cls.classes)  # a hinge's answer is a sign

# Classes that can be told from numbers without a look at the rows: more, each once, would be warned of.
_FEW = 10

_Classifier: Any = _neural.MLPClassifier
_Regressor: Any = _neural.MLPRegressor
_fits = _base._fit_context(prefer_skip_nested_validation=True)


def _constraints(parent: Any, theirs: str, losses: tuple[type[Loss], ...], **more: Any) -> dict[str, Any]:
    """Checks of all parameters: scikit-learn's, what those take besides, and those of our own."""
    options, interval = _checks.StrOptions, _checks.Interval
    names = {theirs, *(name for name, cls in NAMES.items() if cls in losses)}
    ours = {
        "loss": [options(names), tuple, callable, *losses],
        "activation": [options({"logistic", *_TRAINED}), tuple, list],
        "learning_rate": [*parent._parameter_constraints["learning_rate"], Schedule],
        "verbose": [*parent._parameter_constraints["verbose"], options({"progress"})],
        "dropout": [interval(Real, 0, 1, closed="left"), list, tuple],
        "optimizer": [Optimizer, None],
        "callbacks": [Callback, list, tuple, None],
        "threads": [interval(Integral, 1, None, closed="left"), None],
        "matmul_precision": [options({"highest", "high", "medium"}), None],
    }
    return {**parent._parameter_constraints, **ours, **more}


@functools.cache
def _binarizer(classes: int) -> Any:
    """scikit-learn's, fitted to numbers of so many classes: one takes as long as a small fit to make."""
    return require("sklearn.preprocessing", GROUP).LabelBinarizer().fit(np.arange(classes))


def _keep(model: Any, given: Mapping[str, Any]) -> None:
    """The constructor's arguments as attributes."""
    for name, value in given.items():
        if name not in ("self", "__class__"):
            setattr(model, name, value)


class MLPClassifier(Engine, _Classifier):  # type: ignore[misc]
    """scikit-learn's `MLPClassifier` on this engine: its parameters, attributes and methods, and some more.

    A given `random_state` draws scikit-learn's numbers, so a fit has the weights that scikit-learn's would
    have, up to rounding.  Losses are not clipped at the machine's epsilon, which scikit-learn does;
    `loss_curve_` takes ``|W|^2`` of the penalty as linear in the batches of an epoch.

    Parameters
    ----------
    hidden_layer_sizes, solver, alpha, ..., max_fun
        As in `sklearn.neural_network.MLPClassifier`, with the same defaults.
    activation : str, (str, float) or list
        Of the hidden layers: scikit-learn's "identity", "logistic", "tanh" and "relu", or any name of this
        package's, ("leaky_relu", 0.2) with its parameter; a list has one for each hidden layer.
    learning_rate : {"constant", "invscaling", "adaptive"} or Schedule
        An object of `fastmlp.schedules` replaces `learning_rate_init`.
    verbose : bool, int or "progress"
        True prints lines as scikit-learn does; "progress" shows those of `Network.fit`.
    loss : str, (str, float), Loss or callable
        "log_loss" is scikit-learn's.  Others are this package's: "mse", "mae", ("huber", 0.5) or an object
        of `fastmlp.losses` of the probabilities, or a function as in `Network.compile`.
    class_weight : dict, "balanced" or None
        Label to finite factor, 0 or more; 1 for labels that it lacks.  Multiplies with `sample_weight`.
    dropout : float or list of float
        0 <= rate < 1, behind every hidden layer, or one for each.  Not for "lbfgs".
    optimizer : Optimizer, optional
        An object of `fastmlp.optimizers`, in place of what `solver` and its parameters say; `alpha` stays.
    callbacks : Callback or list of Callback, optional
        See `fastmlp.callbacks`; the logs hold "loss" and, with held-out rows, "val_score".  Not for "lbfgs".
        They may read the estimator and not fit it.
    threads : int, optional
        At most this many threads.
    matmul_precision : {"highest", "high", "medium"}, optional
        As in `Network`; other than "highest" for X of float32.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Writing to them changes the predictions, as in scikit-learn.
    classes_, loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, n_iter_, ...
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastmlp.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), solver="lbfgs", random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    >>> MLPClassifier((32, 16), activation=["gelu", "tanh"], dropout=0.1, class_weight="balanced", max_iter=5)
    MLPClassifier(activation=['gelu', 'tanh'], class_weight='balanced', dropout=0.1,
                  hidden_layer_sizes=(32, 16), max_iter=5)
    """

    _parameter_constraints: dict[str, Any] = _constraints(
        _neural.MLPClassifier,
        "log_loss",
        _OF_CLASSES,
        class_weight=[dict, _checks.StrOptions({"balanced"}), None],
    )

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: str | tuple[str, float] | Loss | Callable[..., Any] = "log_loss",
        class_weight: Mapping[Any, float] | str | None = None,
        dropout: float | Sequence[float] = 0.0,
        optimizer: Optimizer | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        threads: int | None = None,
        matmul_precision: str | None = None,
    ) -> None:
        _keep(self, locals())

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """scikit-learn's; whole numbers and words, where it takes longer than a small fit, are read here."""
        plain = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU"
        if not plain or incremental or self.warm_start:
            return super()._validate_input(X, y, incremental, reset)
        classes, index = np.unique(y, return_inverse=True)
        if not 2 <= len(classes) <= _FEW:
            return super()._validate_input(X, y, incremental, reset)
        X, _ = fitted.checks.validate_data(
            self, X, y, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=reset
        )
        self._label_binarizer = copy.copy(_binarizer(len(classes)))
        self._label_binarizer.classes_ = self.classes_ = classes
        return X, index[:, None] == (np.arange(len(classes)) if len(classes) > 2 else [1])

    def _default_output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _kind(self) -> str:
        return "labels" if self._label_binarizer.y_type_.startswith("multilabel") else "classes"

    def _held_out_targets(self, y: Any) -> Array:
        if self._kind() == "classes":
            y = fitted.checks.column_or_1d(y)
            unknown = np.setdiff1d(y, self.classes_).tolist()
            if unknown:
                known = ", ".join(map(repr, self.classes_.tolist()))
                raise ValueError(f"validation_data has the class {unknown[0]!r}, expected one of {known}")
        return np.asarray(self._label_binarizer.transform(y)).astype(bool)

    @alone
    @_fits  # type: ignore[untyped-decorator]
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple[Any, ...] | None = None
    ) -> MLPClassifier:
        """Fit the network to rows and their classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, n_features)
            float32 stays float32, everything else becomes float64.  CSR is made dense a few megabytes at a
            time.
        y : array-like of shape (rows,) or (rows, n_labels)
            Classes, or 0 and 1 for each of several labels.
        sample_weight : array-like of shape (rows,), optional
            Factors of the rows' losses.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Held-out rows of one's own: `validation_scores_` has their score after each epoch, and
            `early_stopping` goes by it instead of a part of X.  At least one has a weight above 0, two for a
            regressor.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument does not fit, or the weights do not stay finite.
        fastmlp.BusyError
            If another thread fits the estimator, or the caller is a callback of its fit.
        """
        return self._fit(X, y, sample_weight=sample_weight, validation_data=validation_data)

    @_meta.available_if(lambda model: model._check_solver())  # type: ignore[untyped-decorator]
    @alone
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """One epoch on more rows; not for "lbfgs".

        Others may predict meanwhile, with the weights from before.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`; y need not have all classes.
        classes : array-like of shape (n_classes,), optional
            All classes that any call will have; the first call needs them.

        Returns
        -------
        self

        Raises
        ------
        ValueError, fastmlp.BusyError
            As `fit`.
        """
        return super().partial_fit(X, y, sample_weight, classes)

    def predict(self, X: Any) -> Array:
        """The class of every row, or 0 and 1 for each of several labels.

        The short way, of microseconds, is a C-contiguous array of the dtype that X had in `fit`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, n_features)

        Returns
        -------
        ndarray of shape (rows,) or (rows, n_labels)
        """
        ready = self._ready_outputs(X)
        if ready is not None:
            found, classes, output = ready
            if output == "softmax":
                return classes.take(found.argmax(axis=1))
            if len(classes) == 2 and found.shape[1] == 1:
                return classes.take(found.ravel() > 0.5)
        return np.asarray(_Classifier.predict(self._whole(), X))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, or of each of several labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, n_features)
            As in `predict`.

        Returns
        -------
        ndarray of shape (rows, n_classes)
        """
        ready = self._ready_outputs(X)
        if ready is None:
            return np.asarray(_Classifier.predict_proba(self._whole(), X))
        found = ready[0]
        if found.shape[1] > 1:
            return found
        both = np.empty((len(found), 2), found.dtype)
        both[:, 1:] = found
        np.subtract(1, found, out=both[:, :1])
        return both


class MLPRegressor(Engine, _Regressor):  # type: ignore[misc]
    """scikit-learn's `MLPRegressor` on this engine: its parameters, attributes and methods, and some more.

    A given `random_state` draws scikit-learn's numbers, so a fit has the weights that scikit-learn's would
    have, up to rounding.

    Parameters
    ----------
    loss : str, (str, float), Loss or callable
        "squared_error" and "poisson" are scikit-learn's.  Others are this package's: "mse", "mae", ("huber",
        0.5), "binary_crossentropy" with a sigmoid output, an object of `fastmlp.losses`, or a function as in
        `Network.compile`.
    hidden_layer_sizes, solver, alpha, ..., max_fun
        As in `sklearn.neural_network.MLPRegressor`, with the same defaults.
    activation, learning_rate, verbose, dropout, optimizer, callbacks, threads, matmul_precision
        As in `MLPClassifier`.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Writing to them changes the predictions, as in scikit-learn.
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, n_iter_, ...
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = MLPRegressor("squared_error", (16,), "tanh", solver="lbfgs", random_state=0)
    >>> model = model.fit(X, X[:, 0] ** 2)
    >>> bool(abs(model.predict([[0.5]])[0] - 0.25) < 0.05)
    True
    """

    _parameter_constraints: dict[str, Any] = _constraints(_neural.MLPRegressor, "squared_error", _OF_NUMBERS)

    def __init__(
        self,
        loss: str | tuple[str, float] | Loss | Callable[..., Any] = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        optimizer: Optimizer | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        threads: int | None = None,
        matmul_precision: str | None = None,
    ) -> None:
        _keep(self, locals())

    def _default_output(self) -> str:
        return "identity"

    def _kind(self) -> str:
        return "numbers"

    def _held_out_targets(self, y: Any) -> Array:
        return np.asarray(
            fitted.checks.check_array(y, ensure_2d=False, dtype=(np.float64, np.float32), input_name="y")
        )

    @alone
    @_fits  # type: ignore[untyped-decorator]
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple[Any, ...] | None = None
    ) -> MLPRegressor:
        """Fit the network to rows and their numbers.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, n_features)
            As in `MLPClassifier.fit`.
        y : array-like of shape (rows,) or (rows, n_outputs)
            Finite numbers.
        sample_weight, validation_data
            As in `MLPClassifier.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument does not fit, or the weights do not stay finite.
        fastmlp.BusyError
            If another thread fits the estimator, or the caller is a callback of its fit.
        """
        return self._fit(X, y, sample_weight=sample_weight, validation_data=validation_data)

    @alone
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch on more rows.

        Others may predict meanwhile, with the weights from before.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, fastmlp.BusyError
            As `fit`.
        """
        return super().partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """The numbers of every row.

        The short way, of microseconds, is a C-contiguous array of the dtype that X had in `fit`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, n_features)

        Returns
        -------
        ndarray of shape (rows,) or (rows, n_outputs)
        """
        ready = self._ready_outputs(X)
        if ready is None:
            return np.asarray(_Regressor.predict(self._whole(), X))
        found = ready[0]
        return found.ravel() if found.shape[1] == 1 else found
