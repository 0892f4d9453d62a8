"""What both estimators are: scikit-learn's, with the work done by a Network.

They derive from scikit-learn's own classes and replace how those fit and predict.  So `isinstance` holds,
tags, `partial_fit`'s bookkeeping of classes and the messages of a wrong input are scikit-learn's at whatever
version is installed, and a parameter keeps its check; what is replaced are `_fit` and `_forward_pass_fast`,
through which all of its public methods go.
"""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np

from ...network import Network
from ...optional import require
from .class_weight import factors_of_rows
from .describe import Goal, goal, initial_weights, output_activation, per_layer
from .fitted import GROUP, Fitted, checks
from .fitting import NOT_FINITE, Descending, HeldOut
from .lbfgs import Objective, minimize, unpacked
from .rows import Rows
from .solvers import solver_of
from .stochastic import Trainer

Array = np.ndarray[Any, Any]


class Engine(Fitted):
    """The work of an estimator."""

    # ---- fit ----

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        incremental: bool = False,
        validation_data: Any = None,
    ) -> Any:
        model: Any = self
        hidden = self._hidden_sizes()
        self._check_options(incremental)
        first = not self._is_begun() or not (model.warm_start or incremental)
        X, targets = model._validate_input(X, y, incremental, reset=first)
        X = X.tocsr() if hasattr(X, "tocsr") else X
        weights = self._row_weights(X, y, sample_weight, incremental)
        targets = targets.reshape(len(targets), -1)
        model.n_outputs_ = targets.shape[1]
        model._random_state = draws = require("sklearn.utils", GROUP).check_random_state(model.random_state)
        if first:
            self._reset(hidden)
        units = [X.shape[1], *hidden, model.n_outputs_]
        net = self._begun(units, X.dtype, draws, first)
        rows = Rows(X, targets, weights)
        if model.solver == "lbfgs":
            self._fit_all_rows(net, self._prepared(rows))
        else:
            self._fit_batches(net, rows, draws, incremental, validation_data)
        self._lists = None
        return self

    def _hidden_sizes(self) -> list[int]:
        given = self.hidden_layer_sizes  # type: ignore[attr-defined]
        sizes = list(given) if hasattr(given, "__iter__") else [given]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _check_options(self, incremental: bool) -> None:
        """What goes together."""
        model: Any = self
        if incremental and model.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if model.solver == "lbfgs":
            for name in ("optimizer", "callbacks"):
                if getattr(model, name) is not None:
                    raise ValueError(f"{name} came with solver='lbfgs', expected 'sgd' or 'adam'")
            if np.any(np.asarray(model.dropout) > 0):
                raise ValueError(f"dropout is {model.dropout} with solver='lbfgs', expected 'sgd' or 'adam'")

    @staticmethod
    def _checked_weights(sample_weight: Any, X: Any) -> Array:
        weights = np.asarray(checks._check_sample_weight(sample_weight, X), np.float64)
        if not weights.any():
            raise ValueError("sample_weight is zero in all rows, expected a weight above 0")
        return weights

    def _row_weights(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Array | None:
        """Sample weights, multiplied by the classes'."""
        if sample_weight is not None:
            sample_weight = self._checked_weights(sample_weight, X)
        class_weight = getattr(self, "class_weight", None)
        if class_weight is None:
            return sample_weight
        if incremental and class_weight == "balanced":
            raise ValueError("class_weight is 'balanced' in partial_fit, expected a dict")
        labels = np.asarray(y)
        labels = labels.ravel() if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if class_weight == "balanced":
            compute = require("sklearn.utils.class_weight", GROUP).compute_sample_weight
            factors = compute(class_weight, labels)
        elif labels.ndim == 2:
            raise ValueError("class_weight is a dict with several labels a row, expected 'balanced' or None")
        else:
            known = incremental or (self._is_begun() and bool(self.warm_start))  # type: ignore[attr-defined]
            factors = factors_of_rows(class_weight, labels, self.classes_, all_known=known)  # type: ignore[attr-defined]
        weights = np.asarray(factors if sample_weight is None else factors * sample_weight, np.float64)
        if not (incremental or weights.any()):
            raise ValueError("class_weight times sample_weight is 0 in every row, expected one above 0")
        return weights

    def _reset(self, hidden: list[int]) -> None:
        """The attributes of a fit that begins anew."""
        model: Any = self
        model.n_iter_ = model.t_ = 0
        model.n_layers_ = len(hidden) + 2
        model.out_activation_ = output_activation(model.loss, self._default_output())
        if model.solver != "lbfgs":
            model.loss_curve_, model._no_improvement_count = [], 0
            self._forget_progress()

    def _forget_progress(self) -> None:
        model: Any = self
        model._best_weights = None
        model.best_loss_ = None if model.early_stopping else np.inf
        model.validation_scores_ = [] if model.early_stopping else None
        model.best_validation_score_ = -np.inf if model.early_stopping else None

    def _default_output(self) -> str:
        """scikit-learn's word for the output activation that the task has."""
        raise NotImplementedError

    def _begun(self, units: list[int], dtype: Any, draws: Any, first: bool) -> Network:
        """The network to train: new, or the one there is."""
        if first:
            shape = self._described(units, dtype)
            words = per_layer(self.activation, len(units) - 2, "activation", (str, tuple))  # type: ignore[attr-defined]
            words = [*words, words[-1] if words else self.activation]  # type: ignore[attr-defined]
            weights = initial_weights(units, words, draws, shape.dtype)
            net = shape.network(int(draws.randint(2**31 - 1)) if any(shape.rates) else 0)
        else:
            net = self._current()  # stays as it is, for those who predict meanwhile
            shape = self._described(units, net.dtype)
            weights, seed = net.get_weights(), net.seed
            if [array.shape for array in weights] != shape.parameter_shapes:
                came, wanted = ("-".join(map(str, sizes)) for sizes in (net.layer_sizes, units))
                raise ValueError(f"the fitted network is {came}, expected {wanted} to go on from")
            net = shape.network(seed)
        net.set_weights(weights)
        self._adopt(net, shape)
        return net

    def _goal(self) -> Goal:
        model: Any = self
        return goal(model.loss, model.out_activation_, model.n_outputs_)

    def _prepared(self, rows: Rows) -> Rows:
        """Rows as the engine takes them, batch after batch: X in C order, targets of its type."""
        assert self._net is not None
        if not hasattr(rows.X, "toarray"):
            rows = Rows(np.ascontiguousarray(rows.X), rows.y, rows.weights)
        loss = self._goal().loss
        y = rows.y.argmax(axis=1) if loss.labels else rows.y
        y = loss.as_targets(y, self._net.plan.n_out, self._net.dtype, len(y))
        return Rows(rows.X, y, rows.weights)

    def _fit_all_rows(self, net: Network, rows: Rows) -> None:
        model: Any = self

        def heard(iteration: int, loss: float) -> None:
            if model.verbose:
                print(f"Iteration {iteration}, loss = {loss:.8f}")

        before = net.get_weights()
        objective = Objective(net, self._goal(), rows, model.alpha)
        model.loss_, model.n_iter_ = minimize(
            objective, tol=model.tol, max_iter=model.max_iter, max_fun=model.max_fun, heard=heard
        )
        if not all(np.isfinite(array).all() for array in net.get_weights()):
            net.set_weights(before)
            raise ValueError(NOT_FINITE)

    def _fit_batches(
        self, net: Network, rows: Rows, draws: Any, incremental: bool, validation_data: Any
    ) -> None:
        model: Any = self
        held_out = None
        if validation_data is not None:
            held_out = self._own_held_out(validation_data)
        elif model.early_stopping:
            rows, held_out = self._split(rows, draws)
        rows = self._prepared(rows)
        self._expect_scores(held_out, net)
        if not incremental or not hasattr(self, "_optimizer"):
            model._optimizer = solver_of(model)
        trainer = Trainer(
            net,
            self._goal(),
            model._optimizer,
            alpha=float(model.alpha),
            batch_size=self._batch_size(len(rows)),
            threads=model.threads,
            shuffles=draws if model.shuffle else None,
            shared=not isinstance(model.random_state, Integral),
        )
        Descending(model, trainer, rows, held_out, incremental=incremental).run()

    def _expect_scores(self, held_out: HeldOut | None, net: Network) -> None:
        """Attributes of held-out rows, also where an earlier fit had none and this one goes on from it."""
        model: Any = self
        if not hasattr(self, "loss_curve_"):
            model.loss_curve_, model._no_improvement_count = [], 0
        if not hasattr(self, "best_loss_") or (not model.early_stopping and model.best_loss_ is None):
            self._forget_progress()
        if held_out is not None and getattr(self, "validation_scores_", None) is None:
            model.validation_scores_, model.best_validation_score_ = [], -np.inf
        if model.early_stopping and getattr(self, "_best_weights", None) is None:
            model._best_weights = net.get_weights()

    def _batch_size(self, count: int) -> int:
        size = self.batch_size  # type: ignore[attr-defined]
        if size == "auto":
            return min(200, count)
        if size > count:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=2,
            )
        return min(int(size), count)

    # ---- held-out rows ----

    def _kind(self) -> str:
        """What `HeldOut` scores."""
        raise NotImplementedError

    def _split(self, rows: Rows, draws: Any) -> tuple[Rows, HeldOut]:
        """Training and held-out rows as scikit-learn draws them."""
        model: Any = self
        split = require("sklearn.model_selection", GROUP).train_test_split
        arrays = [rows.X, rows.y] if rows.weights is None else [rows.X, rows.y, rows.weights]
        stratify = rows.y if self._kind() == "classes" and model.n_outputs_ == 1 else None
        parts = split(*arrays, random_state=draws, test_size=model.validation_fraction, stratify=stratify)
        train, held = Rows(*parts[::2]), Rows(*parts[1::2])
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        if held.weighted() < 2 or train.weighted() == 0:
            train, held = self._split_weighted(rows, len(held), draws)
        return train, HeldOut(self._prepared(held), self._kind())

    @staticmethod
    def _split_weighted(rows: Rows, count: int, draws: Any) -> tuple[Rows, Rows]:
        """Held-out rows drawn among those with a weight, where too few to score or train on would have one.

        Bagging, say, gives weight 0 to the rows that it leaves out.
        """
        assert rows.weights is not None
        weighted = np.flatnonzero(rows.weights)
        count = min(count, len(weighted) - 1)
        if count < 2:
            raise ValueError(
                f"sample_weight is above 0 in {len(weighted)} rows, expected at least 3 with early_stopping: "
                "two to score and one to train on"
            )
        held = np.isin(np.arange(len(rows)), draws.permutation(weighted)[:count])
        return rows.part(np.flatnonzero(~held)), rows.part(np.flatnonzero(held))

    def _own_held_out(self, data: Any) -> HeldOut:
        """Held-out rows from `validation_data`."""
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError("validation_data is not (X, y) or (X, y, sample_weight), expected one of them")
        assert self._net is not None
        X = checks.validate_data(
            self, data[0], accept_sparse=["csr", "csc"], reset=False, dtype=self._net.dtype
        )
        X = X.tocsr() if hasattr(X, "tocsr") else X
        y = self._held_out_targets(data[1])
        y = y.reshape(len(y), -1)
        if y.shape != (X.shape[0], self._net.plan.n_out):
            came, wanted = y.shape, (X.shape[0], self._net.plan.n_out)
            raise ValueError(f"validation_data has targets of shape {came}, expected {wanted}")
        weights = None if len(data) == 2 else self._checked_weights(data[2], X)
        rows = self._prepared(Rows(X, y, weights))
        least = 2 if self._kind() == "numbers" else 1
        if rows.weighted() < least:
            what = "rows" if weights is None else "rows with a weight"
            raise ValueError(
                f"validation_data has {rows.weighted()} {what}, expected at least {least} to score"
            )
        weighted = rows.y if weights is None else rows.y[weights != 0]
        if self._kind() == "numbers" and (weighted == weighted[0]).all():
            warnings.warn(
                f"The {len(weighted)} targets of validation_data are all equal: R^2 is 0 whatever is "
                "predicted, unless they are met exactly.",
                stacklevel=2,
            )
        return HeldOut(rows, self._kind())

    def _held_out_targets(self, y: Any) -> Array:
        """Targets in the form that `_validate_input` gives."""
        raise NotImplementedError

    # ---- what scikit-learn's users reach for ----

    def _loss_grad_lbfgs(
        self, packed_coef_inter: Array, X: Any, y: Any, sample_weight: Any = None, *unused: Any
    ) -> tuple[float, Array]:
        """Loss and packed gradient of packed parameters; y has a row of numbers for each of X."""
        model: Any = self
        net = self._current()
        rows = self._prepared(Rows(X, np.asarray(y).reshape(len(y), -1), sample_weight))
        value, gradient = Objective(net, self._goal(), rows, model.alpha)(packed_coef_inter)
        self._lists = None
        return value, gradient

    def _unpack(self, packed_parameters: Array) -> None:
        """Take over parameters from scikit-learn's vector."""
        net = self._current()
        net.set_weights(unpacked(packed_parameters, [array.shape for array in net.get_weights()]))
        self._lists = None
