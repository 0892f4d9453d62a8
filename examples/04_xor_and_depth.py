"""XOR; gradients that vanish in deep sigmoid networks; a dead relu layer; stacked linear layers are one.

python examples/04_xor_and_depth.py [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fastmlp import Dense, Network, reference
from fastmlp.optimizers import SGD, Adam

XOR_X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_Y = np.array([0, 1, 1, 0])
DEPTH, WIDTH = 8, 32


def learn_xor(seed: int = 0) -> Network:
    """2-4-1, tanh then sigmoid, 1000 full-batch steps of Adam."""
    network = Network([2, Dense(4, "tanh"), Dense(1, "sigmoid")], seed=seed)
    network.compile(Adam(0.05))
    network.fit(XOR_X, XOR_Y, epochs=1000, batch_size=None, verbose=False)
    return network


def perceptron_on_xor() -> float:
    """What a network without a hidden layer reaches."""
    network = Network([2, Dense(1, "sigmoid")], seed=0)
    network.compile(SGD(0.5))
    network.fit(XOR_X, XOR_Y, epochs=1000, batch_size=None, verbose=False)
    return float(network.evaluate(XOR_X, XOR_Y)["accuracy"])


def gradient_norms(activation: str, initializer: str) -> list[float]:
    """The norm of dL/dW of each of eight hidden layers, first to last, before any training."""
    X = reference.normal_weights(5, 0, (256, WIDTH), 1.0)
    y = (X.sum(axis=1) > 0).astype(np.int64)
    layers = [WIDTH, *[Dense(WIDTH, activation, initializer=initializer)] * DEPTH, Dense(1, "sigmoid")]
    network = Network(layers, dtype="float64", seed=1)
    network.compile("sgd")
    _, gradients = network.gradients(X, y)
    return [float(np.linalg.norm(dW)) for dW, _ in gradients[:DEPTH]]


def dead_layer(activation: str) -> dict[str, float]:
    """A layer whose biases are so negative that no unit is ever positive, and 300 epochs of training it."""
    X = reference.normal_weights(7, 0, (200, 2), 1.0)
    y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
    network = Network([2, Dense(16, activation), Dense(1, "sigmoid")], dtype="float64", seed=2)
    W1, b1, W2, b2 = network.get_weights()
    network.set_weights([W1, b1 - 5, W2, b2])
    network.compile(Adam(0.05))
    _, [(dW1, _), _] = network.gradients(X, y)
    before, active = network.evaluate(X, y), np.mean(network.forward(X)[0] > 0)
    network.fit(X, y, epochs=300, verbose=False)
    after = network.evaluate(X, y)
    return {
        "active before": float(active),
        "active after": float(np.mean(network.forward(X)[0] > 0)),
        "first gradient norm": float(np.linalg.norm(dW1)),
        "loss before": before["loss"],
        "loss after": after["loss"],
        "accuracy after": after["accuracy"],
    }


def linear_stack() -> tuple[np.ndarray, np.ndarray]:
    """What 3-8-8-2 of identities predicts, and what the one layer does that its weights multiply to."""
    deep = Network([3, 8, 8, 2], activation="identity", dtype="float64", seed=4)
    deep.set_weights([array + 0.1 for array in deep.get_weights()])  # biases that are not zero
    W1, b1, W2, b2, W3, b3 = deep.get_weights()
    flat = Network([3, 2], dtype="float64")
    flat.set_weights([W1 @ W2 @ W3, (b1 @ W2 + b2) @ W3 + b3])
    X = reference.normal_weights(8, 0, (5, 3), 1.0)
    return deep.predict(X), flat.predict(X)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pictures", type=Path, default=Path(), help="folder for pictures (default: this one)"
    )
    folder = parser.parse_args().pictures
    folder.mkdir(parents=True, exist_ok=True)
    from fastmlp.plots import plot_decision_boundary, plot_gradient_norms

    network = learn_xor()
    print("XOR")
    for x, y, p in zip(XOR_X, XOR_Y, network.predict(XOR_X)[:, 0], strict=True):
        print(f"  {x} -> {p:.4f}, expected {y}")
    print(f"  without a hidden layer: accuracy {perceptron_on_xor():.0%}")
    plot_decision_boundary(network, XOR_X, XOR_Y, title="XOR, 2-4-1", path=folder / "xor_boundary.png")

    norms = {
        "sigmoid": gradient_norms("sigmoid", "glorot_uniform"),
        "relu": gradient_norms("relu", "he_uniform"),
    }
    print("\nnorm of each layer's weight gradient, eight hidden layers")
    print("  layer    sigmoid       relu")
    for layer, (first, second) in enumerate(zip(*norms.values(), strict=True), 1):
        print(f"  {layer:>5}  {first:.3e}  {second:.3e}")
    path = folder / "gradient_norms.png"
    plot_gradient_norms(norms, title="Gradients before training, by depth", path=path)

    print("\na layer with biases of -5, trained for 300 epochs")
    for activation in ("relu", "leaky_relu"):
        figures = "; ".join(f"{name} {value:.3g}" for name, value in dead_layer(activation).items())
        print(f"  {activation}: {figures}")

    deep, flat = linear_stack()
    print(f"\n3-8-8-2 without activations and one layer: largest difference {np.abs(deep - flat).max():.1e}")
    print(f"saved {folder / 'xor_boundary.png'} and {path}")


if __name__ == "__main__":
    main()
