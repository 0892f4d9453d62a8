"""Checks of what callers pass: the argument's name, what came and what was expected, in one sentence.

Nothing here changes its arguments; every function returns what the engine can take or raises TypeError or
ValueError.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeGuard

import numpy as np

from . import _kernels
from .errors import shown, unknown

Array = np.ndarray[Any, Any]

DTYPES = ("float32", "float64")
MAX_UNITS = 2**31 - 1
MOST_THREADS = 2**16
MOST_EPOCHS = 2**32 - 1  # an epoch has 32 bits in the counter of random numbers
_INDEX = np.dtype(np.int64)  # of classes
_KINDS = {
    "c": "complex numbers",
    "U": "strings",
    "S": "bytes",
    "V": "records",
    "M": "dates",
    "m": "durations",
}
_NUMPY_EXPORTS = ("__array__", "__array_interface__", "__array_struct__")
_DLPACK_CPU = 1  # kDLCPU of dlpack.h


# ---- single values ----


def integer(value: object, argument: str, minimum: int, maximum: int | None = None) -> int:
    """An int between the bounds; bool is refused, NumPy's integers are welcome."""
    bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    expected = f"an integer {bounds}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{argument} is {shown(value)}, expected {expected}") from None
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument} is {value}, expected {expected}")
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{argument} is {shown(number)}, expected {expected}")
    return number


def real(
    value: object,
    argument: str,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    maximum: float = math.inf,
) -> float:
    """A finite float with minimum <= value <= maximum and above < value < below."""
    number = value if type(value) is float else _as_float(value, argument)
    if math.isfinite(number) and minimum <= number <= maximum and above < number < below:
        return number
    bounds = [
        f"at least {minimum:g}" if minimum != -math.inf else "",
        f"above {above:g}" if above != -math.inf else "",
        f"at most {maximum:g}" if maximum != math.inf else "",
        f"below {below:g}" if below != math.inf else "",
    ]
    expected = " and ".join(bound for bound in bounds if bound)
    raise ValueError(f"{argument} is {number:g}, expected a finite number {expected}".rstrip())


def _as_float(value: object, argument: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.number)):
        raise TypeError(f"{argument} is {shown(value)}, expected a number")
    try:
        return float(value)
    except (TypeError, OverflowError):
        raise ValueError(f"{argument} is {shown(value)}, expected a finite number") from None


def boolean(value: object, argument: str) -> bool:
    """A bool; other truthy things are more likely a mistake."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{argument} is {shown(value)}, expected True or False")


def any_dtype(value: object, argument: str = "dtype") -> np.dtype[Any]:
    """NumPy's dtype of a name, a type or a dtype."""
    try:
        return np.dtype(value)  # type: ignore[call-overload]
    except MemoryError:
        raise
    except Exception:  # NumPy evaluates parts of a string as Python: SyntaxError, RecursionError and others
        raise ValueError(f"{argument} is {shown(value)}, expected a dtype of NumPy") from None


def as_matmul_precision(precision: Any, dtype: np.dtype[Any] | None = None) -> str:
    """One of "highest", "high" and "medium"; of float64 "highest" alone."""
    if not isinstance(precision, str) or precision not in ("highest", "high", "medium"):
        raise ValueError(f"matmul_precision is {precision!r}, expected 'highest', 'high' or 'medium'")
    if precision != "highest" and dtype == np.float64:
        raise ValueError(
            f"matmul_precision is {precision!r} with dtype float64, expected 'highest' or float32"
        )
    return precision


def as_dtype(value: object, argument: str = "dtype") -> np.dtype[Any]:
    """float32 or float64 from a name, a NumPy type or a dtype."""
    try:
        name = "None" if value is None else any_dtype(value).name
    except ValueError:
        raise unknown(argument, value, DTYPES) from None
    if name not in DTYPES:
        raise unknown(argument, name, DTYPES)
    return np.dtype(np.float32 if name == "float32" else np.float64)


