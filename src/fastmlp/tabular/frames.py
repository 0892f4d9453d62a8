"""Tables as people hold them (data frames, arrays, dictionaries) as named columns of NumPy arrays."""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import dates, words

Array = np.ndarray[Any, Any]

_NUMBERS = (numbers.Real, decimal.Decimal, np.floating, np.integer)
_OTHERS = (bool, np.bool_, np.timedelta64)  # though Python or NumPy counts them among whole numbers
EXACT = 2**53  # up to here floats tell all whole numbers apart
_LONGEST = 2**128  # of ids
_SPANS = (datetime.timedelta, np.timedelta64)
_MOMENTS = (datetime.date, datetime.time, np.datetime64)
_MAY_BE_GAPS = (float, np.floating, np.datetime64, np.timedelta64, decimal.Decimal, datetime.datetime)


@dataclass(frozen=True)
class Frame:
    """Named columns of equal length.

    Attributes
    ----------
    columns : dict
        Name to an array of shape (rows,): float64 with NaN for gaps (lengths of time in seconds),
        datetime64[us] with NaT, or objects, which are str with None for gaps, as of whole numbers with more
        digits than floats have.
    marked : frozenset
        Names of columns that their owner has made categories, whatever their values are.
    named : bool
        Whether the names came with the table; an array's columns are x0, x1, ...
    """

    columns: dict[str, Array]
    marked: frozenset[str] = field(default_factory=frozenset)
    named: bool = True

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def rows(self, chosen: Any) -> Frame:
        """Some of the rows: `chosen` is what indexes an array."""
        return Frame({name: column[chosen] for name, column in self.columns.items()}, self.marked, self.named)

    def without(self, names: Iterable[str]) -> Frame:
        left_out = set(names)
        kept = {name: column for name, column in self.columns.items() if name not in left_out}
        return Frame(kept, self.marked, self.named)


