"""``predict``: rows, a saved model, and what it makes of them."""

from __future__ import annotations

import argparse

from . import models
from . import options as given
from .networks import predict as networks
from .output import check_other, check_writable
from .streams import STREAM


def run(options: argparse.Namespace) -> int:
    """Load a model of either kind and rows, predict, write."""
    model = models.read(options.model)
    if options.output == STREAM:
        options.output = None
    if options.output is None and options.json:
        raise ValueError("--json is on standard output, expected a file for the predictions in --output")
    if options.output is not None:
        if options.output.suffix not in (".csv", ".npy"):
            raise ValueError(
                f"--output is {str(options.output)!r}, expected a name that ends in .csv or .npy"
            )
        check_writable(options.output, "--output")
        check_other(options.output, options.data, "DATA")
    if models.is_network(model):
        given.refuse(options, ("id",), "of tabular models, and MODEL is a network")
        return networks.run(options, model)
    from .tables import predict as tables

    return tables.run(options, model)
