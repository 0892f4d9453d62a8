"""`Pulse`: ranks hear of each other every few seconds, and all end where one is silent."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from typing import Any

import numpy as np

NEEDED = ("Dup", "Isend", "Iprobe", "Recv", "Abort", "Free")
LOOK = 0.5  # seconds between two looks at what has come
BEAT = 4  # looks between two beats of this rank
SILENT = 80  # looks without one of another rank, after which it counts as lost
GRACE = 5  # seconds that MPI has to end this process
TAG = 1


class Pulse:
    """A thread that tells the other ranks that this one lives, while the main one computes or waits.

    A rank that was killed, whose machine was lost or that hangs would leave the others waiting.  Looks are
    counted, not seconds, so that ranks which were all stopped for a while do not miss one another.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        All ranks begin their pulse together, and end it so.

    Attributes
    ----------
    beats : int
        How often this rank has told the others.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm.Dup()  # so that nobody else receives what is sent here
        self._others = [rank for rank in range(comm.size) if rank != comm.rank]
        self._heard = dict.fromkeys(self._others, 0)  # the look at which each was last heard
        self._received = dict.fromkeys(self._others, 0)
        self._sent: list[Any] = []
        self._looks = self.beats = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fastmlp pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing is sent from now on."""
        self._ends.set()
        self._thread.join()

    def close(self, beats: list[int]) -> None:
        """Receives what is on its way, once all have stopped and said how often they sent."""
        for rank in self._others:
            while self._received[rank] < beats[rank]:
                self._receive(rank)
        for request in self._sent:
            request.Wait()
        self._comm.Free()

    def _run(self) -> None:
        try:
            while not self._ends.wait(LOOK):
                self._look()
        except Exception as error:  # of MPI: a connection is lost
            self._end(f"the connection to the other ranks is lost: {error}")

    def _look(self) -> None:
        self._looks += 1
        if self._looks % BEAT == 0:
            self._sent = [request for request in self._sent if not request.Test()]
            self._sent += [
                self._comm.Isend(np.zeros(1, np.uint8), dest=rank, tag=TAG) for rank in self._others
            ]
            self.beats += 1
        for rank in self._others:
            while self._comm.Iprobe(source=rank, tag=TAG):
                self._receive(rank)
            if self._looks - self._heard[rank] > SILENT:
                self._end(f"rank {rank} has not been heard of for {SILENT * LOOK:.0f} seconds")

    def _receive(self, rank: int) -> None:
        self._comm.Recv(np.empty(1, np.uint8), source=rank, tag=TAG)
        self._heard[rank] = self._looks
        self._received[rank] += 1

    def _end(self, said: str) -> None:
        """Ends the processes of all ranks, as the main threads may wait for what never comes."""
        rest = "all ranks end; fit(resume=True) goes on from the last checkpoint"
        print(f"fastmlp on rank {self._comm.rank}: {said}, {rest}", file=sys.stderr, flush=True)
        # Abort waits for a launcher that cannot be reached, and holds the interpreter's lock meanwhile
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(GRACE, exit=True, file=nowhere)
            self._comm.Abort(1)
            faulthandler.cancel_dump_traceback_later()


def pulse_of(comm: Any) -> Pulse | None:
    """The pulse of ranks that have begun; None where MPI takes no calls of several threads."""
    if comm.size == 1 or not all(hasattr(comm, name) for name in NEEDED):
        return None
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Query_thread() < mpi.THREAD_MULTIPLE:
        return None
    return Pulse(comm)
