"""Who is there: the competitors that this machine has, by their import; the others are named and skipped."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastmlp import reference

from ..checks import deviation
from . import numpy_peer
from .jobs import Array, Job

MODULES = tuple(f"{name}_peer" for name in "fastmlp numpy torch onnxruntime sklearn jax keras".split())

# Share of the greatest output, or of the change that training made.  float32 sums of a few hundred terms
# differ by their order, Adam's first steps divide small numbers by small numbers, and its epsilon does not
# stand at the same place in every package.
PREDICT_BOUND = {"float32": 2e-5, "float64": 1e-12}
TRAIN_BOUND = {"float32": 2e-2, "float64": 1e-2}


@dataclass
class Field:
    """The makers of callables, by competitor; versions; and who is missing, with the reason."""

    predict: dict[str, Callable[..., Any]] = field(default_factory=dict)
    train: dict[str, Callable[..., Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def load(only: tuple[str, ...] = (), quick: bool = False) -> Field:
    """Import every competitor (or those named, as `numpy` or `torch`)."""
    found = Field()
    for module in MODULES:
        short = module.removesuffix("_peer")
        if only and short != "fastmlp" and short not in only:
            continue
        if quick and short == "keras":
            found.missing["Keras"] = "left out of a quick run"
            continue
        try:
            peer = importlib.import_module(f".{module}", __package__)
        except ImportError as error:
            if short == "fastmlp":
                raise
            found.missing[short] = str(error).splitlines()[0]
            continue
        found.versions.update(peer.PACKAGES)
        found.predict.update(peer.PREDICT)
        found.train.update(peer.TRAIN)
    if quick:
        for makers in (found.predict, found.train):
            makers.pop("torch.compile", None)
    return found


def expected_outputs(job: Job) -> Array:
    """Predictions in float64 by plain formulas, on the job's rows."""
    x = job.X.astype(np.float64)
    for i in range(0, len(job.weights), 2):
        z = x @ job.weights[i].astype(np.float64) + job.weights[i + 1]
        name = job.output if i + 2 == len(job.weights) else job.hidden
        x = FORMULAS[name](z)
    return x


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


FORMULAS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "identity": lambda z: z,
    "softmax": _softmax,
}


class Mismatch(Exception):
    """A competitor computed something else: it is not timed."""


def ready_to_predict(job: Job, make: Callable[[Job], Any], expected: Array) -> Callable[[], Any]:
    """The callable, once its result is the expected one."""
    run = make(job)
    off = deviation(run(), expected)
    if not off <= PREDICT_BOUND[job.dtype]:
        raise Mismatch(f"its predictions are off by {off:.1e} of the greatest")
    return run


def ready_to_train(job: Job, make: Callable[[Job], Any], order: Array, before: Array, expected: Array) -> Any:
    """The epoch as a callable, once an epoch in the given order of rows gave the expected network.

    The order is the engine's own for its first epoch; after this everybody shuffles by themselves.
    """
    trainer = make(job)
    trainer.epoch(order)
    off = deviation(trainer.outputs(job.probe), expected, before)
    if not off <= TRAIN_BOUND[job.dtype]:
        raise Mismatch(f"its trained network is off by {off:.1e} of the change that training made")
    trainer.epoch()
    return trainer.epoch


def first_line(error: BaseException) -> str:
    """What went wrong, short."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def prepare(job: Job, found: Field) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Everybody who can do the job and got it right, and why the others are not there."""
    runs: dict[str, Callable[[], Any]] = {}
    skipped: dict[str, str] = {}
    predicts = job.kind == "predict"
    facts = (expected_outputs(job),) if predicts else expected_training(job)
    ready: Callable[..., Any] = ready_to_predict if predicts else ready_to_train
    for name, make in (found.predict if predicts else found.train).items():
        try:
            runs[name] = ready(job, make, *facts)
        except Exception as error:  # a competitor's own failure is its line's note, not the end of the run
            if name.startswith("fastmlp"):
                raise
            skipped[name] = first_line(error)
            print(f"  {name}: {skipped[name]}", file=sys.stderr)
    return runs, skipped


def expected_training(job: Job) -> tuple[Array, Array, Array]:
    """The order of the first epoch's rows; predictions of the probe before it, and after it in float64."""
    order = reference.shuffled(0, 0, job.rows)
    double = replace(job, dtype="float64")
    trainer = numpy_peer.Trainer(double)
    for mine, given in zip(trainer.weights, job.weights, strict=True):
        mine[...] = given
    before = trainer.outputs(job.probe).copy()
    trainer.epoch(order)
    return order, before, trainer.outputs(job.probe).copy()
