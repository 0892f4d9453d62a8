"""`from_torch`: a module of PyTorch, taken apart into layers and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers import (
    Activation,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    LayerNormalization,
    MaxPieces,
    OutputRescaling,
    PReLU,
    Rescaling,
    Standardize,
)
from ...optional import require
from ..chain import Part, named, network, part, scale, total
from . import modules

if TYPE_CHECKING:
    from ...network import Network

Array = np.ndarray[Any, Any]

_PLAIN = {
    "ReLU": "relu",
    "SELU": "selu",
    "SiLU": "silu",
    "Mish": "mish",
    "Softsign": "softsign",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Hardsigmoid": "hard_sigmoid",
    "Hardswish": "hard_swish",
    "LogSigmoid": "log_sigmoid",
    "Tanhshrink": "tanh_shrink",
}
_WITH_PARAMETER: dict[str, Callable[[Any], tuple[str, float]]] = {
    "LeakyReLU": lambda module: ("leaky_relu", module.negative_slope),
    "ELU": lambda module: ("elu", module.alpha),
    "CELU": lambda module: ("celu", module.alpha),
    "Hardshrink": lambda module: ("hard_shrink", module.lambd),
    "Softshrink": lambda module: ("soft_shrink", module.lambd),
    "RReLU": lambda module: ("leaky_relu", (module.lower + module.upper) / 2),  # as in prediction
}
_BETWEEN_COLUMNS = ("GLU", "Softmax2d", "MultiheadAttention")
_KNOWN = "Sequential, Linear, BatchNorm1d, LayerNorm, Dropout, Flatten, Identity or an activation"
_UNORDERED = ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict")


def from_torch(
    module: Any,
    *,
    n_in: int | None = None,
    dtype: str | None = None,
    fold: bool | None = None,
    seed: int | None = None,
) -> Network:
    """The network of a module of PyTorch: its own copy of the weights, not compiled.

    Parameters
    ----------
    module : torch.nn.Module
        `Sequential`, at any depth, of `Linear`, `BatchNorm1d`, `LayerNorm` over the last axis, `Dropout`,
        `Flatten`, `Identity` and activations: `ReLU`, `LeakyReLU`, `ELU`, `CELU`, `SELU`, `GELU`, `SiLU`,
        `Mish`, `Softplus`, `Softsign`, `Tanh`, `Sigmoid`, `LogSigmoid`, `ReLU6`, `Hardtanh` from -c to c or
        0 to c, `Hardsigmoid`, `Hardswish`, `Hardshrink`, `Softshrink`, `Tanhshrink`, `Threshold` with the
        value 0, `RReLU` as it predicts, `PReLU`, and at the end `Softmax`, `LogSoftmax` or `Softmin`; and
        what `to_torch` makes.
        A class of one's own that computes in its ``forward`` is not read: make a ``Sequential`` of its parts,
        or where it adds tensors, as residual networks do, read a file of ``torch.onnx.export`` by
        `fastmlp.onnx.load`.
    n_in : int, optional
        The width of the input, to check; it follows from the first layer with weights.
    dtype : {"float32", "float64"}, optional
        None takes that of the module's parameters.
    fold : bool, optional
        Whether `BatchNorm1d` goes into the weights beside it (see `Network.folded`), for prediction; else it
        stays a layer that can be trained.  None folds in a module that is in eval mode.
    seed : int, optional
        Of shuffling and dropout, if the network is trained on.

    Returns
    -------
    Network
        Predicts what ``module.eval()`` does, to rounding; but `Softplus` is exact above PyTorch's threshold
        too, where that is off by up to log(1 + exp(-20)) = 2.1e-9.  After `LogSoftmax` it predicts
        logarithms, as the module does.

    Raises
    ------
    TypeError, ValueError
        If a part has no equivalent; the message names where it stands.
    ImportError
        Without torch.

    Notes
    -----
    W is the transpose of ``Linear.weight``.  PyTorch's ``momentum`` m of `BatchNorm1d` is 1 - m here.  In
    training the moving variance follows the batch's divided by the count, as in Keras; PyTorch divides by one
    less.

    Examples
    --------
    >>> import fastmlp
    >>> from torch import nn
    >>> module = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 2))
    >>> fastmlp.torch.from_torch(module, seed=0)
    Network([4, Dense(8, 'tanh', use_bias=False), Dense(2, 'identity')], dtype='float32', seed=0)
    """
    nn = require("torch", "torch").nn
    if not isinstance(module, nn.Module):
        raise TypeError(f"module is a {type(module).__name__}, expected a torch.nn.Module")
    if fold is not None and not isinstance(fold, bool):
        raise TypeError(f"fold is {fold!r}, expected True, False or None")
    fold = not module.training if fold is None else fold
    dtype = _dtype(module) if dtype is None else dtype
    parts = list(_Reader(nn, fold).parts(module, "module"))
    return network(parts, "module", n_in=n_in, dtype=dtype, seed=seed, fold=fold)


def _dtype(module: Any) -> str:
    """The dtype that all parameters have."""
    names = {name: str(p.dtype).removeprefix("torch.") for name, p in module.named_parameters()}
    found = set(names.values()) or {"float32"}
    for name, dtype in names.items():
        if dtype not in ("float32", "float64") or len(found) > 1:
            raise TypeError(f"module.{name} is {dtype}, expected float32 or float64 in all, or dtype=")
    return found.pop()


class _Reader:
    """Walks modules and turns each into parts."""

    def __init__(self, nn: Any, fold: bool) -> None:
        self.nn, self.fold = nn, fold
        self.width = 1  # of the last layer that says its own
        self.readers: list[tuple[Any, Callable[[Any, str], Iterator[Part]]]] = [
            (modules.SkipSequential, self.skipping),
            (nn.Sequential, self.sequential),
            (nn.Linear, self.linear),
            (nn.BatchNorm1d, self.batch_norm),
            (nn.LayerNorm, self.layer_norm),
            (nn.PReLU, self.prelu),
            (nn.Dropout, self.dropout),
            (nn.AlphaDropout, self.alpha_dropout),
            (nn.Softmin, self.softmin),
            (nn.Softplus, self.softplus),
            (nn.GELU, self.gelu),
            (nn.Softmax, partial(self.along_rows, "softmax")),
            (nn.LogSoftmax, partial(self.along_rows, "log_softmax")),
            (nn.Threshold, self.threshold),
            (nn.Hardtanh, self.clipped),
            (nn.Flatten, self.flatten),
            (nn.Identity, self.identity),
            (modules.Rescaling, self.rescaling),
            (modules.Standardize, self.standardize),
            (modules.OutputRescaling, self.output_rescaling),
            (modules.GaussianNoise, self.gaussian_noise),
            (modules.MaxPieces, self.max_pieces),
            (modules.Exp, partial(self.plain, "exp")),
            (modules.Step, partial(self.plain, "step")),
            (modules.Squareplus, self.squareplus),
            (modules.SparsePlus, partial(self.plain, "sparse_plus")),
            (modules.SparseSigmoid, partial(self.plain, "sparse_sigmoid")),
        ]
        self.readers += [(getattr(nn, name), partial(self.plain, ours)) for name, ours in _PLAIN.items()]
        self.readers += [
            (getattr(nn, name), partial(self.with_parameter, ours)) for name, ours in _WITH_PARAMETER.items()
        ]

    def parts(self, module: Any, path: str) -> Iterator[Part]:
        for cls, read in self.readers:
            if isinstance(module, cls) and _computes_as(module, cls):
                if _has_hooks(module):
                    raise ValueError(f"{path} is {type(module).__name__} with forward hooks, expected none")
                yield from read(module, path)
                return
        raise TypeError(self.unknown(module, path))

    def unknown(self, module: Any, path: str) -> str:
        name = type(module).__name__
        if name in _UNORDERED:
            return f"{path} is {name}, which says nothing of the order, expected Sequential"
        if name in _BETWEEN_COLUMNS:
            return f"{path} is {name}, which combines columns, expected {_KNOWN}, of each column for itself"
        children = [child for child, _ in module.named_children()]
        if not children:
            return f"{path} is {name}, expected {_KNOWN}"
        listed = ", ".join(f"{path}.{child}" for child in children[:3]) + ", ..." * (len(children) > 3)
        whole = "it" if path == "module" else "the whole"
        expected = f"a Sequential of all that it calls, in order, such as ({listed})"
        exported = f"fastmlp.onnx reads what torch.onnx.export makes of {whole}"
        return f"{path} is {name}, whose forward() is not read, expected {expected}; {exported}"

    # ---- one method a class ----

    def sequential(self, module: Any, path: str) -> Iterator[Part]:
        for name, child in module._modules.items():  # named_children() leaves out the second use of a module
            yield from self.parts(child, f"{path}.{name}")

    def skipping(self, module: Any, path: str) -> Iterator[Part]:
        """A Sequential in which each `Skip` adds an earlier output."""
        children = list(enumerate(module._modules.items()))
        skips = {i: i - child.back for i, (_, child) in children if _is_plain(child, modules.Skip)}
        for i, (name, child) in children:
            own = f"{path}.{name}"
            if i not in skips:
                yield from self.parts(child, own)
            elif 0 <= skips[i] < i:
                yield total(own, f"{path}[{skips[i]}]")
            else:
                raise ValueError(f"{own} is {child}, expected the number of an earlier module of {path}")
            if i in skips.values():
                yield named(own, f"{path}[{i}]")

    def linear(self, module: Any, path: str) -> Iterator[Part]:
        arrays = [_array(module.weight, f"{path}.weight").T]
        if module.bias is not None:
            arrays.append(_array(module.bias, f"{path}.bias"))
        self.width = module.out_features
        layer = Dense(self.width, "identity", use_bias=module.bias is not None)
        yield Part(path, layer, tuple(arrays))

    def batch_norm(self, module: Any, path: str) -> Iterator[Part]:
        if module.running_mean is None:
            raise ValueError(f"{path} is BatchNorm1d without running statistics, expected some")
        if module.momentum is None and not self.fold:
            raise ValueError(f"{path} has momentum=None, expected a number, or fold=True")
        affine = self.affine(module, module.num_features, path)
        statistics = [
            _array(getattr(module, name), f"{path}.{name}") for name in ("running_mean", "running_var")
        ]
        momentum = 0.0 if module.momentum is None else round(1 - module.momentum, 15)
        yield part(path, BatchNormalization, momentum, module.eps, arrays=(*affine, *statistics))

    def layer_norm(self, module: Any, path: str) -> Iterator[Part]:
        if len(module.normalized_shape) != 1:
            shape = tuple(module.normalized_shape)
            raise ValueError(f"{path} is LayerNorm over {shape}, expected the last axis alone")
        arrays = self.affine(module, module.normalized_shape[0], path)
        yield part(path, LayerNormalization, module.eps, arrays=arrays)

    def affine(self, module: Any, width: int, path: str) -> tuple[Array, Array]:
        """gamma and beta, (width,) each; 1 and 0 where the module has none."""
        gamma, beta, self.width = np.ones(width), np.zeros(width), width
        if module.weight is not None:
            gamma = _array(module.weight, f"{path}.weight")
        if module.bias is not None:
            beta = _array(module.bias, f"{path}.bias")
        return gamma, beta

    def prelu(self, module: Any, path: str) -> Iterator[Part]:
        """One slope for all columns becomes one for each, alike."""
        slope = _array(module.weight, f"{path}.weight")
        yield part(path, PReLU, arrays=[np.broadcast_to(slope, self.width) if len(slope) == 1 else slope])

    def dropout(self, module: Any, path: str) -> Iterator[Part]:
        yield part(path, Dropout, module.p)

    def alpha_dropout(self, module: Any, path: str) -> Iterator[Part]:
        yield part(path, AlphaDropout, module.p)

    def gaussian_noise(self, module: Any, path: str) -> Iterator[Part]:
        yield part(path, GaussianNoise, module.stddev)

    def max_pieces(self, module: Any, path: str) -> Iterator[Part]:
        self.width //= module.pieces
        yield part(path, MaxPieces, module.pieces)

    def flatten(self, module: Any, path: str) -> Iterator[Part]:
        axes = (module.start_dim, module.end_dim)
        if axes != (1, -1):
            raise ValueError(f"{path} is Flatten{axes}, expected Flatten(1, -1), which keeps the rows")
        yield from ()

    def identity(self, module: Any, path: str) -> Iterator[Part]:
        yield from ()

    def rescaling(self, module: Any, path: str) -> Iterator[Part]:
        yield Part(path, Rescaling(module.scale, module.offset))

    def standardize(self, module: Any, path: str) -> Iterator[Part]:
        mean, std = _array(module.mean, f"{path}.mean"), _array(module.std, f"{path}.std")
        yield Part(path, Standardize(tuple(mean.tolist()), tuple(std.tolist())))

    def output_rescaling(self, module: Any, path: str) -> Iterator[Part]:
        scale, offset = _array(module.scale, f"{path}.scale"), _array(module.offset, f"{path}.offset")
        yield Part(path, OutputRescaling(tuple(scale.tolist()), tuple(offset.tolist())))

    def activation(self, ours: str | tuple[str, float], path: str) -> Iterator[Part]:
        yield part(path, Activation, ours)

    def plain(self, ours: str, module: Any, path: str) -> Iterator[Part]:
        return self.activation(ours, path)

    def with_parameter(
        self, ours: Callable[[Any], tuple[str, float]], module: Any, path: str
    ) -> Iterator[Part]:
        return self.activation(ours(module), path)

    def squareplus(self, module: Any, path: str) -> Iterator[Part]:
        return self.activation(("squareplus", module.b), path)

    def threshold(self, module: Any, path: str) -> Iterator[Part]:
        if module.value != 0:
            came = f"Threshold({module.threshold}, {module.value})"
            raise ValueError(f"{path} is {came}, expected the value 0 below the threshold")
        return self.activation(("thresholded_relu", module.threshold), path)

    def gelu(self, module: Any, path: str) -> Iterator[Part]:
        return self.activation("gelu" if module.approximate == "none" else "gelu_tanh", path)

    def along_rows(self, ours: str, module: Any, path: str) -> Iterator[Part]:
        _check_dim(module, path)
        return self.activation(ours, path)

    def rescaled(self, before: float, ours: str, after: float, path: str) -> Iterator[Part]:
        """after * f(before * x): factors that are not trained stand around the activation, where not 1."""
        for factor, activation in ((before, self.activation(ours, path)), (after, iter(()))):
            if factor != 1:
                yield scale(path, factor, self.width)
            yield from activation

    def softplus(self, module: Any, path: str) -> Iterator[Part]:
        if module.beta <= 0 or module.threshold < 20:
            came = f"Softplus(beta={module.beta}, threshold={module.threshold})"
            raise ValueError(f"{path} is {came}, expected a beta above 0 and a threshold of at least 20")
        return self.rescaled(module.beta, "softplus", 1 / module.beta, path)

    def clipped(self, module: Any, path: str) -> Iterator[Part]:
        """Hardtanh, which ReLU6 is too."""
        low, high = module.min_val, module.max_val
        if low == -high:
            return self.rescaled(1 / high, "hard_tanh", high, path)
        if low == 0:
            return self.rescaled(6 / high, "relu6", high / 6, path)
        raise ValueError(f"{path} is Hardtanh({low}, {high}), expected -c and c, or 0 and c")

    def softmin(self, module: Any, path: str) -> Iterator[Part]:
        """softmax(-x): a dense layer changes the signs."""
        _check_dim(module, path)
        yield Part(path, Dense(self.width, "identity", use_bias=False), (-np.eye(self.width),))
        yield from self.activation("softmax", path)


def _computes_as(module: Any, cls: Any) -> bool:
    """Whether an instance of the class or of a subclass has the class's own forward()."""
    return type(module).forward is cls.forward and "forward" not in vars(module)


def _has_hooks(module: Any) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _is_plain(module: Any, cls: Any) -> bool:
    """Whether it does what the class does, and nothing beside."""
    return isinstance(module, cls) and _computes_as(module, cls) and not _has_hooks(module)


def _check_dim(module: Any, path: str) -> None:
    """ValueError where a softmax does not go along rows; None means 1 for rows in a batch."""
    if module.dim not in (-1, 1, None):
        raise ValueError(f"{path} is {type(module).__name__}(dim={module.dim}), expected dim=-1 or dim=1")


def _array(tensor: Any, path: str) -> Array:
    """The tensor's numbers; half precision becomes float32, which holds it."""
    if tensor.device.type == "meta":
        raise ValueError(f"{path} has no numbers, expected a tensor with memory of its own")
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{path} is {tensor.dtype}, expected real numbers")
    tensor = tensor.detach().cpu()
    return np.asarray(tensor if tensor.dtype.itemsize >= 4 else tensor.float())
