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
    *("relu6", "hard_tanh", "hard_sigmoid", "log_sigmoid", "tanh_shrink", "sparse_plus", "sparse_sigmoid"),
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
# Equal functions with a parameter: its name in Keras, and its default there.
_PARAMETERS = {
    "elu": ("alpha", 1.0),
    "celu": ("alpha", 1.0),
    "hard_shrink": ("threshold", 0.5),
    "soft_shrink": ("threshold", 0.5),
    "squareplus": ("b", 4.0),
}
SUPPORTED = sorted({*PLAIN, "leaky_relu", *_PARAMETERS, "threshold"})


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
    if isinstance(function, _with_options(keras)):
        return _equal(function.__name__, function.options)
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
        return _relu(arguments)
    if name == "leaky_relu":
        return name, float(arguments["negative_slope"])
    if name in _PARAMETERS:
        return name, float(arguments[_PARAMETERS[name][0]])
    if name == "threshold":
        least, otherwise = arguments["threshold"], arguments["default_value"]
        if otherwise != 0:
            raise ValueError(f"it is a threshold with the default_value {otherwise}, expected 0")
        return "thresholded_relu", float(least)
    if name == "gelu" and arguments["approximate"]:
        return "gelu_tanh"
    if name in ("softmax", "log_softmax") and arguments["axis"] not in (-1, 1, [-1], [1], (-1,), (1,)):
        raise ValueError(f"it is a {name} along the axis {arguments['axis']}, expected -1")
    if name in PLAIN:
        return PLAIN[name]
    raise ValueError(_refused(name))


def _relu(arguments: Mapping[str, Any]) -> ActivationName:
    most, slope = arguments.get("max_value"), arguments.get("negative_slope", 0)
    least = arguments.get("threshold", 0)
    if most is None and not least:
        return ("leaky_relu", float(slope)) if slope else "relu"
    if most is None and not slope:
        return "thresholded_relu", float(least)
    if most == 6 and not slope and not least:
        return "relu6"
    given = f"max_value {most}, negative_slope {slope} and threshold {least}"
    raise ValueError(f"it is a relu with {given}, expected one of them alone, and a max_value of 6")


def _refused(name: str) -> str:
    return f"its activation is {name!r}, expected one of {listed(SUPPORTED)}"


# ---- to Keras ----

_NAMES = {ours: theirs for theirs, ours in PLAIN.items()}
# Keras has no name for the approximate gelu.  keras.ops.gelu is one, but comes back from a saved model as the
# exact gelu (3.15).
GELU_TANH = "fastmlp>gelu_tanh"
# Nor does it save a functools.partial (3.15).
WITH_OPTIONS = "fastmlp>WithOptions"


def to_keras(keras: Any, name: str, parameter: float) -> Any:
    """What Dense and Activation take: a name, a function, or None where it takes a layer of its own."""
    if name == "step":
        raise ValueError("activation 'step' has no equal in Keras, expected another one")
    if name == "soft_shrink" and parameter < 0:
        came = f"activation {name!r} has the parameter {parameter:g}"
        raise ValueError(f"{came}, which Keras takes for another function, expected 0 or more")
    if name == "gelu_tanh":
        return _gelu_tanh(keras)
    if name == "thresholded_relu" and parameter <= 0:
        return _with_options(keras)("threshold", {"threshold": parameter, "default_value": 0.0})
    if name in _PARAMETERS and name != "elu":
        option, default = _PARAMETERS[name]
        return name if parameter == default else _with_options(keras)(name, {option: parameter})
    return "elu" if (name, parameter) == ("elu", 1) else _NAMES.get(name)


def to_layer(keras: Any, name: str, parameter: float, dtype: str) -> Any:
    """The layer that is the activation."""
    if name == "leaky_relu":
        return keras.layers.LeakyReLU(parameter, dtype=dtype)
    if name == "elu":
        return keras.layers.ELU(parameter, dtype=dtype)
    if name == "thresholded_relu" and parameter > 0:
        return keras.layers.ReLU(threshold=parameter, dtype=dtype)
    return keras.layers.Activation(to_keras(keras, name, parameter), dtype=dtype)


def _with_options(keras: Any) -> Any:
    """The class of functions of keras.activations with options, registered by name as the gelu below."""
    known = keras.saving.get_registered_object(WITH_OPTIONS)
    if known is not None:
        return known

    class WithOptions:
        def __init__(self, name: str, options: Mapping[str, float]) -> None:
            if name not in (*_PARAMETERS, "threshold"):
                raise ValueError(_refused(str(name)))
            self.__name__, self.options = name, dict(options)

        def __call__(self, x: Any) -> Any:
            return getattr(keras.activations, self.__name__)(x, **self.options)

        def get_config(self) -> dict[str, Any]:
            return {"name": self.__name__, "options": self.options}

        @classmethod
        def from_config(cls, config: Mapping[str, Any]) -> Any:
            return cls(**config)

    return keras.saving.register_keras_serializable("fastmlp")(WithOptions)


def _gelu_tanh(keras: Any) -> Any:
    """The approximate gelu, registered by name: a saved model with it says so, and is refused elsewhere."""
    known = keras.saving.get_registered_object(GELU_TANH)
    if known is not None:
        return known

    def gelu_tanh(x: Any) -> Any:
        return keras.activations.gelu(x, approximate=True)

    return keras.saving.register_keras_serializable("fastmlp")(gelu_tanh)
