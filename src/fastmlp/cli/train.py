"""``train``: a table becomes a tabular estimator, arrays and images a network."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import options as given
from .networks import train as networks
from .output import check_other, check_writable


def run(options: argparse.Namespace) -> int:
    """Train on what PATH or --data names; the exit status."""
    if options.path is not None and options.data is not None:
        raise ValueError(f"--data is '{options.data}' beside '{options.path}', expected one of them")
    options.data = options.path or options.data
    model, picture = _output_paths(options)
    if is_table(options.data):
        given.refuse(options, given.NETWORK_ONLY, "of networks, and --data is a table")
        from .tables import train as tables

        return tables.run(options, model, picture)
    given.refuse(options, given.TABLE_ONLY, "of tables, and --data is none")
    if options.resume is not None:
        given.refuse(options, (*given.OF_NETWORK, "cv"), "of new networks, and --resume names one")
    return networks.run(given.for_network(options), model, picture)


def is_table(path: Path | None) -> bool:
    """Whether a path is neither a folder of images nor a file of arrays; without one there are the digits."""
    return path is not None and path.suffix != ".npz" and not path.is_dir()


def _output_paths(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """Where the model and the picture go; a place that cannot be written is refused before any work."""
    model = options.output or Path("digits.npz" if options.data is None else "model.npz")
    if model.suffix != ".npz":
        raise ValueError(f"--output is {str(model)!r}, expected a name that ends in .npz")
    picture = None if options.no_plot else options.plot or model.with_suffix(".png")
    for path in filter(None, (model, picture)):
        check_writable(path, "--output or --plot")
    if options.checkpoint is not None:
        check_writable(options.checkpoint, "--checkpoint")
    check_other(model, options.data, "--data")
    return model, picture
