"""`to_keras`: the layers of a network as those of a keras.Sequential, or of a functional model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import layers as ours
from ... import registry
from ...layers.base import entry
from ...network import Network
from . import activations
from ._module import keras_module

Array = np.ndarray[Any, Any]


def to_keras(net: Network) -> Any:
    """A Keras model that predicts what a network does.

    Some activations are layers of their own there: leaky_relu, whose slope differs, elu with a parameter, and
    thresholded_relu with one above 0.  The approximate gelu, and celu, hard_shrink, soft_shrink, squareplus
    and thresholded_relu with other parameters, are functions of fastmlp's, so a saved model with one is read
    again only by a process that has called `to_keras` for one.  Keras with another backend than TensorFlow
    rounds much of what a float64 layer computes to float32 (3.15).

    Parameters
    ----------
    net : Network

    Returns
    -------
    keras.Sequential, or a functional keras.Model of a network with skip connections
        Not compiled, with its own copy of the weights, bit for bit, and the network's dtype in every layer.
        Layers that are frozen here are so there; factors of a layer's learning rate and decay have no equal.

    Raises
    ------
    ValueError
        If a layer or an activation has no equal in Keras, as "step", or Keras' backend does not hold float64.
    TypeError
        If `net` is not a Network.
    ImportError
        If Keras or one of its backends is not installed.

    Examples
    --------
    >>> from fastmlp import Network
    >>> from fastmlp.keras import to_keras
    >>> model = to_keras(Network([4, 8, 3], output="softmax", seed=0))
    >>> [layer.activation.__name__ for layer in model.layers]
    ['relu', 'softmax']
    """
    keras = keras_module()
    if not isinstance(net, Network):
        raise TypeError(f"net is a {type(net).__name__}, expected a Network")
    dtype = net.dtype.name
    state = net.state_dict()
    x = keras.Input((net.layer_sizes[0],), dtype=dtype)
    elements: list[list[Any]] = []  # of each of ours
    filled: list[tuple[Any, list[Array], bool]] = []
    for layer in net.layers:
        made = entry(_MAKERS, layer, "Keras")(keras, layer, net.dtype)
        if layer.arrays(1):
            prefix = f"layers.{len(filled)}."
            arrays = [array for name, array in state.items() if name.startswith(prefix)]
            filled.append((made[0], arrays, getattr(layer, "trainable", True)))
        elements.append(made)
    model = _model(keras, x, net.layers, elements)
    for layer, arrays, trainable in filled:
        layer.set_weights(arrays)
        layer.trainable = trainable
    _check_held(keras, model, net.dtype)
    return model


def _model(keras: Any, x: Any, layers: Sequence[ours.Layer], elements: Sequence[list[Any]]) -> Any:
    """Sequential where each reads the one before it."""
    if all(layer.second_input() is None for layer in layers):
        return keras.Sequential([x, *(element for made in elements for element in made)])
    outputs = [x]  # by place
    for layer, made in zip(layers, elements, strict=True):
        source, tensor = layer.second_input(), outputs[-1]
        for element in made:
            tensor = element(tensor if source is None else [tensor, outputs[source]])
        outputs.append(tensor)
    return keras.Model(x, outputs[-1])


# ---- the layers of Keras that one of ours is; the one with weights comes first ----


def _dense(keras: Any, layer: ours.Dense, dtype: np.dtype[Any]) -> list[Any]:
    kind, parameter = registry.resolve_activation(layer.activation)
    own = activations.to_keras(keras, kind, parameter)
    dense = keras.layers.Dense(layer.units, own, use_bias=layer.use_bias, dtype=dtype.name)
    return [dense] if own is not None else [dense, activations.to_layer(keras, kind, parameter, dtype.name)]


def _add(keras: Any, layer: ours.Add, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.Add(dtype=dtype.name)]


def _activation(keras: Any, layer: ours.Activation, dtype: np.dtype[Any]) -> list[Any]:
    return [activations.to_layer(keras, *registry.resolve_activation(layer.activation), dtype.name)]


def _dropout(keras: Any, layer: ours.Dropout, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.Dropout(layer.rate, dtype=dtype.name)]


def _alpha_dropout(keras: Any, layer: ours.AlphaDropout, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.AlphaDropout(layer.rate, dtype=dtype.name)]


def _gaussian_noise(keras: Any, layer: ours.GaussianNoise, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.GaussianNoise(layer.stddev, dtype=dtype.name)]


def _batch_normalization(keras: Any, layer: ours.BatchNormalization, dtype: np.dtype[Any]) -> list[Any]:
    make = keras.layers.BatchNormalization
    return [make(momentum=layer.momentum, epsilon=layer.epsilon, dtype=dtype.name)]


def _layer_normalization(keras: Any, layer: ours.LayerNormalization, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.LayerNormalization(epsilon=layer.epsilon, dtype=dtype.name)]


def _prelu(keras: Any, layer: ours.PReLU, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.PReLU(dtype=dtype.name)]


def _output_rescaling(keras: Any, layer: ours.OutputRescaling, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.Rescaling(list(layer.scale), list(layer.offset), dtype=dtype.name)]


def _rescaling(keras: Any, layer: ours.Rescaling, dtype: np.dtype[Any]) -> list[Any]:
    return [keras.layers.Rescaling(layer.scale, layer.offset, dtype=dtype.name)]


def _standardize(keras: Any, layer: ours.Standardize, dtype: np.dtype[Any]) -> list[Any]:
    # The root of a square, both rounded to the dtype, is the number again, so Keras divides by our deviation.
    mean, std = np.array(layer.mean).astype(dtype), np.array(layer.std).astype(dtype)
    return [keras.layers.Normalization(mean=mean, variance=std * std, dtype=dtype.name)]


_MAKERS: dict[type[ours.Layer], Callable[[Any, Any, np.dtype[Any]], list[Any]]] = {
    ours.Activation: _activation,
    ours.Add: _add,
    ours.AlphaDropout: _alpha_dropout,
    ours.BatchNormalization: _batch_normalization,
    ours.Dense: _dense,
    ours.Dropout: _dropout,
    ours.GaussianNoise: _gaussian_noise,
    ours.LayerNormalization: _layer_normalization,
    ours.OutputRescaling: _output_rescaling,
    ours.PReLU: _prelu,
    ours.Rescaling: _rescaling,
    ours.Standardize: _standardize,
}


def _check_held(keras: Any, model: Any, dtype: np.dtype[Any]) -> None:
    """JAX, unless told otherwise, computes in float32 whatever a layer's dtype says."""
    for variable in model.weights:
        held = np.asarray(keras.ops.convert_to_numpy(variable)).dtype
        if held != dtype:
            raise ValueError(
                f"Keras' backend {keras.backend.backend()!r} holds the weights as {held}, expected {dtype}; "
                "JAX does after jax.config.update('jax_enable_x64', True)"
            )
