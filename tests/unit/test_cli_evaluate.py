"""`fastmlp evaluate`: the figures of train's report, on rows of one's own."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest

sk_metrics = pytest.importorskip("sklearn.metrics")
pytest.importorskip("pandas")

import fastmlp  # noqa: E402
from command_line import POINTS, QUADRANT, write_csv  # noqa: E402

WORDS = np.array(["no", "yes"])[QUADRANT].tolist()
SUM = (3 * POINTS[:, 0] + POINTS[:, 1]).round(4).tolist()


@pytest.fixture
def trained(run, tmp_path):
    """A tabular model of 400 rows with these targets, in model.npz."""

    def train(target):
        write_csv(tmp_path / "t.csv", target)
        common = ("--recipe", "fast", "--epochs", 15, "--no-plot", "--threads", 1, "--quiet")
        assert run("train", "t.csv", "--target", "kind", *common)[0] == 0

    return train


def figures(out):
    """Of the model and of the baseline, by name."""
    lines = out.split("baseline\n", 1)[1].split("\nbaseline:")[0].splitlines()
    parts = [line.rsplit(maxsplit=2) for line in lines]
    return {name.strip(): (float(model), float(baseline)) for name, model, baseline in parts}


def test_figures_of_classes_against_scikit_learn(trained, run, tmp_path):
    trained(WORDS)
    rows = tmp_path / "t.csv"
    head, *others = rows.read_text().splitlines()
    (tmp_path / "new.csv").write_text("\n".join([head, *others[:149], "0.5,0.5,?"]) + "\n")
    predicted = csv.DictReader(io.StringIO(run("predict", "model.npz", "new.csv")[1]))
    shares = np.array([float(row["probability of yes"]) for row in predicted])[:149]
    truth = QUADRANT[:149]

    status, out, err = run("evaluate", "model.npz", "new.csv")
    assert (status, err) == (0, "note: 1 row without a target left out\n")
    found = figures(out)
    said, share = shares > 0.5, truth.mean()
    constant, commonest = np.full(149, share), np.full(149, share > 0.5)
    assert out.startswith(f"evaluated  accuracy {np.mean(said == truth):.2%} of 149 rows, always ")
    assert "baseline: the classes' shares of these rows" in out
    for name, metric, model, baseline in (
        ("accuracy", sk_metrics.accuracy_score, said, commonest),
        ("balanced accuracy", sk_metrics.balanced_accuracy_score, said, commonest),
        ("F1", sk_metrics.f1_score, said, commonest),
        ("AUC", sk_metrics.roc_auc_score, shares, constant),
        ("log loss", sk_metrics.log_loss, shares, constant),
    ):
        expected = metric(truth, model), metric(truth, baseline)
        assert found[name] == pytest.approx(expected, abs=1.1e-4), name
    assert found["accuracy"][0] > 0.8


def test_figures_of_numbers_against_scikit_learn(trained, run, tmp_path):
    trained(SUM)
    predicted = np.array([float(line) for line in run("predict", "model.npz", "t.csv")[1].splitlines()[1:]])
    status, out, err = run("evaluate", "model.npz", "t.csv")
    assert (status, err) == (0, "") and "of these rows" in out and "residual below" in out
    found, constant = figures(out), np.full(400, np.mean(SUM))
    for name, metric in (
        ("root mean square error", lambda y, p: sk_metrics.mean_squared_error(y, p) ** 0.5),
        ("mean absolute error", sk_metrics.mean_absolute_error),
        ("R2", sk_metrics.r2_score),
    ):
        expected = metric(SUM, predicted), metric(SUM, constant)
        assert found[name] == pytest.approx(expected, rel=1e-4, abs=6e-5), name
    assert found["R2"][0] > 0.9


def network_of(output, classes=None, width=2):
    net = fastmlp.Network([2, 8, width], output=output, seed=1)
    net.classes = classes
    net.save("net.npz")
    return net


@pytest.mark.parametrize("output, width", [("softmax", 2), ("log_softmax", 2), ("sigmoid", 1)])
def test_a_network_s_figures(run, tmp_path, monkeypatch, output, width):
    monkeypatch.chdir(tmp_path)
    net = network_of(output, ("yes", "no"), width)  # not in the order of the alphabet
    np.savez("arrays.npz", X=POINTS, y=np.array(WORDS))
    write_csv(tmp_path / "rows.csv", WORDS)
    outputs = net.predict(POINTS.astype(np.float32)).astype(float)
    outputs = np.exp(outputs) if output == "log_softmax" else outputs
    shares = outputs[:, -1]  # of "no"
    status, out, err = run("evaluate", "net.npz", "arrays.npz")
    no = 1 - QUADRANT
    gains = np.log(np.where(no, shares / no.mean(), (1 - shares) / (1 - no.mean())))
    better = gains.mean() > 2 * gains.std(ddof=1) / 20
    warning = "" if better else "warning: these rows do not show that the model is better than the baseline"
    assert status == 0 and err.removeprefix("fastmlp evaluate: ").rstrip("\n") == warning
    assert figures(out)["log loss"][0] == pytest.approx(sk_metrics.log_loss(no, shares), abs=6e-5)
    assert figures(out)["F1"][0] == pytest.approx(sk_metrics.f1_score(no, shares > 0.5), abs=6e-5)
    assert re.search(rf"\n *yes +{np.sum(QUADRANT * (shares < 0.5))} ", out)
    table = run("evaluate", "net.npz", "rows.csv", "--target", "kind")
    assert table[1] == out


def test_a_network_of_numbers(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = network_of("identity")
    y = POINTS[:, ::-1]
    np.savez("arrays.npz", X=POINTS[:5], X_test=POINTS, y=y[:5], y_test=y)
    found = figures(run("evaluate", "net.npz", "arrays.npz")[1])
    for j in range(2):
        error = sk_metrics.mean_absolute_error(y[:, j], net.predict(POINTS.astype(np.float32))[:, j])
        assert found[f"output {j}: mean absolute error"][0] == pytest.approx(error, rel=1e-5)


def test_quiet_is_one_line(trained, run):
    trained(WORDS)
    status, out, err = run("evaluate", "model.npz", "t.csv", "--quiet")
    assert (status, err) == (0, "") and out.count("\n") == 1 and out.startswith("evaluated  accuracy")
    assert run("evaluate", "model.npz", "t.csv")[1].startswith(out)


def test_rows_that_cannot_be_compared_are_refused(trained, run, tmp_path):
    trained(WORDS)
    network_of("softmax", ("no", "yes"))
    (tmp_path / "bare.csv").write_text("x1,x2\n0.5,0.25\n")
    (tmp_path / "odd.csv").write_text("x1,x2,kind\n0.5,0.25,yes\n0.5,0.25,maybe\n")
    np.savez(tmp_path / "bare.npz", X=POINTS)
    np.savez(tmp_path / "odd.npz", X=POINTS[:2], y=np.array(["yes", "maybe"]))
    for arguments, message in (
        (("model.npz", "bare.csv"), "--target is missing, expected the name or index of the column"),
        (("model.npz", "odd.csv"), "'odd.csv' line 3, column 'kind': 'maybe' is no class of MODEL"),
        (("net.npz", "bare.npz"), "DATA has no targets, expected y beside X"),
        (("net.npz", "odd.npz"), "y is 'maybe' in row 1, expected one of no, yes"),
    ):
        status, out, err = run("evaluate", *arguments)
        assert (status, out) == (2, "") and err.count("\n") == 1 and message in err, arguments


@pytest.mark.parametrize("target", [WORDS, SUM], ids=["classes", "numbers"])
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_threads_reach_a_tabular_model(trained, run, monkeypatch, verb, target):
    from fastmlp.tabular.ensemble import Ensemble

    trained(target)
    seen, predict = [], Ensemble.predict

    def watched(self, frame, threads=None):
        seen.append(threads)
        return predict(self, frame, threads)

    monkeypatch.setattr(Ensemble, "predict", watched)
    assert run(verb, "model.npz", "t.csv", "--threads", 3)[0] == 0
    assert seen and set(seen) == {3}
