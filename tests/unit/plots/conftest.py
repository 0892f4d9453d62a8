"""Pictures are drawn without a screen and closed after each test."""

import pytest

pytest.importorskip("matplotlib", reason="plots need matplotlib").use("agg")


@pytest.fixture(autouse=True)
def closed():
    from matplotlib import pyplot

    yield
    pyplot.close("all")
