"""Options of `fastmlp train` that say how it is trained, against the same in Python."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import fastmlp
from command_line import POINTS, QUADRANT, accuracy_in, write_csv, write_npz
from fastmlp import optimizers, registry
from fastmlp.cli.options import LOSSES_OF_CLASSES, LOSSES_OF_NUMBERS

RARE = (POINTS.sum(axis=1) > 1.3).astype(int)  # a class of few rows
COMMON = ("--no-plot", "--quiet", "--threads", 1)


def balanced_accuracy(said, truth):
    return np.mean([np.mean(said[truth == each] == each) for each in (0, 1)])


def test_balanced_classes_of_a_network(run, tmp_path):
    assert 0.02 < RARE.mean() < 0.1
    write_npz(tmp_path / "a.npz", RARE)
    for name, options in (("plain", ()), ("even", ("--class-weight", "balanced"))):
        assert run("train", "a.npz", "--epochs", 4, *COMMON, *options, "--output", f"{name}.npz")[0] == 0
    plain, even = (fastmlp.load(tmp_path / f"{name}.npz") for name in ("plain", "even"))
    found = [balanced_accuracy(net.predict_classes(POINTS), RARE) for net in (plain, even)]
    assert found[0] < 0.6 and found[1] > 0.8
    np.savez(tmp_path / "b.npz", X=POINTS, y=POINTS[:, 0])
    status, out, err = run("train", "b.npz", *COMMON, "--class-weight", "balanced")
    assert (status, out) == (2, "") and "--class-weight is 'balanced', but the target is numbers" in err


def test_balanced_classes_of_a_table(run, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    write_csv(tmp_path / "t.csv", (np.arange(400) * 7919 % 5 == 0).astype(int).tolist())  # of chance
    told = ("train", "t.csv", "--target", "kind", "--recipe", "fast", "--epochs", 3, *COMMON)
    shares = []
    for options in ((), ("--class-weight", "balanced")):
        assert run(*told, *options)[0] == 0
        shares.append(fastmlp.tabular.load("model.npz").predict_proba(POINTS)[:, 1].mean())
    assert shares[0] < 0.35 < shares[1]
    status, _, err = run("train", "t.csv", "--target", "x1", "--class-weight", "balanced", *COMMON)
    assert status == 2 and "but the target is numbers" in err


def test_early_stopping_keeps_the_best_epoch(run, tmp_path):
    noise = np.arange(400) * 7919 % 2  # nothing to be learned
    write_npz(tmp_path / "a.npz", noise)
    told = ("train", "a.npz", "--learning-rate", 0.05, *COMMON, "--json")
    result = json.loads(run(*told, "--epochs", 50, "--early-stopping", 2)[1])
    held_out = result["history"]["val_loss"]
    best = int(np.argmin(held_out))
    assert len(held_out) == best + 3 < 50
    stopped = fastmlp.load(tmp_path / "model.npz").get_weights()
    run(*told, "--epochs", best + 1)
    for kept, expected in zip(stopped, fastmlp.load(tmp_path / "model.npz").get_weights(), strict=True):
        assert np.array_equal(kept, expected)
    status, _, err = run(*told, "--early-stopping", 2, "--validation-split", 0)
    assert status == 2 and "--early-stopping watches held-out rows" in err


def test_the_loss_is_told(run, tmp_path):
    np.savez(tmp_path / "a.npz", X=POINTS, y=POINTS[:, 0] * 3)
    weights = {}
    for loss in (None, "mse", "huber"):
        told = () if loss is None else ("--loss", loss)
        assert run("train", "a.npz", "--epochs", 2, *COMMON, *told)[0] == 0
        weights[loss] = fastmlp.load(tmp_path / "model.npz").get_weights()[0]
    assert np.array_equal(weights[None], weights["mse"]) and not np.array_equal(
        weights["mse"], weights["huber"]
    )
    write_npz(tmp_path / "b.npz", QUADRANT)
    for name, loss, what in (
        ("a", "poisson", "numbers one of mse"),
        ("b", "mse", "classes one of sparse_cat"),
    ):
        status, out, err = run("train", f"{name}.npz", "--loss", loss, *COMMON)
        assert (status, out) == (2, "") and f"--loss is '{loss}', expected for {what}" in err


@pytest.mark.parametrize("loss", LOSSES_OF_NUMBERS)
def test_losses_of_numbers_train(run, tmp_path, loss):
    np.savez(tmp_path / "a.npz", X=POINTS, y=100 + 50 * POINTS[:, 0])
    out = run("train", "a.npz", "--loss", loss, *COMMON)[1]
    assert float(re.search(r"R2 ([-\d.]+) on", out).group(1)) > 0.9


@pytest.mark.parametrize("loss", LOSSES_OF_CLASSES)
def test_losses_of_classes_train(run, tmp_path, loss):
    write_npz(tmp_path / "a.npz", QUADRANT)
    assert accuracy_in(run("train", "a.npz", "--loss", loss, "--epochs", 60, *COMMON)[1]) > 0.9


def test_help_lists_what_there_is(run):
    words = (
        run("train", "--help")[1]
        .replace(",", " ")
        .replace("{", " ")
        .replace("}", " ")
        .replace(";", " ")
        .split()
    )
    for names in (registry.ACTIVATIONS, LOSSES_OF_CLASSES, LOSSES_OF_NUMBERS, optimizers.OPTIMIZERS):
        assert {*names} <= {*words}
