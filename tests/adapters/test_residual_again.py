"""Networks with skip connections, written for another package and read again."""

import os

import numpy as np
import pytest

import fastmlp.keras
import fastmlp.onnx
import fastmlp.torch
from fastmlp import Add
from helpers import assert_close, assert_same_bits
from residual_networks import residual_nets


def through_torch(net):
    pytest.importorskip("torch")
    return fastmlp.torch.from_torch(fastmlp.torch.to_torch(net), fold=False)


def through_keras(net):
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    pytest.importorskip("keras")
    return fastmlp.keras.from_keras(fastmlp.keras.to_keras(net))


def through_onnx(net):
    pytest.importorskip("onnx")
    return fastmlp.onnx.from_model(fastmlp.onnx.to_model(net))


def through_a_graph_alone(net):
    pytest.importorskip("onnx")
    model = fastmlp.onnx.to_model(net)
    del model.metadata_props[:]
    return fastmlp.onnx.from_model(model)


NAMES = [*residual_nets("float64", np.random.default_rng(0))]
_ITSELF = {"twice_itself"}  # a sum of a tensor and itself
_NOISE = {"of_the_input", *_ITSELF}  # is left out, and the network's input then added to itself
NOT_READ = {
    (through_keras, "float32"): _ITSELF,
    (through_keras, "float64"): _ITSELF,
    (through_a_graph_alone, "float32"): _NOISE,
    (through_a_graph_alone, "float64"): {
        "at_the_end",
        "kept_output",
        *_NOISE,
    },  # of PReLU
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", [through_torch, through_keras, through_onnx, through_a_graph_alone])
@pytest.mark.parametrize("name", NAMES)
def test_they_are_as_they_were(name, way, dtype, rng):
    net = residual_nets(dtype, rng)[name]
    if name in NOT_READ.get((way, dtype), ()):
        with pytest.raises(ValueError, match="expected .* of a tensor and what layers make of it"):
            way(net)
        return
    again = way(net)
    X = rng.normal(size=(9, net.plan.n_in)).astype(dtype)
    if way is through_a_graph_alone:
        assert_close(again.predict(X), net.predict(X), 1e-12 if dtype == "float64" else 1e-5)
        return
    added, expected = ([each for each in made.layers if isinstance(each, Add)] for made in (again, net))
    assert added == expected
    if way is through_keras and name == "normalized":  # its means are float32
        assert_close(again.predict(X), net.predict(X), 1e-6)
    else:
        assert_same_bits(again.predict(X), net.predict(X))


@pytest.mark.parametrize("back", [0, -1, 4])
def test_a_skip_to_no_earlier_module_is_refused(back):
    nn = pytest.importorskip("torch").nn
    from fastmlp.adapters.torch import modules

    module = modules.SkipSequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), modules.Skip(back))
    with pytest.raises(ValueError, match=rf"^module\.3 is Skip\(back={back}\), expected the number"):
        fastmlp.torch.from_torch(module)
    with pytest.raises(TypeError, match=r"^module\.0 is Skip, expected Sequential, Linear"):
        fastmlp.torch.from_torch(nn.Sequential(modules.Skip(1)))


def test_a_skip_that_does_something_else_is_refused():
    nn = pytest.importorskip("torch").nn
    from fastmlp.adapters.torch import modules

    class Half(modules.Skip):
        def forward(self, x, other):
            return x + other / 2

    with pytest.raises(TypeError, match=r"^module\.2 is Half"):
        fastmlp.torch.from_torch(modules.SkipSequential(nn.Linear(3, 3), nn.Linear(3, 3), Half(2)))
    skip = modules.Skip(2)
    skip.register_forward_hook(lambda module, given, out: 2 * out)
    with pytest.raises(TypeError, match=r"^module\.2 is Skip"):
        fastmlp.torch.from_torch(modules.SkipSequential(nn.Linear(3, 3), nn.Linear(3, 3), skip))
