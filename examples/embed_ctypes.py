"""A network in a loop in C, reached through ctypes: a mass hung on a spring, pushed by the network.

python examples/embed_ctypes.py [STEPS]            needs a C compiler
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastmlp

STATE = (1.0, 0.0)  # position and speed

LOOP = """
#include "fastmlp_native.h"

int swing(fastmlp_predict_function *predict, const void *network, double *state, ptrdiff_t steps)
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


def compiled() -> Callable[..., int]:
    """swing, from a shared library made on the spot; -ffp-contract=off keeps C's rounding Python's."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        source.write_text(LOOP)
        flags = ["-O2", "-ffp-contract=off", "-shared", "-fPIC", "-I", fastmlp.get_include()]
        subprocess.run([os.environ.get("CC", "cc"), *flags, str(source), "-o", str(library)], check=True)
        swing = ctypes.CDLL(str(library)).swing
    swing.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t]
    swing.restype = ctypes.c_int
    return swing


def run(net: fastmlp.Network, steps: int) -> tuple[np.ndarray, float]:
    """The state after `steps` steps, and the nanoseconds of one."""
    swing, native, state = compiled(), net.native(), np.array(STATE)
    begin = time.perf_counter_ns()
    status = swing(native.function, native.handle, state.ctypes.data, steps)
    nanoseconds = time.perf_counter_ns() - begin
    if status != 0:
        raise RuntimeError(f"the network returned status {status}")
    return state, nanoseconds / steps


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    net = fastmlp.Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0)
    state, nanoseconds = run(net, steps)
    print(f"C through ctypes: {nanoseconds:.0f} ns per call; after {steps} steps the state is {state}")


if __name__ == "__main__":
    main()
