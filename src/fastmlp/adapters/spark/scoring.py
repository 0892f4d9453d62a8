"""A model as a function of Spark's columns."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import validation
from ...errors import shown
from ...optional import require
from ..carried import Scorer

Array = np.ndarray[Any, Any]

GROUP = "spark"
_TYPES = {"f4": "FloatType", "f8": "DoubleType", "i8": "LongType", "b1": "BooleanType"}  # others are words


def predict_udf(
    net: Any, *, method: str = "predict", batch_size: int = 4096, threads: int | None = 1
) -> Callable[..., Any]:
    """The model as a function of Spark's columns, by `pyspark.ml.functions.predict_batch_udf`.

    The model goes to the executors as its file, as it is at this call, and is opened once in each of their
    Python processes.  Neither partitions nor batches change a bit of the result.

    Parameters
    ----------
    net : Network, TabularClassifier or TabularRegressor
    method : str
        "predict", "predict_proba" or, of a network, "predict_classes".
    batch_size : int
        Rows that are predicted at once, at least 1.
    threads : int, optional
        At most this many threads inside an executor's Python process; None leaves it to
        `fastmlp.set_num_threads`.

    Returns
    -------
    callable
        Takes names of columns, or columns, and gives a column.  Of a network: one column of arrays of n_in
        numbers, or n_in columns of numbers.  Of a tabular estimator: the names of the columns that it was
        trained on; without arguments it takes all of these.  The values are float or double, bigint, boolean
        or string, or arrays of them where the method gives several for a row.

    Raises
    ------
    ImportError
        Without the package pyspark.
    ValueError, TypeError
        If an argument does not fit; of the returned function, if the columns are not the model's.

    Examples
    --------
    With a session and a data frame of the columns a, b, c and d::

        net = fastmlp.Network([4, 8, 3], output="softmax", seed=0)
        predict = fastmlp.spark.predict_udf(net)
        frame.withColumn("probabilities", predict("a", "b", "c", "d"))

    >>> import fastmlp, fastmlp.spark
    >>> predict = fastmlp.spark.predict_udf(fastmlp.Network([4, 1], seed=0))
    >>> predict("a", "b")
    Traceback (most recent call last):
    ValueError: X has 2 columns, expected 4
    """
    functions = require("pyspark.ml.functions", GROUP)
    scorer = Scorer(net, method, threads)
    size = validation.integer(batch_size, "batch_size", 1)

    def predict(*columns: Any) -> Any:
        names, shapes = _names(scorer, net, columns), None
        if scorer.names is None and len(columns) == 1:
            form, shapes = scorer.form(scorer.width), [[scorer.width]]
        else:
            form = scorer.form(names if scorer.names is not None else len(names))
        udf = functions.predict_batch_udf(
            _maker(scorer, names, shapes is not None),
            return_type=_type_of(form),
            batch_size=size,
            input_tensor_shapes=shapes,
        )
        return udf(*(columns or names))

    return predict


def _names(scorer: Scorer, net: Any, columns: tuple[Any, ...]) -> list[str]:
    """The names under which the model knows the columns."""
    if scorer.names is None:
        return [f"x{i}" for i in range(len(columns))]
    for column in columns:
        if not isinstance(column, str):
            came, finds = type(column).__name__, f"by which a {type(net).__name__} finds them"
            raise TypeError(f"columns holds a {came}, expected names, {finds}")
    if len(set(columns)) < len(columns):
        raise ValueError(f"columns is {shown(columns)}, expected each name once")
    return list(columns) or scorer.names


def _maker(scorer: Scorer, names: list[str], of_arrays: bool) -> Callable[[], Any]:
    """What an executor calls once for the function that it calls with batches."""

    def predict(*columns: Array) -> Array:
        if of_arrays:
            return _plain(scorer(columns[0]))
        if scorer.names is None:
            return _plain(scorer(np.column_stack(columns)))
        return _plain(scorer.of_columns(dict(zip(names, columns, strict=True))))

    # Spark counts the parameters, and gives that many columns.
    parameters = [
        inspect.Parameter(f"column_{i}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for i in range(len(names))
    ]
    predict.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return lambda: predict


def _plain(predictions: Array) -> Array:
    """Words as Spark takes them."""
    return predictions.astype(object) if predictions.dtype.kind == "U" else predictions


def _type_of(form: Array) -> Any:
    types = require("pyspark.sql.types", GROUP)
    each = getattr(types, _TYPES.get(form.dtype.str[1:], "StringType"))()
    return types.ArrayType(each) if form.ndim == 2 and form.shape[1] > 1 else each
