"""Which rows each network holds out."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FEWEST = 25  # rows of which some can be spared


def folds(
    count: int, share: float, rng: np.random.Generator, *, classes: Array | None, groups: Array | None
) -> Array:
    """Numbers of the folds that rows belong to, -1 of none: about 1 / share folds of equal size.

    Parameters
    ----------
    count : int
        Rows.
    share : float
        0 < share <= 0.5 of the rows for each fold.
    rng : Generator
    classes : ndarray of int64, shape (rows,), optional
        Each is dealt out evenly; one with a single row stays out of all folds.
    groups : ndarray, shape (rows,), optional
        Rows of one group stay together.

    Returns
    -------
    ndarray of int64, shape (rows,)
    """
    parts = max(2, round(1 / share))
    if groups is not None:
        return _of_groups(groups, parts, rng)
    order = rng.permutation(count)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    found = np.empty(count, np.int64)
    found[order] = np.arange(count) % parts
    if classes is not None:
        found[np.bincount(classes)[classes] == 1] = -1
    return found


def _of_groups(groups: Array, parts: int, rng: np.random.Generator) -> Array:
    """Groups in random order, each to the fold with the fewest rows."""
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"groups has {len(names)} group, expected two or more")
    fold_of, rows = np.empty(len(names), np.int64), np.zeros(min(parts, len(names)), np.int64)
    for name in rng.permutation(len(names)):
        fold_of[name] = rows.argmin()
        rows[fold_of[name]] += sizes[name]
    return fold_of[place]
