"""`Mail`: a communicator for `Network.fit(comm=)` between Dask's workers, whose letters its actors carry."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Places = tuple[Any, Any]  # counts and places of all ranks

PAUSE = 0.02  # seconds that a look at what has come may take
KEPT = 64  # letters after which a rank looks which of them have arrived


class Lost(ConnectionError):
    """A worker does not answer: the fit begins anew."""


class Mailbox:
    """What the other ranks of a fit send to one: an actor on the worker of that rank.

    Its methods are coroutines, so that they run beside the training, whatever the worker's threads do.
    """

    def __init__(self, fit: str, rank: int) -> None:
        self._arrived: dict[tuple[int, int], Array] = {}  # by the number of the call and the sender
        self._changed = threading.Condition()
        _boxes[fit, rank] = self

    async def put(self, call: int, sender: int, letter: Array) -> None:
        """Takes what a rank sends."""
        with self._changed:
            self._arrived[call, sender] = letter
            self._changed.notify_all()

    def take(self, call: int, senders: Iterable[int]) -> list[Array] | None:
        """The letters of a call, or None where some have not come within a moment."""
        keys = [(call, sender) for sender in senders]
        with self._changed:
            if not self._arrived.keys() >= set(keys):
                self._changed.wait(PAUSE)
            if not self._arrived.keys() >= set(keys):
                return None
            return [self._arrived.pop(key) for key in keys]


# Dask alone holds them: a fit that its client gives up, or whose client has gone, loses them and ends.
_boxes: weakref.WeakValueDictionary[tuple[str, int], Mailbox] = weakref.WeakValueDictionary()


class Mail:
    """The methods of mpi4py's communicators that `Network.fit` calls.

    Parameters
    ----------
    fit : str
        A name that no other fit has.
    rank : int
    boxes : list of distributed.Actor
        The mailbox of every rank.
    """

    moves_alone = True  # the workers' event loops carry letters while their threads compute

    def __init__(self, fit: str, rank: int, boxes: list[Any]) -> None:
        self.rank, self.size = rank, len(boxes)
        self._own, self._boxes = (fit, rank), boxes
        self._calls = 0
        self._sent: list[Any] = []

    def Iallgather(self, sent: Array, received: Array) -> Letters:
        """Every rank's array of one number."""
        ones = np.ones(self.size, np.int64)
        return self.Iallgatherv(sent, [received, (ones, np.arange(self.size))])

    def Iallgatherv(self, sent: Array, received: list[Any]) -> Letters:
        """Every rank's array, at its place in one."""
        own = sent.copy()  # on its way when the caller has gone on
        return self._begin([own] * self.size, own, received)

    def Ialltoallv(self, sent: list[Any], received: list[Any]) -> Letters:
        """Pieces of an array, one to each rank."""
        array, (counts, places) = sent
        pieces = [array[place : place + count].copy() for count, place in zip(counts, places, strict=True)]
        return self._begin(pieces, pieces[self.rank], received)

    def flush(self) -> None:
        """Until all that was sent has arrived."""
        self._look(wait=True)

    def _begin(self, pieces: list[Array], own: Array, received: list[Any]) -> Letters:
        into, (counts, places) = received
        call, self._calls = self._calls, self._calls + 1
        for rank, piece in enumerate(pieces):
            if rank != self.rank and len(piece):
                self._send(rank, call, piece)
        slots = {
            rank: into.reshape(-1)[place : place + count]
            for rank, (count, place) in enumerate(zip(counts, places, strict=True))
            if count
        }
        if self.rank in slots:
            slots.pop(self.rank)[...] = own
        return Letters(lambda: self._take(call, slots))

    def _send(self, rank: int, call: int, piece: Array) -> None:
        try:
            self._sent.append(self._boxes[rank].put(call, self.rank, piece))
        except RuntimeError as error:  # of an actor that is known to be lost
            raise Lost(str(error)) from error

    def _take(self, call: int, slots: dict[int, Array]) -> bool:
        box = _boxes.get(self._own)
        if box is None:
            raise Lost(f"the mailbox of rank {self.rank} is lost")
        letters = box.take(call, slots)
        if letters is None:
            self._look(wait=False)
            return False
        for slot, letter in zip(slots.values(), letters, strict=True):
            slot[...] = letter
        if len(self._sent) > KEPT:
            self._look(wait=False)
        return True

    def _look(self, *, wait: bool) -> None:
        """Lost where a letter did not arrive."""
        for letter in self._sent:
            if wait or letter.done():
                try:
                    letter.result()
                except Exception as error:  # of the network, or of a worker without this mailbox
                    raise Lost(str(error)) from error
        self._sent = [] if wait else [letter for letter in self._sent if not letter.done()]


class Letters:
    """A request of mpi4py's: whether all of a call have come."""

    def __init__(self, take: Callable[[], bool]) -> None:
        self._take = take

    def Test(self) -> bool:
        """Looks for a moment, so that nobody needs to look all the time."""
        return self._take()
