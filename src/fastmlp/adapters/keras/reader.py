"""`from_keras`: a chain of Keras layers, read one by one into the layers and weights of a network."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import layers as ours
from ...errors import listed
from ...network import Network
from ..chain import Part, named, network, total
from . import activations, training
from ._module import keras_module

Array = np.ndarray[Any, Any]


def from_keras(model: Any, *, seed: int | np.random.Generator | None = None) -> Network:
    """A network that predicts what a Keras model does.

    The layers may be Dense, Activation, ReLU, LeakyReLU, ELU, PReLU, Softmax, Dropout, AlphaDropout,
    GaussianNoise, BatchNormalization, LayerNormalization and Flatten, Rescaling or Normalization first, and
    Sequential or functional models of these, one after another.  An Add of two tensors, or + between them, is
    a skip connection, `fastmlp.Add`: of the output of a layer, and what further layers make of it.

    The network is compiled if the model is and both of these have an equal: the optimizer (SGD, Adam,
    Adadelta, Nadam, Lion, at a constant rate; Keras adds Adam's epsilon before the correction of the bias,
    here it is after) and the loss (mse, mae, huber, the cross-entropies of probabilities, poisson).
    The optimizer's moments begin anew.
    Regularizers of weights and activities, constraints, frozen or shared weights, LoRA and normalisations
    without gamma or beta are not trained so here: a compiled model with one of them gives the weights alone,
    and a UserWarning says why.

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
        Built, with one input and one output, all layers of the dtype float32 or all of float64: the
        network's.  Its inputs are of that dtype or of float64, as Keras rounds what goes in to theirs.
    seed : int or numpy.random.Generator, optional
        The network's, for training it on; see `fastmlp.Network`.

    Returns
    -------
    Network
        Its own copy of the weights, bit for bit.

    Raises
    ------
    ValueError
        If a layer or an option of one has no equal; the message names the layer.
    TypeError
        If `model` is not a Keras model.
    ImportError
        If Keras or one of its backends is not installed.

    Examples
    --------
    >>> import keras
    >>> from fastmlp.keras import from_keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)])
    >>> from_keras(model, seed=0)
    Network([4, Dense(8, 'relu'), Dense(3, 'identity')], dtype='float32', seed=0)
    """
    keras = keras_module()
    if not isinstance(model, keras.Model):
        hint = ", such as keras.saving.load_model gives" if isinstance(model, (str, os.PathLike)) else ""
        raise TypeError(f"model is a {type(model).__name__}, expected a Keras model{hint}")
    _check_kind(keras, model)
    reader = _Reader(keras, _input_shape(model))
    for call in _chain(keras, model):
        try:
            reader.read(call)
        except ValueError as error:
            raise ValueError(f"{call.label}: {error}") from None
    dtype = reader.dtype or "float32"
    _check_inputs(keras, model, dtype)
    n_in = math.prod(reader.input_shape)
    net = network(reader.parts, f"model {model.name!r}", n_in=n_in, dtype=dtype, seed=seed)
    training.compile_alike(keras, model, reader.trained, net)
    return net


# ---- the order of the layers ----


def _input_shape(model: Any) -> tuple[int, ...]:
    """The shape of one input, without the batch."""
    try:
        shape = model.input_shape
    except AttributeError:
        shape = None
    if shape is None:
        raise ValueError(
            f"model {model.name!r} has no input shape, expected keras.Input as its first element"
        )
    if not isinstance(shape, tuple) or len(shape) < 2 or not all(isinstance(n, int) for n in shape[1:]):
        raise ValueError(f"model {model.name!r} has the input shape {shape}, expected one with fixed lengths")
    return shape[1:]


def _check_inputs(keras: Any, model: Any, dtype: str) -> None:
    """Raises ValueError where Keras changes numbers as it takes them in: 1.9 to 1 for int32."""
    for part in (model, *(layer for layer in model.layers if isinstance(layer, keras.Model))):
        given = part.inputs[0].dtype
        if given not in (dtype, "float64"):
            raise ValueError(
                f"model {part.name!r} converts its inputs to {given!r}, expected keras.Input(dtype={dtype!r})"
            )
        if part is not model:
            _check_inputs(keras, part, dtype)


@dataclass(frozen=True)
class _Call:
    """A layer or an operation where it is called, None at the beginning of a model.

    Of an addition `source` names one of its two tensors; the other comes from the call before.  `name` is the
    output's where that is such a source.
    """

    operation: Any
    source: str = ""
    name: str = ""
    label: str = ""  # what an error calls it


def _chain(keras: Any, model: Any, inside: str = "") -> Iterator[_Call]:
    """Every layer in the order of calls; a model inside a model is entered."""
    for call in _in_order(keras, model):
        layer = call.operation
        if layer is None:
            yield replace(call, label=f"the input of {model.name!r}")
            continue
        place = f"layer {model.layers.index(layer)}, " if layer in model.layers else "operation "
        label = f"{place}{layer.name!r} ({type(layer).__name__}){inside}"
        if isinstance(layer, keras.Model):
            yield from _chain(keras, layer, f" of {layer.name!r}")
            yield _Call(None, name=call.name, label=label)
        else:
            yield replace(call, label=label)


def _check_kind(keras: Any, model: Any) -> str:
    """Which of the two kinds of models it is that tell their layers' order."""
    if isinstance(model, keras.Sequential) and type(model).call is keras.Sequential.call:
        return "sequential"
    functional: list[Any] = [cls for cls in type(model).__mro__ if cls.__name__ == "Functional"]
    if functional and type(model).call is functional[0].call:
        return "functional"
    raise ValueError(
        f"model {model.name!r} is a {type(model).__name__} with a call of its own, expected a Sequential "
        "or a functional model"
    )


