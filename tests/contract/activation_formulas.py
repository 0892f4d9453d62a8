"""Activations, their derivatives and their limits as formulas, with the errors that the engine may make."""

from __future__ import annotations

import numpy as np

from ulps import EXACT, MP

LAMBDA, LAMBDA_ALPHA = "1.0507009873554804934193349852946", "1.7580993408473768599402175208123"
PARAMETER = {"leaky_relu": 0.01, "elu": 1.3, "celu": 0.7, "hard_shrink": 0.3, "soft_shrink": 0.3}
PARAMETER |= {"thresholded_relu": -0.4, "squareplus": 2.5}


def real(m, digits):
    """A constant in the oracle's arithmetic."""
    return MP.mpf(digits) if m is EXACT else np.float64(digits)


def logistic(m, z):
    return 1 / (1 + m.exp(-z))


def mish_tanh(m, z):
    w = m.exp(z)
    return w * (w + 2) / (w * (w + 2) + 2)


def gelu_tanh_argument(m, z):
    return 2 * m.sqrt(2 / (m.pi + 0 * z)) * (z + real(m, "0.044715") * z**3)


def gelu_tanh_slope(m, z):
    return 2 * m.sqrt(2 / (m.pi + 0 * z)) * (1 + 3 * real(m, "0.044715") * z**2)


def times_slope(m, v, factor):
    """factor * the logistic function's derivative at v"""
    s = logistic(m, v)
    return factor * s * (1 - s)


def clipped(m, z, least, most):
    return m.where(z < least, least + 0 * z, m.where(z > most, most + 0 * z, z))


def inside(m, z, least, most, value):
    """The value between least and most, else 0"""
    return m.where(z > least, m.where(z < most, value, 0 * z), 0 * z)


def mish_derivative(m, z, p):
    t = mish_tanh(m, z)
    return t + z * (1 - t) * (1 + t) * logistic(m, z)


def squareplus(m, z, p):
    """(z + sqrt(z^2 + p)) / 2, which cancels below 0"""
    half = (abs(z) + m.sqrt(z * z + p)) / 2
    return m.where(z < 0, p / 4 / half, half)


