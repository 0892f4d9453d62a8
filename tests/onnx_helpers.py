"""What the tests of ONNX files share: an oracle in float64 with a bound on rounding, and ONNX Runtime."""

import numpy as np
import pytest

from fastmlp import Dense, Rescaling, Standardize, reference, registry

# |f(z + d) - f(z)| <= SLOPE |d|; of exp the slope is the value, softmax and log_softmax are below.
SLOPE = {
    "identity": 1,
    "step": 0,
    "sigmoid": 0.25,
    "tanh": 1,
    "relu": 1,
    "selu": 1.76,
    "softplus": 1,
    "softsign": 1,
}
SLOPE |= {"gelu": 1.13, "gelu_tanh": 1.13, "silu": 1.1, "mish": 1.1}
ULPS = 8  # of an activation in any of the programs, with eps (1 + |z|) where cancellation costs digits


def oracle(net, X, *, rounded=1):
    """Predictions in float64 and how far another evaluation in the network's dtype may be.

    Each product of n_in inputs adds at most (n_in + 2) eps (|x| |W| + |b|), in whatever order it is summed
    (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1), on top of what its inputs had;
    `rounded` counts what else rounds a term: folding of weights, in float64 the oracle's own sum.
    """
    eps = np.finfo(net.dtype).eps
    a = np.asarray(X, net.dtype).astype(np.float64)
    error = np.zeros_like(a)
    weights = net.state_dict()
    for layer in net.layers:
        if isinstance(layer, (Rescaling, Standardize)):
            shift, divisor = layer.shift_and_divisor(a.shape[1])
            error = (error + 4 * eps * (abs(a) + abs(shift))) / abs(divisor)
            a = (a - shift) / divisor
    for i, layer in enumerate(layer for layer in net.layers if isinstance(layer, Dense)):
        W = weights[f"layers.{i}.W"].astype(np.float64)
        b = weights.get(f"layers.{i}.b", np.zeros(layer.units)).astype(np.float64)
        error = error @ abs(W) + (len(W) + 2 + 2 * rounded) * eps * (abs(a) @ abs(W) + abs(b))
        name, parameter = registry.resolve_activation(layer.activation)
        z, a = a @ W + b, reference.activation_forward(name, a @ W + b, parameter)
        assert name != "step" or (abs(z) > error).all()
        error = after(name, parameter, z, a, error, eps)
    return a, error


def after(name, parameter, z, a, error, eps):
    """The error of a: that of z passed on, the activation's own ULPS, and the sum along a row."""
    worst = error.max(axis=1, keepdims=True)
    own = ULPS * eps * (1 + abs(z))
    if name in ("identity", "step"):
        return error
    if name == "exp":
        return a * (np.expm1(error) + own)
    if name == "softmax":
        return a * (np.expm1(2 * worst) + own + a.shape[1] * eps)
    if name == "log_softmax":
        return 2 * worst + own + a.shape[1] * eps
    return error * SLOPE.get(name, max(1, abs(parameter))) + own


def run(model, X, output=None):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(output and [output], {session.get_inputs()[0].name: X})[0]
