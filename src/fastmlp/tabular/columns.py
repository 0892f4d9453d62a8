"""What a column of a table is to a network, and how its cells are read."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import dates, frames, words
from .words import NumberFormat

Array = np.ndarray[Any, Any]
Cell = tuple[tuple[float, ...], tuple[float, ...], int | None]  # numbers, indicators, code


# pandas writes True, polars true, R and spreadsheets TRUE; what has gone through arithmetic is 1.
_BOOLEANS = {"true": ("True", "true", "TRUE", "1"), "false": ("False", "false", "FALSE", "0")}


class CellError(ValueError):
    """A cell that cannot be read as its column was read in training.

    Attributes
    ----------
    row : int
        Of the table, counted from 0.
    column : str
    text : object
        What stands there.
    expected : str
        What it is, and what should stand there.
    """

    def __init__(self, row: int, column: str, text: object, expected: str) -> None:
        self.row, self.column, self.text, self.expected = row, column, text, expected
        super().__init__(f"row {row}, column {column!r}: {text!r} is {expected}")


@dataclass(frozen=True)
class Column:
    """Base of all kinds: what was found out of one column when the table was learned.

    Attributes
    ----------
    name : str
    note : str
        What was guessed, or done, that the owner of the table may want to know.
    """

    name: str
    note: str = dataclasses.field(default="", kw_only=True)

    kind: ClassVar[str] = ""

    def numbers(self, values: Array) -> Array:
        """Those that are scaled: float64 of shape (rows, any), finite."""
        return np.empty((len(values), 0))

    def indicators(self, values: Array) -> Array:
        """Those that are used as they are: float64 of shape (rows, any)."""
        return np.empty((len(values), 0))

    def codes(self, values: Array) -> Array | None:
        """Whole numbers of shape (rows,) for an embedding, of `size` kinds; None without one."""
        return None

    def told(self, values: Array) -> Array:
        """What an exported model is told of it, float64 (rows,): a number, a code, a date's seconds."""
        raise NotImplementedError

    def cell(self, value: object) -> Cell:
        """Numbers, indicators and code of one value as people have it: those of the methods above."""
        values = frames.as_column(frames.listed([value]))
        codes = self.codes(values)
        told = (self.numbers(values), self.indicators(values))
        numbers, indicators = (tuple(part[0].tolist()) for part in told)
        return numbers, indicators, None if codes is None else int(codes[0])

    def _check_gaps(self, values: Array, expected: str) -> None:
        """CellError unless there is nothing in a column of another kind: without values it has any."""
        there = np.flatnonzero(values == values)
        if len(there):
            row = int(there[0])
            found = float(values[row]) if values.dtype.kind == "f" else str(values[row])
            raise CellError(row, self.name, found, expected)

    def number_names(self) -> list[str]:
        return []

    def indicator_names(self) -> list[str]:
        return []

    def became(self) -> str:
        """What the network sees of it, in words."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        return {"kind": self.kind, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class Number(Column):
    """A number; a gap becomes the median, and where there were gaps in training a column says so."""

    median: float
    gaps: int = 0
    format: NumberFormat = words.PLAIN

    kind: ClassVar[str] = "number"

    @classmethod
    def learn(cls, name: str, values: Array, **options: Any) -> Number:
        made = cls(name, 0.0, **options)
        read = made.read(values)
        missing = np.isnan(read)
        return dataclasses.replace(made, median=float(np.median(read[~missing])), gaps=int(missing.sum()))

    def read(self, values: Array) -> Array:
        """The numbers, NaN for gaps."""
        if values.dtype.kind == "O":
            values = self._parsed(values)
        elif values.dtype.kind != "f":
            self._check_gaps(values, "a date, expected a number as in training")
            return np.full(len(values), np.nan)
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            row = int(infinite[0])
            raise CellError(row, self.name, float(values[row]), "infinite, expected a finite number")
        return values

    def _parsed(self, values: Array) -> Array:
        texts = values.tolist()
        if self.format == words.PLAIN and None not in texts:
            plain = words.plain_numbers(texts)
            if plain is not None:  # no gap among them
                return plain
        read = np.full(len(values), np.nan)
        rows = [i for i, text in enumerate(values) if text is not None and not words.is_gap(text)]
        found = self.format.parse_all([values[i] for i in rows])
        if isinstance(found, list) and None in found:
            row = rows[found.index(None)]
            raise CellError(row, self.name, values[row], "no number, expected one as in training")
        read[rows] = found
        return read

    def told(self, values: Array) -> Array:
        return self.read(values)

    def numbers(self, values: Array) -> Array:
        read = self.read(values)
        return np.where(np.isnan(read), self.median, read)[:, None]

    def indicators(self, values: Array) -> Array:
        return (
            np.isnan(self.read(values)).astype(np.float64)[:, None]
            if self.gaps
            else super().indicators(values)
        )

    def cell(self, value: object) -> Cell:
        gap, number = value is None, None
        if type(value) is float:
            gap, number = value != value, value
        elif type(value) is int and abs(value) <= frames.EXACT:
            number = float(value)
        elif type(value) is str:
            gap, number = words.is_gap(value), self.format.parse(value)
        if gap:
            return (self.median,), (1.0,) if self.gaps else (), None
        if number is not None and math.isfinite(number):
            return (number,), (0.0,) if self.gaps else (), None
        return super().cell(value)

    def number_names(self) -> list[str]:
        return [self.name]

    def indicator_names(self) -> list[str]:
        return [f"{self.name} (gap)"] if self.gaps else []

    def became(self) -> str:
        if not self.gaps:
            return "a number"
        plural = "gap" if self.gaps == 1 else "gaps"
        return f"a number, its {self.gaps} {plural} the median {self.median:g}, and a column that says so"


@dataclass(frozen=True)
class Category(Column):
    """One of some words; code 0 is a gap or a word that training has not seen."""

    values: tuple[str, ...]
    gaps: int = 0
    one_hot: bool = True

    kind: ClassVar[str] = "category"

    @classmethod
    def learn(cls, name: str, values: Array, one_hot_up_to: int, **options: Any) -> Category:
        texts = texts_of(values)
        found = tuple(sorted(as_booleans({text for text in texts if text is not None}), key=natural))
        gaps = sum(text is None for text in texts)
        return cls(name, found, gaps, len(found) + 1 <= one_hot_up_to, **options)

    @property
    def size(self) -> int:
        """Kinds of codes, the gap's among them."""
        return len(self.values) + 1

    @functools.cached_property
    def known(self) -> dict[str | None, int]:
        """Code of each value; of booleans, however they are written where a program wrote them."""
        found: dict[str | None, int] = {value: i + 1 for i, value in enumerate(self.values)}
        if {value.lower() for value in self.values} <= _BOOLEANS.keys():
            for value, code in list(found.items()):
                for spelled in _BOOLEANS[str(value).lower()]:
                    found.setdefault(spelled, code)
        return found

    @functools.cached_property
    def indicators_of_codes(self) -> list[tuple[float, ...]]:
        """Of each code."""
        if not self.one_hot:
            return [()] * self.size
        if len(self.values) == 2:
            return [(0.0,), (1.0,), (-1.0,)]
        return [tuple(row) for row in np.eye(self.size)[:, 1:].tolist()]

    def _codes(self, values: Array) -> Array:
        return np.array([self.known.get(text, 0) for text in texts_of(values)], np.int64)

    def told(self, values: Array) -> Array:
        return self._codes(values).astype(np.float64)

    def cell(self, value: object) -> Cell:
        text = None
        if type(value) is str:
            text = value.strip()
        elif type(value) is bool or (type(value) is int and abs(value) <= frames.EXACT):
            text = str(value)
        elif type(value) is float:
            text = None if value != value else words.of_number(value)
        elif value is not None:
            return super().cell(value)
        code = self.known.get(text, 0)
        return (), self.indicators_of_codes[code], None if self.one_hot else code

    def codes(self, values: Array) -> Array | None:
        return None if self.one_hot else self._codes(values)

    def indicators(self, values: Array) -> Array:
        return np.array(self.indicators_of_codes)[self._codes(values)]

    def indicator_names(self) -> list[str]:
        if not self.one_hot:
            return []
        shown = self.values[:1] if len(self.values) == 2 else self.values
        return [f"{self.name} = {value}" for value in shown]

    def became(self) -> str:
        gaps = f", {self.gaps} gaps" if self.gaps else ""
        how = (
            "an embedding"
            if not self.one_hot
            else "one column, 1 or -1"
            if len(self.values) == 2
            else "a column each"
        )
        return f"a category of {len(self.values)} values{gaps}: {how}"


