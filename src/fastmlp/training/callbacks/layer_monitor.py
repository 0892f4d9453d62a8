"""`LayerMonitor`: how activations, gradients and updates of each layer fare, and in words what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import tells_options
from ...layers.lowering import nodes_of
from ...model import Array, Model
from ...validation import as_function
from ..rows import prepare
from ..scoring import gradient_of
from ..targets import standardized
from .base import Callback, Logs

FLAT = 0.05  # share of its largest below which the derivative of a saturated unit is
MANY = 0.5  # share of units, or of their values, that is worth a sentence
SMALL, LARGE = 1e-3, 1e3  # ratios of gradients that vanish and explode

_OFF: dict[str, Callable[[Array], Array]] = {  # by the output, whether the derivative is 0
    "relu": lambda a: a == 0,
    "relu6": lambda a: (a == 0) | (a == 6),
    "hard_swish": lambda a: a == 0,
    "hard_shrink": lambda a: a == 0,
    "soft_shrink": lambda a: a == 0,
    "thresholded_relu": lambda a: a == 0,
    "sparse_plus": lambda a: a == 0,
}
_SLOPES: dict[str, Callable[[Array], Array]] = {  # derivatives by the output, over their largest
    "sigmoid": lambda a: 4 * a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "softsign": lambda a: (1 - np.abs(a)) ** 2,
    "hard_sigmoid": lambda a: (0 < a) & (a < 1),
    "hard_tanh": lambda a: np.abs(a) < 1,
    "sparse_sigmoid": lambda a: (0 < a) & (a < 1),
}


class LayerMonitor(Callback):
    """Records of every layer after each epoch how its activations, gradients and updates fare.

    Parameters
    ----------
    X, y : array-like
        Some rows to look at, as in `fit`; a few hundred do.  Looking costs a forward and a backward pass of
        them an epoch.
    print_fn : callable or None
        Takes each sentence of `report` at the end of the fit.

    Attributes
    ----------
    layers : list of str
        Names of the layers that compute something, such as "2: dense, relu".
    history : dict of str to list
        A list for each epoch with a number for each layer, NaN where there is none:

        - "activations": the root of the mean square of its outputs;
        - "gradients": the norm of the loss's gradient with respect to its arrays;
        - "updates": the norm of what the epoch has changed in these, over their norm before;
        - "dead": of relu and others that are 0 from somewhere on, the share of units whose derivative is 0 in
          all rows;
        - "saturated": of sigmoid, tanh and others with two ends, the share of outputs where the derivative is
          below 5 % of its largest.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import Dense, Network
    >>> from fastmlp.callbacks import LayerMonitor
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> net = Network([1, *[Dense(8, "sigmoid")] * 6, 1], seed=0)
    >>> net.compile("sgd")
    >>> monitor = LayerMonitor(X, X**2, print_fn=None)
    >>> _ = net.fit(X, X**2, epochs=2, callbacks=[monitor])
    >>> for sentence in monitor.report():
    ...     print(sentence[:55])
    vanishing gradients: that of layer 1: dense, sigmoid is
    """

    @tells_options
    def __init__(self, X: Any, y: Any, *, print_fn: Callable[[str], Any] | None = print) -> None:
        self._X, self._y = X, y
        self._print = None if print_fn is None else as_function(print_fn, "print_fn")
        self.layers: list[str] = []
        self.history: dict[str, list[list[float]]] = {}
        self._begin: list[Array] = []  # the epoch's first weights

    def on_train_begin(self, logs: Logs) -> None:
        net = self.network
        y = net.as_indices(self._y)[0]
        objective = net.objective_for(y)
        rows = prepare(net, objective, self._X, y, None, prefix="LayerMonitor's ")
        self._rows = standardized(objective, net.output_rescaling, rows.dense())
        nodes = net.plan.layers
        self.layers = [
            f"{number}: {node['kind'].replace('_', ' ')}"
            + ("" if node["activation"] == "identity" else f", {node['activation']}")
            for number, node in enumerate(nodes, 1)
        ]
        self.history = {name: [] for name in ("activations", "gradients", "updates", "dead", "saturated")}

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self._begin = self.network.get_weights()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        net = self.network
        outputs = net.plan.forward(self._rows.X)
        names = [node["activation"] for node in net.plan.layers]
        after = net.get_weights()
        moved = [a - b for a, b in zip(after, self._begin, strict=True)]
        gradients = _by_layer(net, gradient_of(net, self._rows.X, **self._rows.of_loss))
        updates, before = _by_layer(net, moved), _by_layer(net, self._begin)
        found = {
            "activations": [float(np.sqrt(np.mean(np.square(a, dtype=np.float64)))) for a in outputs],
            "gradients": [_norm(arrays) for arrays in gradients],
            "updates": [
                _ratio(_norm(arrays), _norm(old)) for arrays, old in zip(updates, before, strict=True)
            ],
            "dead": [_dead(name, a) for name, a in zip(names, outputs, strict=True)],
            "saturated": [_saturated(name, a) for name, a in zip(names, outputs, strict=True)],
        }
        for name, values in found.items():
            self.history[name].append(values)

    def on_train_end(self, logs: Logs) -> None:
        for sentence in self.report() if self._print is not None else ():
            assert self._print is not None
            self._print(sentence)

    def report(self) -> list[str]:
        """What is wrong at the last epoch, a sentence each; an empty list where nothing is.

        >>> from fastmlp.callbacks import LayerMonitor
        >>> LayerMonitor([[1.0]], [1.0]).report()
        []
        """
        if not self.history.get("gradients"):
            return []
        last = {name: values[-1] for name, values in self.history.items()}
        return [
            *_of_gradients(self.layers, last["gradients"], self.history["gradients"][0]),
            *_shares(
                self.layers, last["dead"], "dead units", "of {} have derivative 0 in all rows",
                "a lower learning rate or leaky_relu may help",
            ),
            *_shares(
                self.layers, last["saturated"], "saturation", "of the outputs of {} are where it is flat",
                "smaller weights at the start, standardized inputs or a lower learning rate may help",
            ),
            *(
                f"large updates: layer {name} changes by {update:.3g} times its norm in an epoch; a lower "
                "learning rate may help"
                for name, update in zip(self.layers, last["updates"], strict=True)
                if update > 1
            ),
        ]  # fmt: skip


def _by_layer(net: Model, flat: list[Array]) -> list[list[Array]]:
    """The arrays of each layer that training moves, from a list like `get_weights`."""
    arrays, found = iter(flat), []
    for node in nodes_of(net.plan.n_in, net.layers):
        own = {name: next(arrays) for name in node.shapes}
        found.append([array for name, array in own.items() if name not in ("mean", "variance")])
    return found


def _norm(arrays: list[Array]) -> float:
    if not arrays:
        return float("nan")
    return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)))


def _ratio(norm: float, before: float) -> float:
    return norm / before if before > 0 else float("nan")


def _dead(activation: str, outputs: Array) -> float:
    return float(_OFF[activation](outputs).all(axis=0).mean()) if activation in _OFF else float("nan")


def _saturated(activation: str, outputs: Array) -> float:
    if activation not in _SLOPES:
        return float("nan")
    return float((_SLOPES[activation](outputs) < FLAT).mean())


def _of_gradients(names: list[str], norms: list[float], first: list[float]) -> list[str]:
    known = [(norm, name) for norm, name in zip(norms, names, strict=True) if np.isfinite(norm)]
    if not known:
        return []
    (least, low), (most, high) = min(known), max(known)
    found = []
    if least < SMALL * most:
        found.append(
            f"vanishing gradients: that of layer {low} is {least / most:.1g} times that of layer {high}; "
            "relu, normalization, skip connections or another initializer may help"
        )
    for norm, before, name in zip(norms, first, names, strict=True):
        if norm > LARGE and norm > LARGE * before or norm > LARGE**2:
            found.append(
                f"exploding gradients: the norm of layer {name}'s is {norm:.3g}, {before:.3g} after the "
                "first epoch; a lower learning rate or global_clipnorm may help"
            )
    return found


def _shares(names: list[str], shares: list[float], what: str, said: str, advice: str) -> list[str]:
    return [
        f"{what}: {share:.0%} {said.format(f'layer {name}')}; {advice}"
        for name, share in zip(names, shares, strict=True)
        if share > MANY
    ]
