"""Activations and their derivatives, and the dense layer with its gradients.

An activation turns a layer's weighted sums z into its outputs a, both of shape (rows, n_out).  The chain
rule takes a gradient back through it: dz = da * derivative.  Some derivatives are cheapest in terms of z,
others in terms of a; `ACTIVATIONS` says which, and the argument's name here says it too.

All take a second argument, the activation's parameter, so that one call serves them all; those that have
no parameter name it `_`.  float32 stays float32: Python's floats do not widen an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# An overflow to infinity, exp(1000) say, is an answer here and not a mistake.
_may_overflow = np.errstate(over="ignore")


def _gated(z: Array, gate: Array) -> Array:
    """z * gate, and 0 where the gate is shut: -inf * 0 is nan, but the limit is 0."""
    return np.where(gate == 0, 0, z) * gate


_erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.frompyfunc(math.erfc, 1, 1)


def erf(x: Array) -> Array:
    """The error function 2/sqrt(pi) * integral of exp(-t^2) from 0 to x; NumPy has none.

    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    x = np.asarray(x)
    return _erf(x).astype(x.dtype)


def normal_cdf(z: Array) -> Array:
    """The probability that a standard normal number is below z.

    erfc(-z/sqrt(2)) / 2 keeps its digits where (1 + erf(z/sqrt(2))) / 2 cancels to nothing.

    >>> normal_cdf(np.array([0.0, -10.0]))
    array([5.00000000e-01, 7.61985302e-24])
    """
    return np.multiply(0.5, erfc(z.astype(np.float64) * -math.sqrt(0.5))).astype(z.dtype)


@_may_overflow
def normal_pdf(z: Array) -> Array:
    """The density exp(-z^2/2) / sqrt(2 pi) of a standard normal number, the derivative of `normal_cdf`.

    >>> normal_pdf(np.array([0.0]))
    array([0.39894228])
    """
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def identity(z: Array, _: float = 0.0) -> Array:
    """a = z; stacked layers of it are one linear layer.

    >>> identity(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """
    return np.copy(z)


def identity_derivative(a: Array, _: float = 0.0) -> Array:
    """1"""
    return np.ones_like(a)


def step(z: Array, _: float = 0.0) -> Array:
    """a = 1 where z > 0, else 0: the perceptron's (Rosenblatt 1958).

    >>> step(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return np.where(np.isnan(z), z, z > 0).astype(z.dtype)


def step_derivative(a: Array, _: float = 0.0) -> Array:
    """0, so that nothing can be learned through it."""
    return np.zeros_like(a)


def sigmoid(z: Array, _: float = 0.0) -> Array:
    """a = 1 / (1 + exp(-z)), by exp(-|z|), which cannot overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1.0]))
    array([0.        , 0.5       , 0.73105858])
    """
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1) / (1 + e)


def sigmoid_derivative(a: Array, _: float = 0.0) -> Array:
    """a * (1 - a), at most 1/4: deep stacks of sigmoids pass hardly any gradient."""
    return a * (1 - a)


def tanh(z: Array, _: float = 0.0) -> Array:
    """a = (exp(z) - exp(-z)) / (exp(z) + exp(-z)).

    >>> tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return np.tanh(z)


def tanh_derivative(a: Array, _: float = 0.0) -> Array:
    """1 - a^2, factored to keep its digits near 1."""
    return (1 - a) * (1 + a)


def relu(z: Array, _: float = 0.0) -> Array:
    """a = max(z, 0) (Nair and Hinton, ICML 2010).

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(0, z)


def relu_derivative(a: Array, _: float = 0.0) -> Array:
    """1 where a > 0, else 0, at 0 too: a unit that is never positive is dead."""
    return (a > 0).astype(a.dtype)


@_may_overflow
def leaky_relu(z: Array, slope: float = 0.01) -> Array:
    """a = z where z > 0, else slope * z, slope >= 0 (Maas, Hannun and Ng, ICML 2013).

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return np.where(z > 0, z, slope * z)