@dataclass(frozen=True)
class Date(Column):
    """A moment, told as the year and the cycles of season, weekday and hour."""

    parts: tuple[str, ...]
    fill: tuple[float, ...]  # for gaps, one for each number
    gaps: int = 0
    format: str | None = None  # None of columns that are dates already

    kind: ClassVar[str] = "date"

    @classmethod
    def learn(cls, name: str, values: Array, **options: Any) -> Date:
        made = cls(name, (), (), **options)
        moments = made.read(values)
        parts = tuple(dates.parts_of(moments))
        made = dataclasses.replace(made, parts=parts, gaps=int(np.isnat(moments).sum()))
        return dataclasses.replace(
            made, fill=tuple(float(each) for each in np.nanmedian(made._told(moments), axis=0))
        )

    def read(self, values: Array) -> Array:
        """The moments, NaT for gaps."""
        if values.dtype.kind == "M":
            return values
        read = np.full(len(values), np.datetime64("NaT", "us"), "datetime64[us]")
        if values.dtype.kind == "f":
            self._check_gaps(values, "a number, expected a date as in training")
            return read
        for i, text in enumerate(values):
            if text is None or words.is_gap(text):
                continue
            moment = self._moment(text)
            if moment is None:
                raise CellError(
                    i, self.name, text, f"no date, expected one as {self.format or 'in training'}"
                )
            read[i] = np.datetime64(moment, "us")
        return read

    def _moment(self, text: str) -> Any:
        forms = dates.date_formats([text]) if self.format is None else [self.format]
        return dates.parse(text, forms[0]) if forms else None

    def _told(self, moments: Array) -> Array:
        return np.column_stack(
            [np.empty((len(moments), 0)), *(dates.numbers(moments, part) for part in self.parts)]
        )

    def told(self, values: Array) -> Array:
        """Since 1970, without a zone."""
        seconds = self.read(values) - np.datetime64("1970-01-01", "us")
        return np.asarray(seconds / np.timedelta64(1, "s"))

    def numbers(self, values: Array) -> Array:
        told = self._told(self.read(values))
        return np.where(np.isnan(told), np.asarray(self.fill), told)

    def indicators(self, values: Array) -> Array:
        return (
            np.isnat(self.read(values)).astype(np.float64)[:, None]
            if self.gaps
            else super().indicators(values)
        )

    def cell(self, value: object) -> Cell:
        gap, moment = value is None, value
        if type(value) is str:
            gap = words.is_gap(value)
            moment = None if gap else self._moment(value.strip())
        if gap:
            return self.fill, (1.0,) if self.gaps else (), None
        if isinstance(moment, datetime.date) and moment == moment:  # which NaT is not
            if getattr(moment, "tzinfo", None) is None:
                return dates.numbers_of(moment, self.parts), (0.0,) if self.gaps else (), None
        return super().cell(value)

    def number_names(self) -> list[str]:
        return [name for part in self.parts for name in dates.PARTS[part].names(self.name)]

    def indicator_names(self) -> list[str]:
        return [f"{self.name} (gap)"] if self.gaps else []

    def became(self) -> str:
        gaps = f", {self.gaps} gaps" if self.gaps else ""
        return f"a date{gaps}: {', '.join(self.parts)}"


