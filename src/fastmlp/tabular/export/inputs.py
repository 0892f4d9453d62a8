"""What an exported model is told: one number for each column that it uses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..columns import Category, Column, Date, Number
from ..encoding import TableEncoder
from ..frames import Frame

Array = np.ndarray[Any, Any]


def described(column: Column) -> str:
    """What stands for it."""
    if isinstance(column, Category):
        return f"code of a category, 1 to {len(column.values)}; 0 of a gap and of any other"
    if isinstance(column, Date):
        return "seconds since 1970-01-01, without a zone; NaN where there is none"
    return "number, NaN where there is none"


def frame_of(encoder: TableEncoder, told: Array) -> Frame:
    """A table of which `encoder.told` is `told`, float64 (rows, used columns)."""
    columns = {each.name: _values(each, told[:, i]) for i, each in enumerate(encoder.used)}
    return Frame({each.name: columns.get(each.name, np.zeros(len(told))) for each in encoder.columns})


def _values(column: Column, told: Array) -> Array:
    if isinstance(column, Category):
        words = np.array([None, *column.values], object)
        return np.asarray(words[told.astype(np.int64)])
    if isinstance(column, Date):
        missing = np.isnan(told)
        since = np.where(missing, 0, told * 1e6).astype("timedelta64[us]")
        moments = np.datetime64("1970-01-01", "us") + since
        moments[missing] = np.datetime64("NaT", "us")
        return np.asarray(moments)
    return told


def examples(encoder: TableEncoder, rows: int = 8) -> Array:
    """Numbers around the middle, codes and dates of all kinds, and a last row of gaps."""
    found = np.zeros((rows, len(encoder.used)))
    at = 0
    for i, column in enumerate(encoder.used):
        steps = (np.arange(rows) * (i + 1) % rows - rows // 2) / 4
        if isinstance(column, Category):
            found[:, i] = np.arange(rows) * (i + 1) % column.size
        elif isinstance(column, Date):
            found[:, i] = 86400.0 * np.round(15000 + 1000 * steps)
        elif isinstance(column, Number):
            factor = encoder.scaling.factor[at]
            found[:, i] = encoder.scaling.center[at] + steps / (factor if factor else 1.0)
        at += len(column.number_names())
    found[-1] = [0.0 if isinstance(column, Category) else np.nan for column in encoder.used]
    return found
