"""What a network is trained on and predicts: files of several kinds, brought to one form."""

from __future__ import annotations

import argparse
import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ... import datasets
from ...layers import Rescaling, Standardize
from ...optional import install
from ..classes import are_classes
from ..options import TEST_SHARE

Array = np.ndarray[Any, Any]

# scikit-learn's digits have pixels from 0 to this.
DIGITS_MAXIMUM = 16


@dataclass
class Data:
    """Training and test rows.

    Attributes
    ----------
    source : str
        Where they come from, for people.
    X, X_test : ndarray of shape (rows, features)
        As the model will get them later: unscaled.
    y, y_test : ndarray
        Class codes of shape (rows,), or targets of shape (rows, outputs).
    classes : tuple of str or None
        The name of each code; None for a regression.
    scaling : callable
        Makes the network's first layer of training rows, a Rescaling, a Standardize or None.
    """

    source: str
    X: Array
    y: Array
    X_test: Array
    y_test: Array
    classes: tuple[str, ...] | None
    scaling: Callable[[Array], Rescaling | Standardize | None]

    @cached_property
    def first_layer(self) -> Rescaling | Standardize | None:
        """What scales the inputs, by the training rows."""
        return self.scaling(self.X)

    def part(self, train: Array, test: Array) -> Data:
        """Some of the training rows, by number, and others of them as those to measure."""
        return replace(self, X=self.X[train], y=self.y[train], X_test=self.X[test], y_test=self.y[test])

    def watched(self, share: float, seed: int) -> tuple[Array, Array]:
        """Numbers of the training rows to learn from, and of those to watch: shuffled, they may be sorted."""
        learned, watched, _, _ = datasets.train_test_split(
            np.arange(len(self.y)), self.y, share, seed, self.classes is not None
        )
        return learned, watched


def load_training(options: argparse.Namespace) -> Data:
    """The data set in a folder of IDX files or an ``.npz``; without --data, scikit-learn's digits."""
    path = options.data
    parts = _training_arrays(path, options.max_bytes)
    X = _rows(parts["X"], "X")
    X_test = _rows(parts["X_test"], "X_test") if "X_test" in parts else None
    y, y_test, classes = encode(parts["y"], parts.get("y_test"), options.task)
    if len(X) != len(y):
        raise ValueError(f"y has {len(y)} rows, expected {len(X)} as X has")
    if X_test is None or y_test is None:
        stratify = classes is not None
        share = TEST_SHARE if options.test_share is None else options.test_share
        X, X_test, y, y_test = datasets.train_test_split(X, y, share, options.seed, stratify)
    elif X_test.shape[1] != X.shape[1] or len(X_test) != len(y_test):
        raise ValueError(f"X_test has shape {X_test.shape}, expected ({len(y_test)}, {X.shape[1]})")
    digits = path is None and options.scaling == "auto"
    source = "scikit-learn's digits" if path is None else str(path)

    def scaling(rows: Array) -> Rescaling | Standardize | None:
        if digits:
            return Rescaling(1 / DIGITS_MAXIMUM)
        return _scaling_layer(rows, options.scaling, options.dtype)

    return Data(source, X, y, X_test, y_test, classes, scaling)


def _training_arrays(path: Path | None, max_bytes: int) -> dict[str, Array]:
    """X, y and perhaps X_test, y_test."""
    if path is None:
        return _digits()
    if not path.exists():
        raise FileNotFoundError(f"--data is {str(path)!r}, expected a file or a folder, which is not there")
    if path.is_dir():
        return _four(*datasets.load_idx_folder(path, max_bytes=max_bytes))
    return _npz(path, max_bytes)


def _digits() -> dict[str, Array]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn, which is not installed: "
            f"{install('train')} brings it, or give files of your own with --data"
        ) from error
    digits: Any = load_digits()
    return {"X": digits.data.astype(np.float32), "y": digits.target}


def _four(X: Array, y: Array | None, X_test: Array | None, y_test: Array | None) -> dict[str, Array]:
    parts = {"X": X, "y": y, "X_test": X_test, "y_test": y_test}
    return {name: array for name, array in parts.items() if array is not None}


def _npz(path: Path, max_bytes: int) -> dict[str, Array]:
    parts = datasets.load_npz(path, max_bytes=max_bytes)
    if "y" not in parts:
        raise ValueError(f"path {path.name!r} has no array y, which training needs")
    if ("X_test" in parts) != ("y_test" in parts):
        raise ValueError(f"path {path.name!r} has only one of X_test and y_test, expected both or none")
    return parts


