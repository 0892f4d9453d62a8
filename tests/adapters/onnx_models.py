"""Networks that tests write as ONNX files, and graphs of nodes that they read."""

import numpy as np
import pytest

from fastmlp import Activation, BatchNormalization, Dense, Dropout, LayerNormalization, Network, registry

onnx = pytest.importorskip("onnx")

NEWEST = onnx.defs.onnx_opset_version()
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


PARAMETERS = {"hard_shrink": 0.05, "soft_shrink": 0.05, "thresholded_relu": -0.37}  # which leave much


def parameterized(name):
    """The activation with a parameter of its own, if it takes one."""
    return (name, PARAMETERS.get(name, 0.37)) if registry.ACTIVATIONS[name][0] else name


def network(name, dtype, n_out=3):
    """13-37-n_out: the activation in the hidden layer, if it may stand there, and in the last one."""
    hidden = "tanh" if registry.ACTIVATIONS[name][1] == "row" else parameterized(name)
    layers = [13, Dense(37, hidden), Dropout(0.2), Dense(n_out, parameterized(name), use_bias=n_out > 1)]
    net = Network(layers, dtype=dtype, seed=5)
    rng = np.random.default_rng(8)
    net.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in net.get_weights()])
    return net


def inputs(rows=7, columns=13):
    return np.random.default_rng(7).normal(size=(rows, columns))


NORMALIZING = {
    "first": [13, LayerNormalization(1e-5), Dense(5, "tanh"), 3],
    "bare": [13, Dense(7, use_bias=False), BatchNormalization(0.9), Activation("relu"), Dropout(0.2), 3],
    "last": [13, Dense(5, "tanh"), BatchNormalization(epsilon=1e-4), Activation(("elu", 0.3))],
    "both": [13, BatchNormalization(), LayerNormalization(), 3, Activation("softmax")],
}


def normalizing(name, dtype):
    """A network with normalisations whose parameters are as training leaves them."""
    net = Network(NORMALIZING[name], dtype=dtype, seed=4)
    rng = np.random.default_rng(4)
    state = {name: array + 0.3 * rng.standard_normal(array.shape) for name, array in net.state_dict().items()}
    state |= {name: array**2 + 0.1 for name, array in state.items() if name.endswith("variance")}
    net.load_state_dict(state)
    return net


def without_description(model):
    """As another program would write it."""
    del model.metadata_props[:]
    return model


def graph_of(*nodes, constants=(), shape=("rows", 4), outputs=("y",), opset=17, kind=1, more_inputs=()):
    """A model of nodes from x to y, unchecked."""
    helper = onnx.helper
    values = [helper.make_tensor_value_info("x", kind, shape), *more_inputs]
    ends = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    graph = helper.make_graph(list(nodes), "test", values, ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op, operands, output, name="", **attributes):
    return onnx.helper.make_node(op, operands, [output], name=name, **attributes)


W = ("W", np.arange(12, dtype=np.float32).reshape(4, 3) / 10)


B = ("B", np.ones(3, np.float32))
