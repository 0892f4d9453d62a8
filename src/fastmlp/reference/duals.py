"""Dual numbers: NumPy arrays that carry a derivative along one direction (forward mode).

A `Dual` is v + t e with e^2 = 0, so that f(v + t e) = f(v) + f'(v) t e: what is computed with ufuncs
and a few functions of NumPy computes its derivative along with it, to rounding.

At a kink, where nothing else is said, it is the derivative from the right.

>>> import numpy as np
>>> x = Dual(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
>>> (x * x + np.exp(x)).tangent.round(4)
array([4.7183, 0.    ])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .functions import erfc

Array = np.ndarray[Any, Any]


class Dual(NDArrayOperatorsMixin):
    """An array and its derivative, of one shape.

    >>> Dual(np.ones(2), np.zeros(2)).shape
    (2,)
    """

    def __init__(self, value: Any, tangent: Any) -> None:
        self.value = np.asarray(value)
        self.tangent = np.asarray(tangent)

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: self._both(lambda array: array.T))

    def _both(self, linear: Callable[[Array], Array]) -> Dual:
        """A linear function of it."""
        return Dual(linear(self.value), linear(self.tangent))

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, key: Any) -> Dual:
        return self._both(lambda array: array[value(key)])

    def __setitem__(self, key: Any, given: Any) -> None:
        self.value[key], self.tangent[key] = value(given), tangent(given)

    def astype(self, dtype: Any, **_: Any) -> Dual:
        return self._both(lambda array: array.astype(dtype))

    def copy(self) -> Dual:
        return self._both(np.copy)

    def reshape(self, *shape: Any) -> Dual:
        return self._both(lambda array: array.reshape(*shape))

    def ravel(self) -> Dual:
        return self._both(np.ravel)

    def sum(self, **options: Any) -> Dual:
        return self._both(lambda array: array.sum(**options))

    def mean(self, **options: Any) -> Dual:
        return self._both(lambda array: array.mean(**options))

    def var(self, *, axis: int, keepdims: bool) -> Dual:
        centred = self - self.mean(axis=axis, keepdims=True)
        return (centred * centred).mean(axis=axis, keepdims=keepdims)

    def max(self, *, axis: int, keepdims: bool = False) -> Dual:
        at = np.expand_dims(self.value.argmax(axis=axis), axis)
        found = self._both(lambda array: np.take_along_axis(array, at, axis))
        return found if keepdims else found._both(lambda array: array.squeeze(axis))

    def argmax(self, **options: Any) -> Array:
        return np.asarray(self.value.argmax(**options))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if ufunc is np.add and method == "at":
            return _added_at(*inputs)
        if method != "__call__":
            return NotImplemented
        values = [value(x) for x in inputs]
        if ufunc in _WITHOUT:
            return ufunc(*values)
        result = ufunc(*values, **options)
        if result.dtype == object:  # of a function of Python's
            result = result.astype(np.float64)
        terms = [slope(*values, tangent(x)) for slope, x in zip(_SLOPES[ufunc], inputs, strict=True)]
        dual = Dual(result, sum(terms[1:], start=np.broadcast_to(terms[0], result.shape)))
        if out is not None:
            out[0][...] = dual
            return out[0]
        return dual

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return _FUNCTIONS[function](*args, **options)


def value(x: Any) -> Any:
    """Without the derivative; of anything else itself.

    >>> value(3.0)
    3.0
    """
    return x.value if isinstance(x, Dual) else x


def tangent(x: Any) -> Any:
    """The derivative; 0 of what is none.

    >>> tangent(3.0)
    0.0
    """
    return x.tangent if isinstance(x, Dual) else 0.0


def _product(x: Any, y: Any, operation: Any) -> Any:
    """A bilinear operation of a value and a tangent, which may be the number 0."""
    return 0.0 if np.ndim(x) == 0 or np.ndim(y) == 0 else operation(x, y)


# Comparisons, and what is constant between its jumps.
_WITHOUT = {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
    np.isnan, np.isfinite, np.sign,
}  # fmt: skip

# Of each argument what its tangent contributes, a function of all arguments and of it.
_SLOPES: dict[Any, tuple[Callable[..., Any], ...]] = {
    np.add: (lambda a, b, d: d, lambda a, b, d: d),
    np.subtract: (lambda a, b, d: d, lambda a, b, d: -d),
    np.multiply: (lambda a, b, d: d * b, lambda a, b, d: a * d),
    np.divide: (lambda a, b, d: d / b, lambda a, b, d: -a / (b * b) * d),
    np.matmul: (lambda a, b, d: _product(d, b, np.matmul), lambda a, b, d: _product(a, d, np.matmul)),
    np.power: (lambda a, b, d: b * a ** (b - 1.0) * d, lambda a, b, d: 0.0),
    np.maximum: (lambda a, b, d: np.where(a >= b, d, 0.0), lambda a, b, d: np.where(a >= b, 0.0, d)),
    np.minimum: (lambda a, b, d: np.where(a <= b, d, 0.0), lambda a, b, d: np.where(a <= b, 0.0, d)),
    np.negative: (lambda a, d: -d,),
    np.absolute: (lambda a, d: np.where(a < 0, -d, d),),
    np.square: (lambda a, d: 2 * a * d,),
    np.sqrt: (lambda a, d: d / (2 * np.sqrt(a)),),
    np.exp: (lambda a, d: np.exp(a) * d,),
    np.expm1: (lambda a, d: np.exp(a) * d,),
    np.log: (lambda a, d: d / a,),
    np.log1p: (lambda a, d: d / (1 + a),),
    np.tanh: (lambda a, d: (1 - np.tanh(a) ** 2) * d,),
    np.sin: (lambda a, d: np.cos(a) * d,),
    np.cos: (lambda a, d: -np.sin(a) * d,),
    erfc: (lambda a, d: -2 / math.sqrt(math.pi) * np.exp(-a * a) * d,),
}


def _where(condition: Any, x: Any, y: Any) -> Dual:
    return Dual(
        np.where(value(condition), value(x), value(y)), np.where(value(condition), tangent(x), tangent(y))
    )


def _joined(arrays: Any, axis: int = 0) -> Dual:
    full = [np.broadcast_to(tangent(array), array.shape) for array in arrays]
    return Dual(
        np.concatenate([value(array) for array in arrays], axis=axis), np.concatenate(full, axis=axis)
    )


def _einsum(subscripts: str, x: Any, y: Any) -> Dual:
    def product(a: Any, b: Any) -> Any:
        return _product(a, b, lambda a, b: np.einsum(subscripts, a, b))

    return Dual(
        np.einsum(subscripts, value(x), value(y)),
        product(tangent(x), value(y)) + product(value(x), tangent(y)),
    )


def _added_at(target: Dual, places: Any, given: Any) -> None:
    np.add.at(target.value, value(places), value(given))
    np.add.at(target.tangent, value(places), tangent(given))


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.concatenate: _joined,
    np.einsum: _einsum,
    np.copy: lambda x: x.copy(),
    np.ravel: lambda x: x.ravel(),
    np.clip: lambda x, least, most: np.minimum(np.maximum(x, least), most),
    np.split: lambda x, parts, axis=0: list(
        map(Dual, np.split(x.value, parts, axis), np.split(x.tangent, parts, axis))
    ),
    np.ones_like: lambda x: np.ones_like(x.value),
    np.zeros_like: lambda x: Dual(np.zeros_like(x.value), np.zeros_like(x.value)),
}
