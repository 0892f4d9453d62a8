"""The command line does its jobs, and answers every mistake with one line and exit status 2."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import cli, reference
from fastmlp.files import format as files


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command inside an empty folder: (status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: object) -> tuple[int, str, str]:
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, *capsys.readouterr()

    return run_command


def accuracy_in(text: str) -> float:
    return float(re.search(r"accuracy ([\d.]+)%", text).group(1)) / 100


# Two classes in opposite quadrants, the same on every machine.
POINTS = reference.uniform_weights(3, 0, (400, 2), 1.0)
QUADRANT = (POINTS[:, 0] * POINTS[:, 1] > 0).astype(int)


def write_csv(path: Path, target: list[object], name: str = "kind") -> Path:
    rows = [f"{x:.6f},{y:.6f},{t}" for (x, y), t in zip(POINTS, target, strict=True)]
    path.write_text("\n".join([f"x1,x2,{name}", *rows]) + "\n")
    return path


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
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    common = ("train", "--data", "a.csv", "--target", "kind", "--epochs", 3, "--quiet", "--no-plot")
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        assert run(*common, "--seed", seed, "--output", f"{name}.npz")[0] == 0
    one, two, three = ((tmp_path / f"{name}.npz").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_csv_of_words_is_learned_and_predicted_in_words(run, tmp_path):
    words = np.array(["odd", "even, same"])[QUADRANT].tolist()
    write_csv(tmp_path / "a.csv", [f'"{word}"' for word in words])
    status, out, _ = run(
        "train", "--data", "a.csv", "--target", "kind", "--layers", "32,16", "--epochs", 60, "--no-plot"
    )
    assert status == 0 and "2 classes: 300 rows to train, 100 held out" in out
    assert accuracy_in(out) > 0.9
    assert "even, same" in out.split("held-out rows")[1]
    assert fastmlp.load("model.npz").layer_sizes == (2, 32, 16, 2)
    assert run("info", "model.npz")[1].splitlines()[1] == "classes: even, same, odd"

    status, out, err = run("predict", "model.npz", "a.csv", "--target", "kind")
    lines = out.splitlines()
    assert status == 0 and lines[0] == "class,probability" and len(lines) == 401
    predicted = [line.rpartition(",")[0].strip('"') for line in lines[1:]]
    right = np.mean(np.array(predicted) == words)
    assert right > 0.9 and accuracy_in(err) == pytest.approx(right, abs=5e-5)
    probabilities = np.array([float(line.rpartition(",")[2]) for line in lines[1:]])
    assert (probabilities >= 0.5).all() and (probabilities <= 1).all()


def test_classes_that_do_not_begin_at_zero_keep_their_names(run, tmp_path):
    write_csv(tmp_path / "a.csv", (QUADRANT * 4 + 3).tolist())
    run("train", "--data", "a.csv", "--target", -1, "--epochs", 60, "--no-plot", "--layers", 32)
    _, out, err = run("predict", "model.npz", "a.csv", "--target", "kind")
    assert {line.split(",")[0] for line in out.splitlines()[1:]} == {"3", "7"}
    assert accuracy_in(err) > 0.9


def test_regression_predicts_in_the_target_s_units(run, tmp_path):
    prices = 200_000 + 50_000 * POINTS[:, 0] - 20_000 * POINTS[:, 1]
    write_csv(tmp_path / "a.csv", [f"{price:.2f}" for price in prices], "price")
    status, out, _ = run(
        "train", "--data", "a.csv", "--target", "price", "--epochs", 60, "--layers", 16, "--no-plot"
    )
    assert status == 0 and "regression" in out
    error, explained = map(float, re.search(r"error ([\d.e+]+), R2 ([\d.]+)", out).groups())
    assert explained > 0.98 and 0 < error < 5000
    network = fastmlp.load("model.npz")
    predictions = network.predict(fastmlp.datasets.load_csv("a.csv", "price").X)[:, 0]
    assert np.abs(predictions - prices).mean() < 4000 and abs(predictions.mean() - 200_000) < 5000
    status, _, err = run("predict", "model.npz", "a.csv", "--target", "price", "--output", "out.npy")
    assert status == 0 and "R2 0.9" in err
    assert np.array_equal(np.load("out.npy")[:, 0], predictions)


def test_task_can_be_told(run, tmp_path):
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    common = ("train", "--data", "a.csv", "--target", "kind", "--epochs", 1, "--no-plot")
    assert "2 classes" in run(*common)[1]
    assert "regression" in run(*common, "--task", "regression")[1]
    assert fastmlp.load("model.npz").layer_sizes[-1] == 1
    status, _, err = run(*common[:4], "x1", *common[5:], "--task", "classification")
    assert status == 2 and "expected whole numbers" in err


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
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    status, out, _ = run(
        "train", "--data", "a.csv", "--target", "kind", "--layers", "8,6", "--activation", "tanh",
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
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    status, out, err = run(
        "train", "--data", "a.csv", "--target", "kind", "--epochs", 2, "--quiet", "--no-plot"
    )
    assert status == 0 and err == ""
    assert [line.split()[0] for line in out.splitlines()] == ["trained", "held", "saved"]


def test_picture_is_drawn_where_told(run, tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    common = ("train", "--data", "a.csv", "--target", "kind", "--epochs", 2, "--quiet")
    assert run(*common)[0] == 0 and (tmp_path / "model.png").stat().st_size > 1000
    assert run(*common, "--plot", "curve.svg")[0] == 0 and "<svg" in (tmp_path / "curve.svg").read_text()


def test_missing_matplotlib_is_said_and_does_no_harm(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    status, out, _ = run("train", "--data", "a.csv", "--target", "kind", "--epochs", 1, "--quiet")
    assert status == 0 and "saved      model.npz (no picture: matplotlib is not installed" in out
    assert (tmp_path / "model.npz").exists()


def test_missing_scikit_learn_is_said(run, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    status, out, err = run("train")
    assert status == 2 and out == "" and err.count("\n") == 1
    assert 'pip install "fastmlp[train]"' in err and "--data" in err


def test_divergence_is_one_line_and_leaves_the_old_file(run, tmp_path):
    write_csv(tmp_path / "a.csv", [f"{x:.4f}" for x in POINTS[:, 0]])
    (tmp_path / "model.npz").write_bytes(b"old")
    status, _, err = run(
        "train",
        "--data",
        "a.csv",
        "--target",
        "kind",
        "--optimizer",
        "sgd",
        "--learning-rate",
        1e20,
        "--no-plot",
    )
    last = err.strip().splitlines()[-1]
    assert status == 1 and last.startswith("fastmlp train: ") and "finite" in last and "Traceback" not in err
    assert (tmp_path / "model.npz").read_bytes() == b"old"


def test_interrupted_training_saves_the_network(run, tmp_path, monkeypatch):
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    true_train = fastmlp.Network.fit

    def fit_until_interrupted(self, *args, **kwargs):
        class Interrupt(fastmlp.callbacks.Callback):
            def on_epoch_end(self, epoch, logs):
                if epoch == 3:
                    raise KeyboardInterrupt

        return true_train(self, *args, **{**kwargs, "callbacks": [Interrupt()]})

    monkeypatch.setattr(fastmlp.Network, "fit", fit_until_interrupted)
    status, out, err = run("train", "--data", "a.csv", "--target", "kind", "--epochs", 50, "--no-plot")
    assert status == 130 and "interrupted" in err and "saved      model.npz" in out
    assert accuracy_in(out) >= 0 and fastmlp.load("model.npz").layer_sizes == (2, 100, 2)


# ---- predict and info ----


def test_predict_writes_a_file(run, tmp_path):
    fastmlp.Network([2, 3], output="softmax", seed=1).save(tmp_path / "m.npz")
    (tmp_path / "rows.csv").write_text("1.0,2.0\n3.0,4.0\n")
    status, out, err = run("predict", "m.npz", "rows.csv", "--output", "out.csv")
    assert (status, out, err) == (0, "", "")
    network = fastmlp.load("m.npz")
    expected = network.predict(np.array([[1, 2], [3, 4]], dtype=np.float32))
    lines = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()]
    assert lines[0] == ["class", "probability"] and len(lines) == 3
    assert [int(line[0]) for line in lines[1:]] == expected.argmax(axis=1).tolist()
    assert np.allclose([float(line[1]) for line in lines[1:]], expected.max(axis=1), atol=1e-6)


def test_predict_with_one_sigmoid_output(run, tmp_path):
    network = fastmlp.Network([2, 1], output="sigmoid")
    network.set_weights([[[1.0], [0.0]], [0.0]])
    network.save(tmp_path / "m.npz")
    (tmp_path / "rows.csv").write_text("a,b,y\n1,0,1\n-1,0,1\n")
    _, out, err = run("predict", "m.npz", "rows.csv", "--target", "y")
    assert out.splitlines() == ["class,probability of 1", "1,0.731059", "0,0.268941"]
    assert accuracy_in(err) == 0.5


def test_info(run, tmp_path):
    status, out, _ = run("info")
    assert status == 0 and fastmlp.__version__ in out and "instruction set chosen" in out
    fastmlp.Network([784, 100, 10], output="softmax", seed=5).save(tmp_path / "m.npz")
    status, out, _ = run("info", "m.npz")
    assert status == 0 and "79510" in out and "seed 5" in out and "float32" in out
    assert run("--version")[1] == f"fastmlp {fastmlp.__version__}\n"


def test_names_of_classes_are_passed_over_by_load_and_checked_by_the_command_line(run, tmp_path):
    network = fastmlp.Network([2, 3], output="softmax", seed=1)
    for path in (tmp_path / "m.npz", tmp_path / "m.safetensors"):
        files.save(network, path, classes=("a", "b", "c"))
        X = np.ones((4, 2), np.float32)
        assert np.array_equal(fastmlp.load(path).predict(X), network.predict(X))
        assert files.load(path, fastmlp.Network)[1] == ("a", "b", "c")
        assert run("info", path.name)[1].splitlines()[1] == "classes: a, b, c"
    for damaged in (["a", "b"], {}, "abc", ["a", "b", 3]):
        with_classes(network, damaged, tmp_path / "bad.npz")
        status, _, err = run("info", "bad.npz")
        assert status == 2 and err.count("\n") == 1 and "damaged list of classes, expected 3 names" in err


def with_classes(network, classes, path):
    """A model file whose header says anything of the classes."""
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["header.json"] = json.dumps({**json.loads(parts["header.json"]), "classes": classes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


SPOKEN = ["=cmd|'/C calc'!A0", "+1+1", "-2-1", "@SUM(A1)", "\tx", "\r=1", " =1+1", "\uff1d1", "a;=1", 'a "b"']
PLAIN = ["red", "-2.5", "+1", "-1e-3", "-.5", "-inf", "a=b", "x-1", "'quoted'", "\u4e0a"]


def column_of(text, delimiter=","):
    """The first column as a reader of CSV files has it."""
    return [row[0] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]


def test_no_class_name_is_a_formula_in_a_spreadsheet(run, tmp_path):
    names = (*SPOKEN, *PLAIN)
    network = fastmlp.Network([1, len(names)], output="softmax", seed=0)
    network.set_weights([np.zeros((1, len(names))), np.arange(len(names))])
    predicted = []
    for k in range(len(names)):
        network.set_weights([np.zeros((1, len(names))), 20.0 * (np.arange(len(names)) == k)])
        files.save(network, tmp_path / "m.npz", classes=names)
        (tmp_path / "rows.csv").write_text("0\n")
        assert run("predict", "m.npz", "rows.csv", "--output", "out.csv")[0] == 0
        text = (tmp_path / "out.csv").read_bytes().decode()
        assert run("predict", "m.npz", "rows.csv")[1] == text
        predicted.append(column_of(text)[1])
        # Where cells end at semicolons or tabs, no other cell begins inside the name.
        for delimiter in ";\t":
            assert not column_of(text, delimiter)[1].startswith(("=", "+1+", "-2-", "@", "\t", "\r"))
            assert len(list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))[1]) == 1
    assert predicted[len(SPOKEN) :] == PLAIN
    assert predicted[: len(SPOKEN)] == [f"'{name}" for name in SPOKEN[:8]] + SPOKEN[8:]


def test_accuracy_compares_the_names_themselves(run, tmp_path):
    write_csv(tmp_path / "a.csv", np.array(["=1", "@2"])[QUADRANT].tolist())
    run("train", "--data", "a.csv", "--target", "kind", "--epochs", 60, "--layers", 32, "--no-plot")
    _, out, err = run("predict", "model.npz", "a.csv", "--target", "kind")
    assert {line.split(",")[0] for line in out.splitlines()[1:]} == {"'=1", "'@2"} and accuracy_in(err) > 0.9


ESCAPES = ("\x1b[2J\x1b]0;title\x07", "b\u202ec", "\x9b31m")


def test_what_files_say_does_not_reach_the_terminal_raw(run, tmp_path, monkeypatch):
    network = fastmlp.Network([1, 3], output="softmax", seed=0)
    files.save(network, tmp_path / "m\x1b.npz", classes=ESCAPES)
    out = run("info", "m\x1b.npz")[1]
    assert r"classes: \x1b[2J\x1b]0;title\x07, b\u202ec, \x9b31m" in out and r"m\x1b.npz" in out
    texts = [out]
    (tmp_path / "rows.csv").write_text("1\n2\n")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    texts.append(run("predict", "m\x1b.npz", "rows.csv")[1])
    assert any(name.encode("unicode_escape").decode() in texts[-1] for name in ESCAPES)
    write_csv(tmp_path / "a\x1b.csv", np.array(ESCAPES)[QUADRANT].tolist(), "kind\x1b[2J")
    for arguments in (["--target", 2, "--epochs", 1, "--no-plot"], ["--target", "z"]):
        status, out, err = run("train", "--data", "a\x1b.csv", *arguments)
        texts += [out, err]
    assert status == 2 and r"kind\x1b[2J" in err
    texts.append(run("info", "none\x1b.npz")[2])
    assert r"cannot open none\x1b.npz" in texts[-1]
    np.savez(tmp_path / "d.npz", **{"a\x1b": np.zeros(1)})
    texts.append(run("train", "--data", "d.npz")[2])
    assert r"a\x1b" in texts[-1]
    for text in texts:
        assert all(line.isprintable() for line in text.split("\n")), text


def test_a_model_saved_anew_while_it_is_read_is_one_of_both(run, tmp_path, monkeypatch):
    """The network and the names of its classes come from one opening of the file."""
    path = tmp_path / "m.npz"
    files.save(fastmlp.Network([2, 2], output="softmax", seed=0), path, classes=("a", "b"))
    read = files._read

    def saved_meanwhile(reader, kind):
        files.save(fastmlp.Network([2, 2], output="softmax", seed=1), path, classes=("c", "d"))
        return read(reader, kind)

    monkeypatch.setattr(files, "_read", saved_meanwhile)
    assert "classes: a, b" in run("info", "m.npz")[1]


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_predictions_replace_what_a_link_leads_to(run, tmp_path, suffix):
    fastmlp.Network([1, 1], seed=0).save(tmp_path / "m.npz")
    (tmp_path / "rows.csv").write_text("1\n")
    (tmp_path / f"out{suffix}").symlink_to(f"real{suffix}")
    assert run("predict", "m.npz", "rows.csv", "--output", f"out{suffix}") == (0, "", "")
    assert (tmp_path / f"out{suffix}").is_symlink() and (tmp_path / f"real{suffix}").stat().st_size > 10


FAILING = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_predictions_that_do_not_fit_leave_the_old_file(tmp_path, suffix):
    fastmlp.Network([1, 1], seed=0).save(tmp_path / "m.npz")
    (tmp_path / "rows.csv").write_text("\n".join(map(str, range(5000))))
    (tmp_path / f"out{suffix}").write_text("old")
    code = FAILING + "from fastmlp.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "predict", "m.npz", "rows.csv", "--output", f"out{suffix}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == f"fastmlp predict: cannot read or write out{suffix}: file too large\n"
    assert (tmp_path / f"out{suffix}").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["m.npz", f"out{suffix}", "rows.csv"]


# ---- mistakes ----

MISTAKES = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "unknown command": (["fly"], "invalid choice: 'fly'"),
    "unknown option": (["train", "--depth", "3"], "unrecognized arguments: --depth 3"),
    "no epochs": (["train", "--epochs", "0"], "--epochs: '0' is not a whole number of at least 1"),
    "fractional batch": (["train", "--batch-size", "1.5"], "--batch-size: '1.5'"),
    "seed": (["train", "--seed", "-1"], "--seed: '-1' is not a whole number from 0"),
    "rate": (["train", "--learning-rate", "nan"], "--learning-rate: 'nan' is not a finite number above 0"),
    "dropout": (["train", "--dropout", "1"], "--dropout: '1' is not a rate"),
    "share": (["train", "--validation-split", "1"], "--validation-split: '1' is not a share"),
    "test share": (["train", "--test-share", "0"], "--test-share: '0' is not a share above 0"),
    "widths": (["train", "--layers", "100,x"], "--layers: '100,x' is not widths such as"),
    "zero width": (["train", "--layers", "100,0"], "--layers: '100,0'"),
    "optimizer": (["train", "--optimizer", "magic"], "'magic'"),
    "activation": (["train", "--data", "a.csv", "--target", "kind", "--activation", "a"], "'a', expected"),
    "no such data": (["train", "--data", "nope"], "--data is 'nope'"),
    "no target": (["train", "--data", "a.csv"], "--target is missing"),
    "unknown target": (["train", "--data", "a.csv", "--target", "z"], "expected one of x1, x2, kind"),
    "empty folder": (["train", "--data", "."], "holds neither train-images-idx3-ubyte nor"),
    "suffix": (["train", "--output", "m.bin"], "--output is 'm.bin', expected a name that ends in .npz"),
    "no folder": (["train", "--output", "no/m.npz"], "'no' is not a folder"),
    "no folder for the picture": (["train", "--plot", "no/m.png"], "'no' is not a folder"),
    "output is data": (["train", "--data", "d.npz", "--output", "d.npz"], "the file that --data names"),
    "npz without y": (["train", "--data", "d.npz"], "has no array y"),
    "model not there": (["predict", "nope.npz", "a.csv"], "cannot open nope.npz: no such file"),
    "model is foreign": (["predict", "d.npz", "a.csv"], "not a fastmlp model"),
    "rows not there": (["predict", "m.npz", "nope.csv"], "cannot open nope.csv: no such file"),
    "words in rows": (["predict", "m.npz", "words.csv"], "row 1, column 'b' is not a finite number"),
    "too many columns": (["predict", "m.npz", "a.csv"], "has 3 columns, expected 2 as MODEL; --target"),
    "output suffix": (["predict", "m.npz", "d.npz", "--output", "x.txt"], "ends in .csv or .npy"),
    "info of a table": (["info", "a.csv"], "a.csv"),
}  # fmt: skip


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line_and_status_2(run, tmp_path, arguments, message):
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    (tmp_path / "words.csv").write_text("a,b\n1,x\n")
    np.savez(tmp_path / "d.npz", X=POINTS)
    fastmlp.Network([2, 2], output="softmax").save(tmp_path / "m.npz")
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status, out, err = run(*arguments)
    assert status == 2 and out == ""
    assert err.startswith("fastmlp") and err.endswith("\n") and err.count("\n") == 1
    assert message in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files, "a file was touched"


def test_the_size_of_packed_files_is_limited(run, tmp_path):
    np.savez_compressed(tmp_path / "d.npz", X=np.zeros((10_000, 2)), y=np.arange(10_000) % 2)
    fastmlp.Network([2, 1], seed=0).save(tmp_path / "m.npz")
    train = ("train", "--data", "d.npz", "--epochs", 1, "--no-plot", "--quiet")
    for command in (train, ("predict", "m.npz", "d.npz")):
        assert run(*command)[0] == 0
        status, out, err = run(*command, "--max-bytes", 100_000)
        assert (status, out) == (2, "") and "expected at most max_bytes=100000" in err


def test_bad_test_set_is_refused(run, tmp_path):
    def with_arrays(**changed):
        arrays = {"X": POINTS, "y": QUADRANT, "X_test": POINTS[:5], "y_test": QUADRANT[:5], **changed}
        np.savez(tmp_path / "d.npz", **{name: array for name, array in arrays.items() if array is not None})
        status, _, err = run("train", "--data", "d.npz", "--epochs", 1, "--quiet", "--no-plot")
        assert status == 2 and err.count("\n") == 1
        return err

    assert "y has 3 rows, expected 400" in with_arrays(y=QUADRANT[:3])
    assert "only one of X_test and y_test" in with_arrays(y_test=None)
    assert "y_test contains 9 at row 1" in with_arrays(y_test=np.array([0, 9, 0, 0, 0]))
    assert "X_test has shape (5, 1), expected (5, 2)" in with_arrays(X_test=POINTS[:5, :1])
    assert "X contains nan" in with_arrays(X=np.full((400, 2), np.nan))


# ---- as a process ----


def test_module_runs_and_a_closed_pipe_is_no_traceback(tmp_path):
    fastmlp.Network([1, 2], output="softmax").save(tmp_path / "m.npz")
    (tmp_path / "rows.csv").write_text("\n".join(map(str, range(200_000))))
    command = [sys.executable, "-m", "fastmlp", "predict", "m.npz", "rows.csv"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"class,probability\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 1


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
