"""Keras on PyTorch's backend, in a process of its own: a backend is chosen when Keras is imported."""

import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, LayerNormalization, Rescaling, Standardize
from helpers import assert_within
from onnx_helpers import oracle

pytest.importorskip("onnx")
import fastmlp.onnx  # noqa: E402

pytestmark = pytest.mark.slow

KERAS = """
import sys, warnings
warnings.filterwarnings("ignore")
import keras, numpy as np
from fastmlp.keras import from_keras
L = keras.layers
keras.utils.set_random_seed(0)
names = "relu leaky_relu elu selu gelu silu mish softplus softsign exponential sigmoid tanh linear".split()
names += "celu relu6 hard_tanh hard_sigmoid hard_silu".split()
normalization = L.Normalization()
normalization.adapt(np.random.default_rng(0).normal(3, 2, size=(50, 5)).astype("float32"))
models = {
    "activations": [keras.Input((5,)), *(L.Dense(5, name) for name in names), L.Dense(3, "softmax")],
    "image": [keras.Input((3, 4)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(7, use_bias=False),
        L.BatchNormalization(), L.ReLU(), L.Dropout(0.3), L.Dense(3), L.LeakyReLU(0.3),
        L.BatchNormalization(), L.Dense(2), L.Softmax()],
    "rows": [keras.Input((5,)), L.Dense(7), L.LayerNormalization(), L.ReLU(), L.Dense(2)],
    "normalization": [keras.Input((5,)), normalization, L.Dense(7, "tanh"), L.Dense(1, "sigmoid")],
}
for name, layers in models.items():
    model = keras.Sequential(layers)
    X = np.random.default_rng(1).normal(size=(7, *model.input_shape[1:])).astype("float32")
    for layer in model.layers:
        if "normalization" in layer.name and name != "normalization":
            rng = np.random.default_rng(2)
            layer.set_weights([w + rng.uniform(0.1, 1, w.shape) for w in layer.get_weights()])
    y = model.predict(X, verbose=0)
    # Keras cannot export this layer for any number of rows.
    fixed = [keras.InputSpec(shape=X.shape, dtype="float32")] if name == "rows" else None
    model.export(f"{name}.onnx", format="onnx", verbose=False, input_signature=fixed)
    np.savez(f"{name}.npz", X=X, y=y)
for optimizer in ("sgd", "adam", "adamw"):
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    model.compile(optimizer, "mse")
    print(type(from_keras(model).optimizer).__name__)
"""


@pytest.fixture(scope="module")
def in_torch(tmp_path_factory):
    """The folder that the models were exported to, and what was printed."""
    for name in ("keras", "torch", "onnxscript"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("keras")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KERAS]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return SimpleNamespace(folder=folder, printed=done.stdout)


def test_the_optimizers_are_known(in_torch):
    """They are subclasses of the same names there."""
    assert in_torch.printed.split()[-3:] == ["SGD", "Adam", "NoneType"]


@pytest.mark.parametrize("name", ["activations", "image", "rows", "normalization"])
def test_what_is_exported_loads_with_equal_predictions(in_torch, name):
    """Within the rounding that `oracle` derives from the loaded weights."""
    net = fastmlp.onnx.load(in_torch.folder / f"{name}.onnx")
    first = {"image": Rescaling, "normalization": Standardize}.get(name, Dense)
    assert isinstance(net.layers[0], first)
    assert (LayerNormalization(1e-3) in net.layers) == (name == "rows")
    with np.load(in_torch.folder / f"{name}.npz") as saved:
        X, y = saved["X"], saved["y"]
    exact, bound = oracle(net, X.reshape(len(X), -1), rounded=2)
    assert_within(net.predict(X.reshape(len(X), -1)), exact, bound)
    assert_within(y, exact, bound)
