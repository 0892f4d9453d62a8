"""`Network.quantized`: copies for predictions alone, their files, exports and reports."""

from __future__ import annotations

import copy
import ctypes
import io
import os
import pickle
import platform
import shutil
import subprocess
import zipfile

import numpy as np
import pytest

import fastmlp
from fastmlp import (
    BatchNormalization,
    Dense,
    Dropout,
    Heads,
    MemberDense,
    Members,
    Network,
    QuantizedDense,
    Residual,
    Standardize,
    learning_rate_range,
)
from fastmlp.errors import NotCompiledError
from fastmlp.reference.products import bfloat16
from fastmlp.reference.storage import int8_columns
from helpers import assert_close, assert_same_bits


def network(skip=True, **options):
    layers = [
        20,
        Standardize(tuple(range(20)), tuple(range(1, 21))),
        Dense(100, "relu"),
        BatchNormalization(),
        *([Residual([Dense(100, "tanh")])] if skip else []),
        Dropout(0.2),
        Dense(70, "gelu", use_bias=False),
        4,
    ]
    return Network(layers, output="softmax", seed=3, **options)


def rows_of(rows=200):
    rng = np.random.default_rng(1)
    return rng.normal(np.arange(20), np.arange(1, 21), (rows, 20)).astype(np.float32)


def filled(net):
    rng = np.random.default_rng(2)
    net.set_weights([a if a.ndim == 2 else rng.uniform(0.5, 1.5, a.shape) for a in net.get_weights()])
    return net


@pytest.fixture
def net():
    return filled(network())


@pytest.fixture
def small(net):
    return net.quantized("int8")


STORED = {"int8": lambda W: np.multiply(*int8_columns(W)), "bf16": bfloat16}
each_storage = pytest.mark.parametrize("storage", STORED)


@each_storage
def test_dense_layers_are_stored_and_the_rest_stays(net, storage):
    small = net.quantized(storage)
    assert [type(layer) for layer in small.layers] == [
        QuantizedDense if type(layer) is Dense else type(layer) for layer in net.layers
    ]
    assert [layer.units for layer in small.layers if isinstance(layer, QuantizedDense)] == [100, 100, 70, 4]
    assert small.layer_sizes == net.layer_sizes and small.num_parameters == net.num_parameters
    for name, array in small.state_dict().items():
        exact = net.state_dict()[name]
        if array.ndim == 2:
            assert_same_bits(array, STORED[storage](exact))
        else:
            assert_same_bits(array, exact)


def test_the_network_itself_stays(net):
    X, before, whole = rows_of(), net.get_weights(), net.predict(rows_of())
    net.quantized("int8", X)
    assert_same_bits(net.get_weights(), before)
    assert_same_bits(net.predict(X), whole)


@each_storage
def test_predictions_are_near(net, storage):
    X = rows_of()
    exact, found = net.predict(X), net.quantized(storage).predict(X)
    assert np.ptp(exact, axis=0).min() > 0.1
    assert 0 < np.abs(found - exact).max() < 0.05


def test_it_is_shown(small, capsys):
    assert "QuantizedDense(70, 'gelu', use_bias=False)" in repr(small)
    small.summary()
    assert "int8 dense, gelu" in capsys.readouterr().out
    for layer in (QuantizedDense(3, "relu", use_bias=False), QuantizedDense(3, storage="bf16")):
        assert eval(repr(layer)) == layer


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_files_are_as_small(name, tmp_path):
    net = Network([300, 300, 300, 5], seed=0)
    sizes = []
    for storage in (None, "bf16", "int8"):
        (net if storage is None else net.quantized(storage)).save(tmp_path / name)
        sizes.append(os.path.getsize(tmp_path / name))
    assert sizes[1] < 0.52 * sizes[0] and sizes[2] < 0.28 * sizes[0]


def test_files_have_what_is_stored(tmp_path):
    net = Network([6, 5, 2], seed=0)
    net.quantized("int8").save(tmp_path / "net.npz")
    q, scale = int8_columns(net.weights[0])
    with np.load(tmp_path / "net.npz") as file:
        assert_same_bits(file["layers.0.W"], q)
        assert_same_bits(file["layers.0.W.scale"], scale)
    net.quantized("bf16").save(tmp_path / "net.safetensors")
    table = (tmp_path / "net.safetensors").read_bytes()
    assert b'"layers.0.W":{"dtype":"BF16","shape":[6,5]' in table
    tensors = pytest.importorskip("safetensors.torch").load_file(tmp_path / "net.safetensors")
    assert_same_bits(tensors["layers.0.W"].float().numpy(), bfloat16(net.weights[0]))


