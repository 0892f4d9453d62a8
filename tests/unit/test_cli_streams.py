"""`-` in place of a file: standard input and output."""

from __future__ import annotations

import gzip
import io
import types

import numpy as np
import pytest

import fastmlp
from command_line import QUADRANT, write_csv


@pytest.fixture
def given(monkeypatch):
    """What standard input holds."""

    def give(content):
        monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(content)))

    return give


def test_a_table_is_trained_on_and_predicted_from_a_pipe(run, given, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    content = write_csv(tmp_path / "t.csv", QUADRANT.tolist()).read_bytes()
    common = ("--target", "kind", "--recipe", "fast", "--epochs", 2, "--no-plot", "--threads", 1)
    given(content)
    status, out, _ = run("train", "-", *common, "--output", "piped.npz")
    assert status == 0 and out.startswith("data       standard input, kind, 2 classes: 300 rows to train")
    run("train", "t.csv", *common)
    assert (tmp_path / "piped.npz").read_bytes() == (tmp_path / "model.npz").read_bytes()
    expected = run("predict", "model.npz", "t.csv")
    for packed in (content, gzip.compress(content)):
        given(packed)
        assert run("predict", "model.npz", "-", "--output", "-") == expected
    given(b"x1,x2\n1,2\n3\n")
    status, out, err = run("predict", "model.npz", "-")
    assert (status, out) == (2, "") and "'standard input' line 3: '3' has 1 cell, expected 2" in err
    given(b"")
    assert "'standard input' is empty" in run("train", "--data", "-", *common)[2]


def test_a_network_predicts_and_is_measured_from_a_pipe(run, given, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    fastmlp.Network([2, 2], output="softmax", seed=1).save(tmp_path / "net.npz")
    content = write_csv(tmp_path / "t.csv", QUADRANT.tolist()).read_bytes()
    for command in ("predict", "evaluate"):
        given(content)
        piped = run(command, "net.npz", "-", "--target", "kind")
        assert piped == run(command, "net.npz", "t.csv", "--target", "kind") and piped[0] == 0
    images = b"\0\0\x08\x02" + np.array([1, 2], ">i4").tobytes() + b"\1\2"
    (tmp_path / "i").write_bytes(images)
    given(images)
    assert run("predict", "net.npz", "-") == run("predict", "net.npz", "i")
