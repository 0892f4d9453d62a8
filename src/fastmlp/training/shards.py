"""`fit(shards=)`: rows in contiguous parts, whose shares of a batch's gradient are added in their order."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np

from .. import _kernels, validation
from .._kernels import Run
from ..config import __version__
from ..errors import NotCompiledError
from ..metrics import name_of
from ..metrics.base import ratio
from ..model import NOT_COMPILED, Array, Done, Model, Objective, Recipe
from ..optimizers import Solver
from ..validation import is_sparse
from .batches import is_stream
from .epochs import RowEpochs, diverged, done_of
from .passes import Mark, Passes, Watch, since, terms_of
from .rows import Rows, check_rescaled
from .scoring import measured, measured_apart, predicted
from .team import Alone, Sum, Team, agree, whole

PART_KEY = 0x9E3779B97F4A7C15  # odd, so that no two of 2**64 parts have the same seed


@dataclass(frozen=True)
class Parts:
    """`rows` rows in `count` contiguous parts, as `numpy.array_split` cuts them, of which a process has some.

    Rows are dealt out like cards: row k of an epoch is one of part k % count, so a batch takes its share of
    every part.

    >>> parts = Parts(10, 4, range(4))
    >>> parts.ends.tolist()
    [3, 6, 8, 10]
    >>> [parts.share(part, 0, 6) for part in range(4)]
    [slice(0, 2, None), slice(0, 2, None), slice(0, 1, None), slice(0, 1, None)]
    """

    rows: int
    count: int
    own: range

    @property
    def ends(self) -> Array:
        """Of each part, the row behind its last."""
        return np.cumsum([self.size(part) for part in range(self.count)])

    @property
    def first_row(self) -> int:
        """Of all rows, the first of this process's."""
        return int(self.ends[self.own.start]) - self.size(self.own.start)

    def size(self, part: int) -> int:
        """Rows of a part."""
        return self._dealt(part, self.rows)

    def share(self, part: int, first: int, last: int) -> slice:
        """What rows [first, last) of an epoch are in a part's own order."""
        return slice(self._dealt(part, first), self._dealt(part, last))

    def _dealt(self, part: int, rows: int) -> int:
        return (rows - part + self.count - 1) // self.count


def team_of(comm: Any) -> Team:
    """Who trains."""
    if comm is None:
        return Alone()
    from .ranks import Ranks

    return Ranks(comm)


def as_shards(comm: Any, shards: Any) -> int | None:
    """In how many parts; None where rows are not divided."""
    if shards is None:
        return None if comm is None else int(comm.size)
    return validation.integer(shards, "shards", 1)


def divided(team: Team, shards: int, own_rows: int) -> Parts:
    """The parts of all processes' rows; ValueError where a process has not whole ones."""
    counts = team.gather("the count of rows", own_rows)
    rows = sum(counts)
    if shards > rows:
        raise ValueError(f"shards is {shards}, expected at most {rows}, the number of rows")
    if shards < team.size:
        raise ValueError(f"shards is {shards}, expected at least {team.size}, a part for each rank")
    ends = Parts(rows, shards, range(0)).ends.tolist()
    last, found = 0, []
    for rank, end in enumerate(np.cumsum(counts).tolist()):
        if end not in ends:
            part = int(np.searchsorted(ends, end))
            came = f"X has {counts[rank]} rows on rank {rank}, of {rows} in all, which end within part {part}"
            raise ValueError(f"{came} of {shards}, expected whole parts: see fastmlp.mpi.local_rows")
        found.append(range(last, ends.index(end) + 1))
        last = found[-1].stop
    return Parts(rows, shards, found[team.rank])


def check_trainable(net: Model, objective: Objective) -> None:
    """ValueError for what needs all rows of a batch at once."""
    said = "which takes all rows of a batch together, expected none with shards"
    if isinstance(net.optimizer, Solver):
        raise ValueError(f"the optimizer is {type(net.optimizer).__name__}, {said}")
    if objective.in_python:
        raise ValueError(f"the loss is a function in Python, {said}")
    for layer in net.layers:
        if layer.takes_batch and getattr(layer, "trainable", True):
            raise ValueError(f"the network has the layer {layer!r}, {said}, or with trainable=False")


def in_order(rows: list[Any]) -> list[float]:
    """The sums of columns, one row after another: `sum` and `numpy.sum` may take them otherwise."""
    return list(np.cumsum(np.array(rows, np.float64), axis=0)[-1].tolist())


