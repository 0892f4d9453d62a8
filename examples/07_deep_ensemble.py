"""Prices of houses in California with what is not known of them: a deep ensemble with Gaussian likelihood.

python examples/07_deep_ensemble.py [FILE] [--members 5] [--epochs 40]

FILE is cal.housing.arff of the StatLib repository; without it california_housing/cal.housing.arff inside
$FASTMLP_DATA is taken.  Each network predicts a mean and a variance for a row (Nix and Weigend 1994), and the
ensemble is the mixture of their normal distributions (Lakshminarayanan et al., arXiv:1612.01474).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastmlp import Dense, Fleet, Network, Standardize
from fastmlp.losses import GaussianNLL
from fastmlp.optimizers import Adam

HIDDEN, BATCH, RATE = 50, 100, 0.01


class Houses(NamedTuple):
    """Rows of 8 columns, and median prices in 100,000 dollars; every fifth row, of a shuffle, is held out."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load(path: Path) -> Houses:
    lines = path.read_text().split("@data", 1)[1].split("\n")
    table = np.array([[float(word) for word in line.split(",")] for line in lines if line.strip()])
    table = np.random.default_rng(0).permutation(table)
    X, y = table[:, :8].astype(np.float32), (table[:, 8] / 1e5).astype(np.float32)
    held_out = np.arange(len(X)) % 5 == 0
    return Houses(X[~held_out], y[~held_out], X[held_out], y[held_out])


def build_network(X: np.ndarray, seed: int) -> Network:
    """8-50-2: a mean, and the logarithm of a variance."""
    network = Network([8, Standardize.adapt(X), Dense(HIDDEN, "relu"), 2], seed=seed)
    network.compile(Adam(RATE), GaussianNLL(), standardize_targets=True)
    return network


def train(X: np.ndarray, y: np.ndarray, members: int, epochs: int) -> Fleet:
    """Networks that differ in their first weights and in the order of their rows."""
    networks = Fleet(build_network(X, seed) for seed in range(members))
    networks.fit(X, y, epochs=epochs, batch_size=BATCH)
    return networks


def log_density(outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log p(y) of each row, of outputs (rows, 2)."""
    mean, log_variance = outputs.astype(np.float64).T
    return -0.5 * (np.log(2 * np.pi) + log_variance + (y - mean) ** 2 / np.exp(log_variance))


def negative_log_likelihoods(outputs: list[np.ndarray], y: np.ndarray) -> tuple[list[float], float]:
    """The mean of -log p(y): of every member, and of their mixture."""
    densities = np.stack([log_density(each, y) for each in outputs])
    mixture = np.logaddexp.reduce(densities, axis=0) - np.log(len(densities))
    return (-densities.mean(axis=1)).tolist(), float(-mixture.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--members", type=int, default=5, help="(default %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="(default %(default)s)")
    options = parser.parse_args()
    path = options.file
    if path is None:
        if "FASTMLP_DATA" not in os.environ:
            sys.exit("no data: give cal.housing.arff, or set FASTMLP_DATA to the folder above its own")
        path = Path(os.environ["FASTMLP_DATA"]) / "california_housing" / "cal.housing.arff"
    houses = load(path)

    start = time.perf_counter()
    networks = train(houses.X, houses.y, options.members, options.epochs)
    print(f"{len(networks)} networks of {len(houses.X)} rows in {time.perf_counter() - start:.1f} s")

    outputs = networks.predict_each(houses.X_test)
    members, ensemble = negative_log_likelihoods(outputs, houses.y_test)
    print("negative log likelihood of the held-out rows, less is better")
    for number, value in enumerate(members, 1):
        print(f"  network {number}  {value:.3f}")
    print(f"  ensemble   {ensemble:.3f}")


if __name__ == "__main__":
    main()
