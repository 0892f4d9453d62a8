"""`fastmlp train --cv` and `fastmlp tune` on arrays, against networks trained one after another in Python."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import r2_score  # noqa: E402
from sklearn.model_selection import KFold, StratifiedKFold  # noqa: E402

import fastmlp  # noqa: E402
from command_line import POINTS, QUADRANT, write_npz  # noqa: E402
from fastmlp import Dense, Dropout, Network, Standardize, optimizers  # noqa: E402
from fastmlp.callbacks import EarlyStopping  # noqa: E402
from fastmlp.cli.networks import folds, trials  # noqa: E402
from fastmlp.cli.networks.data import Data, load_training  # noqa: E402
from fastmlp.cli.options import build_parser, for_network  # noqa: E402
from fastmlp.datasets import train_test_split  # noqa: E402

QUICK = ("--no-plot", "--quiet", "--seed", 3)


@pytest.fixture
def learned(tmp_path):
    """The rows that train has for itself."""
    write_npz(tmp_path / "a.npz", QUADRANT)
    return train_test_split(POINTS, QUADRANT, 0.25, 3, True)[::2]


def network(X, layers=(100,), learning_rate=0.001, dropout=0.0):
    hidden = [each for n in layers for each in (Dense(n, "relu"), *([Dropout(dropout)] if dropout else []))]
    net = Network(
        [2, Standardize.adapt(X.astype(np.float32)), *hidden, Dense(2, "softmax")], dtype="float32", seed=3
    )
    net.compile(optimizers.Adam(learning_rate))
    return net


def test_folds_are_those_of_networks_one_after_another(run, learned):
    X, y = learned
    status, out, err = run("train", "a.npz", *QUICK, "--epochs", 4, "--cv", 3, "--json")
    found = json.loads(out)["folds"]
    expected = []
    for train, test in StratifiedKFold(3, shuffle=True, random_state=3).split(X, y):
        net = network(X[train])
        net.fit(X[train], y[train], epochs=4, verbose=False)
        expected.append(np.mean(net.predict_classes(X[test]) == y[test]))
    assert status == 0 and found["accuracy"] == pytest.approx(expected, abs=1e-12)
    assert set(found) == {"accuracy", "balanced_accuracy", "f1", "auc", "log_loss"}
    row = re.search(r"^ *accuracy +(\S+)", err, re.MULTILINE).group(1)
    assert float(row) == pytest.approx(np.mean(expected), abs=5e-5)


def test_folds_of_numbers(run, tmp_path):
    target = POINTS @ [1.0, -2.0]
    np.savez(tmp_path / "n.npz", X=POINTS, y=target)
    told = ("train", "n.npz", *QUICK, "--epochs", 5, "--layers", "none", "--cv", 2, "--json")
    found = json.loads(run(*told)[1])["folds"]
    X, _, y, _ = train_test_split(POINTS, target, 0.25, 3, False)
    expected = []
    for train, test in KFold(2, shuffle=True, random_state=3).split(X):
        rows = X[train].astype(np.float32)
        net = Network([2, Standardize.adapt(rows), Dense(1, "identity")], dtype="float32", seed=3)
        net.compile("adam", "mse", standardize_targets=True)
        net.fit(X[train], y[train], epochs=5, verbose=False)
        expected.append(r2_score(y[test], net.predict(X[test])))
    assert found["r2"] == pytest.approx(expected, rel=1e-6)
    assert min(found["root_mean_square_error"]) > 0


def test_early_stopping_watches_rows_of_the_fold(run, learned):
    X, y = learned
    told = ("train", "a.npz", *QUICK, "--epochs", 40, "--early-stopping", 1, "--learning-rate", 0.1)
    found = json.loads(run(*told, "--cv", 2, "--json")[1])["folds"]["accuracy"]
    expected = []
    for train, test in StratifiedKFold(2, shuffle=True, random_state=3).split(X, y):
        A, B, a, b = train_test_split(X[train], y[train], 0.1, 3, True)
        net = network(X[train], learning_rate=0.1)
        stop = EarlyStopping("val_loss", patience=1, restore_best_weights=True)
        net.fit(A, a, epochs=40, validation_data=(B, b), callbacks=[stop], verbose=False)
        assert stop.stopped_epoch > 0
        expected.append(np.mean(net.predict_classes(X[test]) == y[test]))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["random", "halving"])
def test_the_best_options_are_those_of_python(run, learned, method):
    X, y = learned
    told = ("tune", "a.npz", *QUICK, "--trials", 6, "--method", method, "--epochs", 12, "--batch-size", 32)
    status, out, err = run(*told, "--json")
    found = json.loads(out)
    A, B, a, b = train_test_split(X, y, 0.1, 3, True)
    scores = {}
    for line in re.findall(r"^ *\d+ +(\(.*)$", err, re.MULTILINE):
        *widths, rate, dropout, epochs, score, _ = re.findall(r"[\d.]+", line)
        net = network(A, tuple(map(int, widths)), float(rate), float(dropout))
        net.fit(A, a, epochs=int(epochs), verbose=False)
        assert np.mean(net.predict_classes(B) == b) == pytest.approx(float(score), abs=5e-5)
        scores.setdefault(int(epochs), []).append(float(score))
    expected = {12: 6} if method == "random" else {4: 6, 12: 2}
    assert status == 0 and {epochs: len(each) for epochs, each in scores.items()} == expected
    assert found["score"] == pytest.approx(max(scores[12]), abs=5e-5)
    best = found["parameters"]
    assert set(best) == {"layers", "learning_rate", "dropout"}  # what is given is not drawn
    assert fastmlp.load("model.npz").layer_sizes[1:-1] == tuple(best["layers"])
    assert found["rows_held_out"] == 100 and "held out " in err


def test_learning_rates_are_factors_of_the_optimizers(run, learned):
    given = ("--layers", "8", "--dropout", 0, "--batch-size", 50, "--optimizer", "sgd", "--cv", 2)
    _, _, err = run("tune", "a.npz", *QUICK, "--epochs", 2, *given, "--json")
    rates = re.findall(r"^ *\d +(0\.\d+) ", err, re.MULTILINE)
    assert sorted(map(float, rates)) == [0.003, 0.01, 0.03]


def test_trials_that_diverge_come_last(run, learned, monkeypatch):
    monkeypatch.setitem(trials.SPACE, "learning_rate", [1e30, 1.0])
    given = ("--layers", "8", "--dropout", 0, "--batch-size", 50, "--optimizer", "sgd")
    status, out, err = run("tune", "a.npz", *QUICK, "--epochs", 2, *given, "--json")
    assert status == 0 and json.loads(out)["parameters"] == {"learning_rate": 0.01}
    assert re.search(r"^ *2 +1e\+28 +2 +- +-$", err, re.MULTILINE) and "Warning" not in err
    given = (*given, "--learning-rate", 1e30)
    for command, said in (("tune", "every trial diverged"), ("train", "diverged on fold 1 of --cv")):
        status, _, err = run(command, "a.npz", *QUICK, *given, "--cv", 2)
        assert status == 1 and said in err and "--learning-rate" in err


def test_trials_share_the_rows_of_a_part(learned, tmp_path):
    """Of images each copy would be as large as the data."""
    options = build_parser().parse_args(
        ["tune", str(tmp_path / "a.npz"), "--early-stopping", "2", "--seed", "3"]
    )
    options = for_network(options)
    options.data, options.validation_split = options.path, 0.2
    data = load_training(options)
    made = []

    class Counted(Data):
        def part(self, *numbers):
            made.append(super().part(*numbers))
            return made[-1]

    data.__class__ = Counted
    options.epochs = 1
    found = folds.tested([options] * 5, data, [data.watched(0.1, 3)])
    assert len(found) == 5 and len(made) == 1


def test_ctrl_c_saves_nothing(run, learned, tmp_path, monkeypatch):
    def interrupted(self, *arguments, **options):
        found = fastmlp.callbacks.History()
        found.interrupted = True
        return [found] * len(self)

    monkeypatch.setattr("fastmlp.Fleet.fit", interrupted)
    status, _, err = run("tune", "a.npz", *QUICK)
    assert status == 130 and "interrupted" in err and not (tmp_path / "model.npz").exists()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (("train", "a.npz", "--cv", 300), "--cv is 300, expected no more than the class"),
        (("train", "a.npz", "--cv", 2, "--resume", "c.npz"), "--cv is an option of new networks"),
        (("tune", "a.npz", "--validation-split", 0), "--validation-split is 0 and --cv is not given"),
        (("tune", "a.npz", "--recipe", "fast"), "--recipe is an option of tables"),
        (("tune", "t.csv", "--target", "y", "--layers", "8"), "--layers is an option of networks"),
    ],
)
def test_mistakes(run, learned, told, message):
    status, out, err = run(*told, *QUICK)
    assert (status, out) == (2, "") and message in err
