"""Arguments of `Network.fit` and `evaluate` as rows that are ready for the plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import validation
from ..errors import listed, shown
from ..labels import Classes, class_count
from ..layers.lowering import input_vectors
from ..model import Array, Model, Objective
from ..validation import is_sparse
from .sparse import as_csr

FAR = 1 << 20  # bytes of an X that the first epoch itself looks through: memory is slow


@dataclass  # not frozen: every call makes one, and that would cost it a microsecond more
class Rows:
    """Rows ready for the plan: X (rows, n_in), an array or CSR, y as the loss takes it, weights or None.

    Where the network standardizes targets, `exact` is y in float64, (rows, targets), as float32 may not hold
    their spread, and `standardized` what training compares outputs with; metrics take y.
    """

    X: Any
    y: Array
    weights: Array | None
    exact: Array | None = None
    standardized: Array | None = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def dense(self) -> Rows:
        """The rows with X as an array."""
        return dataclasses.replace(self, X=self.X.toarray()) if is_sparse(self.X) else self

    @property
    def total_weight(self) -> float:
        """Of all rows; a row without a weight has 1."""
        return float(len(self)) if self.weights is None else float(np.sum(self.weights, dtype=np.float64))

    @property
    def of_loss(self) -> dict[str, Any]:
        """What a plan is told of the targets in training."""
        if self.standardized is None:
            return {"y": self.y}
        return {"y": self.standardized, "standardized": True}

    def part(self, rows: slice | Array) -> Rows:
        parts = (None if a is None else a[rows] for a in (self.weights, self.exact, self.standardized))
        return Rows(self.X[rows], self.y[rows], *parts)

    def owned(self, came: Iterable[Any]) -> Rows:
        """The rows in memory of their own: copies of what may be memory of the objects that came."""
        callers = {id(item) for item in came}

        def is_own(array: Array) -> bool:
            return bool(array.flags.owndata) and id(array) not in callers

        arrays: dict[str, Any] = vars(self)
        copies: dict[str, Any] = {k: a if a is None or is_own(a) else a.copy() for k, a in arrays.items()}
        return Rows(**copies)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after another; a part without weights among others has 1."""
    weighted = any(part.weights is not None for part in parts)
    arrays: dict[str, Any] = {}
    for name in vars(parts[0]):
        columns = [getattr(part, name) for part in parts]
        if name == "weights" and weighted:
            columns = [np.ones(len(p), np.float32) if p.weights is None else p.weights for p in parts]
        arrays[name] = None if columns[0] is None else np.concatenate(columns)
    return Rows(**arrays)


def prepare(
    net: Model,
    objective: Objective,
    X: Any,
    y: Any,
    sample_weight: Any,
    prefix: str = "",
    look_later: bool = False,
) -> Rows:
    """Arguments as arrays for the plan; errors name them with the prefix; `look_later` as in as_inputs."""
    inputs = as_rows(X, net, prefix + "X", look_later=look_later)
    rows = inputs.shape[0]
    n_out, dtype = net.plan.n_out, net.plan.dtype
    targets = objective.loss.as_targets(y, n_out, dtype, rows, argument=prefix + "y")
    weights = validation.as_sample_weight(
        sample_weight, rows, net.plan.dtype, argument=prefix + "sample_weight"
    )
    if objective.in_python:
        refuse_weights(weights)
    exact = None
    if net.standardize_targets:
        exact = np.asarray(validation.numeric(y, prefix + "y"), np.float64).reshape(targets.shape)
    return Rows(inputs, targets, weights, exact)


def as_rows(X: Any, net: Model, argument: str = "X", *, look_later: bool = False) -> Any:
    """X as `validation.as_inputs` gives it, a sparse matrix as CSR."""
    if is_sparse(X):
        return as_csr(X, net.plan.n_in, net.plan.dtype, argument)
    return validation.as_inputs(X, net.plan.n_in, net.plan.dtype, argument=argument, look_later=look_later)


def can_look_later(net: Model, objective: Objective, X: Any) -> bool:
    """Whether the first epoch may look through X: ready, and more to read than there is to undo."""
    if objective.in_python or not isinstance(X, np.ndarray) or X.nbytes < FAR:
        return False
    state = 3 * net.plan.num_parameters * net.plan.dtype.itemsize  # and the optimizer's, at most
    ready = X.dtype == net.plan.dtype and X.flags.c_contiguous and X.flags.aligned
    return bool(ready and X.nbytes >= 4 * state)


def refuse_weights(weights: object) -> None:
    """A loss in Python gives one number for all rows, which no weights can be brought into afterwards."""
    if weights is not None:
        raise ValueError(
            "sample_weight or class_weight came with a loss in Python, expected none: "
            "the function may weigh rows itself"
        )


