"""A network in a loop that Numba compiles: a mass hung on a spring, pushed by the network.

python examples/embed_numba.py [STEPS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numba
import numpy as np

import fastmlp

STATE = (1.0, 0.0)  # position and speed


def compiled(net: fastmlp.Network) -> Callable[[np.ndarray, int], None]:
    """swing, which moves a state by a number of steps."""
    predict = net.native().numba()

    @numba.njit(nogil=True)
    def swing(state, steps):
        force = np.empty(1)
        for _ in range(steps):
            predict(state, force)
            state[1] += 0.01 * (force[0] - state[0] - state[1] - 9.81)
            state[0] += 0.01 * state[1]

    return swing


def run(net: fastmlp.Network, steps: int) -> tuple[np.ndarray, float]:
    """The state after `steps` steps, and the nanoseconds of one."""
    swing, state = compiled(net), np.array(STATE)
    swing(state, 0)  # this compiles it
    begin = time.perf_counter_ns()
    swing(state, steps)
    return state, (time.perf_counter_ns() - begin) / steps


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    net = fastmlp.Network([2, 16, 16, 1], activation="tanh", dtype="float64", seed=0)
    state, nanoseconds = run(net, steps)
    print(f"Numba: {nanoseconds:.0f} ns per call; after {steps} steps the state is {state}")


if __name__ == "__main__":
    main()
