"""What the package runs on: threads, instruction sets, versions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _kernels
from .validation import MOST_THREADS, as_function, as_matmul_precision, boolean, integer

__version__ = "0.1.0"


def warn_of_environment() -> None:
    """Say which variables should hold a setting of threads and do not.  For the package's import to call."""
    for name in _kernels.wrong_variables():
        expected = "0 or 1" if name == "FASTMLP_SPINNING" else f"an integer from 1 to {MOST_THREADS}"
        text = f"{name} is {os.environ.get(name)!r}, expected {expected}; it is ignored"
        warnings.warn(text, RuntimeWarning, stacklevel=3)


def set_num_threads(threads: int) -> None:
    """Use at most this many threads in calls that do not name a number of their own.

    Parameters
    ----------
    threads : int
        From 1 to 65536.  No more than 256 run.

    Raises
    ------
    TypeError, ValueError
        If threads is no such number.

    Examples
    --------
    >>> import fastmlp
    >>> fastmlp.set_num_threads(2)
    >>> fastmlp.get_num_threads()
    2
    """
    _kernels.set_num_threads(integer(threads, "threads", 1, MOST_THREADS))


def get_num_threads() -> int:
    """How many threads a call may use.

    It is what `set_num_threads` was told, else the environment's FASTMLP_NUM_THREADS or OMP_NUM_THREADS as
    they were when the package was imported, else the processors that this process may run on.

    >>> import fastmlp
    >>> fastmlp.get_num_threads() >= 1
    True
    """
    return int(_kernels.get_num_threads())


def set_spinning(spinning: bool) -> None:
    """Whether threads that wait for work keep their processors for a moment.

    Waking a thread takes some 10 to 50 microseconds.  Where calls that use several threads follow one another
    within a millisecond, the threads look out for the next one instead of going to sleep: for a millisecond
    at most, and from 40 microseconds on they give way to any other program that wants the processor.  They do
    not where there are fewer processors than threads.  Results are the same.

    Parameters
    ----------
    spinning : bool
        False saves the processor time.

    Raises
    ------
    TypeError
        If spinning is no bool.

    Examples
    --------
    >>> import fastmlp
    >>> fastmlp.set_spinning(False)
    >>> fastmlp.get_spinning()
    False
    >>> fastmlp.set_spinning(True)
    """
    _kernels.set_spinning(boolean(spinning, "spinning"))


def get_spinning() -> bool:
    """What `set_spinning` was told, else what FASTMLP_SPINNING, 0 or 1, was at the import, else True.

    >>> import fastmlp
    >>> fastmlp.get_spinning()
    True
    """
    return _kernels.get_spinning()


_matmul_precision = "highest"


def set_matmul_precision(precision: str) -> None:
    """Of the matrix products of networks that are made from now on and do not name a precision of their own.

    Parameters
    ----------
    precision : {"highest", "high", "medium"}
        See `Network`.  Networks of float64 have "highest" all the same.

    Raises
    ------
    ValueError
        If precision is none of these.

    Examples
    --------
    >>> import fastmlp
    >>> fastmlp.set_matmul_precision("high")
    >>> fastmlp.Network([64, 64], seed=0).matmul_precision
    'high'
    >>> fastmlp.set_matmul_precision("highest")
    """
    global _matmul_precision
    _matmul_precision = as_matmul_precision(precision)


def get_matmul_precision() -> str:
    """What `set_matmul_precision` was told, else "highest".

    >>> import fastmlp
    >>> fastmlp.get_matmul_precision()
    'highest'
    """
    return _matmul_precision


def precision_of(dtype: np.dtype[Any], given: str | None) -> str:
    """The precision of a new network's matrix products: what was given for it, or the default."""
    if given is None:
        return _matmul_precision if dtype == np.float32 else "highest"
    return as_matmul_precision(given, dtype)


def get_include() -> str:
    """The folder of the C headers, for `include_dirs` of an extension module.

    Returns
    -------
    str
        It holds ``fastmlp_native.h``, for any C code, and ``fastmlp_python.h``, for extension modules and for
        Cython's ``cimport fastmlp``.

    Examples
    --------
    >>> import fastmlp, os
    >>> sorted(os.listdir(fastmlp.get_include()))
    ['fastmlp_native.h', 'fastmlp_python.h']
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


def show_config(print_fn: Callable[[str], Any] = print) -> None:
    """Print versions, instruction sets and threads, for a bug report.

    Parameters
    ----------
    print_fn : callable
        Takes one line at a time.

    Examples
    --------
    >>> import fastmlp
    >>> fastmlp.show_config()  # doctest: +ELLIPSIS
    fastmlp ...
    """
    lines = configuration()
    width, print_fn = max(map(len, lines)), as_function(print_fn, "print_fn")
    for name, value in lines.items():
        print_fn(f"{name:<{width}}  {value}")


def configuration() -> dict[str, str]:
    """What `show_config` prints, by name."""
    import platform

    isas = _kernels.isas()
    return {
        "fastmlp": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "instruction sets compiled": ", ".join(isas["compiled"]),
        "instruction sets runnable": ", ".join(isas["runnable"]),
        "instruction set chosen": isas["default"],
        "matmul precision": get_matmul_precision(),
        "threads": str(get_num_threads()),
        "threads spin": "yes" if get_spinning() else "no",
    }
