"""`fastmlp train` and `predict` on tables: targets, reports, ids, columns that are not those of training."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import fastmlp.tabular  # noqa: E402
from command_line import POINTS, QUADRANT, accuracy_in, write_csv  # noqa: E402
from interpreters import interpret  # noqa: E402

QUICK = ("--recipe", "fast", "--epochs", 3, "--no-plot", "--threads", 1)
LONGER = ("--recipe", "fast", "--epochs", 20, "--no-plot", "--threads", 1)


@pytest.fixture
def train(run, tmp_path):
    """Write a table and train on it: (status, standard output, standard error)."""

    def train_table(content, *options):
        (tmp_path / "t.csv").write_text(content)
        return run("train", "t.csv", *(options if "--recipe" in options else (*QUICK, *options)))

    return train_table


@pytest.fixture
def predict(run, tmp_path):
    """Write rows and predict them with the model: (rows of the output, standard error)."""

    def predict_table(content, *options):
        (tmp_path / "new.csv").write_text(content)
        status, out, err = run("predict", "model.npz", "new.csv", *options)
        assert status == 0, err
        return list(csv.reader(io.StringIO(out))), err

    return predict_table


def lines(*columns, names):
    return "\n".join([names, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"


def model():
    return fastmlp.tabular.load("model.npz")


X1, X2 = POINTS[:, 0].round(4).tolist(), POINTS[:, 1].round(4).tolist()
SUM = (3 * POINTS[:, 0] + POINTS[:, 1]).round(4).tolist()


# ---- targets ----


def test_a_gap_among_numbers_is_no_class(train):
    status, out, _ = train("x,t\n1,1.5\n2,NA\n3,2.5\n", "--target", "t")
    assert status == 0 and "t, regression: 2 rows to train" in out
    assert "1 row without a target left out: 'NA', line 3" in out
    assert type(model()).__name__ == "TabularRegressor"


@pytest.mark.parametrize("gap", ["?", "", "NA", "-", "null"])
def test_one_gap_in_two_thousand_numbers(train, gap):
    target = [f"{value:.3f}" for value in np.linspace(0, 1, 2000)]
    target[77] = gap
    status, out, _ = train(lines(range(0, 4000, 2), target, names="x,t"), "--target", "t", "--features", "x")
    assert status == 0 and "t, regression: 1499 rows to train, 500 held out" in out
    assert f"1 row without a target left out: {gap!r}, line 79" in out


@pytest.mark.parametrize(("classes", "gap"), [(["-", "+"], "?"), (["none", "mild", "severe"], "")])
def test_words_for_gaps_that_are_classes(train, predict, run, classes, gap):
    """Signs as in UCI's credit approval, severities that begin with none."""
    x = np.arange(60) % len(classes)
    target = [classes[i] for i in x]
    target[7] = gap
    status, out, _ = train(lines(x, target, names="x,t"), "--target", "t")
    assert status == 0 and f"1 row without a target left out: {gap!r}, line 9" in out
    assert model().classes_.tolist() == sorted(classes)
    assert f"target t has {classes[0]!r}, taken for a class" in out
    found, err = predict(lines(x, target, names="x,t"))
    assert {row[0] for row in found[1:]} <= set(classes) and "of 59 rows" in err
    assert "of 59 rows" in run("evaluate", "model.npz", "t.csv", "--quiet")[1]


def test_a_word_for_a_gap_is_one_elsewhere(train):
    x = np.arange(60) % 3
    status, out, _ = train(lines(x, np.array(["-", "up", "down"])[x], names="x,t"), "--target", "t")
    assert status == 0 and "20 rows without a target left out: '-', the first in line 2" in out


def test_a_word_among_numbers_is_refused_with_its_place(train):
    target = [f"{value:.3f}" for value in np.linspace(0, 1, 200)]
    target[77] = "x7"
    table = lines(X1[:200], target, names="x,t")
    status, out, err = train(table, "--target", "t")
    assert (status, out) == (2, "") and "'t.csv' line 79, column 't': 'x7' is no number" in err
    assert train(table, "--target", "t", "--task", "classification")[0] == 0
    status, _, err = train("x,t\n1,a\n2,b\n", "--target", "t", "--task", "regression")
    assert status == 2 and "'t.csv' line 2, column 't': 'a' is no number" in err


