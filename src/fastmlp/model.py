"""`Model`: a network's description, plan and compile state, which the rooms below `Network` work on."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from . import labels, losses, optimizers, registry, validation
from ._kernels import Plan, Predictor
from .descriptions import description
from .errors import NotCompiledError, listed, tells_options
from .layers import Layer, OutputRescaling, chain, lowering
from .losses import Function, Loss
from .losses.base import PythonLoss
from .metrics import Metric, check_metrics, measure_of
from .optimizers import Optimizer
from .schedules import Constant, Schedule, as_schedule

Array = np.ndarray[Any, Any]
M = TypeVar("M", bound="Model")
# n_in, layers, dtype, seed, instruction set or None for the default, and precision of matrix products
Description = tuple[int, tuple[Layer, ...], str, int, str | None, str]
LossLike = Loss | str | tuple[str, Any] | PythonLoss | Mapping[str, Any]

# What stands for a loss that was left open, made once for all calls.
_FITTING, _FITTING_HEADS = losses.Fitting(), losses.Heads()


@description
class Compiled:
    """What `Network.compile` was told, in one piece: who reads it beside another compile has all of one."""

    optimizer: Optimizer
    loss: Loss | None  # None: what fits the targets
    metrics: tuple[Metric, ...]
    dropout_schedule: Schedule | None = None
    standardize_targets: bool = False


@dataclass  # neither frozen nor a description, which are slower to make: every call makes one
class Objective:
    """What a network is measured by on certain targets."""

    loss: Loss
    metrics: tuple[Metric, ...]

    @property
    def named(self) -> tuple[Any, tuple[float, ...]]:
        """Name and parameters, for the plan."""
        return self.loss.for_plan

    @property
    def in_python(self) -> bool:
        """Whether the loss is a function in Python."""
        return isinstance(self.loss, Function)

    def is_counted(self, metric: Metric) -> bool:
        """Whether the plan counts a metric itself, beside the loss: the accuracy, of classes."""
        measure = measure_of(metric)
        return self.loss.classes and measure is not None and measure.name == "accuracy"

    @cached_property
    def counted(self) -> str | None:
        """The name under which the plan's count of correct rows is listed, if it is."""
        return next((str(metric) for metric in self.metrics if self.is_counted(metric)), None)


@description
class Recipe:
    """What an epoch's batches are made by; None where they come as such."""

    rows: int | None
    batch_size: int | None
    shuffle: bool | None
    shards: int | None = None  # parts that the rows are divided in


@description
class Done:
    """What is done of an epoch: batches, and sums of losses, correct rows, terms of the loss, weights, rows.

    The last two are there where the batches come as such.
    """

    batch: int = 0
    sums: tuple[float, ...] = (0.0, 0.0)


@description
class Position:
    """Where a fit is within an epoch."""

    recipe: Recipe
    done: Done
    batches: int  # that the plan had trained by then


@description
class Moving:
    """Weights that training moves, where their average has taken their place."""

    weights: list[Array]
    batches: int  # that the plan had trained by then


NOT_COMPILED = "the network is not compiled, expected a call of compile() first"


