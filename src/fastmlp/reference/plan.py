"""The Plan: a whole network that predicts, goes backward and trains, step by step as a textbook does.

A layer computes x = mask * input, z = x @ w + b, a = activation(z); its outputs are the next layer's input.
Going backward, the gradient of the loss with respect to z, dz ("delta"), gives the gradients of w and b,
and through w the gradient of the layer's input; the activation's derivative makes that the dz before.  A
normalisation layer stands in for the dense step: z = x_hat * gamma + beta.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .functions import ACTIVATIONS, Array, activation_backward, activation_forward
from .layers import KINDS, ArrayKind, Training, node_of, width_of
from .losses import LINKS, LOSSES, Head, head_losses, loss_gradient
from .optimizers import BEFORE_THE_FIRST, OPTIMIZERS, Moment, apply, flush, following, global_norm_scale
from .products import PLANES
from .random import dropout_mask, normal_weights, sign_weights, uniform_weights
from .storage import stored

Parameters = float | Sequence[float]
Chosen = tuple[str | tuple[Head, ...], Parameters]  # a loss, or those of heads


class _Trace(NamedTuple):
    """What the forward pass of one layer leaves for the backward pass; rows are the batch's."""

    x: Array  # (rows, n_in), what met the weights
    mask: Array | None  # (rows, n_in), what dropout multiplied the input by
    z: Array  # (rows, n_out)
    a: Array  # (rows, n_out)
    taken: Sequence[Array] = ()  # statistics of a normalisation: mean and variance