def leaky_relu_derivative(a: Array, slope: float = 0.01) -> Array:
    """1 where a > 0, else slope; a has the sign of z."""
    return np.where(a > 0, 1, slope).astype(a.dtype)


def elu(z: Array, alpha: float = 1.0) -> Array:
    """a = z where z > 0, else alpha * (exp(z) - 1), alpha >= 0 (Clevert et al., arXiv:1511.07289).

    >>> elu(np.array([-1.0, 2.0]))
    array([-0.63212056,  2.        ])
    """
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def elu_derivative(a: Array, alpha: float = 1.0) -> Array:
    """1 where a > 0, else alpha * exp(z), which is a + alpha."""
    return np.where(a > 0, 1, a + alpha)


@np.errstate(over="ignore", divide="ignore")
def celu(z: Array, alpha: float = 1.0) -> Array:
    """a = z where z > 0, else alpha * (exp(z / alpha) - 1), alpha > 0 (Barron, arXiv:1704.07483).

    >>> celu(np.array([-1.0, 2.0]), 0.5)
    array([-0.43233236,  2.        ])
    """
    below = np.where(z < 0, z, -1)  # no 0 / 0 where it is not used
    return np.where(z < 0, alpha * np.expm1(below / alpha), z)


def celu_derivative(a: Array, alpha: float = 1.0) -> Array:
    """1 where a > 0, else exp(z / alpha), which is (a + alpha) / alpha."""
    return np.where(a > 0, 1, (a + alpha) / alpha)


# Klambauer et al., arXiv:1706.02515, equation 14: mean 0 and variance 1 are a fixed point of the layers.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE_ALPHA = SELU_SCALE * SELU_ALPHA


@_may_overflow
def selu(z: Array, _: float = 0.0) -> Array:
    """a = scale * elu(z, alpha) with constants that keep mean 0 and variance 1 (arXiv:1706.02515).

    >>> selu(np.array([-1.0, 2.0]))
    array([-1.11133074,  2.10140197])
    """
    return np.where(z > 0, SELU_SCALE * z, SELU_SCALE_ALPHA * np.expm1(np.minimum(z, 0)))


def selu_derivative(a: Array, _: float = 0.0) -> Array:
    """scale where a > 0, else scale * alpha * exp(z), which is a + scale * alpha."""
    return np.where(a > 0, SELU_SCALE, a + SELU_SCALE_ALPHA).astype(a.dtype)


def gelu(z: Array, _: float = 0.0) -> Array:
    """a = z * normal_cdf(z) (Hendrycks and Gimpel, arXiv:1606.08415).

    >>> gelu(np.array([-1.0, 2.0]))
    array([-0.15865525,  1.95449974])
    """
    return _gated(z, normal_cdf(z))


def gelu_derivative(z: Array, _: float = 0.0) -> Array:
    """normal_cdf(z) + z * normal_pdf(z), by the product rule."""
    return normal_cdf(z) + _gated(z, normal_pdf(z))


@_may_overflow
def _gelu_tanh_inner(z: Array) -> Array:
    """2 u with u = sqrt(2/pi) * (z + 0.044715 z^3), as (1 + tanh(u)) / 2 is sigmoid(2 u)."""
    return math.sqrt(8 / math.pi) * z * (1 + 0.044715 * z * z)


def gelu_tanh(z: Array, _: float = 0.0) -> Array:
    """a = z/2 * (1 + tanh(sqrt(2/pi) * (z + 0.044715 z^3))), near `gelu` (arXiv:1606.08415, section 2).

    >>> gelu_tanh(np.array([-1.0, 2.0]))
    array([-0.15880801,  1.95459769])
    """
    return _gated(z, sigmoid(_gelu_tanh_inner(z)))


@_may_overflow
def gelu_tanh_derivative(z: Array, _: float = 0.0) -> Array:
    """s + z * s * (1 - s) * (2u)', where s = sigmoid(2u); 1 - s is sigmoid(-2u)."""
    inner = _gelu_tanh_inner(z)
    s = sigmoid(inner)
    inner_derivative = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * z * z)
    return s + _gated(inner_derivative, _gated(z, s * sigmoid(-inner)))