class Model(Predictor):
    """A network as files, training and exports see it; `Network` is its face.

    Attributes
    ----------
    layers : tuple
    seed : int
    plan : Plan
    stop_training : bool
        What a callback sets to end `fit`, after the epoch or, in a hook of a batch, after that batch.
    epochs_done : int
        Since compile: the number of the next epoch, which shuffling depends on.
    position : Position or None
        Where the last fit is, or stopped, within the next epoch; None between two.
    moving : Moving or None
        What training goes on from, where the last fit ended with averaged weights.
    report : QuantizationReport or None
        What `quantized` measured, of the network that it made.
    """

    layers: tuple[Layer, ...]
    seed: int
    plan: Plan
    stop_training: bool
    epochs_done: int
    position: Position | None
    moving: Moving | None
    _compiled: Compiled | None
    _classes: labels.Classes | None
    report: Any = None

    def _build(
        self, n_in: int, layers: tuple[Layer, ...], dtype: np.dtype[Any], seed: int, isa: str | None
    ) -> None:
        """Everything but the weights, which stay zero."""
        nodes = lowering.nodes_of(n_in, layers)
        shift, divisor = lowering.input_vectors(n_in, layers, dtype)
        super().__init__(
            Plan(
                n_in,
                [node.spec() for node in nodes],
                dtype=dtype.name,
                input_shift=shift,
                input_divisor=divisor,
                heads=lowering.output_heads(nodes, layers),
                isa=isa,
            )
        )
        self._take_layers(layers)
        self.seed = seed
        self._compiled = None
        self.stop_training = False
        self._isa = isa
        self._classes = None
        self.begin_epochs(0)

    def begin_epochs(self, done: int) -> None:
        """Puts the network between two epochs."""
        self.epochs_done, self.position, self.moving = done, None, None

    def _take_layers(self, layers: tuple[Layer, ...]) -> None:
        """The layers, and what the last of them makes of the plan's output."""
        vectors = lowering.output_vectors(self.plan.n_out, layers, self.plan.dtype)
        if vectors is not None:
            self.plan.rescale_output(*vectors)
        self.layers = layers

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """The width of the input and of every dense layer."""
        return chain.sizes(self.plan.n_in, self.layers)

    @property
    def num_parameters(self) -> int:
        """How many weights and biases there are."""
        return sum(math.prod(shape) for shapes in self._shapes for shape in shapes.values())

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.plan.dtype

    @property
    def isa(self) -> str:
        """The instruction set that runs."""
        return self.plan.isa

    @property
    def matmul_precision(self) -> str:
        """How exact matrix products of float32 are: "highest", "high" or "medium"; may be set at any time.

        >>> from fastmlp import Network
        >>> net = Network([64, 64], seed=0)
        >>> net.matmul_precision = "medium"
        >>> net
        Network([64, Dense(64, 'identity')], dtype='float32', seed=0, matmul_precision='medium')
        """
        return self.plan.matmul_precision

    @matmul_precision.setter
    def matmul_precision(self, precision: str) -> None:
        self.plan.matmul_precision = validation.as_matmul_precision(precision, self.dtype)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array of `get_weights`, by its name."""
        return chain.parameter_shapes(self._shapes)

    @cached_property
    def _shapes(self) -> list[dict[str, tuple[int, ...]]]:
        """Found once: many calls ask, and a layer that `rescale_output` adds has no arrays."""
        return chain.shapes(self.plan.n_in, self.layers)

    # ---- compile state ----

    @property
    def optimizer(self) -> Optimizer | None:
        """As given to `compile`; one that differs from it in the learning rate alone may take its place."""
        return None if self._compiled is None else self._compiled.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer) -> None:
        if self._compiled is None:
            raise NotCompiledError(NOT_COMPILED)
        chosen, compiled = copy.copy(optimizers.resolve(optimizer)), self._compiled.optimizer
        if not chosen.steps_as(compiled):  # the plan would go on with the one it was compiled with
            expected = f"{compiled!r} with another learning rate, or compile()"
            raise ValueError(f"optimizer is {chosen!r}, expected {expected}")
        self._compiled = dataclasses.replace(self._compiled, optimizer=chosen)

    @property
    def learning_rate(self) -> float:
        """That of the next step; a number, a `Schedule` or a function of the step may be set at any time."""
        if self._compiled is None:
            raise NotCompiledError(NOT_COMPILED)
        rate = self._compiled.optimizer.learning_rate
        return rate(self.plan.step) if isinstance(rate, Schedule) else rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if self._compiled is None:
            raise NotCompiledError(NOT_COMPILED)
        self.optimizer = dataclasses.replace(self._compiled.optimizer, learning_rate=learning_rate)

    @property
    def dropout_schedule(self) -> Schedule | None:
        """As given to `compile`."""
        return None if self._compiled is None else self._compiled.dropout_schedule

    @property
    def standardize_targets(self) -> bool:
        """As given to `compile`."""
        return self._compiled is not None and self._compiled.standardize_targets

    @property
    def output_rescaling(self) -> OutputRescaling | None:
        """The last layer, where it is one that rescales the output."""
        last: Any = self.layers[-1]
        return None if last.scale_and_offset(self.plan.n_out) is None else last

    @property
    def heads(self) -> dict[str, slice]:
        """The columns of the output that each of the heads has, by name; empty where there are none.

        >>> from fastmlp import Heads, Network
        >>> Network([2, 3, Heads({"price": 1, "sizes": 2})]).heads
        {'price': slice(0, 1, None), 'sizes': slice(1, 3, None)}
        """
        found, first = {}, 0
        for name, columns, _, _ in self.layers[-1].output_heads():
            found[name] = slice(first, first + columns)
            first += columns
        return found

    def rescale_output(self, rescaling: OutputRescaling | None) -> None:
        """Puts a layer at the end, if there is one to put and none there."""
        if rescaling is not None and self.output_rescaling is None:
            self._take_layers((*self.layers, rescaling))

    def of_batches(self, first: int, shape: tuple[int, int]) -> dict[str, Array | None]:
        """What a `Run` is given for (epochs, batches) from batch number `first` on: that of their steps."""
        compiled = self._compiled
        assert compiled is not None
        factors, several = compiled.dropout_schedule, compiled.optimizer.batches_a_step
        first_step, offset = divmod(first, several)
        batches = shape[0] * shape[1]
        count = -(-(offset + batches) // several)

        def each(steps: Array | None) -> Array | None:
            if steps is not None and several > 1:
                steps = steps.repeat(several)[offset : offset + batches]
            return None if steps is None else steps.reshape(shape)

        return {
            "learning_rates": each(compiled.optimizer.learning_rates(first_step, count)),
            "weight_decay": each(compiled.optimizer.weight_decays(first_step, count)),
            "dropout": None if factors is None else each(factors.values(first_step, count)),
        }

    @property
    def loss(self) -> Any:
        """The name of the loss given to `compile`, or the function; None where compile was to choose."""
        loss = None if self._compiled is None else self._compiled.loss
        if isinstance(loss, Function):
            return loss.function
        return None if loss is None else loss.name

    @property
    def loss_parameter(self) -> Any:
        """The loss's one option, or all by name; 0 where it has none."""
        loss = None if self._compiled is None else self._compiled.loss
        return 0.0 if loss is None else loss.parameter

    @property
    def metrics(self) -> list[Metric]:
        """As given to `compile`."""
        return [] if self._compiled is None else list(self._compiled.metrics)

    def objective_for(self, y: object) -> Objective:
        """The loss and the metrics of `compile`, the loss that fits y where it was left open."""
        compiled = self._compiled
        if compiled is None:
            raise NotCompiledError(NOT_COMPILED)
        return Objective(self._loss_of_plan(compiled.loss, y), compiled.metrics)

    def _loss_of_plan(self, loss: Loss | None, y: object = None) -> Loss:
        """A loss on this output; for None one that fits it and y, or until targets are seen, it alone."""
        loss = self._or_fitting(loss)
        if isinstance(loss, losses.Fitting):
            shape = () if y is None else validation.numeric(y, "y").shape
            labels = len(shape) < 2 or shape[1:] == (1,)
            return loss.chosen(self.plan.layers[-1]["activation"], labels=labels)
        return loss.of_output(self.layers[-1].output_heads(), y)

    def _or_fitting(self, loss: Loss | None) -> Loss:
        """A loss, or what stands for the one that fits where it was left open."""
        if loss is not None:
            return loss
        return _FITTING_HEADS if self.layers[-1].output_heads() else _FITTING

    @property
    def classes(self) -> Any:
        """The labels of the classes, in the order of their indices; None where targets are indices.

        The first `fit` learns them from targets that are words, booleans, or whole numbers which cannot be
        indices; they may be set before, where its rows lack a class.  One output has two classes.  With
        `Heads` they are a mapping of the names of those whose targets have labels.

        >>> from fastmlp import Network
        >>> net = Network([2, 3], output="softmax", seed=0)
        >>> net.classes = ["bird", "cat", "dog"]
        >>> net.predict_classes([[1.0, 2.0]]).dtype.kind
        'U'
        """
        return self._classes

    @classes.setter
    def classes(self, classes: Any) -> None:
        if classes is None:
            self._classes = None
        elif self.heads:
            widths = {name: part.stop - part.start for name, part in self.heads.items()}
            self._classes = labels.as_classes_of_heads(classes, widths) or None
        else:
            self._classes = labels.as_classes(classes, self.plan.n_out)

    def as_indices(
        self,
        y: Any,
        argument: str = "y",
        *,
        classes: labels.Classes | None = None,
        learn: bool = False,
        among: labels.Learn | None = None,
    ) -> tuple[Any, labels.Classes | None]:
        """Targets as a loss takes them, and the classes whose labels they had, if they had any.

        `classes` takes the place of the network's own.  With `learn`, where there are none, and before the
        first step, they are those that y has, or where other rows are elsewhere, that `among` makes of them.
        """
        if self._compiled is None:
            raise NotCompiledError(NOT_COMPILED)

        def learned(own: Array) -> Array:
            return own if among is None else among(np.unique(own))

        learns = learned if learn and self.plan.step == 0 else None
        known = self._classes if classes is None else classes
        loss = self._loss_of_plan(self._compiled.loss)
        if self.heads and not loss.apart():  # it takes the whole output
            return y, None
        return loss.as_indices(y, self.plan.n_out, argument, known, learns)

    @property
    def predicts_alone(self) -> bool:
        """Whether a layer's weights are stored in few bits, so that nothing can be trained."""
        return any(layer.predicts_alone for layer in self.layers)

    def check_trained(self) -> None:
        """ValueError where a layer is for predictions alone."""
        for layer in self.layers:
            if layer.predicts_alone:
                raise ValueError(
                    f"the network has {layer!r}, which is for predictions alone, expected a Dense"
                )

    def loss_on_plan(self) -> Loss:
        """The loss that `compile` chose, as far as it is known before targets are seen."""
        if self._compiled is None:
            raise NotCompiledError(NOT_COMPILED)
        return self._loss_of_plan(self._compiled.loss)

    def changing(self, *, nested: bool = True) -> AbstractContextManager[None]:
        """Holds the network for those who change it; `nested`: who holds it may take it again."""
        return self.plan.changing(nested)

    @tells_options
    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: LossLike | None = None,
        metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] | None = None,
        *,
        dropout_schedule: Any = None,
        standardize_targets: bool = False,
        loss_weights: Mapping[str, float] | Sequence[float] | None = None,
        weighted_metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] | None = None,
    ) -> None:
        """Choose how to train; the optimizer's state and the count of epochs begin anew, the weights stay.

        Parameters
        ----------
        optimizer : str or Optimizer
            A name, with its defaults, or an object of `fastmlp.optimizers`.
        loss : str, (str, float or mapping), Loss, callable or mapping, optional
            An object of `fastmlp.losses`, or a name, with its options or without. None takes the one that
            fits the output activation: categorical cross-entropy for softmax (sparse if the targets are class
            indices), binary_crossentropy for sigmoid, poisson for exp, mse for the rest. A callable has the
            form ``loss(y_true, y_pred) -> (mean value, gradient with respect to y_pred)``.  A mapping has
            those of heads, whose sum is the loss: see `fastmlp.losses.Heads`.
        metrics : iterable of str or callable, or mapping, optional
            Names of `fastmlp.metrics`, such as "accuracy", "auc" or "r2", and functions of (y_true, y_pred),
            which get ``sample_weight=`` as well if they take it. None is ["accuracy"] for losses of classes
            and nothing for others.  Those of a head stand in a mapping under its name,
            ``{"kind": ["accuracy"]}``, or have it before theirs, ``["kind_accuracy"]``.
        dropout_schedule : Schedule, float or callable, optional
            What the rate of every `Dropout` is multiplied by in each step, 0 to less than 1 / rate.
        standardize_targets : bool
            Whether training compares outputs with (y - mean) / std of each target, for regression with an
            identity output.  The first `fit` takes mean and std, weighted, of its training rows, and adds an
            `OutputRescaling`, so that predictions are in the units of y; where there is one, it stays.
            "loss" and "val_loss" in training are of standardized targets; metrics, and all that `evaluate`
            gives, are in the units of y.
        loss_weights : mapping or list of float, optional
            Of heads, the weights that `fastmlp.losses.Heads` has: by their names, or all in their order.
        weighted_metrics : optional
            Metrics beside `metrics`, without a default: all are weighted here where rows have weights.

        Notes
        -----
        A loss on standardized targets is not the one on y but for a factor: every target of several counts
        the same, and `delta` of Huber is in deviations.  Loops of one's own, and `gradients`, are in the
        units of y.

        Raises
        ------
        ValueError
            If a name is unknown, the loss needs another output activation, a layer cannot be trained, or
            targets cannot be standardized.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([4, 8, 3], output="softmax", seed=0)
        >>> net.compile("adam", metrics=["accuracy"])
        """
        self.check_trained()
        compiled = self._chosen(
            optimizer, loss, metrics, dropout_schedule, standardize_targets, loss_weights, weighted_metrics
        )
        rule, chosen = compiled.optimizer, self._loss_of_plan(compiled.loss)
        with self.changing(nested=False):
            self.plan.compile(*chosen.for_plan, rule.rule, rule.hyperparameters())
            self._compiled = compiled
            self.begin_epochs(0)

    def recall(self, *given: Any, **options: Any) -> None:
        """Takes what another network's `compile` was told: all but training goes by it."""
        self._compiled = self._chosen(*given, **options)

    def _chosen(
        self,
        optimizer: str | Optimizer,
        loss: LossLike | None,
        metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] | None,
        dropout_schedule: Any = None,
        standardize_targets: bool = False,
        loss_weights: Any = None,
        weighted_metrics: Any = None,
    ) -> Compiled:
        """What `compile` is told, checked."""
        chosen = copy.copy(optimizers.resolve(optimizer))
        dropout = None if dropout_schedule is None else as_schedule(dropout_schedule, "dropout_schedule")
        factors = dropout if dropout is None or isinstance(dropout, Schedule) else Constant(dropout)
        output = self.plan.layers[-1]["activation"]
        for node in self.plan.layers:
            registry.check_trainable(node["activation"], node["parameter"])
        for _, _, activation, parameter in self.layers[-1].output_heads():
            registry.check_trainable(activation, parameter)
        given = None if loss is None else losses.resolve(loss)
        if loss_weights is not None:
            given = self._or_fitting(given).weighted(loss_weights, list(self.heads))
        of_plan = self._loss_of_plan(given)
        of_plan.check_fits(output)
        if metrics is None:
            metrics = ["accuracy"] if of_plan.classes and weighted_metrics is None else []
        if weighted_metrics is not None:
            metrics = [
                *check_metrics(metrics, self.heads),
                *check_metrics(weighted_metrics, self.heads, "weighted_metrics"),
            ]
        standardizes = validation.boolean(standardize_targets, "standardize_targets")
        if standardizes:
            self._check_standardized(of_plan, output)
        return Compiled(chosen, given, tuple(check_metrics(metrics, self.heads)), factors, standardizes)

    def _check_standardized(self, loss: Loss, output: str) -> None:
        """ValueError unless targets of the loss can be standardized."""
        if output != "identity":
            raise ValueError(f"standardize_targets is True and the output {output!r}, expected 'identity'")
        if not loss.standardizes:
            known = listed(name for name, cls in losses.LOSSES.items() if cls.standardizes)
            came = repr(loss.name) if loss.name else "a function in Python"
            raise ValueError(f"standardize_targets is True and the loss {came}, expected one of {known}")
        if self.output_rescaling is not None:
            loss.target_scaling(*self.output_rescaling.scale_and_offset(self.plan.n_out))

    # ---- parameters ----

    def _paired(self, flat: Sequence[Array]) -> list[tuple[Array, Array | None]]:
        """[(W, b or None), ...] from a flat list, (gamma, beta) of a normalisation."""
        arrays = iter(flat)
        pairs: list[tuple[Array, Array | None]] = []
        for shapes in self._shapes:
            first, *rest = [next(arrays) for _ in shapes]
            pairs.append((first, rest[0] if rest else None))
        return pairs

    def _dense_pairs(self) -> list[tuple[Array, Array | None]]:
        return [pair for pair in self._paired(self.plan.get_weights()) if pair[0].ndim == 2]

    @property
    def weights(self) -> tuple[Array, ...]:
        """Read-only copies of every dense layer's W, shape (n_in, n_out)."""
        return tuple(_read_only(W) for W, _ in self._dense_pairs())

    @property
    def biases(self) -> tuple[Array | None, ...]:
        """Read-only copies of every dense layer's b, shape (n_out,), or None where there is none."""
        return tuple(None if b is None else _read_only(b) for _, b in self._dense_pairs())

    def get_weights(self) -> list[Array]:
        """Copies of the parameters as a flat list, [W1, b1, W2, ...]; no b in a layer without a bias.

        `LayerNormalization` has gamma and beta there, `BatchNormalization` gamma, beta, and the moving mean
        and variance.

        >>> from fastmlp import Network
        >>> [array.shape for array in Network([4, 3, 1]).get_weights()]
        [(4, 3), (3,), (3, 1), (1,)]
        """
        return list(self.plan.get_weights())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the parameters by those of a list shaped like `get_weights`; all or none.

        >>> from fastmlp import Network
        >>> net = Network([2, 1])
        >>> net.set_weights([[[1.0], [2.0]], [0.5]])
        >>> net.predict([1.0, 1.0])
        array([3.5], dtype=float32)
        """
        shapes = self.parameter_shapes()
        arrays = validation.as_weights(weights, list(shapes), list(shapes.values()), self.plan.dtype)
        with self.changing():
            self.plan.set_weights(arrays)
            self.moving = None

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters by name: "layers.0.W", "layers.0.b", "layers.1.W", ...

        >>> from fastmlp import Network
        >>> list(Network([4, 1]).state_dict())
        ['layers.0.W', 'layers.0.b']
        """
        return dict(zip(self.parameter_shapes(), self.plan.get_weights(), strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the parameters by those of a mapping like `state_dict`; all or none.

        >>> from fastmlp import Network
        >>> net, other = Network([4, 1], seed=0), Network([4, 1], seed=1)
        >>> net.load_state_dict(other.state_dict())
        """
        names = list(self.parameter_shapes())
        if not isinstance(state, Mapping):
            raise TypeError(f"state is a {type(state).__name__}, expected a mapping of names to arrays")
        for name in names:
            if name not in state:
                raise ValueError(f"state lacks {name!r}, expected {', '.join(names)}")
        for name in state:
            if name not in names:
                raise ValueError(f"state holds {name!r}, expected only {', '.join(names)}")
        self.set_weights([state[name] for name in names])

    # ---- pickles, copies ----

    def __reduce__(self) -> tuple[Any, ...]:
        attributes = {name: value for name, value in vars(self).items() if name != "_shapes"}
        description = (
            self.plan.n_in, self.layers, self.dtype.name, self.seed, self._isa, self.matmul_precision,
        )  # fmt: skip
        with self.changing():
            state = None
            if self._compiled is not None and not self.predicts_alone:
                state = (self._compiled, self.plan.get_state())
            return restored, (type(self), description, self.plan.get_weights(), state), attributes

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        vars(self).update(attributes)


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def restored(
    cls: type[M],
    description: Description,
    weights: list[Array],
    state: tuple[Compiled, dict[str, Any]] | None = None,
) -> M:
    """A model from its parts; an instruction set that this machine lacks gives way to the default one."""
    n_in, layers, dtype, seed, isa, *precision = description
    model: Any = cls.__new__(cls)
    runnable = registry.isas()["runnable"]
    model._build(n_in, layers, np.dtype(dtype), seed, isa if isa in runnable else None)
    model.plan.set_weights(weights)
    if precision:  # pickles had none before there was one
        model.matmul_precision = precision[0]
    if state is not None:
        compiled, vectors = state
        chosen, loss = compiled.optimizer, model._loss_of_plan(compiled.loss)
        model.plan.compile(*loss.for_plan, chosen.rule, chosen.hyperparameters())
        model.plan.set_state(vectors)
        model._compiled = compiled
    found: M = model
    return found


def in_float64(net: M, *, rescaled: bool = True) -> M:
    """A copy whose arithmetic is float64, to evaluate the loss that `net` is compiled with.

    Where not `rescaled`, its outputs are those that standardized targets are compared with.
    """
    weights = [array.astype(np.float64) for array in net.get_weights()]
    plain = tuple(layer for layer in net.layers if layer.scale_and_offset(net.plan.n_out) is None)
    layers = net.layers if rescaled else plain
    double = restored(type(net), (net.plan.n_in, layers, "float64", net.seed, net.isa, "highest"), weights)
    double._compiled = net._compiled
    return double