def test_a_file_whose_arrays_are_not_those_of_its_layers_is_refused(tmp_path):
    net = Network([6, 5, 2], seed=0)
    net.quantized("int8").save(tmp_path / "net.npz")
    with zipfile.ZipFile(tmp_path / "net.npz") as file:
        members = {name: file.read(name) for name in file.namelist()}
    for name, wrong in [
        ("layers.0.W", np.zeros((6, 5), np.float32)),
        ("layers.0.W", np.zeros((5, 6), np.int8)),
        ("layers.0.W.scale", np.zeros(6, np.float32)),
        ("layers.0.W.scale", np.full(5, np.nan, np.float32)),
    ]:
        content = io.BytesIO()
        np.save(content, wrong)
        with zipfile.ZipFile(tmp_path / "wrong.npz", "w") as file:
            for member, text in {**members, f"{name}.npy": content.getvalue()}.items():
                file.writestr(member, text)
        with pytest.raises(fastmlp.ModelFileError, match="layers.0.W"):
            fastmlp.load(tmp_path / "wrong.npz")


@each_storage
@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_files_copies_and_pickles_give_it_back(net, name, storage, tmp_path):
    X, y = rows_of(), np.arange(200) % 4
    net.classes = ["a", "b", "c", "d"]
    net.compile("adam", metrics=["accuracy", "auc"])
    small = net.quantized(storage, X)
    small.save(tmp_path / name)
    loaded = fastmlp.load(tmp_path / name)
    for other in (loaded, copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert other.layers == small.layers
        assert_same_bits(other.predict(X), small.predict(X))
        assert_same_bits(other.get_weights(), small.get_weights())
        assert other.evaluate(X, small.classes[y]) == small.evaluate(X, small.classes[y])
        assert (other.predict_classes(X) == small.predict_classes(X)).all()
    assert pickle.loads(pickle.dumps(small)).report == small.report and loaded.report is None


def test_it_evaluates_by_what_compile_was_told(net):
    X, y = rows_of(), np.arange(200) % 4
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    small = net.quantized("int8")
    found = small.evaluate(X, y)
    p = small.predict(X).astype(float)
    assert abs(found["loss"] + np.log(p[np.arange(200), y]).mean()) < 1e-5
    assert found["accuracy"] == (p.argmax(axis=1) == y).mean()


def test_the_report_is_what_was_measured(net):
    X, y = rows_of(), np.arange(200) % 4
    net.compile("sgd", metrics=["accuracy"])
    small = net.quantized("int8", X, y)
    exact, found = net.predict(X).astype(float), small.predict(X).astype(float)
    report = small.report
    assert report.rows == 200 and report.size == exact.max()
    assert report.largest == np.abs(found - exact).max() and report.mean == np.abs(found - exact).mean()
    assert report.same_class == (found.argmax(axis=1) == exact.argmax(axis=1)).mean()
    assert report.before == net.evaluate(X, y) and report.after == small.evaluate(X, y)
    assert report.before != report.after
    assert f"accuracy {report.before['accuracy']:.4g} becomes" in str(report)
    assert net.quantized("int8").report is None


def test_layers_inside_are_seen(small):
    X = rows_of()
    assert_same_bits(small.forward(X)[-1], small.predict(X))
    assert_same_bits(small.layer_output(X, -1), small.predict(X))


@pytest.mark.parametrize("layers", [
    [6, 5, Heads({"a": 2, "b": (3, "softmax")})],
    [6, Members(3), 8, MemberDense(3, 2)],
    [3, 4, 2],
])  # fmt: skip
def test_other_networks(layers):
    net = Network(layers, seed=0)
    X = np.random.default_rng(0).standard_normal((50, layers[0])).astype(np.float32)
    small = net.quantized("int8")
    found, exact = small.predict(X), net.predict(X)
    assert 0 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    assert_same_bits(np.stack([small.predict(row) for row in X]), found)


@each_storage
def test_native_callers_get_the_same_bits(net, storage):
    small, X = net.quantized(storage), rows_of()
    native, out = small.native(), np.zeros((len(X), 4), np.float32)
    assert native.ctypes()(native.handle, X.ctypes, len(X), out.ctypes) == 0
    assert_same_bits(out, small.predict(X))


@each_storage
def test_what_trains_is_refused(net, storage):
    X, y = rows_of(), np.arange(200) % 4
    net.compile("sgd")
    small = net.quantized(storage)
    calls = [
        lambda: small.compile("adam"),
        lambda: small.fit(X, y, verbose=0),
        lambda: small.train_on_batch(X, y),
        lambda: small(X, training=True),
        lambda: small.gradients(X, y),
        lambda: small.blend(net, 0.5),
        lambda: net.blend(small, 0.5),
        lambda: learning_rate_range(small, X, y),
        lambda: net.quantized("int8").fit(X, y),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="for predictions alone") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert small.evaluate(X, y).keys() == {"loss", "accuracy"}


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: network().quantized("int4"), ValueError, "storage is 'int4', expected 'int8' or 'bf16'"),
    (lambda: network().quantized(8), ValueError, "storage is 8"),
    (lambda: network(dtype="float64").quantized("int8"), ValueError, "dtype is float64, expected a network"),
    (lambda: network().quantized("int8").quantized("int8"), ValueError, "in few bits already"),
    (lambda: network().quantized("int8", y=[1]), ValueError, "y came without X"),
    (lambda: network().quantized("int8", rows_of(), np.zeros(200, int)), NotCompiledError, "not compiled"),
    (lambda: network().quantized("int8", rows_of()[:, :3]), ValueError, "X"),
    (lambda: Network([4, Members(2), MemberDense(2, 3)]).quantized("int8"), ValueError, "no Dense layer"),
    (lambda: Network([200000, 1], initializer="zeros").quantized("int8"), ValueError, "at most 131072"),
    (lambda: Network([4, QuantizedDense(3)], dtype="float64"), ValueError, "few bits with dtype float64"),
])  # fmt: skip
def test_what_cannot_be_stored_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_a_network_may_begin_with_it():
    """Its weights are zero, until some are set."""
    net = Network([4, QuantizedDense(3, "relu"), 2], seed=0)
    assert not net.predict(np.ones(4)).any()
    net.set_weights([np.eye(4, 3), np.ones(3), np.ones((3, 2)), np.zeros(2)])
    assert_close(net.predict(np.ones(4)), np.full(2, 6, np.float32), 2**-15)


