"""What tests of Keras share: its models, and the bound of what two predictions may differ."""

import functools

import numpy as np
import pytest

from fastmlp import (
    Activation,
    Add,
    BatchNormalization,
    Dense,
    LayerNormalization,
    Rescaling,
    Scale,
    Standardize,
    registry,
)

keras = pytest.importorskip("keras")
special = pytest.importorskip("scipy.special")
layers = keras.layers


# ---- the exact values, and how far from them arithmetic in a dtype may end ----

# name -> (the function in float64 of z and the parameter, the largest slope there is)
EXACT = {
    "identity": (lambda z, p: z, 1),
    "sigmoid": (lambda z, p: special.expit(z), 0.25),
    "tanh": (lambda z, p: np.tanh(z), 1),
    "relu": (lambda z, p: np.maximum(z, 0), 1),
    "leaky_relu": (lambda z, p: np.where(z > 0, z, p * z), 1),
    "elu": (lambda z, p: np.where(z > 0, z, p * np.expm1(z)), 1),
    "celu": (lambda z, p: np.where(z > 0, z, p * np.expm1(z / p)), 1),
    "selu": (lambda z, p: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)), 1.76),
    "gelu": (lambda z, p: z * special.ndtr(z), 1.13),
    "gelu_tanh": (lambda z, p: z * special.expit(np.sqrt(8 / np.pi) * (z + 0.044715 * z**3)), 1.13),
    "silu": (lambda z, p: z * special.expit(z), 1.1),
    "mish": (lambda z, p: z * np.tanh(np.logaddexp(0, z)), 1.09),
    "softplus": (lambda z, p: np.logaddexp(0, z), 1),
    "softsign": (lambda z, p: z / (1 + np.abs(z)), 1),
    "relu6": (lambda z, p: np.minimum(np.maximum(z, 0), 6), 1),
    "hard_tanh": (lambda z, p: np.minimum(np.maximum(z, -1), 1), 1),
    "hard_sigmoid": (lambda z, p: np.minimum(np.maximum(z / 6 + 0.5, 0), 1), 1 / 6),
    "hard_swish": (lambda z, p: z * np.minimum(np.maximum(z / 6 + 0.5, 0), 1), 1.5),
    "log_sigmoid": (lambda z, p: special.log_expit(z), 1),
    "hard_shrink": (lambda z, p: np.where(np.abs(z) > p, z, 0), 1),
    "soft_shrink": (lambda z, p: np.sign(z) * np.maximum(np.abs(z) - p, 0), 1),
    "tanh_shrink": (lambda z, p: z - np.tanh(z), 1),
    "thresholded_relu": (lambda z, p: np.where(z > p, z, 0), 1),
    "squareplus": (lambda z, p: (z + np.sqrt(z * z + p)) / 2, 1),
    "sparse_plus": (lambda z, p: np.where(z > 1, z, np.maximum(z + 1, 0) ** 2 / 4), 1),
    "sparse_sigmoid": (lambda z, p: np.clip((z + 1) / 2, 0, 1), 0.5),
    "exp": (lambda z, p: np.exp(z), None),
    "softmax": (lambda z, p: special.softmax(z, axis=1), None),
    "log_softmax": (lambda z, p: special.log_softmax(z, axis=1), None),
}
# What an implementation may lose in an activation, in eps of max(|a|, |z|): the usual form of gelu,
# x / 2 * (1 + erf(x / sqrt(2))), is the worst; ours are within 5.2.
OWN = 8


def activated(name, parameter, z, error, eps):
    """The exact activation, and the bound of what one in floating point differs, given that of z."""
    function, slope = EXACT[name]
    a = function(z, parameter)
    if name == "exp":
        return a, a * (np.expm1(error) + OWN * eps)
    if name in ("softmax", "log_softmax"):
        # z - max(z) and the logarithm of a sum of n move by at most this, and softmax by as much, relatively.
        moved = 2 * error.max(axis=1, keepdims=True)
        moved = moved + (OWN + z.shape[1] + 2 * np.abs(z).max(axis=1, keepdims=True)) * eps
        return a, (a * np.expm1(moved) if name == "softmax" else moved + eps * np.abs(a))
    return a, slope * error + OWN * eps * np.maximum(np.abs(a), np.abs(z))


def dense(x, W, b, error, eps):
    """x @ W + b, in any order of the sum: each of its roundings is within eps of a partial sum."""
    size = (np.abs(x) + error) @ np.abs(W) + np.abs(b)
    return x @ W + b, error @ np.abs(W) + (len(W) + 2) * eps * size


