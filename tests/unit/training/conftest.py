"""Fixtures of the tests of `fit`."""

import numpy as np
import pytest

from fastmlp.training import fit, passes
from fits import N_IN, N_OUT, ROWS


@pytest.fixture
def data(rng):
    return rng.normal(size=(ROWS, N_IN)), rng.integers(0, N_OUT, ROWS)


@pytest.fixture
def several(monkeypatch):
    """Every epoch counts as brief; the list of how many each call was asked for."""
    asked, begin = [], passes.Passes.begin

    def counted(passes, epochs):
        asked.append(epochs)
        begin(passes, epochs)

    monkeypatch.setattr(fit, "BRIEF", np.inf)
    monkeypatch.setattr(passes.Passes, "begin", counted)
    return asked
