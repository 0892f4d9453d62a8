"""A network in a loop in C, built and called by cffi: a mass hung on a spring.

python examples/embed_cffi.py [STEPS]              needs a C compiler
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from typing import Any

import cffi
import numpy as np

import fastmlp

STATE = (1.0, 0.0)  # position and speed

DECLARATION = """
int swing(int (*predict)(const void *network, const void *x, ptrdiff_t rows, void *out), const void *network,
          double *state, ptrdiff_t steps);
"""

LOOP = """
#include "fastmlp_native.h"

static int swing(fastmlp_predict_function *predict, const void *network, double *state, ptrdiff_t steps)
{
    double force;
    for (ptrdiff_t i = 0; i < steps; i++) {
        const int status = predict(network, state, 1, &force);
        if (status != FASTMLP_OK) return status;
        state[1] += 0.01 * (force - state[0] - state[1] - 9.81);
        state[0] += 0.01 * state[1];
    }
    return FASTMLP_OK;
}
"""


def compiled() -> Any:
    """The extension module of the loop; -ffp-contract=off keeps C's rounding Python's."""
    builder = cffi.FFI()
    builder.cdef(DECLARATION)
    arguments = ["-O2", "-ffp-contract=off"]
    builder.set_source("_swing", LOOP, include_dirs=[fastmlp.get_include()], extra_compile_args=arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        spec = importlib.util.spec_from_file_location("_swing", builder.compile(tmpdir=folder))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def run(net: fastmlp.Network, steps: int) -> tuple[np.ndarray, float]:
    """The state after `steps` steps, and the nanoseconds of one."""
    module, native, state = compiled(), net.native(), np.array(STATE)
    function, handle = native.cffi(module.ffi)
    address = module.ffi.from_buffer("double[]", state)
    begin = time.perf_counter_ns()
    status = module.lib.swing(function, handle, address, steps)
    nanoseconds = time.perf_counter_ns() - begin
    if status != 0:
        raise RuntimeError(f"the network returned status {status}")
    return state, nanoseconds / steps


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    net = fastmlp.Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0)
    state, nanoseconds = run(net, steps)
    print(f"C through cffi: {nanoseconds:.0f} ns per call; after {steps} steps the state is {state}")


if __name__ == "__main__":
    main()