def as_seed(seed: object) -> int:
    """64 bits from None (the system's entropy), an int, or a NumPy Generator, which gives one number."""
    if seed is None:
        return int.from_bytes(os.urandom(8), "little")
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(0, 2**64, dtype=np.uint64))
    try:
        return integer(seed, "seed", 0, 2**64 - 1)
    except TypeError:
        raise TypeError(f"seed is {shown(seed)}, expected None, an integer or a NumPy Generator") from None


def as_threads(threads: object) -> int | None:
    """None (the engine chooses) or a count from 1 to MOST_THREADS."""
    return None if threads is None else integer(threads, "threads", 1, MOST_THREADS)


def as_list(value: object, argument: str, expected: str) -> list[Any]:
    """The items of a list, or of anything else that holds items; text, bytes and mappings are one thing."""
    if not isinstance(value, (str, bytes, bytearray, memoryview, Mapping)):
        try:
            items = iter(value)  # type: ignore[call-overload]
        except TypeError:  # an array of no dimension too, though it has __iter__
            pass
        else:
            return list(items)
    raise TypeError(f"{argument} is a {type(value).__name__}, expected {expected}")


def as_function(value: object, argument: str) -> Callable[..., Any]:
    """Anything that can be called."""
    if callable(value):
        return value
    raise TypeError(f"{argument} is {shown(value)}, expected a function")


# ---- arrays ----


def numeric(value: object, argument: str) -> Array:
    """A real, numeric array from an array, a tensor, a list or a data frame; its dtype is what came.

    What exports its memory (NumPy's interfaces, DLPack) is read where it lies.
    """
    if type(value) is np.ndarray and value.dtype.kind in "biuf":  # what most calls bring
        return value
    if hasattr(value, "toarray"):
        raise TypeError(f"{argument} is a sparse matrix, expected a dense array such as {argument}.toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{argument} is a masked array with masked elements, expected every value")
    check_collected(value, argument)
    only_dlpack = hasattr(value, "__dlpack__") and not any(hasattr(value, name) for name in _NUMPY_EXPORTS)
    try:
        array = np.from_dlpack(value) if only_dlpack else np.asarray(value)  # type: ignore[arg-type]
    except MemoryError:
        raise
    except Exception as error:  # whatever the export of a foreign object raises
        if isinstance(error, ValueError) and isinstance(value, Sequence):
            what = "has rows of different lengths, expected a rectangular array"
            raise ValueError(f"{argument} {what}") from None
        raise TypeError(_unreadable(value, argument, error)) from None
    if array.dtype.kind == "O":
        array = _from_objects(array, argument)
    if array.dtype.kind not in "biuf":
        plain = array.dtype.kind == "V" and not array.dtype.names  # another package's bfloat16, for one
        name = str(array.dtype)
        what = name if plain else _KINDS.get(array.dtype.kind, name)
        raise TypeError(f"{argument} holds {what}, expected real numbers")
    return array


def check_collected(value: object, argument: str) -> None:
    """TypeError for a query of polars, which has no rows before it is run."""
    if type(value).__name__ == "LazyFrame":
        raise TypeError(f"{argument} is a LazyFrame, expected what {argument}.collect() gives")


def words_or_numbers(value: object, argument: str) -> Array:
    """What `numeric` gives, or an array of words; words beside numbers are refused."""
    try:
        return numeric(value, argument)
    except TypeError:
        words = _words(value, argument)
        if words is None:
            raise
        return words


def _words(value: object, argument: str) -> Array | None:
    """An array of str; None where no element is one."""
    try:
        items = np.asarray(value, object)  # NumPy makes words of numbers that stand beside words
    except Exception:  # whatever the export of a foreign object raises
        return None
    is_word = np.fromiter((isinstance(item, str) for item in items.flat), bool, items.size)
    if not is_word.any():
        return None
    if not is_word.all():
        index = tuple(int(i) for i in np.argwhere(~is_word.reshape(items.shape))[0])
        what = f"{argument} holds {shown(items[index])} at {place(index)}"
        raise TypeError(f"{what}, expected a word as elsewhere")
    return items.astype(str)