def _in_order(keras: Any, model: Any) -> list[_Call]:
    if _check_kind(keras, model) == "sequential":
        return [_Call(layer) for layer in model.layers]
    return _functional(keras, model)


def _functional(keras: Any, model: Any) -> list[_Call]:
    """The layers from the output back to the input, turned round."""
    for what, tensors in [("inputs", model.inputs), ("outputs", model.outputs)]:
        if len(tensors) != 1:
            raise ValueError(f"model {model.name!r} has {len(tensors)} {what}, expected one")
    found: list[_Call] = []
    sources = set[int]()
    tensor = model.outputs[0]
    while True:
        name = str(id(tensor)) if id(tensor) in sources else ""
        if tensor is model.inputs[0]:
            return [_Call(None, name=name), *found[::-1]]
        operation, index, _ = tensor._keras_history
        before, source = _before(keras, operation, operation._inbound_nodes[index].input_tensors)
        if source is not None:
            sources.add(id(source))
        found.append(_Call(operation, "" if source is None else str(id(source)), name))
        tensor = before


def _before(keras: Any, operation: Any, tensors: list[Any]) -> tuple[Any, Any]:
    """The tensor that an operation goes on from, and of an addition the other one, that is made before it."""
    if len(tensors) == 1:
        return tensors[0], None
    came, expected = f"layer {operation.name!r}", "keras.layers.Add of a tensor and what layers make of it"
    if len(tensors) != 2 or not _adds(keras, operation):
        raise ValueError(f"{came} has {len(tensors)} inputs, expected a chain of layers, or {expected}")
    a, b = tensors
    if a.shape != b.shape:
        raise ValueError(f"{came} adds the shapes {a.shape[1:]} and {b.shape[1:]}, expected two alike")
    if a is not b and _is_made_of(a, b):
        return a, b
    if a is not b and _is_made_of(b, a):
        return b, a
    what = "a tensor to itself" if a is b else "what two branches make of a tensor"
    raise ValueError(f"{came} adds {what}, expected {expected}")


