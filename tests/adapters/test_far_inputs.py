"""Activations of inputs whose squares overflow, in PyTorch and in ONNX Runtime."""

import numpy as np
import pytest

from fastmlp import Dense, Network, registry
from onnx_helpers import run

X = np.float32([2e37, -2e37, 1e30, -1e30, 1e19, -1e19, 5e3, -5e3, 1, -1, 0])[:, None]
NAMES = sorted(set(registry.ACTIVATIONS) - {"softmax", "log_softmax"})


def as_it_is(activation):
    """A network of the activation alone, and its predictions."""
    net = Network([1, Dense(1, activation, use_bias=False)], seed=0)
    net.set_weights([np.ones((1, 1))])
    return net, net.predict(X)


def assert_close(got, expected):
    assert (expected != 0).any()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_far_inputs_in_pytorch(name):
    torch = pytest.importorskip("torch")
    from fastmlp.torch import to_torch

    net, expected = as_it_is(name)
    with torch.no_grad():
        assert_close(to_torch(net)(torch.from_numpy(X)).numpy(), expected)


@pytest.mark.parametrize("name", NAMES)
def test_far_inputs_in_onnx_runtime(name):
    pytest.importorskip("onnxruntime")
    from fastmlp.onnx import to_model

    net, expected = as_it_is(name)
    assert_close(run(to_model(net), X), expected)


def test_a_shrink_that_pytorch_does_not_take():
    pytest.importorskip("torch")
    from fastmlp.torch import to_torch

    with pytest.raises(ValueError, match="'soft_shrink' has the parameter -0.25, which PyTorch"):
        to_torch(as_it_is(("soft_shrink", -0.25))[0])
