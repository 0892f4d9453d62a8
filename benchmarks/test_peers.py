"""The suite against other packages: wrong competitors are found, and the page is made of any figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from .peers import apart, few_bits, jobs, peers, report, runner

TRAINING = jobs.Job("5-7-3", (5, 7, 3), "tanh", "softmax", 8, "train", rows=44, optimizer="adam", rate=1e-2)
PREDICTION = replace(TRAINING, kind="predict", rows=0)
ENVIRONMENT = {
    "processor": "one", "system": "any", "python": "3", "versions": {}, "missing": {}, "blas": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> peers.Field:
    return peers.load(only=("numpy",))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_both_train_alike(found: peers.Field, output: str, optimizer: str, dtype: str) -> None:
    job = replace(TRAINING, output=output, optimizer=optimizer, dtype=dtype)
    runs, skipped = peers.prepare(job, found)
    assert "NumPy" in runs and not skipped


@pytest.mark.parametrize("planted", [{"rate": 1.1e-2}, {"batch": 11}, {"hidden": "relu"}])
def test_other_training_is_found(found: peers.Field, planted: dict[str, Any]) -> None:
    facts = peers.expected_training(TRAINING)
    with pytest.raises(peers.Mismatch):
        peers.ready_to_train(TRAINING, lambda job: found.train["NumPy"](replace(job, **planted)), *facts)


def test_other_order_of_rows_is_found(found: peers.Field) -> None:
    order, *facts = peers.expected_training(TRAINING)
    with pytest.raises(peers.Mismatch):
        peers.ready_to_train(TRAINING, found.train["NumPy"], order[::-1].copy(), *facts)


def test_wrong_predictions_are_found(found: peers.Field) -> None:
    expected = peers.expected_outputs(PREDICTION)
    peers.ready_to_predict(PREDICTION, found.predict["NumPy"], expected)
    with pytest.raises(peers.Mismatch):
        wrong = replace(PREDICTION, hidden="relu")
        peers.ready_to_predict(PREDICTION, lambda job: found.predict["NumPy"](wrong), expected)


def test_few_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    small = [replace(PREDICTION, batch=batch) for batch in (1, 8)]
    monkeypatch.setattr(few_bits, "chosen_jobs", lambda: small)
    records = few_bits.few_bits(2, False)
    text = report.page(
        {"lines": [], "few_bits": records, "environment": ENVIRONMENT, "rounds": 2, "clock": "wall"}, []
    )
    assert "### Weights in few bits" in text and "int8 at " in text
    assert all(0 < record["errors"]["int8"] < few_bits.BOUND for record in records)
    monkeypatch.setitem(
        few_bits.MAKERS, "int8", lambda job: few_bits.quantized("int8")(replace(job, hidden="relu"))
    )
    with pytest.raises(peers.Mismatch):
        few_bits.few_bits(2, False)


def test_page(found: peers.Field) -> None:
    lines = [runner.measure(job, found, rounds=2) for job in (PREDICTION, TRAINING)]
    environment = runner.environment(found, [0])
    figures = {"environment": environment, "rounds": 2, "clock": "wall", "lines": lines}
    text = report.page({**figures, "apart": {"threads": 2, "lines": lines}}, [])
    assert "5-7-3, tanh, 8 rows" in text and "### Training" in text and "### 2 threads each: training" in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_threads_are_judged() -> None:
    times = {count: {"median": ms * 1e-3} for count, ms in (("1", 10), ("2", 6), ("4", 10.8), ("8", 11.2))}
    record = {"title": "a job", "times": times, "target": 1.8}
    part = dict((name, table) for _, name, table in report.PARTS)["threads"]
    assert part([record]).splitlines()[-1] == (
        "| a job | 10,000 | 6,000 | 1.67 | 1.8 no | 0.93 | 0.89 | 0.91 no |"
    )
    del times["4"], times["8"]
    assert part([record]).splitlines()[-1] == "| a job | 10,000 | 6,000 | 1.67 | 1.8 no |"


def test_packages_in_processes_of_their_own() -> None:
    figures = apart.compare(2, 2, False, "^2-3-2-2, sigmoid, (1|32) row", "numpy", False)
    assert [line["batch"] for line in figures["lines"]] == [1, 32]
    for line in figures["lines"]:
        assert set(line["times"]) == {"fastmlp", "fastmlp, out=", "NumPy"} and not line["skipped"]
        assert all(0 < times["median"] < 1 for times in line["times"].values())
    assert {"fastmlp", "numpy"} <= set(figures["versions"])
