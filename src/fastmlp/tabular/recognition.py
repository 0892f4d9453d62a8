"""Which kind a column is: told from its cells, guessed aloud where they leave a choice."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spread import is_one_number
from . import columns, dates, frames, words
from .columns import Category, Column, Date, LeftOut, Number
from .frames import Frame

Array = np.ndarray[Any, Any]

# Rows from which on a column of values that differ in every row can be told for names or numbers of rows.
_ENOUGH = 20
# Characters; what is longer is free text.
_LONGEST_ID = 64
# The share of a column's values up to which words among numbers are likelier slips.
_SLIPS = 0.1


def recognise(frame: Frame, *, one_hot_up_to: int, keep: frozenset[str] = frozenset()) -> list[Column]:
    """The kind of every column of a table.

    Parameters
    ----------
    frame : Frame
        The rows that are learned from.
    one_hot_up_to : int
        Categories of at most so many values, a gap counted as one, have a column for each.
    keep : frozenset of str
        Columns that are asked for by name: only those without a difference between rows are left out.

    Raises
    ------
    CellError
        If a number is infinite.
    ValueError
        If no column is left.
    """
    found = [
        _kind_of(name, values, frame, one_hot_up_to, name in keep) for name, values in frame.columns.items()
    ]
    if all(isinstance(column, LeftOut) for column in found):
        reasons = "; ".join(f"{column.name!r}: {column.note}" for column in found[:3])
        raise ValueError(f"X has no column to learn from ({reasons})")
    return found


def _kind_of(name: str, values: Array, frame: Frame, one_hot_up_to: int, asked: bool) -> Column:
    if name in frame.marked:
        return _category(name, values, one_hot_up_to, asked=True)
    if values.dtype.kind == "f":
        return _number(name, values, asked or not frame.named)
    if values.dtype.kind == "M":
        return _date(name, values)
    present = list(dict.fromkeys(text for text in values if text is not None and not words.is_gap(text)))
    formats = words.number_formats(present)
    if formats and not _told_apart_by_digits(present):
        return _number(name, values, asked, format=formats[0], note=words.how_read(formats, present))
    moments = dates.date_formats(present)
    if moments:
        note = f"read as dates of the form {moments[0]}"
        if len(moments) > 1:
            note += f", which could also be {moments[1]}"
        return _date(name, values, format=moments[0], note=note)
    return _category(name, values, one_hot_up_to, asked, note=_slips(present))


def _told_apart_by_digits(present: list[str]) -> bool:
    """Whether they are whole numbers so long that floats are half as many: ids, which measure nothing."""
    if max(map(len, present), default=0) < len(str(frames.EXACT)) or not all(map(str.isdecimal, present)):
        return False
    return 2 * len(set(map(float, present))) <= len(set(map(int, present)))


def _slips(present: list[str]) -> str:
    """What is to be said of words among many numbers."""
    odd = [text for text in present if words.PLAIN.parse(text) is None]
    if len(odd) == len(present):
        return _odd_dates(present)
    if len(present) < _ENOUGH or not odd or len(odd) > _SLIPS * len(present):
        return ""
    return f"all but {len(odd)} of its {len(present)} different values are numbers, {odd[0]!r} is none"


def _odd_dates(present: list[str]) -> str:
    """What is to be said of dates in several forms, or of words among many dates."""
    forms: dict[str, str] = {}  # to the first date of each form
    odd = []
    for i, text in enumerate(present):
        if any(dates.parse(text, form) is not None for form in forms):
            continue
        found = dates.date_formats([text])
        if found:
            forms[found[0]] = text
        else:
            odd.append(text)
        if i < _ENOUGH and 2 * len(odd) > _ENOUGH:
            return ""
    if not forms or len(odd) > _SLIPS * len(present):
        return ""
    if odd:
        return f"all but {len(odd)} of its {len(present)} different values are dates, {odd[0]!r} is none"
    return f"its values are dates in several forms: {', '.join(map(repr, forms.values()))}"


def _number(name: str, values: Array, asked: bool, **options: Any) -> Column:
    if not any(value is not None and value == value for value in values):
        return LeftOut(name, note="it has no values")
    column = Number.learn(name, values, **options)
    read = column.read(values)
    known = read[~np.isnan(read)]
    if is_one_number(known):
        return (
            LeftOut(name, note=f"all its values are {known[0]:g}")
            if not column.gaps
            else _only_gaps(name, values)
        )
    if not asked and _numbers_rows(known):
        return LeftOut(name, True, note="it numbers the rows")
    return column


def _only_gaps(name: str, values: Array) -> Column:
    """One number or date and gaps: a category of one value."""
    return Category.learn(name, values, 2)


def _numbers_rows(known: Array) -> bool:
    """Whether each value is a whole number, there once, and there is little room between them."""
    if len(known) < _ENOUGH or (known != np.floor(known)).any():
        return False
    return bool(np.ptp(known) < 2 * len(known) and len(np.unique(known)) == len(known))


def _date(name: str, values: Array, **options: Any) -> Column:
    column = Date.learn(name, values, **options)
    if column.parts:
        return column
    if column.gaps == len(values):
        return LeftOut(name, note="it has no values")
    return _only_gaps(name, values) if column.gaps else LeftOut(name, note="all its dates are the same")


def _category(name: str, values: Array, one_hot_up_to: int, asked: bool, note: str = "") -> Column:
    column = Category.learn(name, values, one_hot_up_to, note=note)
    texts = columns.texts_of(values)
    if len(column.values) < 2 and not (column.values and column.gaps):
        return LeftOut(
            name, note=f"all its values are {column.values[0]!r}" if column.values else "it has no values"
        )
    present = [text for text in texts if text is not None]
    once = 2 * len(column.values) - len(present)  # at least so many values stand in one row alone
    if not asked and len(present) >= _ENOUGH and once > len(column.values) / 2 and once > len(present) / 2:
        ids = len(column.values) == len(present) and max(map(len, present)) <= _LONGEST_ID
        once_said = "most of its values are there once, as of names or free text"
        return LeftOut(name, ids and not note, note=f"{once_said}; {note}" if note else once_said)
    return column
