"""What `Network.fit` and `evaluate` are given: arrays or batches, as data to train or to measure on."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import validation
from ..errors import shown
from ..labels import Classes
from ..layers import OutputRescaling
from ..model import Array, Model, Objective
from ..validation import is_sparse
from .batches import Batches, as_steps, is_stream, parts_of
from .blocks import BlockBatches, is_lazy
from .epochs import ArrayEpochs, BatchEpochs, Epochs, SparseEpochs
from .held_out import HeldOut, HeldOutBatches, HeldOutRows
from .rows import Rows, can_look_later, prepare, split, validation_rows, with_class_weight
from .scoring import check_measurable, score
from .shards import ShardEpochs, agree_on_rows, check_distributed, check_trainable, divided
from .tables import Columns, opened
from .targets import rescaling_for, standardized
from .team import Team
from .team import whole as team_whole

_HELD_OUT = "validation_data "
_EVALUATED = 8192  # rows of Dask's, or of tables larger than memory, at a time


@dataclass  # not frozen, as `Rows` says
class Given:
    """Arguments of fit; those that are numbers are checked."""

    X: Any
    y: Any
    sample_weight: Any
    class_weight: Mapping[Any, float] | str | None
    epochs: int
    initial_epoch: int
    batch_size: int | None
    shuffle: bool
    steps: int | None
    share: float  # held out
    held_out: Any
    held_out_steps: int | None
    threads: int | None
    unwatched: bool  # by callbacks
    resume: bool
    team: Team
    shards: int | None


@dataclass
class Ready:
    """All that a fit works with; the network gets `classes` and `rescaling` when it begins."""

    objective: Objective
    data: Epochs
    held_out: HeldOut | None
    classes: Classes | None
    rescaling: OutputRescaling | None


def prepared(net: Model, given: Given, epochs: int) -> Ready:
    """The data for so many epochs."""
    given = _opened(given)
    if given.y is None:
        return _of_batches(net, given, epochs)
    if is_stream(given.X):
        kind = type(given.X).__name__
        raise TypeError(f"y came with X, a {kind}, expected batches (X, y) of it, and no y beside them")
    return _of_arrays(net, given, epochs)


def _opened(given: Given) -> Given:
    """Tables with a column of targets, whose name came as y, and what Dask has, as arrays or batches."""
    if isinstance(given.y, str):
        return _opened_tables(given)
    held_out = given.held_out
    if isinstance(held_out, (tuple, list)) and len(held_out) == 2 and isinstance(held_out[1], str):
        came = f"validation_data y is {shown(held_out[1])}"
        raise TypeError(f"{came}, expected an array, or the name of a column as y, too")
    return _opened_blocks(given)


def _opened_blocks(given: Given) -> Given:
    """Collections of Dask as batches."""
    held_out = given.held_out
    if isinstance(held_out, (tuple, list)) and len(held_out) in (2, 3) and is_lazy(held_out[0]):
        X, y, weights = parts_of(held_out, "validation_data")
        given = dataclasses.replace(
            given, held_out=BlockBatches(X, y, weights, given.batch_size, "validation_data X")
        )
    if given.y is None or not is_lazy(given.X):
        return given
    batches = BlockBatches(given.X, given.y, given.sample_weight, given.batch_size, "X")
    return dataclasses.replace(given, X=batches, y=None, sample_weight=None)


def _opened_tables(given: Given) -> Given:
    columns = Columns(given.y)
    X, y = opened(given.X, columns, given.batch_size, "X")
    held_out = given.held_out
    if isinstance(held_out, (tuple, list)) and len(held_out) == 2 and isinstance(held_out[1], str):
        if held_out[1] != given.y:
            raise ValueError(f"validation_data y is {shown(held_out[1])}, expected {given.y!r} as y of X")
        held_out = opened(held_out[0], columns, given.batch_size, "validation_data X")
        held_out = held_out[0] if held_out[1] is None else held_out
    return dataclasses.replace(given, X=X, y=y, held_out=held_out)


def _of_arrays(net: Model, given: Given, epochs: int) -> Ready:
    if given.steps is not None:
        raise ValueError(f"steps_per_epoch is {given.steps}, expected None with arrays, or batches without y")
    team = given.team

    def whole(where: str) -> Callable[[Array], Array]:
        return functools.partial(team_whole, team, where)

    if team.size > 1:
        check_distributed(given.share, given.held_out)
    y, learned = net.as_indices(given.y, learn=True, among=whole("labels") if team.size > 1 else None)
    objective = net.objective_for(y)
    if given.shards is not None:
        check_trainable(net, objective)
    alone = given.share == 0 and given.held_out is None and given.unwatched  # nobody else sees the rows
    whole_epoch = not given.resume or net.position is None  # the first one sees all of them
    one_part = given.shards is None
    look_later = alone and whole_epoch and one_part and can_look_later(net, objective, given.X)
    rows = prepare(net, objective, given.X, y, given.sample_weight, look_later=look_later)
    rows, rest = split(rows, given.share)
    rows = with_class_weight(net, objective, rows, given.class_weight, learned, whole("classes"))
    if given.held_out is not None and not is_stream(given.held_out):
        rest = validation_rows(net, objective, given.held_out, learned)
    rescaling = rescaling_for(net, objective, rows, whole("targets"))
    rows = standardized(objective, rescaling, rows)
    held_out = _held_out(net, objective, given, epochs, rest, learned, rescaling)
    check_measurable(net, objective, rows)
    parts = None if given.shards is None else divided(team, given.shards, len(rows))
    count = len(rows) if parts is None else parts.rows
    size = count if given.batch_size is None else min(given.batch_size, count)
    assert net.optimizer is not None
    net.optimizer.check_batches(size, count)
    arguments = (net, objective, rows, size, given.shuffle, given.threads)
    data: Epochs
    if parts is not None:
        agree_on_rows(team, rows, rest)
        data = ShardEpochs(*arguments, parts=parts, team=team)
    elif is_sparse(rows.X):
        data = SparseEpochs(*arguments)
    else:
        data = ArrayEpochs(*arguments, looks=look_later)
    return Ready(objective, data, held_out, learned, rescaling)


def _of_batches(net: Model, given: Given, epochs: int) -> Ready:
    _check_options(net, given)
    if given.shards is not None:
        raise ValueError(f"shards is {given.shards} of batches, expected arrays, which can be divided")
    batches = Batches(given.X, given.steps)
    batches.check_passes(epochs, "epochs", "steps_per_epoch")
    _, first, _ = parts_of(batches.first(), "batch 0")
    y, learned = net.as_indices(first, "batch 0 y", learn=True)
    objective = net.objective_for(y)
    rescaling = net.output_rescaling
    ready = functools.partial(_ready, net, objective, learned, rescaling, given.class_weight, "")
    check_measurable(net, objective, ready(0, batches.first()))
    rest = None
    if given.held_out is not None and not is_stream(given.held_out):
        rest = validation_rows(net, objective, given.held_out, learned)
    held_out = _held_out(net, objective, given, epochs, rest, learned, rescaling)
    data = BatchEpochs(net, objective, batches, ready, given.threads)
    return Ready(objective, data, held_out, learned, rescaling)


def _check_options(net: Model, given: Given) -> None:
    """ValueError for what needs all rows before the first step."""
    _refuse_weights(given.sample_weight)
    if given.share > 0:
        raise ValueError(f"validation_split is {given.share} of batches, expected validation_data for them")
    if isinstance(given.class_weight, str):
        raise ValueError(
            f"class_weight is {given.class_weight!r} of batches, expected a mapping of classes to numbers"
        )
    if net.standardize_targets and net.output_rescaling is None:
        raise ValueError(
            "standardize_targets is True and the targets come in batches, expected a fit on arrays before"
        )
    if net.optimizer is not None and net.optimizer.all_rows:
        kind = type(net.optimizer).__name__
        raise ValueError(f"{kind} needs all rows in every step, expected arrays and not batches")


def _held_out(
    net: Model,
    objective: Objective,
    given: Given,
    epochs: int,
    rows: Rows | None,
    classes: Classes | None,
    rescaling: OutputRescaling | None,
) -> HeldOut | None:
    if rows is None and given.held_out is not None:
        batches = Batches(given.held_out, given.held_out_steps, "validation_data", anew=True)
        batches.check_passes(epochs, "epochs", "validation_steps")
        ready = functools.partial(_ready, net, objective, classes, rescaling, None, _HELD_OUT)
        ready(0, batches.first())
        return HeldOutBatches(batches, ready, _HELD_OUT)
    if given.held_out_steps is not None:
        raise ValueError(
            f"validation_steps is {given.held_out_steps}, expected None without batches as validation_data"
        )
    return None if rows is None else HeldOutRows(standardized(objective, rescaling, rows))


def evaluate(
    net: Model, X: Any, y: Any, sample_weight: Any, *, steps: int | None, threads: int | None
) -> dict[str, float]:
    """`Network.evaluate`: of arrays, of tables with the name of a column, or without y of batches."""
    threads, steps = validation.as_threads(threads), as_steps(steps, "steps")
    if isinstance(y, str):
        X, y = opened(X, Columns(y), _EVALUATED, "X")
    if y is not None and is_lazy(X):
        X, y, sample_weight = BlockBatches(X, y, sample_weight, _EVALUATED, "X"), None, None
    if y is not None:
        if steps is not None:
            raise ValueError(f"steps is {steps}, expected None with arrays, or batches without y")
        y, _ = net.as_indices(y)
        objective = net.objective_for(y)
        return score(net, objective, prepare(net, objective, X, y, sample_weight), threads)
    _refuse_weights(sample_weight)
    batches = Batches(X, steps)
    y, _ = net.as_indices(parts_of(batches.first(), "batch 0")[1], "batch 0 y")
    objective = net.objective_for(y)
    ready = functools.partial(_ready, net, objective, None, None, None, "")
    return HeldOutBatches(batches, ready, "").score(net, objective, threads)


def _refuse_weights(sample_weight: object) -> None:
    if sample_weight is not None:
        raise ValueError("sample_weight came with batches, expected it in them: (X, y, sample_weight)")


def _ready(
    net: Model,
    objective: Objective,
    classes: Classes | None,
    rescaling: OutputRescaling | None,
    class_weight: Mapping[Any, float] | str | None,
    prefix: str,
    index: int,
    batch: Any,
) -> Rows:
    """A batch, checked, as the plan takes it."""
    name = f"{prefix}batch {index}"
    X, y, weights = parts_of(batch, name)
    y, _ = net.as_indices(y, f"{name} y", classes=classes)
    rows = prepare(net, objective, X, y, weights, f"{name} ").dense()
    return standardized(objective, rescaling, with_class_weight(net, objective, rows, class_weight, classes))
