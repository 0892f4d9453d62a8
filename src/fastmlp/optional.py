"""Packages that some things need: imported when they are used, with a sentence where they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

_RELEASED = False  # whether an index has fastmlp; until then groups are installed from a clone


def install(groups: str) -> str:
    """The command that brings optional groups.

    >>> install("torch,safetensors")
    'pip install ".[torch,safetensors]" in a clone of fastmlp'
    """
    if _RELEASED:
        return f'pip install "fastmlp[{groups}]"'
    return f'pip install ".[{groups}]" in a clone of fastmlp'


def require(name: str, group: str) -> ModuleType:
    """The module of that name; ImportError says which optional group brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"{package} is not installed, expected it for this call: {install(group)}"
        ) from error
