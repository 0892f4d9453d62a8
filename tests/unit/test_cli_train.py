"""`fastmlp train`: data of every form, options, interrupts."""

from __future__ import annotations

import gzip
import os
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from command_line import POINTS, QUADRANT, accuracy_in, write_npz


def write_idx(folder: Path, part: str, X: np.ndarray, y: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    images = b"\0\0\x08\x03" + struct.pack(">3I", *X.shape) + X.tobytes()
    labels = b"\0\0\x08\x01" + struct.pack(">I", len(y)) + y.astype("u1").tobytes()
    (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, 1))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)


# ---- train ----


def test_train_without_arguments_is_the_whole_job(run, tmp_path):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    status, out, err = run("train")
    assert status == 0 and "Traceback" not in err
    for phrase in (
        "scikit-learn's digits, 10 classes: 1347 rows to train, 450 held out",
        "7510",
        "rows/s",
        fastmlp.Network([1, 1]).isa,
        "saved      digits.npz and digits.png",
        "expected  predicted  probability",
    ):
        assert phrase in out
    assert accuracy_in(out) > 0.93
    assert (tmp_path / "digits.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    shown = out.split("probability\n")[1].split("\n")
    assert len([line for line in shown if line.strip()]) == 8
    network = fastmlp.load("digits.npz")
    assert network.layer_sizes == (64, 100, 10)


def test_loaded_digits_reach_the_accuracy_that_was_printed(run):
    sklearn = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    _, out, _ = run("train", "--no-plot", "--epochs", 5)
    digits = sklearn.load_digits()
    parts = fastmlp.datasets.train_test_split(digits.data, digits.target, 0.25, 0, True)
    classes = fastmlp.load("digits.npz").predict_classes(parts[1].astype(np.float32))
    assert np.mean(classes == parts[3]) == pytest.approx(accuracy_in(out), abs=5e-5)


def test_same_seed_same_file(run, tmp_path):
    write_npz(tmp_path / "a.npz", QUADRANT)
    common = ("train", "--data", "a.npz", "--epochs", 3, "--quiet", "--no-plot")
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        assert run(*common, "--seed", seed, "--output", f"{name}.npz")[0] == 0
    one, two, three = ((tmp_path / f"{name}.npz").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_words_are_learned_and_predicted_in_words(run, tmp_path):
    words = np.array(["odd", "even, same"])[QUADRANT].tolist()
    write_npz(tmp_path / "a.npz", words)
    status, out, _ = run("train", "--data", "a.npz", "--layers", "32,16", "--epochs", 60, "--no-plot")
    assert status == 0 and "2 classes: 300 rows to train, 100 held out" in out
    assert accuracy_in(out) > 0.9
    assert "even, same" in out.split("held-out rows")[1]
    assert fastmlp.load("model.npz").layer_sizes == (2, 32, 16, 2)
    assert run("info", "model.npz")[1].splitlines()[1] == "classes: even, same, odd"

    status, out, err = run("predict", "model.npz", "a.npz")
    lines = out.splitlines()
    assert status == 0 and lines[0] == "class,probability" and len(lines) == 401
    predicted = [line.rpartition(",")[0].strip('"') for line in lines[1:]]
    right = np.mean(np.array(predicted) == words)
    assert right > 0.9 and accuracy_in(err) == pytest.approx(right, abs=5e-5)
    probabilities = np.array([float(line.rpartition(",")[2]) for line in lines[1:]])
    assert (probabilities >= 0.5).all() and (probabilities <= 1).all()


def test_regression_predicts_in_the_target_s_units(run, tmp_path):
    prices = 200_000 + 50_000 * POINTS[:, 0] - 20_000 * POINTS[:, 1]
    write_npz(tmp_path / "a.npz", prices)
    status, out, _ = run("train", "--data", "a.npz", "--epochs", 60, "--layers", 16, "--no-plot")
    assert status == 0 and "regression" in out
    error, explained = map(float, re.search(r"error ([\d.e+]+), R2 ([\d.]+)", out).groups())
    assert explained > 0.98 and 0 < error < 5000
    predictions = fastmlp.load("model.npz").predict(POINTS)[:, 0]
    assert np.abs(predictions - prices).mean() < 4000 and abs(predictions.mean() - 200_000) < 5000
    status, _, err = run("predict", "model.npz", "a.npz", "--output", "out.npy")
    assert status == 0 and "R2 0.9" in err
    assert np.array_equal(np.load("out.npy")[:, 0], predictions)


def test_task_can_be_told(run, tmp_path):
    write_npz(tmp_path / "a.npz", QUADRANT)
    common = ("train", "--data", "a.npz", "--epochs", 1, "--no-plot")
    assert "2 classes" in run(*common)[1]
    assert "regression" in run(*common, "--task", "regression")[1]
    assert fastmlp.load("model.npz").layer_sizes[-1] == 1
    write_npz(tmp_path / "a.npz", POINTS[:, 0])
    status, _, err = run(*common, "--task", "classification")
    assert status == 2 and "expected whole numbers" in err


def test_two_whole_numbers_are_classes_however_few_the_rows(run, tmp_path):
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    np.savez(tmp_path / "xor.npz", X=np.repeat(X, 2, 0), y=np.repeat(y, 2))
    assert "2 classes" in run("train", "--data", "xor.npz", "--epochs", 1, "--no-plot")[1]
    np.savez(tmp_path / "years.npz", X=POINTS, y=1950 + np.arange(400) % 60)
    assert "regression" in run("train", "--data", "years.npz", "--epochs", 1, "--no-plot")[1]


@pytest.mark.parametrize(
    "names", [("X", "y", "X_test", "y_test"), ("x_train", "y_train", "x_test", "y_test")]
)
def test_npz_with_a_test_set_of_its_own(run, tmp_path, names):
    arrays = dict(zip(names, (POINTS[:300], QUADRANT[:300], POINTS[300:], QUADRANT[300:]), strict=True))
    np.savez(tmp_path / "data.npz", **arrays)
    status, out, _ = run("train", "--data", "data.npz", "--epochs", 60, "--layers", 32, "--no-plot")
    assert status == 0 and "300 rows to train, 100 held out" in out
    network = fastmlp.load("model.npz")
    right = np.mean(network.predict_classes(POINTS[300:]) == QUADRANT[300:])
    assert right > 0.85 and accuracy_in(out) == pytest.approx(right, abs=5e-5)
    _, _, err = run("predict", "model.npz", "data.npz")
    assert accuracy_in(err) == pytest.approx(right, abs=5e-5)


def test_sorted_rows_are_held_out_from_every_class(run, tmp_path, monkeypatch):
    order = np.argsort(QUADRANT, kind="stable")
    X, y = POINTS[order], QUADRANT[order]
    np.savez(tmp_path / "data.npz", X=X, y=y, X_test=X[::9], y_test=y[::9])
    seen, fit = [], fastmlp.Network.fit

    def watched(self, X, y, **options):
        seen.append((y, options["validation_data"][1]))
        return fit(self, X, y, **options)

    monkeypatch.setattr(fastmlp.Network, "fit", watched)
    assert run("train", "--data", "data.npz", "--epochs", 1, "--quiet", "--no-plot")[0] == 0
    trained, held_out = seen[0]
    assert len(held_out) == 40 and len(trained) == 360
    assert held_out.mean() == pytest.approx(y.mean(), abs=0.03)
    assert trained.mean() == pytest.approx(y.mean(), abs=0.01)


@pytest.mark.parametrize(
    "names", [[0.0, 1.0], [3.0, 7.0], [False, True], ["0", "1"], ["1.0", "2.0"], [-1, 1]], ids=str
)
def test_labels_are_compared_by_value(run, tmp_path, names):
    np.savez(tmp_path / "data.npz", X=POINTS, y=np.array(names)[QUADRANT])
    common = ("--epochs", 30, "--layers", 32, "--learning-rate", 0.01, "--no-plot")
    assert accuracy_in(run("train", "--data", "data.npz", *common)[1]) > 0.85
    _, out, err = run("predict", "model.npz", "data.npz")
    assert accuracy_in(err) > 0.85
    assert len({line.split(",")[0] for line in out.splitlines()[1:]}) == 2


def test_a_column_that_the_network_s_type_takes_for_one_number_is_not_scaled_up(run, tmp_path):
    X = np.hstack([POINTS, 1e6 + 1e-5 * POINTS[:, :1]])
    np.savez(tmp_path / "data.npz", X=X, y=POINTS[:, 0])
    assert run("train", "--data", "data.npz", "--epochs", 5, "--quiet", "--no-plot")[0] == 0
    assert abs(fastmlp.load("model.npz").predict([[0.0, 0.0, 1e6 + 1]])[0]) < 10


def test_npz_of_several_outputs(run, tmp_path):
    y = np.stack([POINTS.sum(axis=1), POINTS[:, 0] * 100 + 7], axis=1)
    np.savez(tmp_path / "data.npz", X=POINTS, y=y)
    status, out, _ = run("train", "--data", "data.npz", "--epochs", 40, "--layers", 32, "--no-plot")
    assert status == 0
    predictions = fastmlp.load("model.npz").predict(POINTS)
    assert predictions.shape == (400, 2) and (np.abs(predictions - y).mean(axis=0) < [0.1, 5]).all()
    assert run("predict", "model.npz", "data.npz")[1].splitlines()[0] == "output 0,output 1"


def test_folder_of_idx_files(run, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    X = rng.integers(0, 60, (400, 4, 5)).astype(np.uint8)
    X[np.arange(400), y] += 150  # the class is the bright row
    write_idx(tmp_path / "set", "train", X[:300], y[:300])
    write_idx(tmp_path / "set", "t10k", X[300:], y[300:])
    status, out, _ = run("train", "--data", "set", "--epochs", 20, "--layers", "none", "--no-plot")
    assert status == 0 and "3 classes: 300 rows to train, 100 held out" in out
    assert "rescaling" in out and accuracy_in(out) > 0.95
    network = fastmlp.load("model.npz")
    assert network.layer_sizes == (20, 3)
    status, out, err = run("predict", "model.npz", "set")
    assert status == 0 and accuracy_in(err) > 0.95
    images_only = run("predict", "model.npz", "set/t10k-images-idx3-ubyte.gz")
    assert images_only == (0, out, "")


def test_options_reach_the_network(run, tmp_path):
    write_npz(tmp_path / "a.npz", QUADRANT)
    status, out, _ = run(
        "train", "--data", "a.npz", "--layers", "8,6", "--activation", "tanh",
        "--dropout", 0.25, "--dtype", "float64", "--optimizer", "sgd", "--learning-rate", 0.5, "--seed", 9,
        "--batch-size", 50, "--epochs", 2, "--threads", 1, "--scaling", "none",
        "--output", "n.npz", "--no-plot",
    )  # fmt: skip
    assert status == 0 and "SGD(0.5), batches of 50, seed 9" in out
    network = fastmlp.load("n.npz")
    assert repr(network.layers) == (
        "(Dense(8, 'tanh', initializer='glorot_uniform'), Dropout(0.25), "
        "Dense(6, 'tanh', initializer='glorot_uniform'), Dropout(0.25), "
        "Dense(2, 'softmax', initializer='glorot_uniform'))"
    )
    assert network.dtype == np.float64 and network.seed == 9 and not (tmp_path / "n.png").exists()


def test_quiet_says_only_the_results(run, tmp_path):
    write_npz(tmp_path / "a.npz", QUADRANT)
    status, out, err = run("train", "--data", "a.npz", "--epochs", 2, "--quiet", "--no-plot")
    assert status == 0 and err == ""
    assert [line.split()[0] for line in out.splitlines()] == ["trained", "held", "saved"]


def test_picture_is_drawn_where_told(run, tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    write_npz(tmp_path / "a.npz", QUADRANT)
    common = ("train", "--data", "a.npz", "--epochs", 2, "--quiet")
    assert run(*common)[0] == 0 and (tmp_path / "model.png").stat().st_size > 1000
    assert run(*common, "--plot", "curve.svg")[0] == 0 and "<svg" in (tmp_path / "curve.svg").read_text()


def test_missing_matplotlib_is_said_and_does_no_harm(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    write_npz(tmp_path / "a.npz", QUADRANT)
    status, out, _ = run("train", "--data", "a.npz", "--epochs", 1, "--quiet")
    assert status == 0 and "saved      model.npz (no picture: matplotlib is not installed" in out
    assert (tmp_path / "model.npz").exists()


def test_missing_scikit_learn_is_said(run, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    status, out, err = run("train")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert 'pip install ".[train]"' in err and "--data" in err


def test_divergence_is_one_line_and_leaves_the_old_file(run, tmp_path):
    write_npz(tmp_path / "a.npz", POINTS[:, 0])
    (tmp_path / "model.npz").write_bytes(b"old")
    status, _, err = run(
        "train", "--data", "a.npz", "--optimizer", "sgd", "--learning-rate", 1e20, "--no-plot"
    )
    last = err.strip().splitlines()[-1]
    assert status == 1 and last.startswith("fastmlp train: ") and "finite" in last and "Traceback" not in err
    assert (tmp_path / "model.npz").read_bytes() == b"old"


def test_interrupted_training_saves_the_network(run, tmp_path, monkeypatch):
    write_npz(tmp_path / "a.npz", QUADRANT)
    true_train = fastmlp.Network.fit

    def fit_until_interrupted(self, *args, **kwargs):
        class Interrupt(fastmlp.callbacks.Callback):
            def on_epoch_end(self, epoch, logs):
                if epoch == 3:
                    raise KeyboardInterrupt

        return true_train(self, *args, **{**kwargs, "callbacks": [Interrupt()]})

    monkeypatch.setattr(fastmlp.Network, "fit", fit_until_interrupted)
    status, out, err = run("train", "--data", "a.npz", "--epochs", 50, "--no-plot")
    assert status == 130 and "interrupted" in err and "saved      model.npz" in out
    assert accuracy_in(out) >= 0 and fastmlp.load("model.npz").layer_sizes == (2, 100, 2)


# ---- as a process ----


def test_mnist_from_the_command_line(run):
    if "FASTMLP_DATA" not in os.environ:
        pytest.skip("FASTMLP_DATA is not set: it names the folder with the real data sets")
    folder = Path(os.environ["FASTMLP_DATA"]) / "mnist"
    if not folder.is_dir():
        pytest.skip("FASTMLP_DATA has no folder mnist")
    status, out, _ = run(
        "train", "--data", folder, "--activation", "sigmoid", "--epochs", 2, "--quiet", "--no-plot"
    )
    assert status == 0 and accuracy_in(out) > 0.93
