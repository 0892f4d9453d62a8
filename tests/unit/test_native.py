"""The C function behind a network: predict's bits, its statuses, how long a handle is good."""

from __future__ import annotations

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

from fastmlp import Activation, BatchNormalization, Dense, LayerNormalization, Network, Rescaling
from fastmlp.export import native
from helpers import Fence, assert_same_bits

NETWORKS = {
    "tiny": [2, Dense(3, "sigmoid"), Dense(2)],
    "narrow": [13, Dense(7, "tanh"), Dense(5, "softmax")],
    "wide": [37, Dense(131, "relu", use_bias=False), Dense(19, "log_softmax")],
    "rescaled": [5, Rescaling(0.5, -1.0), Dense(33, "gelu"), Dense(1, "sigmoid")],
    "normalised": [7, LayerNormalization(), Dense(21), BatchNormalization(), Activation("relu"), Dense(4)],
    "column": [1, Dense(1)],
}


def network(name, dtype, **options):
    net = Network(NETWORKS[name], dtype=dtype, seed=3, **options)
    net.set_weights([array + array.dtype.type(0.1) for array in net.get_weights()])  # no bias is zero
    return net


def inputs(net, rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, net.plan.n_in)).astype(net.dtype)


def call(of, x, out, rows=None):
    """The status of one call through ctypes."""
    return of.ctypes()(of.handle, x.ctypes, len(x) if rows is None else rows, out.ctypes)


def outputs(of, x):
    out = np.full((len(x), of.n_out), np.nan, of.dtype)
    assert call(of, x, out) == native.OK
    return out


# The function


@pytest.mark.parametrize("rows", [1, 2, 16, 49, 500])
@pytest.mark.parametrize("name", NETWORKS)
def test_predicts_the_same_bits(isa, dtype, name, rows):
    net = network(name, dtype, isa=isa)
    of, x = net.native(), inputs(net, rows)
    assert (of.n_in, of.n_out, of.dtype) == (net.layer_sizes[0], net.layer_sizes[-1], dtype)
    fence = Fence((rows, of.n_out), dtype)
    assert call(of, x, fence.array) == native.OK
    fence.check()
    assert_same_bits(fence.array, net.predict(x))


def test_one_function_and_a_handle_each(dtype):
    one, other = network("tiny", dtype), network("narrow", dtype)
    assert one.native().function == other.native().function
    assert one.native().handle == one.native().handle != other.native().handle


@pytest.mark.parametrize("rows", [0, -1, -(2**40)])
def test_no_rows_are_nothing_to_do(dtype, rows):
    of = network("tiny", dtype).native()
    out = np.full((1, 2), 7, dtype)
    assert call(of, inputs(network("tiny", dtype), 1), out, rows) == native.OK
    assert call(of, np.full((1, 2), np.nan, dtype), out, rows) == native.OK
    assert np.all(out == 7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_not_finite_is_a_status(isa, dtype, name, value):
    net = network(name, dtype, isa=isa)
    of = net.native()
    for rows in (1, 50):
        x, out = inputs(net, rows), Fence((rows, of.n_out), dtype)
        x[-1, -1] = value
        assert call(of, x, out.array) == native.NOT_FINITE
        out.array[...] = 0
        out.check()  # it kept inside
        x[-1, -1] = 1
        assert_same_bits(outputs(of, x), net.predict(x))


# The network behind the handle


def test_follows_the_weights(dtype):
    layers = [3, Dense(17), BatchNormalization(), Activation("tanh"), Dense(2)]
    net = Network(layers, dtype=dtype, seed=0)
    of, x, y = net.native(), inputs(net, 20), np.ones((20, 2))
    seen = [outputs(of, x)]

    def changed():
        assert_same_bits(outputs(of, x), net.predict(x))
        assert not any(np.array_equal(seen[-1], before) for before in seen[:-1])
        seen.append(outputs(of, x))

    net.set_weights([array + dtype.type(0.25) for array in net.get_weights()])
    changed()
    net.compile("adam", "mse")
    net.fit(x, y, epochs=2, verbose=False)
    changed()
    net.compile("sgd", "mae")
    net.train_on_batch(x, y)
    changed()
    net.load_state_dict(Network(layers, dtype=dtype, seed=1).state_dict())
    changed()
    assert len(seen) == 5 and net.native().handle == of.handle


def test_keeps_the_network(dtype):
    net = network("wide", dtype)
    of, x = net.native(), inputs(net, 3)
    expected = net.predict(x)
    del net
    gc.collect()
    others = [network("wide", dtype, isa="baseline") for _ in range(20)]  # in its memory, if that were free
    for other in others:
        other.set_weights([np.full_like(array, 9) for array in other.get_weights()])
    assert_same_bits(outputs(of, x), expected)


def test_copies_have_their_own():
    net = network("narrow", "float32")
    of, x = net.native(), inputs(net, 2)
    before = net.predict(x)
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.native().handle != of.handle
        assert_same_bits(outputs(other.native(), x), before)
        other.set_weights([array * 2 for array in other.get_weights()])
        assert_same_bits(outputs(of, x), before)
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="addresses of this process"):
            duplicate(of)


def test_many_threads_at_once(dtype):
    net = network("wide", dtype)
    of = net.native()
    predict, xs = of.ctypes(), [inputs(net, 64, seed) for seed in range(8)]
    outs = [np.full((64, of.n_out), np.nan, dtype) for _ in xs]
    statuses = []

    def work(x, out):
        statuses.extend([predict(of.handle, x.ctypes, 64, out.ctypes) for _ in range(200)])

    threads = [threading.Thread(target=work, args=pair) for pair in zip(xs, outs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [native.OK] * 1600
    for x, out in zip(xs, outs, strict=True):
        assert_same_bits(out, net.predict(x))


def test_a_call_during_a_fit_is_safe():
    net = network("wide", "float32")
    of, X = net.native(), inputs(net, 2000)
    net.compile("adam")
    options = {"epochs": 5, "verbose": False}
    fit = threading.Thread(target=net.fit, args=(X, np.arange(2000) % 19), kwargs=options)
    fit.start()
    calls = 0
    while fit.is_alive() or not calls:
        assert np.isfinite(outputs(of, X[:10])).all()
        calls += 1
    fit.join()
    assert_same_bits(outputs(of, X), net.predict(X))
