"""Copies of networks whose weights are stored in few bits, and what that changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .. import validation
from ..descriptions import description
from ..errors import NotCompiledError
from ..labels import PROBABILITIES, strongest
from ..layers import Dense, Layer, QuantizedDense
from ..layers.quantized_dense import checked_storage
from ..model import NOT_COMPILED, Array, Model, restored

M = TypeVar("M", bound=Model)


@description
class QuantizationReport:
    """What storing weights in few bits has changed, on the rows that `Network.quantized` was given.

    Attributes
    ----------
    rows : int
    size : float
        The largest output of the network before, without its sign.
    largest, mean : float
        The largest and the mean change of an output, without their signs.
    same_class : float or None
        The share of rows that `predict_classes` gives the same class; None where outputs are no
        probabilities.
    before, after : dict
        The loss and the metrics of both networks; empty where no y was given.
    """

    rows: int
    size: float
    largest: float
    mean: float
    same_class: float | None
    before: dict[str, float]
    after: dict[str, float]

    def __str__(self) -> str:
        words = [
            f"on {self.rows} rows, where outputs have a size of up to {self.size:.3g}, they change by at "
            f"most {self.largest:.3g} and by {self.mean:.3g} on average"
        ]
        if self.same_class is not None:
            words.append(f"{self.same_class:.2%} of the rows keep their class")
        words += [f"{name} {value:.4g} becomes {self.after[name]:.4g}" for name, value in self.before.items()]
        return "; ".join(words)


def quantized(net: M, storage: str, X: Any = None, y: Any = None) -> M:
    """See `Network.quantized`."""
    storage = checked_storage(storage)
    if net.dtype != np.float32:
        raise ValueError(
            f"dtype is {net.dtype}, expected a network of float32 to store its weights in {storage}"
        )
    if net.predicts_alone:
        raise ValueError(f"{net!r} has its weights in few bits already, expected a network with Dense layers")
    if not any(type(layer) in _STORED for layer in net.layers):
        raise ValueError(f"{net!r} has no Dense layer, expected one whose weights become {storage}")
    if y is not None and X is None:
        raise ValueError("y came without X, expected both or none of them")
    if y is not None and net.optimizer is None:
        raise NotCompiledError(NOT_COMPILED)
    inputs = None if X is None else validation.as_inputs(X, net.plan.n_in, net.dtype)
    with net.changing():
        layers = tuple(_stored(layer, storage) for layer in net.layers)
        parts = (net.plan.n_in, layers, net.dtype.name, net.seed, net._isa, "highest")
        copy: M = restored(type(net), parts, net.get_weights())
        copy._compiled, copy._classes = net._compiled, net._classes
    if inputs is not None:
        copy.report = report_of(net, copy, inputs, y)
    return copy


def _dense(layer: Dense, storage: str) -> Layer:
    return QuantizedDense(layer.units, layer.activation, storage=storage, use_bias=layer.use_bias)


# Of each class that can be stored in few bits its form that is; all others stay.
_STORED: dict[type[Layer], Callable[[Any, str], Layer]] = {Dense: _dense}


def _stored(layer: Layer, storage: str) -> Layer:
    make = _STORED.get(type(layer))
    return layer if make is None else make(layer, storage)


def report_of(before: Model, after: Model, X: Array, y: Any) -> QuantizationReport:
    """What has changed on rows that fit the network."""
    exact, found = (net.predict(X).astype(np.float64) for net in (before, after))
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.abs(found - exact)
    same_class = None
    if before.plan.layers[-1]["activation"] in PROBABILITIES:
        same_class = float((strongest(exact, None, None) == strongest(found, None, None)).mean())
    metrics: list[dict[str, float]] = [{}, {}]
    if y is not None:
        metrics = [net.evaluate(X, y) for net in (before, after)]  # type: ignore[attr-defined]
    return QuantizationReport(
        rows=len(X),
        size=float(np.abs(exact).max()),
        largest=float(change.max()),
        mean=float(change.mean()),
        same_class=same_class,
        before=metrics[0],
        after=metrics[1],
    )
