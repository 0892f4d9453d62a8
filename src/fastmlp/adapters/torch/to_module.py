"""`to_torch`: a network as a `torch.nn.Sequential`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import registry
from ...layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    LayerNormalization,
    Rescaling,
    Standardize,
)
from ...network import Network
from .._optional import require
from . import modules

Array = np.ndarray[Any, Any]


def to_torch(net: Network) -> Any:
    """A network as modules of PyTorch with weights of their own, in eval mode.

    Parameters
    ----------
    net : Network

    Returns
    -------
    torch.nn.Sequential
        `Linear`, activations, `Dropout`, `BatchNorm1d` and `LayerNorm` with the network's bits; it predicts
        the same to rounding and can be trained after ``.train()``.  Softmax and sigmoid of the output are
        modules at the end: ``module[:-1]`` gives the logits that PyTorch's losses take.  `Rescaling` and
        `Standardize`, and the activations exp and step, become small modules defined in
        `fastmlp.adapters.torch.modules`: a pickle of the whole module then needs fastmlp, its ``state_dict``
        does not.

    Raises
    ------
    TypeError
        If `net` is not a Network.
    ImportError
        Without torch.

    Notes
    -----
    No number is drawn from PyTorch's generator.  `BatchNormalization`'s momentum m is 1 - m there.

    Examples
    --------
    >>> import fastmlp
    >>> net = fastmlp.Network([4, fastmlp.Dropout(0.1), 8, 2], activation="tanh", seed=0)
    >>> fastmlp.torch.to_torch(net)
    Sequential(
      (0): Dropout(p=0.1, inplace=False)
      (1): Linear(in_features=4, out_features=8, bias=True)
      (2): Tanh()
      (3): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    torch = require("torch", "torch")
    if not isinstance(net, Network):
        raise TypeError(f"net is a {type(net).__name__}, expected a Network")
    with torch.no_grad():
        return torch.nn.Sequential(*_modules(torch, net)).eval()


def _modules(torch: Any, net: Network) -> Iterator[Any]:
    """The modules in order; each takes its arrays from `Network.get_weights`."""
    arrays, width, dtype = iter(net.get_weights()), net.layer_sizes[0], getattr(torch, net.dtype.name)
    for layer in net.layers:
        if isinstance(layer, Dense):
            yield _linear(torch, layer, width, dtype, arrays)
            yield from _activation(torch, layer.activation)
            width = layer.units
        elif isinstance(layer, Activation):
            yield from _activation(torch, layer.activation)
        elif isinstance(layer, Dropout):
            yield torch.nn.Dropout(layer.rate)
        elif isinstance(layer, BatchNormalization):
            momentum = round(1 - layer.momentum, 15)
            module = torch.nn.BatchNorm1d(width, eps=layer.epsilon, momentum=momentum, dtype=dtype)
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(module, name).copy_(torch.from_numpy(next(arrays)))
            yield module
        elif isinstance(layer, LayerNormalization):
            module = torch.nn.LayerNorm(width, eps=layer.epsilon, dtype=dtype)
            for name in ("weight", "bias"):
                getattr(module, name).copy_(torch.from_numpy(next(arrays)))
            yield module
        elif isinstance(layer, Rescaling):
            yield modules.Rescaling(layer.scale, layer.offset)
        elif isinstance(layer, Standardize):
            yield modules.Standardize(*(torch.tensor(item, dtype=dtype) for item in (layer.mean, layer.std)))
        else:
            raise TypeError(f"net has the layer {layer!r}, which has no equivalent in PyTorch")


def _linear(torch: Any, layer: Dense, width: int, dtype: Any, arrays: Iterator[Array]) -> Any:
    """A Linear whose initial weights are not drawn."""
    module = torch.nn.utils.skip_init(
        torch.nn.Linear, width, layer.units, bias=layer.use_bias, dtype=dtype, device="cpu"
    )
    module.weight.copy_(torch.from_numpy(next(arrays).T))
    if layer.use_bias:
        module.bias.copy_(torch.from_numpy(next(arrays)))
    return module


def _activation(torch: Any, activation: Any) -> Iterator[Any]:
    nn = torch.nn
    name, parameter = registry.resolve_activation(activation)
    if name == "identity":
        return
    makers = {
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(parameter),
        "elu": lambda: nn.ELU(parameter),
        "selu": nn.SELU,
        "gelu": nn.GELU,
        "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
        "silu": nn.SiLU,
        "mish": nn.Mish,
        "softplus": nn.Softplus,
        "softsign": nn.Softsign,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "softmax": lambda: nn.Softmax(dim=-1),
        "log_softmax": lambda: nn.LogSoftmax(dim=-1),
        "exp": lambda: modules.Exp(),
        "step": lambda: modules.Step(),
    }
    yield makers[name]()