def with_class_weight(
    net: Model,
    objective: Objective,
    rows: Rows,
    class_weight: Mapping[Any, float] | str | None,
    classes: Classes | None,
    among: Callable[[Array], Array] = lambda own: own,
) -> Rows:
    """Class weights, by the labels of `classes` if there are any, multiplied into the rows' own.

    `among` makes of the classes of these rows those of all, where others are elsewhere.
    """
    if class_weight is None:
        return rows
    if not isinstance(class_weight, Mapping) and not (
        isinstance(class_weight, str) and class_weight == "balanced"  # arrays compare element by element
    ):
        came = shown(class_weight) if isinstance(class_weight, str) else f"a {type(class_weight).__name__}"
        expected = "'balanced' or a mapping of classes to numbers, such as dict(zip(classes, weights))"
        raise TypeError(f"class_weight is {came}, expected {expected}")
    if objective.in_python:
        refuse_weights(class_weight)
    own = objective.loss.classes_of(rows.y)
    count = class_count(net.plan.n_out)
    assert not isinstance(classes, dict)  # rows of heads have no one class
    if isinstance(class_weight, Mapping):
        factors = _factors(class_weight, count, classes)
    else:
        factors = _balanced(among(own), count)
    weights = factors[own]
    if rows.weights is not None:
        weights *= rows.weights
    argument = "sample_weight times class_weight"
    checked = validation.as_sample_weight(weights, len(rows), net.plan.dtype, argument=argument)
    return dataclasses.replace(rows, weights=checked)


def _factors(class_weight: Mapping[Any, float], count: int, classes: Array | None) -> Array:
    """Of every class (count,), 1 for one without any."""
    factors = np.ones(count)
    known = None if classes is None else {label: i for i, label in enumerate(classes.tolist())}
    for label, factor in class_weight.items():
        if known is not None:
            if label not in known:
                expected = listed(map(repr, known))
                raise ValueError(f"class_weight has the class {label!r}, expected one of {expected}")
            index = known[label]
        else:
            whole = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
            if not whole or not 0 <= label < count:
                raise ValueError(f"class_weight has the class {label!r}, expected 0 to {count - 1}")
            index = int(label)
        factors[index] = validation.real(factor, f"class_weight of class {label}", minimum=0.0)
    return factors


def _balanced(own: Array, count: int) -> Array:
    """Factors (count,) by which every class that the rows have weighs the same; their mean over rows is 1."""
    rows = np.bincount(own, minlength=count)
    return np.asarray(len(own) / (np.count_nonzero(rows) * np.maximum(rows, 1)))


def split(rows: Rows, share: float) -> tuple[Rows, Rows | None]:
    """The rows, and the last part of them that is held out."""
    if share == 0:
        return rows, None
    kept = int(len(rows) * (1 - share) + 1e-9)  # 10 * (1 - 0.9) is a little less than 1
    if not 0 < kept < len(rows):
        raise ValueError(
            f"validation_split is {share} of {len(rows)} rows, expected rows on both sides of the split"
        )
    return rows.part(slice(None, kept)), rows.part(slice(kept, None))


def validation_rows(net: Model, objective: Objective, data: tuple[Any, ...], classes: Classes | None) -> Rows:
    """`validation_data`, checked."""
    expected = "expected (X, y) or (X, y, sample_weight)"
    if not isinstance(data, (tuple, list)):
        raise TypeError(f"validation_data is a {type(data).__name__}, {expected}")
    if len(data) not in (2, 3):
        raise ValueError(f"validation_data has {len(data)} elements, {expected}")
    y, _ = net.as_indices(data[1], "validation_data y", classes=classes)
    return prepare(net, objective, data[0], y, data[2] if len(data) == 3 else None, "validation_data ")


def check_rescaled(net: Model, X: Any) -> None:
    """ValueError where it is the rescaling of the input, and not the steps, that left the finite numbers."""
    shift, divisor = input_vectors(net.plan.n_in, net.layers, net.dtype)
    if shift is None and divisor is None:
        return
    with np.errstate(over="ignore"):
        lows, highs = (np.asarray(f(X, axis=0), net.dtype) for f in (np.min, np.max))
        rescaled = [
            (ends - (0 if shift is None else shift.astype(net.dtype)))
            / (1 if divisor is None else divisor.astype(net.dtype))
            for ends in (lows, highs)
        ]
    wrong = np.flatnonzero(~np.isfinite(rescaled).all(axis=0))
    if len(wrong):
        column = int(wrong[0])
        raise ValueError(
            f"X has numbers in column {column} that Rescaling or Standardize takes beyond {net.dtype}"
        )
