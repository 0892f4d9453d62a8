"""From scikit-learn's words to a network: activations, layers, initial weights, losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import losses
from ...layers import ActivationName, Dense, Dropout, Layer
from ...network import Network

Array = np.ndarray[Any, Any]

# scikit-learn's word -> ours, where they differ
ACTIVATIONS = {"logistic": "sigmoid"}
WORDS = {ours: theirs for theirs, ours in ACTIVATIONS.items()}


def engine_activation(value: Any) -> ActivationName:
    """The engine's name of an activation: "logistic" is "sigmoid", all others are called the same.

    >>> engine_activation("logistic"), engine_activation("gelu")
    ('sigmoid', 'gelu')
    """
    return ACTIVATIONS.get(value, value) if isinstance(value, str) else tuple(value)


def per_layer(value: Any, hidden: int, argument: str, single: tuple[type, ...]) -> list[Any]:
    """One value for each hidden layer, from one for all or a list of them.

    >>> per_layer("relu", 2, "activation", (str, tuple))
    ['relu', 'relu']
    """
    if isinstance(value, single):
        return [value] * hidden
    values = list(value)
    if len(values) != hidden:
        raise ValueError(f"{argument} has {len(values)} elements, expected {hidden}, one a hidden layer")
    return values


@dataclass(frozen=True)
class Shape:
    """What decides a network but its weights; equal shapes can go on with the same one."""

    units: tuple[int, ...]
    activations: tuple[ActivationName, ...]  # of the hidden layers
    output: str  # the engine's name
    rates: tuple[float, ...]  # dropout behind each hidden layer
    dtype: str
    matmul_precision: str | None = None  # None: the default of new networks

    def network(self, seed: int) -> Network:
        """A network of zeros."""
        layers: list[int | Layer] = [self.units[0]]
        for units, activation, rate in zip(self.units[1:-1], self.activations, self.rates, strict=True):
            layers.append(Dense(units, activation))
            if rate > 0:
                layers.append(Dropout(rate))
        layers.append(Dense(self.units[-1], self.output))
        precision = self.matmul_precision
        return Network(layers, dtype=self.dtype, initializer="zeros", seed=seed, matmul_precision=precision)

    @property
    def parameter_shapes(self) -> list[tuple[int, ...]]:
        """Of W and b in turn."""
        pairs = zip(self.units, self.units[1:], strict=False)
        return [shape for n_in, n_out in pairs for shape in ((n_in, n_out), (n_out,))]


def initial_weights(units: Sequence[int], words: Sequence[Any], draws: Any, dtype: Any) -> list[Array]:
    """scikit-learn's first weights and biases from its generator: uniform, limit sqrt(6 / (n_in + n_out)).

    The 6 is a 2 where the activation is the logistic function (Glorot and Bengio 2010); `words` has one a
    layer.
    """
    found = []
    for n_in, n_out, word in zip(units, units[1:], words, strict=False):
        limit = math.sqrt((2.0 if word in ("logistic", "sigmoid") else 6.0) / (n_in + n_out))
        found += [draws.uniform(-limit, limit, (n_in, n_out)), draws.uniform(-limit, limit, n_out)]
    return [array.astype(dtype) for array in found]


@dataclass(frozen=True)
class Goal:
    """A loss: the engine's, and what brings its gradient and its value to scikit-learn's.

    The engine averages over the outputs; scikit-learn adds, and its squared error is half.  Its loss of
    several outputs is the mean over them nevertheless, while its gradient is that of the sum.
    """

    loss: losses.Loss
    factor: float = 1.0  # of the rows' weights
    scale: float = 1.0  # of the value
    constants: Callable[[Array], Array] | None = None  # (rows,) beside the engine's values, from y

    @property
    def in_python(self) -> bool:
        """Whether the loss is a function in Python."""
        return isinstance(self.loss, losses.Function)


def deviance(y: Array) -> Array:
    """(rows,): what scikit-learn's poisson deviance has beside the likelihood, y log(y) - y."""
    logs = np.log(y, out=np.zeros(y.shape), where=y > 0)
    return np.asarray((y * logs - y).sum(axis=1, dtype=np.float64))


# scikit-learn's loss and word for the output activation -> the goal for a number of outputs
GOALS: dict[tuple[str, str], Callable[[int], Goal]] = {
    ("log_loss", "softmax"): lambda n_out: Goal(losses.SparseCategoricalCrossentropy()),
    ("log_loss", "logistic"): lambda n_out: Goal(losses.BinaryCrossentropy(), factor=float(n_out)),
    ("squared_error", "identity"): lambda n_out: Goal(losses.MSE(), factor=n_out / 2, scale=1 / n_out),
    ("poisson", "exp"): lambda n_out: Goal(losses.Poisson(), factor=float(n_out), constants=deviance),
}
# scikit-learn's word for an output activation -> its loss
THEIR_LOSSES = {output: loss for loss, output in GOALS}


def output_activation(loss: Any, default: str) -> str:
    """scikit-learn's word for the output activation that a loss comes with; `default` where it takes any."""
    theirs = [output for word, output in GOALS if word == loss]
    if theirs:
        return default if default in theirs else theirs[0]
    link = losses.resolve(loss).link
    return default if link == "any" else WORDS.get(link, link)


def goal(loss: Any, output: str, n_out: int) -> Goal:
    """The goal of a loss; `output` is scikit-learn's word for the output activation.

    >>> goal("squared_error", "identity", 4)
    Goal(loss=MSE(), factor=2.0, scale=0.25, constants=None)
    """
    theirs = GOALS.get((loss, output)) if isinstance(loss, str) else None
    if theirs is not None:
        return theirs(n_out)
    found = losses.resolve(loss)
    found.check_fits(str(engine_activation(output)))
    return Goal(found)
