"""Handwritten digits with 784-16-16-10, sigmoid: the first layer's weights as pictures, the strongest output.

python examples/05_mnist_16_16.py [FOLDER] [--rows 60000] [--epochs 10] [--pictures FOLDER]

FOLDER holds the four IDX files of MNIST; without it the folder mnist inside $FASTMLP_DATA is taken.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from fastmlp import History, Network, Rescaling
from fastmlp.datasets import load_idx_folder
from fastmlp.optimizers import Adam


def build_network(seed: int = 0) -> Network:
    """784-16-16-10, sigmoid everywhere; it takes bytes from 0 to 255 and divides them itself."""
    layers = [784, Rescaling(1 / 255), 16, 16, 10]
    network = Network(layers, activation="sigmoid", output="sigmoid", initializer="glorot_normal", seed=seed)
    return network


def train(network: Network, X: np.ndarray, y: np.ndarray, epochs: int) -> History:
    """Each output learns to be 1 for its digit and 0 for the others."""
    network.compile(Adam(0.003), loss="binary_crossentropy")
    targets = np.eye(10)[y]
    return network.fit(X, targets, epochs=epochs, batch_size=32)


def accuracy(network: Network, X: np.ndarray, y: np.ndarray) -> float:
    """How often the strongest of the ten outputs is the digit."""
    return float(np.mean(network.predict(X).argmax(axis=1) == y))


def data_folder(argument: Path | None) -> Path:
    """The folder given, or mnist inside $FASTMLP_DATA."""
    if argument is not None:
        return argument
    if "FASTMLP_DATA" in os.environ:
        return Path(os.environ["FASTMLP_DATA"]) / "mnist"
    sys.exit(
        "no data: give the folder with the IDX files of MNIST, or set FASTMLP_DATA to the folder above it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument(
        "--rows", type=int, default=60000, help="training images to use (default %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=10, help="(default %(default)s)")
    parser.add_argument(
        "--pictures", type=Path, default=Path(), help="folder for pictures (default: this one)"
    )
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)

    X, y, X_test, y_test = load_idx_folder(data_folder(options.folder))
    if X_test is None or y_test is None:
        sys.exit("the folder has no test set")
    X, X_test = X.reshape(len(X), 784), X_test.reshape(len(X_test), 784)
    network = build_network()
    network.summary()
    print(f"before training: {accuracy(network, X_test, y_test):.2%} of the test images right")
    train(network, X[: options.rows], y[: options.rows], options.epochs)
    print(f"after {options.epochs} epochs: {accuracy(network, X_test, y_test):.2%}")

    outputs = network.predict(X_test[0])
    print(f"\nthe first test image is a {y_test[0]}; the outputs are")
    for digit, strength in enumerate(outputs):
        print(f"  {digit}  {strength:.3f} {'#' * round(40 * float(strength))}")
    print(f"the strongest is {outputs.argmax()}")

    from fastmlp.plots import plot_weights

    path = options.pictures / "mnist_weights.png"
    plot_weights(network, (28, 28), path=path)
    print(f"saved {path}")


if __name__ == "__main__":
    main()
