"""The comparisons find planted errors."""

import numpy as np
import pytest

from .checks import assert_close, deviation, relative_bound

EXPECTED = np.linspace(-2.0, 2.0, 9)


@pytest.mark.parametrize("error", [1e-4, -1e-4, np.nan, np.inf])
def test_one_wrong_element_is_found(error: float) -> None:
    wrong = EXPECTED.copy()
    wrong[3] += error
    assert_close(EXPECTED.copy(), EXPECTED, 1e-5)
    with pytest.raises(AssertionError):
        assert_close(wrong, EXPECTED, 1e-5)
    assert not deviation(wrong, EXPECTED) <= 1e-5


@pytest.mark.parametrize("wrong", [-EXPECTED, np.zeros(9), EXPECTED[:8]], ids=["sign", "zeros", "shape"])
def test_wrong_arrays_are_found(wrong: np.ndarray) -> None:
    with pytest.raises(AssertionError):
        assert_close(wrong, EXPECTED, relative_bound(EXPECTED, np.float32, 8))
    assert deviation(wrong, EXPECTED) >= 0.5


def test_untrained_and_overtrained_outputs_are_found() -> None:
    before = EXPECTED - 1e-3
    assert deviation(before, EXPECTED, before) == pytest.approx(1)
    assert deviation(EXPECTED + 1e-4, EXPECTED, before) == pytest.approx(0.1)
    assert deviation(EXPECTED, EXPECTED, EXPECTED) == np.inf
