"""What the suites share: engines, dtypes, arrays.

``pytest benchmarks/`` times the engine and its NumPy twin on the same arrays.  Each group of the table is one
job; the number in brackets is the ratio to the faster of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastmlp import _kernels, reference

ENGINES = {"fastmlp": _kernels, "numpy": reference}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Any:
    """The module that is timed: the compiled one, or its twin."""
    return ENGINES[request.param]


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> np.dtype[Any]:
    return np.dtype(request.param)


@pytest.fixture
def normal(dtype: np.dtype[Any]) -> Callable[..., np.ndarray[Any, Any]]:
    """Normally distributed arrays of the dtype, the same ones in every test."""
    generator = np.random.default_rng(0)
    return lambda *shape: generator.standard_normal(shape).astype(dtype)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Short rounds: hundreds of kernels, and the ratio of two medians is what is read."""
    for item in items:
        if not item.get_closest_marker("benchmark"):
            item.add_marker(pytest.mark.benchmark(max_time=0.2, min_rounds=5))
