"""``-`` in place of a file: standard input."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STREAM = Path("-")
NAME = "standard input"  # in notes and errors


@contextmanager
def standard_input(options: argparse.Namespace) -> Iterator[None]:
    """While it is entered, the option that names the data as ``-`` names a copy of standard input.

    Readers look at a file's first bytes and read it more than once, which a pipe does not let them.
    """
    named = [name for name in ("path", "data") if getattr(options, name, None) == STREAM]
    if not named:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / NAME
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        for name in named:
            setattr(options, name, copy)
        yield
