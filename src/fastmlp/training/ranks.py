"""`Ranks`: the processes of an MPI communicator as a team."""

from __future__ import annotations

import math
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ..model import Array
from .exchange import Exchange
from .pulse import pulse_of

NEEDED = ("rank", "size", "Iallgather", "Iallgatherv", "Ialltoallv")
_SPIN = 0.2  # seconds of waiting after which a rank sleeps between two looks
_NAP = 0.001


class Ranks:
    """A team of the processes of an mpi4py communicator, or of an object with the same few methods.

    Ranks meet: each brings where it is in the fit and what the others are to have, or the error that ended
    it.  So an error of one is raised in all at the next meeting.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        `rank`, `size`, and the collectives of buffers `Iallgather`, `Iallgatherv` and `Ialltoallv`.  With a
        true `moves_alone` messages need nobody who looks at them while gradients are computed, as MPI's do.
    """

    def __init__(self, comm: Any) -> None:
        lacking = [name for name in NEEDED if not hasattr(comm, name)]
        if lacking:
            came = f"comm is a {type(comm).__name__} without {lacking[0]}"
            raise TypeError(f"{came}, expected a communicator of mpi4py, or an object with its methods")
        self.rank, self.size = int(comm.rank), int(comm.size)
        self._comm = comm
        self._heard: BaseException | None = None  # what ended a meeting, which all know
        self._late: KeyboardInterrupt | None = None  # Ctrl-C that waits for the next meeting
        self._rooms: dict[str, Array] = {}
        self._most_parts = 0  # whose gradients there is memory for

    @contextmanager
    def together(self) -> Iterator[None]:
        self.gather("the begin of the fit", None)
        pulse = pulse_of(self._comm)
        try:
            yield
            self.gather("the end of the fit", None)
        except BaseException as error:
            if error is self._heard:
                raise
            raise self._tell(error) from error
        finally:
            if pulse is not None:
                pulse.stop()
                pulse.close(self._exchange(pulse.beats))

    def gather(self, where: str, own: Any) -> list[Any]:
        if self._late is not None:
            late, self._late = self._late, None
            raise self._tell(late)
        return self._meet((where, own, None))

    def interrupted(self, error: KeyboardInterrupt) -> None:
        if error is not self._heard:
            joint = self._tell(error)
            if not isinstance(joint, KeyboardInterrupt):
                raise joint

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        of_python = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(of_python):
            yield
            return
        heard: list[int] = []
        signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, of_python)
            if heard:
                try:
                    of_python(heard[0], None)
                except KeyboardInterrupt as error:
                    self._late = error

    def exchange(self, gradients: list[Array], counts: list[int], starts: list[int]) -> Exchange:
        room = partial(self._room, gradients[0].dtype)
        begun = Exchange(self._comm, gradients, counts, starts, room, self._wait)
        if sum(counts) > self._most_parts:
            self._most_parts = sum(counts)
            self.gather("the memory for gradients", None)  # which is new, and a rank may lack it
        return begun

    def _room(self, dtype: np.dtype[Any], name: str, shape: tuple[int, ...]) -> Array:
        size, kept = math.prod(shape), self._rooms.get(name)
        if kept is None or len(kept) < size:
            kept = self._rooms[name] = np.empty(size, dtype)
        return kept[:size].reshape(shape)

    def _tell(self, error: BaseException) -> BaseException:
        """Meets the others with an error; the one that all raise."""
        try:
            self._meet(("an error", None, (type(error), str(error))))
        except BaseException as joint:
            return joint
        raise AssertionError("a meeting with an error ends in one")

    def _meet(self, own: tuple[str, Any, tuple[type[BaseException], str] | None]) -> list[Any]:
        met = self._exchange(own)
        failures = {rank: failure for rank, (_, _, failure) in enumerate(met) if failure is not None}
        if failures:
            self._heard = _joint(failures, self.size)
            raise self._heard
        places = [where for where, _, _ in met]
        for rank, where in enumerate(places):
            if where != places[0]:
                came = f"rank 0 is at {places[0]} and rank {rank} at {where}"
                self._heard = RuntimeError(
                    f"{came}, expected the same fit, and callbacks alike, on each rank"
                )
                raise self._heard
        return [what for _, what, _ in met]

    def _exchange(self, own: Any) -> list[Any]:
        """Every rank's object, pickled on the way."""
        text = np.frombuffer(_pickled(own), np.uint8)
        counts = np.empty(self.size, np.int64)
        with self.undisturbed():
            self._wait(self._comm.Iallgather(np.array([len(text)], np.int64), counts))
            ends = np.cumsum(counts)
            texts = np.empty(int(ends[-1]), np.uint8)
            self._wait(self._comm.Iallgatherv(text, [texts, (counts, ends - counts)]))
        return [pickle.loads(one.tobytes()) for one in np.split(texts, ends[:-1])]

    def _wait(self, request: Any) -> None:
        """Until the others have taken part too."""
        start = time.monotonic()
        while not request.Test():
            time.sleep(0 if time.monotonic() - start < _SPIN else _NAP)


def _pickled(own: Any) -> bytes:
    """A class of errors that cannot be pickled goes as its name."""
    try:
        return pickle.dumps(own)
    except Exception:
        where, what, failure = own
        if failure is None:
            raise
        kind, text = failure
        return pickle.dumps((where, what, (RuntimeError, f"{kind.__name__}: {text}")))


def _joint(failures: dict[int, tuple[type[BaseException], str]], size: int) -> BaseException:
    """The one error of all ranks: the first one's, before Ctrl-C; it names the rank where others are well."""
    errors = {rank: failure for rank, failure in failures.items() if failure[0] is not KeyboardInterrupt}
    if not errors:
        return KeyboardInterrupt()
    rank, (kind, text) = next(iter(errors.items()))
    alike = len(failures) == size and len(set(failures.values())) == 1
    said = text if alike else f"rank {rank}: {text}"
    try:
        return kind(said)
    except Exception:  # a class with arguments of its own
        return RuntimeError(f"{kind.__name__}: {said}")