@dataclass(frozen=True)
class LeftOut(Column):
    """A column that the network does not see; `note` says why.

    Attributes
    ----------
    identifies : bool
        Whether each of its values names one row.
    """

    identifies: bool = False

    kind: ClassVar[str] = "left out"

    def became(self) -> str:
        return "left out"


KINDS: dict[str, type[Column]] = {cls.kind: cls for cls in (Number, Category, Date, LeftOut)}


def from_config(config: dict[str, Any]) -> Column:
    """What `Column.to_config` wrote."""
    options = dict(config)
    cls: Any = KINDS[options.pop("kind")]
    if cls is Number:
        options["format"] = NumberFormat(**options["format"])
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    return cls(**fields)


def texts_of(values: Array) -> list[str | None]:
    """Cells of any column as a category's words, None for gaps."""
    if values.dtype.kind == "O":
        return [None if text is None or words.is_gap(text) else text for text in values]
    if values.dtype.kind == "M":
        return [None if np.isnat(moment) else str(moment) for moment in values]
    return [None if value != value else words.of_number(value) for value in values.tolist()]


def as_booleans(found: set[str]) -> set[str]:
    """Values, of booleans that are spelled in several ways one for each.

    >>> sorted(as_booleans({"TRUE", "true", "False"})), sorted(as_booleans({"true", "no"}))
    (['False', 'True'], ['no', 'true'])
    """
    meant = {text.lower() for text in found}
    spelled = {each for value in meant & _BOOLEANS.keys() for each in _BOOLEANS[value][:3]}
    return {text.capitalize() for text in found} if len(meant) < len(found) and found <= spelled else found


def natural(text: str) -> tuple[int, float, str]:
    """Order of words: numbers by value, then the rest by letters."""
    number = words.PLAIN.parse(text)
    return (1, 0.0, text) if number is None else (0, number, text)
