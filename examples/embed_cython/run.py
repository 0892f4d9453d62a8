"""A network in a loop in Cython: what a call takes.

cd examples/embed_cython && python setup.py build_ext --inplace && python run.py [STEPS]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from spring import swing

import fastmlp

STATE = (1.0, 0.0)  # position and speed


def run(net: fastmlp.Network, steps: int) -> tuple[np.ndarray, float]:
    """The state after `steps` steps, and the nanoseconds of one."""
    state = np.array(STATE)
    begin = time.perf_counter_ns()
    swing(net, state, steps)
    return state, (time.perf_counter_ns() - begin) / steps


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    net = fastmlp.Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0)
    state, nanoseconds = run(net, steps)
    print(f"Cython: {nanoseconds:.0f} ns per call; after {steps} steps the state is {state}")


if __name__ == "__main__":
    main()
