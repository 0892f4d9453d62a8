"""`fastmlp train --checkpoint` and `--resume`: the bits of a training that was never stopped."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import fastmlp
from command_line import POINTS, QUADRANT
from helpers import assert_same_bits

TOLD = ("train", "a.npz", "--no-plot", "--quiet", "--threads", 1)
TARGETS = {"words": np.array(["no", "yes"])[QUADRANT], "numbers": 100 + 50 * POINTS}


@pytest.fixture
def written(tmp_path):
    def write(kind):
        np.savez(tmp_path / "a.npz", X=POINTS, y=TARGETS[kind])

    return write


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("option", [(), ("--validation-split", 0), ("--dropout", 0.2)])
def test_it_ends_with_the_bits_of_one_never_stopped(run, tmp_path, written, kind, option):
    written(kind)
    fresh, resumed = option, () if option[:1] == ("--dropout",) else option  # which the checkpoint has
    assert run(*TOLD, *fresh, "--epochs", 4)[0] == 0
    whole = fastmlp.load(tmp_path / "model.npz")
    assert run(*TOLD, *fresh, "--epochs", 2, "--checkpoint", "run.npz")[0] == 0
    assert fastmlp.load(tmp_path / "run.npz").epochs_done == 2
    status, out, err = run(*TOLD, *resumed, "--epochs", 4, "--checkpoint", "run.npz", "--resume", "run.npz")
    assert (status, err) == (0, "") and "trained    2 epochs" in out
    both = fastmlp.load(tmp_path / "model.npz")
    assert_same_bits(both.get_weights(), whole.get_weights())
    assert_same_bits([both.predict(POINTS)], [whole.predict(POINTS)])
    assert fastmlp.load(tmp_path / "run.npz").epochs_done == 4


def test_what_does_not_fit_is_refused(run, tmp_path, written):
    written("words")
    assert run(*TOLD, "--epochs", 2, "--checkpoint", "run.npz")[0] == 0
    shutil.copy(tmp_path / "model.npz", tmp_path / "plain.npz")

    def refusal(*arguments):
        status, out, err = run(*TOLD, *arguments)
        assert (status, out) == (2, "")
        return err

    for name, value in (("--layers", 8), ("--optimizer", "sgd"), ("--dtype", "float64"), ("--loss", "focal")):
        assert f"{name} is an option of new networks" in refusal(name, value, "--resume", "run.npz")
    assert "--epochs is 2 and --resume names 'run.npz', which has done 2" in refusal(
        "--epochs", 2, "--resume", "run.npz"
    )
    assert "--seed is 1 and --resume names 'run.npz', of seed 0, expected --seed 0" in refusal(
        "--seed", 1, "--resume", "run.npz"
    )
    assert "'plain.npz', a model without its optimizer" in refusal("--resume", "plain.npz")
    np.savez(tmp_path / "a.npz", X=POINTS[:, :1], y=TARGETS["words"])
    assert "'run.npz', of 2 inputs and 2 outputs, expected (1, 2)" in refusal("--resume", "run.npz")
    np.savez(tmp_path / "a.npz", X=POINTS, y=np.array(["a", "b"])[QUADRANT])
    assert "'run.npz', whose classes are no, yes, expected" in refusal("--resume", "run.npz")
    np.savez(tmp_path / "a.npz", X=POINTS[:200], y=TARGETS["words"][:200])
    assert run(*TOLD, "--epochs", 3, "--resume", "missing.npz")[0] == 2
    assert "'nowhere' is not a folder" in refusal("--checkpoint", "nowhere/run.npz")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    status, _, err = run("train", "t.csv", "--resume", "run.npz")
    assert status == 2 and "--resume is an option of networks" in err


def test_a_network_no_better_than_the_baseline_is_told_of(run, tmp_path):
    np.savez(tmp_path / "a.npz", X=POINTS, y=np.arange(400) * 7919 % 2)
    status, out, err = run(*TOLD, "--epochs", 3)
    assert status == 0 and "always '" in out
    assert err == (
        "fastmlp train: warning: the held-out rows do not show that the model is better than the baseline\n"
    )