def read(X: Any, argument: str = "X") -> Frame:
    """A table of any kind as a Frame.

    Parameters
    ----------
    X : DataFrame, Arrow table, array, sparse matrix, mapping or list of mappings
        A pandas or polars frame, a pyarrow Table, an array-like of shape (rows, columns), an array of
        records, a SciPy sparse matrix, a mapping of names to columns (to single values: one row), or a list
        of mappings, one a row.
    argument : str
        Its name in errors.

    Raises
    ------
    TypeError, ValueError
        If X is no table, has no column, has a name twice, or columns of different lengths.
    """
    if isinstance(X, Frame):
        return X
    X = X.toarray() if hasattr(X, "toarray") else X  # SciPy's, of which one is a mapping too
    if isinstance(X, np.ndarray) and X.dtype.names:
        X = {name: X[name] for name in X.dtype.names}
    if isinstance(X, Mapping):
        return _from_mapping(X, argument)
    if isinstance(X, (list, tuple)) and len(X) and all(isinstance(row, Mapping) for row in X):
        return _from_rows(X, argument)
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        names, series, marked = _pandas(X)
    elif hasattr(X, "get_columns"):
        names, series, marked = _polars(X)
    elif hasattr(X, "column_names") and hasattr(X, "to_pydict"):
        names, series, marked = _arrow(X)
    else:
        return _from_array(X, argument)
    names = [str(name) for name in names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{argument} has the column {twice!r} more than once, expected a name for each")
    columns = {name: as_column(each) for name, each in zip(names, series, strict=True)}
    return _checked(Frame(columns, frozenset(map(str, marked))), argument)


def _pandas(X: Any) -> tuple[list[Any], list[Any], set[Any]]:
    series = [X.iloc[:, i] for i in range(X.shape[1])]
    marked = {each.name for each in series if str(each.dtype) == "category"}
    return list(X.columns), [_pandas_column(each) for each in series], marked


def _pandas_column(series: Any) -> Any:
    kind = getattr(series.dtype, "kind", "O")
    if str(series.dtype) == "category":
        return series.astype(object).to_numpy()
    if str(series.dtype).startswith("period"):
        return series.dt.to_timestamp().to_numpy(dtype="datetime64[us]")
    if str(series.dtype).startswith(("date32", "date64")):  # Arrow's, as days of Python's
        return series.to_numpy(dtype=object)
    if kind == "M":  # pandas' own type too, which knows a zone
        series = series.dt.tz_convert(None) if getattr(series.dtype, "tz", None) is not None else series
        return series.to_numpy(dtype="datetime64[us]")
    if kind in "iuf" and not isinstance(series.dtype, np.dtype):  # with gaps of its own
        if kind in "iu" and series.count() and max(series.max(), -series.min()) > EXACT:
            return series.to_numpy(dtype=object)
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return series.to_numpy()


def _polars(X: Any) -> tuple[list[Any], list[Any], set[Any]]:
    series = X.get_columns()
    marked = {each.name for each in series if str(each.dtype).startswith(("Categorical", "Enum"))}
    ready = [each.dtype.is_numeric() or str(each.dtype).startswith(("Date", "Datetime")) for each in series]
    values = [
        each.to_numpy() if whole and not _polars_hides(each) else np.array(each.to_list(), object)
        for each, whole in zip(series, ready, strict=True)
    ]
    return list(X.columns), values, marked


def _polars_hides(series: Any) -> bool:
    """Whether digits of whole numbers would be lost, as they are where there are gaps."""
    if not (series.dtype.is_integer() and series.null_count() < len(series)):
        return False
    return bool(max(series.max(), -series.min()) > EXACT)


def _arrow(X: Any) -> tuple[list[Any], list[Any], set[Any]]:
    marked = {
        name for name, each in zip(X.column_names, X.columns, strict=True) if "dictionary" in str(each.type)
    }
    numeric = ("int", "uint", "float", "double", "half")
    values = [
        listed(each.to_pylist()) if not str(each.type).startswith(numeric) else _gaps_as_nan(each)
        for each in X.columns
    ]
    return list(X.column_names), values, marked


def _gaps_as_nan(column: Any) -> Array:
    if column.null_count:
        return listed(column.to_pylist())
    return column.to_numpy()


def _from_mapping(X: Mapping[Any, Any], argument: str) -> Frame:
    if X and all(np.ndim(value) == 0 for value in X.values()):
        return _from_rows([X], argument)
    return _checked(Frame({str(name): as_column(listed(value)) for name, value in X.items()}), argument)


def _from_rows(X: Sequence[Mapping[Any, Any]], argument: str) -> Frame:
    names = list(X[0])
    for i, row in enumerate(X):
        if row.keys() != X[0].keys():
            odd = sorted(map(str, row.keys() ^ X[0].keys()))
            raise ValueError(
                f"row {i} of {argument} differs from row 0 in {odd[0]!r}, expected the same names in all"
            )
    return _checked(
        Frame({str(name): as_column(listed([row[name] for row in X])) for name in names}), argument
    )


def _from_array(X: Any, argument: str) -> Frame:
    array = X if isinstance(X, np.ndarray) else np.asarray(X, dtype=_dtype_of(X))
    if array.ndim == 0 and array.dtype.kind in "OUS":
        hint = "; X.collect() is one" if hasattr(X, "collect") else ""
        raise TypeError(f"{argument} is a {type(X).__name__}, expected a table{hint}")
    if array.ndim != 2:
        hint = "; one row is X[None]" if array.ndim == 1 else ""
        raise ValueError(f"{argument} has shape {array.shape}, expected (rows, columns){hint}")
    return _checked(
        Frame({f"x{i}": as_column(array[:, i]) for i in range(array.shape[1])}, named=False), argument
    )


def _dtype_of(X: Any) -> Any:
    """Objects where a list mixes words and numbers, which NumPy would make words."""
    found = np.asarray(X)
    return object if found.dtype.kind in "US" else found.dtype


def listed(values: Any) -> Array:
    """Values as one array: float64 where all are numbers, what they are otherwise."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values
    values = list(values)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        found = np.array(list(map(number, values)), np.float64)
        if not (np.abs(found) > EXACT).any():
            return found
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _checked(frame: Frame, argument: str) -> Frame:
    if not frame.columns:
        raise ValueError(f"{argument} has no columns, expected one or more")
    lengths = {name: len(column) for name, column in frame.columns.items()}
    first, rows = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != rows:
            raise ValueError(
                f"column {name!r} of {argument} has {length} rows, expected {rows} as in {first!r}"
            )
    return frame


def unmasked(values: Array) -> Array:
    """An array whose gaps can be seen: where NumPy masks cells, objects, None for these.

    >>> unmasked(np.ma.masked_equal([1.5, -999.0], -999.0)).tolist()
    [1.5, None]
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return np.asarray(values)
    cells = np.asarray(values)
    if cells.dtype.kind in "mM":  # objects of Python have microseconds
        cells = cells.astype(f"{cells.dtype.kind}8[us]")
    cells = cells.astype(object)
    cells[np.ma.getmaskarray(values)] = None
    return cells


def as_column(values: Array) -> Array:
    """One column in one of a Frame's three forms."""
    values = unmasked(values)
    kind = values.dtype.kind
    if kind in "iu" and len(values) and max(int(values.max()), -int(values.min())) > EXACT:
        return values.astype(str).astype(object)
    if kind in "iuf":
        return values.astype(np.float64)
    if kind == "M":
        return values.astype("datetime64[us]")
    if kind == "m":
        return values / np.timedelta64(1, "s")  # NaN where there is none
    if kind == "b":
        return np.where(values, "True", "False").astype(object)
    if kind == "c":
        raise TypeError("complex numbers are no column of a table, expected real numbers, words or dates")
    return _objects(values.astype(object))


def number(value: Any) -> float:
    """A float; infinite for whole numbers and fractions beyond the largest.

    >>> number(10**400), number(-(10**400)), number("1.5")
    (inf, -inf, 1.5)
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _objects(values: Array) -> Array:
    """Numbers where all are, dates where all are, words otherwise."""
    present = [value for value in values if not is_gap(value)]
    if present and all(isinstance(value, _NUMBERS) and not isinstance(value, _OTHERS) for value in present):
        if _hides(present):
            return np.array([None if is_gap(value) else word(value) for value in values], object)
        return np.array([np.nan if is_gap(value) else number(value) for value in values])
    if present and all(isinstance(value, _SPANS) for value in present):
        return np.array([np.nan if is_gap(value) else value / np.timedelta64(1, "s") for value in values])
    if present and all(isinstance(value, _MOMENTS) for value in present):
        return np.array([None if is_gap(value) else _moment(value) for value in values], "datetime64[us]")
    return np.array([None if is_gap(value) else word(value) for value in values], object)


def _hides(present: list[Any]) -> bool:
    """Whether they are whole numbers, as ids are, of which floats would not have all digits."""
    if not all(isinstance(value, numbers.Integral) for value in present):
        return False
    return any(EXACT < abs(value) < _LONGEST for value in present)


def _moment(value: Any) -> Any:
    """A date, or a time of one and the same day, without a zone."""
    if isinstance(value, datetime.time):
        return datetime.datetime.combine(dates.DAY_OF_TIMES, value.replace(tzinfo=None))
    if getattr(value, "tzinfo", None) is None:
        return value
    return value.astimezone(datetime.timezone.utc).replace(tzinfo=None)


def is_gap(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA."""
    if isinstance(value, str):
        return False
    return (
        value is None
        or type(value).__name__ == "NAType"
        or (isinstance(value, _MAY_BE_GAPS) and value != value)
    )


def word(value: Any) -> str:
    """A value of a category as text, the same for 3, 3.0 and "3".

    >>> word(3.0), word(" a "), word(True)
    ('3', 'a', 'True')
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return words.of_number(float(value)) if isinstance(value, (float, np.floating)) else str(value)
