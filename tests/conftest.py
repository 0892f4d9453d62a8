"""Fixtures shared by all tests."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import FMA_ISAS, ISAS, RUNNABLE

os.environ.setdefault("KERAS_BACKEND", "numpy")  # read when Keras is imported, by whatever test comes first


def pytest_configure(config):
    """A run may demand instruction sets by name: a machine without them must not pass by not testing them.

    And the order of files is that of `pytest_collection_modifyitems`.
    """
    wanted = [name for name in os.environ.get("FASTMLP_REQUIRE_ISA", "").split(",") if name]
    missing = [name for name in wanted if name not in RUNNABLE]
    if missing:
        came, known = missing[0], ", ".join(RUNNABLE)
        raise pytest.UsageError(f"FASTMLP_REQUIRE_ISA names {came}, but this machine runs {known}")
    config.option.loadscopereorder = False  # pytest-xdist would begin with the files of most tests


def pytest_collection_finish():
    """PyTorch computes small products on one thread: others would spin, and tests share the processors."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


# Files that take longest (pytest --durations=50), the longest first.
LONGEST = """
test_guides test_site test_real_data test_export_c test_dask_fit test_threads test_keras_in_torch
test_onnx_others test_interrupts test_build test_torch test_sklearn_own test_lecture_notes test_table_exports
test_cli_tables test_architecture test_losses test_embedding test_reference_networks test_sklearn
test_fit_resume test_notebook
""".split()


def pytest_collection_modifyitems(items):
    """Long files first: with pytest-xdist a file is one process's, and the last ones decide when all ends.

    A name with an address in it is another in each process, and pytest-xdist then runs nothing.
    """
    named = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if named:
        came = named[0]
        raise pytest.UsageError(f"{came} is named after an address, expected names alike in all processes")
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(params=ISAS)
def isa(request):
    """Every instruction set this machine can run, but for those that share another's kernels."""
    return request.param


@pytest.fixture(params=FMA_ISAS)
def fma_isa(request):
    """Every instruction set inside the numeric contract."""
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data sets that FASTMLP_DATA names."""
    folder = os.environ.get("FASTMLP_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("FASTMLP_DATA names no folder of data sets")
    return Path(folder)
