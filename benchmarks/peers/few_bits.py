"""Weights in few bits: the engine's beside its float32, and ONNX Runtime's dynamic int8."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..checks import deviation
from . import clock, fastmlp_peer, jobs, peers
from .jobs import Job

TURN = 0.02  # seconds of one competitor's turn in a round
BOUND = 0.1  # of the greatest output: a step of 1/127 in each layer
OTHER = "ONNX Runtime, int8"
# What is asked for: of float32's time with one row, and against the other with many.
ONE_ROW = {"bf16": 0.55, "int8": 0.35}
MANY_ROWS = 1.3
Record = dict[str, Any]


def chosen_jobs() -> list[Job]:
    """Wide networks, one row and many."""
    one = next(job for job in jobs.predictions() if job.name == jobs.WIDE[0] and job.batch == 1)
    wide = jobs.wide_prediction()
    return [replace(job, batch=batch, target=None) for job in (one, wide) for batch in (1, 4096)]


def quantized(storage: str) -> Callable[[Job], Callable[[], Any]]:
    def make(job: Job) -> Callable[[], Any]:
        net, X = fastmlp_peer.network(job).quantized(storage), job.X
        return lambda: net.predict(X)

    return make


def onnxruntime_int8(job: Job) -> Callable[[], Any]:
    from onnxruntime import quantization

    from . import onnxruntime_peer

    with tempfile.TemporaryDirectory() as folder, _quiet():
        paths = [os.path.join(folder, name) for name in ("whole.onnx", "small.onnx")]
        onnxruntime_peer.onnx.save(onnxruntime_peer.graph(job), paths[0])
        quantization.quantize_dynamic(*paths, weight_type=quantization.QuantType.QInt8)
        with open(paths[1], "rb") as file:
            model = onnxruntime_peer.session_of(file.read())
    names, feeds = [model.get_outputs()[0].name], {"x": job.X}
    return lambda: model.run(names, feeds)[0]


@contextlib.contextmanager
def _quiet() -> Any:
    """It advises on the root logger."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


MAKERS: dict[str, Callable[[Job], Callable[[], Any]]] = {
    "float32": fastmlp_peer.predict,
    "bf16": quantized("bf16"),
    "int8": quantized("int8"),
    OTHER: onnxruntime_int8,
}


def few_bits(rounds: int, quick: bool) -> list[Record]:
    """Times, and how far predictions are off, as a share of the greatest."""
    records = []
    for job in [job for job in chosen_jobs() if not quick or job.name == jobs.WIDE[0]]:
        expected, runs, errors = peers.expected_outputs(job), {}, {}
        for name, make in MAKERS.items():
            try:
                run = make(job)
            except ImportError as error:
                print(f"without {name}: {error}")
                continue
            errors[name] = float(deviation(run(), expected))
            if not errors[name] <= BOUND:
                raise peers.Mismatch(f"{name} is off by {errors[name]:.1e} of the greatest")
            runs[name] = run
        times = {name: clock.spread(values) for name, values in clock.in_turn(runs, rounds, TURN).items()}
        records.append({"title": job.title, "batch": job.batch, "times": times, "errors": errors})
        words = [f"{name} {t['median'] * 1e6:.1f} us, off by {errors[name]:.1e}" for name, t in times.items()]
        print(f"{job.title:<58} {'; '.join(words)}", flush=True)
    return records
