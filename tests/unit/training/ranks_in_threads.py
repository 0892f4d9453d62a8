"""A communicator whose ranks are threads, with the few methods of mpi4py's that `fit` calls."""

from __future__ import annotations

import contextlib
import signal
import threading

import numpy as np


class World:
    """What its ranks share: of each collective, in their order, what every rank has sent."""

    def __init__(self, size):
        self.size = size
        self.lock = threading.Lock()
        self.sent = {}

    def ranks(self):
        return [Rank(self, rank) for rank in range(self.size)]


class Rank:
    def __init__(self, world, rank):
        self.world, self.rank, self.size = world, rank, world.size
        self.calls = 0

    def Iallgather(self, sent, received):
        def take(all_sent):
            received[...] = np.concatenate([array for _, array in all_sent]).reshape(received.shape)

        return self._begin("Iallgather", np.array(sent), take)

    def Iallgatherv(self, sent, received):
        array, (counts, places) = received

        def take(all_sent):
            for (_, theirs), count, place in zip(all_sent, counts, places, strict=True):
                array[place : place + count] = theirs

        return self._begin("Iallgatherv", np.array(sent), take)

    def Ialltoallv(self, sent, received):
        array, (counts, places) = sent
        into, (own_counts, own_places) = received

        def take(all_sent):
            for (_, theirs), count, place in zip(all_sent, own_counts, own_places, strict=True):
                assert theirs[self.rank].size == count
                into.reshape(-1)[place : place + count] = theirs[self.rank]

        pieces = [array[place : place + count].copy() for count, place in zip(counts, places, strict=True)]
        return self._begin("Ialltoallv", pieces, take)

    def _begin(self, name, sent, take):
        with self.world.lock:
            mine = self.world.sent.setdefault(self.calls, {})
            mine[self.rank] = (name, sent)
            self.calls += 1
        return Request(self.world, mine, take)


class Request:
    def __init__(self, world, sent, take):
        self.world, self.sent, self.take = world, sent, take

    def Test(self):
        with self.world.lock:
            if len(self.sent) < self.world.size:
                return False
        assert len({name for name, _ in self.sent.values()}) == 1, "ranks call other collectives"
        self.take([self.sent[rank] for rank in range(self.world.size)])
        return True


@contextlib.contextmanager
def alarmed():
    """Ends the main thread where it waits for ever."""

    def ring(number, frame):
        raise AssertionError("the main rank waits for the others")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def together(size, work, main=None):
    """What `work(comm)` returns or raises on every rank; AssertionError where one of them hangs.

    The rank `main` is Python's main thread, which hears of signals.
    """
    found = [None] * size

    def run(comm):
        try:
            found[comm.rank] = work(comm)
        except BaseException as error:
            found[comm.rank] = error

    ranks = World(size).ranks()
    threads = [threading.Thread(target=run, args=(c,), daemon=True) for c in ranks if c.rank != main]
    for thread in threads:
        thread.start()
    if main is not None:
        with alarmed():
            run(ranks[main])
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads), "a rank waits for the others"
    return found