def silu(z: Array, _: float = 0.0) -> Array:
    """a = z * sigmoid(z), also called swish (Elfwing et al., arXiv:1702.03118).

    >>> silu(np.array([-1.0, 2.0]))
    array([-0.26894142,  1.76159416])
    """
    return _gated(z, sigmoid(z))


def silu_derivative(z: Array, _: float = 0.0) -> Array:
    """s + z * s * (1 - s), where s = sigmoid(z); 1 - s is sigmoid(-z)."""
    s = sigmoid(z)
    return s + _gated(z, s * sigmoid(-z))


def softplus(z: Array, _: float = 0.0) -> Array:
    """a = log(1 + exp(z)), as max(z, 0) + log(1 + exp(-|z|)), which cannot overflow (Dugas et al. 2001).

    >>> softplus(np.array([-1.0, 1000.0]))
    array([3.13261688e-01, 1.00000000e+03])
    """
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softplus_derivative(z: Array, _: float = 0.0) -> Array:
    """sigmoid(z)"""
    return sigmoid(z)


def mish(z: Array, _: float = 0.0) -> Array:
    """a = z * tanh(softplus(z)) (Misra, arXiv:1908.08681).

    >>> mish(np.array([-1.0, 2.0]))
    array([-0.30340146,  1.94395896])
    """
    return _gated(z, np.tanh(softplus(z)))


def mish_derivative(z: Array, _: float = 0.0) -> Array:
    """t + z * (1 - t^2) * sigmoid(z), where t = tanh(softplus(z))."""
    t = np.tanh(softplus(z))
    return t + _gated(z, tanh_derivative(t) * sigmoid(z))


