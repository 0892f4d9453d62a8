"""One row from C and from Python: the same network, the same bits; what a call without Python costs.

Each group of the table is one network.  The figures are of 1000 calls: read ms as microseconds and us as
nanoseconds of one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp.export.native import NativeNetwork

from .test_predict import NETS, make

CALLS = 1000

LOOP = """
#include "fastmlp_native.h"
int loop(fastmlp_predict_function *predict, const void *network, const void *x, void *out, ptrdiff_t calls)
{
    int status = FASTMLP_OK;
    for (ptrdiff_t i = 0; i < calls; i++) status |= predict(network, x, 1, out);
    return status;
}
"""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """A loop in C."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = Path(tmp_path_factory.mktemp("loop"))
    (folder / "loop.c").write_text(LOOP)
    command = [compiler, "-O2", "-shared", "-fPIC", "-I", fastmlp.get_include(), "loop.c", "-o", "loop.so"]
    subprocess.run(command, cwd=folder, check=True)
    function = ctypes.CDLL(str(folder / "loop.so")).loop
    function.argtypes = [*[ctypes.c_void_p] * 4, ctypes.c_ssize_t]
    return function


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("who", ["C", "Numba", "Python"])
def test_one_row(
    benchmark: Any, name: str, who: str, dtype: Any, normal: Any, loop: Callable[..., int]
) -> None:
    net, _ = make(name, dtype)
    x, out = normal(net.layer_sizes[0]), np.empty(net.layer_sizes[-1], dtype)
    native = net.native()

    def from_c() -> None:
        assert loop(native.function, native.handle, x.ctypes.data, out.ctypes.data, CALLS) == 0

    def from_python() -> None:
        predict = net.predict
        for _ in range(CALLS):
            predict(x, out)

    run = {"C": from_c, "Python": from_python}.get(who) or partial(numba_loop(native), x, out)
    run()
    assert np.array_equal(out, net.predict(x))
    benchmark.group = f"{CALLS} predictions of one row, {name}, {dtype}"
    benchmark(run)


def numba_loop(native: NativeNetwork) -> Callable[..., None]:
    """The same loop, compiled by Numba."""
    numba = pytest.importorskip("numba")
    predict = native.numba()

    @numba.njit
    def loop(x: Any, out: Any) -> None:
        for _ in range(CALLS):
            predict(x, out)

    return loop