def _rows(X: Array, name: str) -> Array:
    """(rows, features): images are flattened."""
    if X.ndim < 2 or X.size == 0:
        raise ValueError(f"{name} has shape {X.shape}, expected (rows, features)")
    return X.reshape(len(X), -1)


def encode(y: Array, y_test: Array | None, task: str) -> tuple[Array, Array | None, tuple[str, ...] | None]:
    """Targets as class codes with their names, or as real numbers.

    Examples
    --------
    >>> encode(np.array([3, 5, 3, 5, 5, 3, 3, 3, 5, 5]), None, "auto")[0].tolist()
    [0, 1, 0, 1, 1, 0, 0, 0, 1, 1]
    """
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if task == "regression" or (task == "auto" and not _looks_like_classes(y)):
        return _real(y), None if y_test is None else _real(y_test), None
    values, codes = _distinct(y)
    return codes, None if y_test is None else _codes_of(y_test, values), tuple(map(str, values.tolist()))


def _real(y: Array) -> Array:
    if y.dtype.kind not in "biuf":
        raise TypeError(f"y has dtype {y.dtype}, expected numbers for a regression")
    return y.reshape(len(y), -1).astype(np.float64)


def _looks_like_classes(y: Array) -> bool:
    if y.dtype.kind in "US":
        return True
    if y.ndim != 1 or y.dtype.kind not in "biuf" or not np.isfinite(y).all() or (y != np.rint(y)).any():
        return False
    return are_classes(y)


def _distinct(y: Array) -> tuple[Array, Array]:
    """The class values in order, and the code of each row's."""
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}, expected (rows,) classes")
    if y.dtype.kind == "f":
        wrong = np.flatnonzero(y != np.rint(y))
        if len(wrong):
            raise ValueError(f"y contains {y[wrong[0]]:g} at row {wrong[0]}, expected whole numbers")
        y = y.astype(np.int64)
    values, codes = np.unique(y, return_inverse=True)
    if len(values) < 2:
        raise ValueError(f"y has the class {values[0]} only, expected at least two")
    return values, codes.astype(np.int64)


def _codes_of(y: Array, values: Array) -> Array:
    flat = y.reshape(len(y))
    codes = np.minimum(np.searchsorted(values, flat), len(values) - 1)
    strange = np.flatnonzero(values[codes] != flat)
    if len(strange):
        raise ValueError(f"y_test contains {flat[strange[0]]} at row {strange[0]}, which no training row has")
    return codes.astype(np.int64)


def _scaling_layer(X: Array, scaling: str, dtype: str) -> Rescaling | Standardize | None:
    """Bytes are divided by 255; other columns get mean 0 and deviation 1, unless all lie in [0, 1]."""
    if scaling == "none":
        return None
    if scaling == "auto" and X.dtype == np.uint8:
        return Rescaling(1 / 255)
    if scaling == "auto" and X.min() >= 0 and X.max() <= 1:
        return None
    return Standardize.adapt(X.astype(dtype))  # as the network sees it: what rounds to one number is one


def load_inputs(options: argparse.Namespace) -> tuple[Array, Array | None]:
    """Rows to predict, with their targets where the file has them.

    A folder of IDX files gives its test set, or, without one, its training set.
    """
    path, max_bytes = options.data, options.max_bytes
    if path.is_dir():
        X, y, X_test, y_test = datasets.load_idx_folder(path, max_bytes=max_bytes)
        return (_rows(X, "X"), y) if X_test is None else (_rows(X_test, "X_test"), y_test)
    if path.suffix == ".npz":
        parts = datasets.load_npz(path, max_bytes=max_bytes)
        suffix = "_test" if "X_test" in parts else ""
        return _rows(parts["X" + suffix], "X" + suffix), parts.get("y" + suffix)
    if _is_idx(path):
        return _rows(datasets.load_idx(path, max_bytes=max_bytes), "X"), None
    from .numbers import load_numbers

    return load_numbers(options)


def _is_idx(path: Path) -> bool:
    """Whether a file, packed or not, begins as IDX files do."""
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"\x1f\x8b":
        return start == b"\0\0"
    try:
        with gzip.open(path) as file:
            return file.read(2) == b"\0\0"
    except (OSError, EOFError, zlib.error):
        return True  # whose reader says what is wrong with it
