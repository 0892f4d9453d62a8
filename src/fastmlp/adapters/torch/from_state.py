"""`from_state_dict`: the weights of a PyTorch module by name, from a safetensors file, without torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelFileError, listed
from ...layers import Activation, BatchNormalization, Dense, LayerNormalization
from ...optional import require
from ..chain import Part, has_matrix, network

if TYPE_CHECKING:
    from ...network import Network

Array = np.ndarray[Any, Any]
_STATISTICS = ("running_mean", "running_var")
_LEAVES = ("weight", "bias", *_STATISTICS, "num_batches_tracked")
_READ = ("F16", "F32", "F64")
_TORCH_MOMENTUM = 0.9  # 1 - 0.1, PyTorch's default, which a state dict does not hold


def from_state_dict(
    state: str | os.PathLike[str] | Mapping[str, Any],
    *,
    layers: Sequence[str] | None = None,
    activation: Any = None,
    output: Any = "identity",
    dtype: str | None = None,
    fold: bool = True,
    epsilon: float = 1e-5,
    seed: int | None = None,
) -> Network:
    """The network whose weights a PyTorch ``state_dict`` holds; torch need not be installed.

    Parameters
    ----------
    state : path or mapping
        A safetensors file, as ``safetensors.torch.save_file(module.state_dict(), path)`` writes it, or names
        with their tensors or arrays: "0.weight" (n_out, n_in), "0.bias", ...  "running_mean" makes a module
        `BatchNorm1d`; a weight of one axis without it is `LayerNorm`'s.
    layers : sequence of str, optional
        The modules in the order they compute: "action_net" is that one, or all that begin with "action_net."
        in the order of their numbers.  What is not named is left out.  None takes all, if their names differ
        in numbers alone: "0" before "2" before "10".
    activation : str, (str, float) or list
        Of the hidden layers, as `Network` has it: the file does not know it, so that it has to be said where
        there is more than one Linear.  It stands after a normalisation
        that directly follows the Linear; but between them where the numbers leave room, as in "0" and "2".
    output : str or (str, float)
        Of the last layer; the default is that of a module that ends with Linear.
    dtype : {"float32", "float64"}, optional
        None takes that of the tensors; half precision becomes float32.
    fold : bool
        Whether batch normalisation goes into the weights beside it (see `Network.folded`).
    epsilon : float
        Of the normalisations, which the file does not know: PyTorch's default.
    seed : int, optional
        Of shuffling and dropout, if the network is trained on.

    Returns
    -------
    Network
        Not compiled, without the dropout that the module may have had.

    Raises
    ------
    ModelFileError
        If the file is damaged or of another format, such as PyTorch's own, a pickle; it is a ValueError.
    ValueError, TypeError
        If the tensors make no network, or their order or the activation of hidden layers is not known.
    ImportError
        For a file, without safetensors.

    Examples
    --------
    >>> import fastmlp, numpy as np
    >>> state = {"0.weight": np.ones((8, 4)), "0.bias": np.zeros(8), "2.weight": np.ones((3, 8))}
    >>> fastmlp.torch.from_state_dict(state, activation="tanh", output="softmax", seed=0)
    Network([4, Dense(8, 'tanh'), Dense(3, 'softmax', use_bias=False)], dtype='float64', seed=0)
    """
    tensors = _tensors(state)
    groups = _chosen(_groups(tensors), layers)
    parts = [_part(prefix, leaves, tensors, epsilon) for prefix, leaves in groups.items()]
    dtype = _dtype(parts) if dtype is None else dtype
    complete = list(_with_activations(parts, activation, output))
    return network(complete, "state", n_in=None, dtype=dtype, seed=seed, fold=fold)


# ---- reading ----


def _tensors(state: object) -> Mapping[str, Any]:
    if isinstance(state, Mapping):
        return state
    if not isinstance(state, (str, os.PathLike)):
        raise TypeError(f"state is a {type(state).__name__}, expected a path or names with their tensors")
    return _File(os.fspath(state))


class _File(Mapping[str, Any]):
    """A safetensors file: each tensor is read when it is asked for, or its kind given where NumPy lacks that.

    The library holds all sizes against the file's when it opens it.
    """

    def __init__(self, path: str) -> None:
        safetensors = require("safetensors", "safetensors")
        with open(path, "rb") as file:  # for the system's own errors
            beginning = file.read(4)
        if beginning[:2] in (b"PK", b"\x80\x02"):
            came = f"{path} is a file of torch.save, a pickle, which is not read"
            raise ModelFileError(
                f"{came}, expected safetensors: safetensors.torch.save_file(state_dict, path)"
            )
        try:
            self._file = safetensors.safe_open(path, framework="numpy")
        except safetensors.SafetensorError as error:
            raise ModelFileError(f"{path} is not a readable safetensors file: {error}") from None
        self._names = list(self._file.keys())

    def __getitem__(self, name: str) -> Any:
        kind = self._file.get_slice(name).get_dtype()
        return self._file.get_tensor(name) if kind in _READ else kind

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _groups(names: Iterable[str]) -> dict[str, list[str]]:
    """What each module has, by its name: {"0": ["weight", "bias"]}."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"state has the name {name!r}, expected strings")
        prefix, _, leaf = name.rpartition(".")
        groups.setdefault(prefix, []).append(leaf)
    return groups


