"""Losses as descriptions: frozen dataclasses of parameters; the arithmetic is the engine's.

A loss compares each row's outputs with its targets and averages over the targets, as in Keras; the loss of a
batch is the mean over its rows.  Those with a *link* need that output activation and are computed from the
values z before it (logits), so that no logarithm of 0 arises; the others take the prediction p.

>>> from fastmlp import Network
>>> from fastmlp.losses import Huber
>>> net = Network([4, 8, 1], seed=0)
>>> net.compile("adam", Huber(0.5))

Wherever a loss is expected, its name is welcome too, ``"mse"``, ``("huber", 0.5)``, and so are the names of
Keras and PyTorch for the same formula, ``"mean_squared_error"``, ``"HuberLoss"``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import registry, validation
from .errors import unknown

Array = np.ndarray[Any, Any]
PythonLoss = Callable[[Array, Array], tuple[float, Array]]

SUM_TOLERANCE = 1e-3  # of one-hot and soft rows


@dataclass(frozen=True)
class Loss:
    """Base of all losses: one real number for each target, any finite one, unless a subclass says otherwise.

    Attributes
    ----------
    name : str
        The engine's name.
    aliases : tuple of str
        Other packages' names of the same formula; the class's own name is one anyway.
    formula : (str, str)
        Of a row's value and of its gradient.
    link : str
        The output activation that the loss is fused with, or "any".
    outputs : int
        Of the network for each target.
    labels : bool
        Whether y is one class index a row, int64 of shape (rows,), rather than (rows, targets).
    classes : bool
        Whether targets are classes, so that accuracy makes sense.
    bounds : (float, float)
        The least and the largest target.
    """

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[tuple[str, str]]
    link: ClassVar[str] = "any"
    outputs: ClassVar[int] = 1
    labels: ClassVar[bool] = False
    classes: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.name in registry.LOSSES:
            cls.link = registry.LOSSES[cls.name]
            cls.outputs = registry.LOSS_OUTPUTS[cls.name]
            cls.labels = cls.name in registry.LABEL_LOSSES

    def __post_init__(self) -> None:
        if type(self) is Loss:
            raise TypeError("Loss is a base class, expected one of its subclasses such as MSE or Huber")

    @property
    def parameter(self) -> float:
        """The number that the engine is given, 0 where a loss has none."""
        return 0.0

    @classmethod
    def takes_parameter(cls) -> bool:
        """Whether the loss has a parameter to choose."""
        return bool(dataclasses.fields(cls))

    @classmethod
    def of(cls, parameter: float | None) -> Loss:
        """The loss with its parameter; None is the default."""
        if parameter is None:
            return cls()
        if not cls.takes_parameter():
            raise ValueError(f"loss {cls.name!r} takes no parameter, got {parameter}")
        return cls(parameter)  # type: ignore[call-arg]  # a field of the subclass

    def check_fits(self, activation: str) -> None:
        """Raises ValueError unless the loss takes what the output activation gives."""
        if self.link not in ("any", _link(activation)):
            raise ValueError(
                f"loss {self.name!r} needs the output activation {self.link!r}, got {activation!r}"
            )

    def as_targets(
        self, y: object, n_out: int, dtype: np.dtype[Any], rows: int, *, argument: str = "y"
    ) -> Array:
        """Targets of a network of n_out outputs as the engine takes them, checked.

        Returns int64 (rows,) where `labels`, else (rows, n_out // outputs) of the dtype.  Raises TypeError or
        ValueError with the place of the first target that cannot be one.
        """
        array = validation.numeric(y, argument)
        if array.ndim == 0:
            raise ValueError(f"{argument} is a single number, expected {rows} targets, one for each row of X")
        if len(array) != rows:
            raise ValueError(f"{argument} has {len(array)} rows, expected {rows}, one for each row of X")
        return self._checked(array, n_out, dtype, argument)

    def _checked(self, array: Array, n_out: int, dtype: np.dtype[Any], argument: str) -> Array:
        shape = len(array), n_out // self.outputs
        if shape[1] == 1 and array.ndim == 1:
            array = array.reshape(shape)
        if array.shape != shape:
            expected = f"{shape}" + (f" or ({shape[0]},)" if shape[1] == 1 else "")
            raise ValueError(
                f"{argument} has shape {array.shape}, expected {expected} for loss {self.name!r}"
                f"{self._hint(array)}"
            )
        targets = validation.converted(array, dtype, argument)
        self._check_bounds(targets, argument)
        return targets

    def _hint(self, array: Array) -> str:
        """What to say of targets of a wrong shape."""
        return ""

    def _check_bounds(self, targets: Array, argument: str) -> None:
        low, high = self.bounds
        if self.bounds == Loss.bounds or (targets.min() >= low and targets.max() <= high):
            return
        index = tuple(int(i) for i in np.argwhere((targets < low) | (targets > high))[0])
        expected = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        came = f"{targets[index]:g} at {validation.place(index)}"
        raise ValueError(f"{argument} contains {came}, expected {expected} for loss {self.name!r}")

    def classes_of(self, targets: Array) -> Array:
        """Each row's class (rows,), int64, of targets from `as_targets`; ValueError where rows have none."""
        raise ValueError(
            f"class_weight came with the loss {self.name!r} of {targets.shape[1]} outputs, "
            "expected one class a row"
        )


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """-log of the probability that a row's class has, of class indices (Bishop 2006, equation 4.108).

    ``-log(softmax(z)[y])``; y has shape (rows,), whole numbers 0 to n_out - 1; the output is softmax or
    log_softmax.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 3], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.SparseCategoricalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [2])["loss"], 4)  # log(3)
    1.0986
    """

    name: ClassVar[str] = "sparse_categorical_crossentropy"
    classes: ClassVar[bool] = True
    formula: ClassVar[tuple[str, str]] = ("-log(softmax(z)[y])", "softmax(z) - onehot(y)")

    def _checked(self, array: Array, n_out: int, dtype: np.dtype[Any], argument: str) -> Array:
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            rows = f"; one-hot rows go with {CategoricalCrossentropy.name!r}"
            hint = rows if array.shape[1:] == (n_out,) else ""
            raise ValueError(
                f"{argument} has shape {array.shape}, expected ({len(array)},) class indices{hint}"
            )
        validation.check_finite(array, argument)
        expected, wrong = "whole class indices", np.empty(0, np.intp)
        if array.dtype.kind == "f":
            wrong = np.flatnonzero(array != np.floor(array))
        if not len(wrong):
            expected = f"classes 0 to {n_out - 1}"
            wrong = np.flatnonzero((array < 0) | (array >= n_out))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"{argument} contains {array[row]} at row {row}, expected {expected}")
        return np.require(array, np.int64, ("C", "A"))

    def classes_of(self, targets: Array) -> Array:
        """The class indices as they are."""
        return targets


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """The cross-entropy of one-hot rows, or of any probabilities (Bishop 2006, equation 4.108).

    ``-sum(y * log(softmax(z)))``; y has shape (rows, n_out), each row 0 or more and summing to 1; the output
    is softmax or log_softmax.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 2], output="softmax", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.CategoricalCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [[0.25, 0.75]])["loss"], 4)  # log(2)
    0.6931
    """

    name: ClassVar[str] = "categorical_crossentropy"
    classes: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[tuple[str, str]] = ("-sum(y * log(softmax(z)))", "softmax(z) * sum(y) - y")

    def _hint(self, array: Array) -> str:
        labels = f"; class indices go with {SparseCategoricalCrossentropy.name!r}"
        return labels if array.ndim == 1 else ""

    def _check_bounds(self, targets: Array, argument: str) -> None:
        super()._check_bounds(targets, argument)
        sums = targets.sum(axis=1, dtype=np.float64)
        wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"{argument} row {row} sums to {sums[row]:g}, expected rows that sum to 1")

    def classes_of(self, targets: Array) -> Array:
        """The largest of each row."""
        return np.asarray(targets.argmax(axis=1))


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """The cross-entropy of yes-or-no targets, each output for itself (Bishop 2006, equation 4.90).

    ``mean(-y * log(sigmoid(z)) - (1 - y) * log(1 - sigmoid(z)))``; y has shape (rows, n_out), or (rows,) for
    one output, 0 to 1; the output is sigmoid.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="sigmoid", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.BinaryCrossentropy(), metrics=[])
    >>> round(net.evaluate([[1.0, 2.0]], [1])["loss"], 4)  # log(2)
    0.6931
    """

    name: ClassVar[str] = "binary_crossentropy"
    aliases: ClassVar[tuple[str, ...]] = ("bce", "BCELoss", "BCEWithLogitsLoss")
    classes: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    formula: ClassVar[tuple[str, str]] = (
        "mean(-y * log(sigmoid(z)) - (1 - y) * log(1 - sigmoid(z)))",
        "(sigmoid(z) - y) / n_out",
    )

    def classes_of(self, targets: Array) -> Array:
        """0 or 1, of a single output."""
        if targets.shape[1] > 1:
            return super().classes_of(targets)
        return np.asarray(targets[:, 0] > 0.5).astype(np.int64)


