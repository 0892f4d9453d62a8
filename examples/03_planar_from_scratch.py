"""Two classes that no line separates: 2-4-1, 10000 full-batch steps, and one step written out in NumPy.

python examples/03_planar_from_scratch.py [--steps 10000] [--pictures FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fastmlp import Dense, Network, reference
from fastmlp.optimizers import SGD

LEARNING_RATE = 1.2


def flower(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """400 points of the plane on the petals of a flower, the two classes in turns: X (400, 2), y (400, 1)."""
    noise = reference.normal_weights(seed, 0, (400, 2), 0.2)
    angle = np.concatenate([np.linspace(0, 3.12, 200), np.linspace(3.12, 6.24, 200)]) + noise[:, 0]
    radius = 4 * np.sin(4 * angle) + noise[:, 1]
    X = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return X, np.repeat([0, 1], 200)[:, None]


def build_network(seed: int = 3) -> Network:
    """2-4-1, tanh then sigmoid; weights randn * 0.001, biases zero."""
    layers = [2, Dense(4, "tanh"), Dense(1, "sigmoid")]
    network = Network(layers, dtype="float64", initializer=("normal", 0.001), seed=seed)
    network.compile(SGD(LEARNING_RATE), loss="binary_crossentropy")
    return network


def step_by_hand(X: np.ndarray, y: np.ndarray, weights: list[np.ndarray]) -> dict[str, np.ndarray]:
    """One forward and one backward pass by the written formulas; m rows."""
    W1, b1, W2, b2 = weights
    m = len(X)
    Z1 = X @ W1 + b1
    A1 = np.tanh(Z1)
    Z2 = A1 @ W2 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    cost = -np.mean(y * np.log(A2) + (1 - y) * np.log(1 - A2))
    dZ2 = A2 - y
    dW2 = A1.T @ dZ2 / m
    db2 = dZ2.sum(axis=0) / m
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    dW1 = X.T @ dZ1 / m
    db1 = dZ1.sum(axis=0) / m
    return {
        "A1": A1, "A2": A2, "cost": np.asarray(cost),
        "dZ2": dZ2, "dW2": dW2, "db2": db2, "dZ1": dZ1, "dW1": dW1, "db1": db1,
    }  # fmt: skip


def step_by_network(network: Network, X: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """The same intermediates from the engine.

    A layer's dZ is the gradient of its input when the layers before it are cut off and its own input is Z:
    here one row's dZ is read from the bias gradients of that row alone.
    """
    A1, A2 = network.forward(X)
    cost, [(dW1, db1), (dW2, db2)] = network.gradients(X, y)
    rows = [network.gradients(X[i : i + 1], y[i : i + 1])[1] for i in range(len(X))]
    dZ1 = np.array([gradients[0][1] for gradients in rows])
    dZ2 = np.array([gradients[1][1] for gradients in rows])
    return {
        "A1": A1, "A2": A2, "cost": np.asarray(cost),
        "dZ2": dZ2, "dW2": dW2, "db2": db2, "dZ1": dZ1, "dW1": dW1, "db1": db1,
    }  # fmt: skip


def train(network: Network, X: np.ndarray, y: np.ndarray, steps: int = 10000) -> list[float]:
    """Full-batch gradient descent; prints and returns the cost at the start and after every 1000 steps."""
    costs = [network.evaluate(X, y)["loss"]]
    print(f"cost after {0:>5} steps: {costs[0]:.6f}")
    for done in range(0, steps, 1000):
        network.fit(X, y, epochs=min(1000, steps - done), batch_size=None, verbose=False)
        costs.append(network.evaluate(X, y)["loss"])
        print(f"cost after {min(done + 1000, steps):>5} steps: {costs[-1]:.6f}")
    return costs


def line_accuracy(X: np.ndarray, y: np.ndarray) -> float:
    """What logistic regression, a straight line, reaches on the same points."""
    line = Network([2, Dense(1, "sigmoid")], dtype="float64", seed=0)
    line.compile(SGD(0.5))
    line.fit(X, y, epochs=1000, batch_size=None, verbose=False)
    return float(line.evaluate(X, y)["accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10000, help="full-batch steps (default %(default)s)")
    parser.add_argument(
        "--pictures", type=Path, default=Path(), help="folder for pictures (default: this one)"
    )
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)

    X, y = flower()
    network = build_network()
    by_hand, by_network = step_by_hand(X, y, network.get_weights()), step_by_network(network, X, y)
    print("one step, formulas against engine: largest difference")
    for name, value in by_hand.items():
        print(f"  {name:4} {np.abs(value - by_network[name]).max():.1e}")

    train(network, X, y, options.steps)
    accuracy = float(np.mean(network.predict_classes(X) == y[:, 0]))
    print(f"accuracy at the threshold 0.5: {accuracy:.2%}; a straight line reaches {line_accuracy(X, y):.2%}")

    from fastmlp.plots import plot_decision_boundary

    path = options.pictures / "planar_boundary.png"
    plot_decision_boundary(network, X, y, title=f"2-4-1, tanh and sigmoid: {accuracy:.1%} right", path=path)
    print(f"saved {path}")


if __name__ == "__main__":
    main()
