"""``tune``: train on a table with the parameters that do best of several."""

from __future__ import annotations

import argparse

from . import train


def run(options: argparse.Namespace) -> int:
    """As `train.run`, of a table alone."""
    data = options.path or options.data
    if not train.is_table(data):
        raise ValueError(f"PATH is {'missing' if data is None else repr(str(data))}, expected a table")
    return train.run(options)