# ---- order ----


def _chosen(groups: dict[str, list[str]], layers: Sequence[str] | None) -> dict[str, list[str]]:
    """The groups of the modules that `layers` names, in order."""
    if layers is None:
        return {prefix: groups[prefix] for prefix in _ordered(list(groups), "layers=[...] in order")}
    if isinstance(layers, str) or not all(isinstance(item, str) for item in layers):
        raise TypeError(f"layers is {layers!r}, expected a list of names of modules")
    found: dict[str, list[str]] = {}
    for item in layers:
        under = [prefix for prefix in groups if prefix == item or prefix.startswith(f"{item}.")]
        if not under:
            raise ValueError(f"layers has {item!r}, expected names out of {_few(list(groups))}")
        for prefix in _ordered(under, f"each of them in layers in the place of {item!r}"):
            if prefix in found:
                raise ValueError(f"layers has {prefix!r} twice, expected it once")
            found[prefix] = groups[prefix]
    return found


def _ordered(prefixes: list[str], expected: str) -> list[str]:
    """By the numbers in the names; ValueError where words differ, which say nothing of the order."""
    keys = {prefix: _key(prefix) for prefix in prefixes}
    ordered = sorted(prefixes, key=keys.__getitem__)
    for first, second in zip(ordered, ordered[1:], strict=False):
        pairs = zip(keys[first], keys[second], strict=False)
        a, b = next((pair for pair in pairs if pair[0] != pair[1]), ((), ("",)))
        if a[::2] != b[::2]:
            raise ValueError(f"state has {_few(ordered)}, names that tell no order, expected {expected}")
    return ordered


def _key(prefix: str) -> tuple[tuple[Any, ...], ...]:
    """For every part of the name its words, at even places, and its numbers: "fc10" is ("fc", 10, "")."""
    parts = (re.split(r"([0-9]{1,18})", part) for part in prefix.split("."))
    return tuple(tuple(int(token) if i % 2 else token for i, token in enumerate(part)) for part in parts)


def _few(names: list[str]) -> str:
    return listed(repr(name) for name in names[:6]) + (", ..." if len(names) > 6 else "")


# ---- parts ----


