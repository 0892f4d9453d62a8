"""Clothes of Fashion-MNIST with 784-100-10: labels, validation, dropout, four optimizers, softmax regression.

python examples/02_fashion_mnist.py [FOLDER] [--rows 20000] [--epochs 5] [--pictures FOLDER]

FOLDER holds the four IDX files of Fashion-MNIST (https://github.com/zalandoresearch/fashion-mnist);
without it the folder fashion_mnist inside $FASTMLP_DATA is taken.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastmlp import Dense, Dropout, History, Network
from fastmlp.datasets import load_idx_folder, one_hot, scale_images
from fastmlp.optimizers import SGD, Adagrad, Adam, RMSprop

NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
OPTIMIZERS = {"SGD": SGD(0.1), "Adagrad": Adagrad(0.02), "RMSprop": RMSprop(0.001), "Adam": Adam(0.001)}


class Images(NamedTuple):
    """Pixels from 0 to 1 of shape (rows, 784), labels of shape (rows,)."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load(folder: Path, rows: int | None) -> Images:
    """The first `rows` training images, and all test images."""
    X, y, X_test, y_test = load_idx_folder(folder)
    assert X_test is not None and y_test is not None, f"{folder} has no test set"
    return Images(scale_images(X[:rows]), y[:rows], scale_images(X_test), y_test)


def fit(
    data: Images, layers: list[Any], optimizer: Any, epochs: int, y: Any = None
) -> tuple[Network, History]:
    """Train on 80 % of the rows, watch the other 20 %."""
    network = Network(layers, output="softmax", seed=0)
    network.compile(optimizer, metrics=["accuracy"])
    history = network.fit(
        data.X, data.y if y is None else y, epochs=epochs, batch_size=32, validation_split=0.2
    )
    return network, history


def labels_both_ways(data: Images, epochs: int) -> list[float]:
    """The last loss with labels as whole numbers, and with the same labels as one-hot rows."""
    layers = [784, Dense(100, "relu"), 10]
    return [fit(data, layers, "adam", epochs, y)[1].history["loss"][-1] for y in (data.y, one_hot(data.y))]


def with_and_without_dropout(data: Images, epochs: int) -> dict[str, History]:
    """A network large enough to learn its rows by heart, plain and with half of its units dropped."""
    plain = [784, Dense(256, "relu"), Dense(256, "relu"), 10]
    dropped = [784, Dense(256, "relu"), Dropout(0.5), Dense(256, "relu"), Dropout(0.5), 10]
    return {
        "without dropout": fit(data, plain, "adam", epochs)[1],
        "dropout 0.5": fit(data, dropped, "adam", epochs)[1],
    }


def compare_optimizers(data: Images, epochs: int) -> dict[str, History]:
    """The same network and the same first weights under four optimizers."""
    return {
        name: fit(data, [784, Dense(100, "relu"), 10], optimizer, epochs)[1]
        for name, optimizer in OPTIMIZERS.items()
    }


def print_epochs(history: History) -> None:
    print("  epoch    loss  accuracy  val_loss  val_accuracy")
    for epoch, values in enumerate(zip(*(history.history[name] for name in COLUMNS), strict=True), 1):
        print("  {:>5}  {:.4f}    {:6.2%}    {:.4f}        {:6.2%}".format(epoch, *values))


COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")


def draw_dropout(runs: dict[str, History], path: Path) -> None:
    """Training and validation loss, one panel a network, on the same axes."""
    from matplotlib.figure import Figure

    from fastmlp.plots import plot_history

    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    for ax, (label, history) in zip(figure.subplots(1, 2, sharey=True), runs.items(), strict=True):
        plot_history(history, metrics=["loss"], ax=ax)
        ax.set_title(label, fontsize=11)
    figure.savefig(path)


def draw_optimizers(runs: dict[str, History], path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5.6, 3.8), dpi=150, layout="constrained")
    ax = figure.subplots()
    for label, history in runs.items():
        losses = history.history["val_loss"]
        ax.plot(range(1, len(losses) + 1), losses, marker="o", markersize=3.5, label=label)
    ax.set(xlabel="epoch", ylabel="validation loss")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#e4e7eb")
    ax.legend(frameon=False)
    figure.savefig(path)


def data_folder(argument: Path | None, name: str) -> Path:
    """The folder given, or the one of that name inside $FASTMLP_DATA."""
    if argument is not None:
        return argument
    if "FASTMLP_DATA" in os.environ:
        return Path(os.environ["FASTMLP_DATA"]) / name
    sys.exit(
        f"no data: give the folder with the IDX files of {name}, or set FASTMLP_DATA to the folder above it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument(
        "--rows", type=int, default=20000, help="training images to use (default %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=5, help="of each training (default %(default)s)")
    parser.add_argument(
        "--pictures", type=Path, default=Path(), help="folder for pictures (default: this one)"
    )
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    data = load(data_folder(options.folder, "fashion_mnist"), options.rows)
    from fastmlp.plots import plot_history

    print("784-100-10, relu, Adam")
    network, history = fit(data, [784, Dense(100, "relu"), 10], "adam", options.epochs)
    network.summary()
    print_epochs(history)
    scores = network.evaluate(data.X_test, data.y_test)
    print(f"  test set: loss {scores['loss']:.4f}, accuracy {scores['accuracy']:.2%}")
    for row, predicted in enumerate(network.predict_classes(data.X_test[:5])):
        print(f"  test image {row}: {NAMES[data.y_test[row]]}, predicted {NAMES[predicted]}")
    plot_history(history, title="784-100-10 on Fashion-MNIST", path=options.pictures / "fashion_history.png")

    whole, rows = labels_both_ways(data, 1)
    print(f"\nloss after one epoch: labels as whole numbers {whole:.6f}, as one-hot rows {rows:.6f}")

    print("\n784-256-256-10 and overfitting")
    runs = with_and_without_dropout(data, options.epochs * 2)
    for label, run in runs.items():
        loss, held = run.history["loss"][-1], run.history["val_loss"]
        print(f"  {label:16} loss {loss:.4f}, validation loss {held[-1]:.4f}, at best {min(held):.4f}")
    draw_dropout(runs, options.pictures / "fashion_dropout.png")

    print("\nfour optimizers, 784-100-10")
    runs = compare_optimizers(data, options.epochs)
    for label, run in runs.items():
        loss, right = run.history["loss"][-1], run.history["val_accuracy"][-1]
        print(f"  {label:8} loss {loss:.4f}, validation accuracy {right:.2%}")
    draw_optimizers(runs, options.pictures / "fashion_optimizers.png")

    network, history = fit(data, [784, 10], "adam", options.epochs)
    accuracy = network.evaluate(data.X_test, data.y_test)["accuracy"]
    print(f"\nsoftmax regression, 784-10: {network.num_parameters} parameters, test accuracy {accuracy:.2%}")
    print(f"saved fashion_history.png, fashion_dropout.png and fashion_optimizers.png in {options.pictures}")


if __name__ == "__main__":
    main()
