"""`DaskMLPClassifier` and `DaskMLPRegressor`: estimators that the workers of a cluster train."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ... import validation
from ...errors import listed
from ...layers import Dense, Dropout, Layer
from ...losses import Loss
from ...network import Network
from ...optimizers import Optimizer
from ...optional import require
from ...training.callbacks.base import Callback
from ..sklearn import MLPClassifier, MLPRegressor, to_sklearn
from ..sklearn.describe import engine_activation, output_activation, per_layer
from .rows import Blocks, blocks
from .scoring import predict
from .training import GROUP, Given, together, until_kept

_base = require("sklearn.base", "sklearn")
_metrics = require("sklearn.metrics", "sklearn")
_checks = require("sklearn.utils.validation", "sklearn")
_Base: Any = _base.BaseEstimator
_ClassifierMixin: Any = _base.ClassifierMixin
_RegressorMixin: Any = _base.RegressorMixin

Array = np.ndarray[Any, Any]


def _network(
    layers: list[int | Layer], classes: Array | None, optimizer: str | Optimizer, loss: Any, **options: Any
) -> Network:
    """A network before its first step, which every rank makes for itself."""
    net = Network(layers, **options)
    net.compile(optimizer, loss)
    if classes is not None:
        net.classes = classes
    return net


class _Estimator(_Base):  # type: ignore[misc]
    """What both have in common."""

    _local: Any  # the class of `to_local`
    _has_classes: bool

    @property
    def client_(self) -> Any:
        """The client that is used: `client`, or the one that was started last."""
        if self.client is not None:
            return self.client
        try:
            return require("distributed", GROUP).default_client()
        except ValueError:
            came = "client is None and there is no client of Dask"
            raise ValueError(f"{came}, expected one, as dask.distributed.Client() makes it") from None

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> Any:
        """Train a network on the workers of the cluster, and wait for it.

        Parameters
        ----------
        X : dask.array.Array of shape (rows, columns) or dask.dataframe.DataFrame
            Finite numbers; float32 stays float32, everything else becomes float64.
        y : dask.array.Array, dask.dataframe.Series or dask.dataframe.DataFrame
            The targets, in partitions of any sizes: words or numbers of shape (rows,) as classes; numbers of
            shape (rows,) or (rows, n_outputs) for a regressor.
        sample_weight : dask.array.Array or dask.dataframe.Series, optional
            Factors of the rows' losses.
        eval_set : (X, y), (X, y, sample_weight) or a list of one of them, optional
            Held-out rows of Dask's, which every worker scores as a whole after each epoch: "val_loss" of
            `history_`, and what `EarlyStopping` looks at.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; the sentence has the number of the partition and the row in it.
        FloatingPointError
            If the loss is no longer finite.
        RuntimeError
            If workers are lost in one attempt after another, as often as Dask allows a task.
        """
        shards, held_out = validation.integer(self.shards, "shards", 1), _as_held_out(eval_set)
        client = self.client_
        if client.asynchronous:
            raise ValueError("client is asynchronous, expected one whose calls wait")
        draws = require("sklearn.utils", "sklearn").check_random_state(self.random_state)
        given = isinstance(self.random_state, (int, np.integer))
        seed = int(self.random_state) if given else int(draws.randint(2**31 - 1))
        collections = [("X", X), ("y", y)]
        collections += [] if sample_weight is None else [("sample_weight", sample_weight)]
        collections += [(f"eval_set {name}", each) for name, each in held_out.items()]

        def attempt() -> tuple[Any, Blocks, Blocks]:
            wanted = [(name, each, self._has_classes and name[-1] == "y") for name, each in collections]
            found = dict(zip([name for name, _ in collections], blocks(client, *wanted), strict=True))
            fit = self._given(found, shards, seed)
            return together(client, fit), found["X"], found["y"]

        (network, history), rows, targets = until_kept(attempt)
        self.network_, self.history_ = network, history
        self.n_features_in_, self.n_iter_ = network.layer_sizes[0], len(history["loss"])
        self._one_target = targets.shape == ()
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.array(list(X.columns), object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if self._has_classes:
            self.classes_ = targets.labels
        return self

    def _given(self, found: dict[str, Blocks], shards: int, seed: int) -> Given:
        """The fit of blocks that belong together; ValueError where they do not."""
        X, y, weights = found["X"], found["y"], found.get("sample_weight")
        held_out = [each for name, each in found.items() if name.startswith("eval_set ")]
        for first, others in ((X, [y, weights]), (held_out[0] if held_out else X, held_out[1:])):
            for each in others:
                if each is not None and len(each) != len(first):
                    came = f"{each.name} has {len(each)} rows"
                    raise ValueError(f"{came}, expected {len(first)} as in {first.name}")
        for each in (X, *held_out[:1]):
            if len(each.shape) != 1 or each.shape != X.shape:
                wanted = "(columns,)" if each is X else str(X.shape)
                raise ValueError(f"{each.name} has rows of shape {each.shape}, expected {wanted}")
        dtype = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
        output, width = self._output(y)
        network = functools.partial(
            _network, self._layers(X.shape[0], output, width), y.labels, self.optimizer, self.loss,
            dtype=dtype.name, seed=seed, matmul_precision=self.matmul_precision,
        )  # fmt: skip
        network()  # what does not fit is said here
        options = {
            "epochs": self.max_iter,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "callbacks": self.callbacks,
            "class_weight": getattr(self, "class_weight", None),
            "shards": shards,
        }
        return Given(X, y, weights, held_out, dtype, network, options, validation.as_threads(self.threads))

    def _layers(self, columns: int, output: str, width: int) -> list[int | Layer]:
        sizes = self.hidden_layer_sizes
        units = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        activations = per_layer(self.activation, len(units), "activation", (str, tuple))
        rates = per_layer(self.dropout, len(units), "dropout", (int, float))
        layers: list[int | Layer] = [columns]
        for count, activation, rate in zip(units, activations, rates, strict=True):
            layers.append(Dense(count, engine_activation(activation)))
            layers += [Dropout(rate)] if rate else []
        word = output if self.loss is None else output_activation(self.loss, output)
        return [*layers, Dense(width, engine_activation(word))]

    def _output(self, y: Blocks) -> tuple[str, int]:
        """scikit-learn's word for the output activation that targets ask for, and how many outputs."""
        raise NotImplementedError

    def predict(self, X: Any) -> Any:
        """The class, or the number or numbers, of every row, where the rows are, when it is computed.

        Parameters
        ----------
        X : dask.array.Array of shape (rows, columns) or dask.dataframe.DataFrame

        Returns
        -------
        dask.array.Array, dask.dataframe.Series or dask.dataframe.DataFrame
            With the partitions of X; see `fastmlp.dask.predict`.
        """
        raise NotImplementedError

    def _predicted(self, X: Any, method: str) -> Any:
        _checks.check_is_fitted(self, "network_")
        names = getattr(self, "feature_names_in_", None)
        if names is not None and hasattr(X, "columns") and list(X.columns) != names.tolist():
            came = listed(map(repr, X.columns))
            raise ValueError(f"X has the columns {came}, expected {listed(map(repr, names))} in this order")
        return predict(self.network_, X, method=method, threads=1 if self.threads is None else self.threads)

    def _scored(self, score: Any, X: Any, y: Any, sample_weight: Any) -> float:
        """A score of targets and predictions that the client gathers."""
        client = self.client_
        given = [y, self.predict(X), *([] if sample_weight is None else [sample_weight])]
        truth, predictions, *weights = map(np.asarray, client.gather(client.compute(given)))
        return float(score(truth, predictions, sample_weight=weights[0] if weights else None))

    def to_local(self) -> Any:
        """A fitted estimator of `fastmlp.sklearn`, for rows in memory: without a cluster, to save and pickle.

        Returns
        -------
        MLPClassifier or MLPRegressor
            With the same weights and parameters. `from_sklearn` makes a Network of it, as `network_` is one.
        """
        _checks.check_is_fitted(self, "network_")
        model = to_sklearn(self.network_, classes=getattr(self, "classes_", None), estimator=self._local)
        shared = self.get_params(deep=False).keys() & model.get_params(deep=False).keys()
        shared -= {"callbacks", "loss"} if self.loss is None else {"callbacks"}
        model.set_params(**{name: copy.deepcopy(getattr(self, name)) for name in shared})
        model.set_params(optimizer=self.network_.optimizer)
        model.n_iter_, model.loss_curve_ = self.n_iter_, list(self.history_["loss"])
        model.loss_, model.best_loss_ = model.loss_curve_[-1], min(model.loss_curve_)
        if hasattr(self, "feature_names_in_"):
            model.feature_names_in_ = self.feature_names_in_
        return model

    def __sklearn_clone__(self) -> Any:
        parameters = self.get_params(deep=False)
        client = parameters.pop("client")
        copies = {name: _base.clone(value, safe=False) for name, value in parameters.items()}
        return type(self)(client, **copies)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}  # a connection stays where it is