@pytest.mark.skipif(not shutil.which("gcc") or os.name != "posix", reason="needs gcc")
@pytest.mark.parametrize(
    "fma", ["-DFASTMLP_FMA=0", "-mfma" if platform.machine() == "x86_64" else "-DFASTMLP_FMA=1"]
)
def test_exported_c_has_the_same_bits(fma, tmp_path):
    """With fma those of any network; without it those of one whose activations need none."""
    net = filled(network(skip=False))
    plain = Network([20, 100, 70, Dense(33, use_bias=False), 4], seed=1)
    nets = {
        "one": net.quantized("int8"),
        "two": plain.quantized("int8"),
        "three": plain,
        "four": net.quantized("bf16"),
    }
    for name, tested in nets.items():
        tested.export_c(tmp_path / f"{name}.c", int8=name == "three")
        library = tmp_path / f"{name}{len(fma)}.so"
        flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", fma, "-shared", "-fPIC"]
        subprocess.run(["gcc", *flags, tmp_path / f"{name}.c", "-o", library, "-lm"], check=True)
        X = np.concatenate([rows_of(30), np.zeros((1, 20)), rows_of(3) * 1e-36]).astype(np.float32)
        out = np.zeros((len(X), 4), np.float32)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (X, out)]
        getattr(ctypes.CDLL(str(library)), f"{name}_predict_rows")(*pointers, ctypes.c_size_t(len(X)))
        expected = (nets["two"] if name == "three" else tested).predict(X)
        if name in ("one", "four") and fma == "-DFASTMLP_FMA=0":
            assert 0 < np.abs(out - expected).max() < 0.05
        else:
            assert_same_bits(out, expected)


def test_other_exports_refuse_it(small, tmp_path):
    with pytest.raises(ValueError, match="QuantizedDense"):
        small.folded()
    with pytest.raises(ValueError, match="QuantizedDense.* no equivalent in exported JavaScript"):
        network(skip=False).quantized("int8").export_js(tmp_path / "net.js")
    found = [pytest.importorskip(name) for name in ("torch", "onnx", "keras")]
    assert all(found)
    for export in (fastmlp.torch.to_torch, fastmlp.onnx.to_model, fastmlp.keras.to_keras):
        with pytest.raises(ValueError, match="QuantizedDense"):
            export(small)
