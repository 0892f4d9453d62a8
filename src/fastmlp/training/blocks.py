"""Arrays and data frames of Dask as batches: computed partition by partition, one ahead, and none kept."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..optional import require
from .ahead import Ahead

Array = np.ndarray[Any, Any]


def is_lazy(X: object) -> bool:
    """Whether X is an array or a data frame of Dask, which has partitions to compute.

    >>> is_lazy(np.zeros((2, 2)))
    False
    """
    return hasattr(X, "__dask_graph__") and hasattr(X, "npartitions") and hasattr(X, "partitions")


def joined(parts: Iterator[tuple[Array, ...]], size: int) -> Iterator[tuple[Array, ...]]:
    """The rows of arrays that belong together, `size` at a time; the last may have fewer.

    >>> [X.tolist() for X, in joined(iter([(np.arange(3),), (np.arange(4),)]), 2)]
    [[0, 1], [2, 0], [1, 2], [3]]
    """
    kept: list[tuple[Array, ...]] = []  # less than a batch
    rows = 0
    for part in parts:
        kept.append(part)
        rows += len(part[0])
        if rows >= size:
            arrays = _concatenated(kept)
            whole = rows - rows % size
            for first in range(0, whole, size):
                yield tuple(array[first : first + size] for array in arrays)
            rows -= whole
            kept = [tuple(array[whole:].copy() for array in arrays)] if rows else []  # the part is let go
    if rows:
        yield _concatenated(kept)


def _concatenated(parts: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))


class Partitions:
    """What the partitions of collections with equally many hold, one after another, all of a number at once.

    The next is computed, by Dask's scheduler, while the last is at work.
    """

    def __init__(self, *collections: Any) -> None:
        self._collections = collections

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        with Ahead(self._computed()) as parts:
            yield from parts

    @functools.cached_property
    def _graph(self) -> tuple[dict[Any, Any], list[tuple[Any, ...]]]:
        """All tasks, and the keys of each number: made once, as it takes as long as there are partitions."""
        optimized = self._optimized()
        flatten = require("dask.core", "dask").flatten
        tasks = {key: task for each in optimized for key, task in dict(each.__dask_graph__()).items()}
        return tasks, list(zip(*(flatten(each.__dask_keys__()) for each in optimized), strict=True))

    def _optimized(self) -> Sequence[Any]:
        """Arrays together, which share what all need; frames alone: `dask.optimize` loses columns."""
        optimize = require("dask", "dask").optimize
        if not any(hasattr(each, "optimize") for each in self._collections):
            return optimize(*self._collections)
        return [
            each.optimize() if hasattr(each, "optimize") else optimize(each)[0] for each in self._collections
        ]

    def _computed(self) -> Iterator[tuple[Any, ...]]:
        compute = require("dask.base", "dask").get_scheduler(collections=self._collections)
        cull = require("dask.optimization", "dask").cull
        tasks, keys = self._graph
        for together in keys:
            yield tuple(compute(cull(tasks, list(together))[0], list(together)))


class BlockBatches:
    """Batches (X, y) or (X, y, sample_weight) of `size` rows in the order of X.

    X is an array or a data frame of Dask.  The others are Dask's too, with equally many partitions where the
    sizes of these are unknown, or hold all rows.
    """

    def __init__(self, X: Any, y: Any, sample_weight: Any, size: int | None, argument: str) -> None:
        if size is None:
            kind = type(X).__name__
            raise ValueError(f"batch_size is None and {argument} a {kind} of Dask, expected a number of rows")
        self._size, self._argument = size, argument
        others = {"y": y} if sample_weight is None else {"y": y, "sample_weight": sample_weight}
        self._names = ["X", *others]
        self._lazy = {"X": columns_together(X)}
        self._whole: dict[str, Array] = {}
        for name, each in others.items():
            if is_lazy(each):
                self._lazy[name] = _parted_as(X, columns_together(each), name, argument)
            else:
                self._whole[name] = np.asarray(each)
                self._check_length(name, getattr(X, "shape", (None,))[0])

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return joined(self._parts(), self._size)

    def _parts(self) -> Iterator[tuple[Array, ...]]:
        row = 0
        for index, found in enumerate(Partitions(*self._lazy.values())):
            part = dict(zip(self._lazy, map(np.asarray, found), strict=True))
            rows = len(part["X"])
            part |= {name: array[row : row + rows] for name, array in self._whole.items()}
            for name, array in part.items():
                if len(array) != rows:
                    where = f"partition {index} of {self._argument}"
                    raise ValueError(f"{name} has {len(array)} rows for {where}, expected {rows}")
            row += rows
            if rows:
                yield tuple(part[name] for name in self._names)
        for name in self._whole:
            self._check_length(name, row)

    def _check_length(self, name: str, rows: Any) -> None:
        """ValueError unless all rows of X have a target, where their number is known."""
        given = len(self._whole[name])
        if isinstance(rows, int) and given != rows:
            raise ValueError(f"{name} has {given} rows, expected {rows} as in {self._argument}")


def columns_together(X: Any) -> Any:
    """An array's partitions as rows in whole."""
    columns: Any = getattr(X, "numblocks", ())[1:]
    return X.rechunk({1: -1}) if len(columns) == 1 and columns[0] > 1 else X


def _parted_as(X: Any, other: Any, name: str, argument: str) -> Any:
    """The rows of `other` in the partitions that X has."""
    arrays = hasattr(X, "chunks") and hasattr(other, "chunks")
    if arrays and not np.isnan([*X.chunks[0], *other.chunks[0]]).any():
        if len(other) != len(X):
            raise ValueError(f"{name} has {len(other)} rows, expected {len(X)} as in {argument}")
        return other.rechunk({0: X.chunks[0]})
    rows = X.numblocks[0] if hasattr(X, "chunks") else X.npartitions
    if other.npartitions != rows:
        raise ValueError(f"{name} has {other.npartitions} partitions, expected {rows} as in {argument}")
    return other
