"""`fit(comm=)` on the processes that mpiexec starts: bits, what ends them, and how they go on."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mpi_cases
from fastmlp import __version__
from fastmlp.training import pulse
from helpers import assert_same_bits

CASES = Path(mpi_cases.__file__)
BESIDE = Path(sys.executable).parent / "mpiexec"  # where the wheels of MPI put it
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
pytestmark = [
    pytest.mark.slow,  # a third of a minute
    pytest.mark.skipif(
        MPIEXEC is None or importlib.util.find_spec("mpi4py") is None, reason="needs mpi4py and mpiexec"
    ),
]


def mpiexec(size, case, folder, *options):
    """Runs a case on so many ranks."""
    command = [MPIEXEC, *options, "-n", str(size), sys.executable, str(CASES), case, str(folder)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{case} on {size} ranks hangs: {error.stdout!r} {error.stderr!r}")


def left(folder, size):
    """What each rank left."""
    found = []
    for rank in range(size):
        with np.load(folder / f"rank-{rank}.npz") as arrays:
            found.append([arrays[name] for name in arrays])
    return found


@pytest.fixture(scope="module")
def alone():
    """The weights, state and numbers of one process."""
    net = mpi_cases.network()
    history = net.fit(*mpi_cases.rows(), **mpi_cases.OPTIONS).history
    return mpi_cases.everything(net), history


@pytest.mark.parametrize("size", [1, 2, 4])
def test_ranks_have_the_bits_of_one_process(alone, tmp_path, size):
    ended = mpiexec(size, "bits", tmp_path)
    assert ended.returncode == 0, ended.stderr
    X, y = mpi_cases.rows()
    net = mpi_cases.network()
    history = net.fit(X, y, validation_data=(X[:50], y[:50]), **mpi_cases.OPTIONS).history
    expected = [*mpi_cases.everything(net), *map(np.array, history.values())]
    assert_same_bits(expected[: len(alone[0])], alone[0])
    for found in left(tmp_path, size):
        assert_same_bits(found, expected)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + mpi_cases.EPOCHS
    assert (tmp_path / "net.npz").exists()


def test_a_rank_that_is_killed_ends_all_and_other_ranks_go_on(alone, tmp_path):
    ended = mpiexec(4, "killed", tmp_path)
    assert ended.returncode != 0
    said = ended.stdout + ended.stderr
    assert "Killed (signal 9)" in said or "rank 2 has not been heard of" in said, said
    resumed = mpiexec(2, "resumed", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    for found in left(tmp_path, 2):
        assert_same_bits(found[: len(alone[0])], alone[0])
        assert_same_bits(found[len(alone[0])], np.array(alone[1]["loss"][1:]))  # from batch 12 on, in epoch 2


def test_a_rank_that_is_silent_ends_all_with_a_sentence(tmp_path):
    ended = mpiexec(3, "silent", tmp_path)
    assert ended.returncode != 0
    said = (
        r"fastmlp on rank [01]: rank 2 has not been heard of for 4 seconds, all ranks end; "
        r"fit\(resume=True\) goes on from the last checkpoint"
    )
    assert re.search(said, ended.stderr), ended.stderr


def test_a_silent_rank_is_missed_within_a_minute():
    assert 10 < pulse.LOOK * (pulse.SILENT + pulse.BEAT) < 50


def test_a_rank_that_is_slow_is_waited_for(alone, tmp_path):
    ended = mpiexec(3, "slow", tmp_path)
    assert ended.returncode == 0, ended.stderr
    for found in left(tmp_path, 3):
        assert_same_bits(found[: len(alone[0])], alone[0])


def test_an_error_of_a_rank_ends_all_with_it(tmp_path):
    ended = mpiexec(4, "fails", tmp_path)
    assert ended.returncode != 0
    assert ended.stderr.count("OSError: rank 2: no room for the log") == 4, ended.stderr


def test_what_is_not_alike_is_told_on_all_ranks_and_nothing_hangs(alone, tmp_path):
    ended = mpiexec(2, "told", tmp_path)
    assert ended.returncode == 0, ended.stderr
    texts = [(tmp_path / f"said-{rank}.txt").read_text() for rank in range(2)]
    assert texts[0] == texts[1]
    starts = [
        "ValueError: rank 1: X has shape (101, 8), expected (rows, 9)",
        "ValueError: rank 1: X is empty with shape (0, 9), expected at least one row",
        "ValueError: batch_size is 20 on rank 0 and 21 on rank 1, expected the same on each rank",
        f"ValueError: the version of fastmlp is {__version__} on rank 0 and 0.0.7 on rank 1, expected",
        "ValueError: the seed is 5 on rank 0 and 6 on rank 1, expected the same on each rank",
    ]
    for said, start in zip(texts[0].splitlines(), starts, strict=True):
        assert said.startswith(start)
    for found in left(tmp_path, 2):
        assert_same_bits(found[: len(alone[0])], alone[0])
