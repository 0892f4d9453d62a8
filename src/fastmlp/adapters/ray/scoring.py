"""What `Dataset.map_batches` of Ray calls with batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import validation
from ...errors import listed
from ..carried import Scorer

Array = np.ndarray[Any, Any]


class Predictor:
    """A model for `ray.data.Dataset.map_batches`: adds a column of predictions to every batch.

    An object travels as the model's file and is opened once in each process.  The class itself does for
    actors, ``map_batches(Predictor, fn_constructor_args=(net,), concurrency=4)``.  Neither blocks nor batches
    change a bit of the result.

    Parameters
    ----------
    net : Network, TabularClassifier or TabularRegressor
    columns : str or sequence of str, optional
        Of a network: the column of rows of n_in numbers, or n_in columns of numbers; None is all columns in
        their order.  A tabular estimator takes those that it was trained on by their names.
    method : str
        "predict", "predict_proba" or, of a network, "predict_classes".
    output : str
        The name of the new column: one value for a row, or an array where the method gives several.
    threads : int, optional
        At most this many threads inside a worker; None leaves it to `fastmlp.set_num_threads`.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, or a batch lacks a column or has values that the model refuses.

    Examples
    --------
    >>> import numpy as np
    >>> import fastmlp, fastmlp.ray
    >>> predictor = fastmlp.ray.Predictor(fastmlp.Network([4, 1], seed=0), "pixels")
    >>> batch = predictor({"pixels": np.zeros((2, 4)), "id": np.array([7, 8])})
    >>> list(batch), batch["prediction"].shape
    (['pixels', 'id', 'prediction'], (2,))

    With Ray, ``data.map_batches(predictor, batch_size=4096)`` does so in its workers.
    """

    def __init__(
        self,
        net: Any,
        columns: str | Sequence[str] | None = None,
        *,
        method: str = "predict",
        output: str = "prediction",
        threads: int | None = 1,
    ) -> None:
        self._scorer = Scorer(net, method, threads)
        if not isinstance(output, str):
            raise TypeError(f"output is a {type(output).__name__}, expected a name")
        self._columns = None if columns is None else _names(columns)
        self._output = output

    def __call__(self, batch: dict[str, Array]) -> dict[str, Array]:
        """The batch and its predictions.

        Parameters
        ----------
        batch : dict
            Names to arrays of equally many rows: Ray's batch_format "numpy", its default.

        Returns
        -------
        dict
        """
        if not isinstance(batch, dict):
            raise TypeError(f"batch is a {type(batch).__name__}, expected a dict: batch_format='numpy'")
        found = self._predicted(batch)
        several = found.ndim == 2 and found.shape[1] > 1
        return {**batch, self._output: found if several else found.reshape(len(found))}

    def _predicted(self, batch: dict[str, Array]) -> Array:
        names = self._columns or self._scorer.names or list(batch)
        for name in names:
            if name not in batch:
                raise ValueError(f"batch lacks the column {name!r}, expected it among {listed(batch)}")
        chosen = {name: batch[name] for name in names}
        if self._scorer.names is not None:
            return self._scorer.of_columns(chosen)
        arrays = [np.asarray(array) for array in chosen.values()]
        return self._scorer(arrays[0] if len(arrays) == 1 and arrays[0].ndim > 1 else np.column_stack(arrays))


def _names(columns: object) -> list[str]:
    expected = "a name or a list of names"
    names = [columns] if isinstance(columns, str) else validation.as_list(columns, "columns", expected)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"columns holds a {type(name).__name__}, expected {expected}")
    return names
