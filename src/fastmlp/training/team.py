"""`Team`: the processes that train one network together; `Alone` is a team of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..model import Array

LONGEST = 400  # characters of two values in a message


class Sum(Protocol):
    """The sum of gradients that are still being made, from the last element to the first."""

    def ready(self, first: int) -> None:
        """Elements from `first` on are done in all of this process's."""

    def total(self) -> Array:
        """All of it."""
        ...


@dataclass(frozen=True)
class Own:
    """The sum of one gradient."""

    gradient: Array

    def ready(self, first: int) -> None:
        pass

    def total(self) -> Array:
        return self.gradient


class Team(Protocol):
    """Processes that run the same fit, each on rows of its own.

    Attributes
    ----------
    rank, size : int
        The number of this process, which counts from 0, and how many there are.
    """

    rank: int
    size: int

    def together(self) -> Any:
        """A context that all leave alike: an error of one is raised in each."""
        ...

    def gather(self, where: str, own: Any) -> list[Any]:
        """What each process has, in the order of ranks; RuntimeError in all if some are elsewhere."""
        ...

    def undisturbed(self) -> Any:
        """A context in which the others count on this process: Ctrl-C waits for the next meeting."""
        ...

    def exchange(self, gradients: list[Array], counts: list[int], starts: list[int]) -> Sum:
        """Begins the sum of all processes' gradients in their order, the same in each.

        `gradients` are this process's, `counts` says how many each has: the first one at most one, as it adds
        up its own; `starts` where layers begin, the last one first.
        """
        ...

    def interrupted(self, error: KeyboardInterrupt) -> None:
        """Tells the others of Ctrl-C in this process."""


class Alone:
    """A team of one process.

    >>> Alone().gather("here", 3)
    [3]
    """

    rank, size = 0, 1

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def gather(self, where: str, own: Any) -> list[Any]:
        return [own]

    def undisturbed(self) -> Any:
        return nullcontext()

    def exchange(self, gradients: list[Array], counts: list[int], starts: list[int]) -> Sum:
        return Own(gradients[0])

    def interrupted(self, error: KeyboardInterrupt) -> None:
        pass


def whole(team: Team, where: str, own: Array) -> Array:
    """The rows of all processes, one after another."""
    return own if team.size == 1 else np.concatenate(team.gather(where, own))


def agree(team: Team, where: str, own: Mapping[str, Any]) -> None:
    """ValueError in all where what has to be the same in each process is not."""
    if team.size == 1:
        return
    first, *others = team.gather(where, dict(own))
    for rank, theirs in enumerate(others, 1):
        for name, value in first.items():
            if theirs.get(name) != value:
                came = f"{name} is {value} on rank 0 and {theirs.get(name)} on rank {rank}"
                if len(came) > LONGEST:
                    came = f"{name} of rank {rank} is not that of rank 0"
                raise ValueError(f"{came}, expected the same on each rank")
