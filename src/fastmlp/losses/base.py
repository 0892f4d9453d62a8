"""`Loss`, what all losses are, and `Function`, a loss written in Python."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import registry, validation
from ..descriptions import description, option_names
from ..errors import shown, unknown
from ..labels import Classes, Learn, as_indices

Array = np.ndarray[Any, Any]
PythonLoss = Callable[[Array, Array], tuple[float, Array]]


@description
class Loss:
    """Base of all losses: one real number for each target, any finite one, unless a subclass says otherwise.

    Attributes
    ----------
    name : str
        The engine's name.
    aliases : tuple of str
        Other packages' names of the same formula; the class's own name is one anyway.
    default_aliases : tuple of str
        Other packages' names of the formula with the default options, which come without a parameter.
    families : tuple of str
        Names that this loss shares with others, of which output and targets choose: see `Fitting`.
    formula : (str, str)
        Of a row's value and of its gradient.
    link : str
        The output activation that the loss is fused with, or "any".
    outputs : int
        Of the network for each target; of the class 0 where the object says it.
    labels : bool
        Whether y is one class index a row, int64 of shape (rows,), rather than (rows, targets).
    classes : bool
        Whether targets are classes, so that accuracy makes sense.
    independent : bool or None
        Of classes, whether each output is a question of its own, rather than one class of several; None
        where that follows from the targets.
    least_squares : bool
        Whether it is the mean of the squares of y - p.
    bounds : (float, float)
        The least and the largest target.
    positive : bool
        Whether 0, the lower bound, is no target itself.
    standardizes : bool
        Whether it may be trained on standardized targets, with `output_scaling` back to their units.
    """

    name: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    default_aliases: ClassVar[tuple[str, ...]] = ()
    families: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[tuple[str, str]]
    link: ClassVar[str] = "any"
    outputs: ClassVar[int] = 1
    labels: ClassVar[bool] = False
    classes: ClassVar[bool] = False
    independent: ClassVar[bool | None] = None
    least_squares: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    positive: ClassVar[bool] = False
    standardizes: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.name in registry.LOSSES:
            cls.link = registry.LOSSES[cls.name]
            cls.outputs = cls.__dict__.get("outputs", registry.LOSS_OUTPUTS[cls.name])
            cls.labels = cls.name in registry.LABEL_LOSSES

    def __post_init__(self) -> None:
        if type(self) is Loss:
            raise TypeError("Loss is a base class, expected one of its subclasses such as MSE or Huber")

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the engine is given."""
        return tuple(getattr(self, name) for name in option_names(type(self)))

    @property
    def parameter(self) -> Any:
        """What stands beside the name in ``(name, parameter)`` and in files: the one option, or all by name.

        0 where a loss has none.

        >>> from fastmlp.losses import BinaryFocalCrossentropy, Huber
        >>> Huber(0.5).parameter
        0.5
        >>> BinaryFocalCrossentropy(gamma=1).parameter
        {'gamma': 1.0, 'alpha': None, 'label_smoothing': 0.0}
        """
        options = dataclasses.asdict(self)
        return options if len(options) > 1 else next(iter(options.values()), 0.0)

    @classmethod
    def takes_parameter(cls) -> bool:
        """Whether the loss has something to choose."""
        return bool(dataclasses.fields(cls))

    @classmethod
    def of(cls, parameter: Any) -> Loss:
        """The loss with its first option, or with options by name; None is the default."""
        options = [item.name for item in dataclasses.fields(cls)]
        if parameter is None:
            return cls()
        if not options:
            raise ValueError(f"loss {cls.name!r} takes no parameter, got {parameter}")
        if not isinstance(parameter, Mapping):
            return cls(**{options[0]: parameter})
        for name in parameter:
            if name not in options:
                raise unknown(f"option of loss {cls.name!r}", name, options)
        return cls(**parameter)

    @functools.cached_property  # asked for in every call that takes targets
    def for_plan(self) -> tuple[Any, tuple[float, ...]]:
        """Name and parameters, for the plan; a loss in Python has no name."""
        return self.name or None, self.parameters

    def of_output(self, heads: Sequence[Any], y: object = None) -> Loss:
        """The loss on a network with these heads, and with targets like y, if they are known."""
        return self

    def weighted(self, weights: Any, heads: Sequence[str]) -> Loss:
        """The sum of the losses of these heads with weights of its terms; ValueError where it is no sum."""
        rest = "expected None; sample_weight and class_weight of fit are weights of rows"
        raise ValueError(f"loss_weights is {shown(weights)} and the loss is one of the whole output, {rest}")

    def chosen(self, activation: str, *, labels: bool) -> Loss:
        """The loss on an output, or a head of one; `labels`: the targets are class indices, not rows."""
        return self

    def apart(self) -> dict[str, Loss]:
        """The losses that it is the sum of, by name."""
        return {}

    def of_head(self, name: str) -> Loss:
        """That of one head of the output."""
        return self

    def as_indices(
        self, y: Any, n_out: int, argument: str, known: Any, learn: Learn | None
    ) -> tuple[Any, Classes | None]:
        """Targets with indices in the place of labels, and the classes: see `fastmlp.labels.as_indices`."""
        return as_indices(y, n_out, argument, known, learn) if self.classes else (y, None)

    def of_metric(self, metric: Any, y: Array, predictions: Array) -> tuple[Loss, Any, Array, Array]:
        """The loss, metric, targets and predictions that a metric is of."""
        return self, metric, y, predictions

    def check_fits(self, activation: str) -> None:
        """Raises ValueError unless the loss takes what the output activation gives."""
        if self.link not in ("any", link_of(activation)):
            raise ValueError(
                f"loss {self.name!r} needs the output activation {self.link!r}, got {activation!r}"
            )

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """(scale, offset) of the outputs, float64 (n_out,), where targets are those of (y - mean) / std.

        The first outputs are one for each target and in its unit.
        """
        return np.tile(std, self.outputs), np.tile(mean, self.outputs)

    def target_scaling(self, scale: Array, offset: Array) -> tuple[Array, Array]:
        """(mean, std), (targets,), of which this is the `output_scaling`; ValueError if it is none."""
        targets = len(scale) // self.outputs
        mean, std = offset[:targets], scale[:targets]
        expected = self.output_scaling(mean, std)
        if not all(np.array_equal(a, b) for a, b in zip(expected, (scale, offset), strict=True)):
            came = f"outputs are rescaled by {scale} and {offset}"
            raise ValueError(f"{came}, expected standardized targets of the loss {self.name!r}")
        return mean, std

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
        least, most = (targets.min(), targets.max()) if self.bounds != Loss.bounds else (low, high)
        if low <= least and most <= high and not (self.positive and least == low):
            return
        wrong = (targets < low) | (targets > high) | (self.positive & (targets == low))
        expected = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
        self._refuse(targets, wrong, f"above {low:g}" if self.positive else expected, argument)

    def _refuse(self, targets: Array, wrong: Array, expected: str, argument: str) -> None:
        """Raises ValueError that names the first of the wrong targets."""
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        came = f"{targets[index]:g} at {validation.place(index)}"
        raise ValueError(f"{argument} contains {came}, expected {expected} for loss {self.name!r}")

    def shares(self, targets: Array, predictions: Array) -> tuple[Array, Array]:
        """Both as metrics of classes take them: from 0 to 1, yes above 0.5."""
        return targets, predictions

    def classes_of(self, targets: Array) -> Array:
        """Each row's class (rows,), int64, of targets from `as_targets`; ValueError where rows have none."""
        raise ValueError(
            f"class_weight came with the loss {self.name!r} of {targets.shape[1]} outputs, "
            "expected one class a row"
        )


@description
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

    @property
    def parameters(self) -> tuple[float, ...]:
        """None: the engine does not compute it."""
        return ()

    @property
    def parameter(self) -> Any:
        """0: no file can hold a function."""
        return 0.0

    def _checked(self, array: Array, n_out: int, dtype: np.dtype[Any], argument: str) -> Array:
        if n_out == 1 and array.ndim == 1:
            array = array.reshape(-1, 1)
        return validation.converted(array, dtype, argument)


def link_of(activation: str) -> str:
    """What a loss calls the output activation; log_softmax has the logits of softmax."""
    return "softmax" if activation == "log_softmax" else activation
