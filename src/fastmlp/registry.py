"""Names of activations, losses, optimizers and instruction sets, as the compiled tables report them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from . import _kernels
from .errors import shown, unknown

_ACTIVATIONS = _kernels.activation_names()
# name -> (default parameter, what the derivative uses: "z", "a" or, for a whole row of a, "row")
ACTIVATIONS: dict[str, tuple[float, str]] = {name: entry[:2] for name, entry in _ACTIVATIONS.items()}
# name -> the least and the largest parameter that the derivative is right for
BOUNDS: dict[str, tuple[float, float]] = {name: bounds for name, (_, _, bounds) in _ACTIVATIONS.items()}
_LOSSES = _kernels.loss_names()
# name -> the output activation the loss is fused with, or "any"
LOSSES = {name: link for name, (_, link, _, _) in _LOSSES.items()}
# Losses that compare with one class index a row; all others compare with one real an output.
LABEL_LOSSES = frozenset(name for name, (_, _, labels, _) in _LOSSES.items() if labels)
# name -> the defaults of its parameters
LOSS_PARAMETERS = {name: parameters for name, (parameters, _, _, _) in _LOSSES.items()}
# name -> outputs of the network for each target, with the default parameters
LOSS_OUTPUTS = {name: outputs or len(parameters) for name, (parameters, _, _, outputs) in _LOSSES.items()}
# name -> number of state vectors
OPTIMIZERS: dict[str, int] = _kernels.optimizer_names()
MOST_SLOTS = max(OPTIMIZERS.values()) + 2  # slow weights, and gradients that wait for their step
# kind of a layer, the name of its file -> its own numbers: {name: (default, least, most)}
LAYER_KINDS: dict[str, dict[str, tuple[float, float, float]]] = {
    name: settings for name, (_, settings) in _kernels.layer_kinds().items()
}


# Other packages' names of the same functions; not those whose default parameter differs.
ALIASES = {
    "linear": "identity",
    "logistic": "sigmoid",
    "swish": "silu",
    "exponential": "exp",
    "hardtanh": "hard_tanh",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "logsigmoid": "log_sigmoid",
    "hardshrink": "hard_shrink",
    "softshrink": "soft_shrink",
    "tanhshrink": "tanh_shrink",
    "hard_silu": "hard_swish",
    "Identity": "identity",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "ReLU": "relu",
    "ELU": "elu",
    "CELU": "celu",
    "SELU": "selu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "ReLU6": "relu6",
    "Hardtanh": "hard_tanh",
    "Hardsigmoid": "hard_sigmoid",
    "Hardswish": "hard_swish",
    "HardSwish": "hard_swish",
    "LogSigmoid": "log_sigmoid",
    "Hardshrink": "hard_shrink",
    "Softshrink": "soft_shrink",
    "Tanhshrink": "tanh_shrink",
    "ThresholdedRelu": "thresholded_relu",
    "ThresholdedReLU": "thresholded_relu",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}


def name_and_parameter(value: object, argument: str, others: str = "") -> tuple[str, float | None]:
    """Takes "name" or ("name", parameter) apart; `others`: what else is welcome, for the error."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str):
        name, parameter = value
        if isinstance(parameter, Real) and not isinstance(parameter, bool) and math.isfinite(parameter):
            return name, float(parameter)
        raise ValueError(
            f"{argument} {name!r} came with the parameter {parameter!r}, expected a finite number"
        )
    raise TypeError(f"{argument} is {shown(value)}, expected a name or a pair (name, parameter){others}")


def resolve_activation(value: object, argument: str = "activation") -> tuple[str, float]:
    """The registered name and the parameter of an activation, by its own name or another package's.

    >>> resolve_activation("swish")
    ('silu', 0.0)
    >>> resolve_activation("leaky_relu")
    ('leaky_relu', 0.01)
    >>> resolve_activation(("leaky_relu", 0.2))
    ('leaky_relu', 0.2)
    """
    name, parameter = name_and_parameter(value, argument)
    name = ALIASES.get(name, name)
    if name not in ACTIVATIONS:
        raise unknown(argument, name, ACTIVATIONS, ALIASES)
    default = ACTIVATIONS[name][0]
    if parameter is None:
        return name, default
    if default == 0.0:
        raise ValueError(f"{argument} {name!r} takes no parameter, got {parameter}")
    return name, parameter


def check_trainable(activation: str, parameter: float) -> None:
    """Raises ValueError where no derivative is known for training."""
    least, most = BOUNDS[activation]
    if activation == "step":
        raise ValueError("activation 'step' has derivative 0, so a network with it cannot be trained")
    if not least <= parameter <= most:
        raise ValueError(
            f"activation {activation!r} has the parameter {parameter:g}, "
            f"expected {least:g} to {most:g} of a network that is trained"
        )


def isas() -> dict[str, Any]:
    """The instruction sets "compiled" in, those "runnable" on this machine, the "default" one; and "alike":

    those that share all kernels but the products of bfloat16 with the set before them.
    """
    return dict(_kernels.isas())
