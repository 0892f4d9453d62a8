"""Every kind of layer in every other form of a network: it predicts the same there, or is refused by name."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import javascript
from fastmlp import Network, Scale, keras, onnx, reference, sklearn, torch
from fastmlp.layers import Layer
from fastmlp.layers.base import LAYERS
from helpers import assert_close, assert_same_bits
from onnx_helpers import run
from residual_networks import residual_nets

WIDTH = 4
VALUES = {
    "int": 1, "float": 0.5, "ActivationName": "tanh", "tuple[float, ...]": (0.5,) * WIDTH,
    "Sequence[int]": (3, 2), "int | Sequence[int]": 2,
    "tuple[tuple[str, int, ActivationName], ...]": {"a": 1, "b": (WIDTH - 1, "softmax")},
}  # fmt: skip


@dataclass(frozen=True)
class Stranger(Layer, abstract=True):
    """A layer that no table has an entry for."""

    kind: ClassVar[str] = "scale"
    arrays = Scale.arrays


KINDS = [*(cls for cls in LAYERS.values() if not cls.composite), Stranger]


def reads_codes(cls):
    return cls.kind in reference.KINDS and "reads_codes" in reference.KINDS[cls.kind].traits


def network(cls):
    """A network around one layer of a class, with numbers that are none of its defaults."""
    required = [field for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
    layer = cls(*(VALUES[field.type] for field in required))
    before = [] if layer.leads or reads_codes(cls) else [WIDTH]
    layers = [WIDTH, WIDTH, WIDTH, layer] if layer.ends else [WIDTH, *before, layer, 3]
    dtype = "float32" if cls.predicts_alone else "float64"
    net = Network(layers, activation="tanh", dtype=dtype, seed=1)
    rng = np.random.default_rng(2)
    net.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in net.get_weights()])
    place = -1 if layer.ends else len(before)
    return net, net.layers[place]  # with what the network has filled in


def of_folded(net, X, folder):
    return net.folded().predict(X)


def of_exported_c(net, X, folder):
    net.export_c(folder / "net.c")
    compiler = shutil.which("gcc") or shutil.which("clang") or pytest.skip("needs a C compiler")
    command = [compiler, "-O1", "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    out = np.empty((len(X), net.plan.n_out), net.dtype)
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (X, out))
    ctypes.CDLL(str(folder / "net.so")).net_predict_rows(*pointers, ctypes.c_size_t(len(X)))
    return out


def of_exported_js(net, X, folder):
    net.export_js(folder / "net.mjs")
    text = (folder / "net.mjs").read_text("utf-8").replace("export const", "const")
    code = f"{text}\nprint(JSON.stringify({X.tolist()}.map((row) => [...predict(row)])));"
    return np.array(json.loads(javascript.program(code, folder)))


def of_torch(net, X, folder):
    library = pytest.importorskip("torch")
    return torch.to_torch(net)(library.from_numpy(X)).detach().numpy()


def of_keras(net, X, folder):
    pytest.importorskip("keras")
    return keras.to_keras(net).predict(X, verbose=0)


def of_onnx(net, X, folder):
    pytest.importorskip("onnx")
    model = onnx.to_model(net)
    assert_same_bits(onnx.from_model(model).predict(X), net.predict(X))
    return run(model, X)


def of_sklearn(net, X, folder):
    pytest.importorskip("sklearn")
    return sklearn.to_sklearn(net).predict(X)


FORMS = [of_folded, of_exported_c, of_exported_js, of_torch, of_keras, of_onnx, of_sklearn]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cls", KINDS)
def test_it_is_translated_or_refused_by_name(cls, form, rng, tmp_path):
    net, layer = network(cls)
    X = rng.normal(size=(7, WIDTH))
    if reads_codes(cls):
        X[:, 2:] = rng.integers(0, 2, (7, 2))
    X = X.astype(net.dtype)
    sentence = re.escape(f"net has the layer {layer!r}, which has no equivalent in ") + r"[^.,;]*"
    try:
        found = np.asarray(form(net, X, tmp_path), net.dtype)
    except ValueError as error:
        assert re.fullmatch(sentence, str(error))
    else:
        assert cls is not Stranger
        assert_close(
            found, net.predict(X), 1e-5 if form is of_keras else 0.05 if cls.predicts_alone else 1e-12
        )


@pytest.mark.parametrize("form", [form for form in FORMS if form is not of_sklearn])  # which has chains alone
@pytest.mark.parametrize("name", residual_nets("float64", np.random.default_rng(0)))
def test_skip_connections_go_everywhere(name, form, rng, tmp_path):
    net = residual_nets("float64", rng)[name]
    X = rng.normal(size=(7, net.plan.n_in))
    found = np.asarray(form(net, X, tmp_path), net.dtype)
    assert_close(found, net.predict(X), 1e-5 if form is of_keras else 1e-12)
