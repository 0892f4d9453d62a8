"""From scikit-learn's words to a network: activations, layers, initial weights, losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import registry
from ...layers import ActivationName, Dense, Dropout, Layer
from ...network import Network

Array = np.ndarray[Any, Any]

# scikit-learn's word -> ours, where they differ
ACTIVATIONS = {"logistic": "sigmoid"}
WORDS = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
# scikit-learn's loss -> the engine's, by output activation
LOSSES = {
    ("log_loss", "softmax"): "sparse_categorical_crossentropy",
    ("log_loss", "logistic"): "binary_crossentropy",
    ("squared_error", "identity"): "mse",
    ("poisson", "exp"): "poisson",
}


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

    def network(self, seed: int) -> Network:
        """A network of zeros."""
        layers: list[int | Layer] = [self.units[0]]
        for units, activation, rate in zip(self.units[1:-1], self.activations, self.rates, strict=True):
            layers.append(Dense(units, activation))
            if rate > 0:
                layers.append(Dropout(rate))
        layers.append(Dense(self.units[-1], self.output))
        return Network(layers, dtype=self.dtype, initializer="zeros", seed=seed)

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

    name: str | None  # None: `function` computes it
    parameter: float = 0.0
    function: Callable[[Array, Array], tuple[float, Array]] | None = None
    factor: float = 1.0  # of the rows' weights
    scale: float = 1.0  # of the value

    def constants(self, y: Array) -> Array | None:
        """(rows,): what scikit-learn's poisson deviance has beside the likelihood, y log(y) - y."""
        if self.name != "poisson":
            return None
        logs = np.log(y, out=np.zeros(y.shape), where=y > 0)
        return np.asarray((y * logs - y).sum(axis=1, dtype=np.float64))


def output_activation(loss: Any, default: str) -> str:
    """scikit-learn's word for the output activation that a loss comes with; `default` where it takes any."""
    if not isinstance(loss, (str, tuple)) or loss in ("log_loss", "squared_error"):
        return default
    link = registry.LOSSES[registry.resolve_loss(loss)[0]]
    return default if link == "any" else WORDS.get(link, link)


def goal(loss: Any, output: str, n_out: int) -> Goal:
    """The goal of a loss; `output` is scikit-learn's word for the output activation.

    >>> goal("squared_error", "identity", 4)
    Goal(name='mse', parameter=0.0, function=None, factor=2.0, scale=0.25)
    """
    if callable(loss):
        return Goal(None, function=loss)
    name = LOSSES.get((loss, output)) if isinstance(loss, str) else None
    if name is None:
        name, parameter = registry.resolve_loss(loss)
        registry.check_loss_fits(name, str(engine_activation(output)))
        return Goal(name, parameter)
    if name == "sparse_categorical_crossentropy":
        return Goal(name)
    if name == "mse":
        return Goal(name, factor=n_out / 2, scale=1 / n_out)
    return Goal(name, factor=float(n_out))
