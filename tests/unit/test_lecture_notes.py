"""The five cases of the lecture notes: the figures they give, and that the example scripts run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fastmlp import Dense, Network, functional, reference
from interpreters import PICTURES, interpret_script

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@cache
def example(name: str) -> ModuleType:
    (path,) = EXAMPLES.glob(f"{name}_*.py")
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real_data(name: str) -> Path:
    if "FASTMLP_DATA" not in os.environ:
        pytest.skip("FASTMLP_DATA is not set: it names the folder with the real data sets")
    folder = Path(os.environ["FASTMLP_DATA"]) / name
    if not folder.is_dir():
        pytest.skip(f"FASTMLP_DATA has no folder {name}")
    return folder


def summary(network: Network) -> str:
    lines: list[str] = []
    network.summary(lines.append)
    return "\n".join(lines)


# The notes print eight digits.
PRINTED = 5e-9


# ---- 1: a three-layer forward pass ----


@pytest.mark.parametrize("dtype, tolerance", [("float64", PRINTED), ("float32", 2e-7)])
def test_forward_pass(dtype, tolerance):
    module = example("01")
    network = Network([2, Dense(3, "sigmoid"), Dense(2, "sigmoid"), Dense(2, "identity")], dtype=dtype)
    network.set_weights(module.WEIGHTS)
    Z1, _, y = network.forward(module.X)
    A1 = functional.dense(module.X, network.weights[0], network.biases[0])
    for got, expected in [
        (A1, [0.3, 0.7, 1.1]),
        (Z1, [0.57444252, 0.66818777, 0.75026011]),
        (y, [0.31682708, 0.69627909]),
        (network.predict(module.X), [0.31682708, 0.69627909]),
    ]:
        assert got.shape == (len(expected),)
        assert np.abs(got - expected).max() <= tolerance


def test_forward_by_hand_is_the_network_s():
    module = example("01")
    by_hand = module.forward_by_hand(module.X)
    layers = module.build_network().forward(module.X)
    for name, values in zip(("Z1", "Z2", "y"), layers, strict=True):
        assert np.abs(by_hand[name] - values).max() < 1e-15


@pytest.mark.parametrize("softmax", [functional.softmax, reference.functions.softmax])
def test_softmax_figures(softmax):
    got = softmax(np.array([0.3, 2.9, 4.0]))
    assert np.abs(got - [0.01821127, 0.24519181, 0.73659691]).max() <= PRINTED
    assert got.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("row", [[1010.0, 1000.0, 990.0], [1e4, -1e4]])
def test_softmax_of_large_numbers(row):
    got = functional.softmax(np.array(row))
    assert np.isfinite(got).all() and got.sum() == pytest.approx(1, abs=1e-15) and got[0] > 0.99


# ---- 2: Fashion-MNIST ----


def test_784_100_10_has_79510_parameters():
    network = Network([784, 100, 10], activation="sigmoid", output="softmax", seed=0)
    assert network.num_parameters == 79510
    words = summary(network).split()
    assert {"78500", "1010", "79510"} <= set(words)
    assert Network([784, 10], output="softmax").num_parameters == 7850


@pytest.fixture(scope="module")
def fashion():
    return example("02").load(real_data("fashion_mnist"), 6000)


def test_fashion_pixels_and_labels(fashion):
    assert fashion.X.shape == (6000, 784) and fashion.X.dtype == np.float32
    assert fashion.X.min() == 0 and fashion.X.max() == 1
    assert set(fashion.y.tolist()) == set(range(10)) and len(fashion.y_test) == 10000


def test_labels_as_integers_and_as_one_hot_train_alike(fashion):
    as_integers, as_rows = example("02").labels_both_ways(fashion, 1)
    assert 0.3 < as_integers < 1.5
    assert as_rows == pytest.approx(as_integers, rel=1e-6)


def test_fashion_learns_and_says_so_every_epoch(fashion):
    module = example("02")
    network, history = module.fit(fashion, [784, Dense(100, "relu"), 10], "adam", 4)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 4 for values in history.history.values())
    assert history.history["loss"] == sorted(history.history["loss"], reverse=True)
    held = network.evaluate(fashion.X[4800:], fashion.y[4800:])
    assert held["accuracy"] == pytest.approx(history.history["val_accuracy"][-1])
    assert held["loss"] == pytest.approx(history.history["val_loss"][-1])
    assert network.evaluate(fashion.X_test, fashion.y_test)["accuracy"] > 0.79


def test_dropout_narrows_the_gap_between_training_and_validation(fashion):
    runs = example("02").with_and_without_dropout(fashion, 10)
    gaps = {name: run.history["val_loss"][-1] - run.history["loss"][-1] for name, run in runs.items()}
    assert gaps["without dropout"] > 0.1
    assert gaps["dropout 0.5"] < gaps["without dropout"] / 2


def test_each_optimizer_learns(fashion):
    runs = example("02").compare_optimizers(fashion, 3)
    assert list(runs) == ["SGD", "Adagrad", "RMSprop", "Adam"]
    for run in runs.values():
        assert run.history["loss"][-1] < 0.8 * run.history["loss"][0]
        assert run.history["val_accuracy"][-1] > 0.74
    losses = {run.history["loss"][-1] for run in runs.values()}
    assert len(losses) == 4, "four optimizers, four results"


def test_softmax_regression(fashion):
    network, _ = example("02").fit(fashion, [784, 10], "adam", 4)
    assert network.evaluate(fashion.X_test, fashion.y_test)["accuracy"] > 0.74


# ---- 3: binary classification from scratch ----


def test_each_intermediate_of_one_step_is_the_formula_s():
    module = example("03")
    X, y = module.flower()
    assert X.shape == (400, 2) and y.shape == (400, 1) and y.mean() == 0.5
    network = module.build_network()
    weights = network.get_weights()
    assert [w.shape for w in weights] == [(2, 4), (4,), (4, 1), (1,)]
    assert 0 < np.abs(weights[0]).max() < 0.005 and not weights[1].any() and not weights[3].any()
    # At the start, where all activations are nearly 0, and after some steps, where none are.
    for _ in range(2):
        by_hand = module.step_by_hand(X, y, network.get_weights())
        by_network = module.step_by_network(network, X, y)
        for name in ("A1", "A2", "cost", "dZ2", "dW2", "db2", "dZ1", "dW1", "db1"):
            expected, got = by_hand[name], by_network[name]
            assert got.shape == expected.shape, name
            assert np.abs(expected).max() > 1e-9, f"{name} is zero, which tests nothing"
            # Sums of 400 terms may cancel: the bound follows the terms, which are of the size of dZ.
            assert np.abs(got - expected).max() <= 1e-15 * max(1, np.abs(expected).max()), name
        network.fit(X, y, epochs=1500, batch_size=None, verbose=False)


def test_one_full_batch_step_moves_the_weights_by_the_gradient():
    module = example("03")
    X, y = module.flower()
    network = module.build_network()
    network.fit(X, y, epochs=700, batch_size=None, verbose=False)
    before = network.get_weights()
    step = module.step_by_hand(X, y, before)
    network.fit(X, y, epochs=1, batch_size=None, verbose=False)
    for old, new, name in zip(before, network.get_weights(), ("dW1", "db1", "dW2", "db2"), strict=True):
        assert np.abs(step[name]).max() > 1e-6
        assert np.abs(new - (old - module.LEARNING_RATE * step[name])).max() < 1e-14


def test_planar_points_are_learned_in_10000_steps(capsys):
    module = example("03")
    X, y = module.flower()
    network = module.build_network()
    costs = module.train(network, X, y, 10000)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cost after")]
    assert len(costs) == len(printed) == 11
    assert costs[0] == pytest.approx(np.log(2), abs=1e-3)
    assert costs == sorted(costs, reverse=True) and costs[-1] < 0.2
    by_threshold = network.predict(X)[:, 0] > 0.5
    assert np.array_equal(network.predict_classes(X), by_threshold)
    assert np.mean(by_threshold == y[:, 0]) > 0.92
    assert module.line_accuracy(X, y) < 0.6, "no line separates the classes"


# ---- 4: XOR and depth ----


def test_xor_is_learned_with_a_hidden_layer_and_not_without():
    module = example("04")
    network = module.learn_xor()
    assert network.predict_classes(module.XOR_X).tolist() == [0, 1, 1, 0]
    assert np.abs(network.predict(module.XOR_X)[:, 0] - module.XOR_Y).max() < 0.1
    assert module.perceptron_on_xor() <= 0.75


def test_gradients_vanish_through_sigmoids_and_not_through_relus():
    module = example("04")
    sigmoid = module.gradient_norms("sigmoid", "glorot_uniform")
    relu = module.gradient_norms("relu", "he_uniform")
    assert len(sigmoid) == len(relu) == 8
    assert sigmoid == sorted(sigmoid), "the nearer the input, the smaller"
    assert 0 < sigmoid[0] < 1e-3 * sigmoid[-1]
    assert min(relu) > 0.2 * max(relu) > 0.01


def test_dead_relu_layer_stays_dead_and_leaky_relu_revives():
    module = example("04")
    dead, leaky = module.dead_layer("relu"), module.dead_layer("leaky_relu")
    assert dead["first gradient norm"] == 0 and dead["active before"] == dead["active after"] == 0
    assert dead["accuracy after"] < 0.65 and dead["loss after"] > 0.6
    assert leaky["active before"] == 0 and leaky["first gradient norm"] > 0
    assert leaky["active after"] > 0.02 and leaky["accuracy after"] > 0.95 and leaky["loss after"] < 0.2


def test_stacked_linear_layers_are_one():
    deep, flat = example("04").linear_stack()
    assert np.abs(deep).max() > 0.1
    assert np.abs(deep - flat).max() < 1e-14


# ---- 5: 784-16-16-10 ----


def test_784_16_16_10_has_13002_parameters():
    network = example("05").build_network()
    assert network.num_parameters == 13002
    assert network.layer_sizes == (784, 16, 16, 10)
    assert "13002" in summary(network).split()
    assert Network([784, 16, 16, 10], activation="sigmoid", output="sigmoid").num_parameters == 13002


def test_mnist_16_16_learns_and_the_strongest_output_is_the_answer():
    module = example("05")
    X, y, X_test, y_test = example("02").load_idx_folder(real_data("mnist"))
    X, X_test = X[:20000].reshape(-1, 784), X_test.reshape(-1, 784)
    network = module.build_network()
    assert module.accuracy(network, X_test, y_test) < 0.3
    module.train(network, X, y[:20000], 4)
    accuracy = module.accuracy(network, X_test, y_test)
    assert accuracy > 0.88
    assert np.mean(network.predict_classes(X_test) == y_test) == accuracy


# ---- the scripts ----

SCRIPTS = {
    "01": ([], ["0.31682708 0.69627909", "0.01821127 0.24519181 0.73659691"], ["activations.png"]),
    "02": (["--rows", "1500", "--epochs", "1"], ["79510", "softmax regression"],
           ["fashion_history.png", "fashion_dropout.png", "fashion_optimizers.png"]),
    "03": (["--steps", "2000"], ["cost after  2000 steps", "threshold 0.5"], ["planar_boundary.png"]),
    "04": ([], ["XOR", "largest difference"], ["xor_boundary.png", "gradient_norms.png"]),
    "05": (["--rows", "2000", "--epochs", "1"], ["13002", "the strongest is"], ["mnist_weights.png"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_and_saves_its_pictures(name, tmp_path):
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib")
    if name in ("02", "05"):
        real_data({"02": "fashion_mnist", "05": "mnist"}[name])
    arguments, phrases, pictures = SCRIPTS[name]
    (path,) = EXAMPLES.glob(f"{name}_*.py")
    run = interpret_script(path, *arguments, "--pictures", tmp_path / "new", cwd=tmp_path, imported=PICTURES)
    assert run.returncode == 0, run.stderr
    for phrase in phrases:
        assert phrase in run.stdout
    for picture in pictures:
        assert (tmp_path / "new" / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("name", ["02", "05"])
def test_script_without_data_says_what_it_needs(name, tmp_path):
    (path,) = EXAMPLES.glob(f"{name}_*.py")
    environment = {key: value for key, value in os.environ.items() if key != "FASTMLP_DATA"}
    run = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.startswith("no data: give the folder") and run.stderr.count("\n") == 1
