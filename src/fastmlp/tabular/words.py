"""Words that are numbers: "1,234.5", "3506,16", "$3", "35 %"; and those that say that there is nothing."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# What tables write for a gap, in small letters.
GAPS = frozenset({"", "?", "-", "na", "n/a", "#n/a", "nan", "<na>", "null", "none", "nat"})

_CURRENCIES = "$\u00a3\u20ac\u00a5\u20a9\u20b9"
_EXPONENT = r"(?:[eE][+-]?\d+)?"


@functools.lru_cache(maxsize=1 << 14)  # a column says the same few words over and over
def is_gap(text: str) -> bool:
    """Whether a cell's text says that there is nothing.

    >>> is_gap(" NA "), is_gap("0")
    (True, False)
    """
    return text.strip().lower() in GAPS


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written: with which decimal point, and what stands between thousands.

    Examples
    --------
    >>> NumberFormat(",", ".").parse("1.234,5 \u20ac")
    1234.5
    """

    decimal: str = "."
    thousands: str = ""

    def parse(self, text: str) -> float | None:
        """The number that a text is, None where it is none; of "35 %" 0.35."""
        text = text.strip()
        if text.lower().lstrip("+-") in ("inf", "infinity"):
            return float(text)
        sign = text[0] if text[:1] in ("-", "+") else ""  # before a currency, or after it
        bare = text[len(sign) :].strip(_CURRENCIES + " \u00a0")
        percent = bare.endswith("%")
        bare = bare.removesuffix("%").rstrip()
        if sign and bare[:1] in ("-", "+") or not _pattern(self.decimal, self.thousands).fullmatch(bare):
            return None
        plain = bare.replace(self.thousands, "") if self.thousands else bare
        value = float(sign + plain.replace(self.decimal, "."))
        return value / 100 if percent else value

    def reads(self, texts: Iterable[str]) -> bool:
        """Whether every text is a number."""
        return all(self.parse(text) is not None for text in texts)

    def parse_all(self, texts: Sequence[str]) -> list[float | None] | Array:
        """`parse` of each."""
        plain = plain_numbers(texts) if self == PLAIN else None
        return [self.parse(text) for text in texts] if plain is None else plain

    def words(self) -> str:
        point = "" if self.decimal == "." else " with decimal commas"
        return f"{point}{' and' if point and self.thousands else ''}" + (
            f" with {self.thousands!r} between thousands" if self.thousands else ""
        )


PLAIN = NumberFormat()
FORMATS = (
    PLAIN,
    NumberFormat(".", ","),
    NumberFormat(",", ""),
    NumberFormat(",", "."),
    NumberFormat(".", " "),
    NumberFormat(",", " "),
    NumberFormat(".", "'"),
)


def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    found = _PATTERNS.get((decimal, thousands))
    if found is None:
        point = re.escape(decimal)
        if thousands:
            whole = rf"[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+|\d+"  # 0,942 has no thousands
            text = rf"[+-]?(?:{whole})(?:{point}\d*)?"
        else:
            text = rf"[+-]?(?:\d+{point}?\d*|{point}\d+){_EXPONENT}"
        found = _PATTERNS[decimal, thousands] = re.compile(text)
    return found


_PATTERNS: dict[tuple[str, str], re.Pattern[str]] = {}


_WHOLE = frozenset("0123456789+-\n")
_REAL = _WHOLE | frozenset(".eE ")
_BARE_POINT = re.compile(r"(?:^|[+\-\n ])\.")


def plain_numbers(texts: Sequence[str]) -> Array | None:
    """What `PLAIN` makes of texts, much faster than one by one; None where one may be no number.

    >>> plain_numbers(["1.5", " -2e3"]).tolist(), plain_numbers(["1", "x"])
    ([1.5, -2000.0], None)
    """
    if not _REAL.issuperset("\n".join(texts)):  # float takes other letters too
        return None
    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        return None


def _reads_plain(form: NumberFormat, texts: Sequence[str], together: str) -> bool:
    """Whether a format reads numbers that `PLAIN` reads: with thousands neither 1e5 nor .5 are any."""
    if form == PLAIN or _WHOLE.issuperset(together):
        return True
    if form.decimal == ".":
        return "e" not in together.lower() and not _BARE_POINT.search(together)
    return form.reads(texts)


def _may_differ(one: NumberFormat, other: NumberFormat, together: str) -> bool:
    """Whether there is a mark that means something else to the other format."""
    marks = {one.decimal, one.thousands, other.decimal, other.thousands} - {""}
    roles = {mark: (mark == one.decimal, mark == one.thousands) for mark in marks}
    return any(
        mark in together and roles[mark] != (mark == other.decimal, mark == other.thousands) for mark in marks
    )


def number_formats(texts: Iterable[str]) -> list[NumberFormat]:
    """Those of `FORMATS` in which every text is a number, the likeliest first.

    Examples
    --------
    >>> number_formats(["1,234.5", "2"])
    [NumberFormat(decimal='.', thousands=',')]
    >>> number_formats(["12", "a lot"])
    []
    """
    texts = list(texts)
    if not texts:
        return []
    if plain_numbers(texts) is None:
        return [each for each in FORMATS if each.reads(texts)]
    together = "\n".join(texts)
    return [each for each in FORMATS if _reads_plain(each, texts, together)]


def how_read(formats: Sequence[NumberFormat], texts: Sequence[str]) -> str:
    """How the first of some formats reads texts, if not plainly, and what another would make of them.

    >>> how_read(number_formats(["1.234"]), ["1.234"])
    "read as numbers: '1.234' as 1.234, which could also be 1234"
    """
    together = "\n".join(texts)
    for other in formats[1:]:
        for text in texts if _may_differ(formats[0], other, together) else ():
            read, also = formats[0].parse(text), other.parse(text)
            if read != also:
                told = f"{text!r} as {read:g}, which could also be {also:g}"
                return f"read as numbers{formats[0].words()}: {told}"
    return f"read as numbers{formats[0].words()}" if formats[0].words() else ""


def of_number(value: float) -> str:
    """A number as the word that it is in a category: 3.0 is "3".

    >>> of_number(3.0), of_number(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if value == value and abs(value) < 2**63 and value == int(value) else repr(value)
