"""`Stepper`: an optimizer that changes a plain array; `Optimizer.on` makes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import validation
from ._kernels import ArrayState
from .schedules import at

Array = np.ndarray[Any, Any]


class Stepper:
    """Steps of an optimizer on one array, in place: what `Network.step` does to weights.

    Parameters
    ----------
    optimizer : Optimizer
        Its learning rate may be set at any time, as `stepper.optimizer.learning_rate`.
    array : ndarray of float32 or float64, any shape
        Writable, in C order.

    Attributes
    ----------
    array : ndarray
    steps : int
        Steps done.

    Raises
    ------
    ValueError, TypeError
        If the array cannot be changed in place.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.optimizers import SGD
    >>> temperature = np.array(1.0)
    >>> SGD(0.5).on(temperature).step(2.0)
    >>> temperature
    array(0.)
    """

    def __init__(self, optimizer: Any, array: Any) -> None:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"array is a {type(array).__name__}, expected a NumPy array to change in place")
        dtype: np.dtype[Any] = array.dtype
        if not dtype.isnative or dtype not in (np.float32, np.float64):
            raise TypeError(f"array has dtype {dtype}, expected float32 or float64")
        if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
            raise ValueError("array is read-only or not in C order, expected one to change in place")
        optimizer.check_alone("a plain array")
        self.optimizer = optimizer
        self._state = ArrayState(array, optimizer.rule, optimizer.hyperparameters())

    @property
    def array(self) -> Array:
        return self._state.array

    @property
    def steps(self) -> int:
        return self._state.steps

    def step(self, gradient: Any) -> None:
        """One step by a gradient.

        Parameters
        ----------
        gradient : array-like
            Of the array's shape, finite.

        Raises
        ------
        FloatingPointError
            If the step leads to numbers that are not finite; nothing is changed.
        ValueError, TypeError
            If the gradient does not fit.
        """
        array, t = self._state.array, self._state.steps
        rates = at(self.optimizer.learning_rate, t), at(self.optimizer.weight_decay, t)
        if self._state.step(gradient, *rates):
            return
        gradient = validation.numeric(gradient, "gradient")
        if gradient.shape != array.shape:
            raise ValueError(f"gradient has shape {gradient.shape}, expected {array.shape}")
        self._state.step(validation.converted(gradient, array.dtype, "gradient"), *rates)