def digest(*arrays: Array | None) -> str:
    """Twelve digits that tell arrays apart."""
    import hashlib

    found = hashlib.sha256()
    for array in arrays:
        if array is not None:
            found.update(f"{array.dtype}{array.shape}".encode())
            found.update(array.tobytes())
    return found.hexdigest()[:12]


def agree_on_recipe(team: Team, net: Model, **arguments: Any) -> None:
    """ValueError in all processes where they are not about to do the same."""
    if team.size == 1:
        return
    if net.optimizer is None:
        raise NotCompiledError(NOT_COMPILED)
    state = net.plan.get_state()
    facts = {
        "the version of fastmlp": __version__,
        "the seed": net.seed,
        "the network": repr(net),
        "whether the instruction set multiplies and adds at once": net.isa != "baseline",
        "the optimizer": net.optimizer.rule,
        **{f"{name} of the optimizer": value for name, value in net.optimizer.hyperparameters().items()},
        "the loss": (net.loss if isinstance(net.loss, str) else type(net.loss).__name__, net.loss_parameter),
        "the list of metrics": [name_of(metric) for metric in net.metrics],
        "the number of epochs done": net.epochs_done,
        "the number of steps done": state["step"],
        **arguments,
        "the digest of the weights": digest(*net.get_weights()),
        "the digest of the optimizer's state": digest(*(a for slot in state["slots"] for a in slot)),
    }
    agree(
        team,
        "the recipe",
        {name: value if isinstance(value, str) else repr(value) for name, value in facts.items()},
    )


def agree_on_rows(team: Team, rows: Rows, held_out: Rows | None) -> None:
    """Likewise of the rows, once they are ready."""
    if team.size == 1:
        return
    facts = {"sample_weight or class_weight": "None" if rows.weights is None else "given"}
    if held_out is None:
        facts["validation_data"] = "None"
    else:
        rest = held_out.dense()
        facts["the digest of validation_data"] = digest(rest.X, rest.y, rest.weights)
    agree(team, "the rows", facts)


def check_distributed(share: float, held_out: Any) -> None:
    """ValueError for held-out rows that are not the same in each process."""
    if share > 0:
        raise ValueError(
            f"validation_split is {share} with comm, expected validation_data, the same on each rank"
        )
    if held_out is not None and is_stream(held_out):
        kind = type(held_out).__name__
        raise ValueError(f"validation_data is a {kind} with comm, expected arrays, the same on each rank")


class Meeting:
    """The processes in one batch: each brings sums and gradients of its parts, and takes those of all.

    Parameters
    ----------
    settings : tuple
        What the step is made with, the same in each process.
    trained : list of int
        The parts that have rows in the batch.
    gradients : list of ndarray
        Of this process's parts.
    starts : list of int
        Where layers begin in them, the last one first.
    rest : ExitStack
        What is left when the step is made: from the meeting on, others count on this process.

    Attributes
    ----------
    own : dict
        Sums of this process's parts: of losses, correct rows, weights, terms of the loss.
    sums : list of float
        Likewise of all parts.
    """

    def __init__(
        self,
        team: Team,
        batch: int,
        settings: tuple[Any, ...],
        trained: list[int],
        gradients: list[Array],
        starts: list[int],
        rest: ExitStack,
    ) -> None:
        self.batch, self.own, self.sums = batch, dict[int, tuple[float, ...]](), list[float]()
        self._team, self._settings, self._trained, self._rest = team, settings, trained, rest
        self._gradients, self._starts = gradients, starts
        self._sum: Sum | None = None

    def begin(self) -> None:
        """Once this process has the sums of all of its parts, and what it likes thereafter."""
        if self._sum is not None:
            return
        self._rest.enter_context(self._team.undisturbed())
        met = self._team.gather(f"batch {self.batch}", (self._settings, self.own))
        self._check_alike([settings for settings, _ in met])
        of_parts = {part: numbers for _, theirs in met for part, numbers in theirs.items()}
        self.sums = in_order([of_parts[part] for part in self._trained])
        if not np.isfinite(self.sums[0]):
            raise FloatingPointError(f"the loss of batch {self.batch} is not finite")
        first, *others = [len(theirs) for _, theirs in met]
        counts = [min(first, 1), *others]
        self._sum = self._team.exchange(self._gradients, counts, self._starts)

    def ready(self, first: int) -> None:
        """Elements from `first` on are done in this process's gradients."""
        assert self._sum is not None
        self._sum.ready(first)

    def total(self) -> Array:
        """The gradient of the batch."""
        assert self._sum is not None
        return self._sum.total()

    def _check_alike(self, settings: list[tuple[Any, ...]]) -> None:
        for rank, theirs in enumerate(settings):
            if theirs != settings[0]:
                names = ("learning rate", "weight decay", "factor of dropout")
                name, a, b = next(n for n in zip(names, settings[0], theirs, strict=True) if n[1] != n[2])
                came = f"the {name} of batch {self.batch} is {a} on rank 0 and {b} on rank {rank}"
                raise ValueError(f"{came}, expected callbacks that do the same on each rank")


