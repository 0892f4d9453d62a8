"""``info``: how fastmlp runs here, or what a saved network is."""

from __future__ import annotations

import argparse

from ..config import show_config
from ..errors import listed
from ..network import load
from .output import say


def run(options: argparse.Namespace) -> int:
    """The configuration, or a network's summary."""
    if options.model is None:
        show_config()
        return 0
    network = load(options.model)
    say(f"{options.model}: {network.dtype}, seed {network.seed}, runs on {network.isa} here")
    if network.classes is not None:
        print(f"classes: {listed(map(str, network.classes.tolist()))}")
    print()
    network.summary()
    return 0
