"""ctypes, cffi, Numba and Cython call a network in loops without Python, and see the bits of predict."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.export import native
from helpers import Fence, assert_same_bits
from test_headers import needs_cc
from test_native import inputs, network

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_cffi(dtype):
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    net = network("narrow", dtype)
    function, handle = net.native().cffi(ffi)
    x, out = inputs(net, 30), np.full((30, 5), np.nan, dtype)
    assert function(handle, ffi.from_buffer(x), 30, ffi.from_buffer(out)) == native.OK
    assert_same_bits(out, net.predict(x))
    x[0, 0] = np.nan
    assert function(handle, ffi.from_buffer(x), 30, ffi.from_buffer(out)) == native.NOT_FINITE


def test_numba(dtype):
    numba = pytest.importorskip("numba")
    net = network("narrow", dtype)
    of = net.native()
    predict, by_handle = of.numba(), of.ctypes()
    assert of.numba() is predict

    @numba.njit
    def rows_alone(x, out):
        for r in range(len(x)):
            predict(x[r], out[r])

    @numba.njit
    def any_network(handle, x, out):
        status = 0
        for r in range(len(x)):
            status |= by_handle(handle, x[r].ctypes, 1, out[r].ctypes)
        return status

    x = inputs(net, 30)
    x.flags.writeable = False
    for function in (predict, rows_alone):
        out = Fence((30, 5), dtype)
        function(x, out.array)
        out.check()
        assert_same_bits(out.array, net.predict(x))
    for other in (net, network("narrow", dtype, isa="baseline")):
        out = np.full((30, 5), np.nan, dtype)
        assert any_network(other.native().handle, x, out) == native.OK
        assert_same_bits(out, other.predict(x))
    assert len(any_network.signatures) == 1  # another network compiles nothing
    predict(x[:0], out[:0])


def test_numbas_function_keeps_the_network(dtype):
    pytest.importorskip("numba")
    net = network("narrow", dtype)
    x, out = inputs(net, 1), np.empty((1, 5), dtype)
    expected, predict = net.predict(x), net.native().numba()
    assert predict.py_func.plan is net.plan
    del net
    gc.collect()
    predict(x, out)
    assert_same_bits(out, expected)


def test_numba_refuses_what_does_not_fit(dtype):
    pytest.importorskip("numba")
    net = network("narrow", dtype)
    predict = net.native().numba()
    x, out = inputs(net, 4), np.full((4, 5), 3, dtype)
    other = np.float64 if dtype == np.float32 else np.float32
    long = np.empty((5, 5), dtype)
    for bad_x, bad_out in [(x[:, :12].copy(), out), (x, out[:3]), (x, long), (x[0], out[0, :4])]:
        with pytest.raises(ValueError, match="another shape"):
            predict(bad_x, bad_out)
    for bad_x, bad_out in [
        (x.astype(other), out), (x, out.astype(other)), (x[:, ::-1], out), (x, out[:, ::-1]),
        (x.astype(np.int32), out), (x[0], out), (x, None),
    ]:  # fmt: skip
        with pytest.raises(TypeError):
            predict(bad_x, bad_out)
    assert np.all(out == 3)
    x[3, 12] = np.inf
    with pytest.raises(ValueError, match="x contains NaN or infinity"):
        predict(x, out)


def test_without_numba_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match=r'^numba is not installed.*pip install "\.\[native\]" in a clone'):
        network("tiny", "float32").native().numba()


# The examples


def spring(net, steps):
    """What every example computes, by predict."""
    state = np.array([1.0, 0.0])
    for _ in range(steps):
        (force,) = net.predict(state)
        state[1] += 0.01 * (force - state[0] - state[1] - 9.81)
        state[0] += 0.01 * state[1]
    return state


def spring_network():
    return Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0)


@needs_cc
@pytest.mark.parametrize("name", ["ctypes", "cffi", "numba"])
def test_example(name):
    pytest.importorskip(name)
    pytest.importorskip("setuptools")  # what cffi builds with
    spec = importlib.util.spec_from_file_location("example", EXAMPLES / f"embed_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    state, nanoseconds = module.run(spring_network(), 300)
    assert_same_bits(state, spring(spring_network(), 300))
    assert nanoseconds > 0


POINTERS = """
# cython: language_level=3
cimport fastmlp

def floats(network, size_t x, Py_ssize_t rows, size_t out):
    cdef fastmlp.NativeNetwork net = fastmlp.borrow(network)
    return fastmlp.predict(&net, <const float *>x, rows, <float *>out)

def doubles(network, size_t x, Py_ssize_t rows, size_t out):
    cdef fastmlp.NativeNetwork net = fastmlp.borrow(network)
    with nogil:
        status = fastmlp.predict(&net, <const double *>x, rows, <double *>out)
    fastmlp.check(status)

def check(int status):
    fastmlp.check(status)

def constants():
    return [fastmlp.FASTMLP_OK, fastmlp.FASTMLP_NO_MEMORY, fastmlp.FASTMLP_NOT_FINITE,
            fastmlp.FASTMLP_WRONG_TYPE]
"""

CYTHON = """
import numpy as np, pointers, pytest, run
from fastmlp import Network
from fastmlp.export import native
state, nanoseconds = run.run(Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0), 300)
assert nanoseconds > 0
net, wide = [Network([3, 5, 2], dtype=dtype, seed=0) for dtype in ("float32", "float64")]
x = np.random.default_rng(0).standard_normal((40, 3)).astype("float32")
wide_x, out, wide_out = x.astype("float64"), np.empty((40, 2), "float32"), np.empty((40, 2))
first, second = (x.ctypes.data, 40, out.ctypes.data), (wide_x.ctypes.data, 40, wide_out.ctypes.data)
assert pointers.floats(net, *first) == native.OK and np.all(out == net.predict(x))
pointers.doubles(wide, *second)
assert np.all(wide_out == wide.predict(wide_x)) and not np.all(wide_out == out)
assert pointers.constants() == [native.OK, native.NO_MEMORY, native.NOT_FINITE, pointers.floats(wide, *first)]
with pytest.raises(TypeError, match="not the network's"):
    pointers.doubles(net, *second)
wide_x[39, 2] = np.nan
with pytest.raises(ValueError, match="x contains NaN or infinity"):
    pointers.doubles(wide, *second)
with pytest.raises(MemoryError):
    pointers.check(native.NO_MEMORY)
with pytest.raises(TypeError, match="network is a int, expected a fastmlp.Network"):
    pointers.floats(3, *first)
with pytest.raises(ValueError, match="do not fit"):
    run.swing(net, np.ones(2), 1)
print(*[value.hex() for value in state])
"""


@needs_cc
@pytest.mark.slow
def test_cython(tmp_path):
    """The example as it is built by hand, and a module of the other functions."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    for path in (EXAMPLES / "embed_cython").glob("*.py*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "pointers.pyx").write_text(POINTERS)
    setup = (tmp_path / "setup.py").read_text()
    (tmp_path / "setup_pointers.py").write_text(setup.replace("spring", "pointers"))
    environment = {**os.environ, "CFLAGS": "-O0"}
    steps = [[name, "build_ext", "--inplace"] for name in ("setup.py", "setup_pointers.py")]
    for command in (*steps, ["-c", CYTHON]):
        result = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
    state = [float.fromhex(word) for word in result.stdout.split()]
    assert_same_bits(np.array(state), spring(spring_network(), 300))