def _unreadable(value: object, argument: str, error: Exception) -> str:
    """The sentence on an object whose export failed; a tensor's names the calls that make it readable."""
    facts, calls = [], []
    if getattr(value, "requires_grad", False) is True:
        facts, calls = ["requires grad"], ["detach()"]
    place = _foreign_device(value)
    if place is not None:
        facts.append(f"lies on device {place}")
        calls.append("cpu()")
    dtype = str(getattr(value, "dtype", ""))
    if "bfloat16" in dtype or "float8" in dtype:
        facts.append(f"holds {dtype}, which NumPy lacks")
        calls.append("float()")
    if not facts:
        return f"{argument} cannot be read as an array: {str(error).rstrip('.')}"
    return f"{argument} is a {type(value).__name__} that {' and '.join(facts)}, " + (
        f"expected what {argument}.{'.'.join(calls)} gives"
    )


def _foreign_device(value: object) -> str | None:
    """Where a tensor lies, unless that is the CPU's memory."""
    name = getattr(getattr(value, "device", None), "type", None)
    if isinstance(name, str):
        return None if name == "cpu" else name
    try:
        kind, number = value.__dlpack_device__()  # type: ignore[attr-defined]
    except Exception:  # there is none, or it has no number in DLPack
        return None
    return None if int(kind) == _DLPACK_CPU else f"{int(kind)}:{number} of DLPack"


def _from_objects(array: Array, argument: str) -> Array:
    """float64 from an array of Python objects, as data frames of mixed columns give, if all are numbers."""
    for index, item in np.ndenumerate(array):
        if not isinstance(item, (Real, np.number, np.bool_)) or isinstance(item, np.complexfloating):
            where = f" at {place(index)}" if index else ""
            raise TypeError(f"{argument} holds {shown(item)}{where}, expected real numbers")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{argument} cannot be read as numbers: {error}") from None


def place(index: Sequence[int]) -> str:
    """Where an element stands, as sentences say it: "row 1, column 2"."""
    names = ("row", "column")
    if len(index) > 2:
        return f"index {tuple(int(i) for i in index)}"
    return ", ".join(f"{name} {i}" for name, i in zip(names, index, strict=False))


def _all_finite(array: Array) -> bool:
    """One pass without a temporary when all is well."""
    if array.dtype.kind != "f":
        return True
    if array.dtype in (np.float32, np.float64) and array.flags.c_contiguous and array.flags.aligned:
        return _kernels.all_finite(array)
    # a sum is finite only if every element is, or nearly
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduce(array, axis=None)
    return bool(np.isfinite(total)) or bool(np.isfinite(array).all())


def all_below(array: Array, limit: int) -> bool:
    """Whether all numbers of an array that is not empty are at least 0 and below a limit."""
    if array.dtype == _INDEX and array.flags.c_contiguous and array.flags.aligned:
        return _kernels.all_below(array, limit)
    return bool(array.min() >= 0 and array.max() < limit)


def check_finite(array: Array, argument: str, came: Array | None = None) -> None:
    """Raises ValueError with the place of the first NaN or infinity; `came` is what stood there first."""
    if _all_finite(array):
        return
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    original = float((array if came is None else came)[index])
    where = f" at {place(index)}" if index else ""
    if math.isfinite(original):
        raise ValueError(f"{argument} contains {original:g}{where}, which {array.dtype} cannot hold")
    raise ValueError(f"{argument} contains {original}{where}, expected finite numbers")