# Formula of (m, z, p), ulp, and floor in eps |z|.
FORWARD = {
    "identity": (lambda m, z, p: z, 0, 0),
    "step": (lambda m, z, p: m.where(z > 0, 1 + 0 * z, 0 * z), 0, 0),
    "sigmoid": (lambda m, z, p: logistic(m, z), 2.6, 0),
    "tanh": (lambda m, z, p: m.tanh(z), 2.1, 0),
    "relu": (lambda m, z, p: m.where(z > 0, z, 0 * z), 0, 0),
    "leaky_relu": (lambda m, z, p: m.where(z > 0, z, p * z), 0.51, 0),
    "elu": (lambda m, z, p: m.where(z > 0, z, p * m.expm1(z)), 2.2, 0),
    "celu": (lambda m, z, p: m.where(z > 0, z, p * m.expm1(z / p)), 2.6, 0),
    "selu": (lambda m, z, p: m.where(z > 0, real(m, LAMBDA) * z, real(m, LAMBDA_ALPHA) * m.expm1(z)), 2.0, 0),
    "gelu": (lambda m, z, p: z * m.ncdf(z), 4, 1.4),
    "gelu_tanh": (lambda m, z, p: z * logistic(m, gelu_tanh_argument(m, z)), 4, 0.4),
    "silu": (lambda m, z, p: z * logistic(m, z), 2.5, 0),
    "mish": (lambda m, z, p: z * mish_tanh(m, z), 3.8, 0),
    "softplus": (lambda m, z, p: m.log1p(m.exp(z)), 2.1, 0),
    "softsign": (lambda m, z, p: z / (1 + abs(z)), 1.6, 0),
    "relu6": (lambda m, z, p: clipped(m, z, 0, 6), 0, 0),
    "hard_tanh": (lambda m, z, p: clipped(m, z, -1, 1), 0, 0),
    "hard_sigmoid": (lambda m, z, p: clipped(m, z + 3, 0, 6) / 6, 1.1, 0),
    "hard_swish": (lambda m, z, p: z * (clipped(m, z + 3, 0, 6) / 6), 2.0, 0),
    "exp": (lambda m, z, p: m.exp(z), 1.15, 0),
    "log_sigmoid": (lambda m, z, p: -m.log1p(m.exp(-z)), 2.1, 0),
    "hard_shrink": (lambda m, z, p: m.where(abs(z) > p, z, 0 * z), 0, 0),
    "soft_shrink": (lambda m, z, p: z - clipped(m, z, -p, p), 0.51, 0),
    "tanh_shrink": (lambda m, z, p: z - m.tanh(z), 4, 1.5),
    "thresholded_relu": (lambda m, z, p: m.where(z > p, z, 0 * z), 0, 0),
    "squareplus": (squareplus, 1.9, 0),
    "sparse_plus": (lambda m, z, p: m.where(z > 1, z, (clipped(m, z + 1, 0, 2) / 2) ** 2), 2.0, 0),
    "sparse_sigmoid": (lambda m, z, p: clipped(m, z + 1, 0, 2) / 2, 0.51, 0),
}
# Formula of (m, u, p), where u is what the registry says, ulp, floor in eps, and the range of u.
DERIVATIVE = {
    "identity": (lambda m, a, p: 1 + 0 * a, 0, 0, (-9, 9)),
    "step": (lambda m, a, p: 0 * a, 0, 0, (0, 1)),
    "sigmoid": (lambda m, a, p: a * (1 - a), 1.6, 0, (0, 1)),
    "tanh": (lambda m, a, p: (1 - a) * (1 + a), 1.6, 0, (-1, 1)),
    "relu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, 0 * a), 0, 0, (-1, 9)),
    "leaky_relu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, p + 0 * a), 0, 0, (-9, 9)),
    "elu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, a + p), 0.51, 0, (-1.3, 2)),
    "celu": (lambda m, a, p: m.where(a > 0, 1 + 0 * a, (a + p) / p), 1.5, 0, (-0.7, 2)),
    "selu": (
        lambda m, a, p: m.where(a > 0, real(m, LAMBDA) + 0 * a, a + real(m, LAMBDA_ALPHA)), 1, 1, (-1.758, 2)
    ),
    "gelu": (lambda m, z, p: m.ncdf(z) + z * m.exp(-z * z / 2) / m.sqrt(2 * m.pi + 0 * z), 4, 1.3, (-9, 9)),
    "gelu_tanh": (
        lambda m, z, p: logistic(m, gelu_tanh_argument(m, z))
        + times_slope(m, gelu_tanh_argument(m, z), z * gelu_tanh_slope(m, z)), 4, 0.8, (-9, 9),
    ),
    "silu": (lambda m, z, p: logistic(m, z) + times_slope(m, z, z), 4, 0.6, (-50, 30)),
    "mish": (mish_derivative, 4, 0.7, (-50, 30)),
    "softplus": (lambda m, z, p: logistic(m, z), 2.6, 0, (-50, 30)),
    "softsign": (lambda m, a, p: (1 - abs(a)) ** 2, 2.1, 0, (-1, 1)),
    "relu6": (lambda m, a, p: inside(m, a, 0, 6, 1 + 0 * a), 0, 0, (0, 6)),
    "hard_tanh": (lambda m, a, p: inside(m, a, -1, 1, 1 + 0 * a), 0, 0, (-1, 1)),
    "hard_sigmoid": (lambda m, a, p: inside(m, a, 0, 1, (1 + 0 * a) / 6), 0.51, 0, (0, 1)),
    "hard_swish": (
        lambda m, z, p: m.where(z >= 3, 1 + 0 * z, inside(m, z, -3, 3, (2 * z + 3) / 6)), 1.1, 0, (-4, 5),
    ),
    "exp": (lambda m, a, p: a, 0, 0, (0, 9)),
    "log_sigmoid": (lambda m, a, p: -m.expm1(a), 2.1, 0, (-30, 0)),
    "hard_shrink": (lambda m, a, p: m.where(abs(a) > 0, 1 + 0 * a, 0 * a), 0, 0, (-2, 2)),
    "soft_shrink": (lambda m, a, p: m.where(abs(a) > 0, 1 + 0 * a, 0 * a), 0, 0, (-2, 2)),
    "tanh_shrink": (lambda m, z, p: m.tanh(z) ** 2, 4.1, 0.2, (-9, 9)),
    "thresholded_relu": (lambda m, z, p: m.where(z > p, 1 + 0 * z, 0 * z), 0, 0, (-2, 2)),
    "squareplus": (lambda m, z, p: squareplus(m, z, p) / m.sqrt(z * z + p), 4, 0, (-50, 50)),
    "sparse_plus": (lambda m, z, p: clipped(m, z + 1, 0, 2) / 2, 0.51, 0, (-2, 2)),
    "sparse_sigmoid": (lambda m, a, p: inside(m, a, 0, 1, (1 + 0 * a) / 2), 0, 0, (0, 1)),
}  # fmt: skip
# At inf, -inf, 1e30, -1e30: the activation, and the derivative where it is computed from z.
FAR = np.array([np.inf, -np.inf, 1e30, -1e30])
STEP, SIGN, LINE = [1, 0, 1, 0], [1, -1, 1, -1], [np.inf, 0, 1e30, 0]
LIMITS = {
    "identity": FAR, "step": STEP, "sigmoid": STEP, "tanh": SIGN, "relu": LINE,
    "leaky_relu": [np.inf, -np.inf, 1e30, None], "elu": [np.inf, -1.3, 1e30, -1.3],
    "celu": [np.inf, -0.7, 1e30, -0.7], "selu": [np.inf, -1.7580993408473769, None, -1.7580993408473769],
    "gelu": LINE, "gelu_tanh": LINE, "silu": LINE, "mish": LINE, "softplus": LINE, "softsign": SIGN,
    "relu6": [6, 0, 6, 0], "hard_tanh": SIGN, "hard_sigmoid": STEP, "hard_swish": LINE,
    "exp": [np.inf, 0, np.inf, 0],
    "log_sigmoid": [0, -np.inf, 0, -1e30], "hard_shrink": FAR, "soft_shrink": FAR, "tanh_shrink": FAR,
    "thresholded_relu": LINE, "squareplus": [np.inf, 0, 1e30, None], "sparse_plus": LINE,
    "sparse_sigmoid": STEP,
}  # fmt: skip
# Derivatives that are not those of a step there, from z.
SLOPES_FAR = {"tanh_shrink": [1, 1, 1, 1]}


def parameter_of(name, dtype):
    """The parameter as the kernel sees it, a number of the dtype."""
    return float(np.dtype(dtype).type(PARAMETER.get(name, 0.0)))
