"""Networks in loops without Python: an address to call, and what ctypes, cffi and Numba need of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .. import _kernels
from ..model import Model
from ..optional import require

OK, NO_MEMORY, NOT_FINITE = 0, 1, 2  # what the function returns, as fastmlp_native.h has it

C_TYPE = "int (*)(const void *network, const void *x, ptrdiff_t rows, void *out)"


@dataclass(frozen=True, eq=False)
class NativeNetwork:
    """A network as C sees it: a function, and what it takes as its first argument.

    `Network.native` makes it.  The function is ``int (*)(const void *network, const void *x, ptrdiff_t
    rows, void *out)``.  It predicts `rows` rows of n_in numbers at x, row after row without gaps, into as
    many rows of n_out numbers at out, both of the network's dtype; x and out share no memory.  It returns OK,
    NO_MEMORY or, where x holds NaN or infinity, NOT_FINITE (0, 1, 2); after the last two the content of out
    is unspecified.  It works on the calling thread alone, needs no GIL, and any number of threads may call it
    at once.  ``fastmlp_native.h`` in the folder of `fastmlp.get_include` has the whole contract.

    Attributes
    ----------
    function : int
        The address of the function, one for all networks of the process.
    handle : int
        The address of the network.  It is good while this object lives, even where the Network is deleted,
        and always predicts with the Network's present weights: fit, compile, set_weights and load_state_dict
        keep it.  A copy of the Network, or one from a pickle or a file, has a handle of its own.
    dtype : dtype
        float32 or float64.
    n_in, n_out : int
        The numbers of a row of x and of out.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Network
    >>> net = Network([3, 8, 2], seed=0)
    >>> native = net.native()
    >>> x, out = np.ones((5, 3), np.float32), np.empty((5, 2), np.float32)
    >>> native.ctypes()(native.handle, x.ctypes, 5, out.ctypes)
    0
    >>> bool(np.all(out == net.predict(x)))
    True
    """

    function: int
    handle: int
    dtype: np.dtype[Any]
    n_in: int
    n_out: int
    _plan: _kernels.Plan = field(repr=False)  # the owner of the memory behind the handle

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a NativeNetwork holds addresses of this process, expected the Network to be copied")

    def ctypes(self) -> Any:
        """The function for ctypes, which releases the GIL in every call.

        Returns
        -------
        ctypes function
            Takes `handle`, the address of x, the number of rows and the address of out; an array's address is
            ``x.ctypes``.  In a loop that Numba compiles it can be called just so.

        Examples
        --------
        >>> import numpy as np
        >>> from fastmlp import Network
        >>> native = Network([1, 1], initializer="zeros").native()
        >>> x, out = np.full(1, np.nan, np.float32), np.empty(1, np.float32)
        >>> native.ctypes()(native.handle, x.ctypes, 1, out.ctypes)  # NaN
        2
        """
        from ctypes import CFUNCTYPE, c_int, c_size_t, c_ssize_t, c_void_p

        # The handle as a number: Numba does not turn its integers into pointers.
        return CFUNCTYPE(c_int, c_size_t, c_void_p, c_ssize_t, c_void_p)(self.function)

    def cffi(self, ffi: Any) -> tuple[Any, Any]:
        """The function and the handle as cffi pointers, to be given to C code.

        Parameters
        ----------
        ffi : cffi.FFI
            Of the module they are given to, or any for calls from Python.

        Returns
        -------
        function : cdata ``int (*)(const void *, const void *, ptrdiff_t, void *)``
        handle : cdata ``void *``

        Examples
        --------
        >>> from fastmlp import Network
        >>> import cffi  # doctest: +SKIP
        >>> function, handle = Network([1, 1]).native().cffi(cffi.FFI())  # doctest: +SKIP
        """
        return ffi.cast(C_TYPE, self.function), ffi.cast("void *", self.handle)

    def numba(self) -> Any:
        """A function for loops that Numba compiles: ``predict(x, out)``.

        x is an array of shape (rows, n_in) or (n_in,), out one of shape (rows, n_out) or (n_out,), both
        C-contiguous and of the network's dtype.  The address of the network becomes a constant of the code
        that calls it, so another network needs another function, and a function that calls this one cannot be
        cached on disk.  `ctypes` gives one function for all networks, that takes a handle and checks nothing.

        Returns
        -------
        Numba dispatcher
            Compiled on the first call of this method; it keeps the network's memory alive.  It raises
            ValueError, where it is called, if a shape does not fit or x holds NaN or infinity.

        Raises
        ------
        ImportError
            If Numba is not installed.

        Examples
        --------
        >>> from fastmlp import Network
        >>> predict = Network([3, 1]).native().numba()  # doctest: +SKIP
        >>> predict(np.ones(3, np.float32), np.empty(1, np.float32))  # doctest: +SKIP
        """
        return self._numba

    @cached_property
    def _numba(self) -> Any:
        numba: Any = require("numba", "native")
        function, handle, n_in, n_out = self.ctypes(), self.handle, self.n_in, self.n_out

        def predict(x: Any, out: Any) -> None:
            rows = x.size // n_in
            if x.shape[-1] != n_in or out.shape[-1] != n_out or out.size != rows * n_out:
                raise ValueError("x or out has another shape, expected (rows, n_in) and (rows, n_out)")
            status = function(handle, x.ctypes, rows, out.ctypes)
            if status == NOT_FINITE:
                raise ValueError("x contains NaN or infinity, expected finite values")
            if status != OK:
                raise MemoryError("fastmlp could not allocate its buffers")

        predict.plan = self._plan  # type: ignore[attr-defined] # compiled code holds nothing but an address
        number = numba.from_dtype(self.dtype)
        Array = numba.types.Array
        signatures = [
            numba.types.void(Array(number, dimensions, "C", readonly=True), Array(number, dimensions, "C"))
            for dimensions in (1, 2)
        ]
        return numba.njit(signatures)(predict)


def of(network: Model) -> NativeNetwork:
    """The native form of a network, as `Network.native` returns it."""
    plan = network.plan
    function, handle = _kernels.native_addresses(plan)
    return NativeNetwork(function, handle, network.dtype, plan.n_in, plan.n_out, plan)
