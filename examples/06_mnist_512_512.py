"""784-512-512-10, relu, dropout 0.2: 98.5 % of MNIST's test digits, 90 % of Fashion-MNIST's test clothes.

python examples/06_mnist_512_512.py [FOLDER] [--data mnist|fashion_mnist] [--epochs N]

FOLDER holds the four IDX files; without it the folder mnist or fashion_mnist inside $FASTMLP_DATA is taken.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from fastmlp import Dense, Dropout, Network, Rescaling
from fastmlp.datasets import load_idx_folder
from fastmlp.optimizers import AdamW
from fastmlp.schedules import OneCycle

RECIPES = {"mnist": (10, 0.002), "fashion_mnist": (20, 0.001)}  # epochs, the highest learning rate
BATCH, DECAY, DROPOUT = 128, 0.01, 0.2


def images(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bytes of shape (rows, 784) and labels, of training and of the test."""
    X, y, X_test, y_test = load_idx_folder(folder)
    if X_test is None or y_test is None:
        sys.exit("the folder has no test set")
    return X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test


def build_network(
    rows: int, epochs: int, rate: float, seed: int = 0, widths: tuple[int, ...] = (512, 512)
) -> Network:
    """The network, to be trained on so many rows; it takes bytes from 0 to 255 and divides them itself."""
    hidden = [layer for width in widths for layer in (Dense(width, "relu"), Dropout(DROPOUT))]
    network = Network([784, Rescaling(1 / 255), *hidden, 10], output="softmax", seed=seed)
    steps = epochs * -(-rows // BATCH)
    network.compile(AdamW(OneCycle(rate, steps), weight_decay=DECAY))
    return network


def data_folder(argument: Path | None, name: str) -> Path:
    """The folder given, or the one of that name inside $FASTMLP_DATA."""
    if argument is not None:
        return argument
    if "FASTMLP_DATA" in os.environ:
        return Path(os.environ["FASTMLP_DATA"]) / name
    sys.exit(f"no data: give the folder with the IDX files of {name}, or set FASTMLP_DATA to the one above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--data", choices=list(RECIPES), default="mnist")
    parser.add_argument("--epochs", type=int, help="(default: 10 for mnist, 20 for fashion_mnist)")
    options = parser.parse_args()
    epochs, rate = RECIPES[options.data]
    epochs = options.epochs or epochs

    X, y, X_test, y_test = images(data_folder(options.folder, options.data))
    network = build_network(len(X), epochs, rate)
    network.summary()
    start = time.perf_counter()
    network.fit(X, y, epochs=epochs, batch_size=BATCH)
    seconds = time.perf_counter() - start
    accuracy = network.evaluate(X_test, y_test)["accuracy"]
    print(f"{accuracy:.2%} of the test images right after {epochs} epochs, {seconds:.1f} s")


if __name__ == "__main__":
    main()
