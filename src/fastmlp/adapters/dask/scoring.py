"""Predictions of Dask arrays and data frames."""

from __future__ import annotations

from typing import Any

from ...optional import require
from ..carried import Scorer

GROUP = "dask"


def predict(net: Any, X: Any, *, method: str = "predict", threads: int | None = 1) -> Any:
    """The model's answer to every row of a Dask array or data frame, when it is computed.

    Each partition is predicted where it is.  The model goes there as its file, once to a worker, as it is at
    this call.  Neither partitions nor workers change a bit of the result.

    Parameters
    ----------
    net : Network, TabularClassifier or TabularRegressor
    X : dask.array.Array of shape (rows, columns) or dask.dataframe.DataFrame
        Chunks of rows of any sizes, unknown ones too.  A network takes the columns in their order.
    method : str
        "predict", "predict_proba" or, of a network, "predict_classes".
    threads : int, optional
        At most this many threads for each partition; None leaves it to `fastmlp.set_num_threads`.  Dask's
        workers predict as many partitions at once as they have threads.

    Returns
    -------
    dask.array.Array, dask.dataframe.DataFrame or dask.dataframe.Series
        What the method gives of all rows, with the chunks of X; of a data frame a data frame with its index
        and the columns 0, 1, ..., or a series where the method gives one value for each row.

    Raises
    ------
    ImportError
        Without the package dask.
    ValueError, TypeError
        If X is neither or its columns are not the model's; when it is computed, if a partition has values
        that the model refuses: the sentence has the number of the partition and the row in it.

    Examples
    --------
    >>> import dask.array as da
    >>> import fastmlp.dask
    >>> net = fastmlp.Network([4, 8, 3], output="softmax", seed=0)
    >>> X = da.random.default_rng(0).normal(size=(1000, 4), chunks=(300, 4))
    >>> fastmlp.dask.predict(net, X)
    dask.array<fastmlp-predict, shape=(1000, 3), dtype=float32, chunksize=(300, 3), chunktype=numpy.ndarray>
    >>> fastmlp.dask.predict(net, X, method="predict_classes").compute().shape
    (1000,)
    """
    dask = require("dask", GROUP)
    scorer = Scorer(net, method, threads)
    dimensions = getattr(X, "ndim", None)
    if not dask.is_dask_collection(X) or dimensions is None:
        raise TypeError(f"X is a {type(X).__name__}, expected a Dask array or data frame")
    if dimensions != 2:
        raise ValueError(f"X.ndim is {dimensions}, expected 2: (rows, columns)")
    sent = dask.delayed(scorer, name=scorer.name, traverse=False)  # a node of its own: once to a worker
    return _of_frame(scorer, sent, X) if hasattr(X, "map_partitions") else _of_array(scorer, sent, X)


def _of_array(scorer: Scorer, sent: Any, X: Any) -> Any:
    form = scorer.form(X.shape[1])
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    chunks = (X.chunks[0], *((width,) for width in form.shape[1:]))
    dropped = [1] if form.ndim == 1 else None
    expected = {"chunks": chunks, "drop_axis": dropped, "dtype": form.dtype, "meta": form}
    return X.map_blocks(_of_block, scorer=sent, token=f"fastmlp-{scorer.method}", **expected)


def _of_frame(scorer: Scorer, sent: Any, X: Any) -> Any:
    meta = _labelled(scorer.form(list(X.columns)), X._meta.index[:0])
    return X.map_partitions(_of_partition, sent, meta=meta, enforce_metadata=False)


def _of_block(block: Any, scorer: Scorer, block_id: tuple[int, ...] | None = None) -> Any:
    return _placed(scorer, block, 0 if block_id is None else block_id[0])


def _of_partition(frame: Any, scorer: Scorer, partition_info: dict[str, Any] | None = None) -> Any:
    number = 0 if partition_info is None else partition_info["number"]
    return _labelled(_placed(scorer, frame, number), frame.index)


def _placed(scorer: Scorer, block: Any, number: int) -> Any:
    """Predictions; what is wrong with a block is said with its number."""
    try:
        return scorer(block)
    except (TypeError, ValueError) as error:
        raise type(error)(f"partition {number} of X: {error}") from None


def _labelled(predictions: Any, index: Any) -> Any:
    pandas = require("pandas", GROUP)
    kind = pandas.Series if predictions.ndim == 1 else pandas.DataFrame
    return kind(predictions, index=index)
