"""The command line answers every mistake with one line and exit status 2."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import fastmlp
from command_line import POINTS, QUADRANT, write_csv, write_npz

# ---- mistakes ----


MISTAKES = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "unknown command": (["fly"], "invalid choice: 'fly'"),
    "unknown option": (["train", "--depth", "3"], "unrecognized arguments: --depth"),
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
    "activation": (["train", "--data", "y.npz", "--activation", "a"], "'a', expected"),
    "no such data": (["train", "--data", "nope"], "--data is 'nope'"),
    "no target": (["train", "--data", "a.csv"], "--target is missing"),
    "unknown target": (["train", "--data", "a.csv", "--target", "z"], "expected one of x1, x2, kind"),
    "empty folder": (["train", "--data", "."], "holds neither train-images-idx3-ubyte nor"),
    "unknown recipe": (
        ["train", "--data", "a.csv", "--target", "kind", "--recipe", "slow"],
        "unknown recipe 'slow', expected",
    ),
    "option of networks": (
        ["train", "--data", "a.csv", "--target", "kind", "--layers", "3"],
        "--layers is an option of networks, and --data is a table",
    ),
    "two files": (
        ["train", "a.csv", "--data", "d.npz"],
        "--data is 'd.npz' beside 'a.csv', expected one of them",
    ),
    "option of tables": (["train", "--recipe", "fast"], "--recipe is an option of tables"),
    "no header": (["train", "--data", "y.npz", "--no-header"], "--header is an option of tables"),
    "wide mark": (["train", "--delimiter", ";;"], "--delimiter: ';;' is not one character, tab or space"),
    "ids of a network": (["predict", "m.npz", "a.csv", "--id", "x1"], "--id is an option of tabular models"),
    "suffix": (["train", "--output", "m.bin"], "--output is 'm.bin', expected a name that ends in .npz"),
    "no folder": (["train", "--output", "no/m.npz"], "'no' is not a folder"),
    "no folder for the picture": (["train", "--plot", "no/m.png"], "'no' is not a folder"),
    "output is data": (["train", "--data", "d.npz", "--output", "d.npz"], "the file that --data names"),
    "predictions are data": (
        ["predict", "m.npz", "a.csv", "--output", "./a.csv"],
        "--output is 'a.csv', the file that DATA names",
    ),
    "npz without y": (["train", "--data", "d.npz"], "has no array y"),
    "model not there": (["predict", "nope.npz", "a.csv"], "cannot open nope.npz: no such file"),
    "model is foreign": (["predict", "d.npz", "a.csv"], "not a fastmlp model"),
    "rows not there": (["predict", "m.npz", "nope.csv"], "cannot open nope.csv: no such file"),
    "words in rows": (
        ["predict", "m.npz", "words.csv"],
        "'words.csv' line 2, column 'b': 'x' is not a finite number",
    ),
    "too many columns": (["predict", "m.npz", "a.csv"], "has 3 columns, expected 2 as MODEL; --target"),
    "output suffix": (["predict", "m.npz", "d.npz", "--output", "x.txt"], "ends in .csv or .npy"),
    "no folder for rows": (["predict", "m.npz", "d.npz", "--output", "no/x.csv"], "'no' is not a folder"),
    "info of a table": (["info", "a.csv"], "a.csv"),
}  # fmt: skip


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line_and_status_2(run, tmp_path, arguments, message):
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    (tmp_path / "words.csv").write_text("a,b\n1,x\n")
    np.savez(tmp_path / "d.npz", X=POINTS)
    write_npz(tmp_path / "y.npz", QUADRANT)
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
    (tmp_path / "rows.csv").write_text("\n".join(map(str, range(20_000))))
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