class Plan:
    """A multi-layer perceptron in NumPy, the twin of the compiled Plan.

    Parameters
    ----------
    n_in : int
        Width of the input.
    layers : sequence of dict
        Nodes: each layer's kind, one of `layers.KINDS`, and some of the keys of `layers.NODE`: its units
        (n_in of what is not dense), activation and the activation's parameter, the rate in [0, 1) at which
        training drops units of the layer's *input*, use_bias, trainable, the number of
        an add's source, the kind's own settings, and factors of the learning rate and of penalties by
        name of an array.
    dtype : {"float32", "float64"}
    input_shift, input_divisor : array_like of shape (n_in,), optional
        The input is rescaled to (x - shift) / divisor.
    heads : sequence of (int, str, float), optional
        Columns, activation and its parameter of slices of the output side by side, after an identity.
    isa : str, optional
        Taken for likeness and ignored: the attribute `isa` is "numpy".

    Attributes
    ----------
    n_in, n_out : int
    layers : tuple of dict
        The nodes, with all their keys.
    heads : tuple
    dtype : numpy.dtype
    isa : str
    num_parameters : int
    members : int
        Networks that share weights: a row of X is so many rows of the layers, a member's each.  Predictions
        are the means of the members', and the loss is the mean of their losses.
    step : int
        Optimizer steps done since `compile`.
    forwards : int
        Forward passes of training since the last of them, or since `compile`.
    loss : str or None
        The loss of `compile`, which calls take that are given none.

    Raises
    ------
    ValueError
        If a name is unknown, a size is below 1, or a row activation is not the last.

    Examples
    --------
    Learn the exclusive or:

    >>> from fastmlp.reference import Run
    >>> hidden = {"kind": "dense", "units": 8, "activation": "tanh"}
    >>> output = {"kind": "dense", "units": 1, "activation": "sigmoid"}
    >>> plan = Plan(2, [hidden, output], dtype="float64")
    >>> for layer in range(2):
    ...     plan.initialize(layer, "uniform", 1.0, seed=1)
    >>> plan.compile("binary_crossentropy", 0.0, "sgd", {})
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = np.array([[0.0], [1.0], [1.0], [0.0]])
    >>> run = Run(plan, X, y, batch_size=4, seed=1, shuffle=True)
    >>> run.begin(np.full((500, 1), 1.0))
    >>> run.advance()
    >>> (plan.predict(X) > 0.5).astype(int).ravel()
    array([0, 1, 1, 0])
    """

    isa = "numpy"
    matrix_unit = False

    def __init__(
        self,
        n_in: int,
        layers: Sequence[Any],
        *,
        dtype: str = "float32",
        input_shift: Any = None,
        input_divisor: Any = None,
        heads: Sequence[tuple[int, str, float]] = (),
        isa: str | None = None,
    ) -> None:
        self.n_in = int(n_in)
        self.dtype = np.dtype(dtype)
        self.matmul_precision = "highest"
        nodes, width = [], self.n_in
        self._kinds: list[dict[str, ArrayKind]] = []
        for layer in layers:
            nodes.append(node_of(layer, width))
            kinds = KINDS[nodes[-1]["kind"]].arrays(nodes[-1], width)
            decaying = nodes[-1]["weight_decay"]  # a factor lets an array decay
            self._kinds.append(
                {key: kind._replace(decays=kind.decays or key in decaying) for key, kind in kinds.items()}
            )
            width = nodes[-1]["units"]
        self.layers: tuple[dict[str, Any], ...] = tuple(nodes)
        self.members = max([1, *(int(node["members"]) for node in nodes if "members" in node)])
        self._check()
        self.n_out = width
        self.heads = tuple(heads)
        self._check_heads()
        self._shift = self._input_vector("input_shift", input_shift)
        self._divisor = self._input_vector("input_divisor", input_divisor)
        self._output: tuple[Array, Array] | None = None  # scale and offset of the predictions
        self._arrays = [
            [np.full(kind.shape, kind.start, self.dtype) for kind in kinds.values()] for kinds in self._kinds
        ]
        self.num_parameters = sum(array.size for array in self._parameters())
        self._loss_chosen: Chosen | None = None
        self._optimizer = ""
        self._hyperparameters: Mapping[str, Any] = {}
        self._slots: list[list[Array]] = []  # one list like get_weights() for each slot
        self._slow: list[Array] | None = None  # slow weights of lookahead, or the moving average
        self._sum: list[Array] | None = None  # of the gradients since the last step, of
        self._pending = 0  # as many batches
        self._moment = BEFORE_THE_FIRST  # of the last step
        self._last: list[_Trace] | None = None
        self._went_back = False  # whether a gradient of the parameters came of it
        self._gradient: list[Array] | None = None  # None is zero
        self.forwards = 0

    def _check(self) -> None:
        """ValueError unless the description makes a network."""
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}.")
        if not self.layers:
            raise ValueError("layers must hold at least one layer, got none.")
        if self.n_in < 1:
            raise ValueError(f"n_in must be at least 1, got {self.n_in}.")
        if self.dtype != np.float32 and any(node.get("storage", 0) for node in self.layers):
            raise ValueError("weights in few bits are those of float32 plans alone.")
        for number, node in enumerate(self.layers):
            self._check_node(number, node, self.layers[number - 1]["units"] if number else self.n_in)

    def _check_heads(self) -> None:
        widths, output = [columns for columns, _, _ in self.heads], self.layers[-1]["activation"]
        if widths and (min(widths) < 1 or sum(widths) != self.n_out or output != "identity"):
            raise ValueError(f"heads of {widths} columns do not divide {self.n_out} outputs of {output!r}.")
        for _, activation, _ in self.heads:
            _known("activation", activation, ACTIVATIONS)
            if ACTIVATIONS[activation].saved == "row" and activation != "softmax":
                raise ValueError(f"a head cannot have {activation!r}.")

    def _check_node(self, number: int, node: dict[str, Any], n_in: int) -> None:
        where = f"layers[{number}]"
        if node["units"] < 1:
            raise ValueError(f"{where} must have at least 1 output, got {node['units']}.")
        _known("activation", node["activation"], ACTIVATIONS)
        if ACTIVATIONS[node["activation"]].saved == "row" and number < len(self.layers) - 1:
            raise ValueError(f"{where} is not the last, so it cannot have {node['activation']!r}.")
        _known("function", node["function"], ACTIVATIONS)
        if ACTIVATIONS[node["function"]].saved == "row":
            raise ValueError(f"{where} has the function {node['function']!r}, which is one of whole rows.")
        kind = KINDS[node["kind"]]
        if node["units"] != (expected := width_of(node, n_in)):
            raise ValueError(f"{where}, {node['kind']}, must have {expected} outputs, got {node['units']}.")
        if not 0 <= node["dropout"] < 1:
            raise ValueError(f"{where} must have a dropout rate in [0, 1), got {node['dropout']}.")
        for name, (_, least, most) in kind.settings.items():
            if not least <= node[name] <= most:
                raise ValueError(f"{name} of {where} must be {least:g} to {most:g}, got {node[name]}.")
        if "two_inputs" in kind.traits and not (
            0 <= node["source"] < number and self.layers[node["source"]]["units"] == node["units"]
        ):
            raise ValueError(f"{where} adds layer {node['source']}, which must come before and be as wide.")
        if "two_inputs" not in kind.traits and node["source"] != -1:
            raise ValueError(f"{where} has a source, which only a kind with two inputs has.")
        if node.get("members", self.members) != self.members:
            raise ValueError(f"{where} has {node['members']:g} members, another layer {self.members}.")
        before = [KINDS[earlier["kind"]].traits for earlier in self.layers[:number]]
        if "reads_codes" in kind.traits and not all("keeps_input" in traits for traits in before):
            raise ValueError(f"{where} reads codes, so what comes before it must keep the input.")
        for key in ("learning_rate", "weight_decay"):
            for name in node[key]:
                _known(f"{key} of {where} for array", name, self._kinds[number])

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
        for node, arrays in zip(self.layers, self._arrays, strict=True):
            if node.get("storage", 0):
                arrays[0][...] = stored(arrays[0], int(node["storage"]))
        self._last = None

    def _check_reals(self) -> None:
        """ValueError where weights are stored in few bits, which is for predictions alone."""
        if any(node.get("storage", 0) for node in self.layers):
            raise ValueError("weights are stored in few bits, for predictions alone.")

    def initialize(self, layer: int, kind: str, scale: float, seed: int, array: int = 0) -> None:
        """Draws one array of a layer: "uniform" in [-scale, scale), "normal" or "signs" times scale."""
        draw = {"uniform": uniform_weights, "normal": normal_weights, "signs": sign_weights}
        _known("kind", kind, draw)
        self._check_reals()
        w = self._arrays[layer][array]
        w[...] = draw[kind](seed, layer, w.shape, scale, array)
        self._last = None

    def rescale_output(self, scale: Array, offset: Array) -> None:
        """From now on predictions are a * scale + offset, (n_out,) each, of the last activations a."""
        for name, values in (("scale", scale), ("offset", offset)):
            if np.shape(values) != (self.n_out,):
                raise ValueError(f"{name} must have shape ({self.n_out},), got {np.shape(values)}.")
        if self.layers[-1]["activation"] != "identity" or self.heads:
            came = "with heads" if self.heads else repr(self.layers[-1]["activation"])
            raise ValueError(f"an output {came} cannot be rescaled.")
        self._output = np.array(scale, self.dtype), np.array(offset, self.dtype)
        self._last = None

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

    def _forward(
        self,
        X: Any,
        dropout_seed: int | None = None,
        dropout: float = 1.0,
        *,
        training: bool = False,
        standardized: bool = False,
    ) -> list[_Trace]:
        """The forward pass, with dropout if there is a seed for it, at the nodes' rates times `dropout`.

        In training its masks depend on the step too, and batch normalisation takes the batch's statistics.
        With `standardized` the output is not rescaled.
        """
        x = self._repeated(np.atleast_2d(self._input(X)))
        return self._layers(x, dropout_seed, dropout, training, standardized)

    def _layers(
        self, a: Array, dropout_seed: int | None, dropout: float, training: bool, standardized: bool = False
    ) -> list[_Trace]:
        """The forward pass from the input as the first layer takes it."""
        traces: list[_Trace] = []
        step = self.batches if training else 0
        for number, node in enumerate(self.layers):
            x, mask = a, None
            if dropout_seed is not None and node["dropout"] > 0:
                shape = (a.size // a.shape[-1], a.shape[-1])
                rate = dropout * node["dropout"]
                mask = dropout_mask(dropout_seed, number, step, shape, rate, self.dtype).reshape(a.shape)
                x = a * mask
            other = traces[node["source"]].a if node["source"] >= 0 else None
            drawn = None if dropout_seed is None else Training((dropout_seed, number, step), training)
            of_planes = {**node, "planes": PLANES[self.matmul_precision]}
            z, *taken = KINDS[node["kind"]].forward(x, self._arrays[number], of_planes, other, drawn)
            a = activation_forward(node["activation"], z, node["parameter"])
            traces.append(_Trace(x, mask, z, a, taken))
        if self.heads:
            parts = [
                activation_forward(activation, z, parameter)
                for z, (_, activation, parameter) in zip(self._by_head(traces[-1].z), self.heads, strict=True)
            ]
            traces[-1] = traces[-1]._replace(a=np.concatenate(parts, axis=-1))
        if self._output is not None and not standardized:
            scale, offset = self._output
            traces[-1] = traces[-1]._replace(a=a * scale + offset)
        return traces

    def _by_head(self, columns: Array) -> list[Array]:
        """(rows, n_out) in the slices of the heads."""
        return np.split(columns, np.cumsum([width for width, _, _ in self.heads])[:-1], axis=1)

    def _repeated(self, rows: Array) -> Array:
        """(rows * members, ...): each row once for each member."""
        return rows if self.members == 1 else np.repeat(rows, self.members, axis=0)

    def _split(self, a: Array) -> Array:
        """(rows, members, ...) from what the layers' rows have."""
        return a.reshape(-1, self.members, *a.shape[1:])

    def forward(self, X: Any) -> list[Array]:
        """Every layer's activations [a1, a2, ...], each (rows, n_out) of its layer; no dropout.

        With members (rows, members, n_out).
        """
        found = [self._split(trace.a) if self.members > 1 else trace.a for trace in self._forward(X)]
        return found if np.ndim(X) == 2 else [a[0] for a in found]

    def predict(self, X: Any, out: Array | None = None, threads: int | None = None) -> Array:
        """The last layer's activations, (rows, n_out), or (n_out,) for one row of shape (n_in,).

        They are written to `out` if it is given.  `threads` is ignored.
        """
        prediction = self._prediction(self._forward(X))
        prediction = prediction if np.ndim(X) == 2 else prediction[0]
        if out is None:
            return prediction
        if out.shape != prediction.shape or out.dtype != self.dtype:
            raise ValueError(
                f"out must be {self.dtype} of shape {prediction.shape}, got {out.dtype} of shape {out.shape}."
            )
        out[...] = prediction
        return out

    def predict_dropped(self, X: Any, *, seed: int, threads: int | None = None) -> Array:
        """Predictions with dropout; what a row drops follows from the seed and its place in X."""
        return self._prediction(self._forward(X, dropout_seed=seed))

    def _prediction(self, traces: Sequence[_Trace]) -> Array:
        """(rows, n_out): the mean of the members' outputs."""
        a = traces[-1].a
        return a if self.members == 1 else self._split(a).mean(axis=1)

    # Loss and backward

    @property
    def loss(self) -> str | None:
        name = None if self._loss_chosen is None else self._loss_chosen[0]
        return "heads" if isinstance(name, tuple) else name

    def _fitting(self, loss: Chosen | None) -> Chosen:
        """The loss (name, parameters), or compile's; ValueError unless the output fits it."""
        name, parameters = loss or self._loss_chosen or ("", 0.0)
        if not name:
            raise RuntimeError("the plan has no loss, compile it with one or give one.")
        if isinstance(name, tuple):
            if [head[2] for head in name] != [head[0] for head in self.heads]:
                raise ValueError(f"a loss of the heads {name} does not fit a plan with {self.heads}.")
            for (own, *_), (_, activation, _) in zip(name, self.heads, strict=True):
                _check_link(own, activation, "identity")
            return name, parameters
        output = self.layers[-1]["activation"]
        _check_link(name, output, output)
        outputs = LOSSES[name].outputs_of(parameters)
        if self.n_out % outputs:
            raise ValueError(f"loss {name!r} has {outputs} outputs a target, got {self.n_out}.")
        return name, parameters

    def _loss(
        self,
        loss: Chosen,
        output: _Trace,
        y: Array,
        sample_weight: Array | None,
        standardized: bool = False,
    ) -> tuple[Array, Array, Array]:
        """(row losses, dz of the last layer, correct) of a batch; of members the means of theirs."""
        name, parameters = loss
        y, sample_weight = self._repeated(y), None if sample_weight is None else self._repeated(sample_weight)
        fused = isinstance(name, tuple) or LOSSES[name].link != "any"
        row_losses, d, correct = loss_gradient(
            name, parameters, output.z if fused else output.a, y, sample_weight
        )
        dz = flush(d) if fused else self._through_output(output, flush(d), standardized)
        return self._split(row_losses).mean(axis=1), dz, self._split(correct).mean(axis=1)

    def _head_sums(
        self, loss: Chosen, output: _Trace, y: Array, sample_weight: Array | None
    ) -> list[float]:
        """Of a batch the sums of the losses of each head, without its weight; none where the loss is one."""
        heads = loss[0]
        if not isinstance(heads, tuple):
            return []
        y, sample_weight = self._repeated(y), None if sample_weight is None else self._repeated(sample_weight)
        of_rows = head_losses(heads, output.z, y, sample_weight)
        return [total(self._split(values).mean(axis=1)) for values in of_rows]

    def _through_output(self, output: _Trace, da: Array, standardized: bool = False) -> Array:
        """dz of the last layer from the gradient with respect to the prediction."""
        if self._output is not None and not standardized:
            da = flush(da * self._output[0])
        if self.heads:
            slices = (self._by_head(columns) for columns in (da, output.z, output.a))
            parts = [
                activation_backward(name, d, z if ACTIVATIONS[name].saved == "z" else a, parameter)
                for (_, name, parameter), d, z, a in zip(self.heads, *slices, strict=True)
            ]
            da = flush(np.concatenate(parts, axis=1))
        return self._through_activation(-1, output, da)

    def _through_activation(self, number: int, trace: _Trace, da: Array) -> Array:
        """dz from da of a layer."""
        node = self.layers[number]
        saved = trace.z if ACTIVATIONS[node["activation"]].saved == "z" else trace.a
        return flush(activation_backward(node["activation"], da, saved, node["parameter"]))

    def _from_outside(self, output: _Trace, output_gradient: Any) -> Array:
        """dz of the last layer from the gradient of a loss with respect to the prediction."""
        da = np.asarray(output_gradient, dtype=self.dtype)
        expected = (len(output.a) // self.members, self.n_out)
        if da.shape != expected:
            raise ValueError(f"output_gradient must have shape {expected}, got {da.shape}.")
        return self._through_output(output, self._repeated(da) / self.dtype.type(self.members))

    def _backward(
        self, traces: Sequence[_Trace], dz: Array, *, training: bool = False
    ) -> tuple[list[Array], Array]:
        """([dW1, db1, dW2, ...], dX) from dz of the last layer."""
        self._check_reals()
        gradients: list[Array] = []
        dx = dz
        beside: dict[int, Array] = {}  # what comes to a layer's output by an add
        for number in reversed(range(len(self.layers))):
            node, trace = self.layers[number], traces[number]
            backward = KINDS[node["kind"]].backward
            of_planes = {**node, "planes": PLANES[self.matmul_precision]}
            dx, *own = backward(dz, trace.x, self._arrays[number], of_planes, trace.taken, training)
            gradients = [*own, *gradients]
            if node["source"] >= 0:
                beside[node["source"]] = beside.get(node["source"], np.zeros_like(dz)) + dz
            if trace.mask is not None:
                dx = dx * trace.mask
            if number > 0:
                dx = dx + beside[number - 1] if number - 1 in beside else dx
                dz = self._through_activation(number - 1, traces[number - 1], dx)
        dX = dx if self.members == 1 else self._split(dx).sum(axis=1)
        return gradients, dX if self._divisor is None else dX / self._divisor

    def gradients(
        self,
        X: Any,
        y: Array,
        sample_weight: Array | None = None,
        *,
        input_gradient: bool = False,
        loss: Chosen | None = None,
        standardized: bool = False,
    ) -> tuple[float, list[Array], Array | None]:
        """The loss, its gradients [dW1, db1, dW2, ...], and its gradient with respect to X on request.

        The loss is the sum of the weighted row losses over the number of rows.  Dropout, clipping and
        penalties have no part in it.  `loss` (name, parameters) takes the place of compile's.  With
        `standardized` y is compared with outputs that are not rescaled.
        """
        traces = self._forward(X, standardized=standardized)
        row_losses, dz, _ = self._loss(self._fitting(loss), traces[-1], y, sample_weight, standardized)
        gradients, dx = self._backward(traces, dz)
        return total(row_losses) / len(row_losses), gradients, dx if input_gradient else None

    def backward(self, X: Any, output_gradient: Any) -> tuple[list[Array], Array]:
        """([dW1, db1, dW2, ...], dX) from the gradient of any loss with respect to the prediction of X."""
        traces = self._forward(X)
        return self._backward(traces, self._from_outside(traces[-1], output_gradient))

    def evaluate(
        self,
        X: Any,
        y: Array,
        sample_weight: Array | None = None,
        threads: int | None = None,
        *,
        loss: Chosen | None = None,
        standardized: bool = False,
    ) -> tuple[float, float]:
        """(sum of the row losses, sum of correct rows), both weighted; `threads` is ignored.

        With `standardized` y is compared with outputs that are not rescaled.
        """
        output = self._forward(X, standardized=standardized)[-1]
        row_losses, _, correct = self._loss(self._fitting(loss), output, y, sample_weight, standardized)
        return total(row_losses), total(correct if sample_weight is None else sample_weight * correct)

    # Training

    def compile(
        self,
        loss: str | tuple[Head, ...] | None,
        loss_parameters: Parameters,
        optimizer: str,
        hyperparameters: Mapping[str, Any],
    ) -> None:
        """Chooses loss and optimizer, and starts the optimizer anew.

        Parameters
        ----------
        loss : str, tuple of Head or None
            One of `LOSSES`, or one for each of the plan's heads, for calls that are given no other; None if
            each is, or if the loss comes from outside, by `train_forward` and `train_backward`.
        loss_parameters : float or sequence of float
            A number is the first of them; those that are left out have their defaults.
        optimizer : str
            One of `OPTIMIZERS`.
        hyperparameters : mapping
            All of the optimizer's but the learning rate; clips that are not set are None.

        Raises
        ------
        ValueError
            If a name is unknown, the loss needs another output activation, an activation is step, or weights
            are stored in few bits.
        """
        self._check_reals()
        functions = [(node[key], node[value]) for node in self.layers for key, value in _FUNCTIONS]
        for name, parameter in (*functions, *((name, parameter) for _, name, parameter in self.heads)):
            least, most = ACTIVATIONS[name].bounds
            if name == "step":
                raise ValueError("activation 'step' has derivative 0: nothing can be trained through it.")
            if ACTIVATIONS[name].parameter and not least <= parameter <= most:
                raise ValueError(f"{name!r} with {parameter} has no known derivative.")
        _known("optimizer", optimizer, OPTIMIZERS)
        self._loss_chosen = None if loss is None else self._fitting((loss, loss_parameters))
        self._optimizer, self._hyperparameters = optimizer, dict(hyperparameters)
        rule = OPTIMIZERS[optimizer]
        count = 0 if rule.by_momentum and not hyperparameters.get("momentum") else rule.slots
        self._slots = [[np.zeros_like(array) for array in self._parameters()] for _ in range(count)]
        slow = hyperparameters.get("use_ema") or hyperparameters.get("lookahead_steps")
        self._slow = [np.zeros_like(array) for array in self._parameters()] if slow else None
        several = self._batches_a_step() > 1
        self._sum = [np.zeros_like(array) for array in self._parameters()] if several else None
        self._pending = 0
        self._moment = BEFORE_THE_FIRST
        self._last = self._gradient = None
        self.forwards = 0

    def squares(self) -> float:
        """The sum of the squared weights of all dense layers, biases left out, in float64."""
        flat = zip(self._flat_kinds(), self._parameters(), strict=True)
        return sum(total(np.square(array, dtype=np.float64)) for (_, _, kind), array in flat if kind.decays)

    def _flat_kinds(self) -> list[tuple[dict[str, Any], str, ArrayKind]]:
        """Of each parameter array the node, its name and its kind."""
        pairs = zip(self.layers, self._kinds, strict=True)
        return [(node, name, kind) for node, kinds in pairs for name, kind in kinds.items()]

    def _moved(self) -> list[bool]:
        """Whether training moves each parameter array by its gradient."""
        return [node["trainable"] and kind.moves for node, _, kind in self._flat_kinds()]

    def _batches_a_step(self) -> int:
        return int(self._hyperparameters.get("gradient_accumulation_steps") or 1)

    @property
    def batches(self) -> int:
        """Batches trained since `compile`: as many as steps, but where gradients of several make one."""
        return self.step * self._batches_a_step() + self._pending

    def _train_by(
        self, gradients: Sequence[Array], learning_rate: float, l2: float | None, weight_decay: float | None
    ) -> None:
        """What the gradient of a batch does: a step, or a part of one."""
        if self._sum is not None:
            for total_of_one, gradient in zip(self._sum, gradients, strict=True):
                total_of_one += gradient
            self._pending += 1
            if self._pending < self._batches_a_step():
                return
            gradients = [array / array.dtype.type(self._pending) for array in self._sum]
            for array in self._sum:
                array[...] = 0
            self._pending = 0
        h, parameters = self._hyperparameters, self._parameters()
        if h.get("lookahead_steps") and self.step == 0:
            self._slow = [array.copy() for array in parameters]
        self._update(gradients, learning_rate, l2, weight_decay)
        if h.get("use_ema"):
            self._move_average(h["ema_momentum"] if self.step > 1 else 0.0)
        if h.get("lookahead_steps") and self.step % h["lookahead_steps"] == 0:
            self._meet(h["lookahead_alpha"])
        if h.get("ema_overwrite_frequency") and self.step % h["ema_overwrite_frequency"] == 0:
            self._meet(0.0)

    def _move_average(self, momentum: float) -> None:
        assert self._slow is not None
        for average, w, moves in zip(self._slow, self._parameters(), self._moved(), strict=True):
            if moves:
                average[...] = flush(w.dtype.type(momentum) * average + w.dtype.type(1 - momentum) * w)

    def _meet(self, share: float) -> None:
        """Slow weights go a share of the way to those that training moves, which go on from there."""
        assert self._slow is not None
        for slow, w, moves in zip(self._slow, self._parameters(), self._moved(), strict=True):
            if moves:
                slow += w.dtype.type(share) * (w - slow)
                w[...] = slow

    def take_average(self) -> None:
        """The moving average of the weights, if there is one, takes the place of those that are trained."""
        if self._hyperparameters.get("use_ema") and self.step:
            self._meet(0.0)
            self._last = None

    def _update(
        self, gradients: Sequence[Array], learning_rate: float, l2: float | None, weight_decay: float | None
    ) -> None:
        """One optimizer step on all parameters."""
        given = {"l2": l2, "weight_decay": weight_decay}
        h = {**self._hyperparameters, **{name: value for name, value in given.items() if value is not None}}
        now = following(self._optimizer, h, self._moment)
        flat, moved = self._flat_kinds(), self._moved()
        of_moved = [gradient for gradient, moves in zip(gradients, moved, strict=True) if moves]
        scale = global_norm_scale(of_moved, h.get("global_clipnorm"))
        for i, (array, gradient) in enumerate(zip(self._parameters(), gradients, strict=True)):
            node, name, kind = flat[i]
            if not moved[i]:
                continue
            rate, decay = (node[key].get(name, 1.0) for key in ("learning_rate", "weight_decay"))
            own = {**h, **{key: h.get(key, 0.0) * decay for key in ("l1", "l2", "weight_decay")}}
            slots = [slot[i] for slot in self._slots]
            apply(
                self._optimizer, array, scale * gradient, slots, own, learning_rate * rate, now,
                is_weight=kind.decays,
            )  # fmt: skip
        self._moment = now

    def _after_step(self, traces: Sequence[_Trace]) -> None:
        """What kinds move beside their arrays' gradients."""
        for node, arrays, trace in zip(self.layers, self._arrays, traces, strict=True):
            if after_step := KINDS[node["kind"]].after_step:
                after_step(arrays, node, trace.taken)

    @property
    def step(self) -> int:
        return self._moment.t

    def train_forward(self, X: Any, *, seed: int, dropout: float = 1.0) -> Array:
        """The predictions of a batch, dropout on at its rates times `dropout`, kept for `accumulate`.

        Batch normalisation takes the statistics of the batch before, if a gradient of parameters came of it
        that has not been zeroed since.
        """
        self._check_reals()
        if self._last is not None and self._went_back and self._gradient is not None:
            self._after_step(self._last)
        self._went_back = False
        self._last = self._forward(X, dropout_seed=seed, dropout=dropout, training=True)
        self.forwards += 1
        return self._prediction(self._last).copy()

    def accumulate(
        self, output_gradient: Any, *, inputs: bool = False, parameters: bool = True
    ) -> Array | None:
        """Adds the gradient of the parameters to the plan's; returns dX if `inputs`.

        It starts from the gradient of a loss with respect to `train_forward`'s predictions.
        """
        if self._last is None:
            raise RuntimeError("accumulate needs a train_forward before it.")
        dz = self._from_outside(self._last[-1], output_gradient)
        gradients, dx = self._backward(self._last, dz, training=True)
        if parameters:
            self._went_back = True
            before = self.get_gradient()
            self._gradient = [
                old + new if moves else old
                for old, new, moves in zip(before, gradients, self._moved(), strict=True)
            ]
        return dx if inputs else None

    def take_step(
        self, learning_rate: float, l2: float | None = None, weight_decay: float | None = None
    ) -> None:
        """One optimizer step by the plan's gradient, or a part of one where gradients accumulate.

        Batch normalisation takes the last batch's statistics.

        `l2` and `weight_decay` take the places of the hyperparameters.
        """
        if not self._optimizer or self._gradient is None:
            raise RuntimeError("take_step needs an optimizer and a gradient.")
        self._train_by(self._gradient, learning_rate, l2, weight_decay)
        if self._last is not None:
            self._after_step(self._last)
        self._last, self.forwards = None, 0

    @property
    def vector_size(self) -> int:
        """How many numbers a vector like the parameters has: all arrays, one after another."""
        return self.num_parameters

    @property
    def layer_starts(self) -> list[int]:
        """Where the arrays of each layer that has any begin in such a vector, the last layer's first."""
        sizes = [sum(array.size for array in arrays) for arrays in self._arrays]
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        return [start for start, size in zip(starts, sizes, strict=True) if size][::-1]

    def _vector(self, arrays: Sequence[Array]) -> Array:
        return np.concatenate([array.ravel() for array in arrays])

    def step_by(
        self,
        vector: Array,
        learning_rate: float,
        l2: float | None = None,
        weight_decay: float | None = None,
    ) -> None:
        """`take_step` by a gradient (vector_size,) that is the sum of what `Run.part_gradient` gave."""
        parameters = self._parameters()
        ends = np.cumsum([array.size for array in parameters])[:-1]
        flat = np.split(vector, ends)
        self._last = None
        self.set_gradient([part.reshape(w.shape) for part, w in zip(flat, parameters, strict=True)])
        self.take_step(learning_rate, l2, weight_decay)
        self.zero_gradient()

    def train_backward(
        self,
        output_gradient: Any,
        learning_rate: float,
        l2: float | None = None,
        weight_decay: float | None = None,
    ) -> None:
        """`accumulate` and `take_step`, from a gradient of zero back to it."""
        if not self._optimizer:
            raise RuntimeError("the plan has no optimizer, compile it first.")
        self.zero_gradient()
        self.accumulate(output_gradient)
        self.take_step(learning_rate, l2, weight_decay)
        self.zero_gradient()

    @property
    def forward_rows(self) -> int:
        """Rows of the batch that `accumulate` goes back through, or 0."""
        return 0 if self._last is None else len(self._last[-1].a) // self.members

    @property
    def has_gradient(self) -> bool:
        """Whether there is a gradient: else it is zero."""
        return self._gradient is not None

    def zero_gradient(self) -> None:
        """Forgets what `accumulate` has added up."""
        self._gradient = None

    def get_gradient(self) -> list[Array]:
        """What `accumulate` has added up, like `get_weights`; zeros for what is not trained."""
        if self._gradient is None:
            return [np.zeros_like(array) for array in self._parameters()]
        return [array.copy() for array in self._gradient]

    def set_gradient(self, gradient: Sequence[Array]) -> None:
        """Takes another gradient, like `get_weights`; that of what is not trained stays zero."""
        taken = [np.zeros_like(array) for array in self._parameters()]
        _copy_all(taken, gradient, "gradient")
        for array, moves in zip(taken, self._moved(), strict=True):
            array *= moves
        self._gradient = taken

    def gradient_squares(self) -> float:
        """The sum of the squares of the gradient, in float64."""
        return sum(total(np.square(array, dtype=np.float64)) for array in self.get_gradient())

    def shrink_gradient(self, factor: float) -> None:
        """The gradient times a factor."""
        if self._gradient is not None:
            self._gradient = [array * array.dtype.type(factor) for array in self._gradient]

    def blend(self, other: Plan, share: float) -> None:
        """parameters += share * (other's - parameters); a share of 1 copies them."""
        self._check_reals()
        if [array.shape for array in other._parameters()] != [array.shape for array in self._parameters()]:
            raise ValueError("other must have arrays of the same shapes.")
        for w, v in zip(self._parameters(), other._parameters(), strict=True):
            near, far = w.dtype.type(share), w.dtype.type(1 - share)
            w[...] = w + near * (v - w) if share < 0.5 else v - far * (v - w)
        self._last = None

    @contextmanager
    def changing(self, nested: bool = True) -> Iterator[None]:
        """Taken for likeness: the twin is for one thread."""
        yield

    def get_state(self) -> dict[str, Any]:
        """The optimizer's memory: step, beta_powers, and slots, each a list like `get_weights`'."""
        return {
            "step": self.step,
            "pending": self._pending,
            "beta_powers": (self._moment.power_1, self._moment.power_2),
            "slots": [[array.copy() for array in slot] for slot in self._all_slots()],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes what `get_state` gave; ValueError, and no change, if its arrays do not fit."""
        slots = self._all_slots()
        if len(state["slots"]) != len(slots):
            raise ValueError(f"state must have {len(slots)} slots, got {len(state['slots'])}.")
        own = [array for slot in slots for array in slot]
        _copy_all(own, [array for slot in state["slots"] for array in slot], "state")
        power_1, power_2 = state["beta_powers"]
        self._moment = Moment(int(state["step"]), float(power_1), float(power_2))
        self._pending = int(state.get("pending", 0))

    def _all_slots(self) -> list[list[Array]]:
        """Those of the rule, and what is kept beside them."""
        return [*self._slots, *(slot for slot in (self._slow, self._sum) if slot is not None)]


def total(values: Array) -> float:
    """The sum in float64."""
    return float(values.sum(dtype=np.float64))


_FUNCTIONS = (("activation", "parameter"), ("function", "function_parameter"))  # of a node


def _check_link(loss: str, activation: str, free: str) -> None:
    """ValueError unless a loss fits the activation; one without a link needs `free`."""
    _known("loss", loss, LOSSES)
    link = LOSSES[loss].link
    if activation not in LINKS.get(link, (free,)):
        raise ValueError(f"loss {loss!r} needs an output activation of {link!r}, got {activation!r}.")


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