@dataclass(frozen=True)
class MSE(Loss):
    """The mean squared error; its best prediction is the mean (Bishop 2006, equation 1.89).

    ``mean((p - y)**2)``; y has shape (rows, n_out), or (rows,) for one output.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.MSE())
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 9.0}
    """

    name: ClassVar[str] = "mse"
    aliases: ClassVar[tuple[str, ...]] = ("mean_squared_error", "MeanSquaredError", "MSELoss")
    formula: ClassVar[tuple[str, str]] = ("mean((p - y)**2)", "2 * (p - y) / n_out")


@dataclass(frozen=True)
class MAE(Loss):
    """The mean absolute error; its best prediction is the median (Koenker and Bassett 1978).

    ``mean(abs(p - y))``; y has shape (rows, n_out), or (rows,) for one output.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.MAE())
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 3.0}
    """

    name: ClassVar[str] = "mae"
    aliases: ClassVar[tuple[str, ...]] = ("mean_absolute_error", "MeanAbsoluteError", "L1Loss")
    formula: ClassVar[tuple[str, str]] = ("mean(abs(p - y))", "sign(p - y) / n_out")


@dataclass(frozen=True)
class Huber(Loss):
    """Squared for small errors e = p - y, linear for large ones, so that outliers pull less (Huber 1964).

    ``mean(e**2 / 2 where abs(e) <= delta, else delta * (abs(e) - delta / 2))``; y has shape (rows, n_out), or
    (rows,) for one output.

    Parameters
    ----------
    delta : float
        Where the two meet, in the unit of y, above 0; 1 unless given.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.Huber(0.5))
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 1.375}
    """

    name: ClassVar[str] = "huber"
    aliases: ClassVar[tuple[str, ...]] = ("HuberLoss",)
    formula: ClassVar[tuple[str, str]] = (
        "mean(e**2 / 2 where e = abs(p - y) <= parameter, else parameter * (e - parameter / 2))",
        "clip(p - y, -parameter, parameter) / n_out",
    )
    delta: float = registry.LOSS_PARAMETERS[name]

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", validation.real(self.delta, "delta", above=0.0))

    @property
    def parameter(self) -> float:
        """delta"""
        return self.delta


