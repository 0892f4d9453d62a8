"""The worker of `benchmarks.scaling` on two ranks, and the model's arithmetic."""

import doctest
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.scaling import __main__ as scaling
from benchmarks.scaling import model, report, scoring

started = (Path(sys.executable).parent / "mpiexec").exists() or shutil.which("mpiexec")
LINK = {"meeting": 2e-4, "1000": 2e-4, "1000000": 0.0012, "4000000": 0.0042}


def test_the_models_arithmetic():
    failed, tried = doctest.testmod(model)[:2]
    assert failed == 0 and tried == 6


def test_more_rows_and_faster_links_pay_sooner():
    figures = {"widths": [784, 2048, 2048, 10], "batch": 8192, "threads": 2, "all_threads": 1.5, "link": LINK}
    figures["ranks"] = {"1": 2.7, "2": 1.4}
    here, links = report.models(figures)
    assert here.bandwidth == pytest.approx(4e9)
    slow, fast = links.values()
    wide = report.network(2048)
    assert 1 < slow.speedup(wide, 1024, 8) < fast.speedup(wide, 1024, 8) < 8
    assert slow.speedup(wide, 1024, 8) < slow.speedup(wide, 65536, 8) < 8
    assert slow.least_batch(wide, 64) > fast.least_batch(wide, 64) > fast.least_batch(wide, 2)
    assert any(line.startswith("| 2 | 1.40 | 1.93 |") for line in report.lines(figures))


@pytest.mark.skipif(
    not started or importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py and mpiexec"
)
def test_ranks_are_measured():
    figures = scaling.measured((20, 30, 2), 64, 2)
    assert all(seconds > 0 for seconds in [*figures["ranks"].values(), *figures["link"].values()])
    assert list(figures["ranks"]) == ["1", "2", "4"]


def test_a_worker_of_dask_is_measured(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(scoring, "REPEATS", 1)
    assert 0 < scoring.alone((4, 8, 2), 100) and 0 < scoring.of_dask((4, 8, 2), 100) < 10