def batch(x, gamma, beta, mean, variance, epsilon, error, eps):
    """(x - mean) * factor + beta, or x * factor + (beta - mean * factor): either within 8 roundings."""
    factor = gamma / np.sqrt(variance + epsilon)
    size = (np.abs(x) + np.abs(mean)) * np.abs(factor) + np.abs(beta)
    return (x - mean) * factor + beta, np.abs(factor) * error + 8 * eps * size


def centred(x, gamma, beta, epsilon, error, eps):
    """Each row with its own mean and variance, which Keras computes as mean(x**2) - mean(x)**2."""
    n = x.shape[1]

    def average(array):
        return array.mean(axis=1, keepdims=True)

    mean, variance = average(x), x.var(axis=1, keepdims=True) + epsilon
    of_mean = average(error) + (n + 1) * eps * average(np.abs(x))
    of_variance = 4 * average(np.abs(x) * error) + 2 * (n + 4) * eps * average(x**2)
    normal, inverse = (x - mean) / np.sqrt(variance), 1 / np.sqrt(variance)
    moved = inverse * (error + of_mean) + np.abs(normal) * of_variance / (2 * variance)
    size = inverse * (np.abs(x) + np.abs(mean)) * np.abs(gamma) + np.abs(beta)
    return normal * gamma + beta, np.abs(gamma) * moved + 8 * eps * size


def take(weights, count):
    """The next arrays, in float64."""
    return [next(weights).astype(np.float64) for _ in range(count)]


def exact(net, X):
    """The float64 prediction of a network's description, and the bound of arithmetic in its own dtype."""
    x, eps = X.astype(np.float64), np.finfo(net.dtype).eps
    error, weights = np.zeros_like(x), iter(net.get_weights())
    outputs = [(x, error)]  # by the place in the list of layers
    for layer in net.layers:
        if isinstance(layer, (Rescaling, Standardize)):
            shift, divisor = layer.shift_and_divisor(x.shape[1])
            error = 4 * eps * (np.abs(x) + np.abs(shift)) / divisor
            x = (x - shift) / divisor
        elif isinstance(layer, Dense):
            (W,) = take(weights, 1)
            (b,) = take(weights, 1) if layer.use_bias else (np.zeros(layer.units),)
            z, error = dense(x, W, b, error, eps)
            x, error = activated(*registry.resolve_activation(layer.activation), z, error, eps)
        elif isinstance(layer, BatchNormalization):
            x, error = batch(x, *take(weights, 4), layer.epsilon, error, eps)
        elif isinstance(layer, LayerNormalization):
            x, error = centred(x, *take(weights, 2), layer.epsilon, error, eps)
        elif isinstance(layer, Activation):
            x, error = activated(*registry.resolve_activation(layer.activation), x, error, eps)
        elif isinstance(layer, Add):
            other, of_other = outputs[layer.from_layer]
            x, error = x + other, error + of_other
            error = error + eps * (np.abs(x) + error)
        elif isinstance(layer, Scale):
            (s,) = take(weights, 1)
            x, error = x * s, error * np.abs(s) + eps * np.abs(x * s)
        outputs.append((x, error))
    return x, error


def assert_predict_the_same(model, net, X):
    """Both are within the bound of the exact values, which are not all alike."""
    rows = X.reshape(len(X), -1)
    theirs, mine = np.asarray(keras.ops.convert_to_numpy(model(X))), net.predict(rows)
    assert mine.dtype == net.dtype and theirs.shape == mine.shape
    assert theirs.dtype == net.dtype
    expected, error = exact(net, rows)
    for who, prediction in [("Keras", theirs), ("fastmlp", mine)]:
        assert np.abs(expected).max() > 50 * error.max() and len(np.unique(expected)) > 1
        worst = np.max(np.abs(prediction - expected) / error)
        assert worst <= 1, f"{who} is off by {worst:.3g} times the bound"


def filled(model, rng):
    """The model, with every weight random, its variances positive."""
    for layer in model.layers:
        arrays = [rng.normal(size=array.shape) for array in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            arrays[-1] = rng.uniform(0.5, 2, size=arrays[-1].shape)
        if isinstance(layer, layers.Dense):
            arrays[0] /= np.sqrt(len(arrays[0]))
        layer.set_weights(arrays)
    return model


def sequential(dtype, rng, *elements, shape=(13,)):
    """Of functions that make a layer when they are told the dtype."""
    made = [element(dtype=dtype) for element in elements]
    return filled(keras.Sequential([keras.Input(shape, dtype=dtype), *made]), rng)


def make(cls, *arguments, **options):
    return functools.partial(cls, *arguments, **options)


def keras_weights(model):
    return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in model.weights]


def assert_same_bits(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
