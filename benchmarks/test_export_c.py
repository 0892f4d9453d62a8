"""One row by an exported C file, in the groups of test_native.py: the engine called from C and from Python.

The figures are of 1000 calls: read ms as microseconds and us as nanoseconds of one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .test_native import CALLS
from .test_predict import NETS, make

LOOP = """
#include <stddef.h>
void net_predict(const {real} *x, {real} *out);
void loop(const {real} *x, {real} *out, ptrdiff_t calls)
{{
    for (ptrdiff_t i = 0; i < calls; i++) net_predict(x, out);
}}
"""


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("int8", [False, True])
def test_one_row_of_an_exported_file(
    benchmark: Any, name: str, int8: bool, dtype: Any, normal: Any, tmp_path: Path
) -> None:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("needs a C compiler")
    if int8 and dtype == np.float64:
        pytest.skip("weights of 8 bits are those of float32 networks")
    net, _ = make(name, dtype)
    net.export_c(tmp_path / "net.c", int8=int8)
    real = "float" if net.dtype == np.float32 else "double"
    (tmp_path / "loop.c").write_text(LOOP.format(real=real))
    flags = ["-std=c99", "-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "net.c", "loop.c", "-o", "loop.so", "-lm"], cwd=tmp_path, check=True)
    loop = ctypes.CDLL(str(tmp_path / "loop.so")).loop
    loop.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t]
    x, out = normal(net.layer_sizes[0]), np.full(net.layer_sizes[-1], np.nan, dtype)
    loop(x.ctypes.data, out.ctypes.data, 1)
    if int8:
        assert np.abs(out - net.predict(x)).max() < 0.1 * np.abs(net.predict(x)).max()
    else:
        assert np.array_equal(out, net.predict(x))
    benchmark.group = f"{CALLS} predictions of one row, {name}, {dtype}"
    benchmark(loop, x.ctypes.data, out.ctypes.data, CALLS)
