"""``completion``: a script by which a shell completes commands, options and their values; shtab writes it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ..optional import require
from .options import build_parser


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    shtab = require("shtab", "completion")
    parser = build_parser("fastmlp")
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of all commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
