"""The suite of tables on a table of its own: splits, figures and what they come to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas as pd

from .tables import __main__ as command
from .tables import data, report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x, word = rng.normal(size=120), rng.choice(["a", "b"], 120)
    line = {"x": x, "w": word, "target": x + (word == "a")}
    sign = {"x": x, "target": np.where(x > 0, "up", "down")}
    pd.DataFrame(line).to_csv(tmp_path / "line.csv", index=False)
    pd.DataFrame(sign).to_csv(tmp_path / "sign.csv.gz", index=False)
    return tmp_path


def test_methods_are_measured_once_and_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = folder / "figures.jsonl"
    methods = ["--methods", "sklearn-mlp,hist-gradient-boosting"]
    argv = [str(folder), *methods, "--splits", "1", "--json", str(figures)]
    assert command.main(argv) == 0
    first = figures.read_text()
    assert len(first.splitlines()) == 4
    assert command.main(argv) == 0 and figures.read_text() == first
    printed = capsys.readouterr().out
    assert "| sklearn-mlp | 1.000 +- 0.000 |" in printed
    assert all(0 < line["error"] < 0.5 for line in command.measured(figures))


def test_splits_are_apart_and_have_all_classes(folder: Path) -> None:
    X, y = data.read(folder, "sign", "target")
    part = data.split("sign", X, y, 0, data.task_of(y))
    assert part.task == "classes" and len(part.y) == 90 and len(part.y_test) == 30
    assert not set(part.X["x"]) & set(part.X_test["x"])
    shares = [(each == "up").mean() for each in (part.y, part.y_test)]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)
    assert data.error(part, part.y_test) == 0.5 / 30
    with pytest.raises(ValueError, match=r"predictions have shape \(30, 1\), expected \(30,\)"):
        data.error(part, part.y_test[:, None])


@pytest.mark.parametrize(
    ("y", "task"),
    [(["a", "b"], "classes"), ([1, 2, 1], "classes"), ([1.0, 2.0], "classes"), ([1.5, 2.0], "numbers")],
)
def test_tasks(y: list[object], task: str) -> None:
    assert data.task_of(np.array(y)) == task


def test_ratios_and_ranks() -> None:
    figures = {
        "one": {"a": {"error": 0.1, "seconds": 1.0}, "b": {"error": 0.4, "seconds": 2.0}},
        "two": {"a": {"error": 0.2, "seconds": 3.0}, "b": {"error": 0.4, "seconds": 4.0}, "c": {}},
    }
    best, other = report.rows(figures, "one")
    assert (best["method"], best["ratio"], best["seconds"], best["rank"]) == ("one", 1.0, 3.0, 1.25)
    assert other["ratio"] == pytest.approx(np.sqrt(2)) and other["rank"] == 1.75
    assert best["cost"] == 1 and other["cost"] == pytest.approx(7 / 3)
