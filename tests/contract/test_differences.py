"""The comparison with central differences sees planted errors."""

from __future__ import annotations

import numpy as np
import pytest

from differences import assert_is_gradient, assert_same_gradient


@pytest.mark.parametrize(
    "planted",
    [lambda g: 0 * g, lambda g: -g, lambda g: np.abs(g), lambda g: g[::-1], lambda g: g * (1 + 1e-5)],
    ids=["zeros", "sign", "size", "order", "factor"],
)
def test_gradient_comparison_sees_planted_errors(planted):
    right = np.array([1.0, -2.0, 0.5])
    assert_same_gradient(right, right)
    with pytest.raises(AssertionError):
        assert_same_gradient(planted(right), right)


def test_gradient_comparison_refuses_nothing_to_compare():
    with pytest.raises(AssertionError, match="too small"):
        assert_same_gradient(np.zeros(3), np.zeros(3))


@pytest.mark.parametrize("wrong", [lambda g: -g, lambda g: g * 1.001, np.zeros_like, lambda g: g[::-1]])
def test_assert_is_gradient_can_fail(wrong):
    z = np.array([0.5, 1.0, -2.0])
    assert_is_gradient(3 * z**2, lambda z: (z**3).sum(), z)
    with pytest.raises(AssertionError):
        assert_is_gradient(wrong(3 * z**2), lambda z: (z**3).sum(), z)
