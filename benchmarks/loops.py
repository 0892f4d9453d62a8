"""A call of a loop of one's own beside its share of a step in fit: ``python -m benchmarks.loops``.

17-64-64-6, tanh, batch 64, Adam, one thread.  Of a step in `fit` the forward pass has what `predict` takes
for the same rows, clipping what `global_clipnorm` adds, and backward and the update, which are one there,
have the rest.  A call may take 1.1 times its share and 2 microseconds.  Figures are medians over rounds of
what each round found, without what an empty call takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fastmlp
from fastmlp import Network, optimizers

ROWS, BATCHES = 64, 100
STEP = ("forward", "zero_gradient", "backward", "clip_gradients", "step")
FITS = {
    "adam": optimizers.Adam(1e-3),
    "clipped": optimizers.Adam(1e-3, global_clipnorm=0.1),
}


def network(optimizer: optimizers.Optimizer) -> Network:
    net = Network([17, 64, 64, 6], activation="tanh", seed=0)
    net.compile(optimizer, loss="mse", metrics=[])
    return net


def rounds_of_calls(rounds: int) -> Iterator[dict[str, float]]:
    """Microseconds of each call, in the order of a step, and of a batch in each of the fits, in turn."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS * BATCHES, 17)).astype("f4")
    y = rng.standard_normal((ROWS * BATCHES, 6)).astype("f4")
    batch, dY = X[:ROWS].copy(), y[:ROWS] / np.float32(y[:ROWS].size)
    out = np.empty_like(dY)
    net, fits = network(FITS["adam"]), {name: network(optimizer) for name, optimizer in FITS.items()}
    calls: dict[str, Callable[[], Any]] = {
        "nothing": lambda: None,
        "predict": lambda: net.predict(batch, out),
        "forward": lambda: net(batch, training=True),
        "zero_gradient": net.zero_gradient,
        "backward": lambda: net.backward(dY),
        "clip_gradients": lambda: fastmlp.clip_gradients([net], 1e-3),
        "step": net.step,
    }
    now = time.perf_counter
    for _ in range(rounds):
        seconds: dict[str, list[float]] = {name: [] for name in [*calls, *FITS]}
        for name, fitted in fits.items():
            start = now()
            fitted.fit(X, y, batch_size=ROWS, shuffle=False, verbose=False)
            seconds[name].append((now() - start) / BATCHES)
        for _ in range(BATCHES):
            for name, call in calls.items():
                start = now()
                call()
                seconds[name].append(now() - start)
        us = {name: statistics.median(each) * 1e6 for name, each in seconds.items()}
        yield {name: each - us["nothing"] if name in calls else each for name, each in us.items()}


def shares(us: dict[str, float]) -> dict[str, float]:
    """Microseconds of a step in fit that are a call's, or several's."""
    return {
        "forward": us["predict"],
        "zero_gradient": 0.0,
        "backward, step": us["adam"] - us["predict"],
        "clip_gradients": us["clipped"] - us["adam"],
    }


def main(arguments: list[str] | None = None) -> None:
    summary = (__doc__ or "").split(":")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loops", description=summary)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args(arguments).rounds
    fastmlp.set_num_threads(1)
    found: dict[str, list[tuple[float, float]]] = {}
    for us in rounds_of_calls(rounds):
        for names, share in {**shares(us), ", ".join(STEP): us["clipped"]}.items():
            found.setdefault(names, []).append((sum(us[name] for name in names.split(", ")), share))
    print("| call | us | its share in fit, us | may take, us | ratio to that |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for names, pairs in found.items():
        mine, share = (statistics.median(each) for each in zip(*pairs, strict=True))
        may = 1.1 * share + 2 * len(names.split(", "))
        held = "yes" if mine <= may else "no"
        print(f"| {names} | {mine:.1f} | {share:.1f} | {may:.1f} | {mine / may:.2f} {held} |")


if __name__ == "__main__":
    main()
