"""Exceptions of our own, and the wording that several modules share."""

from __future__ import annotations

from collections.abc import Iterable


class NotCompiledError(RuntimeError):
    """A network is asked to train or evaluate before `Network.compile` was called."""


class BusyError(RuntimeError):
    """A network is asked to change while another call, usually `Network.fit`, is changing it."""


class ModelFileError(ValueError):
    """A file is not a model, is damaged, or was written by a newer version."""


def listed(names: Iterable[str]) -> str:
    """The names as they stand in a sentence."""
    return ", ".join(names)


def unknown(argument: str, value: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is not in a registry; it lists those that are."""
    return ValueError(f"unknown {argument} {value!r}, expected one of {listed(known)}")
