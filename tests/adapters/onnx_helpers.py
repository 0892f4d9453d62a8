"""What the tests of ONNX files share: an oracle in float64 with a bound on rounding, and ONNX Runtime."""

import numpy as np
import pytest

from fastmlp import Add, BatchNormalization, Dense, Rescaling, Scale, Standardize, reference
from fastmlp.layers.lowering import nodes_of

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
SLOPE |= {"relu6": 1, "hard_tanh": 1, "hard_sigmoid": 0.17, "hard_swish": 1.5, "celu": 1}
SLOPE |= {"log_sigmoid": 1, "hard_shrink": 1, "soft_shrink": 1, "tanh_shrink": 1, "thresholded_relu": 1}
SLOPE |= {"squareplus": 1, "sparse_plus": 1, "sparse_sigmoid": 0.5}
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
    outputs = []  # of every node, with its error
    nodes = nodes_of(a.shape[1], net.layers)
    for at, node in enumerate(nodes):
        layer, (name, parameter) = node.layer, node.activation
        i = sum(bool(other.shapes) for other in nodes[:at])
        own = {key.rsplit(".")[-1]: w.astype(np.float64) for key, w in weights.items() if f".{i}." in key}
        if isinstance(layer, Dense):
            W, b = own["W"], own.get("b", np.zeros(layer.units))
            error = error @ abs(W) + (len(W) + 2 + 2 * rounded) * eps * (abs(a) @ abs(W) + abs(b))
            z = a @ W + b
        elif isinstance(layer, Add):
            other, error_of_other = outputs[node.source]
            z, error = a + other, error + error_of_other
            error = error + eps * (abs(z) + error)
        elif isinstance(layer, Scale):
            z, error = a * own["s"], error * abs(own["s"]) + 2 * rounded * eps * abs(a * own["s"])
        else:
            z, error = normalized(layer, own, a, error, eps)
        a = reference.activation_forward(name, z, parameter)
        assert name != "step" or (abs(z) > error).all()
        error = after(name, parameter, z, a, error, eps)
        outputs.append((a, error))
    return a, error


def normalized(layer, own, x, error, eps):
    """z = (x - mean) / deviation * gamma + beta, and its error: of difference, deviation and rest."""
    n = x.shape[1]
    if isinstance(layer, BatchNormalization):
        mean, variance = own["mean"], own["variance"] + layer.epsilon
        d_error = error + 2 * eps * (abs(x) + abs(mean))
        ratio = 4 * eps  # relative, of the deviation
    else:
        mean = x.mean(axis=1, keepdims=True)
        variance = x.var(axis=1, keepdims=True) + layer.epsilon
        d_error = error + (error + (n + 4) * eps * abs(x)).mean(axis=1, keepdims=True) + 2 * eps * abs(x)
        square = (2 * abs(x - mean) * d_error + d_error**2).mean(axis=1, keepdims=True)
        ratio = square / variance + (n + 6) * eps  # twice what the root makes of it
    deviation = np.sqrt(variance)
    scaled = (x - mean) / deviation
    s_error = d_error / deviation + abs(scaled) * ratio
    z = scaled * own["gamma"] + own["beta"]
    return z, abs(own["gamma"]) * s_error + 8 * eps * (abs(scaled * own["gamma"]) + abs(own["beta"]))


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
    options.log_severity_level = 3  # errors
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(output and [output], {session.get_inputs()[0].name: X})[0]


def randomize_norms(nn, module):
    """Statistics and factors of a module's normalisations that are not those they begin with."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.LayerNorm)):
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
        if isinstance(part, nn.BatchNorm1d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return module
