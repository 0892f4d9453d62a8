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
    coming: list[Any]


class Exchange:
    """A reduce-scatter whose order is that of the parts, and an all-gather, piece by piece.

    All ranks make the same pieces in the same order.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    gradients : list of ndarray of shape (size,)
        Of this rank's parts.
    counts : list of int
        How many parts each rank has.
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
        room: Room,
        wait: Callable[[Any], None],
    ) -> None:
        self._comm, self._gradients, self._counts = comm, gradients, counts
        self._room, self._wait = room, wait
        self._left = len(gradients[0])  # elements before this one are not on their way
        self._total = room("total", gradients[0].shape)
        self._pieces: list[Piece] = []
        self._shared: list[Any] = []  # requests of the sums that are given to all

    def ready(self, first: int) -> None:
        """Elements from `first` on are done in all of this rank's gradients."""
        if self._left - first >= LEAST or first == 0 < self._left:
            self._send(first, self._left)
            self._left = first
            self._share(len(self._pieces) - BEHIND)
        elif not getattr(self._comm, "moves_alone", False):
            self._move()

    def total(self) -> Array:
        """The sum, (size,), once all of it has come; it holds until the next exchange."""
        self._share(len(self._pieces))
        for request in self._shared:
            self._wait(request)
        return self._total

    def _send(self, start: int, end: int) -> None:
        rank, ranks, counts = self._comm.rank, self._comm.size, self._counts
        ends = (end - start) * np.arange(ranks + 1) // ranks
        sizes, starts = np.diff(ends), ends[:-1]
        own, before = int(sizes[rank]), np.cumsum([0, *counts[:-1]])  # gradients of earlier ranks
        received = self._room(f"piece {len(self._pieces)}", (sum(counts), own))
        others = np.arange(ranks) != rank
        coming = []
        for turn in range(max(counts)):
            has = np.array([turn < count for count in counts], np.int64)
            of_turn = (self._gradients[turn] if has[rank] else self._total)[start:end]
            into = [received.reshape(-1), (has * others * own, has * (before + turn) * own)]
            coming.append(self._comm.Ialltoallv([of_turn, (has[rank] * others * sizes, starts)], into))
        mine = slice(start + int(starts[rank]), start + int(ends[rank + 1]))
        for turn in range(counts[rank]):
            received[before[rank] + turn] = self._gradients[turn][mine]
        self._pieces.append(Piece(start, end, sizes, starts, received, coming))

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
