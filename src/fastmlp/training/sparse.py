"""Sparse matrices of SciPy as X: rows are made dense some at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import validation
from ..validation import is_sparse

Array = np.ndarray[Any, Any]

CHUNK = 2**22  # bytes of rows made dense at a time: they stay in a cache


def as_csr(X: Any, n_in: int, dtype: np.dtype[Any], argument: str) -> Any:
    """A CSR matrix of shape (rows, n_in), of the dtype and finite."""
    if X.shape[1:] != (n_in,):
        raise ValueError(f"{argument} has shape {X.shape}, expected (rows, {n_in})")
    if X.shape[0] == 0:
        raise ValueError(f"{argument} is empty with shape {X.shape}, expected at least one row")
    if X.dtype.kind not in "biuf":
        raise TypeError(f"{argument} holds {X.dtype}, expected real numbers")
    csr = X.tocsr()
    if not csr.has_canonical_format:  # an element in parts, whose sum may round in the dtype
        csr = csr.copy()
        csr.sum_duplicates()
    with np.errstate(over="ignore"):
        converted = csr.astype(dtype, copy=False)
    wrong = np.flatnonzero(~np.isfinite(converted.data))
    if len(wrong):
        row = int(np.searchsorted(csr.indptr, wrong[0], side="right")) - 1
        found = np.asarray(X.dtype.type(csr.data[wrong[0]]))
        try:
            validation.check_finite(converted.data[wrong[:1]], argument, found.reshape(1))
        except ValueError as error:
            where = validation.place((row, int(csr.indices[wrong[0]])))
            raise ValueError(str(error).replace("row 0", where, 1)) from None
    return converted


def dense(X: Any, chosen: slice | Array) -> Array:
    """Some rows as an array."""
    if is_sparse(X):
        return np.asarray(X[chosen].toarray(order="C"))
    return np.asarray(X[chosen] if isinstance(chosen, slice) else X.take(chosen, axis=0))


def chunk_rows(X: Any) -> int:
    """How many rows make a chunk."""
    return max(1, CHUNK // (X.shape[1] * X.dtype.itemsize))


def chunks(X: Any) -> list[slice]:
    """Slices of the rows, of which each but the last is a chunk.

    >>> import numpy as np
    >>> chunks(np.empty((3, 2**19), "float32"))
    [slice(0, 2, None), slice(2, 4, None)]
    """
    step = chunk_rows(X)
    return [slice(first, first + step) for first in range(0, X.shape[0], step)]
