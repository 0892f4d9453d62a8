"""`to_torch`: a network as a `torch.nn.Sequential`, or one of ours where it has skip connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ... import registry
from ...layers import (
    Activation,
    Add,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    Layer,
    LayerNormalization,
    MaxPieces,
    OutputRescaling,
    PReLU,
    Rescaling,
    Standardize,
)
from ...layers.base import entry
from ...network import Network
from ...optional import require
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
        modules at the end: ``module[:-1]`` gives the logits that PyTorch's losses take.  `Rescaling`,
        `Standardize`, `OutputRescaling`, `GaussianNoise`, `MaxPieces` and the activations exp and step become
        small modules defined in `fastmlp.adapters.torch.modules`: a pickle of the whole module then needs
        fastmlp, its ``state_dict`` does not.  A network with skip connections becomes a `SkipSequential` of
        that file, a Sequential whose modules `Skip` are given an earlier output too.

    Raises
    ------
    ValueError
        If a layer has no equivalent in PyTorch.
    TypeError
        If `net` is not a Network.
    ImportError
        Without torch.

    Notes
    -----
    No number is drawn from PyTorch's generator.  The parameters of frozen layers require no gradient; factors
    of a layer's learning rate and decay have no equal.  `BatchNormalization`'s momentum m is 1 - m there.

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
        found = list(_modules(torch, net))
        skips = any(layer.second_input() is not None for layer in net.layers)
        kind = modules.SkipSequential if skips else torch.nn.Sequential
        return kind(*found).eval()


def _modules(torch: Any, net: Network) -> Iterator[Any]:
    """The modules in order; each takes its arrays from `Network.get_weights`."""
    given = _Given(torch, getattr(torch, net.dtype.name), iter(net.get_weights()), [0])
    width = net.layer_sizes[0]
    for layer in net.layers:
        made = list(entry(_MAKERS, layer, "PyTorch")(given, layer, width))
        for module in made:
            yield module.requires_grad_(getattr(layer, "trainable", True))
        given.counts.append(given.counts[-1] + len(made))
        width = layer.output_width(width)


class _Given(NamedTuple):
    """What modules are made with; the arrays are those of the layers that are to come.

    `counts` has how many modules there are up to each place, from the input's on.
    """

    torch: Any
    dtype: Any
    arrays: Iterator[Array]
    counts: list[int]

    def fill(self, module: Any, *names: str) -> Any:
        """The module, with the next arrays as these of its own."""
        for name in names:
            getattr(module, name).copy_(self.torch.from_numpy(next(self.arrays)))
        return module


def _dense(given: _Given, layer: Dense, width: int) -> Iterator[Any]:
    """A Linear whose initial weights are not drawn."""
    torch = given.torch
    module = torch.nn.utils.skip_init(
        torch.nn.Linear, width, layer.units, bias=layer.use_bias, dtype=given.dtype, device="cpu"
    )
    module.weight.copy_(torch.from_numpy(next(given.arrays).T))
    yield given.fill(module, "bias") if layer.use_bias else module
    yield from _activation(torch, layer.activation)


def _batch_normalization(given: _Given, layer: BatchNormalization, width: int) -> Iterator[Any]:
    momentum = round(1 - layer.momentum, 15)
    module = given.torch.nn.BatchNorm1d(width, eps=layer.epsilon, momentum=momentum, dtype=given.dtype)
    yield given.fill(module, "weight", "bias", "running_mean", "running_var")


def _layer_normalization(given: _Given, layer: LayerNormalization, width: int) -> Iterator[Any]:
    module = given.torch.nn.LayerNorm(width, eps=layer.epsilon, dtype=given.dtype)
    yield given.fill(module, "weight", "bias")


def _standardize(given: _Given, layer: Standardize, width: int) -> Iterator[Any]:
    numbers = (given.torch.tensor(item, dtype=given.dtype) for item in (layer.mean, layer.std))
    yield modules.Standardize(*numbers)


def _output_rescaling(given: _Given, layer: OutputRescaling, width: int) -> Iterator[Any]:
    numbers = (given.torch.tensor(item, dtype=given.dtype) for item in (layer.scale, layer.offset))
    yield modules.OutputRescaling(*numbers)


def _add(given: _Given, layer: Add, width: int) -> Iterator[Any]:
    last = given.counts[layer.from_layer] - 1
    yield modules.Skip(given.counts[-1] - last)


_MAKERS: dict[type[Layer], Callable[[_Given, Any, int], Iterable[Any]]] = {
    Activation: lambda given, layer, width: _activation(given.torch, layer.activation),
    Add: _add,
    AlphaDropout: lambda given, layer, width: [given.torch.nn.AlphaDropout(layer.rate)],
    BatchNormalization: _batch_normalization,
    Dense: _dense,
    Dropout: lambda given, layer, width: [given.torch.nn.Dropout(layer.rate)],
    GaussianNoise: lambda given, layer, width: [modules.GaussianNoise(layer.stddev)],
    LayerNormalization: _layer_normalization,
    MaxPieces: lambda given, layer, width: [modules.MaxPieces(layer.pieces)],
    OutputRescaling: _output_rescaling,
    PReLU: lambda given, layer, width: [given.fill(given.torch.nn.PReLU(width, dtype=given.dtype), "weight")],
    Rescaling: lambda given, layer, width: [modules.Rescaling(layer.scale, layer.offset)],
    Standardize: _standardize,
}


def _activation(torch: Any, activation: Any) -> Iterator[Any]:
    nn = torch.nn
    name, parameter = registry.resolve_activation(activation)
    if name == "identity":
        return
    if name == "soft_shrink" and parameter < 0:
        came = f"activation {name!r} has the parameter {parameter:g}"
        raise ValueError(f"{came}, which PyTorch does not take, expected 0 or more")
    makers = {
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(parameter),
        "elu": lambda: nn.ELU(parameter),
        "celu": lambda: nn.CELU(parameter),
        "selu": nn.SELU,
        "gelu": nn.GELU,
        "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
        "silu": nn.SiLU,
        "mish": nn.Mish,
        "softplus": nn.Softplus,
        "softsign": nn.Softsign,
        "relu6": nn.ReLU6,
        "hard_tanh": nn.Hardtanh,
        "hard_sigmoid": nn.Hardsigmoid,
        "hard_swish": nn.Hardswish,
        "log_sigmoid": nn.LogSigmoid,
        "hard_shrink": lambda: nn.Hardshrink(parameter),
        "soft_shrink": lambda: nn.Softshrink(parameter),
        "tanh_shrink": nn.Tanhshrink,
        "thresholded_relu": lambda: nn.Threshold(parameter, 0.0),
        "squareplus": lambda: modules.Squareplus(parameter),
        "sparse_plus": lambda: modules.SparsePlus(),
        "sparse_sigmoid": lambda: modules.SparseSigmoid(),
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "softmax": lambda: nn.Softmax(dim=-1),
        "log_softmax": lambda: nn.LogSoftmax(dim=-1),
        "exp": lambda: modules.Exp(),
        "step": lambda: modules.Step(),
    }
    yield makers[name]()
