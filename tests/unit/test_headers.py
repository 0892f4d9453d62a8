"""The C headers: they compile everywhere, and what they offer does what predict does."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import Network
from fastmlp.export import native
from helpers import assert_same_bits
from test_native import inputs, network

HEADER = Path(fastmlp.get_include(), "fastmlp_native.h")
CC = shutil.which(os.environ.get("CC", "cc"))
needs_cc = pytest.mark.skipif(CC is None, reason="needs a C compiler")
as_on_linux = pytest.mark.skipif(
    sys.platform != "linux" or CC is None, reason="links an extension module the way of Linux"
)


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
    strict = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", f"-std={standard}", "-fsyntax-only"]
    folders = ["-I", fastmlp.get_include(), "-isystem", sysconfig.get_path("include")]
    for source in (TYPED, EXTENSION):
        path = tmp_path / ("source.cpp" if "++" in standard else "source.c")
        path.write_text(source)
        result = subprocess.run([compiler, *strict, *folders, str(path)], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


def test_the_statuses_are_the_headers():
    numbers = dict(re.findall(r"FASTMLP_(\w+) = (\d+)", HEADER.read_text()))
    assert numbers.pop("WRONG_TYPE") == "3"
    assert numbers == {name: str(getattr(native, name)) for name in ("OK", "NO_MEMORY", "NOT_FINITE")}


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
    if (status < 0) return NULL;
    return Py_BuildValue("inni", status, native.n_in, native.n_out, native.itemsize);
}

static PyMethodDef methods[] = {{"call", call, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "MODULE", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_MODULE(void) { return PyModule_Create(&module); }
"""


def extension(folder, name, *flags):
    source = EXTENSION.replace("MODULE", name)
    library = build(folder, source, *flags, "-I", sysconfig.get_path("include"), name=name + ".c")
    spec = importlib.util.spec_from_file_location(name, library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@as_on_linux
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


@as_on_linux
def test_another_version_is_refused(tmp_path):
    for header in Path(fastmlp.get_include()).iterdir():
        text = header.read_text()
        (tmp_path / header.name).write_text(text.replace("CAPSULE_VERSION 1", "CAPSULE_VERSION 2"))
    module = extension(tmp_path, "newer", "-I", str(tmp_path))
    net = network("tiny", "float32")
    with pytest.raises(ImportError, match="version 1 .*, this module was built for version 2"):
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
from fastmlp import LayerNormalization, Network, Rescaling
counter = ctypes.c_long.in_dll(ctypes.CDLL(sys.argv[1]), "count")
def allocations(n_in, width, dtype):
    layers = [n_in, Rescaling(2.0), LayerNormalization(), width, n_in]
    native = Network(layers, dtype=dtype, initializer="zeros").native()
    predict, x, out = native.ctypes(), np.ones(n_in, dtype), np.empty(n_in, dtype)
    before = counter.value
    assert predict(native.handle, x.ctypes, 1, out.ctypes) == 0
    return counter.value - before
cases = (3, 3, "float32"), (1000, 1000, "float32"), (500, 500, "float64"), (3, 9000, "float32")
print(*[allocations(*case) for case in cases])
"""


@as_on_linux
def test_one_row_allocates_nothing(tmp_path):
    library = str(build(tmp_path, COUNTER, "-ldl"))
    command = [sys.executable, "-c", COUNTED, library]
    environment = {**os.environ, "LD_PRELOAD": library}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.split() == ["0", "0", "0", "1"], result.stderr  # the last shows that it counts
