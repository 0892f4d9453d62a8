"""Model files of both kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ModelFileError
from ..files import format
from ..network import Network, load


def read(path: Path) -> Any:
    """A `Network`, or the tabular estimator that a file says it is."""
    if path.suffix == ".npz" and _format(path) not in (None, format.FORMAT):
        from .. import tabular

        return tabular.load(path)
    return load(path)


def is_own(path: Path) -> bool:
    """Whether a file is one that this package wrote."""
    return _format(path) is not None


def is_network(model: Any) -> bool:
    """Whether a model takes arrays; else it takes tables."""
    return isinstance(model, Network)


def _format(path: Path) -> str | None:
    """What the header says; None where there is none, which `load` finds words for."""
    try:
        with format.opened(str(path)) as reader:
            found = json.loads(reader.header(format.MAX_HEADER_BYTES)).get("format")
    except ModelFileError:
        return None
    return found if isinstance(found, str) else None
