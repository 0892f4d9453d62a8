"""``plot``: a picture of how good a saved model is on rows with their targets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import listed
from ..optional import require
from . import models, pictures
from .options import PICTURES, SUFFIXES
from .output import check_writable, say


def run(options: argparse.Namespace) -> int:
    """Load a model of either kind and rows, draw, save."""
    picture = options.output or options.model.with_suffix(".png")
    if picture.suffix not in SUFFIXES:
        raise ValueError(
            f"--output is {str(picture)!r}, expected a name that ends in one of {listed(SUFFIXES)}"
        )
    check_writable(picture, "--output")
    model = models.read(options.model)
    require("matplotlib", "plots")
    from .. import plots
    from ..plots.predictions import is_classifier

    kinds = PICTURES["classes" if is_classifier(model) else "numbers"]
    kind = options.kind or next(iter(kinds))
    if kind not in kinds:
        raise ValueError(f"--kind is {kind!r}, expected for MODEL one of {listed(kinds)}")
    X, y = _labelled(options, model)
    function = getattr(plots, kinds[kind])

    def into(ax: Any, path: Path) -> None:
        function(model, X, y, ax=ax, path=path)

    pictures.draw(picture, into)
    if not options.quiet:
        say(f"saved      {picture}")
    return 0


def _labelled(options: argparse.Namespace, model: Any) -> tuple[Any, Any]:
    if models.is_network(model):
        from .networks import evaluate as networks

        return networks.labelled(options, model)
    from .tables import evaluate as tables

    return tables.labelled(options, model)