def test_a_word_among_few_reals_is_no_class(train):
    target = [*["0.5", "1.25", "2"] * 20, "missing"]
    status, _, err = train(lines(X1[:61], target, names="x,t"), "--target", "t")
    assert status == 2 and "'t.csv' line 62, column 't': 'missing' is no number" in err
    whole = lines(X1[:60], [*["1", "2", "3"] * 19, *["other"] * 3], names="x,t")
    status, out, _ = train(whole, "--target", "t")
    assert status == 0 and "target t: 'other' is taken for a class, as the numbers are" in out


def test_booleans_in_several_spellings_are_two_classes(train, run):
    target = ["TRUE", "false", "true", "False"] * 15
    status, out, _ = train(lines(X1[:60], target, names="x,t"), "--target", "t")
    assert status == 0 and "2 classes" in out and "booleans in several spellings" in out
    assert model().classes_.tolist() == ["False", "True"]
    assert "60 rows" in run("evaluate", "model.npz", "t.csv", "--quiet")[1]


def test_dates_are_no_target(train):
    table = lines(X1[:60], [f"2024-01-{1 + i % 28:02}" for i in range(60)], names="x,t")
    status, _, err = train(table, "--target", "t")
    assert status == 2 and "'t.csv' has dates in the target column 't'" in err
    assert train(table, "--target", "t", "--task", "classification")[0] == 0


@pytest.mark.parametrize(
    ("odd", "said"),
    [('"1,234"', "with ',' between thousands"), ("abc", "'abc' is none"), ("", None)],
)
@pytest.mark.parametrize("row", range(0, 60, 7))
def test_no_row_is_held_out_that_tells_how_a_column_is_read(train, odd, said, row):
    cells = [str(i * i) for i in range(60)]
    cells[row] = odd
    status, out, err = train(lines(cells, X1[:60], X2[:60], names="a,b,t"), "--target", "t")
    assert status == 0, err
    assert said is None or said in out


@pytest.mark.parametrize("odd", ['"1,234"', "abc"])
def test_nor_in_folds(train, run, odd):
    cells = [str(i * i) for i in range(60)]
    cells[33] = odd
    table = lines(cells, X1[:60], X2[:60], names="a,b,t")
    status, out, err = train(table, "--target", "t", "--cv", 5, "--seed", 4)
    assert status == 0 and "cross-validation, 5 folds" in out, err
    status, out, err = run("tune", "t.csv", "--target", "t", "--trials", 2, *QUICK)
    assert status == 0, err


@pytest.mark.parametrize("verb", [["train", "--cv", 5], ["tune", "--trials", 2]])
def test_a_cell_that_is_refused_in_a_fold_has_the_place_in_the_file(train, run, tmp_path, verb):
    cells = [*map(str, X1[:60])]
    cells[41] = "inf"
    (tmp_path / "t.csv").write_text(lines(cells, SUM[:60], names="x,t"))
    status, _, err = run(*verb, "--data", "t.csv", "--target", "t", *QUICK)
    assert status == 2 and "'t.csv' line 43, column 'x': 'inf' is infinite" in err


def test_xor_is_a_matter_of_classes(train):
    status, out, _ = train("x1,x2,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n", "--target", "y", *LONGER)
    assert status == 0 and "y, 2 classes: 4 rows to train, 0 held out" in out
    assert "few rows, none held out" in out and model().classes_.tolist() == [0, 1]


