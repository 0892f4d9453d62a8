"""`--json`: one object on standard output, words on standard error; `--quiet`: fewer words."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastmlp
from command_line import POINTS, QUADRANT, accuracy_in, write_csv, write_npz

SUM = (3 * POINTS[:, 0] + POINTS[:, 1]).round(4).tolist()


@pytest.fixture
def found(run):
    """Run with --json: the object, and what was said on standard error."""

    def run_json(*arguments):
        status, out, err = run(*arguments, "--json")
        assert status == 0, err
        assert out.count("\n") == 1 and out.endswith("}\n")
        return json.loads(out), err

    return run_json


def trained(found, tmp_path, target):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    write_csv(tmp_path / "t.csv", target)
    return found("train", "t.csv", "--target", "kind", "--recipe", "fast", "--epochs", 5, "--no-plot")


def test_classes_of_a_table(found, run, tmp_path):
    result, err = trained(found, tmp_path, np.array(["no", "yes"])[QUADRANT].tolist())
    assert (result["kind"], result["target"]) == ("classification", ["kind"])
    assert (result["rows_trained"], result["rows_held_out"], result["output"]) == (300, 100, "model.npz")
    assert [each["column"] for each in result["columns"]] == ["x1", "x2"]
    report = result["report"]
    assert report["model"]["accuracy"] == pytest.approx(accuracy_in(err), abs=5e-5)
    assert {*report["model"]} == {"accuracy", "balanced_accuracy", "f1", "auc", "log_loss"}
    assert report["classes"] == ["no", "yes"] and np.sum(report["confusion_matrix"]) == 100
    assert np.trace(report["confusion_matrix"]) / 100 == pytest.approx(report["model"]["accuracy"])

    measured, err = found("evaluate", "model.npz", "t.csv")
    assert measured["rows"] == 400 and measured["better_than_baseline"] == ("warning" not in err)
    assert measured["baseline"]["accuracy"] == pytest.approx(max(QUADRANT.mean(), 1 - QUADRANT.mean()))
    predicted, err = found("predict", "model.npz", "t.csv", "--output", "p.csv")
    assert predicted == {"rows": 400, "output": "p.csv", "notes": [], "compared": 400,
                         "accuracy": pytest.approx(measured["model"]["accuracy"])}  # fmt: skip
    assert accuracy_in(err) == pytest.approx(predicted["accuracy"], abs=5e-5)
    assert run("predict", "model.npz", "t.csv", "--output", "p.csv", "--quiet") == (0, "", "")
    about, _ = found("info", "model.npz")
    assert (about["kind"], about["networks"], about["classes"]) == ("TabularClassifier", 1, ["no", "yes"])
    said = run("info", "model.npz", "--quiet")[1]
    assert said.startswith("model.npz: TabularClassifier, recipe") and said.count("\n") == 1


def test_numbers_of_a_table_and_what_is_not_finite(found, tmp_path):
    result, err = trained(found, tmp_path, SUM)
    assert result["kind"] == "regression"
    assert f"{result['report']['model']['root_mean_square_error']:.6g}, R2 " in err
    (tmp_path / "one.csv").write_text("x1,x2,kind\n0.5,0.25,1.75\n")
    measured, _ = found("evaluate", "model.npz", "one.csv")
    assert measured["model"]["r2"] is None and measured["baseline"]["mean_absolute_error"] == 0


def test_several_targets_have_figures_of_their_own(found, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    rows = [f"{a:.4f},{b:.4f},{a + b:.4f},{a - b:.4f}" for a, b in POINTS]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,sum,gap", *rows]))
    common = ("--recipe", "fast", "--epochs", 1, "--no-plot", "--quiet")
    report = found("train", "t.csv", "--target", "sum,gap", *common)[0]["report"]
    assert {*report["model"]} == {"sum", "gap"} == {*report["baseline"]}
    assert {*report["model"]["gap"]} == {"root_mean_square_error", "mean_absolute_error", "r2"}


def test_networks(found, run, tmp_path):
    write_npz(tmp_path / "a.npz", QUADRANT)
    common = ("--epochs", 3, "--no-plot", "--quiet")
    result, err = found("train", "a.npz", *common)
    report = result["report"]
    assert report["model"]["accuracy"] == pytest.approx(accuracy_in(err), abs=5e-5)
    assert report["classes"] == ["0", "1"] and np.sum(report["confusion_matrix"]) == 100
    assert len(result["history"]["val_loss"]) == 3 and result["rows_per_second"] > 0
    assert (result["kind"], result["rows_trained"], result["rows_held_out"]) == ("classification", 300, 100)
    predicted, err = found("predict", "model.npz", "a.npz", "--output", "p.npy")
    assert predicted["rows"] == predicted["compared"] == 400
    assert predicted["accuracy"] == pytest.approx(accuracy_in(err), abs=5e-5)
    about, _ = found("info", "model.npz")
    assert about["classes"] == [0, 1] and about["layers"][-1]["activation"] == "softmax"
    net = fastmlp.load(tmp_path / "model.npz")
    assert about["parameters"] == sum(each.size for each in net.get_weights())
    assert run("info", "model.npz", "--quiet")[1].count("\n") == 1
    np.savez(tmp_path / "b.npz", X=POINTS, y=np.array(SUM))
    result, err = found("train", "b.npz", *common)
    assert f"error {result['report']['model']['root_mean_square_error']:.6g}, R2" in err


def test_the_configuration(found):
    about, err = found("info")
    assert about["fastmlp"] == fastmlp.__version__ and "instruction set chosen" in err


def test_mistakes_leave_standard_output_empty(run, tmp_path):
    fastmlp.Network([2, 2], output="softmax").save(tmp_path / "m.npz")
    np.savez(tmp_path / "d.npz", X=POINTS)
    status, out, err = run("predict", "m.npz", "d.npz", "--json")
    assert (status, out) == (2, "") and "--json is on standard output, expected a file" in err
    status, out, err = run("info", "no.npz", "--json")
    assert (status, out) == (2, "") and err.count("\n") == 1
