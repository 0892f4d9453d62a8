"""What the package runs on: threads, instruction sets, versions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _kernels
from .validation import MOST_THREADS, as_function, as_matmul_precision, integer

__version__ = "0.1.0"


def warn_of_environment() -> None:
    """Say which variable should hold a number of threads and does not.  For the package's import to call."""
    name = _kernels.wrong_variable()
    if name is not None:
        text = os.environ.get(name)
        expected = f"expected an integer from 1 to {MOST_THREADS}; it is ignored"
        warnings.warn(f"{name} is {text!r}, {expected}", RuntimeWarning, stacklevel=3)


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
    import platform

    isas = _kernels.isas()
    lines = {
        "fastmlp": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "instruction sets compiled": ", ".join(isas["compiled"]),
        "instruction sets runnable": ", ".join(isas["runnable"]),
        "instruction set chosen": isas["default"],
        "matmul precision": get_matmul_precision(),
        "threads": str(get_num_threads()),
    }
    width, print_fn = max(map(len, lines)), as_function(print_fn, "print_fn")
    for name, value in lines.items():
        print_fn(f"{name:<{width}}  {value}")
