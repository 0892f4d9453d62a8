"""Arguments of the tabular estimators, checked, with scikit-learn's words where it has some."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from .. import validation
from ..optional import require
from . import frames, words
from .frames import Frame

Array = np.ndarray[Any, Any]

_utils = require("sklearn.utils", "tabular")

_NO_TARGET = "{} is None, expected {}: fit requires y to be passed, but the target y is None"


def as_frame(X: Any, argument: str = "X") -> Frame:
    """A table; ValueError and TypeError in scikit-learn's words for what is none."""
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 1 and not getattr(getattr(X, "dtype", None), "names", None):
        raise ValueError(
            f"{argument} has shape {shape}, expected (rows, columns). Reshape your data: one row is X[None]"
        )
    if isinstance(shape, tuple) and len(shape) == 2 and shape[1] == 0:
        raise ValueError(f"{argument} has 0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ValueError(f"Complex data not supported: {argument} is {X.dtype}, expected a table")
    frame = frames.read(X, argument)
    if not len(frame):
        raise ValueError(f"{argument} has 0 sample(s), expected one or more rows")
    return frame


def check_rows(frame: Frame) -> None:
    """ValueError where there are too few rows to learn from."""
    if len(frame) < 2:
        raise ValueError("X has n_samples = 1, expected two or more rows to learn from")


def check_width(frame: Frame, expected: int, name: str) -> None:
    if len(frame.names) != expected:
        raise ValueError(
            f"X has {len(frame.names)} features, but {name} is expecting {expected} features as input."
        )


def as_labels(y: Any, rows: int, argument: str) -> Array:
    """Labels (rows,), every one of them there."""
    if y is None:
        raise ValueError(_NO_TARGET.format(argument, "labels"))
    labels = _utils.column_or_1d(_plain(y), warn=True)
    _check_length(labels, rows, argument)
    _check_gaps([frames.is_gap(label) for label in labels.tolist()], argument)
    if labels.dtype.kind == "f":
        _check_infinite(labels[:, None], argument)
    return labels.astype(str) if _mixed(labels) else labels


def _plain(y: Any) -> Array:
    array = _array(y)
    if array.dtype.kind != "O":
        return array
    found = np.asarray(array.tolist()) if array.ndim == 1 else array
    return found if found.dtype.kind in "biuf" or found.ndim != array.ndim else array


def _array(y: Any) -> Array:
    """Of a list with gaps among words objects, as NumPy makes words of gaps too."""
    array = frames.unmasked(y) if isinstance(y, np.ndarray) else np.asarray(y)
    if array.dtype.kind in "US" and isinstance(y, (list, tuple)) and any(map(frames.is_gap, y)):
        return np.array(y, object)
    return array


def _mixed(labels: Array) -> bool:
    """Objects that are not all words, which cannot be put in order."""
    return labels.dtype.kind == "O" and len({isinstance(label, str) for label in labels}) > 1


def as_numbers(y: Any, rows: int, argument: str) -> tuple[Array, bool]:
    """float64 (rows, targets), and whether y was (rows,)."""
    if y is None:
        raise ValueError(_NO_TARGET.format(argument, "numbers"))
    array = _array(y)
    if array.dtype.kind in "OUS":
        array = _parsed(array, argument)
    elif array.dtype.kind not in "biuf":
        raise ValueError(f"{argument} is an array of {array.dtype}, expected numbers")
    array = array.astype(np.float64)
    single = array.ndim == 1 or array.shape[1:] == (1,)
    if array.ndim == 2 and single:
        array = _utils.column_or_1d(array, warn=True)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"{argument} has shape {array.shape}, expected (rows,) or (rows, targets)")
    _check_length(array, rows, argument)
    array = array.reshape(rows, -1)
    _check_gaps(cast("list[bool]", np.isnan(array).any(axis=1).tolist()), argument)
    _check_infinite(array, argument)
    return array, single


def _parsed(array: Array, argument: str) -> Array:
    """Objects and words as numbers, NaN for gaps."""
    found = np.empty(array.shape)
    for place, value in np.ndenumerate(array):
        value = str(value) if isinstance(value, str) else value
        gap = frames.is_gap(value) or (isinstance(value, str) and words.is_gap(value))
        try:
            found[place] = np.nan if gap else frames.number(value)
        except (TypeError, ValueError):
            raise ValueError(f"{argument} has {value!r} in row {place[0]}, expected a number") from None
    return found


def _check_length(array: Array, rows: int, argument: str) -> None:
    if len(array) != rows:
        raise ValueError(f"{argument} has {len(array)} rows, expected {rows}, one for each row of X")


def _check_gaps(missing: list[bool], argument: str) -> None:
    if any(missing):
        first, count = missing.index(True), sum(missing)
        raise ValueError(
            f"{argument} has no target in {count} row{'s' if count > 1 else ''}, the first is row {first}: "
            "Input y contains NaN, expected a target for each row"
        )


def _check_infinite(array: Array, argument: str) -> None:
    wrong = np.flatnonzero(np.isinf(array).any(axis=1))
    if len(wrong):
        raise ValueError(f"{argument} is inf in row {wrong[0]}, expected finite targets")


def as_weights(sample_weight: Any, rows: int) -> Array | None:
    """float64 (rows,) of 0 or more, some above it; None stays."""
    if sample_weight is None:
        return None
    weights = validation.as_sample_weight(sample_weight, rows, np.dtype(np.float64))
    assert weights is not None
    if not weights.any():
        raise ValueError(f"sample_weight is zero in all {rows} rows, expected a weight above 0")
    return weights


def as_groups(groups: Any, rows: int) -> Array:
    found = np.asarray(groups)
    if found.shape != (rows,):
        raise ValueError(f"groups has shape {found.shape}, expected ({rows},), one for each row of X")
    return found.astype(str) if found.dtype.kind == "O" else found


def as_validation(data: Any) -> tuple[Frame, Any, Array | None]:
    """validation_data as a frame, targets still to be checked, and weights."""
    expected = "expected (X, y) or (X, y, sample_weight)"
    if not isinstance(data, (tuple, list)):
        raise TypeError(f"validation_data is a {type(data).__name__}, {expected}")
    if len(data) not in (2, 3):
        raise ValueError(f"validation_data has {len(data)} elements, {expected}")
    frame = as_frame(data[0], "validation_data X")
    return frame, data[1], as_weights(data[2], len(frame)) if len(data) == 3 else None


def class_numbers(labels: Array, classes: Array) -> Array:
    """The number of each label's class; ValueError for labels that are none of them."""
    known = {label: i for i, label in enumerate(classes.tolist())}
    for row, label in enumerate(labels.tolist()):
        if label not in known:
            raise ValueError(f"validation_data y has {label!r} in row {row}, expected classes of y")
    return np.array([known[label] for label in labels.tolist()], np.int64)
