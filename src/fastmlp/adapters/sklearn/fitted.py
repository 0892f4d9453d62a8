"""What an estimator has after a fit: a Network, lists of its weights for others, the short way to predict."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...network import Network
from ...optional import require
from .describe import Shape, engine_activation, per_layer
from .turns import TakesTurns, busy

Array = np.ndarray[Any, Any]
Arrays = list[Array]

GROUP = "sklearn"
checks = require("sklearn.utils.validation", GROUP)


def _references(objects: Sequence[object]) -> int:
    """The most references that one of the objects has, those of this function and of `objects` among them."""
    return max(sys.getrefcount(item) for item in objects)


_ALONE = _references([[]])  # differs between versions of Python


def _held_here_alone(objects: Sequence[object]) -> bool:
    return _references(objects) <= _ALONE


def _equal(some: Arrays, others: Arrays) -> bool:
    return len(some) == len(others) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(some, others, strict=True)
    )


class Fitted(TakesTurns):
    """The weights of an estimator, and its predictions.

    The weights live in a Network, `_net`; `coefs_` and `intercepts_` are lists of copies that are made when
    somebody asks for them.  Arrays that were handed out may be written to, as those of scikit-learn; so from
    then on and as long as anybody holds them, predictions begin with a comparison, `_current`.
    """

    _net: Network | None = None
    _shape: Shape | None = None
    _lists: list[Any] | None = None  # [coefs_, intercepts_] as handed out
    _fast: tuple[Any, ...] | None = None  # the way past all checks: see `_adopt`

    # ---- parameters ----

    @property
    def coefs_(self) -> Arrays:
        """Weights (n_in, n_out) of each layer."""
        return self._handed_out("coefs_", 0)

    @coefs_.setter
    def coefs_(self, value: Arrays) -> None:
        self._replace(0, value)

    @property
    def intercepts_(self) -> Arrays:
        """Biases (n_out,) of each layer."""
        return self._handed_out("intercepts_", 1)

    @intercepts_.setter
    def intercepts_(self, value: Arrays) -> None:
        self._replace(1, value)

    def _handed_out(self, name: str, which: int) -> Any:
        fitted = self._is_being_fitted()  # then what is handed out is a copy and no more
        model = self._whole() if fitted else self
        lists = None if fitted and model is self else model._lists
        if lists is None and model._net is not None:
            weights = model._net.get_weights()
            lists = [weights[::2], weights[1::2]]
            if not fitted:
                self._lists = lists
        if lists is None or lists[which] is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return lists[which]

    def _replace(self, which: int, value: Any) -> None:
        if self._is_being_fitted() and self._whole() is not self:
            raise busy(self)
        if self._lists is None:
            self._lists = [None, None] if self._net is None else [self.coefs_, self.intercepts_]
        self._lists[which] = value

    def _is_begun(self) -> bool:
        """Whether there are weights to go on from."""
        return self._net is not None or (self._lists is not None and self._lists[0] is not None)

    def _current(self) -> Network:
        """The network, after what was written into the lists that were handed out."""
        if self._lists is not None:
            self._take_over(self._lists)
            if _held_here_alone(self._lists) and all(map(_held_here_alone, self._lists)):
                self._lists = None
        assert self._net is not None
        return self._net

    def _take_over(self, lists: list[Any]) -> None:
        """Bring what stands in lists to the network, which is made anew where it does not fit them."""
        weights = [np.asarray(array) for pair in zip(*lists, strict=True) for array in pair]
        if self._net is not None and _equal(weights, self._net.get_weights()):
            return
        units = [*(W.shape[0] for W in weights[::2]), weights[-1].shape[0]]
        shape = self._described(units, weights[0].dtype)
        if self._net is None or shape != self._shape:
            self._adopt(shape.network(0 if self._net is None else self._net.seed), shape)
        assert self._net is not None
        self._net.set_weights(weights)

    def _described(self, units: Sequence[int], dtype: Any) -> Shape:
        model: Any = self
        hidden = len(units) - 2
        words = per_layer(model.activation, hidden, "activation", (str, tuple))
        rates = per_layer(model.dropout, hidden, "dropout", (int, float, np.number))
        kept = np.dtype(dtype) if np.dtype(dtype) in (np.float32, np.float64) else np.dtype(np.float64)
        return Shape(
            tuple(int(n) for n in units), tuple(engine_activation(word) for word in words),
            str(engine_activation(model.out_activation_)), tuple(float(rate) for rate in rates), kept.name,
            getattr(model, "matmul_precision", None),  # which older pickles lack
        )  # fmt: skip

    def _adopt(self, net: Network, shape: Shape) -> None:
        """Predict with a network from now on."""
        self._net, self._shape = net, shape
        plain = "feature_names_in_" not in vars(self)  # names have to be compared
        # All that a prediction takes in one place: a fit changes attributes one by one.
        all_of_it = (net.predict, shape.units[0], net.dtype, getattr(self, "classes_", None), shape.output)
        self._fast = all_of_it if plain else None

    # ---- prediction ----

    def _ready_outputs(self, X: Any) -> tuple[Array, Array, str] | None:
        """Outputs (rows, n_out), the classes and the output's activation.

        None if X needs another check than the engine's own, which is for NaN, or a fit is going on.
        """
        if self._lists is not None and not self._is_being_fitted():
            self._current()
        fast, turn = self._fast, self._turn  # in this order: a turn begins before it changes anything
        if fast is None or (turn is not None and turn.before is not None):
            return None
        if type(X) is not np.ndarray or X.ndim != 2 or not len(X):
            return None
        predict, n_features, dtype, classes, output = fast
        if X.shape[1] != n_features or X.dtype != dtype:
            return None
        try:
            return predict(X, None, self.threads), classes, output  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            return None  # scikit-learn says what is wrong

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Array:
        """The outputs (rows, n_out) of whatever scikit-learn takes as X."""
        if check_input:
            X = checks.validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if hasattr(X, "tocsr"):
            X = X.tocsr()
        net = self._current()
        found = net.predict(X, None, self.threads)  # type: ignore[attr-defined]
        return found.astype(np.result_type(X.dtype, net.dtype), copy=False)

    # ---- pickles ----

    def __getstate__(self) -> dict[str, Any]:
        whole = self._whole()
        if whole is not self:
            return dict(whole.__getstate__())
        if self._net is not None:
            self._current()
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[misc]
        state.pop("_fast", None)
        state.pop("_turn", None)
        if self._net is not None:
            state.pop("_lists", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        if self._net is not None and self._shape is not None:
            self._adopt(self._net, self._shape)
