"""``info``: how fastmlp runs here, or what a saved model is."""

from __future__ import annotations

import argparse
from typing import Any

from ..config import configuration, show_config
from ..errors import listed
from ..files import format
from . import models
from .output import say, table


def run(options: argparse.Namespace) -> int:
    """The configuration, a network's summary, or what a tabular model makes of columns."""
    if options.model is None:
        options.found.update(configuration())
        show_config()
        return 0
    model = models.read(options.model)
    if models.is_network(model):
        parameters = sum(each.size for each in model.get_weights())
        options.found.update(
            kind="Network", parameters=parameters, classes=model.classes, **format.described(model)
        )
        say(f"{options.model}: {model.dtype}, seed {model.seed}, runs on {model.isa} here")
        if options.quiet:
            return 0
        if model.classes is not None:
            of_heads = model.classes.items() if model.heads else [("", model.classes)]
            for head, classes in of_heads:
                print(f"classes{head and ' of ' + head}: {listed(map(str, classes.tolist()))}")
        print()
        model.summary()
    else:
        _show_tabular(options, model)
    return 0


def _show_tabular(options: argparse.Namespace, model: Any) -> None:
    members = model.ensemble_.members
    noun = "network" if len(members) == 1 else "networks"
    say(f"{options.model}: {type(model).__name__}, recipe {model.recipe}, {len(members)} {noun}")
    report = model.ensemble_.encoder.report()
    options.found.update(
        kind=type(model).__name__,
        recipe=model.recipe,
        networks=len(members),
        target=model.metadata_.get("targets"),
        classes=getattr(model, "classes_", None),
        columns=report,
    )
    if options.quiet:
        return
    say(f"target: {listed(map(str, model.metadata_.get('targets', ['not named'])))}")
    if hasattr(model, "classes_"):
        say(f"classes: {listed(map(str, model.classes_.tolist()))}")
    lines = [(each["column"], each["became"], each["note"]) for each in report]
    print("", *table(("column", "became", "note"), lines, left=True), sep="\n")
