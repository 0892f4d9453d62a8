"""From an encoded table and targets to an ensemble."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..training import together
from . import calibration, conformal, fitting, splits, views
from .encoding import TableEncoder
from .ensemble import Ensemble, Member
from .fitting import Lesson, Rows
from .metrics import Metric
from .network import Inputs
from .recipes import Recipe
from .targets import Classes, Numbers, Targets

Array = np.ndarray[Any, Any]

_LEAST_EPOCHS = 4  # that a time limit leaves
_PROBED = 2  # epochs whose time is taken


@dataclass(frozen=True)
class Plan:
    """How an ensemble is learned: what of the estimator's parameters does not belong to one network."""

    recipe: Recipe
    nets: int
    metric: Metric
    threads: int
    seed: int
    time_limit: float | None = None
    calibrate: bool = True
    say: Callable[[str], None] | None = None
    matmul_precision: str | None = None


@dataclass(frozen=True)
class Learned:
    """An ensemble, and its predictions of rows that it was learned from by the networks that held them out.

    Attributes
    ----------
    out_of_fold : ndarray of float64, shape (rows, outputs)
        NaN where no network held the row out.
    """

    ensemble: Ensemble
    out_of_fold: Array


def learn(
    encoder: TableEncoder,
    targets: Targets,
    rows: Rows,
    plan: Plan,
    *,
    held_out: Rows | None = None,
    groups: Array | None = None,
) -> Learned:
    """Networks for encoded rows.

    Parameters
    ----------
    rows : Rows
        X as `encoder.transform` made it.
    held_out : Rows, optional
        Chooses every network's epoch, in place of a part of the rows.
    groups : ndarray, shape (rows,), optional
        Rows of one group are held out together.
    """
    fold = _folds(targets, rows, plan, held_out, groups)
    seen = {
        name: views.learn(name, rows.X, encoder.number_count, plan.recipe.bins)
        for name in dict.fromkeys(plan.recipe.views[: plan.nets])
    }
    jobs = [_lesson(i, encoder, targets, rows, plan, seen, fold, held_out) for i in range(plan.nets)]
    trained = _trained([lesson for _, _, lesson in jobs], plan)
    members = [
        Member(each.net, view, each.errors, each.epoch)
        for (view, _, _), each in zip(jobs, trained, strict=True)
    ]
    ensemble = Ensemble(encoder, targets, seen, members)
    if plan.calibrate:
        ensemble = _calibrated(ensemble, [lesson.held_out for _, _, lesson in jobs])
    predictions = _out_of_fold(ensemble, [(chosen, lesson) for _, chosen, lesson in jobs], rows)
    if isinstance(targets, Numbers):
        found = (
            conformal.residuals(rows.truth, predictions)
            if held_out is None
            else conformal.residuals(held_out.truth, ensemble.predict_encoded(held_out.X))
        )
        ensemble = dataclasses.replace(ensemble, residuals=found)
    return Learned(ensemble, predictions)


def _folds(
    targets: Targets, rows: Rows, plan: Plan, held_out: Rows | None, groups: Array | None
) -> Array | None:
    """The fold of each row; None where none is held out."""
    share = plan.recipe.held_out
    if held_out is not None or share == 0 or len(rows) < splits.FEWEST:
        return None
    classes = rows.truth if isinstance(targets, Classes) else None
    rng = np.random.Generator(np.random.PCG64(plan.seed))
    fold = splits.folds(len(rows), share, rng, classes=classes, groups=groups)
    return fold if fold.max() >= 0 else None


def _lesson(
    number: int,
    encoder: TableEncoder,
    targets: Targets,
    rows: Rows,
    plan: Plan,
    seen: dict[str, views.View],
    fold: Array | None,
    held_out: Rows | None,
) -> tuple[str, Array | None, Lesson]:
    """One network's view, the rows that it holds out, and all that it is made of."""
    name = plan.recipe.views[number % len(plan.recipe.views)]
    view = seen[name]
    out = None if fold is None else fold == number % (int(fold.max()) + 1)
    given, mine = _seen(view, rows), held_out
    if out is not None:
        given, mine = given.part(~out), given.part(out)
    elif held_out is not None:
        mine = _seen(view, held_out)
    inputs = Inputs(
        given.X.shape[1],
        encoder.number_count if name == "periodic" else 0,
        tuple(column.size for column in encoder.embedded),
    )
    seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1, np.uint64)[0])
    lesson = Lesson(
        inputs, targets, plan.recipe, _weighed(given), mine, seed, plan.metric,
        matmul_precision=plan.matmul_precision,
    )  # fmt: skip
    return name, out, lesson


def _seen(view: views.View, rows: Rows) -> Rows:
    return dataclasses.replace(rows, X=view(rows.X))


def _weighed(rows: Rows) -> Rows:
    """Weights of mean 1, so that the learning rate means what it does without them."""
    if rows.weights is None:
        return rows
    return dataclasses.replace(rows, weights=(rows.weights / rows.weights.mean()).astype(np.float32))


def _trained(lessons: list[Lesson], plan: Plan) -> list[fitting.Trained]:
    start, stop = time.monotonic(), threading.Event()
    threads = together.workers(plan.threads, len(lessons))
    deadline = None
    if plan.time_limit is not None:
        deadline = start + plan.time_limit
        rounds = -(-len(lessons) // threads)
        epochs = _epochs_within(lessons[0], plan.time_limit / rounds)
        lessons = [dataclasses.replace(each, recipe=each.recipe.replace(epochs=epochs)) for each in lessons]

    def job(lesson: Lesson) -> fitting.Trained:
        found = fitting.fit(dataclasses.replace(lesson, deadline=deadline, stop=stop))
        if plan.say is not None:
            held_out = f", held-out error {found.errors[found.epoch]:.4g}" if found.errors else ""
            plan.say(f"a network trained: epoch {found.epoch + 1} of {lesson.recipe.epochs}{held_out}")
        return found

    return together.run(job, lessons, threads, stop)


def _epochs_within(lesson: Lesson, seconds: float) -> int:
    """How many of the recipe's epochs there is time for, by the time that the first ones take."""
    start = time.monotonic()
    fitting.fit(dataclasses.replace(lesson, recipe=lesson.recipe.replace(epochs=_PROBED)))
    taken = time.monotonic() - start
    return max(_LEAST_EPOCHS, min(lesson.recipe.epochs, int((seconds - taken) / (taken / _PROBED))))


def _calibrated(ensemble: Ensemble, held_out: list[Rows | None]) -> Ensemble:
    """With the temperature that suits the rows that each network held out."""
    rows = [each for each in held_out if each is not None]
    if not isinstance(ensemble.targets, Classes) or not rows:
        return ensemble
    predictions = [
        ensemble.targets.from_network(member.net.predict(each.X))
        for member, each in zip(ensemble.members, rows, strict=True)
    ]
    given = [each.weights for each in rows if each.weights is not None]
    weights = np.concatenate(given) if given else None
    truth = np.concatenate([each.truth for each in rows])
    return dataclasses.replace(
        ensemble, temperature=calibration.temperature(np.concatenate(predictions), truth, weights)
    )


def _out_of_fold(ensemble: Ensemble, jobs: list[tuple[Array | None, Lesson]], rows: Rows) -> Array:
    total = np.zeros((len(rows), ensemble.targets.outputs))
    count = np.zeros((len(rows), 1))
    for member, (out, lesson) in zip(ensemble.members, jobs, strict=True):
        if out is not None and lesson.held_out is not None:
            outputs = member.net.predict(lesson.held_out.X)
            total[out] += ensemble.finished(ensemble.targets.from_network(outputs))
            count[out] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