@dataclass(frozen=True)
class Poisson(Loss):
    """Minus the log likelihood of counts whose rate is predicted (Nelder and Wedderburn 1972).

    ``mean(exp(z) - y * z)``, which leaves log(y!) out; y has shape (rows, n_out), or (rows,) for one output,
    0 or more; the output is exp.

    Examples
    --------
    >>> from fastmlp import Network, losses
    >>> net = Network([2, 1], output="exp", initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.Poisson())
    >>> net.evaluate([[1.0, 2.0]], [3])
    {'loss': 1.0}
    """

    name: ClassVar[str] = "poisson"
    aliases: ClassVar[tuple[str, ...]] = ("PoissonNLLLoss",)
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[tuple[str, str]] = ("mean(exp(z) - y * z)", "(exp(z) - y) / n_out")


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """Minus the log likelihood under Gaussian noise whose variance is predicted beside the mean.

    ``mean((s + (m - y)**2 / exp(s)) / 2)``, which leaves log(2 pi) / 2 out: the first half of the outputs are
    the means m, the second half the log variances s (Nix and Weigend 1994, "Estimating the mean and variance
    of the target probability distribution").  y has shape (rows, n_out / 2), or (rows,) for two outputs.

    Examples
    --------
    Mean and log variance, where the noise grows with x:

    >>> import numpy as np
    >>> from fastmlp import Network, losses
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0, 1, (2000, 1))
    >>> y = X[:, 0] + (0.1 + X[:, 0]) * rng.standard_normal(2000)
    >>> net = Network([1, 16, 2], activation="tanh", seed=0)
    >>> net.compile("adam", losses.GaussianNLL())
    >>> history = net.fit(X, y, epochs=60, batch_size=50, verbose=0)
    >>> mean, log_variance = net.predict([[0.1], [0.9]]).T
    >>> deviation = np.exp(log_variance / 2)
    >>> bool(deviation[0] < 0.4 < 0.7 < deviation[1])
    True
    """

    name: ClassVar[str] = "gaussian_nll"
    formula: ClassVar[tuple[str, str]] = (
        "mean((s + (m - y)**2 / exp(s)) / 2), m the first half of p and s the second",
        "(m - y) / exp(s) / targets and (1 - (m - y)**2 / exp(s)) / 2 / targets",
    )


