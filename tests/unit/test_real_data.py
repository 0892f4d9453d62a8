"""Training on real data: the accuracy that networks of these shapes are known to reach.

FASTMLP_DATA names a folder with california_housing, fashion_mnist, letter, mnist and tables; without it
nothing runs.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import Dropout, Network, Rescaling, Standardize, datasets, optimizers
from fastmlp.callbacks import EarlyStopping, ReduceLROnPlateau
from fastmlp.schedules import CosineDecay
from helpers import FMA_ISAS, assert_same_bits


def folder(data_dir, name):
    path = data_dir / name
    if not path.is_dir():
        pytest.skip(f"FASTMLP_DATA has no folder {name}")
    return path


def images(data_dir, name):
    """Training images as rows of bytes and their labels, and those of the test."""
    X, y, X_test, y_test = datasets.load_idx_folder(folder(data_dir, name))
    assert len(X) == 60000 and len(X_test) == 10000 and X.dtype == np.uint8
    return X.reshape(60000, 784), y, X_test.reshape(10000, 784), y_test


def test_mnist_in_two_epochs(data_dir):
    """And the bits of it on every instruction set, with one thread and with two."""
    X, y, X_test, y_test = images(data_dir, "mnist")
    results = []
    for isa, threads in [(FMA_ISAS[-1], 1), (FMA_ISAS[0], 2)]:
        net = Network([784, Rescaling(1 / 255), 100, 10], output="softmax", seed=0, isa=isa)
        net.compile("adam")
        history = net.fit(X, y, epochs=2, batch_size=64, threads=threads)
        assert history.history["accuracy"][1] > 0.95 > history.history["accuracy"][0] > 0.88
        results.append((net.get_weights(), net.evaluate(X_test, y_test)))
    assert_same_bits(results[1][0], results[0][0])
    assert results[0][1] == results[1][1] and results[0][1]["accuracy"] >= 0.955


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "epochs", "expected"),
    [
        ("mnist", ["--activation=sigmoid", "--optimizer=sgd", "--learning-rate=0.5"], 15, 0.975),
        ("fashion_mnist", ["--activation=relu"], 12, 0.875),
    ],
)
def test_the_published_accuracy_from_the_command_line(data_dir, tmp_path, name, options, epochs, expected):
    """One hidden layer of 100: 0.972 and 0.871 for scikit-learn's (arXiv:1708.07747)."""
    command = [
        sys.executable,
        "-m",
        "fastmlp",
        "train",
        "--data",
        folder(data_dir, name),
        "--layers=100",
        *options,
    ]
    command += [f"--epochs={epochs}", f"--output={tmp_path / 'net.npz'}", "--no-plot", "--quiet"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    net = fastmlp.load(tmp_path / "net.npz")
    assert net.layer_sizes == (784, 100, 10) and net.num_parameters == 79510
    net.compile()
    _, _, X_test, y_test = images(data_dir, name)
    accuracy = net.evaluate(X_test, y_test)["accuracy"]
    assert expected <= accuracy < 1
    assert np.mean(net.predict_classes(X_test) == y_test) == accuracy


def test_dropout_helps_against_overfitting(data_dir):
    """A wide network on few images learns them by heart; dropout keeps its held-out loss lower."""
    X, y, X_test, y_test = images(data_dir, "fashion_mnist")
    X, y, results = X[:2000], y[:2000], []
    for rate in (0.0, 0.5):
        net = Network([784, Rescaling(1 / 255), 256, Dropout(rate), 10], output="softmax", seed=0)
        net.compile("adam")
        net.fit(X, y, epochs=40)
        results.append((net.evaluate(X, y)["loss"], net.evaluate(X_test, y_test)["loss"]))
    (bare_train, bare_test), (train, test) = results
    assert bare_train < train < test < bare_test - 0.05


def test_letters(data_dir):
    """The usual split, first 16000 and last 4000 of 26 classes; chance is 0.04."""
    table = np.loadtxt(folder(data_dir, "letter") / "letter-recognition.data", dtype=str, delimiter=",")
    letters, columns = table[:, 0], table[:, 1:].astype(np.float32)
    assert columns.shape == (20000, 16) and "".join(np.unique(letters)) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    X, y = columns[:16000], letters[:16000]
    net = Network([16, Standardize.adapt(X), 128, 26], output="softmax", seed=0)
    net.compile(optimizers.Adam(CosineDecay(0.01, steps=20 * 500)))
    net.fit(X, y, epochs=20)
    assert net.evaluate(columns[16000:], letters[16000:])["accuracy"] >= 0.95


def test_california_housing(data_dir):
    """Regression of a price's logarithm, with a falling rate, stopped early; a plane explains 0.63 of it."""
    text = (folder(data_dir, "california_housing") / "cal.housing.arff").read_text()
    table = np.array([line.split(",") for line in text.split("@data")[1].split()], float)
    assert table.shape == (20640, 9)
    X, prices = table[:, :8], np.log(table[:, 8])
    X, X_test, y, y_test = datasets.train_test_split(X, prices, test_size=0.2, seed=0)
    center, spread = y.mean(), y.std()
    net = Network([8, Standardize.adapt(X), 64, 64, 1], activation="silu", seed=0)
    net.compile(optimizers.AdamW(0.003), metrics=["mae"])
    reduce, stop = (
        ReduceLROnPlateau(factor=0.3, patience=4),
        EarlyStopping(patience=10, restore_best_weights=True),
    )
    y_scaled = (y - center) / spread
    history = net.fit(X, y_scaled, epochs=60, batch_size=64, validation_split=0.2, callbacks=[reduce, stop])
    best = min(history.history["val_loss"])
    held_out = len(X) - int(len(X) * 0.8)
    assert net.evaluate(X[-held_out:], y_scaled[-held_out:])["loss"] == best < 0.25
    assert history.history["learning_rate"][-1] < 0.003
    explained = 1 - np.mean((net.predict(X_test)[:, 0] * spread + center - y_test) ** 2) / y_test.var()
    assert 0.78 < explained < 0.9


def example(name):
    """A script of examples/, not run."""
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_ensemble_is_better_calibrated_than_each_of_its_members(data_dir):
    """Minus the log likelihood of held-out prices, of normal distributions and of their mixture."""
    script = example("07_deep_ensemble")
    houses = script.load(folder(data_dir, "california_housing") / "cal.housing.arff")
    networks = script.train(houses.X, houses.y, members=5, epochs=20)
    outputs = [net.predict(houses.X_test) for net in networks]
    members, ensemble = script.negative_log_likelihoods(outputs, houses.y_test)
    assert len(members) == 5 and ensemble < min(members) and ensemble < 0.7
    for net, value in zip(networks, members, strict=True):
        loss = net.evaluate(houses.X_test, houses.y_test)["loss"]  # which leaves the constant out
        assert value == pytest.approx(loss + np.log(2 * np.pi) / 2, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), [("mnist", 0.985), ("fashion_mnist", 0.9)])
def test_the_recipe_of_two_layers_of_512(data_dir, name, expected):
    script = example("06_mnist_512_512")
    X, y, X_test, y_test = script.images(folder(data_dir, name))
    epochs, rate = script.RECIPES[name]
    net = script.build_network(len(X), epochs, rate)
    net.fit(X, y, epochs=epochs, batch_size=script.BATCH)
    assert net.evaluate(X_test, y_test)["accuracy"] >= expected


@pytest.mark.slow
def test_trees_are_better_on_rules_and_not_on_bikes(data_dir):
    """Hired in an hour: what grows and falls smoothly, by night, weather and season."""
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    script = example("08_tables_and_trees")
    bikes = script.read(folder(data_dir, "tables") / "raw" / "seoul-bike.csv", "Rented Bike Count")
    (ours, _), (theirs, _) = script.compare(bikes, splits=1)
    assert ours < 0.9 * theirs
    (ours, _), (theirs, _) = script.compare(script.rules(), splits=1)
    assert theirs < ours < 0.1
