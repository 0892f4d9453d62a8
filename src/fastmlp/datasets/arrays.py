"""Preparing arrays: one-hot rows, scaling, splitting into training and test rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _kernels, validation
from ..spread import mean_and_deviation

Array = npt.NDArray[Any]


def one_hot(labels: npt.ArrayLike, n_classes: int | None = None, dtype: npt.DTypeLike = np.float32) -> Array:
    """Rows with a one at each label's place and zeros elsewhere.

    Parameters
    ----------
    labels : array_like of shape (rows,)
        Whole numbers from 0 to `n_classes` - 1.
    n_classes : int or None
        None: the largest label plus one.
    dtype : dtype
        Of the result.

    Returns
    -------
    ndarray of shape (rows, n_classes)

    Raises
    ------
    ValueError
        If `labels` is empty, not one-dimensional, not whole, or out of range, or `dtype` is none.

    Examples
    --------
    >>> one_hot([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    codes = _class_codes(labels)
    count = (
        max(int(codes.max()) + 1, 1) if n_classes is None else validation.integer(n_classes, "n_classes", 1)
    )
    wrong = np.flatnonzero((codes < 0) | (codes >= count))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"labels contains {codes[row]} at row {row}, expected classes 0 to {count - 1}")
    rows = np.zeros((len(codes), count), dtype=validation.any_dtype(dtype))
    rows[np.arange(len(codes)), codes] = 1
    return rows


def _class_codes(labels: npt.ArrayLike) -> Array:
    values = validation.numeric(labels, "labels")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"labels has shape {values.shape}, expected (rows,) with at least one row")
    validation.check_finite(values, "labels")
    wrong = np.flatnonzero(values != np.rint(values)) if values.dtype.kind == "f" else values[:0]
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"labels contains {values[row]:g} at row {row}, expected whole class codes")
    return values.astype(np.int64)


def standardize(X: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Shift and scale each column to mean 0 and standard deviation 1.

    Computed in float64. A column of one number, but for roundings, has the deviation 1, so that it becomes 0.
    Apply the training set's mean and deviation to other rows with ``(X_test - mean) / std``.

    Parameters
    ----------
    X : array_like of shape (rows, features)
        Finite numbers.

    Returns
    -------
    X : ndarray of shape (rows, features)
        float32 if it came as float32, otherwise float64.
    mean, std : ndarray of shape (features,), float64

    Raises
    ------
    ValueError
        If `X` is empty, not two-dimensional, not numbers, or not finite.

    Examples
    --------
    >>> Z, mean, std = standardize([[1.0, 5.0], [3.0, 5.0]])
    >>> Z.tolist(), mean.tolist(), std.tolist()
    ([[-1.0, 0.0], [1.0, 0.0]], [2.0, 5.0], [1.0, 1.0])
    """
    values = validation.numeric(X, "X")
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"X has shape {values.shape}, expected (rows, features) with at least one of each")
    wide = values.astype(np.float64)
    validation.check_finite(wide, "X", values)
    mean, std = mean_and_deviation(wide)
    wide -= mean
    wide /= std
    return (wide.astype(np.float32) if values.dtype == np.float32 else wide), mean, std


def scale_images(images: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> Array:
    """Images of bytes as rows of numbers between 0 and 1: each pixel divided by 255.

    Parameters
    ----------
    images : array_like of uint8, shape (rows, ...)
        All axes but the first are flattened, so (60000, 28, 28) becomes (60000, 784).
    dtype : float32 or float64
        Of the result.

    Returns
    -------
    ndarray of shape (rows, pixels)

    Raises
    ------
    TypeError
        If `images` is not uint8 (other numbers have probably been scaled already).
    ValueError
        If it is empty or has fewer than two dimensions.

    Examples
    --------
    >>> scale_images(np.array([[[0, 51], [102, 255]]], dtype=np.uint8), dtype="float64")
    array([[0. , 0.2, 0.4, 1. ]])
    """
    pixels = np.asarray(images)
    if pixels.dtype != np.uint8:
        raise TypeError(f"images has dtype {pixels.dtype}, expected uint8 pixels from 0 to 255")
    if pixels.ndim < 2 or pixels.size == 0:
        raise ValueError(f"images has shape {pixels.shape}, expected (rows, height, width)")
    real = validation.as_dtype(dtype)
    scaled = pixels.reshape(len(pixels), -1).astype(real)
    scaled /= real.type(255)
    return scaled


def train_test_split(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    test_size: float | int = 0.25,
    seed: int | np.random.Generator | None = None,
    stratify: npt.ArrayLike | bool | None = None,
) -> tuple[Array, Array, Array, Array]:
    """Shuffle the rows and keep some of them for the test.

    The order comes from fastmlp's own generator: a seed gives the same split on every machine and with every
    version of NumPy.

    Parameters
    ----------
    X : array_like of shape (rows, ...)
    y : array_like of shape (rows, ...)
    test_size : float or int
        A share between 0 and 1 (rounded up to whole rows), or a number of rows.
    seed : int, NumPy Generator or None
        None: another split each time.
    stratify : array_like of shape (rows,), bool or None
        Keep the share of each class in both parts: True takes the classes from `y`.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarrays

    Raises
    ------
    ValueError
        If the lengths differ, or a part would be empty.

    Examples
    --------
    >>> X, y = np.arange(12).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=2, seed=0, stratify=True)
    >>> X_train.shape, sorted(y_test.tolist())
    ((4, 2), [0, 1])
    """
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise ValueError(f"y has shape {y.shape}, expected as many rows as X of shape {X.shape}")
    n_test = _test_rows(len(X), test_size)
    order = _kernels.shuffled(validation.as_seed(seed), 0, len(X))
    if stratify is None or stratify is False:
        test, train = order[:n_test], order[n_test:]
    else:
        in_test = _stratified(order, y if stratify is True else np.asarray(stratify), n_test)
        test, train = order[in_test], order[~in_test]
    return X[train], X[test], y[train], y[test]


def _test_rows(rows: int, test_size: float | int) -> int:
    if isinstance(test_size, (float, np.floating)):
        if not 0 < test_size < 1:
            raise ValueError(f"test_size is {test_size}, expected a number of rows or a share from 0 to 1")
        n_test = math.ceil(rows * test_size)
    else:
        n_test = validation.integer(test_size, "test_size", 1)
    if not 0 < n_test < rows:
        raise ValueError(f"test_size is {test_size} of {rows} rows, expected at least one row in each part")
    return n_test


def _stratified(order: Array, classes: Array, n_test: int) -> npt.NDArray[np.bool_]:
    """Which places of `order` go to the test: each class by its share, the largest remainders rounded up."""
    if classes.shape != order.shape:
        raise ValueError(f"stratify has shape {classes.shape}, expected {order.shape}, one class a row")
    codes = np.unique(classes, return_inverse=True)[1][order]
    wanted = np.bincount(codes) * (n_test / len(order))
    quota = np.floor(wanted).astype(np.int64)
    left = n_test - int(quota.sum())
    quota[np.argsort(quota - wanted, kind="stable")[:left]] += 1
    in_test = np.zeros(len(order), dtype=bool)
    for code, count in enumerate(quota):
        in_test[np.flatnonzero(codes == code)[:count]] = True
    return in_test
