"""Networks in loops without Python: ctypes, cffi, Numba, Cython and C see what predict says, to the bit."""

from __future__ import annotations

import copy
import ctypes
import gc
import importlib.util
import os
import pickle
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import Dense, Network, Rescaling, native
from helpers import Fence, assert_same_bits

EXAMPLES = Path(__file__).parents[1] / "examples"
HEADER = Path(fastmlp.get_include(), "fastmlp_native.h")
CC = shutil.which(os.environ.get("CC", "cc"))
needs_cc = pytest.mark.skipif(CC is None, reason="needs a C compiler")

# One row does not allocate up to 1000 floats or 500 doubles, 49 and 500 rows are more than a block of some.
NETWORKS = {
    "tiny": [2, Dense(3, "sigmoid"), Dense(2)],
    "narrow": [13, Dense(7, "tanh"), Dense(5, "softmax")],
    "wide": [37, Dense(131, "relu", use_bias=False), Dense(19, "log_softmax")],
    "rescaled": [5, Rescaling(0.5, -1.0), Dense(33, "gelu"), Dense(1, "sigmoid")],
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
    net = Network([3, 17, 2], activation="tanh", dtype=dtype, seed=0)
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
    net.load_state_dict(Network([3, 17, 2], dtype=dtype, seed=1).state_dict())
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
    fit = threading.Thread(target=net.fit, args=(X, np.arange(2000) % 19), kwargs={"epochs": 5, "verbose": False})
    fit.start()
    calls = 0
    while fit.is_alive() or not calls:
        assert np.isfinite(outputs(of, X[:10])).all()
        calls += 1
    fit.join()
    assert_same_bits(outputs(of, X), net.predict(X))


# C and C++


def build(folder, source, *flags, name="loop.c"):
    """A shared library of C source."""
    path, library = folder / name, folder / (name + ".so")
    path.write_text(source)
    include = ["-I", fastmlp.get_include()]
    command = [CC, "-shared", "-fPIC", "-O1", *flags, *include, str(path), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


TYPED = """
#include "fastmlp_native.h"
int each_row_float(const fastmlp_network *net, const float *x, ptrdiff_t rows, float *out)
{
    int status = FASTMLP_OK;
    for (ptrdiff_t r = 0; r < rows; r++)
        status |= fastmlp_predict_float(net, x + r * net->n_in, 1, out + r * net->n_out);
    return status;
}
int each_row_double(const fastmlp_network *net, const double *x, ptrdiff_t rows, double *out)
{
    int status = FASTMLP_OK;
    for (ptrdiff_t r = 0; r < rows; r++)
        status |= fastmlp_predict_double(net, x + r * net->n_in, 1, out + r * net->n_out);
    return status;
}
int at_once(const fastmlp_network *net, const void *x, ptrdiff_t rows, void *out)
{
    return fastmlp_predict(net, x, rows, out);
}
int wrong_type(void) { return FASTMLP_WRONG_TYPE; }
"""


class Struct(ctypes.Structure):
    """fastmlp_network."""

    _fields_ = [("function", ctypes.c_void_p), ("handle", ctypes.c_void_p), ("n_in", ctypes.c_ssize_t),
                ("n_out", ctypes.c_ssize_t), ("itemsize", ctypes.c_int)]  # fmt: skip


@needs_cc
def test_functions_of_one_type(tmp_path):
    library = ctypes.CDLL(str(build(tmp_path, TYPED, "-std=c99")))
    for dtype, mine, others in [
        ("float32", library.each_row_float, library.each_row_double),
        ("float64", library.each_row_double, library.each_row_float),
    ]:
        net = network("narrow", dtype)
        of, x = net.native(), inputs(net, 23)
        struct = Struct(of.function, of.handle, of.n_in, of.n_out, of.dtype.itemsize)
        for function in (mine, library.at_once):
            out = np.full((23, of.n_out), np.nan, dtype)
            assert function(ctypes.byref(struct), x.ctypes, ctypes.c_ssize_t(23), out.ctypes) == native.OK
            assert_same_bits(out, net.predict(x))
        out[...] = 5
        status = others(ctypes.byref(struct), x.ctypes, ctypes.c_ssize_t(1), out.ctypes)
        assert status == library.wrong_type() and np.all(out == 5)


@pytest.mark.parametrize(
    ("compiler", "standard"),
    [(compiler, standard) for compiler in ("gcc", "clang") for standard in ("c99", "c17", "c++11", "c++20")],
)
def test_the_headers_are_c_and_cpp(tmp_path, compiler, standard):
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    strict = [f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-fsyntax-only"]
    folders = ["-I", fastmlp.get_include(), "-isystem", sysconfig.get_path("include")]
    for source in (TYPED, EXTENSION):
        path = tmp_path / ("source.cpp" if "++" in standard else "source.c")
        path.write_text(source)
        result = subprocess.run([compiler, *strict, *folders, str(path)], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


def test_the_statuses_are_the_headers():
    numbers = {name: int(value) for name, value in re.findall(r"FASTMLP_(\w+) = (\d+)", HEADER.read_text())}
    assert numbers == {"OK": native.OK, "NO_MEMORY": native.NO_MEMORY, "NOT_FINITE": native.NOT_FINITE, "WRONG_TYPE": 3}


EXTENSION = """
#include <Python.h>
#include "fastmlp_python.h"

static PyObject *call(PyObject *self, PyObject *args)
{
    PyObject *network;
    Py_buffer x, out;
    fastmlp_network native;
    int status = -1;
    if (!PyArg_ParseTuple(args, "Oy*w*", &network, &x, &out)) return NULL;
    if (fastmlp_borrow(network, &native) == 0)
        status = fastmlp_predict(&native, x.buf, x.len / native.itemsize / native.n_in, out.buf);
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    (void)self; /* warnings are errors in one of the tests */
    return status < 0 ? NULL : Py_BuildValue("inni", status, native.n_in, native.n_out, native.itemsize);
}

static PyMethodDef methods[] = {{"call", call, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "MODULE", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_MODULE(void) { return PyModule_Create(&module); }
"""


def extension(folder, name, *flags):
    source = EXTENSION.replace("MODULE", name)
    library = build(folder, source, *flags, "-I", sysconfig.get_path("include"), name=name + ".c")
    spec = importlib.util.spec_from_file_location(name, library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform != "linux" or CC is None, reason="links an extension module the way of Linux")
def test_an_extension_module_borrows(tmp_path):
    module = extension(tmp_path, "borrower")
    for dtype in ("float32", "float64"):
        net = network("rescaled", dtype)
        x = inputs(net, 9)
        out = np.full((9, 1), np.nan, dtype)
        assert module.call(net, x, out) == (native.OK, 5, 1, net.dtype.itemsize)
        assert_same_bits(out, net.predict(x))
    for wrong in (None, 3, "net", net.plan, net.native(), Network.__new__(Network)):
        with pytest.raises(TypeError, match="expected a fastmlp.Network"):
            module.call(wrong, x, out)


@pytest.mark.skipif(sys.platform != "linux" or CC is None, reason="links an extension module the way of Linux")
def test_another_version_is_refused(tmp_path):
    for header in Path(fastmlp.get_include()).iterdir():
        text = header.read_text()
        (tmp_path / header.name).write_text(text.replace("CAPSULE_VERSION 1", "CAPSULE_VERSION 2"))
    module = extension(tmp_path, "newer", "-I", str(tmp_path))
    net = network("tiny", "float32")
    with pytest.raises(ImportError, match="version 1 of its C interface, this module was built for version 2"):
        module.call(net, inputs(net, 1), np.empty((1, 2), "float32"))


COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
long count;
int posix_memalign(void **memory, size_t alignment, size_t size)
{
    static int (*next)(void **, size_t, size_t);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "posix_memalign");
    count++;
    return next(memory, alignment, size);
}
"""

COUNTED = """
import ctypes, sys, numpy as np
from fastmlp import Network, Rescaling
counter = ctypes.c_long.in_dll(ctypes.CDLL(sys.argv[1]), "count")
def allocations(n_in, width, dtype):
    native = Network([n_in, Rescaling(2.0), width, n_in], dtype=dtype, initializer="zeros").native()
    predict, x, out = native.ctypes(), np.ones(n_in, dtype), np.empty(n_in, dtype)
    before = counter.value
    assert predict(native.handle, x.ctypes, 1, out.ctypes) == 0
    return counter.value - before
cases = (3, 3, "float32"), (1000, 1000, "float32"), (500, 500, "float64"), (3, 9000, "float32")
print(*[allocations(*case) for case in cases])
"""


@pytest.mark.skipif(sys.platform != "linux" or CC is None, reason="counts allocations the way of Linux")
def test_one_row_allocates_nothing(tmp_path):
    library = str(build(tmp_path, COUNTER, "-ldl"))
    command = [sys.executable, "-c", COUNTED, library]
    environment = {**os.environ, "LD_PRELOAD": library}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.split() == ["0", "0", "0", "1"], result.stderr  # the last shows that it counts


# Other packages


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


def test_numba_refuses_what_does_not_fit(dtype):
    pytest.importorskip("numba")
    net = network("narrow", dtype)
    predict = net.native().numba()
    x, out = inputs(net, 4), np.full((4, 5), 3, dtype)
    other = np.float64 if dtype == np.float32 else np.float32
    for bad_x, bad_out in [(x[:, :12].copy(), out), (x, out[:3]), (x, np.empty((5, 5), dtype)), (x[0], out[0, :4])]:
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
    with pytest.raises(ImportError, match=r'^numba is not installed.*pip install "fastmlp\[native\]"$'):
        network("tiny", "float32").native().numba()


# The examples


def spring(net, steps):
    """What every example computes, by predict."""
    state = np.array([1.0, 0.0])
    for _ in range(steps):
        (force,) = net.predict(state)
        state[1] += 0.01 * (force - state[0] - state[1])
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


VIEWS = """
# cython: language_level=3
cimport fastmlp

def rows(network, const float[:, ::1] x, float[:, ::1] out):
    cdef fastmlp.NativeNetwork net = fastmlp.borrow(network)
    return fastmlp.predict(&net, &x[0, 0], x.shape[0], &out[0, 0])

def rows64(network, const double[:, ::1] x, double[:, ::1] out):
    cdef fastmlp.NativeNetwork net = fastmlp.borrow(network)
    with nogil:
        status = fastmlp.predict(&net, &x[0, 0], x.shape[0], &out[0, 0])
    fastmlp.check(status)

def check(int status):
    fastmlp.check(status)

def constants():
    return fastmlp.FASTMLP_OK, fastmlp.FASTMLP_NO_MEMORY, fastmlp.FASTMLP_NOT_FINITE, fastmlp.FASTMLP_WRONG_TYPE
"""

CYTHON = """
import numpy as np, pytest, run, views
from fastmlp import Network, native
state, nanoseconds = run.run(Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0), 300)
assert nanoseconds > 0
net, x = Network([3, 5, 2], seed=0), np.random.default_rng(0).standard_normal((40, 3)).astype("float32")
wide = Network([3, 5, 2], dtype="float64", seed=0)
out, wide_out = np.empty((40, 2), "float32"), np.empty((40, 2))
assert views.rows(net, x, out) == native.OK and np.all(out == net.predict(x))
views.rows64(wide, x.astype("float64"), wide_out)
assert np.all(wide_out == wide.predict(x)) and not np.all(wide_out == out)
assert views.rows(wide, x, out) == views.constants()[3]
with pytest.raises(TypeError, match="not the network's"):
    views.rows64(net, x.astype("float64"), wide_out)
with pytest.raises(ValueError, match="x contains NaN or infinity"):
    views.rows64(wide, np.full((1, 3), np.nan), wide_out)
with pytest.raises(MemoryError):
    views.check(views.constants()[1])
with pytest.raises(TypeError, match="network is a int, expected a fastmlp.Network"):
    views.rows(3, x, out)
with pytest.raises(ValueError, match="do not fit"):
    run.swing(net, np.ones(2), 1)
print(*[value.hex() for value in state])
"""


@needs_cc
def test_cython(tmp_path):
    """The example as it is built by hand, and a module of the other functions."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    for path in (EXAMPLES / "embed_cython").glob("*.py*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "views.pyx").write_text(VIEWS)
    setup = (tmp_path / "setup.py").read_text()
    views = setup.replace('"spring"', '"views"').replace("spring.pyx", "views.pyx")
    (tmp_path / "setup_views.py").write_text(views)
    environment = {**os.environ, "CFLAGS": "-O0"}
    for command in (["setup.py", "build_ext", "--inplace"], ["setup_views.py", "build_ext", "--inplace"], ["-c", CYTHON]):
        result = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
    state = [float.fromhex(word) for word in result.stdout.split()]
    assert_same_bits(np.array(state), spring(spring_network(), 300))
