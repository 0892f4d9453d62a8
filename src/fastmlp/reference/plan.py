"""The Plan: a whole network that predicts, goes backward and trains, step by step as a textbook does.

A layer computes x = mask * input, z = x @ w + b, a = activation(z); its outputs are the next layer's input.
Going backward, the gradient of the loss with respect to z, dz ("delta"), gives the gradients of w and b,
and through w the gradient of the layer's input; the activation's derivative makes that the dz before.  A
normalisation layer stands in for the dense step: z = x_hat * gamma + beta.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .functions import (
    ACTIVATIONS,
    Array,
    activation_backward,
    activation_forward,
    dense_backward,
    dense_forward,
)
from .losses import LINKS, LOSSES, loss_gradient
from .normalization import normalization_backward, normalized, statistics
from .optimizers import OPTIMIZERS, apply, flush, global_norm_scale
from .random import dropout_mask, normal_weights, shuffled, uniform_weights


class _Layer(NamedTuple):
    """One layer's description, in the order of `Plan`'s argument."""

    n_out: int
    activation: str
    parameter: float
    use_bias: bool
    dropout: float
    norm: str | None = None  # "batch", "layer", or None: dense
    epsilon: float = 0.0
    momentum: float = 0.0


class _Trace(NamedTuple):
    """What the forward pass of one layer leaves for the backward pass; rows are the batch's."""

    x: Array  # (rows, n_in), what met the weights
    mask: Array | None  # (rows, n_in), what dropout multiplied the input by
    z: Array  # (rows, n_out)
    a: Array  # (rows, n_out)
    mean: Array | None = None  # what a normalisation took, (1, n_out), or by row (rows, 1)
    variance: Array | None = None


