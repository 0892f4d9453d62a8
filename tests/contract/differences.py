"""Central differences, and the comparison with them that `test_differences.py` plants errors into."""

from __future__ import annotations

import numpy as np


def assert_same_gradient(got, numeric, rtol=1e-6):
    """got agrees with central differences, and neither could pass as zeros: vectors, signs and size."""
    got, numeric = np.asarray(got).ravel(), np.asarray(numeric).ravel()
    assert got.shape == numeric.shape
    size = np.abs(numeric).max()
    assert size > 1e-4, "the gradient is too small to test anything"
    assert np.abs(got - numeric).max() <= rtol * size
    large = np.abs(numeric) > 1e-3 * size
    np.testing.assert_array_equal(np.sign(got[large]), np.sign(numeric[large]))


def central_difference(f, x, h=1e-5):
    """The gradient of the number f() with respect to the array x, which f reads: fourth order."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        values = []
        for shift in (-2, -1, 1, 2):
            x[i] = kept + shift * h
            values.append(f())
        x[i] = kept
        gradient[i] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return gradient


def assert_is_gradient(gradient, function, z):
    """The gradient is that of the function at z, its signs too, and it is not zero."""
    z = z.copy()
    numeric = central_difference(lambda: function(z), z)
    assert np.abs(numeric).max() > 1e-3
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-8)
