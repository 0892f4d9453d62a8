"""MPI: one network on several processes or machines, trained by `Network.fit(comm=)`."""

from .adapters.mpi import local_rows

__all__ = ["local_rows"]
