"""Tables with a column of targets as X and y: one in memory, or many that come one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import validation
from ..errors import listed, shown
from .blocks import Partitions, is_lazy, joined

Array = np.ndarray[Any, Any]

_READERS = ("iter_batches", "to_batches")  # of a Parquet file, of a data set


def names_of(table: Any) -> list[Any] | None:
    """The names of a table's columns; None of anything else.

    >>> names_of([1.0, 2.0])
    """
    names = getattr(table, "column_names", None)  # of Arrow
    names = getattr(table, "columns", None) if names is None else names  # of pandas and polars
    return None if names is None or callable(names) else list(names)


class Columns:
    """The column y of tables, and the others, which are X; they are the same in all tables of a fit."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._names: list[Any] | None = None

    def split(self, table: Any, argument: str) -> tuple[Array, Array]:
        """X (rows, columns) and y (rows,) of a table."""
        names, said = names_of(table), f"y is {shown(self._target)}"
        if names is None:
            raise TypeError(
                f"{said} and {argument} a {type(table).__name__}, expected a table with that column"
            )
        if self._target not in names:
            raise ValueError(f"{said}, expected one of the columns of {argument}: {listed(map(str, names))}")
        self._names = names if self._names is None else self._names
        if names != self._names:
            given, expected = listed(map(str, names)), listed(map(str, self._names))
            raise ValueError(f"{argument} has the columns {given}, expected {expected} as in the first table")
        arrays = {name: np.asarray(table[name]) for name in names}
        y = arrays.pop(self._target)
        return np.column_stack(list(arrays.values())) if arrays else np.empty((len(y), 0)), y


class TableBatches:
    """Batches (X, y) of `size` rows, the last may have fewer, of tables of any sizes, one after another.

    `source` is a Parquet file or a data set of Arrow, a data frame of Dask, or an iterable of tables.
    """

    def __init__(self, source: Any, columns: Columns, size: int, argument: str) -> None:
        self._source, self._columns, self._size, self._argument = source, columns, size, argument

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return joined(self._parts(), self._size)

    def _parts(self) -> Iterator[tuple[Array, ...]]:
        for index, table in enumerate(self._tables()):
            yield self._columns.split(table, f"table {index} of {self._argument}")

    def _tables(self) -> Iterator[Any]:
        if is_lazy(self._source):
            return (table for (table,) in Partitions(self._source))
        if hasattr(self._source, "iter_batches"):
            return _of_file(self._source)
        return _of_data_set(self._source) if hasattr(self._source, "to_batches") else iter(self._source)


# Row group by row group: what Arrow has read of a file it keeps until the reading ends.


def _of_file(file: Any) -> Iterator[Any]:
    """The record batches of a Parquet file."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(row_groups=[group])


def _of_data_set(source: Any) -> Iterator[Any]:
    """The record batches of a data set of any format."""
    if getattr(source, "_scan_options", None):  # a filter of rows, which fragments do not know
        yield from source.to_batches()
        return
    for fragment in source.get_fragments():
        parts = fragment.split_by_row_group() if hasattr(fragment, "split_by_row_group") else [fragment]
        for part in parts:
            yield from part.to_batches(schema=source.schema)


def opened(X: Any, columns: Columns, size: int | None, argument: str) -> tuple[Any, Any]:
    """X and y of a table in memory; batches and None of others, an iterator where they pass once."""
    validation.check_collected(X, argument)
    if names_of(X) is not None and not is_lazy(X):
        return columns.split(X, argument)
    if isinstance(X, str) or not any(hasattr(X, name) for name in (*_READERS, "__iter__")):
        raise TypeError(f"{argument} is a {type(X).__name__}, expected a table or an iterable of tables")
    if size is None:
        raise ValueError(f"batch_size is None and {argument} a {type(X).__name__}, expected a number of rows")
    batches = TableBatches(X, columns, size, argument)
    return iter(batches) if hasattr(X, "__next__") else batches, None