def _part(prefix: str, leaves: Sequence[str], tensors: Mapping[str, Any], epsilon: float) -> Part:
    for leaf in leaves:
        if leaf not in _LEAVES:
            raise ValueError(f"state has {_name(prefix, leaf)!r}, expected {listed(_LEAVES)} of each module")
    names = {leaf: _name(prefix, leaf) for leaf in leaves if leaf != "num_batches_tracked"}
    arrays = {leaf: _numbers(tensors[name], name) for leaf, name in names.items()}
    weight = arrays.get("weight")
    if "running_mean" in arrays:
        arrays.setdefault("weight", np.ones_like(arrays["running_mean"]))  # affine=False
        arrays.setdefault("bias", np.zeros_like(arrays["running_mean"]))
        vectors = _vectors(prefix, arrays, ("weight", "bias", *_STATISTICS))
        return Part(prefix, BatchNormalization(_TORCH_MOMENTUM, epsilon), vectors)
    if weight is not None and weight.ndim == 2:
        layer = Dense(len(weight), "identity", use_bias="bias" in arrays)
        if layer.use_bias and arrays["bias"].shape != (layer.units,):
            came = f"{_name(prefix, 'bias')} has shape {arrays['bias'].shape}"
            raise ValueError(f"{came}, expected {(layer.units,)} as {_name(prefix, 'weight')} has rows")
        return Part(prefix, layer, (weight.T, *([arrays["bias"]] if layer.use_bias else [])))
    if weight is not None and weight.ndim == 1 and "bias" in arrays:
        return Part(prefix, LayerNormalization(epsilon), _vectors(prefix, arrays, ("weight", "bias")))
    came = "no weight" if weight is None else f"a weight of shape {weight.shape}"
    raise ValueError(f"state has {came} in {prefix!r}, expected those of Linear, BatchNorm1d or LayerNorm")


def _vectors(prefix: str, arrays: Mapping[str, Array], leaves: Sequence[str]) -> tuple[Array, ...]:
    """Those arrays of a normalisation, all (n,)."""
    shape = arrays[leaves[0]].shape
    for leaf in leaves:
        if leaf not in arrays:
            raise ValueError(f"state lacks {_name(prefix, leaf)!r}, expected it beside the others")
        if arrays[leaf].shape != shape or len(shape) != 1:
            came = f"{_name(prefix, leaf)} has shape {arrays[leaf].shape}"
            raise ValueError(f"{came}, expected one number a column as {_name(prefix, leaves[0])}")
    return tuple(arrays[leaf] for leaf in leaves)


def _name(prefix: str, leaf: str) -> str:
    return f"{prefix}.{leaf}" if prefix else leaf


def _numbers(value: object, name: str) -> Array:
    """A tensor's floats."""
    if isinstance(value, str):  # the kind of a tensor that NumPy lacks
        raise TypeError(f"{name} is {value}, expected one of {listed(_READ)}")
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever the export of a foreign tensor raises
        raise TypeError(f"{name} cannot be read as an array: {error}") from None
    if array.dtype.kind != "f":
        raise TypeError(f"{name} holds {array.dtype}, expected real numbers")
    return array


def _dtype(parts: Sequence[Part]) -> str:
    wide = {array.dtype.itemsize > 4 for part in parts for array in part.arrays}
    if len(wide) > 1:
        raise TypeError("state holds float32 and float64, expected one of them, or dtype=")
    return "float64" if wide == {True} else "float32"


# ---- activations ----


def _with_activations(parts: Sequence[Part], activation: Any, output: Any) -> Iterator[Part]:
    """The parts, each Linear with its activation at its place."""
    dense = [i for i, part in enumerate(parts) if has_matrix(part)]
    if activation is None and len(dense) > 1:
        raise ValueError(
            f"activation is None, expected that of the {len(dense) - 1} hidden layers, which a state dict "
            'does not hold: activation="relu", say, or a list with one for each'
        )
    names: list[Any] = activation if isinstance(activation, list) else [activation] * (len(dense) - 1)
    if dense and len(names) != len(dense) - 1:
        raise ValueError(
            f"activation has {len(names)} names, expected one for each of {len(dense) - 1} hidden layers"
        )
    places: dict[int, Part] = {}
    for i, name in zip(dense, [*names, output], strict=False):
        layer = Activation(name)
        if layer.activation != "identity":
            places[i + _follows(parts, i)] = Part(parts[i].path, layer)
    for i, part in enumerate(parts):
        yield part
        if i in places:
            yield places[i]


def _follows(parts: Sequence[Part], i: int) -> bool:
    """Whether a normalisation comes after Linear i without room for an activation between them."""
    if i + 1 >= len(parts) or has_matrix(parts[i + 1]):
        return False
    (*before, first), (*after, second) = _key(parts[i].path), _key(parts[i + 1].path)
    siblings = before == after and len(first) == len(second) > 1 and first[::2] == second[::2]
    return not (siblings and second[-2] - first[-2] > 1)
