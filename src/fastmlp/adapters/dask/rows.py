"""Rows of Dask's arrays and data frames: blocks on its workers, and what is cut of them for a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import validation
from ...training.blocks import columns_together, is_lazy

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Facts:
    """What a block holds."""

    rows: int
    shape: tuple[int, ...]  # of a row
    dtype: np.dtype[Any]
    labels: Array | None = None  # the different ones, where they are asked for


@dataclass(frozen=True)
class Blocks:
    """The blocks of a collection, futures of Dask's, and what they hold together."""

    name: str
    futures: list[Any]
    rows: list[int]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    labels: Array | None

    def __len__(self) -> int:
        return sum(self.rows)

    @property
    def is_X(self) -> bool:
        """Whether these are rows, and not what belongs to them."""
        return self.name.endswith("X")

    def cut(self, first: int, last: int) -> tuple[list[Any], list[slice]]:
        """The blocks that have some of the rows [first, last), and which of each.

        >>> Blocks("X", ["a", "b", "c"], [3, 0, 4], (), np.dtype(float), None).cut(2, 5)
        (['a', 'c'], [slice(2, 3, None), slice(0, 2, None)])
        """
        futures, slices, start = [], [], 0
        for future, rows in zip(self.futures, self.rows, strict=True):
            own = slice(max(first - start, 0), min(last - start, rows))
            if own.start < own.stop:
                futures.append(future)
                slices.append(own)
            start += rows
        return futures, slices


def blocks(client: Any, *collections: tuple[str, Any, bool]) -> list[Blocks]:
    """The blocks of collections, computed together.

    Each comes with its name and whether it has labels, which may be words; they are collected then.

    TypeError or ValueError with the number of a partition that does not fit.
    """
    parted = []
    for name, collection, _ in collections:
        if not is_lazy(collection):
            came = type(collection).__name__
            raise TypeError(f"{name} is a {came}, expected a Dask array or data frame")
        delayed = columns_together(collection).to_delayed()
        parted.append(delayed.ravel().tolist() if hasattr(delayed, "ravel") else delayed)
    computed = iter(client.compute([block for each in parted for block in each]))
    futures = [[next(computed) for _ in each] for each in parted]
    looks = [
        [client.submit(_look, future, name, number, labels) for number, future in enumerate(each)]
        for (name, _, labels), each in zip(collections, futures, strict=True)
    ]
    return [
        _together(name, own, facts)
        for (name, *_), own, facts in zip(collections, futures, client.gather(looks), strict=True)
    ]


def _look(block: Any, name: str, number: int, labels: bool) -> Facts:
    where = f"partition {number} of {name}: "
    try:
        array = _as_array(block, name, labels)
        validation.check_finite(array, name)
    except (TypeError, ValueError) as error:
        raise type(error)(where + str(error)) from None
    return Facts(len(array), array.shape[1:], array.dtype, np.unique(array) if labels else None)


def _as_array(block: Any, name: str, labels: bool) -> Array:
    return validation.words_or_numbers(block, name) if labels else validation.numeric(block, name)


def _together(name: str, futures: list[Any], facts: list[Facts]) -> Blocks:
    some = [number for number, each in enumerate(facts) if each.rows]
    if not some:
        raise ValueError(f"{name} is empty, expected at least one row")
    first = facts[some[0]]
    for number in some:
        if (facts[number].dtype.kind == "U") != (first.dtype.kind == "U"):
            words, numbers = sorted([some[0], number], key=lambda i: facts[i].dtype.kind != "U")
            came = f"partition {words} of {name} holds words and partition {numbers} numbers"
            raise ValueError(f"{came}, expected one of them")
        if facts[number].shape != first.shape:
            came = f"partition {number} of {name} has rows of shape {facts[number].shape}"
            raise ValueError(f"{came}, expected {first.shape} as partition {some[0]}")
    dtype = np.result_type(*(facts[number].dtype for number in some))
    found = [each.labels for each in facts if each.labels is not None and each.rows]
    labels = np.unique(np.concatenate(found)) if found else None
    return Blocks(name, futures, [each.rows for each in facts], first.shape, dtype, labels)


def joined(blocks: list[Any], slices: list[slice], name: str, dtype: np.dtype[Any]) -> Array:
    """The rows of some blocks in one array: what a worker does."""
    words = dtype.kind == "U"
    parts = [_as_array(block[own], name, words) for block, own in zip(blocks, slices, strict=True)]
    return np.concatenate([part.astype(dtype, copy=False) for part in parts])
