"""Words that are numbers: "1,234.5", "3506,16", "$3", "35 %"; and those that say that there is nothing."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# What tables write for a gap, in small letters: all that pandas takes for one, UCI's, errors of spreadsheets
# and of C's printf, marks of statisticians.
GAPS = frozenset(
    {
        "", "?", "-", "--", ".", "..", "na", "n/a", "n.a.", "#na", "#n/a", "#n/a n/a", "nan", "-nan", "<na>",
        "null", "none", "nat", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "nan(ind)", "-nan(ind)",
        "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!",
    }
)  # fmt: skip

_SIGNS = "$\u00a3\u20ac\u00a5\u20a9\u20b9"
_MONEY = re.compile(rf"[{_SIGNS}]|USD|EUR|GBP|JPY|CHF|CNY|INR|KRW")
# As printers set numbers: a minus, spaces that do not break lines, an apostrophe.
_PLAINLY = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})
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
        """The number that a text is, None where it is none; of "35 %" 0.35, of "(12)" -12."""
        text = text.strip()
        if not text.isascii():
            text = text.translate(_PLAINLY)
        if text[:1] == "(" and text[-1:] == ")":  # as accountants write what is missing
            amount = self.parse(text[1:-1]) if text[1:2] not in ("(", "-", "+") else None
            return None if amount is None else -amount
        if text.lower().lstrip("+-") in ("inf", "infinity"):
            return float(text)
        sign = text[0] if text[:1] in ("-", "+") else ""  # before a currency, or after it
        bare = _without_money(text[len(sign) :].strip())
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


def _without_money(text: str) -> str:
    """An amount without the sign or the code of a currency, before it or after it."""
    if text[:1].isdigit() and text[-1:].isdigit():
        return text
    found = _MONEY.match(text)
    if found:
        return text[found.end() :].lstrip()
    found = _MONEY.search(text)
    return text[: found.start()].rstrip() if found and found.end() == len(text) else text


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
    told = [
        *_other_way(formats, texts, together)[:1],
        *_money(together),
        *_percents(formats[0], texts, together),
        *_in_parentheses(formats[0], texts, together),
    ]
    if not told and not formats[0].words():
        return ""
    return f"read as numbers{formats[0].words()}" + (f": {', '.join(told)}" if told else "")


def _other_way(formats: Sequence[NumberFormat], texts: Sequence[str], together: str) -> list[str]:
    """A number that another format reads otherwise."""
    for other in formats[1:]:
        for text in texts if _may_differ(formats[0], other, together) else ():
            read, also = formats[0].parse(text), other.parse(text)
            if read != also:
                return [f"{text!r} as {read:g}, which could also be {also:g}"]
    return []


def _money(together: str) -> list[str]:
    """Amounts of several currencies, between which nothing is converted."""
    signs = [] if _REAL.issuperset(together) else sorted(set(_MONEY.findall(together)))
    return [f"amounts in {' and '.join(signs)} as if they were of one currency"] if len(signs) > 1 else []


def _percents(form: NumberFormat, texts: Sequence[str], together: str) -> list[str]:
    """Shares beside numbers that may be hundreds of them; 0 is 0 both ways."""
    if "%" not in together:
        return []
    shares = [text for text in texts if "%" in text]
    others = [text for text in texts if "%" not in text and form.parse(text)]
    return [f"{text!r} as {form.parse(text):g}" for text in (*shares[:1], *others[:1])] if others else []


def _in_parentheses(form: NumberFormat, texts: Sequence[str], together: str) -> list[str]:
    """What is negative without a sign."""
    found = [text for text in texts if text.startswith("(")] if "(" in together else []
    return [f"{text!r} as {form.parse(text):g}" for text in found[:1]]


def of_number(value: float) -> str:
    """A number as the word that it is in a category: 3.0 is "3".

    >>> of_number(3.0), of_number(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if value == value and abs(value) < 2**63 and value == int(value) else repr(value)
