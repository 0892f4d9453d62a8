"""`Exchange`: the sum of all ranks' gradients, whose pieces are on their way while others are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model import Array

LEAST = 1 << 18  # numbers that are worth messages of their own
BEHIND = 2  # pieces, after which the sum of one is given to all: by then it has mostly come

Room = Callable[[str, tuple[int, ...]], Array]


@dataclass
class Piece:
    """Elements [start, end) of the gradient: each rank owns a share, and receives that of all parts."""

    start: int
    end: int
    sizes: Array  # of the ranks' shares
    starts: Array  # likewise, within the piece
    received: Array  # (parts, own)
    coming: list[Any]  # requests of what is received


def cuts(size: int, starts: list[int]) -> list[tuple[int, int]]:
    """The first and last elements of pieces, which begin where a layer does, the last ones first.

    >>> cuts(3 * LEAST, [2 * LEAST + 1, 2 * LEAST, 9, 0])
    [(524288, 786432), (9, 524288), (0, 9)]
    """
    found, end = list[tuple[int, int]](), size
    for start in [*starts[:-1], 0]:
        if end - start >= LEAST or start == 0 < end:
            found.append((start, end))
            end = start
    return found


class Exchange:
    """A reduce-scatter whose order is that of the parts, and an all-gather, piece by piece.

    All ranks make the same pieces in the same order, whoever has rows.  There is memory for all of them at
    once, as what fails later leaves the others waiting.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    gradients : list of ndarray of shape (size,)
        Of this rank's parts.
    counts : list of int
        How many parts each rank has.
    starts : list of int
        Where layers begin in a gradient, the last one first: `Plan.layer_starts`.
    room : callable
        Memory of a name and a shape, which is kept for the next batch.
    wait : callable
        Until a request is done.
    """

    def __init__(
        self,
        comm: Any,
        gradients: list[Array],
        counts: list[int],
        starts: list[int],
        room: Room,
        wait: Callable[[Any], None],
    ) -> None:
        self._comm, self._gradients, self._counts, self._wait = comm, gradients, counts, wait
        size = len(gradients[0])
        self._total = room("total", (size,))
        self._left = [self._piece(room, *each) for each in reversed(cuts(size, starts))]
        self._pieces: list[Piece] = []  # that are on their way, or have come
        self._shared: list[Any] = []  # requests of the sums that are given to all

    def ready(self, first: int) -> None:
        """Elements from `first` on are done in all of this rank's gradients."""
        if self._left and self._left[-1].start >= first:
            while self._left and self._left[-1].start >= first:
                self._send(self._left.pop())
                self._share(len(self._pieces) - BEHIND)
        elif not getattr(self._comm, "moves_alone", False):
            self._move()

    def total(self) -> Array:
        """The sum, (size,), once all of it has come; it holds until the next exchange."""
        self._share(len(self._pieces))
        for request in self._shared:
            self._wait(request)
        return self._total

    def _piece(self, room: Room, start: int, end: int) -> Piece:
        ranks = self._comm.size
        ends = (end - start) * np.arange(ranks + 1) // ranks
        sizes = np.diff(ends)
        received = room(f"from {start}", (sum(self._counts), int(sizes[self._comm.rank])))
        return Piece(start, end, sizes, ends[:-1], received, [])

    def _send(self, piece: Piece) -> None:
        rank, ranks, counts, received = self._comm.rank, self._comm.size, self._counts, piece.received
        own, before = received.shape[1], np.cumsum([0, *counts[:-1]])  # gradients of earlier ranks
        others = np.arange(ranks) != rank
        for turn in range(max(counts)):
            has = np.array([turn < count for count in counts], np.int64)
            of_turn = (self._gradients[turn] if has[rank] else self._total)[piece.start : piece.end]
            into = [received.reshape(-1), (has * others * own, has * (before + turn) * own)]
            sent = [of_turn, (has[rank] * others * piece.sizes, piece.starts)]
            piece.coming.append(self._comm.Ialltoallv(sent, into))
        first = piece.start + int(piece.starts[rank])
        for turn in range(counts[rank]):
            received[before[rank] + turn] = self._gradients[turn][first : first + own]
        self._pieces.append(piece)

    def _share(self, count: int) -> None:
        """Gives the sums of the first pieces to all: of as many in each rank, as the others wait for them."""
        for piece in self._pieces[len(self._shared) : max(count, 0)]:
            for request in piece.coming:
                self._wait(request)
            piece.coming = []
            total = piece.received[0]
            for of_part in piece.received[1:]:
                total += of_part
            into = [self._total[piece.start : piece.end], (piece.sizes, piece.starts)]
            self._shared.append(self._comm.Iallgatherv(total, into))

    def _move(self) -> None:
        """MPI moves what is on its way while somebody looks at it."""
        for requests in (*(piece.coming for piece in self._pieces), self._shared):
            for request in requests:
                request.Test()
