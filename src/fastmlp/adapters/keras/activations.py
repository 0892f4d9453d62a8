"""Activations of Keras and of fastmlp: which are equal, and with which parameters."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from ...errors import listed

ActivationName = str | tuple[str, float]

# Equal functions without parameters: the name in keras.activations, and ours.
_SAME = (
    *("relu", "sigmoid", "tanh", "selu", "silu", "mish", "softplus", "softsign", "softmax", "log_softmax"),
    *("relu6", "hard_tanh", "hard_sigmoid"),
)
PLAIN = {
    "linear": "identity",
    "exponential": "exp",
    "gelu": "gelu",
    "hard_silu": "hard_swish",
    **{name: name for name in _SAME},
}
# Layers that are activations: the function they call.
LAYERS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}
_WITH_ALPHA = ("elu", "celu")
SUPPORTED = sorted({*PLAIN, "leaky_relu", *_WITH_ALPHA})


def kind(keras: Any, layer: Any) -> str:
    """The name in keras.layers of a layer's class, "" for a class that only looks like one of them."""
    name = type(layer).__name__
    return name if getattr(keras.layers, name, None) is type(layer) else ""


def of_layer(keras: Any, layer: Any) -> ActivationName | None:
    """The activation that a layer is, None where it is something else."""
    name = kind(keras, layer)
    if name == "Activation":
        return of_function(keras, layer.activation)
    if name in LAYERS:
        return _equal(LAYERS[name], vars(layer))
    return None


def of_function(keras: Any, function: Any) -> ActivationName:
    """The activation that one of keras.activations or keras.ops is, or a partial of one, or a layer."""
    if isinstance(function, keras.layers.Layer):
        found = of_layer(keras, function)
        if found is None:
            raise ValueError(_refused(type(function).__name__))
        return found
    given: dict[str, Any] = {}
    if isinstance(function, functools.partial) and not function.args:
        function, given = function.func, function.keywords
    name = getattr(function, "__name__", repr(function))
    if function is keras.saving.get_registered_object(GELU_TANH):
        return "gelu_tanh"
    known = (getattr(keras.activations, name, None), getattr(keras.ops, name, None))
    if not callable(function) or function not in known:
        raise ValueError(_refused(name))
    defaults = {key: item.default for key, item in inspect.signature(function).parameters.items()}
    return _equal(name, {**defaults, **given})


def _equal(name: str, arguments: Mapping[str, Any]) -> ActivationName:
    if name == "relu":
        slope = arguments.get("negative_slope", 0)
        most = arguments.get("max_value")
        if arguments.get("threshold", 0) != 0 or most not in (None, 6) or (most and slope):
            raise ValueError(
                "it is a relu with a max_value or a threshold, expected one without, or a max_value of 6"
            )
        if most:
            return "relu6"
        return ("leaky_relu", float(slope)) if slope else "relu"
    if name == "leaky_relu":
        return name, float(arguments["negative_slope"])
    if name in _WITH_ALPHA:
        return name, float(arguments["alpha"])
    if name == "gelu" and arguments["approximate"]:
        return "gelu_tanh"
    if name in ("softmax", "log_softmax") and arguments["axis"] not in (-1, 1, [-1], [1], (-1,), (1,)):
        raise ValueError(f"it is a {name} along the axis {arguments['axis']}, expected -1")
    if name in PLAIN:
        return PLAIN[name]
    raise ValueError(_refused(name))


def _refused(name: str) -> str:
    return f"its activation is {name!r}, expected one of {listed(SUPPORTED)}"


# ---- to Keras ----

_NAMES = {ours: theirs for theirs, ours in PLAIN.items()}
# Keras has no name for the approximate gelu.  keras.ops.gelu is one, but comes back from a saved model as the
# exact gelu (3.15).
GELU_TANH = "fastmlp>gelu_tanh"


def to_keras(keras: Any, name: str, parameter: float) -> Any:
    """What Dense and Activation take: a name, a function, or None where it takes a layer of its own."""
    if name == "step":
        raise ValueError("activation 'step' has no equal in Keras, expected another one")
    if name == "gelu_tanh":
        return _gelu_tanh(keras)
    if name in _WITH_ALPHA and parameter == 1:
        return name
    if name == "celu":
        return functools.partial(keras.activations.celu, alpha=parameter)
    return _NAMES.get(name)


def to_layer(keras: Any, name: str, parameter: float, dtype: str) -> Any:
    """The layer that is the activation."""
    if name == "leaky_relu":
        return keras.layers.LeakyReLU(parameter, dtype=dtype)
    if name == "elu":
        return keras.layers.ELU(parameter, dtype=dtype)
    return keras.layers.Activation(to_keras(keras, name, parameter), dtype=dtype)


def _gelu_tanh(keras: Any) -> Any:
    """The approximate gelu, registered by name: a saved model with it says so, and is refused elsewhere."""
    known = keras.saving.get_registered_object(GELU_TANH)
    if known is not None:
        return known

    def gelu_tanh(x: Any) -> Any:
        return keras.activations.gelu(x, approximate=True)

    return keras.saving.register_keras_serializable("fastmlp")(gelu_tanh)
