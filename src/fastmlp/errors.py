"""Exceptions of our own, and the wording that several modules share."""

from __future__ import annotations

from collections.abc import Iterable


class NotCompiledError(RuntimeError):
    """A network is asked to train or evaluate before `Network.compile` was called."""


class BusyError(RuntimeError):
    """A network is asked to change while another call, usually `Network.fit`, is changing it."""


class ModelFileError(ValueError):
    """A file is not a model, is damaged, or was written by a newer version."""


def printable(text: str) -> str:
    r"""The text with escapes in place of the characters that a terminal would obey rather than show.

    >>> print(printable("red \x1b[31m"))
    red \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object) -> str:
    """A value as it stands in a message: short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def said(error: Exception) -> str:
    """What an error says of a file's content, as it can stand in a message: one line, short and printable.

    >>> said(KeyError("a" * 1000)) == "'" + "a" * 299
    True
    """
    return printable(" ".join(str(error).split()))[:300] or type(error).__name__


def listed(names: Iterable[str]) -> str:
    """The names, of a registry or a file, as they stand in a sentence."""
    return ", ".join(map(printable, names))


def unknown(argument: str, value: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is not in a registry; it lists those that are."""
    return ValueError(f"unknown {argument} {shown(value)}, expected one of {listed(known)}")
