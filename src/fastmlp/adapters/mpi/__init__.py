"""Rows for `Network.fit(comm=)`: what each process of an MPI communicator takes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import validation
from ...training.shards import Parts


def local_rows(array: Any, comm: Any, shards: int | None = None) -> Any:
    """The rows of this rank: of an array that each can read, as one that is mapped from a file.

    Parts go to ranks as they come, and their rows with them, both as `numpy.array_split` cuts them.

    Parameters
    ----------
    array : ndarray or sequence of shape (rows, ...)
        It is sliced, so of a memory map nothing is read here.
    comm : mpi4py.MPI.Comm
        Or any object with its `rank` and `size`.
    shards : int, optional
        As in `Network.fit`: the parts of all rows; None is one for each rank.

    Returns
    -------
    array or sequence of shape (rows of this rank, ...)
        For X, y and `sample_weight` of `Network.fit`.

    Raises
    ------
    ValueError
        If there are fewer parts than ranks, or fewer rows than parts.

    Examples
    --------
    >>> import types
    >>> import numpy as np
    >>> from fastmlp.mpi import local_rows
    >>> second = types.SimpleNamespace(rank=1, size=2)
    >>> local_rows(np.arange(10), second, shards=4)
    array([6, 7, 8, 9])
    """
    rows = array.shape[0] if hasattr(array, "shape") else len(array)
    shards = validation.integer(comm.size if shards is None else shards, "shards", comm.size, rows)
    own = np.array_split(np.arange(shards), comm.size)[comm.rank]
    ends = Parts(rows, shards, range(0)).ends
    first, last = int(own[0]), int(own[-1])
    return array[int(ends[first - 1]) if first else 0 : int(ends[last])]