@dataclass(frozen=True)
class Function(Loss):
    """A loss computed in Python; a function given as a loss becomes one of these.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred) -> (mean value, gradient with respect to y_pred)``.  y_true has the
        network's dtype, one row for each of X, (rows, 1) for (rows,) where there is one output; y_pred has
        shape (rows, n_out).

    Examples
    --------
    >>> from fastmlp import Network, functional, losses
    >>> net = Network([2, 1], initializer="zeros", dtype="float64")
    >>> net.compile(loss=losses.Function(functional.mse_loss_gradient))
    >>> net.evaluate([[1.0, 2.0]], [3.0])
    {'loss': 9.0}
    """

    function: PythonLoss

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function is {self.function!r}, expected a function of (y_true, y_pred)")

    def _checked(self, array: Array, n_out: int, dtype: np.dtype[Any], argument: str) -> Array:
        if n_out == 1 and array.ndim == 1:
            array = array.reshape(-1, 1)
        return validation.converted(array, dtype, argument)


# The first that has a link is the one that fits it.
LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        SparseCategoricalCrossentropy,
        CategoricalCrossentropy,
        BinaryCrossentropy,
        MSE,
        MAE,
        Huber,
        Poisson,
        GaussianNLL,
    )
}
# Every name that is accepted.
NAMES: dict[str, type[Loss]] = {
    name: cls for cls in LOSSES.values() for name in (cls.name, cls.__name__, *cls.aliases)
}


def resolve(loss: object) -> Loss:
    """A loss from a name, with its default parameter, (name, parameter) or a function; a loss as it is.

    >>> resolve(("huber", 0.5))
    Huber(delta=0.5)
    >>> resolve("mean_squared_error")
    MSE()
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise TypeError(f"loss is the class {loss.__name__}, expected an object of it, {loss.__name__}()")
    if callable(loss):
        return Function(loss)
    name, parameter = registry.name_and_parameter(loss, "loss", " or an object of fastmlp.losses")
    if name not in NAMES:
        raise unknown("loss", name, LOSSES, NAMES)
    return NAMES[name].of(parameter)


def fitting(activation: str, *, labels: bool) -> Loss:
    """The loss that fits an output activation; `labels`: the targets are class indices, not rows.

    >>> fitting("sigmoid", labels=False)
    BinaryCrossentropy()
    """
    fused = [cls for cls in LOSSES.values() if cls.link == _link(activation)]
    return next((cls for cls in fused if cls.labels == labels), *fused[:1] or [MSE])()


def _link(activation: str) -> str:
    """What a loss calls the output activation; log_softmax has the logits of softmax."""
    return "softmax" if activation == "log_softmax" else activation
