"""What stands before the times of `benchmarks.recipes`: everybody trains alike."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")
from benchmarks.recipes import step


def test_an_epoch_with_everything_is_the_same_for_all():
    found = step.check()
    assert set(found) == set(step.ASKED) and all(0 < value < step.BOUND for value in found.values())


def test_another_rate_is_noticed(monkeypatch):
    monkeypatch.setattr(step, "RATES", 1.1 * step.RATES)
    with pytest.raises(AssertionError, match="differs by"):
        step.check()