TARGETS = {
    "two values": ([0, 1] * 20, "2 classes", None),
    "two real ones": (["0.5", "1.5"] * 20, "regression", None),
    "whole reals": (["1.0", "2.0"] * 20, "2 classes", None),
    "words": (["yes", "no"] * 20, "2 classes", None),
    "booleans": (["TRUE", "FALSE"] * 20, "2 classes", None),
    "few": ([0, 3, 7] * 15, "3 classes", "3 different whole numbers taken for classes (--task regression"),
    "codes": (list(range(26)) * 6, "26 classes", "26 different whole numbers taken for classes"),
    "years": (list(range(1950, 2000)) * 6, "regression", "50 different whole numbers taken for numbers"),
    "counts": (list(range(40)), "regression", "40 different whole numbers taken for numbers (--task class"),
    "thousands": (['"1,200.5"', '"2,300"'] * 20, "regression", "read as numbers with ',' between thousands"),
    "money": (["$5.50", "$7"] * 20, "regression", None),
    "both ways": (["1.234", "2.345"] * 20, "regression", "'1.234' as 1.234, which could also be 1234"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_is(train, name):
    target, task, said = TARGETS[name]
    status, out, _ = train(lines(X1[: len(target)], target, names="x,t"), "--target", "t", "--quiet")
    assert status == 0
    assert hasattr(model(), "classes_") == (task != "regression")
    assert (said or "note") in out if said else "note" not in out
    if task != "regression":
        assert f"{len(model().classes_)} classes" == task


def test_the_task_can_be_told(train):
    table = lines(X1[:60], [2, 5, 9] * 20, names="x,t")
    assert "regression" in train(table, "--target", "t", "--task", "regression")[1]
    assert "3 classes" in train(table, "--target", "t", "--task", "classification")[1]
    reals = lines(X1[:60], [0.5, 1.25, 2] * 20, names="x,t")
    assert "3 classes" in train(reals, "--target", "t", "--task", "classification")[1]
    assert model().classes_.tolist() == ["0.5", "1.25", "2"]


def test_several_targets(train, predict):
    table = lines(X1, X2, SUM, [-value for value in SUM], names="a,b,u,v")
    status, out, _ = train(table, "--target", "u,v", *LONGER)
    assert status == 0 and "u, v, regression" in out and "v: mean absolute error" in out
    rows, err = predict("b,a\n0.5,0.25\n")
    assert rows[0] == ["u", "v"] and len(rows) == 2 and err == ""
    assert "R2 0." in predict(table)[1]
    status, _, err = train(table, "--target", "u,v", "--task", "classification")
    assert status == 2 and "--target names 2 columns, expected one for --task classification" in err


REFUSED = {
    "unknown": ("a,b\n1,2\n2,3\n", "c", "unknown --target 'c', expected one of a, b"),
    "twice": ("a,b\n1,2\n2,3\n", "b,b", "expected each column once"),
    "index": ("a,b\n1,2\n2,3\n", "5", "unknown --target '5', expected one of a, b"),
    "alone": ("a\n1\n2\n", "a", "'t.csv' has no column beside the target a"),
    "one class": ("a,b\n1,u\n2,u\n", "b", "target 'b' is 'u' in all rows, expected two or more values"),
    "one number": ("a,b\n1,2.5\n2,2.5\n", "b", "target 'b' is 2.5 in all rows"),
    "no target": ("a,b\n1,NA\n2,?\n", "b", "'t.csv' has no row with a target, '?' or 'NA' in all of them"),
    "infinite": ("a,b\n1,2.5\n2,inf\n", "b", "'t.csv' line 3, column 'b': 'inf' is infinite"),
    "infinite cell": ("a,b\n1,2.5\n-inf,3\n5,6\n", "b", "'t.csv' line 3, column 'a': '-inf' is infinite"),
    "names": (lines(range(30), map("n{}".format, range(30)), names="a,b"), "b", "30 different words in 30"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_targets_that_are_none(train, tmp_path, name):
    content, target, said = REFUSED[name]
    status, _, err = train(content, "--target", target, "--quiet")
    assert status == 2 and err.count("\n") == 1 and said in err
    assert not (tmp_path / "model.npz").exists()


def test_an_infinite_cell_is_found_among_left_out_and_held_out_rows(train):
    for row in range(3, 60, 7):
        x, t = [*map(str, X1[:60])], ["", *SUM[1:60]]
        x[row] = "inf"
        status, _, err = train(lines(x, t, names="x,t"), "--target", "t", "--quiet")
        assert status == 2 and f"'t.csv' line {row + 2}, column 'x': 'inf' is infinite" in err


def test_a_header_in_numbers_or_without_one(train, predict):
    body = lines(X1, X2, QUADRANT, names="").lstrip("\n")
    status, out, _ = train(body, "--target", 2)
    assert status == 0 and "columns go by place" in out and "300 rows to train, 100 held out" in out
    assert len(predict("0.5,0.25\n0.25,0.5\n")[0]) == 3
    assert "of 400 rows" in predict(body)[1]
    assert train("2019,2020,y\n" + body, "--target", "y")[0] == 0
    assert model().feature_names_in_.tolist() == ["2019", "2020"]
    assert "300 rows to train" in train("?,1,0\n" + body, "--target", 2)[1]


# ---- reports ----


def test_the_report_of_classes(train):
    status, out, err = train(lines(X1, X2, QUADRANT, names="a,b,t"), "--target", "t", *LONGER)
    assert (status, err) == (0, "")
    for name in ("accuracy", "balanced accuracy", "F1", "AUC", "log loss", "baseline", "taken for (top)"):
        assert name in out
    matrix = [[*map(int, line.split())] for line in re.findall(r"\n([01] +\d+ +\d+)", out)]
    counts = np.array(matrix)[:, 1:]
    assert counts.sum() == 100
    assert np.trace(counts) / 100 == pytest.approx(accuracy_in(out), abs=5e-5)
    baseline = float(re.search(r"always '\d': ([\d.]+)%", out).group(1)) / 100
    assert baseline == pytest.approx(counts.sum(axis=1).max() / 100, abs=5e-5)
    figure = re.search(r" accuracy +([\d.]+) +([\d.]+)\n", out)
    assert float(figure.group(1)) == pytest.approx(accuracy_in(out)) and float(figure.group(2)) == baseline


def test_many_classes_have_their_mistakes_listed(train):
    target = [f"c{int(13 * x):02}" for x in POINTS[:, 0] * 0.5 + 0.5]
    out = train(lines(X1, target, names="a,t"), "--target", "t")[1]
    assert "the commonest mistakes" in out and "taken for (top)" not in out


@pytest.mark.parametrize("target", [QUADRANT, SUM], ids=["classes", "numbers"])
def test_folds_against_scikit_learn(run, train, target):
    from sklearn.base import clone
    from sklearn.model_selection import KFold, StratifiedKFold

    table = lines(X1, X2, target, names="a,b,t")
    status, out, _ = train(table, "--target", "t", *LONGER, "--cv", 3, "--seed", 5, "--json")
    found = json.loads(out)["folds"]
    X, y = np.column_stack([X1, X2]), np.array(target)
    classes = target is QUADRANT
    folds = (StratifiedKFold if classes else KFold)(3, shuffle=True, random_state=5).split(X, y)
    for i, (learned, held_out) in enumerate(folds):
        fitted = clone(model()).set_params(random_state=5).fit(X[learned], y[learned])
        said = fitted.predict(X[held_out])
        if classes:
            assert found["accuracy"][i] == pytest.approx(np.mean(said == y[held_out]))
            losses = -np.log(fitted.predict_proba(X[held_out])[np.arange(len(held_out)), y[held_out]])
            assert found["log_loss"][i] == pytest.approx(losses.mean(), rel=1e-5)
        else:
            assert found["mean_absolute_error"][i] == pytest.approx(np.abs(said - y[held_out]).mean())
    out = train(table, "--target", "t", *LONGER, "--cv", 3, "--seed", 5, "--quiet")[1]
    name = "accuracy" if classes else "mean absolute error"
    shown = re.search(rf"^ *{name} +(.+)$", out, re.MULTILINE).group(1).split()
    values = found[name.replace(" ", "_")]
    expected = [np.mean(values), np.std(values, ddof=1), *values]
    assert [float(each) for each in shown] == pytest.approx(expected, abs=6e-5)


def test_folds_of_too_few_rows_are_refused(train, run, tmp_path):
    status, out, err = train(lines(range(30), "ab" * 14 + "cc", names="x,t"), "--target", "t", "--cv", 3)
    assert status == 2 and "--cv is 3, expected no more than the class 'c' has rows: 2 rows" in err
    status, out, err = train(lines(range(5), SUM[:5], names="x,t"), "--target", "t", "--cv", 3)
    assert status == 2 and "--cv is 3, expected at most 2 of 5 rows" in err
    assert "'1' is not a whole number of at least 2" in run("train", "t.csv", "--cv", 1)[2]


def test_the_report_of_numbers_against_scikit_learn(train, run, tmp_path):
    metrics = pytest.importorskip("sklearn.metrics")
    status, out, err = train(lines(X1, X2, SUM, names="a,b,t"), "--target", "t", *LONGER)
    assert (status, err) == (0, "")
    names = ("root mean square error", "mean absolute error", "R2")
    found = {name: [*map(float, re.search(rf"{name} +(\S+) +(\S+)\n", out).groups())] for name in names}
    order = fastmlp.datasets.train_test_split(np.arange(400), np.zeros(400), 0.25, 0)
    X, y = np.column_stack([X1, X2]), np.array(SUM)
    predictions = model().predict({"a": X[order[1], 0], "b": X[order[1], 1]})
    for told, constant in ((predictions, 0), (np.full(100, y[order[0]].mean()), 1)):
        error = metrics.mean_squared_error(y[order[1]], told) ** 0.5
        assert found["root mean square error"][constant] == pytest.approx(error, rel=1e-5)
        error = metrics.mean_absolute_error(y[order[1]], told)
        assert found["mean absolute error"][constant] == pytest.approx(error, rel=1e-5)
        assert found["R2"][constant] == pytest.approx(metrics.r2_score(y[order[1]], told), abs=1e-4)
    quantiles = re.search(r"\n *t +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)\n", out).groups()
    expected = np.quantile(y[order[1]] - predictions, [0.05, 0.25, 0.5, 0.75, 0.95])
    assert [*map(float, quantiles)] == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize("target", [QUADRANT, SUM], ids=["classes", "numbers"])
def test_a_model_without_use_is_told_from_a_good_one(train, target):
    status, out, err = train(lines(X1, X2, target, names="a,b,t"), "--target", "t", *LONGER)
    assert status == 0 and err == ""
    shuffled = np.random.default_rng(1).permutation(target)
    status, out, err = train(lines(X1, X2, shuffled, names="a,b,t"), "--target", "t", *LONGER)
    assert status == 0 and "do not show that the model is better than the baseline" in err


def test_sorted_rows_are_held_out_from_every_class(train):
    order = np.argsort(QUADRANT, kind="stable")
    out = train(
        lines(np.array(X1)[order], np.array(X2)[order], QUADRANT[order], names="a,b,t"), "--target", "t"
    )[1]
    counts = np.array([[*map(int, line.split())] for line in re.findall(r"\n([01] +\d+ +\d+)", out)])[:, 1:]
    assert counts.sum() == 100 and abs(counts.sum(axis=1)[1] - 100 * QUADRANT.mean()) <= 1


def test_a_class_of_one_row_is_learned_from(train):
    target = ["once", *np.array(["a", "b"])[QUADRANT[1:]]]
    status, out, _ = train(lines(X1, X2, target, names="a,b,t"), "--target", "t")
    assert status == 0 and "a class has one row" in out and model().classes_.tolist() == ["a", "b", "once"]


def test_columns_are_reported(train):
    out = train(lines(range(400), X1, ["u", "v"] * 200, QUADRANT, names="id,a,w,t"), "--target", "t")[1]
    assert re.search(r"id +left out +it numbers the rows", out)
    assert re.search(r"w +a category of 2 values: one column, 1 or -1", out)


@pytest.mark.parametrize("target", [QUADRANT, SUM], ids=["classes", "numbers"])
def test_the_picture(run, tmp_path, target):
    pytest.importorskip("matplotlib")
    write_csv(tmp_path / "t.csv", target)
    common = ("train", "--data", "t.csv", "--target", "kind", "--recipe", "fast", "--epochs", 2, "--quiet")
    assert "saved      model.npz and model.png" in run(*common)[1]
    assert (tmp_path / "model.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_options_reach_the_model(run, train):
    table = lines(X1, X2, ["k"] * 200 + ["l"] * 200, QUADRANT, names="a,b,c,t")
    options = ("--nets", 2, "--metric", "auc", "--drop", "c,b")
    assert train(table, "--target", "t", *options)[0] == 0
    assert len(model().ensemble_.members) == 2 and len(model().ensemble_.members[0].errors) == 3
    assert [c["kind"] for c in model().ensemble_.encoder.report()] == ["number", "left out", "left out"]
    assert train(table, "--target", "t", "--features", "b")[0] == 0
    assert [c["kind"] for c in model().ensemble_.encoder.report()] == ["left out", "number", "left out"]
    assert "unknown metric 'x'" in train(table, "--target", "t", "--metric", "x")[2]


def test_same_seed_same_file(run, tmp_path):
    write_csv(tmp_path / "a.csv", QUADRANT.tolist())
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        common = ("train", "--data", "a.csv", "--target", "kind", "--quiet", "--seed", seed)
        assert run(*common, *QUICK, "--output", f"{name}.npz")[0] == 0
    one, two, three = ((tmp_path / f"{name}.npz").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_quiet_says_only_the_results(train):
    status, out, err = train(lines(X1, X2, QUADRANT, names="a,b,t"), "--target", "t", "--quiet", *LONGER)
    assert (status, err) == (0, "") and [line.split()[0] for line in out.splitlines()] == [
        "trained",
        "held",
        "saved",
    ]


# ---- predictions ----


def test_ids_and_all_probabilities_are_written(train, predict):
    kinds = np.array(["red", "green", "blue"])[np.arange(400) % 3]
    ids = [f"C-{i:03}" for i in range(400)]
    assert train(lines(ids, X1, X2, kinds, names="customer,a,b,colour"), "--target", "colour")[0] == 0
    rows, err = predict("customer,a,b\nC-900,0.5,-0.5\nC-901,,0.25\n")
    assert rows[0] == ["customer", "colour", *(f"probability of {k}" for k in ("blue", "green", "red"))]
    assert [row[0] for row in rows[1:]] == ["C-900", "C-901"] and err == ""
    expected = model().predict_proba({"customer": ["x"] * 2, "a": [0.5, None], "b": [-0.5, 0.25]})
    shares = np.array([[float(cell) for cell in row[2:]] for row in rows[1:]])
    assert np.abs(shares - expected).max() < 1e-6
    assert [row[1] for row in rows[1:]] == model().classes_[expected.argmax(axis=1)].tolist()
    rows, _ = predict("customer,a,b\nC-900,0.5,-0.5\n", "--id", "a,customer")
    assert rows[0][:3] == ["a", "customer", "colour"] and rows[1][:2] == ["0.5", "C-900"]


def test_moved_columns_are_put_in_order(train, predict):
    assert train(lines(X1, X2, SUM, names="a,b,t"), "--target", "t", *LONGER)[0] == 0
    rows, _ = predict("a,b\n0.75,-0.25\n")
    assert rows[0] == ["t"] and float(rows[1][0]) != 0
    assert predict("b,a\n-0.25,0.75\n")[0] == rows
    assert predict("b,more,a\n-0.25,x,0.75\n")[0] == rows
    assert predict("t,b,a\n,-0.25,0.75\n") == (rows, "no row has a target\n")


def test_missing_and_wrong_columns_are_named(train, run, tmp_path):
    assert train(lines(X1, X2, SUM, names="a,b,t"), "--target", "t")[0] == 0
    for content, said in {
        "a\n1\n": "X lacks the column 'b', expected the columns of training",
        "foo,bar\n1,2\n": "X lacks the columns 'a', 'b', expected the columns of training; it has",
        "1\n2\n": "'new.csv' has 1 columns, expected 2 as in training, or 3 with t",
        "a,b\n1,x\n": "'new.csv' line 2, column 'b': 'x' is no number, expected one as in training",
        "a,b\n1,2\n3,-inf\n": "'new.csv' line 3, column 'b': '-inf' is infinite",
    }.items():
        (tmp_path / "new.csv").write_text(content)
        status, out, err = run("predict", "model.npz", "new.csv")
        assert (status, out) == (2, "") and said in err and err.count("\n") == 1
    given = ("predict", "model.npz", "t.csv")
    for option in ("--id", "--target"):
        assert f"unknown {option} 'c', expected one of a, b" in run(*given, option, "c")[2]
    assert "--id is 'a,a', expected each column once" in run(*given, "--id", "a,a")[2]


@pytest.mark.parametrize("labels", [("0", "1"), ("1.0", "2.0"), ("yes", "no"), ("True", "False")], ids=str)
def test_labels_are_compared_by_value(train, predict, labels):
    target = np.array(labels)[QUADRANT].tolist()
    assert train(lines(X1, X2, target, names="a,b,t"), "--target", "t", *LONGER)[0] == 0
    spelled = {"0": "0.0", "1": "1.00", "1.0": "1", "2.0": " 2", "True": "TRUE", "False": "false"}
    other = lines(X1, X2, [spelled.get(label, label) for label in target], names="a,b,t")
    rows, err = predict(other)
    right = np.mean([row[0] == name for row, name in zip(rows[1:], map(str_of, target), strict=True)])
    assert accuracy_in(err) == pytest.approx(right, abs=5e-5) and right > 0.6
    assert predict(other.replace("a,b,t", "a,b,s"), "--target", "s")[1] == err


def str_of(label):
    return label.removesuffix(".0")


def test_words_that_training_did_not_have_are_said(train, predict, run, tmp_path):
    """Booleans in other words, labels in capitals: what nothing is known of looks like a poor model."""
    flag = np.array(["no", "yes"])[QUADRANT]
    assert train(lines(X1, flag, QUADRANT, names="x,flag,t"), "--target", "t")[0] == 0
    _, err = predict(lines(X1[:3], ["yes", "", "no"], [0, 1, 1], names="x,flag,t"))
    assert "note" not in err
    _, err = predict(lines(X1[:3], ["yes", "TRUE", "FALSE"], ["0", "2", ""], names="x,flag,t"))
    assert "column flag: 2 cells have values that training did not have, taken for gaps" in err
    assert "the first 'TRUE' in line 3" in err
    assert "1 row has a target that is no class of MODEL, the first 'new.csv' line 3, column 't': '2'" in err
    (tmp_path / "other.csv").write_text(lines(X1[:3], ["yes", "TRUE", "no"], [0, 1, 1], names="x,flag,t"))
    _, out, err = run("evaluate", "model.npz", "other.csv")
    assert "column flag: 1 cell has a value that training did not have" in out + err


def test_rows_without_a_target_are_predicted_and_not_counted(train, predict):
    assert train(lines(X1, X2, QUADRANT, names="a,b,t"), "--target", "t")[0] == 0
    rows, err = predict(lines(X1[:9], X2[:9], [*QUADRANT[:6], "", "NA", "?"], names="a,b,t"))
    assert len(rows) == 10 and "of 6 rows" in err


def test_one_row_is_compared_too(train, predict):
    train(lines(X1, X2, SUM, names="a,b,t"), "--target", "t", *LONGER)
    rows, err = predict("a,b,t\n0.5,0.25,7\n")
    error = re.fullmatch(r"root mean square error ([\d.]+), R2 - on 1 rows\n", err).group(1)
    assert float(error) == pytest.approx(7 - float(rows[1][0]), rel=1e-4)


def test_numbers_are_read_later_as_they_were_told(train, predict):
    x = [f"{i}.000" for i in range(100, 160)]
    told = ("--decimal", ",", "--thousands", ".", "--delimiter", ";")
    table = lines(x, range(100, 160), names="x,t").replace(",", ";")
    assert train(table, "--target", "t", "--features", "x", *told, *LONGER)[0] == 0
    assert 100_000 < model().ensemble_.encoder.columns[0].median < 160_000
    predictions = [predict(f"x\n{x}\n")[0][1] for x in ("150.000", "150000", "120.000")]
    assert predictions[0] == predictions[1] != predictions[2]


def test_npy_and_files(train, run, tmp_path):
    table = lines(X1, X2, QUADRANT, names="a,b,t")
    assert train(table, "--target", "t")[0] == 0
    assert run("predict", "model.npz", "t.csv", "--output", "out.npy")[0] == 0
    expected = model().predict_proba({"a": X1, "b": X2})
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)
    out = run("predict", "model.npz", "t.csv")[1]
    assert run("predict", "model.npz", "t.csv", "--output", "out.csv")[0] == 0
    assert (tmp_path / "out.csv").read_text() == out
    np.savez(tmp_path / "rows.npz", X=np.column_stack([X1, X2]))
    assert run("predict", "model.npz", "rows.npz")[1] == out


def test_info_of_a_tabular_model(train, run):
    assert train(lines(X1, ["u", "v"] * 200, QUADRANT, names="a,w,t"), "--target", "t")[0] == 0
    status, out, _ = run("info", "model.npz")
    assert status == 0 and "TabularClassifier" in out and "target: t" in out and "classes: 0, 1" in out
    assert "a category of 2 values" in out


def test_a_constant_and_noise_are_no_reason_for_far_predictions(train, predict):
    noise = np.random.default_rng(0).normal(size=400) * 1e-9
    table = lines(X1, [repr(1e6 + each) for each in noise.tolist()], SUM, names="a,c,t")
    assert train(table, "--target", "t", *LONGER)[0] == 0
    rows, _ = predict("a,c\n0.5,1000000\n0.5,1000001\n0.5,2e9\n")
    assert all(min(SUM) <= float(row[0]) <= max(SUM) for row in rows[1:])


# ---- packages ----

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Missing())
from fastmlp.cli import main
sys.exit(main(sys.argv[1:]))
"""


def alone(tmp_path, missing, *arguments):
    result = interpret(WITHOUT.format(missing), *arguments, cwd=tmp_path)
    return result.returncode, result.stdout, result.stderr


def test_what_is_to_be_installed_is_said(tmp_path, run, train):
    table = lines(X1, X2, QUADRANT, names="a,b,t")
    assert train(table, "--target", "t")[0] == 0
    for missing in ({"pandas"}, {"sklearn", "pandas", "matplotlib", "tqdm"}):
        for command in (("train", "--data", "t.csv", "--target", "t"), ("predict", "model.npz", "t.csv")):
            status, out, err = alone(tmp_path, missing, *command)
            assert (status, out) == (2, "") and err.count("\n") == 1
            assert "is not installed" in err and 'pip install ".[tabular]"' in err


def test_arrays_need_numpy_alone(tmp_path):
    missing = {"sklearn", "pandas", "matplotlib", "tqdm", "scipy", "pyarrow"}
    np.savez(tmp_path / "d.npz", X=POINTS, y=QUADRANT)
    assert alone(tmp_path, missing, "info")[0] == 0
    status, out, err = alone(tmp_path, missing, "train", "--data", "d.npz", "--epochs", 2)
    assert (status, err) == (0, "") and "no picture" in out
    assert alone(tmp_path, missing, "predict", "model.npz", "d.npz")[0] == 0
    assert alone(tmp_path, missing, "info", "model.npz")[0] == 0
    status, out, err = alone(tmp_path, missing, "train", "--epochs", 3)
    assert (status, out) == (2, "") and "the digits come with scikit-learn" in err


def test_a_file_whose_package_is_missing_says_which(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame({"a": X1, "t": QUADRANT}).to_parquet(tmp_path / "t.parquet")
    status, _, err = alone(tmp_path, {"pyarrow"}, "train", "--data", "t.parquet", "--target", "t")
    assert status == 2 and "'t.parquet' is a Parquet file, which needs pyarrow: pip install pyarrow" in err


def test_a_share_that_is_asked_for_is_held_out_of_few_rows_too(train):
    table = lines(range(12), np.arange(12) + 0.5, names="x,t")
    _, out, _ = train(table, "--target", "t")
    assert "12 rows to train, 0 held out" in out
    _, out, _ = train(table, "--target", "t", "--test-share", 0.25)
    assert "9 rows to train, 3 held out" in out
