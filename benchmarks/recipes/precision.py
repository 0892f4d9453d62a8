"""Test accuracy by the precision of matrix products, over several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import examples

SEEDS = range(5)
PRECISIONS = ("highest", "high", "medium")
ASKED = {"high": 0.0005, "medium": 0.0015}  # how much the mean accuracy may differ from that of "highest"
WIDTHS = {"mnist": (512, 512), "fashion_mnist": (256, 128)}
script = examples.load("06_mnist_512_512")


def figures(folder: Path, name: str) -> dict[str, Any]:
    """The accuracies of each precision, one for each seed: the same start, order and dropout in all."""
    X, y, X_test, y_test = script.images(folder / name)

    def accuracy(seed: int, precision: str) -> float:
        net = script.build_network(len(X), *script.RECIPES[name], seed=seed, widths=WIDTHS[name])
        net.matmul_precision = precision
        epochs, _ = script.RECIPES[name]
        net.fit(X, y, epochs=epochs, batch_size=script.BATCH, verbose=False)
        return float(net.evaluate(X_test, y_test)["accuracy"])

    found = {each: [accuracy(seed, each) for seed in SEEDS] for each in PRECISIONS}
    return {"title": f"{name}, 784-{'-'.join(map(str, WIDTHS[name]))}-10", "accuracies": found}


def lines(found: dict[str, Any]) -> list[str]:
    """Rows of a table in Markdown: the mean, its standard error, and the mean difference from "highest"."""
    highest = np.array(found["accuracies"]["highest"])
    rows = []
    for precision, each in found["accuracies"].items():
        difference = np.array(each) - highest
        error = np.std(each, ddof=1) / len(each) ** 0.5
        asked = f"{difference.mean() * 100:+.3f} of {ASKED[precision] * 100:g}" if precision in ASKED else ""
        rows.append(f"| {found['title']}, {precision} | {np.mean(each):.3%} +- {error:.3%} | {asked} |")
    return rows