def _adds(keras: Any, operation: Any) -> bool:
    """Whether it is the layer, or what + makes of two tensors."""
    one = keras.KerasTensor((None, 1))
    plus = keras.ops.add(one, one)._keras_history.operation
    return type(operation) in (keras.layers.Add, type(plus))


def _is_made_of(tensor: Any, source: Any) -> bool:
    waiting, seen = [tensor], set[int]()
    while waiting:
        tensor = waiting.pop()
        if tensor is source:
            return True
        if id(tensor) not in seen:
            seen.add(id(tensor))
            operation, index, _ = tensor._keras_history
            waiting += operation._inbound_nodes[index].input_tensors
    return False


# ---- one layer after the other ----


class _Reader:
    """What was read so far: the parts of a chain, and the shape that one row has there."""

    def __init__(self, keras: Any, input_shape: tuple[int, ...]) -> None:
        self.keras = keras
        self.input_shape = self.shape = input_shape
        self.parts: list[Part] = []
        self.trained: list[Any] = []  # the variables of arrays that training changes, None for constants
        self.dtype: str | None = None
        self._methods: dict[str, Callable[[Any, str], None]] = {
            "Dense": self._dense,
            "Dropout": self._dropout,
            "AlphaDropout": self._alpha_dropout,
            "GaussianNoise": self._gaussian_noise,
            "BatchNormalization": self._batch_normalization,
            "LayerNormalization": self._layer_normalization,
            "PReLU": self._prelu,
            "Add": self._nothing,  # of one tensor
            "Flatten": self._flatten,
            "Rescaling": self._rescaling,
            "Normalization": self._normalization,
            **dict.fromkeys(("Activation", *activations.LAYERS), self._activation),
        }

    def read(self, call: _Call) -> None:
        layer, path = call.operation, call.label
        if call.source:
            if isinstance(layer, self.keras.layers.Layer):
                self._check(layer)
            self.parts.append(total(path, call.source))
        elif layer is not None:
            self._read(layer, path)
        if call.name:
            self.parts.append(named(path, call.name))

    def _read(self, layer: Any, path: str) -> None:
        kind = activations.kind(self.keras, layer)
        if kind == "InputLayer":
            return
        if kind not in self._methods:
            raise ValueError(f"not supported, expected one of {listed(sorted(self._methods))}")
        self._check(layer)
        self._methods[kind](layer, path)

    def _nothing(self, layer: Any, path: str) -> None:
        pass

    def _check(self, layer: Any) -> None:
        if not layer.built:
            raise ValueError("it is not built, expected a call of model.build() first")
        policy, dtype = layer.dtype_policy.name, layer.compute_dtype
        if policy not in ("float32", "float64"):
            raise ValueError(f"its dtype is {policy!r}, expected float32 or float64")
        if self.dtype not in (None, dtype):
            raise ValueError(f"its dtype is {dtype!r}, expected {self.dtype!r} as the layers before it have")
        self.dtype = dtype

    def _numbers(self, *variables: Any) -> list[Array]:
        return [np.array(self.keras.ops.convert_to_numpy(variable)) for variable in variables]

    def _width(self) -> int:
        """Of one row, where a layer needs it to be flat."""
        if len(self.shape) != 1:
            raise ValueError(f"it is applied to the shape {self.shape}, expected a Flatten before it")
        return self.shape[0]

    def _dense(self, layer: Any, path: str) -> None:
        self._width()
        if getattr(layer, "quantization_mode", None) is not None:
            raise ValueError(f"it is quantized as {layer.quantization_mode!r}, expected a plain one")
        variables = [layer.kernel, *([layer.bias] if layer.use_bias else [])]
        dense = ours.Dense(layer.units, "identity", use_bias=layer.use_bias)
        self.parts.append(Part(path, dense, tuple(self._numbers(*variables))))
        self.trained += variables
        self.shape = (layer.units,)
        self.parts.append(Part(path, ours.Activation(activations.of_function(self.keras, layer.activation))))
        if isinstance(layer.activation, self.keras.layers.Layer):
            self._check(layer.activation)

    def _activation(self, layer: Any, path: str) -> None:
        name = activations.of_layer(self.keras, layer)
        assert name is not None
        if name in ("softmax", "log_softmax"):
            self._width()
        self.parts.append(Part(path, ours.Activation(name)))

    def _prelu(self, layer: Any, path: str) -> None:
        """One slope for all columns becomes one for each, alike."""
        width = self._width()
        [slope] = self._numbers(layer.alpha)
        self.trained.append(layer.alpha if slope.shape == (width,) else None)
        self.parts.append(Part(path, ours.PReLU(), (np.broadcast_to(slope, width),)))

    def _dropout(self, layer: Any, path: str) -> None:
        self._check_noise(layer)
        self.parts.append(Part(path, ours.Dropout(layer.rate)))

    def _check_noise(self, layer: Any) -> None:
        if layer.noise_shape is not None:
            raise ValueError(f"its noise_shape is {layer.noise_shape}, expected None")

    def _alpha_dropout(self, layer: Any, path: str) -> None:
        self._check_noise(layer)
        self.parts.append(Part(path, ours.AlphaDropout(layer.rate)))

    def _gaussian_noise(self, layer: Any, path: str) -> None:
        self.parts.append(Part(path, ours.GaussianNoise(layer.stddev)))

    def _flatten(self, layer: Any, path: str) -> None:
        if layer.data_format == "channels_first" and len(self.shape) > 1:
            raise ValueError("its data_format is 'channels_first', expected 'channels_last'")
        self.shape = (math.prod(self.shape),)

    def _rescaling(self, layer: Any, path: str) -> None:
        if np.ndim(layer.scale) or np.ndim(layer.offset):
            if not self.parts:
                raise ValueError("its scale or its offset is an array, expected numbers before all layers")
            rows = (np.broadcast_to(values, self._width()).tolist() for values in (layer.scale, layer.offset))
            self.parts.append(Part(path, ours.OutputRescaling(*map(tuple, rows))))
            return
        self.parts.append(Part(path, ours.Rescaling(float(layer.scale), float(layer.offset))))

    def _normalization(self, layer: Any, path: str) -> None:
        """(x - mean) / max(sqrt(variance), epsilon), all in the layer's own dtype."""
        if layer.invert:
            raise ValueError("its invert is True, expected False")
        mean, variance = self._numbers(layer.mean, layer.variance)
        std = np.maximum(np.sqrt(variance), self.keras.backend.epsilon())
        rows = (np.broadcast_to(array, (1, *self.shape)).ravel().tolist() for array in (mean, std))
        self.parts.append(Part(path, ours.Standardize(*map(tuple, rows))))

    def _gamma_beta(self, layer: Any) -> list[Array]:
        width = self._width()
        axis = layer.axis if isinstance(layer.axis, int) else tuple(layer.axis)
        if axis not in (-1, 1, (-1,), (1,)):
            raise ValueError(f"its axis is {layer.axis}, expected -1")
        gamma = self._numbers(layer.gamma)[0] if layer.scale else np.ones(width)
        beta = self._numbers(layer.beta)[0] if layer.center else np.zeros(width)
        self.trained += [layer.gamma if layer.scale else None, layer.beta if layer.center else None]
        return [gamma, beta]

    def _batch_normalization(self, layer: Any, path: str) -> None:
        if getattr(layer, "renorm", False):
            raise ValueError("its renorm is True, expected False")
        arrays = self._gamma_beta(layer) + self._numbers(layer.moving_mean, layer.moving_variance)
        made = ours.BatchNormalization(layer.momentum, layer.epsilon)
        self.parts.append(Part(path, made, tuple(arrays)))

    def _layer_normalization(self, layer: Any, path: str) -> None:
        if getattr(layer, "rms_scaling", False):
            raise ValueError("its rms_scaling is True, expected False")
        arrays = self._gamma_beta(layer)
        self.parts.append(Part(path, ours.LayerNormalization(layer.epsilon), tuple(arrays)))
