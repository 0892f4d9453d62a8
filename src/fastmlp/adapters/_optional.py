"""Third parties, imported when they are first needed."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(name: str, group: str) -> ModuleType:
    """The module of that name; ImportError says which optional group brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f'{package} is not installed, expected it for this call: pip install "fastmlp[{group}]"'
        ) from error
