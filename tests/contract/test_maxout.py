"""MaxPieces and Maxout: the largest of some columns, to the bit, and who gets its gradient."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from fastmlp import BatchNormalization, Dense, Maxout, MaxPieces, Network, onnx, torch
from helpers import FMA_ISAS, assert_close, assert_same_bits

SHAPES = [(1, 3), (2, 2), (7, 3), (16, 2), (19, 5), (40, 2), (33, 1)]  # units, pieces


def alone(units, pieces, dtype, isa=None):
    """A network whose training output is what the layer makes of its input."""
    net = Network([units * pieces, MaxPieces(pieces), Dense(units, use_bias=False)], dtype=dtype, isa=isa)
    net.set_weights([np.eye(units)])
    return net


@pytest.mark.parametrize(("units", "pieces"), SHAPES)
def test_it_is_the_maximum_and_its_gradient_goes_to_the_first_of_the_largest(isa, dtype, units, pieces, rng):
    net = alone(units, pieces, dtype, isa)
    X = rng.integers(-4, 5, (40, units * pieces)).astype(dtype)  # with ties
    blocks = X.reshape(40, pieces, units)
    assert_same_bits(net.predict(X), blocks.max(axis=1))
    assert_same_bits(net.predict(X[3]), blocks[3].max(axis=0), zeros=True)
    assert_same_bits(net(X, training=True), blocks.max(axis=1))
    d = rng.standard_normal((40, units)).astype(dtype)
    dX = net.backward(d, inputs=True).reshape(40, pieces, units)
    for row in range(40):
        for j in range(units):
            first = int(np.flatnonzero(blocks[row, :, j] == blocks[row, :, j].max())[0])
            expected = np.zeros(pieces, dtype)
            expected[first] = d[row, j]
            assert_same_bits(dX[row, :, j], expected, zeros=True)


def test_maxout_is_a_dense_layer_of_pieces(dtype, rng):
    net = Network([5, Maxout(6, 3, weight_decay={"b": 1.0}), Maxout(2, 4)], dtype=dtype, seed=3)
    dense = Dense(18, "identity", initializer="glorot_uniform", weight_decay={"b": 1.0})
    assert net.layers[:2] == (dense, MaxPieces(3)) and net.plan.n_out == 2
    W, b, V, c = (array.astype(float) for array in net.get_weights())
    X = rng.standard_normal((9, 5)).astype(dtype)
    hidden = np.stack([X @ W[:, k * 6 : k * 6 + 6] + b[k * 6 : k * 6 + 6] for k in range(3)]).max(axis=0)
    out = np.stack([hidden @ V[:, k * 2 : k * 2 + 2] + c[k * 2 : k * 2 + 2] for k in range(4)]).max(axis=0)
    assert_close(net.predict(X), out.astype(dtype), 1e-5 if dtype == np.float32 else 1e-13)


def test_training_is_pytorchs(rng):
    """Twenty steps of plain gradient descent from the same weights."""
    nn = pytest.importorskip("torch").nn
    net = Network([4, Maxout(8, 3), 1], dtype="float64", seed=1)
    module = torch.to_torch(net)
    X, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 1))
    net.compile("sgd", "mse")
    net.learning_rate = 0.1
    tensor = pytest.importorskip("torch").from_numpy
    optimizer = pytest.importorskip("torch").optim.SGD(module.parameters(), 0.1)
    for _ in range(20):
        net.train_on_batch(X, y)
        optimizer.zero_grad()
        nn.functional.mse_loss(module(tensor(X)), tensor(y)).backward()
        optimizer.step()
    theirs = [p.detach().numpy() for p in module.parameters()]
    for ours, other in zip(net.get_weights(), theirs, strict=True):
        assert_close(ours, np.ascontiguousarray(other.T), 1e-12)


def test_bits_depend_on_neither_threads_nor_instruction_set(dtype, rng):
    X, y = rng.standard_normal((300, 9)).astype(dtype), rng.standard_normal((300, 1)).astype(dtype)
    found = []
    for isa in FMA_ISAS:
        for threads in (1, 2):
            net = Network([9, Maxout(70, 3), Maxout(5, 2), 1], dtype=dtype, seed=5, isa=isa)
            net.compile("adam", "mse")
            net.fit(X, y, epochs=2, batch_size=100, threads=threads, verbose=0)
            found.append([*net.get_weights(), net.predict(X)])
    for other in found[1:]:
        assert_same_bits(other, found[0])


@pytest.mark.parametrize(
    "layers", [[5, Maxout(6, 3), 2], [5, Maxout(2, 3)], [6, MaxPieces(3), 3], [5, 4, Maxout(1, 7)]]
)
def test_exported_c_has_the_bits(layers, dtype, rng, tmp_path):
    compiler = shutil.which("gcc") or shutil.which("clang") or pytest.skip("needs a C compiler")
    net = Network(layers, dtype=dtype, seed=4)
    net.export_c(tmp_path / "net.c")
    flags = ["-std=c99", "-O2", "-Wall", "-Werror", "-ffp-contract=off", "-march=native", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", tmp_path / "net.so", tmp_path / "net.c", "-lm"], check=True)
    X = rng.standard_normal((11, layers[0])).astype(dtype)
    out = np.empty((11, net.plan.n_out), dtype)
    library = ctypes.CDLL(str(tmp_path / "net.so"))
    for x, row in zip(X, out, strict=True):
        library.net_predict(x.ctypes.data_as(ctypes.c_void_p), row.ctypes.data_as(ctypes.c_void_p))
    assert_same_bits(out, net.predict(X))


def test_other_forms(rng):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    layers = [4, Dense(6), BatchNormalization(), MaxPieces(3), BatchNormalization(), 2]
    net = Network(layers, dtype="float64", seed=0)
    X = rng.standard_normal((5, 4))
    net.set_weights([rng.uniform(0.5, 1.5, a.shape) for a in net.get_weights()])
    folded = net.folded()
    assert [type(layer) for layer in folded.layers] == [Dense, MaxPieces, Dense]
    assert_close(folded.predict(X), net.predict(X), 1e-13)
    again = torch.from_torch(torch.to_torch(folded))
    assert again.layers[1] == MaxPieces(3)
    assert_same_bits(again.predict(X), folded.predict(X))
    with pytest.raises(ValueError, match=r"the layer MaxPieces\(3\), which has no equivalent in ONNX"):
        onnx.to_model(net)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network([5, MaxPieces(2), 1]), r"MaxPieces\(2\) has 5 inputs, expected a multiple"),
        (lambda: MaxPieces(0), "pieces is 0, expected an integer from 1 to 65536"),
        (lambda: Maxout(0, 2), "units is 0"),
        (lambda: Maxout(3, 2.5), "pieces is 2.5"),
        (lambda: Maxout(3, 2, initializer="he"), "unknown initializer 'he'"),
        (lambda: Maxout(3, 2, learning_rate={"a": 1.0}), "learning_rate names the array 'a', expected W, b"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