def softsign(z: Array, _: float = 0.0) -> Array:
    """a = z / (1 + |z|) (Bergstra et al. 2009).

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    largest = np.finfo(z.dtype).max
    z = np.clip(z, -largest, largest)  # inf / inf is nan
    return z / (1 + np.abs(z))


def softsign_derivative(a: Array, _: float = 0.0) -> Array:
    """(1 - |a|)^2, as 1 - |a| is 1 / (1 + |z|)."""
    return (1 - np.abs(a)) ** 2


def _between(a: Array, least: float, most: float) -> Array:
    """1 where least < a < most, else 0: the derivative of what is cut off at both."""
    return ((least < a) & (a < most)).astype(a.dtype)


def relu6(z: Array, _: float = 0.0) -> Array:
    """a = min(max(z, 0), 6) (Krizhevsky 2010).

    >>> relu6(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """
    return np.clip(z, 0, 6)


def relu6_derivative(a: Array, _: float = 0.0) -> Array:
    """1 where 0 < a < 6, else 0."""
    return _between(a, 0, 6)


def hard_tanh(z: Array, _: float = 0.0) -> Array:
    """a = min(max(z, -1), 1) (Collobert 2004).

    >>> hard_tanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return np.clip(z, -1, 1)


def hard_tanh_derivative(a: Array, _: float = 0.0) -> Array:
    """1 where -1 < a < 1, else 0."""
    return _between(a, -1, 1)


def hard_sigmoid(z: Array, _: float = 0.0) -> Array:
    """a = relu6(z + 3) / 6, straight from 0 at -3 to 1 at 3 (Howard et al., arXiv:1905.02244).

    >>> hard_sigmoid(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """
    return relu6(z + 3) / 6


def hard_sigmoid_derivative(a: Array, _: float = 0.0) -> Array:
    """1/6 where 0 < a < 1, else 0."""
    return _between(a, 0, 1) / 6


def hard_swish(z: Array, _: float = 0.0) -> Array:
    """a = z * hard_sigmoid(z), near `silu` (Howard et al., arXiv:1905.02244).

    >>> hard_swish(np.array([-4.0, 1.5, 4.0]))
    array([0.   , 1.125, 4.   ])
    """
    return _gated(z, hard_sigmoid(z))


def hard_swish_derivative(z: Array, _: float = 0.0) -> Array:
    """0 up to -3, 1 from 3 on, (2 z + 3) / 6 between."""
    return np.where(z <= -3, 0, np.where(z >= 3, 1, (2 * np.clip(z, -3, 3) + 3) / 6)).astype(z.dtype)


@_may_overflow
def exp(z: Array, _: float = 0.0) -> Array:
    """a = exp(z), a rate for counts: the inverse of the log link.

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return np.exp(z)


def exp_derivative(a: Array, _: float = 0.0) -> Array:
    """a"""
    return np.copy(a)


# Row activations: every output depends on every z of its row, so they come with a whole backward step.


def softmax(z: Array, _: float = 0.0) -> Array:
    """a = exp(z) / sum(exp(z)) along the row: positive numbers that sum to 1.

    Subtracting the row's maximum leaves the quotient as it is, and exp cannot overflow.

    >>> softmax(np.array([1010.0, 1000.0, 990.0]))
    array([9.99954600e-01, 4.53978686e-05, 2.06106005e-09])
    """
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(da: Array, a: Array, _: float = 0.0) -> Array:
    """dz = a * (da - sum(a * da)), from da_i/dz_j = a_i * ([i == j] - a_j)."""
    return a * (da - (a * da).sum(axis=-1, keepdims=True))


def log_softmax(z: Array, _: float = 0.0) -> Array:
    """a = log(softmax(z)) = z - log(sum(exp(z))), without taking the log of 0.

    >>> log_softmax(np.array([1e4, -1e4]))
    array([     0., -20000.])
    """
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_backward(da: Array, a: Array, _: float = 0.0) -> Array:
    """dz = da - exp(a) * sum(da), from da_i/dz_j = [i == j] - exp(a_j)."""
    return da - np.exp(a) * da.sum(axis=-1, keepdims=True)


def log_sigmoid(z: Array, _: float = 0.0) -> Array:
    """a = log(sigmoid(z)), as min(z, 0) - log(1 + exp(-|z|)), which cannot overflow.

    >>> log_sigmoid(np.array([-1000.0, 1.0]))
    array([-1.00000000e+03, -3.13261688e-01])
    """
    return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))


def log_sigmoid_derivative(a: Array, _: float = 0.0) -> Array:
    """1 - exp(a)"""
    return -np.expm1(a)


def hard_shrink(z: Array, threshold: float = 0.5) -> Array:
    """a = z where |z| > threshold, else 0; threshold >= 0.

    >>> hard_shrink(np.array([-1.0, 0.5, 0.75]))
    array([-1.  ,  0.  ,  0.75])
    """
    return np.where(np.abs(z) <= threshold, 0, z).astype(z.dtype)


def hard_shrink_derivative(a: Array, _: float = 0.5) -> Array:
    """1 where a is not 0, else 0."""
    return (np.abs(a) > 0).astype(a.dtype)


def soft_shrink(z: Array, threshold: float = 0.5) -> Array:
    """a = sign(z) max(|z| - threshold, 0), threshold >= 0 (Donoho 1995).

    >>> soft_shrink(np.array([-1.0, 0.5, 0.75]))
    array([-0.5 ,  0.  ,  0.25])
    """
    return z - np.clip(z, -threshold, threshold)


def soft_shrink_derivative(a: Array, _: float = 0.5) -> Array:
    """1 where a is not 0, else 0."""
    return (np.abs(a) > 0).astype(a.dtype)


def tanh_shrink(z: Array, _: float = 0.0) -> Array:
    """a = z - tanh(z)

    >>> tanh_shrink(np.array([0.0, 2.0]))
    array([0.        , 1.03597242])
    """
    return z - np.tanh(z)


def tanh_shrink_derivative(z: Array, _: float = 0.0) -> Array:
    """tanh(z)^2"""
    return np.tanh(z) ** 2


def thresholded_relu(z: Array, threshold: float = 1.0) -> Array:
    """a = z where z > threshold, else 0 (Konda et al., arXiv:1402.3337).

    >>> thresholded_relu(np.array([-2.0, 1.0, 1.5]))
    array([0. , 0. , 1.5])
    """
    return np.where(z <= threshold, 0, z).astype(z.dtype)


def thresholded_relu_derivative(z: Array, threshold: float = 1.0) -> Array:
    """1 where z > threshold, else 0."""
    return np.where(z > threshold, 1, np.where(z <= threshold, 0, z)).astype(z.dtype)


def _squareplus_root(z: Array, b: float) -> Array:
    """sqrt(z^2 + b), where z^2 does not overflow; |z| beyond."""
    size, far = np.abs(z), 2.0**60
    near = np.minimum(size, far)
    return np.where(size < far, np.sqrt(near * near + b), size)


def squareplus(z: Array, b: float = 4.0) -> Array:
    """a = (z + sqrt(z^2 + b)) / 2, b > 0; below 0 without its cancellation (Barron, arXiv:2112.11687).

    >>> squareplus(np.array([-1.5, 0.0, 1.5]))
    array([0.5, 1. , 2. ])
    """
    half = 0.5 * np.abs(z) + 0.5 * _squareplus_root(z, b)
    return np.where(z < 0, 0.25 * b / half, half).astype(z.dtype)


def squareplus_derivative(z: Array, b: float = 4.0) -> Array:
    """a / sqrt(z^2 + b)"""
    z = np.minimum(z, 2.0**60)
    return (squareplus(z, b) / _squareplus_root(z, b)).astype(z.dtype)


def sparse_sigmoid(z: Array, _: float = 0.0) -> Array:
    """a = (z + 1) / 2 between 0 and 1.

    >>> sparse_sigmoid(np.array([-2.0, 0.5, 2.0]))
    array([0.  , 0.75, 1.  ])
    """
    return np.clip(z + 1, 0, 2) / 2


def sparse_sigmoid_derivative(a: Array, _: float = 0.0) -> Array:
    """1/2 where 0 < a < 1, else 0."""
    return _between(a, 0, 1) / 2


def sparse_plus(z: Array, _: float = 0.0) -> Array:
    """a = 0 up to -1, (z + 1)^2 / 4 up to 1, then z.

    >>> sparse_plus(np.array([-2.0, 0.0, 2.0]))
    array([0.  , 0.25, 2.  ])
    """
    return np.where(z > 1, z, sparse_sigmoid(z) ** 2)


def sparse_plus_derivative(z: Array, _: float = 0.0) -> Array:
    """sparse_sigmoid(z)"""
    return sparse_sigmoid(z)


class Activation(NamedTuple):
    """One activation.

    Attributes
    ----------
    forward : callable
        ``a = forward(z, parameter)``.
    derivative : callable
        ``dz = da * derivative(saved, parameter)``; of a row activation ``dz = derivative(da, a, parameter)``.
    saved : {"z", "a", "row"}
        What the derivative is a function of.
    parameter : float
        The parameter's default; 0 for activations that have none.
    bounds : (float, float)
        The least and the largest parameter that the derivative is right for.
    """

    forward: Callable[..., Array]
    derivative: Callable[..., Array]
    saved: str
    parameter: float
    bounds: tuple[float, float] = (0.0, 0.0)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, identity_derivative, "a", 0.0),
    "step": Activation(step, step_derivative, "a", 0.0),
    "sigmoid": Activation(sigmoid, sigmoid_derivative, "a", 0.0),
    "tanh": Activation(tanh, tanh_derivative, "a", 0.0),
    "relu": Activation(relu, relu_derivative, "a", 0.0),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative, "a", 0.01, (0.0, 1e30)),
    "elu": Activation(elu, elu_derivative, "a", 1.0, (0.0, 1e30)),
    "celu": Activation(celu, celu_derivative, "a", 1.0, (0.001, 1e30)),
    "selu": Activation(selu, selu_derivative, "a", 0.0),
    "gelu": Activation(gelu, gelu_derivative, "z", 0.0),
    "gelu_tanh": Activation(gelu_tanh, gelu_tanh_derivative, "z", 0.0),
    "silu": Activation(silu, silu_derivative, "z", 0.0),
    "mish": Activation(mish, mish_derivative, "z", 0.0),
    "softplus": Activation(softplus, softplus_derivative, "z", 0.0),
    "softsign": Activation(softsign, softsign_derivative, "a", 0.0),
    "relu6": Activation(relu6, relu6_derivative, "a", 0.0),
    "hard_tanh": Activation(hard_tanh, hard_tanh_derivative, "a", 0.0),
    "hard_sigmoid": Activation(hard_sigmoid, hard_sigmoid_derivative, "a", 0.0),
    "hard_swish": Activation(hard_swish, hard_swish_derivative, "z", 0.0),
    "exp": Activation(exp, exp_derivative, "a", 0.0),
    "log_sigmoid": Activation(log_sigmoid, log_sigmoid_derivative, "a", 0.0),
    "hard_shrink": Activation(hard_shrink, hard_shrink_derivative, "a", 0.5, (0.0, 1e30)),
    "soft_shrink": Activation(soft_shrink, soft_shrink_derivative, "a", 0.5, (0.0, 1e30)),
    "tanh_shrink": Activation(tanh_shrink, tanh_shrink_derivative, "z", 0.0),
    "thresholded_relu": Activation(
        thresholded_relu, thresholded_relu_derivative, "z", 1.0, (-1e30, 1e30)
    ),
    "squareplus": Activation(squareplus, squareplus_derivative, "z", 4.0, (0.001, 1e20)),
    "sparse_plus": Activation(sparse_plus, sparse_plus_derivative, "z", 0.0),
    "sparse_sigmoid": Activation(sparse_sigmoid, sparse_sigmoid_derivative, "a", 0.0),
    "softmax": Activation(softmax, softmax_backward, "row", 0.0),
    "log_softmax": Activation(log_softmax, log_softmax_backward, "row", 0.0),
}


def activation_forward(name: str, z: Array, parameter: float | None = None) -> Array:
    """The named activation of z, any shape; row activations work along the last axis.

    >>> activation_forward("leaky_relu", np.array([-1.0, 1.0]), 0.1)
    array([-0.1,  1. ])
    """
    activation = ACTIVATIONS[name]
    return activation.forward(z, activation.parameter if parameter is None else parameter)


def activation_backward(name: str, da: Array, saved: Array, parameter: float | None = None) -> Array:
    """dz from da; saved is z or a, as the registry says (a for row activations).

    >>> activation_backward("sigmoid", np.array([2.0]), np.array([0.5]))
    array([0.5])
    """
    activation = ACTIVATIONS[name]
    parameter = activation.parameter if parameter is None else parameter
    least, most = activation.bounds
    if activation.parameter and not least <= parameter <= most:
        raise ValueError(f"the derivative of {name!r} with {parameter} is not known.")
    if activation.saved == "row":
        return activation.derivative(da, saved, parameter)
    return da * activation.derivative(saved, parameter)


ELEMENTARY: dict[str, Callable[..., Array]] = {
    "exp": exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": erf,
    "sigmoid": sigmoid,
    "sin": np.sin,
    "cos": np.cos,
}


def elementary(name: str, x: Array) -> Array:
    """The named elementary function of x, any shape.

    >>> elementary("log1p", np.array([0.0]))
    array([0.])
    """
    return ELEMENTARY[name](x)


def dense_forward(
    x: Array, w: Array, b: Array | None, name: str = "identity", parameter: float | None = None
) -> Array:
    """a = activation(x @ w + b); x (rows, n_in), w (n_in, n_out), b (n_out,) or None; a (rows, n_out).

    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    z = x @ w
    return activation_forward(name, z if b is None else z + b, parameter)


def dense_backward(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """The gradients (dx, dw, db) of x (rows, n_in), w (n_in, n_out) and b (n_out,) from dz (rows, n_out).

    In the forward pass this was z[r, j] = sum over i of x[r, i] * w[i, j], plus b[j]; so each gradient
    sums dz times the factor beside it over the index it does not have.

    >>> dx, dw, db = dense_backward(np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    >>> dx, dw.ravel(), db
    (array([[3., 4.]]), array([1., 2.]), array([1.]))
    """
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)