def in_order(array: Array, dtype: np.dtype[Any]) -> Array:
    """The array in C order, aligned and of the dtype; a copy only where it must be."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array  # what `require` takes two microseconds for
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(array, dtype, ("C", "A"))


def converted(array: Array, dtype: np.dtype[Any], argument: str) -> Array:
    """The array as `in_order` gives it, finite."""
    result = in_order(array, dtype)
    check_finite(result, argument, array)
    return result


def is_sparse(X: object) -> TypeGuard[Any]:
    """Whether X is a sparse matrix of SciPy.

    >>> is_sparse([[0.0, 1.0]])
    False
    """
    return hasattr(X, "toarray") and hasattr(X, "tocsr")


def as_inputs(
    X: object,
    n_in: int,
    dtype: np.dtype[Any],
    *,
    argument: str = "X",
    single: bool = False,
    look_later: bool = False,
) -> Array:
    """Inputs of shape (rows, n_in), of the dtype or uint8, C order and finite.

    `single`: one row of shape (n_in,) is welcome too and keeps its shape.  `look_later`: X is ready as
    it came, of the dtype and C order, and the caller finds NaN and infinity in it later.  A sparse matrix is
    made dense as a whole.
    """
    array = numeric(X.toarray() if is_sparse(X) else X, argument)
    shape = array.shape
    if shape == (n_in,) and single:
        pass
    elif array.ndim != 2 or shape[1] != n_in:
        expected = f"(rows, {n_in})" + (f" or ({n_in},)" if single else "")
        hint = ""
        if array.ndim == 1 and n_in == 1:
            hint = f"; {argument}.reshape(-1, 1) gives it"
        elif array.ndim > 2 and math.prod(shape[1:]) == n_in:
            hint = f"; {argument}.reshape(len({argument}), -1) gives it"
        raise ValueError(f"{argument} has shape {shape}, expected {expected}{hint}")
    if shape[0] == 0:
        raise ValueError(f"{argument} is empty with shape {shape}, expected at least one row")
    if array.dtype == np.uint8:
        return in_order(array, array.dtype)
    if look_later:
        return array
    return converted(array, dtype, argument)


def as_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], X: object) -> Array:
    """An array that predictions may be written into."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is a {type(out).__name__}, expected an array")
    if out.dtype != dtype:
        raise TypeError(f"out has dtype {out.dtype}, expected {dtype}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, expected {shape}")
    if not out.flags.c_contiguous or not out.flags.aligned:
        raise ValueError("out is not contiguous, expected an array in C order")
    if not out.flags.writeable:
        raise ValueError("out is read-only, expected a writable array")
    if isinstance(X, np.ndarray) and np.may_share_memory(out, X):
        raise ValueError("out overlaps X in memory, expected separate arrays")
    return out


# ---- weights of rows ----


def as_sample_weight(
    sample_weight: object, rows: int, dtype: np.dtype[Any], *, argument: str = "sample_weight"
) -> Array | None:
    """None or (rows,) weights of the dtype, none of them negative."""
    if sample_weight is None:
        return None
    array = numeric(sample_weight, argument)
    if array.shape == (rows, 1):
        array = array[:, 0]
    if array.shape != (rows,):
        raise ValueError(f"{argument} has shape {array.shape}, expected ({rows},), one for each row of X")
    weights = converted(array, dtype, argument)
    if weights.min() < 0:
        row = int(np.flatnonzero(weights < 0)[0])
        raise ValueError(f"{argument} contains {weights[row]:g} at row {row}, expected weights of 0 or more")
    return weights


# ---- weights ----


def as_arrays(
    given: object,
    argument: str,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    dtype: np.dtype[Any],
) -> list[Array]:
    """A flat list of arrays of certain shapes, all checked before any is used."""
    items = as_list(given, argument, "a list of arrays")
    if len(items) != len(shapes):
        raise ValueError(f"{argument} has {len(items)} arrays, expected {len(shapes)}: {', '.join(names)}")
    result = []
    for item, name, shape in zip(items, names, shapes, strict=True):
        array = numeric(item, name)
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        result.append(converted(array, dtype, name))
    return result


def as_weights(
    weights: object, names: Sequence[str], shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]
) -> list[Array]:
    """A network's flat list of weights."""
    arrays = as_arrays(weights, "weights", names, shapes, dtype)
    for array, name in zip(arrays, names, strict=True):
        if name.endswith(".variance") and array.min() < 0:
            raise ValueError(f"{name} contains {array.min():g}, expected numbers of 0 or more")
    return arrays
