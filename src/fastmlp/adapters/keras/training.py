"""What `Model.compile` was told, where fastmlp has its equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import optimizers
from ...network import Network

# Functions and classes of keras.losses: ours.
_LOSSES = {
    "mean_squared_error": "mse",
    "MeanSquaredError": "mse",
    "mean_absolute_error": "mae",
    "MeanAbsoluteError": "mae",
    "binary_crossentropy": "binary_crossentropy",
    "BinaryCrossentropy": "binary_crossentropy",
    "categorical_crossentropy": "categorical_crossentropy",
    "CategoricalCrossentropy": "categorical_crossentropy",
    "sparse_categorical_crossentropy": "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
    "huber": "huber",
    "Huber": "huber",
    "poisson": "poisson",
    "Poisson": "poisson",
}
# Options that change a loss or a step and that fastmlp has not, with the value that leaves it as it is.
_LOSS_OPTIONS: dict[str, Any] = {
    "from_logits": False,
    "label_smoothing": 0,
    "ignore_class": None,
    "reduction": "sum_over_batch_size",
    "axis": -1,
}
_OPTIMIZER_OPTIONS: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "use_ema": False,
    "amsgrad": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


def compile_alike(keras: Any, model: Any, chain: list[Any], net: Network) -> None:
    """Compile the network as the model was, or not at all."""
    if not model.compiled or not _plainly_trained(model, chain):
        return
    optimizer, loss = _optimizer(keras, model.optimizer, net.dtype), _loss(keras, model.loss)
    if optimizer is None or loss is None:
        return
    try:
        net.compile(optimizer, loss)
    except ValueError:  # a loss that goes with another output here
        return


def _plainly_trained(model: Any, chain: list[Any]) -> bool:
    """Whether nothing but the loss pulls at the weights, and at all of them."""
    constraints = [
        getattr(layer, f"{name}_constraint", None)
        for layer in chain
        for name in ("kernel", "bias", "gamma", "beta")
    ]
    weighted = (model.get_compile_config() or {}).get("loss_weights") is not None
    trainable = all(layer.trainable for layer in chain)
    return trainable and not weighted and not model.losses and not any(constraints)


def _is_plain(config: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    return all(config.get(name, value) == value for name, value in options.items())


def _loss(keras: Any, loss: Any) -> Any:
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    config: dict[str, Any] = {}
    name = getattr(loss, "__name__", type(loss).__name__)
    if isinstance(loss, keras.losses.Loss):
        config = {**loss.get_config(), **vars(loss).get("_fn_kwargs", {})}  # Huber's lacks its delta (3.15)
    elif getattr(keras.losses, name, None) is not loss:
        return None
    if name not in _LOSSES or not _is_plain(config, _LOSS_OPTIONS):
        return None
    found = _LOSSES[name]
    return (found, float(config["delta"])) if found == "huber" and "delta" in config else found


def _optimizer(keras: Any, optimizer: Any, dtype: np.dtype[Any]) -> optimizers.Optimizer | None:
    """SGD or Adam at a constant rate; the others of Keras have epsilon elsewhere or decay biases too."""
    config = optimizer.get_config()
    if isinstance(config["learning_rate"], dict) or not _is_plain(config, _OPTIMIZER_OPTIONS):
        return None
    rate = float(config["learning_rate"])
    if dtype == np.float32:
        rate = float(str(np.float32(rate)))  # 0.001, not the float32 beside it: the same step
    clipping = {name: config[name] for name in ("clipvalue", "global_clipnorm")}
    if type(optimizer) is keras.optimizers.SGD:
        momentum = config["momentum"]
        nesterov = config["nesterov"] and momentum > 0
        return optimizers.SGD(rate, momentum=momentum, nesterov=nesterov, **clipping)
    if type(optimizer) is keras.optimizers.Adam:
        names = ("beta_1", "beta_2", "epsilon")
        return optimizers.Adam(rate, **{name: config[name] for name in names}, **clipping)
    return None
