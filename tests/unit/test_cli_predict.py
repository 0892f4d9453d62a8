"""`fastmlp predict` and `fastmlp info`: files, names of classes, what reaches the terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import fastmlp
from command_line import QUADRANT, accuracy_in, write_csv, write_npz
from fastmlp.files import format as files


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
        network.classes = ("a", "b", "c")
        network.save(path)
        X = np.ones((4, 2), np.float32)
        assert np.array_equal(fastmlp.load(path).predict(X), network.predict(X))
        assert fastmlp.load(path).classes.tolist() == ["a", "b", "c"]
        assert run("info", path.name)[1].splitlines()[1] == "classes: a, b, c"
    for damaged in (["a", "b"], {}, "abc", ["a", "b", 3]):
        with_classes(network, damaged, tmp_path / "bad.npz")
        status, _, err = run("info", "bad.npz")
        assert status == 2 and err.count("\n") == 1 and "bad.npz has a damaged list of classes" in err


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
        network.classes = names
        network.save(tmp_path / "m.npz")
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
    write_npz(tmp_path / "a.npz", np.array(["=1", "@2"])[QUADRANT])
    run("train", "--data", "a.npz", "--epochs", 60, "--layers", 32, "--no-plot")
    _, out, err = run("predict", "model.npz", "a.npz")
    assert {line.split(",")[0] for line in out.splitlines()[1:]} == {"'=1", "'@2"} and accuracy_in(err) > 0.9


ESCAPES = ("\x1b[2J\x1b]0;title\x07", "b\u202ec", "\x9b31m")


def test_what_files_say_does_not_reach_the_terminal_raw(run, tmp_path, monkeypatch):
    network = fastmlp.Network([1, 3], output="softmax", seed=0)
    network.classes = ESCAPES
    network.save(tmp_path / "m\x1b.npz")
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


def for_labels(classes, seed):
    network = fastmlp.Network([2, 2], output="softmax", seed=seed)
    network.classes = list(classes)
    return network


def test_a_model_saved_anew_while_it_is_read_is_one_of_both(run, tmp_path, monkeypatch):
    """The network and the names of its classes come from one opening of the file."""
    path = tmp_path / "m.npz"
    for_labels("ab", 0).save(path)
    read = files._read

    def saved_meanwhile(reader, kind):
        for_labels("cd", 1).save(path)
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
