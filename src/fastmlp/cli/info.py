"""``info``: how fastmlp runs here, or what a saved network is."""

from __future__ import annotations

import argparse

from ..config import show_config
from ..errors import listed
from ..files.format import load
from ..network import Network
from .output import say


def run(options: argparse.Namespace) -> int:
    """The configuration, or a network's summary."""
    if options.model is None:
        show_config()
        return 0
    network, classes = load(options.model, Network)
    say(f"{options.model}: {network.dtype}, seed {network.seed}, runs on {network.isa} here")
    if classes is not None:
        print(f"classes: {listed(classes)}")
    print()
    network.summary()
    return 0