class Plan:
    """A multi-layer perceptron in NumPy, the twin of the compiled Plan.

    Parameters
    ----------
    n_in : int
        Width of the input.
    layers : sequence of (n_out, activation, parameter, use_bias, dropout)
        Each layer's width, activation and the activation's parameter, whether it has a bias, and the rate in
        [0, 1) at which training drops units of the layer's *input*.  A layer that normalises its input has
        three more, ("batch" or "layer", epsilon, momentum), as many outputs as inputs, and use_bias true.
    dtype : {"float32", "float64"}
    input_shift, input_divisor : array_like of shape (n_in,), optional
        The input is rescaled to (x - shift) / divisor.
    isa : str, optional
        Taken for likeness and ignored: the attribute `isa` is "numpy".

    Attributes
    ----------
    n_in, n_out : int
    layers : tuple
        As given.
    dtype : numpy.dtype
    isa : str
    num_parameters : int
    step : int
        Optimizer steps done since `compile`.
    loss : str or None
        The compiled loss.

    Raises
    ------
    ValueError
        If a name is unknown, a size is below 1, or a row activation is not the last.

    Examples
    --------
    Learn the exclusive or:

    >>> plan = Plan(2, [(8, "tanh", 0.0, True, 0.0), (1, "sigmoid", 0.0, True, 0.0)], dtype="float64")
    >>> for layer in range(2):
    ...     plan.initialize(layer, "uniform", 1.0, seed=1)
    >>> plan.compile("binary_crossentropy", 0.0, "sgd", {})
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = np.array([[0.0], [1.0], [1.0], [0.0]])
    >>> for epoch in range(500):
    ...     _ = plan.train(X, y, None, batch_size=4, seed=1, epoch=epoch, shuffle=True, first=0,
    ...                    learning_rates=np.array([1.0]), seconds=np.inf, threads=None)
    >>> (plan.predict(X) > 0.5).astype(int).ravel()
    array([0, 1, 1, 0])
    """

    isa = "numpy"

    def __init__(
        self,
        n_in: int,
        layers: Sequence[tuple[Any, ...]],
        *,
        dtype: str = "float32",
        input_shift: Any = None,
        input_divisor: Any = None,
        isa: str | None = None,
    ) -> None:
        self.n_in = int(n_in)
        self.layers = tuple(layers)
        self._layers = tuple(_Layer(*layer) for layer in layers)
        self.dtype = np.dtype(dtype)
        self._check()
        self.n_out = self._layers[-1].n_out
        self._shift = self._input_vector("input_shift", input_shift)
        self._divisor = self._input_vector("input_divisor", input_divisor)
        widths = [self.n_in, *(layer.n_out for layer in self._layers)]
        self._arrays = [
            self._begin(layer, width) for layer, width in zip(self._layers, widths[:-1], strict=True)
        ]
        self.num_parameters = sum(array.size for array in self._parameters())
        self.loss: str | None = None
        self._loss_parameter = 0.0
        self._optimizer = ""
        self._hyperparameters: Mapping[str, Any] = {}
        self._slots: list[list[Array]] = []  # one list like get_weights() for each slot
        self.step = 0
        self._beta_powers = (1.0, 1.0)
        self._last: list[_Trace] | None = None

    def _check(self) -> None:
        """ValueError unless the description makes a network."""
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}.")
        if not self._layers:
            raise ValueError("layers must hold at least one layer, got none.")
        if self.n_in < 1:
            raise ValueError(f"n_in must be at least 1, got {self.n_in}.")
        for number, layer in enumerate(self._layers):
            if layer.n_out < 1:
                raise ValueError(f"layers[{number}] must have at least 1 output, got {layer.n_out}.")
            _known("activation", layer.activation, ACTIVATIONS)
            if ACTIVATIONS[layer.activation].saved == "row" and number < len(self._layers) - 1:
                raise ValueError(f"layers[{number}] is not the last, so it cannot have {layer.activation!r}.")
            n_in = self._layers[number - 1].n_out if number else self.n_in
            if layer.norm is not None and layer.n_out != n_in:
                raise ValueError(f"layers[{number}] normalises, so it must have as many outputs as inputs.")
            if not 0 <= layer.dropout < 1:
                raise ValueError(f"layers[{number}] must have a dropout rate in [0, 1), got {layer.dropout}.")

    def _begin(self, layer: _Layer, width: int) -> list[Array]:
        """A layer's arrays: [W, b], or [gamma, beta] and the moving [mean, variance]."""
        n = layer.n_out
        if layer.norm is None:
            w = np.zeros((width, n), self.dtype)
            return [w, np.zeros(n, self.dtype)] if layer.use_bias else [w]
        pair = [np.ones(n, self.dtype), np.zeros(n, self.dtype)]
        return [*pair, np.zeros(n, self.dtype), np.ones(n, self.dtype)] if layer.norm == "batch" else pair

    def _input_vector(self, name: str, values: Any) -> Array | None:
        """values as (n_in,) reals of the plan's type, or None."""
        if values is None:
            return None
        vector = np.array(values, dtype=self.dtype)
        if vector.shape != (self.n_in,):
            raise ValueError(f"{name} must have shape ({self.n_in},), got {vector.shape}.")
        return vector

    # Parameters

    def _parameters(self) -> list[Array]:
        """The plan's own arrays, [W1, b1, W2, ...]."""
        return [array for arrays in self._arrays for array in arrays]

    def get_weights(self) -> list[Array]:
        """Copies of the parameters, [W1, b1, W2, ...]: W (n_in, n_out), b (n_out,), no b without a bias.

        A normalisation has gamma and beta, "batch" also its moving mean and variance, (n_out,) each.
        """
        return [array.copy() for array in self._parameters()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Takes the values of a list like `get_weights`'; ValueError, and no change, if shapes differ."""
        _copy_all(self._parameters(), weights, "weights")

    def initialize(self, layer: int, kind: str, scale: float, seed: int) -> None:
        """Draws a layer's weights, "uniform" in [-scale, scale) or "normal" of that deviation; zeroes b."""
        draw = {"uniform": uniform_weights, "normal": normal_weights}
        _known("kind", kind, draw)
        w, *bias = self._arrays[layer]
        w[...] = draw[kind](seed, layer, w.shape, scale)
        for b in bias:
            b[...] = 0

    # Forward

    def _input(self, X: Any) -> Array:
        """X (..., n_in) in the plan's type, rescaled."""
        x = np.asarray(X).astype(self.dtype)
        if x.ndim not in (1, 2) or x.shape[-1] != self.n_in:
            raise ValueError(f"X must have shape (rows, {self.n_in}), got {x.shape}.")
        if self._shift is not None:
            x = x - self._shift
        if self._divisor is not None:
            x = x / self._divisor
        return x

    def _forward(self, X: Any, dropout_seed: int | None = None) -> list[_Trace]:
        """The forward pass, with dropout if there is a seed for it."""
        a = self._input(X)
        traces = []
        for number, layer in enumerate(self._layers):
            x, mask = a, None
            if dropout_seed is not None and layer.dropout > 0:
                mask = dropout_mask(dropout_seed, number, self.step, a.shape, layer.dropout, self.dtype)
                x = a * mask
            z, *taken = self._step(number, x, training=dropout_seed is not None)
            a = activation_forward(layer.activation, z, layer.parameter)
            traces.append(_Trace(x, mask, z, a, *taken))
        return traces

    def _step(self, number: int, x: Array, *, training: bool) -> list[Array]:
        """z of a layer; of a normalisation also the mean and the variance that it took."""
        layer = self._layers[number]
        first, *rest = self._arrays[number]
        if layer.norm is None:
            return [dense_forward(x, first, rest[0] if rest else None)]
        beta, *moving = rest
        if layer.norm == "layer":
            mean, variance = statistics(x, axis=-1)
        elif training:
            mean, variance = statistics(x, axis=0)
        else:
            mean, variance = moving
        return [normalized(x, mean, variance, layer.epsilon) * first + beta, mean, variance]

    def forward(self, X: Any) -> list[Array]:
        """Every layer's activations [a1, a2, ...], each (rows, n_out) of its layer; no dropout."""
        return [trace.a for trace in self._forward(X)]

    def predict(self, X: Any, out: Array | None = None, threads: int | None = None) -> Array:
        """The last layer's activations, (rows, n_out), or (n_out,) for one row of shape (n_in,).

        They are written to `out` if it is given.  `threads` is ignored.
        """
        prediction = self.forward(X)[-1]
        if out is None:
            return prediction
        if out.shape != prediction.shape or out.dtype != self.dtype:
            raise ValueError(
                f"out must be {self.dtype} of shape {prediction.shape}, got {out.dtype} of shape {out.shape}."
            )
        out[...] = prediction
        return out

    # Loss and backward

    def _loss(self, output: _Trace, y: Array, sample_weight: Array | None) -> tuple[Array, Array, Array]:
        """(row losses, dz of the last layer, correct) of a batch with the compiled loss."""
        name, parameter = self.loss, self._loss_parameter
        if name is None:
            raise RuntimeError("the plan has no loss, compile it with one.")
        if LOSSES[name].link != "any":
            row_losses, dz, correct = loss_gradient(name, parameter, output.z, y, sample_weight)
            return row_losses, flush(dz), correct
        row_losses, da, correct = loss_gradient(name, parameter, output.a, y, sample_weight)
        return row_losses, self._through_activation(-1, output, flush(da)), correct

    def _through_activation(self, number: int, trace: _Trace, da: Array) -> Array:
        """dz from da of a layer."""
        layer = self._layers[number]
        saved = trace.z if ACTIVATIONS[layer.activation].saved == "z" else trace.a
        return flush(activation_backward(layer.activation, da, saved, layer.parameter))

    def _from_outside(self, output: _Trace, output_gradient: Any) -> Array:
        """dz of the last layer from the gradient of a loss with respect to the prediction."""
        da = np.asarray(output_gradient, dtype=self.dtype)
        if da.shape != output.a.shape:
            raise ValueError(f"output_gradient must have shape {output.a.shape}, got {da.shape}.")
        return self._through_activation(-1, output, da)

    def _through_layer(self, number: int, trace: _Trace, dz: Array, *, training: bool) -> list[Array]:
        """[dx, dW, db], or [dx, d gamma, d beta, and zeros for what no gradient moves]."""
        layer, arrays = self._layers[number], self._arrays[number]
        if layer.norm is None:
            return list(dense_backward(dz, trace.x, arrays[0])[: 1 + len(arrays)])
        assert trace.mean is not None and trace.variance is not None
        axis = 1 if layer.norm == "layer" else 0 if training else None
        x_hat = normalized(trace.x, trace.mean, trace.variance, layer.epsilon)
        found = normalization_backward(dz, x_hat, arrays[0], trace.variance, layer.epsilon, axis)
        return [flush(found[0]), *found[1:], *(np.zeros_like(array) for array in arrays[2:])]

    def _backward(
        self, traces: Sequence[_Trace], dz: Array, *, training: bool = False
    ) -> tuple[list[Array], Array]:
        """([dW1, db1, dW2, ...], dX) from dz of the last layer."""
        gradients: list[Array] = []
        for number in reversed(range(len(self._layers))):
            dx, *of_layer = self._through_layer(number, traces[number], dz, training=training)
            gradients = [*of_layer, *gradients]
            mask = traces[number].mask
            if mask is not None:
                dx = dx * mask
            if number > 0:
                dz = self._through_activation(number - 1, traces[number - 1], dx)
        return gradients, dx if self._divisor is None else dx / self._divisor

    def gradients(
        self, X: Any, y: Array, sample_weight: Array | None = None, *, input_gradient: bool = False
    ) -> tuple[float, list[Array], Array | None]:
        """The loss, its gradients [dW1, db1, dW2, ...], and its gradient with respect to X on request.

        The loss is the sum of the weighted row losses over the number of rows.  Dropout, clipping and
        penalties have no part in it.
        """
        traces = self._forward(X)
        row_losses, dz, _ = self._loss(traces[-1], y, sample_weight)
        gradients, dx = self._backward(traces, dz)
        return _total(row_losses) / len(row_losses), gradients, dx if input_gradient else None

    def backward(self, X: Any, output_gradient: Any) -> tuple[list[Array], Array]:
        """([dW1, db1, dW2, ...], dX) from the gradient of any loss with respect to the prediction of X."""
        traces = self._forward(X)
        return self._backward(traces, self._from_outside(traces[-1], output_gradient))

    def evaluate(
        self, X: Any, y: Array, sample_weight: Array | None = None, threads: int | None = None
    ) -> tuple[float, float]:
        """(sum of the weighted row losses, number of correct rows).  `threads` is ignored."""
        row_losses, _, correct = self._loss(self._forward(X)[-1], y, sample_weight)
        return _total(row_losses), _total(correct)

    # Training

    def compile(
        self, loss: str | None, loss_parameter: float, optimizer: str, hyperparameters: Mapping[str, Any]
    ) -> None:
        """Chooses loss and optimizer, and starts the optimizer anew.

        Parameters
        ----------
        loss : str or None
            One of `LOSSES`; None if it comes from outside, by `train_forward` and `train_backward`.
        loss_parameter : float
        optimizer : str
            One of `OPTIMIZERS`.
        hyperparameters : mapping
            All of the optimizer's but the learning rate; clips that are not set are None.

        Raises
        ------
        ValueError
            If a name is unknown, the loss needs another output activation, or an activation is step.
        """
        if any(layer.activation == "step" for layer in self._layers):
            raise ValueError("activation 'step' has derivative 0, so nothing can be trained through it.")
        _known("optimizer", optimizer, OPTIMIZERS)
        if loss is not None:
            _known("loss", loss, LOSSES)
            output, link = self._layers[-1].activation, LOSSES[loss].link
            if output not in LINKS.get(link, (output,)):
                raise ValueError(f"loss {loss!r} needs an output activation of {link!r}, got {output!r}.")
        self.loss, self._loss_parameter = loss, loss_parameter
        self._optimizer, self._hyperparameters = optimizer, dict(hyperparameters)
        plain = optimizer == "sgd" and not hyperparameters.get("momentum")  # remembers nothing
        count = 0 if plain else OPTIMIZERS[optimizer].slots
        self._slots = [[np.zeros_like(array) for array in self._parameters()] for _ in range(count)]
        self.step, self._beta_powers = 0, (1.0, 1.0)
        self._last = None

    def squares(self) -> float:
        """The sum of the squared weights of all dense layers, biases left out, in float64."""
        pairs = zip(self._layers, self._arrays, strict=True)
        dense = [arrays[0] for layer, arrays in pairs if not layer.norm]
        return sum(_total(np.square(w, dtype=np.float64)) for w in dense)

    def _update(self, gradients: Sequence[Array], learning_rate: float, l2: float | None) -> None:
        """One optimizer step on all parameters."""
        h = self._hyperparameters if l2 is None else {**self._hyperparameters, "l2": l2}
        power_1, power_2 = self._beta_powers
        powers = (power_1 * h.get("beta_1", 0.0), power_2 * h.get("beta_2", 0.0))
        scale = global_norm_scale(gradients, h.get("global_clipnorm"))
        for i, (array, gradient) in enumerate(zip(self._parameters(), gradients, strict=True)):
            slots = [slot[i] for slot in self._slots]
            is_weight = array.ndim == 2
            gradient = scale * gradient
            apply(self._optimizer, array, gradient, slots, h, learning_rate, powers, is_weight=is_weight)
        self.step, self._beta_powers = self.step + 1, powers

    def _move_statistics(self, traces: Sequence[_Trace]) -> None:
        """moving = momentum * moving + (1 - momentum) * batch"""
        for layer, arrays, trace in zip(self._layers, self._arrays, traces, strict=True):
            if layer.norm == "batch":
                assert trace.mean is not None and trace.variance is not None
                for moving, batch in zip(arrays[2:], (trace.mean[0], trace.variance[0]), strict=True):
                    moving[...] = layer.momentum * moving + (1 - layer.momentum) * batch

    @np.errstate(over="ignore", invalid="ignore")  # a divergence is told by the loss
    def train(
        self,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        shuffle: bool,
        first: int,
        learning_rates: Array,
        seconds: float,
        threads: int | None = None,
        sums: tuple[float, float] = (0.0, 0.0),
        order: Array | None = None,
        check_rows: bool = False,
        l2: Array | None = None,
    ) -> tuple[int, float, float]:
        """Trains mini-batches `first`, `first` + 1, ... of an epoch until it ends or `seconds` have passed.

        Parameters
        ----------
        X : ndarray of shape (rows, n_in)
        y : ndarray
            (rows,) classes for the sparse loss, else (rows, n_out).
        sample_weight : ndarray of shape (rows,) or None
        batch_size : int
            Rows of a mini-batch; the last may be shorter.
        seed, epoch : int
            What the order of the rows and dropout depend on.
        shuffle : bool
            Whether the rows are shuffled.
        first : int
            The first batch.
        learning_rates : ndarray of float64
            One for each batch of the epoch.
        seconds : float
            At least one batch is trained.
        threads : int or None
            Ignored.
        sums : (float, float)
            What the sums begin with: an epoch in several calls adds its rows in the order of one.
        order : ndarray of int64 or None
            Numbers of the rows that the epoch is of, instead of all rows in an order of its own.
        check_rows : bool
            Whether X may hold NaN or infinity, which end the call before the first batch that has any.
        l2 : ndarray of float64 or None
            One for each batch of the epoch, in place of the hyperparameter.

        Returns
        -------
        next_batch : int
        loss : float
            Sum of the weighted row losses of the batches done, each before its own update, added to `sums`.
        correct : float
            Number of correct rows, likewise.

        Raises
        ------
        FloatingPointError
            If a batch's loss is not finite; weights, optimizer and step are then as before the call.
        ValueError
            If a row is not finite; the batches before it have been trained.
        """
        if order is None:
            order = shuffled(seed, epoch, len(X)) if shuffle else np.arange(len(X))
        batches = math.ceil(len(order) / batch_size)
        start, before = time.monotonic(), (self.get_weights(), self.get_state())
        loss, correct = sums
        batch = first
        while batch < batches:
            chosen = order[batch * batch_size : (batch + 1) * batch_size]
            weight = None if sample_weight is None else sample_weight[chosen]
            if check_rows and not np.isfinite(X[chosen]).all():
                raise ValueError("X contains NaN or infinity, expected finite values")
            traces = self._forward(X[chosen], dropout_seed=seed)
            row_losses, dz, row_correct = self._loss(traces[-1], y[chosen], weight)
            if not np.isfinite(_total(row_losses)):
                self.set_weights(before[0])
                self.set_state(before[1])
                raise FloatingPointError(f"the loss of batch {batch} is not finite: {_total(row_losses)}.")
            gradients = self._backward(traces, dz, training=True)[0]
            self._update(gradients, float(learning_rates[batch]), None if l2 is None else l2[batch])
            self._move_statistics(traces)
            loss, correct = loss + _total(row_losses), correct + _total(row_correct)
            batch += 1
            if time.monotonic() - start >= seconds:
                break
        return batch, loss, correct

    def train_epochs(
        self,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        shuffle: bool,
        learning_rates: Array,
        seconds: float,
        threads: int | None = None,
        order: Array | None = None,
        l2: Array | None = None,
        out: Array,
    ) -> int:
        """Trains whole epochs `epoch`, `epoch` + 1, ... until `seconds` have passed; arguments as in `train`.

        Parameters
        ----------
        learning_rates : ndarray of float64, shape (epochs, batches)
            A row for each epoch, at most as many of which are trained, and at least one.
        order : ndarray of int64, shape (epochs, rows), optional
            Row numbers of X for each epoch, in place of shuffling.
        l2 : ndarray of float64, shape (epochs, batches), optional
            In place of the hyperparameter.
        out : ndarray of float64, shape (epochs, 2) or (epochs, 3)
            Takes, of each epoch done, the sum of the weighted row losses and the number of correct rows; in a
            third column `squares` after the epoch.

        Returns
        -------
        done : int
            How many epochs were trained.

        Raises
        ------
        FloatingPointError
            If the first epoch diverges; a later one ends the call before it.
        """
        done, end = 0, time.monotonic() + seconds
        while done < len(learning_rates) and (not done or time.monotonic() < end):
            try:
                _, *out[done, :2] = self.train(
                    X, y, sample_weight, batch_size=batch_size, seed=seed, epoch=epoch + done,
                    shuffle=shuffle, first=0, learning_rates=learning_rates[done], seconds=math.inf,
                    order=None if order is None else order[done], l2=None if l2 is None else l2[done],
                )  # fmt: skip
                out[done, 2:] = self.squares()
            except FloatingPointError:
                if not done:
                    raise
                break
            done += 1
        return done

    def train_forward(self, X: Any, *, seed: int) -> Array:
        """The predictions of a batch with dropout on, kept for `train_backward`."""
        if not self._optimizer:
            raise RuntimeError("the plan has no optimizer, compile it first.")
        self._last = self._forward(X, dropout_seed=seed)
        return self._last[-1].a.copy()

    def train_backward(self, output_gradient: Any, learning_rate: float, l2: float | None = None) -> None:
        """One optimizer step from the gradient of a loss with respect to `train_forward`'s predictions.

        `l2` takes the place of the hyperparameter.
        """
        if self._last is None:
            raise RuntimeError("train_backward needs a train_forward before it.")
        traces, self._last = self._last, None
        dz = self._from_outside(traces[-1], output_gradient)
        self._update(self._backward(traces, dz, training=True)[0], learning_rate, l2)
        self._move_statistics(traces)

    def get_state(self) -> dict[str, Any]:
        """The optimizer's memory: step, beta_powers, and slots, each a list like `get_weights`'."""
        return {
            "step": self.step,
            "beta_powers": self._beta_powers,
            "slots": [[array.copy() for array in slot] for slot in self._slots],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes what `get_state` gave; ValueError, and no change, if its arrays do not fit."""
        if len(state["slots"]) != len(self._slots):
            raise ValueError(f"state must have {len(self._slots)} slots, got {len(state['slots'])}.")
        own = [array for slot in self._slots for array in slot]
        _copy_all(own, [array for slot in state["slots"] for array in slot], "state")
        self.step = int(state["step"])
        power_1, power_2 = state["beta_powers"]
        self._beta_powers = (float(power_1), float(power_2))


def _total(values: Array) -> float:
    """The sum in float64."""
    return float(values.sum(dtype=np.float64))


def _known(what: str, name: str, names: Mapping[str, Any]) -> None:
    if name not in names:
        raise ValueError(f"{what} {name!r} is unknown, known are {', '.join(sorted(names))}.")


def _copy_all(targets: Sequence[Array], sources: Sequence[Array], name: str) -> None:
    """Copies arrays into arrays of the same shapes, all or none."""
    expected = [array.shape for array in targets]
    got = [np.shape(array) for array in sources]
    if got != expected:
        raise ValueError(f"{name} must have shapes {expected}, got {got}.")
    for target, source in zip(targets, sources, strict=True):
        target[...] = source
