"""Comparisons that stand before every timing: a wrong result is never timed."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def assert_close(actual: Array, expected: Array, bound: Array | float) -> None:
    """Raise unless every element of `actual` is within `bound` of `expected`, in magnitude and sign.

    Parameters
    ----------
    actual, expected : ndarray
        Of one shape; not finite is not close.
    bound : ndarray or float
        The greatest absolute difference, by element.

    Raises
    ------
    AssertionError
        With the worst element, where there is one.
    """
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    assert np.isfinite(expected).all(), "the expected values are not finite"
    with np.errstate(invalid="ignore"):
        excess = np.abs(actual - expected) - bound
    excess = np.where(np.isnan(excess), np.inf, excess)
    if excess.size and excess.max() > 0:
        worst = np.unravel_index(excess.argmax(), excess.shape)
        raise AssertionError(f"{actual[worst]!r} at {worst}, expected {expected[worst]!r}")


def relative_bound(expected: Array, dtype: Any, ulps: float, floor: float = 1.0) -> Array:
    """A bound of `ulps` units in the last place, and not below that many of `floor`."""
    return np.asarray(ulps * np.finfo(dtype).eps * np.maximum(np.abs(expected), floor))


def deviation(outputs: Array, expected: Array, before: Array | None = None) -> float:
    """How far outputs are from the expected ones: the greatest difference, as a share.

    Of the greatest expected value; or, where `before` is given, of the greatest change from there to
    `expected`, which is what training did: a wrong rate, loss or order of rows shows in it.

    >>> deviation(np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    0.2
    >>> deviation(np.array([1.0, 2.4]), np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    0.2
    """
    outputs, expected = np.asarray(outputs, np.float64), np.asarray(expected, np.float64)
    if outputs.shape != expected.shape or not np.isfinite(outputs).all():
        return float("inf")
    scale = np.abs(expected if before is None else expected - before).max()
    return round(float(np.abs(outputs - expected).max() / scale), 12) if scale > 0 else float("inf")
