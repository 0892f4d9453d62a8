"""What `Model.compile` was told, where fastmlp has its equal."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ... import losses, optimizers
from ...errors import listed
from ...network import Network

# Options that change a loss or a step and that fastmlp has not, with the value that leaves it as it is.
_LOSS_OPTIONS: dict[str, Any] = {
    "from_logits": False,
    "ignore_class": None,
    "reduction": "sum_over_batch_size",
    "axis": -1,
}
# Optimizers of keras.optimizers with our formula: ours, its hyperparameters there, and what is fixed there.
_OPTIMIZERS: dict[str, tuple[type[optimizers.Optimizer], tuple[str, ...], dict[str, Any]]] = {
    "SGD": (optimizers.SGD, ("momentum", "nesterov"), {}),
    "Adam": (optimizers.Adam, ("beta_1", "beta_2", "epsilon"), {}),
    "Adadelta": (optimizers.Adadelta, ("rho", "epsilon"), {}),
    "Nadam": (optimizers.NAdam, ("beta_1", "beta_2", "epsilon"), {"momentum_decay": 1.0}),
    "Lion": (optimizers.Lion, ("beta_1", "beta_2"), {}),
}
_COMMON = (
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "gradient_accumulation_steps",
)
_OPTIMIZER_OPTIONS: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "amsgrad": False,
    "loss_scale_factor": None,
}


def compile_alike(keras: Any, model: Any, trained: Sequence[Any], net: Network) -> None:
    """Compile the network as the model was, or warn that this cannot be.

    `trained` has the Keras variable of each array that the network trains, in order: None where there is
    none, and a value that is no variable where Keras computes it.
    """
    if not model.compiled:
        return
    try:
        _check_pulled(model)
        _check_trained(model, trained)
        net.compile(_optimizer(keras, model.optimizer, net.dtype), _loss(keras, model.loss))
    except ValueError as error:
        warnings.warn(f"the network is not compiled as model {model.name!r} is: {error}", stacklevel=3)


def _check_pulled(model: Any) -> None:
    """Raises ValueError unless the loss alone pulls at the weights."""
    for layer in model._flatten_layers():
        if getattr(layer, "activity_regularizer", None) is not None:
            raise ValueError(f"layer {layer.name!r} has an activity_regularizer, expected none")
    for variable in model.trainable_variables:
        for name in ("regularizer", "constraint"):
            if getattr(variable, name, None) is not None:
                raise ValueError(f"variable {variable.path!r} has a {name}, expected none")
    if model.losses:
        raise ValueError(
            f"it has {len(model.losses)} losses of its own beside the compiled one, expected none"
        )
    if (model.get_compile_config() or {}).get("loss_weights") is not None:
        raise ValueError("it was compiled with loss_weights, expected none")


def _check_trained(model: Any, trained: Sequence[Any]) -> None:
    """Raises ValueError unless Keras trains what the network does, each variable by itself."""
    theirs = {id(variable): variable for variable in model.trainable_variables}
    for variable in trained:
        if variable is None:
            raise ValueError("a normalization has scale=False or center=False, expected both gamma and beta")
        if theirs.pop(id(variable), None) is None:
            path = getattr(variable, "path", None)
            name = "a kernel that is computed from others" if path is None else f"variable {path!r}"
            raise ValueError(f"{name} is not trained by itself, as if frozen or used twice")
    for variable in theirs.values():
        raise ValueError(f"variable {variable.path!r} is trained, expected kernels, biases, gammas and betas")


def _check_plain(what: str, config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    for name, plain in options.items():
        if config.get(name, plain) != plain:
            raise ValueError(f"its {what} has {name}={config[name]!r}, expected {plain!r}")


def _loss(keras: Any, loss: Any) -> losses.Loss:
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    config: dict[str, Any] = {}
    name = getattr(loss, "__name__", type(loss).__name__)
    if isinstance(loss, keras.losses.Loss):
        # Huber's get_config lacks its delta, and all lack their dtype (3.15).
        config = {**loss.get_config(), **vars(loss).get("_fn_kwargs", {}), "dtype": loss.dtype}
    known = getattr(keras.losses, name, None)
    if name not in losses.NAMES or known not in (loss, type(loss)):
        names = [name for name in losses.NAMES if hasattr(keras.losses, name)]
        raise ValueError(f"its loss is {name!r}, expected one of keras.losses: {listed(names)}")
    _check_plain("loss", config, _LOSS_OPTIONS)
    if config.get("dtype") not in (None, "float32", "float64"):
        raise ValueError(f"its loss has the dtype {config['dtype']!r}, expected float32 or float64")
    cls = losses.NAMES[name]
    if not config.get("apply_class_balancing", True):
        config["alpha"] = None
    return cls(**{item.name: config[item.name] for item in fields(cls) if item.name in config})


def _optimizer(keras: Any, optimizer: Any, dtype: np.dtype[Any]) -> optimizers.Optimizer:
    """One of `_OPTIMIZERS` at a constant rate; others of Keras have epsilon elsewhere or decay biases too."""
    cls = type(optimizer)
    name = cls.__name__
    # With PyTorch's backend Keras makes a subclass of the same name.
    own = name in _OPTIMIZERS and isinstance(optimizer, getattr(keras.optimizers, name))
    if not own or not cls.__module__.startswith("keras."):
        raise ValueError(
            f"its optimizer is {cls.__module__}.{name}, "
            f"expected one of keras.optimizers: {listed(_OPTIMIZERS)}"
        )
    config = optimizer.get_config()
    if isinstance(config["learning_rate"], dict):
        raise ValueError("its optimizer has a schedule for the learning rate, expected a number")
    _check_plain("optimizer", config, _OPTIMIZER_OPTIONS)
    rate = float(config["learning_rate"])
    if dtype == np.float32:
        rate = float(str(np.float32(rate)))  # 0.001, not the float32 beside it: the same step
    ours, names, fixed = _OPTIMIZERS[name]
    given = {item: config[item] for item in (*names, *_COMMON)}
    if given["use_ema"] and given["gradient_accumulation_steps"]:
        raise ValueError("its optimizer averages weights after every batch of a step, expected one a step")
    if not given.get("momentum"):
        given.pop("nesterov", None)
    return ours(rate, **given, **fixed)