class ShardPasses(Passes):
    """Passes over parts of the rows, of which this process has some."""

    def __init__(
        self,
        net: Model,
        objective: Objective,
        rows: Rows,
        batch_size: int,
        shuffle: bool,
        threads: int | None,
        parts: Parts,
        team: Team,
    ) -> None:
        self.net, self.objective, self.rows = net, objective, rows
        self.batch_size, self.shuffle = batch_size, shuffle
        self.batches = -(-parts.rows // batch_size)
        self._begin_settings()
        self.run = None
        self._threads, self._parts, self._team = threads, parts, team
        self._most = -(-batch_size // parts.count)
        self._orders: dict[int, Array] = {}
        self._number = -1  # of the epoch that they are of
        self._gradients: list[Array] = []
        self._sums = [0.0, 0.0, 0.0]  # of the last batch: losses, correct rows, weights, terms of the loss
        self._whole = None if is_sparse(rows.X) else self._run_on(rows)

    def _run_on(self, rows: Rows) -> Run:
        return Run(
            self.net.plan, rows.X, sample_weight=rows.weights, batch_size=self._most, seed=self.net.seed,
            shuffle=False, loss=self.objective.named, threads=self._threads, **rows.of_loss,
        )  # fmt: skip

    def _slice(self, most: int | None) -> None:
        """One batch: the gradients of this process's parts, their sum over all, and the step."""
        batch, old = self._done.batch, self._done.sums
        rate, decay, dropout = self._of_step(batch)
        last = min((batch + 1) * self.batch_size, self._parts.rows)
        shares = [self._parts.share(part, batch * self.batch_size, last) for part in range(self._parts.count)]
        trained = [part for part, share in enumerate(shares) if share.stop > share.start]
        own = [part for part in trained if part in self._parts.own]
        self._room(0)
        with ExitStack() as rest:
            # a sum that overflows ends the step, on all ranks alike
            rest.enter_context(np.errstate(all="ignore"))
            starts = self.net.plan.layer_starts
            met = Meeting(self._team, batch, (rate, decay, dropout), trained, self._gradients, starts, rest)
            for place, part in enumerate(own):
                self._part(met, place, part, shares[part], dropout, part == own[-1])
            if not own:
                met.begin()
                met.ready(0)
            gradient = met.total()
            loss, correct, _, *terms = self._sums = met.sums
            both = zip_longest(old, (loss, correct, *terms), fillvalue=0.0)
            self._next = Done(batch + 1, tuple(before + own for before, own in both))
            self._step(batch, gradient, rate, decay)

    def _of_step(self, batch: int) -> tuple[float, float | None, float]:
        rate, decay, dropout = (
            None if values is None else float(values[0, batch])
            for values in (self._settings[name] for name in ("learning_rates", "weight_decay", "dropout"))
        )
        assert rate is not None
        return rate, decay, 1.0 if dropout is None else dropout

    def _part(self, met: Meeting, place: int, part: int, share: slice, dropout: float, is_last: bool) -> None:
        """A part's sums, and its gradient, which is put away.

        In the first process, whose parts come first, it is added to those before.  The processes meet when
        the last part of each has its sums; its gradient is sent as it is made.
        """
        rows = self._order(part)[share]
        adds = place > 0 and self._team.rank == 0
        gradient = self._room(1 if adds else place)
        weights = self.rows.weights
        weight = float(len(rows)) if weights is None else float(np.sum(weights[rows], dtype=np.float64))
        run = self._whole
        if run is None:
            run, rows = self._run_on(self.rows.part(rows).dense()), np.arange(len(rows))
        last = min((met.batch + 1) * self.batch_size, self._parts.rows)
        left = len(gradient)

        def ready(first: int, sums: tuple[float, ...]) -> None:
            nonlocal left
            loss, correct, *terms = sums
            met.own[part] = (loss, correct, weight, *terms)
            if is_last:
                met.begin()
            if adds:
                self._gradients[0][first:left] += gradient[first:left]
            left = first
            if is_last:
                met.ready(first)

        sums = run.part_gradient(
            rows, gradient, batch=last - met.batch * self.batch_size, seed=self._seed(part), dropout=dropout,
            ready=ready if is_last and self._team.size > 1 else None,
        )  # fmt: skip
        if left:
            ready(0, sums)

    def _room(self, place: int) -> Array:
        while len(self._gradients) <= place:
            self._gradients.append(np.zeros(self.net.plan.vector_size, self.net.dtype))
        return self._gradients[place]

    def _step(self, batch: int, gradient: Array, rate: float, decay: float | None) -> None:
        try:
            self.net.plan.step_by(gradient, rate, weight_decay=decay)
        except FloatingPointError:
            raise FloatingPointError(
                f"the step of batch {batch} leads to weights that are not finite"
            ) from None

    def _order(self, part: int) -> Array:
        """Places in this process's rows of a part's, in the order of the epoch."""
        if self._number != self.net.epochs_done:
            self._orders, self._number = {}, self.net.epochs_done
        if part not in self._orders:
            size = self._parts.size(part)
            order = np.arange(size)
            if self.shuffle:
                order = _kernels.shuffled(self._seed(part), self._number, size)
            self._orders[part] = order + (int(self._parts.ends[part]) - size - self._parts.first_row)
        return self._orders[part]

    def _seed(self, part: int) -> int:
        return (self.net.seed + part * PART_KEY) % 2**64

    def _logs(self, old: Done, new: Done) -> dict[str, float]:
        last = min(new.batch * self.batch_size, self._parts.rows)
        rows = last - old.batch * self.batch_size
        logs = {"loss": (new.sums[0] - old.sums[0]) / rows}
        logs |= terms_of(self.objective, since(new.sums, old.sums), rows)
        if self.objective.counted is not None:
            logs[self.objective.counted] = ratio(new.sums[1] - old.sums[1], self._sums[2])
        return logs


class ShardEpochs(RowEpochs):
    """Epochs of rows in parts."""

    def __init__(self, *arguments: Any, parts: Parts, team: Team) -> None:
        super().__init__(*arguments)
        self._parts, self._team = parts, team
        self._gathered: Rows | None = None
        self._weight: float | None = None
        self.steps: int | None = -(-parts.rows // self._size)

    @cached_property
    def passes(self) -> ShardPasses:
        options = (self._size, self._shuffle, self._threads, self._parts, self._team)
        return ShardPasses(self.net, self.objective, self.rows, *options)

    @property
    def _recipe(self) -> Recipe:
        return Recipe(self._parts.rows, self._size, self._shuffle, self._parts.count)

    def one(self, epoch: int, watch: Watch) -> dict[str, float]:
        mark: Mark = self.mark
        try:
            done = self.passes.one(watch, done_of(self.net), mark)
        except FloatingPointError as error:
            check_rescaled(self.net, self.rows.X)
            raise diverged(epoch, error) from None
        if done.batch < self.passes.batches:
            return {}
        rows = self._parts.rows
        logs = {"loss": done.sums[0] / rows, **terms_of(self.objective, done.sums, rows)}
        predictions = self._predictions() if measured_apart(self.objective) else None
        for metric in self.objective.metrics:
            if self.objective.is_counted(metric):
                logs[name_of(metric)] = ratio(done.sums[1], self._total_weight())
            else:
                assert predictions is not None
                value = measured(self.net, self.objective, metric, self._of_all(), predictions)
                logs[name_of(metric)] = value
        return logs

    def _predictions(self) -> Array:
        """Of all rows, whose part each process makes."""
        return whole(self._team, "predictions for metrics", predicted(self.net, self.rows.X, self._threads))

    def _of_all(self) -> Rows:
        """Targets and weights of all rows, without X; gathered once."""
        if self._gathered is None:
            y, weights = whole(self._team, "targets for metrics", self.rows.y), self.rows.weights
            weights = None if weights is None else whole(self._team, "weights for metrics", weights)
            self._gathered = Rows(np.empty((len(y), 0)), y, weights)
        return self._gathered

    def _total_weight(self) -> float:
        """Of all rows: the sums of the parts, in their order."""
        if self._weight is None:
            first, own = self._parts.first_row, self._parts.own
            ends = self._parts.ends[own.start : own.stop] - first
            weights = np.ones(len(self.rows)) if self.rows.weights is None else self.rows.weights
            sums = [[float(np.sum(part, dtype=np.float64))] for part in np.split(weights, ends[:-1])]
            of_all = self._team.gather("sums of weights", sums)
            self._weight = in_order([row for theirs in of_all for row in theirs])[0]
        return self._weight
