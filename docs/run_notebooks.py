"""Runs all notebooks of folders, each in an empty one: ``python docs/run_notebooks.py docs/auto_*``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient


def run(path: Path) -> None:
    """Raises CellExecutionError for a cell that fails, and RuntimeError for a file that is left behind."""
    book = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as empty:
        place = {"metadata": {"path": empty}}
        NotebookClient(book, timeout=300, kernel_name="python3", resources=place).execute()
        if left := os.listdir(empty):
            raise RuntimeError(f"{path.name} leaves {', '.join(left)}")


def main(folder: Path) -> None:
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no notebooks, expected the site to be built first")
    os.environ.pop("MPLBACKEND", None)  # a kernel has its own
    for path in paths:
        run(path)
        print(path.name, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        main(Path(name))
