"""A three-layer network computed by hand and by fastmlp, softmax, and pictures of activation functions.

python examples/01_forward_pass.py [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fastmlp import Dense, Network, functional

X = np.array([1.0, 0.5])
WEIGHTS = [
    np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]),
    np.array([0.1, 0.2, 0.3]),
    np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]),
    np.array([0.1, 0.2]),
    np.array([[0.1, 0.3], [0.2, 0.4]]),
    np.array([0.1, 0.2]),
]


def build_network() -> Network:
    """2-3-2-2 with the weights above: two sigmoid layers, then the identity."""
    network = Network([2, Dense(3, "sigmoid"), Dense(2, "sigmoid"), Dense(2, "identity")], dtype="float64")
    network.set_weights(WEIGHTS)
    return network


def forward_by_hand(x: np.ndarray) -> dict[str, np.ndarray]:
    """The same forward pass, one line of NumPy a step."""
    W1, b1, W2, b2, W3, b3 = WEIGHTS
    A1 = x @ W1 + b1
    Z1 = functional.sigmoid(A1)
    A2 = Z1 @ W2 + b2
    Z2 = functional.sigmoid(A2)
    return {"A1": A1, "Z1": Z1, "A2": A2, "Z2": Z2, "y": Z2 @ W3 + b3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pictures", type=Path, default=Path(), help="folder for pictures (default: this one)"
    )
    folder = parser.parse_args().pictures
    folder.mkdir(parents=True, exist_ok=True)

    network = build_network()
    network.summary()
    print("\nstep by step")
    for name, values in forward_by_hand(X).items():
        print(f"  {name} = {np.round(values, 8)}")
    print("each layer's outputs from network.forward(x)")
    for layer, values in enumerate(network.forward(X), 1):
        print(f"  layer {layer}: {np.round(values, 8)}")
    print(f"network.predict(x) = {np.round(network.predict(X), 8)}")

    z = np.array([0.3, 2.9, 4.0])
    print(f"\nsoftmax({z}) = {np.round(functional.softmax(z), 8)}")
    large = np.array([1010.0, 1000.0, 990.0])
    print(f"softmax({large}) = {functional.softmax(large)}: the row's maximum is subtracted first")

    from fastmlp.plots import plot_activations

    plot_activations(path=folder / "activations.png")
    print(f"\nsaved {folder / 'activations.png'}")


if __name__ == "__main__":
    main()
