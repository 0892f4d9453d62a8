"""The comparison in units of the last place counts right and finds planted errors."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _kernels
from ulps import MP, assert_ulps, errors, exact


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_errors_count_steps(dtype, steps):
    x = np.array([1.0, 1.5, -3.25, 1e-10, 1e20, np.finfo(dtype).smallest_subnormal * 4], dtype)
    got = x.copy()
    for _ in range(steps):
        got = np.nextafter(got, np.array(np.inf, dtype) * np.sign(x))
    for expected in (x.astype(np.float64), exact(lambda m, v: v, x)):
        np.testing.assert_array_equal(errors(got, expected)[1], steps)


def test_errors_count_halves(dtype):
    """An exact value between two numbers, and one just below a power of two."""
    eps = float(np.finfo(dtype).eps)
    between = np.array([MP.mpf(1) + MP.mpf(eps) / 4, MP.mpf(1) - MP.mpf(eps) * 3 / 8], object)
    np.testing.assert_allclose(errors(np.ones(2, dtype), between)[1], [0.25, 0.75], rtol=1e-6)


@pytest.mark.parametrize("planted", ["five ulp", "nan", "inf", "zero", "sign"])
def test_assert_ulps_finds_a_planted_error(dtype, planted):
    x = np.linspace(0.1, 2, 101).astype(dtype)
    expected, got = exact(lambda m, v: m.tanh(v), x), _kernels.elementary("tanh", x)
    assert_ulps(got, expected, 2.1)
    value = got[40]
    got[40] = {
        "five ulp": value + 5 * np.spacing(value), "nan": np.nan, "inf": np.inf, "zero": 0, "sign": -value
    }[planted]  # fmt: skip
    with pytest.raises(AssertionError, match="1 of 101 are wrong"):
        assert_ulps(got, expected, 2.1)
    with pytest.raises(AssertionError):
        assert_ulps(np.zeros_like(got), expected, 2.1, floor=10.0)
