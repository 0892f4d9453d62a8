"""Words that are dates, and the numbers that a network is told of a date."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_DAYS = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d/%m/%y", "%m/%d/%y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f")
_HALF_DAYS = (" %I:%M %p", " %I:%M:%S %p")
_TIMES_ALONE = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
FORMATS = (*(f"{day}{time}" for time in (*_TIMES, *_HALF_DAYS) for day in _DAYS), *_TIMES_ALONE)
ISO = "ISO 8601"  # in place of a format: days, some of them with times, fractions and zones
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(?:Z|UTC|([+-]\d\d)(?::?(\d\d))?))?)?"
)
_DAY = 86_400_000_000  # microseconds
DAY_OF_TIMES = datetime.date(1900, 1, 1)  # strptime's, of times without a day


def parse(text: str, form: str) -> datetime.datetime | None:
    """The moment that a text is in `ISO` or a format of `datetime.strptime`, None where it is none.

    >>> str(parse("2024-07-01T12:30:00.25+02:00", ISO)), str(parse("7:05 PM", "%I:%M %p"))
    ('2024-07-01 10:30:00.250000', '1900-01-01 19:05:00')
    """
    if form == ISO:
        return _parse_iso(text.strip())
    text = text.strip().removesuffix("Z")
    try:
        if form == "%Y-%m-%d" and len(text) == 10 and text.isascii() and text[4] == text[7] == "-":
            return datetime.datetime.fromisoformat(text)  # in a tenth of the time
        return datetime.datetime.strptime(text, form)
    except ValueError:
        return None


def _parse_iso(text: str) -> datetime.datetime | None:
    """In universal time where there is a zone; digits beyond microseconds are cut off."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    *parts, fraction, hours, minutes = found.groups(default="0")
    try:
        year, month, day, hour, minute, second = map(int, parts)
        moment = datetime.datetime(year, month, day, hour, minute, second, int(f"{fraction[:6]:0<6}"))
        zone = datetime.timedelta(hours=int(hours), minutes=int(f"{hours[0]}{minutes}"))
        return moment - zone
    except (ValueError, OverflowError):
        return None


def date_formats(texts: Iterable[str]) -> list[str]:
    """Those of `FORMATS` in which every text is a date, the likeliest first; `ISO` where it is none of them.

    Examples
    --------
    >>> date_formats(["01/12/2017", "31/12/2017"])
    ['%d/%m/%Y']
    >>> date_formats(["01/12/2017", "02/12/2017"])
    ['%d/%m/%Y', '%m/%d/%Y']
    >>> date_formats(["2024-01-01 00:00:00+01:00", "2024-07-01 00:00:00+02:00"])
    ['ISO 8601']
    """
    texts = list(texts)
    if not texts:
        return []
    halves = texts[0].rstrip()[-1:] in ("M", "m")
    found = [form for form in FORMATS if form.endswith("%p") == halves]
    for text in texts:
        if not any(letter.isdigit() for letter in text):
            return []
        found = [form for form in found if parse(text, form) is not None]
        if not found:
            break
    return found or ([ISO] if all(parse(text, ISO) is not None for text in texts) else [])


@dataclass(frozen=True)
class Part:
    """One of the things that a date says: a number that grows, or a cycle as its cosine and sine."""

    name: str
    cyclic: bool

    def names(self, column: str) -> list[str]:
        return [f"{column} ({self.name}{end})" for end in ((", cos", ", sin") if self.cyclic else ("",))]


PARTS = {
    part.name: part
    for part in (Part("year", False), Part("season", True), Part("weekday", True), Part("hour", True))
}


def numbers(moments: Array, part: str) -> Array:
    """A part of dates.

    Parameters
    ----------
    moments : ndarray of datetime64, shape (rows,)
    part : {"year", "season", "weekday", "hour"}
        The year has the day of the year as its fraction; the others go round once a year, week or day.

    Returns
    -------
    ndarray of float64, shape (rows, 1), or (rows, 2) of the cosine and sine of a cycle
        NaN where the date is missing.
    """
    missing = np.isnat(moments)
    filled = np.where(missing, np.datetime64("2000-01-01", "us"), moments).astype("datetime64[us]")
    days = filled.astype("datetime64[D]")
    years = filled.astype("datetime64[Y]")
    in_year = (filled - years.astype("datetime64[us]")).astype(np.float64) / _length(years)
    if part == "year":
        found = (years.astype(np.int64) + 1970 + in_year)[:, None]
    else:
        in_day = (filled - days.astype("datetime64[us]")).astype(np.float64) / 86400e6
        since_monday = (days.astype(np.int64) + 3) % 7 + in_day  # 1970 began on a Thursday
        turn = 2 * np.pi * {"season": in_year, "weekday": since_monday / 7, "hour": in_day}[part]
        found = np.column_stack([np.cos(turn), np.sin(turn)])
    found[missing] = np.nan
    return found


def numbers_of(moment: datetime.date, parts: Iterable[str]) -> tuple[float, ...]:
    """`numbers` of one date or moment without a zone, all parts one after the other.

    >>> numbers_of(datetime.date(2024, 7, 1), ["year", "hour"])
    (2024.4972677595629, 1.0, 0.0)
    """
    since_midnight = _microseconds(moment)
    first = datetime.date(moment.year, 1, 1).toordinal()
    days = datetime.date(moment.year, 12, 31).toordinal() - first + 1
    in_year = ((moment.toordinal() - first) * _DAY + since_midnight) / (days * _DAY)
    found, turns = [], []
    for part in parts:
        if part == "year":
            found.append(moment.year + in_year)
        elif part == "season":
            turns.append(2 * np.pi * in_year)
        elif part == "weekday":
            turns.append(2 * np.pi * ((moment.weekday() + since_midnight / _DAY) / 7))
        else:
            turns.append(2 * np.pi * (since_midnight / _DAY))
    if turns:  # cycles stand behind the year; NumPy's cosines, which need not be those of C
        cosines, sines = np.cos(turns).tolist(), np.sin(turns).tolist()
        found += itertools.chain(*zip(cosines, sines, strict=True))
    return tuple(found)


def _microseconds(moment: datetime.date) -> int:
    """Since midnight."""
    if not isinstance(moment, datetime.datetime):
        return 0
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond


def _length(years: Array) -> Array:
    """Of each year in microseconds."""
    ends = (years + np.timedelta64(1, "Y")).astype("datetime64[us]")
    return np.asarray((ends - years.astype("datetime64[us]")).astype(np.float64))


def parts_of(moments: Array) -> list[str]:
    """The parts that tell the rows apart: no hour in dates without a time, no season within one month."""
    known = moments[~np.isnat(moments)]
    if not len(known):
        return []
    span = (known.max() - known.min()) / np.timedelta64(1, "D")
    at_midnight = (known == known.astype("datetime64[D]")).all()
    found = {"year": span >= 1, "season": span >= 60, "weekday": span >= 3, "hour": not at_midnight}
    return [name for name, there in found.items() if there]
