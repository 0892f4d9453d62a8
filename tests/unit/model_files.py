"""Networks that are saved, and what model files in both containers are refused for."""

import json
import zipfile

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Dropout, ModelFileError, Network, Standardize


def network(dtype):
    layers = [
        4,
        Standardize([0, 1, 2, 3], [1, 2, 3, 4]),
        Dense(6, ("elu", 0.5), use_bias=False),
        Dropout(0.3),
        3,
    ]
    return Network(layers, output="softmax", dtype=dtype, seed=2**64 - 3)


def rewritten(source, target, header=None, arrays=None, compression=zipfile.ZIP_STORED):
    """A copy of a model file with a changed header, or with members replaced, removed (None) or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "header.json" and header is not None:
                fields = json.loads(content)
                header(fields)
                content = json.dumps(fields).encode()
            if arrays is not None and name in arrays:
                content = arrays[name]
            if content is not None:
                new.writestr(name, content)
    return target


def bits(net):
    return [w.tobytes() for w in net.get_weights()]


def assert_refused(path, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        fastmlp.load(path)
    text = str(caught.value)
    assert text.isprintable() and len(text) < len(str(path)) + 400 and str(path) in text


# Also what a header in another container is refused for.
BAD_HEADERS = [
    (lambda h: h.update(format="other"), "names another format"),
    (lambda h: h.update(version=2), r"written by a newer fastmlp \(format 2\), this one reads up to 1"),
    (lambda h: h.update(version="1"), "format version '1'"),
    (lambda h: h.update(version=0), "format version 0"),
    (lambda h: h.pop("layers"), "'layers'"),
    (lambda h: h.update(layers=[]), "expected a width or a Dense layer"),
    (lambda h: h.update(layers=7), "not a readable fastmlp model"),
    (lambda h: h["layers"].append({"type": "Dropout", "rate": 0.1}), "layers ends with"),
    (lambda h: h["layers"][1].update(type="Conv"), "unknown layer 'Conv'"),
    (lambda h: h["layers"][1].update(type=["Dense"]), "not a readable"),
    (lambda h: h["layers"][1].update(units=5), "layers.0.W"),
    (lambda h: h["layers"][1].update(units="6"), "units is '6'"),
    (lambda h: h["layers"][1].update(activation="softmax"), "hidden layer"),
    (lambda h: h["layers"][1].update(activation="rely"), "unknown activation 'rely'"),
    (lambda h: h["layers"][1].update(colour="red"), "colour"),
    (lambda h: h["layers"][1].update({"\x1b[2J\x07": 1}), r"option of Dense: '\\x1b\[2J\\x07'"),
    (lambda h: h["layers"][1].update({"x" * 10**6: 1}), "option of Dense: 'xxxx"),
    (lambda h: h.update(format="\n" * 10**6, version="\x1b" * 10**6), "names another format"),
    (lambda h: h.update(version="\x1b" * 10**6), r"format version '\\x1b"),
    (lambda h: h["layers"][1].update(use_bias=True), "lacks the array layers.0.b"),
    (lambda h: h["layers"][0].update(std=[1, 2, 3]), "std has 3 numbers"),
    (lambda h: h["layers"][0].update(mean=[0, 1, 2], std=[1, 2, 3]), "Standardize has 3 means"),
    (lambda h: h.update(n_in=5), "layers.0.W"),
    (lambda h: h.update(n_in=-1), "n_in is -1"),
    (lambda h: h.update(dtype="float64"), "layers.0.W"),
    (lambda h: h.update(dtype="int8"), "unknown dtype 'int8'"),
    (lambda h: h.update(seed=-1), "seed is -1"),
    (lambda h: h.update(seed=None), "seed is None"),
    (lambda h: h["compile"].update(loss="mean"), "unknown loss 'mean'"),
    (lambda h: h["compile"].update(compiled_loss="poisson"), "needs the output activation"),
    (lambda h: h["compile"]["optimizer"].update(type="adan"), "unknown optimizer 'adan'"),
    (lambda h: h["compile"]["optimizer"].update(beta_1=2), "beta_1 is 2"),
    (
        lambda h: h["compile"]["optimizer"].update(learning_rate={"type": "Sine"}),
        "unknown schedule 'Sine'",
    ),
    (lambda h: h["training"].update(slots=1), r"slots|holds 'optimizer\.1"),
    (lambda h: h["training"].update(slots=10**9), "slots is 1000000000"),
    (lambda h: h["training"].update(step=-1), "step is -1"),
    (lambda h: h["training"].update(step=2**53), "step is 9007199254740992"),
    (lambda h: h["training"].update(step=2**63 - 1), "step is 9223372036854775807"),
    (lambda h: h.update(compile=None), "the state of an optimizer but no optimizer"),
    (lambda h: h["training"].update(epochs="many"), "epochs is 'many'"),
    (lambda h: h["training"].update(beta_powers=[0.5]), "not a readable"),
    (lambda h: h["training"].update(beta_powers=[0.5, 7]), "beta_powers is 7"),
    (lambda h: h["training"].update(beta_powers=[-0.5, 0.5]), "beta_powers is -0.5"),
]

BAD_STATES = [
    (0, np.nan, r"optimizer.0.layers.0.W contains nan at row 0, column 0"),
    (0, np.inf, r"optimizer.0.layers.0.W contains inf at row 0, column 0"),
    (1, np.nan, r"optimizer.1.layers.0.W contains nan at row 0, column 0"),
    (1, -np.inf, r"optimizer.1.layers.0.W contains -inf at row 0, column 0"),
    (1, -1e-30, r"holds -1e-30 in optimizer.1.layers.0.W, expected numbers of 0 or more"),
]

HUGE_CLAIMS = [
    lambda h: h["layers"][1].update(units=10**12),
    lambda h: h["layers"][1].update(units=2**31 - 1),
    lambda h: h.update(n_in=2**31 - 1),
    lambda h: h.update(layers=[{**h["layers"][1], "units": 2**31 - 1}] * 50),
]
