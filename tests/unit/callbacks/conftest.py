"""Fixtures of the tests of callbacks."""

import pytest

from scripts import ROWS


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, 4)), rng.integers(0, 3, ROWS)
