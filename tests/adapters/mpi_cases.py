"""Run by mpiexec: `mpi_cases.py CASE FOLDER`; each rank leaves what the tests look at in the folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import fastmlp
from fastmlp import Dense, Dropout, Network, optimizers
from fastmlp.callbacks import Callback, CSVLogger, EarlyStopping, ModelCheckpoint
from fastmlp.mpi import local_rows
from fastmlp.schedules import OneCycle
from fastmlp.training import pulse, shards

ROWS, SHARDS, EPOCHS, SIZE = 203, 4, 3, 20  # eleven batches an epoch
OPTIONS = {"shards": SHARDS, "epochs": EPOCHS, "batch_size": SIZE}


def rows():
    rng = np.random.default_rng(3)
    return rng.normal(size=(ROWS, 9)).astype(np.float32), rng.integers(0, 3, ROWS)


def network():
    net = Network([9, Dense(70, "relu"), Dropout(0.3), Dense(33, "tanh"), 3], output="softmax", seed=5)
    net.compile(optimizers.AdamW(OneCycle(0.02, 33), global_clipnorm=0.5), metrics=["accuracy", "auc"])
    return net


def everything(net):
    return [*net.get_weights(), *(array for slot in net.plan.get_state()["slots"] for array in slot)]


def leave(folder, rank, net, history):
    np.savez(folder / f"rank-{rank}.npz", *everything(net), *map(np.array, history.history.values()))


class AtBatch(Callback):
    """Does something once a rank has made a number of steps."""

    def __init__(self, here, what, step=15):
        self.here, self.what, self.step = here, what, step

    def on_train_batch_end(self, batch, logs):
        if self.here and self.network.plan.batches == self.step:
            self.what()


def bits(comm, folder):
    X, y = rows()
    net = network()
    own = [local_rows(a, comm, SHARDS) for a in (X, y)]
    callbacks = [
        EarlyStopping(patience=9),
        CSVLogger(folder / "log.csv"),
        ModelCheckpoint(folder / "net.npz"),
    ]
    history = net.fit(*own, comm=comm, validation_data=(X[:50], y[:50]), callbacks=callbacks, **OPTIONS)
    leave(folder, comm.rank, net, history)


def ends(comm, folder, what):
    X, y = rows()
    keep = ModelCheckpoint(folder / "run.npz", save_freq=4, include_optimizer=True)
    network().fit(
        *(local_rows(a, comm, SHARDS) for a in (X, y)),
        comm=comm,
        callbacks=[keep, AtBatch(comm.rank == 2, what)],
        **OPTIONS,
    )


def killed(comm, folder):
    ends(comm, folder, lambda: os.kill(os.getpid(), signal.SIGKILL))


def silent(comm, folder):
    pulse.SILENT = 8  # looks, half a second each
    ends(comm, folder, lambda: os.kill(os.getpid(), signal.SIGSTOP))


def unplugged(comm, folder):
    """The cable between two hosts is pulled on the second."""
    (folder / f"process-{comm.rank}").write_text(str(os.getpid()))
    pulse.SILENT = 8
    X, y = rows()
    cable = ["ip", "link", "set", os.environ["FASTMLP_TEST_CABLE"], "down"]
    pull = AtBatch(comm.rank == 1, lambda: subprocess.run(cable, check=True))
    network().fit(*(local_rows(a, comm, SHARDS) for a in (X, y)), comm=comm, callbacks=[pull], **OPTIONS)


def fails(comm, folder):
    def no_room():
        raise OSError("no room for the log")

    ends(comm, folder, no_room)


def slow(comm, folder):
    """A rank that takes longer than the others wait for one of which they hear nothing."""
    pulse.SILENT = 8
    X, y = rows()
    net = network()
    wait = AtBatch(comm.rank == 2, lambda: time.sleep(7))
    history = net.fit(*(local_rows(a, comm, SHARDS) for a in (X, y)), comm=comm, callbacks=[wait], **OPTIONS)
    leave(folder, comm.rank, net, history)


def resumed(comm, folder):
    X, y = rows()
    net = fastmlp.load(folder / "run.npz")
    history = net.fit(*(local_rows(a, comm, SHARDS) for a in (X, y)), comm=comm, resume=True, **OPTIONS)
    leave(folder, comm.rank, net, history)


def told(comm, folder):
    """Fits that all ranks refuse alike, one after another, and one that is right in the end."""
    X, y = (local_rows(a, comm, SHARDS) for a in rows())
    second, version = comm.rank == 1, shards.__version__
    cases = [
        (X[:, :8] if second else X, y, {}),
        (X[:0] if second else X, y[:0] if second else y, {}),
        (X, y, {"batch_size": 21 if second else 20}),
        (X, y, {"version": "0.0.7" if second else version}),
        (X, y, {"seed": 6 if second else 5}),
    ]
    said = []
    for own_X, own_y, changes in cases:
        net, options = network(), {**OPTIONS, **changes}
        shards.__version__ = options.pop("version", version)
        net.seed = options.pop("seed", 5)
        try:
            net.fit(own_X, own_y, comm=comm, **options)
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    shards.__version__ = version
    net = network()
    leave(folder, comm.rank, net, net.fit(X, y, comm=comm, **OPTIONS))
    (folder / f"said-{comm.rank}.txt").write_text("\n".join(said), encoding="utf-8")


if __name__ == "__main__":
    from mpi4py import MPI

    globals()[sys.argv[1]](MPI.COMM_WORLD, Path(sys.argv[2]))
