"""The calls whose instructions are counted, run under callgrind: ``python calls.py CALLS``.

`os.getppid` ends a part: callgrind writes what was counted since the last one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np

from fastmlp import Network
from fastmlp.training import passes

WIDTHS, ROWS = [17, 64, 64, 6], 64


def hot_calls() -> dict[str, Callable[[], object]]:
    """Each on a network and rows of its own, so that none depends on those before it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10 * ROWS, WIDTHS[0])).astype(np.float32)
    y = rng.integers(0, WIDTHS[-1], len(X))
    predicting, stepping, fitting, evaluating = (_network() for _ in range(4))
    row, batch, labels = X[0], X[:ROWS], y[:ROWS]
    return {
        "predict, 1 row": lambda: predicting.predict(row),
        "predict, 640 rows": lambda: predicting.predict(X),
        "train_on_batch, 64 rows": lambda: stepping.train_on_batch(batch, labels),
        "fit, 10 batches of 64": lambda: fitting.fit(X, y, epochs=1, batch_size=ROWS, verbose=0),
        "evaluate, 64 rows": lambda: evaluating.evaluate(batch, labels),
    }


def _network() -> Network:
    net = Network(WIDTHS, activation="relu", output="softmax", seed=0)
    net.compile("adam")
    return net


def main(calls: int) -> None:
    passes.SLICE = 1e6  # seconds: how often fit looks up is not to depend on how busy the machine is
    for call in hot_calls().values():
        for _ in range(3):  # what the first ones import and remember
            call()
        os.getppid()
        for _ in range(calls):
            call()
        os.getppid()


if __name__ == "__main__":
    main(int(sys.argv[1]))
