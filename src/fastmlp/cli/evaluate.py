"""``evaluate``: rows with their targets, a saved model, and how good it is on them."""

from __future__ import annotations

import argparse

from . import models
from .output import complain, say

WHOSE = "these rows"


def run(options: argparse.Namespace) -> int:
    """Load a model of either kind and rows, predict, compare."""
    model = models.read(options.model)
    if models.is_network(model):
        from .networks import evaluate as networks

        report = networks.report(options, model, WHOSE)
    else:
        from .tables import evaluate as tables

        report = tables.report(options, model, WHOSE)
    options.found.update(report.values())
    say(f"evaluated  {report.summary}")
    if not options.quiet:
        print("", *report.lines(), sep="\n")
    if not report.better:
        complain(options, "warning: these rows do not show that the model is better than the baseline", 0)
    return 0