def _as_held_out(eval_set: Any) -> dict[str, Any]:
    if eval_set is None:
        return {}
    sets = isinstance(eval_set, (list, tuple)) and all(isinstance(each, (list, tuple)) for each in eval_set)
    if sets and len(eval_set) > 0:
        if len(eval_set) > 1:
            raise ValueError(f"eval_set has {len(eval_set)} sets of rows, expected one")
        eval_set = eval_set[0]
    if not isinstance(eval_set, (list, tuple)) or len(eval_set) not in (2, 3):
        came = type(eval_set).__name__
        raise ValueError(f"eval_set is a {came}, expected (X, y) or (X, y, sample_weight)")
    return dict(zip(("X", "y", "sample_weight"), eval_set, strict=False))


class DaskMLPClassifier(_ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A network that the workers of a Dask cluster train together, as an estimator of scikit-learn.

    Neither the workers, their number nor the partitions change a bit of the result.  The rows are `shards`
    contiguous parts, of which each worker takes some; what comes out is that of ::

        net = Network([columns, *hidden_layer_sizes, outputs], seed=random_state, ...)
        net.compile(optimizer)
        net.fit(X, y, epochs=max_iter, batch_size=batch_size, shards=shards)

    on one machine, where two classes are one output with sigmoid, and more are one each with softmax.
    Workers send what they have to each other over the connections of the cluster, so there is no port to
    choose, and any number of fits go on beside each other, from threads of the client.  If a worker is lost,
    the fit begins anew with those that are left, and ends with the same bits.

    Parameters
    ----------
    client : dask.distributed.Client, optional
        None is the one that was started last.
    hidden_layer_sizes, activation, dropout, max_iter, shuffle, class_weight
        As in `fastmlp.sklearn.MLPClassifier`, with the same defaults; all `max_iter` epochs are trained
        unless a callback ends the fit.
    batch_size : int or None
        Rows of a step, of all workers together; None is all rows.  Workers write to each other three times in
        a step, which takes Dask about 20 milliseconds, so that small batches are trained sooner by one.
    loss : str or Loss, optional
        As in `Network.compile`; None is the crossentropy.
    optimizer : str or Optimizer
        As in `Network.compile`, such as ``optimizers.Adam(1e-2)``.
    random_state : int, RandomState or None
        A whole number is the seed of the network.
    callbacks : list of Callback, optional
        See `fastmlp.callbacks`. Every worker has copies of them; one alone writes files, on its own disk.
    threads : int, optional
        At most this many threads in each worker; None is as many as Dask has given it.  When X is predicted
        a partition takes one, or so many.
    matmul_precision : {"highest", "high", "medium"}, optional
        As in `Network`; other than "highest" for X of float32.
    shards : int
        Parts of the rows, 1 or more and at most the number of rows, whose gradients are added in their order:
        the most workers that train together, and beside the seed what the bits follow from.

    Attributes
    ----------
    client_ : dask.distributed.Client
    network_ : Network
    history_ : dict of list
        "loss", "accuracy" and, with `eval_set`, "val_loss" and "val_accuracy", of each epoch.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    feature_names_in_ : ndarray of object
        Where X was a data frame.

    Examples
    --------
    >>> import dask.array as da
    >>> from dask.distributed import Client
    >>> from fastmlp.dask import DaskMLPClassifier
    >>> client = Client(processes=False, dashboard_address=":0")
    >>> X = da.random.default_rng(0).normal(size=(1000, 4), chunks=(300, 4))
    >>> y = da.where(X[:, 0] > 0, "up", "down")
    >>> model = DaskMLPClassifier(client, (16,), max_iter=30, batch_size=50, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> model.to_local().predict([[1.0, 0.0, 0.0, 0.0]])
    array(['up'], dtype='<U4')
    >>> client.close()
    """

    _local = MLPClassifier
    _has_classes = True

    def __init__(
        self,
        client: Any = None,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        dropout: float | Sequence[float] = 0.0,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "adam",
        batch_size: int | None = 4096,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        threads: int | None = None,
        matmul_precision: str | None = None,
        shards: int = 8,
    ) -> None:
        self.client = client
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.threads = threads
        self.matmul_precision = matmul_precision
        self.shards = shards

    def _output(self, y: Blocks) -> tuple[str, int]:
        if y.shape not in ((), (1,)):
            raise ValueError(f"y has rows of shape {y.shape}, expected one class in each")
        assert y.labels is not None
        count = len(y.labels)
        if count < 2:
            raise ValueError(f"y has the class {y.labels[0].item()!r} alone, expected two or more")
        return ("logistic", 1) if count == 2 else ("softmax", count)

    def predict(self, X: Any) -> Any:  # noqa: D102
        return self._predicted(X, "predict_classes")

    predict.__doc__ = _Estimator.predict.__doc__

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, in the order of `classes_`, of every row.

        Parameters
        ----------
        X : dask.array.Array of shape (rows, columns) or dask.dataframe.DataFrame

        Returns
        -------
        dask.array.Array of shape (rows, n_classes) or dask.dataframe.DataFrame
            With the partitions of X; see `fastmlp.dask.predict`.
        """
        return self._predicted(X, "predict_proba")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy; the client gathers y and the predictions.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        return self._scored(_metrics.accuracy_score, X, y, sample_weight)


class DaskMLPRegressor(_RegressorMixin, _Estimator):  # type: ignore[misc]
    """A network for numbers that the workers of a Dask cluster train together.

    Parameters
    ----------
    client, hidden_layer_sizes, activation, dropout, optimizer, batch_size, max_iter, shuffle, ...
        As in `DaskMLPClassifier`, also what it says about workers and bits; the outputs have no activation.
    loss : str or Loss, optional
        As in `Network.compile`; None is the mean squared error.

    Attributes
    ----------
    client_, network_, history_, n_features_in_, n_iter_, feature_names_in_
        As in `DaskMLPClassifier`.

    Examples
    --------
    >>> import dask.array as da
    >>> from dask.distributed import Client
    >>> from fastmlp.dask import DaskMLPRegressor
    >>> client = Client(processes=False, dashboard_address=":0")
    >>> X = da.random.default_rng(0).normal(size=(1000, 4), chunks=(300, 4))
    >>> y = X[:, 0] * 2
    >>> model = DaskMLPRegressor(client, (16,), max_iter=30, batch_size=50, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> client.close()
    """

    _local = MLPRegressor
    _has_classes = False

    def __init__(
        self,
        client: Any = None,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        dropout: float | Sequence[float] = 0.0,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "adam",
        batch_size: int | None = 4096,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        threads: int | None = None,
        matmul_precision: str | None = None,
        shards: int = 8,
    ) -> None:
        self.client = client
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.callbacks = callbacks
        self.threads = threads
        self.matmul_precision = matmul_precision
        self.shards = shards

    def _output(self, y: Blocks) -> tuple[str, int]:
        if len(y.shape) > 1:
            raise ValueError(f"y has rows of shape {y.shape}, expected one or more numbers in each")
        return "identity", int(y.shape[0]) if y.shape else 1

    def predict(self, X: Any) -> Any:  # noqa: D102
        found = self._predicted(X, "predict")
        if not self._one_target:
            return found
        return found[0] if hasattr(found, "columns") else found[:, 0]

    predict.__doc__ = _Estimator.predict.__doc__

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2; the client gathers y and the predictions.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        return self._scored(_metrics.r2_score, X, y, sample_weight)
