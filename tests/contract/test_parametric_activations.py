"""Activations with a number a column: beside PyTorch, and read and written elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import fastmlp
from fastmlp import Activation, Dense, Network, ParametricActivation, PReLU, registry
from helpers import assert_close, assert_same_bits, assert_within

torch = pytest.importorskip("torch")
NAMES = [name for name, (_, saved, *_) in registry.ACTIVATIONS.items() if saved != "row" and name != "step"]


def network(layer, isa, rng, rows=300):
    """A network with one of these layers, rows and targets; the numbers of columns are anywhere."""
    net = Network([6, Dense(19), layer, 3], output="identity", dtype="float64", seed=0, isa=isa)
    arrays = net.get_weights()
    arrays[2] = rng.uniform(-1.5, 2, 19)
    net.set_weights(arrays)
    net.compile("sgd", "mse")
    return net, rng.normal(size=(rows, 6)), rng.normal(size=(rows, 3))


def assert_has_gradients(net, X, Y, middle):
    """Those of torch where `middle` is the layer, a function of z and its numbers."""
    W, b, numbers, V, c = arrays = [torch.tensor(array, requires_grad=True) for array in net.get_weights()]
    x = torch.tensor(X, requires_grad=True)
    loss = ((middle(x @ W + b, numbers) @ V + c - torch.tensor(Y)) ** 2).mean()
    loss.backward()
    value, gradients, dX = net.plan.gradients(X, Y, input_gradient=True)
    assert abs(value - loss.item()) < 1e-12 * loss.item()
    for got, tensor in zip([*gradients, dX], [*arrays, x], strict=True):
        assert_close(got, tensor.grad.numpy(), 1e-12)


@pytest.mark.parametrize("name", ["selu", "mish", "relu", "tanh", "silu"])
def test_parametric_activation_has_the_gradients_of_torch(name, isa, rng):
    function = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    net, X, Y = network(ParametricActivation(name), isa, rng)
    assert_has_gradients(net, X, Y, lambda z, alpha: z + alpha * (function(z) - z))


def test_prelu_has_the_gradients_of_torch(isa, rng):
    net, X, Y = network(PReLU(), isa, rng)
    assert_has_gradients(net, X, Y, torch.nn.functional.prelu)


@pytest.mark.parametrize("name", NAMES)
def test_all_of_an_activation_is_the_activation_and_nothing_of_it_the_identity(name, isa, dtype, rng):
    X = rng.normal(size=(33, 6)).astype(dtype)
    nets = [
        Network([6, Dense(19), layer, 3], output="identity", dtype=dtype.name, seed=0, isa=isa)
        for layer in (ParametricActivation(name), Activation(name), Activation("identity"))
    ]
    share, whole, nothing = nets
    W, b, _, *rest = share.get_weights()
    whole.set_weights([W, b, *rest])
    nothing.set_weights([W, b, *rest])
    assert_within(
        share.predict(X), whole.predict(X), 50 * np.finfo(dtype).eps * np.abs(whole.predict(X)).max()
    )
    arrays = share.get_weights()
    arrays[2][...] = 0
    share.set_weights(arrays)
    assert_same_bits(share.predict(X), nothing.predict(X))


def test_what_works_on_whole_rows_has_no_share():
    with pytest.raises(ValueError, match="activation is 'softmax', which works on whole rows"):
        ParametricActivation("softmax")


def test_the_dense_layer_before_has_no_activation_of_its_own():
    net = Network([3, 4, PReLU(), 5, ParametricActivation("mish"), 2], activation="tanh", output="softmax")
    assert [layer.activation for layer in net.layers[::2]] == ["identity", "identity", "softmax"]


@pytest.mark.parametrize("parameters", [1, 4])
def test_prelu_is_read_from_torch(parameters, rng):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(3, 4), nn.PReLU(parameters, init=0.1), nn.Linear(4, 2)).double()
    net = fastmlp.torch.from_torch(module)
    assert net.layers[1] == PReLU() and net.get_weights()[2].shape == (4,)
    X = rng.normal(size=(9, 3))
    assert_close(net.predict(X), module(torch.tensor(X)).detach().numpy(), 1e-14)


@pytest.mark.parametrize("shared", [None, [1]])
def test_prelu_is_read_from_keras(shared, rng):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    made = [
        layers.Dense(4),
        layers.PReLU(alpha_initializer="random_normal", shared_axes=shared),
        layers.Dense(2),
    ]
    model = keras.Sequential([keras.Input((3,)), *made])
    net = fastmlp.keras.from_keras(model)
    X = rng.normal(size=(9, 3)).astype(np.float32)
    assert net.layers[1] == PReLU() and (net.get_weights()[2] != 0).all()
    assert_close(net.predict(X), np.asarray(model(X)), 1e-5)
