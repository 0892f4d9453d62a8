"""Kinds of layers: what each computes between its input and its activation, beside its gradients.

A layer takes x (rows, n_in) to z (rows, units).  Its node, a dict, has the kind's numbers; its arrays are in
the order of `LayerKind.arrays`.  Some keep more than z for the way back: the statistics that they took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import products
from .functions import (
    ACTIVATIONS,
    Array,
    activation_backward,
    activation_forward,
    dense_backward,
    dense_forward,
)
from .normalization import normalization_backward, normalized, statistics
from .optimizers import flush
from .random import kept_units, normal_noise
from .storage import MOST_INT8_INPUTS, STORAGES, dense_int8

Node = Mapping[str, Any]
Arrays = Sequence[Array]

# What a node may say beside its kind and that kind's own settings, and what it says if it does not; units of
# a layer whose kind has no width of its own are those before it.
NODE: dict[str, Any] = {
    "units": None, "activation": "identity", "parameter": 0.0, "dropout": 0.0, "function": "identity",
    "function_parameter": 0.0, "use_bias": True, "source": -1, "sizes": (),
    "dims": (),
    "trainable": True, "learning_rate": {}, "weight_decay": {},
}  # fmt: skip


def node_of(layer: Any, n_in: int) -> dict[str, Any]:
    """A layer's node with all that it may say.

    >>> node_of({"kind": "dense", "dropout": 0.5}, 2)["units"]
    2
    """
    if not isinstance(layer, dict) or "kind" not in layer:
        raise TypeError(f"a layer is {layer!r}, expected a node, a dict with its kind.")
    if layer["kind"] not in KINDS:
        raise ValueError(f"kind {layer['kind']!r} is unknown, expected one of {', '.join(KINDS)}.")
    settings = {name: setting.default for name, setting in KINDS[layer["kind"]].settings.items()}
    known = {"kind": layer["kind"], **NODE, **settings}
    unknown = set(layer) - set(known)
    if unknown:
        raise ValueError(f"a node has {min(unknown)!r}, expected some of {', '.join(known)}.")
    node = {**known, **layer}
    return {**node, "units": width_of(node, n_in)} if node["units"] is None else node


def width_of(node: Node, n_in: int) -> int:
    """The outputs of a node, which its settings decide but for a dense layer's."""
    width = KINDS[node["kind"]].width
    return width(node, n_in) if width else n_in


class ArrayKind(NamedTuple):
    """One array of a layer."""

    shape: tuple[int, ...]
    start: float = 0.0  # what its elements begin as
    decays: bool = False  # whether penalties act on it
    moves: bool = True  # whether its gradient moves it


class Training(NamedTuple):
    """A pass with dropout and noise."""

    key: tuple[int, int, int]  # what a layer's random numbers follow from: seed, its number, the step
    of_batch: bool  # whether normalisations take the batch's statistics


class Setting(NamedTuple):
    """One of a kind's own numbers."""

    default: float
    least: float
    most: float


class LayerKind(NamedTuple):
    """One kind of layer.

    Attributes
    ----------
    arrays : callable
        ``arrays(node, n_in)``: an `ArrayKind` by name.
    forward : callable
        ``z, *taken = forward(x, arrays, node, other, training)``: other is the output of the node's source,
        training a `Training` or None, taken what the way back needs: the statistics of a normalisation.
    backward : callable
        ``dx, *gradients = backward(dz, x, arrays, node, taken, training)``, a gradient for each array;
        training is a bool.
    after_step : callable, optional
        ``after_step(arrays, node, taken)`` after each training step.
    width : callable, optional
        ``width(node, n_in)``: outputs, where they need not be as many as the inputs; 0 for settings that do
        not go with n_in.
    traits : frozenset of str
        Some of "two_inputs", where the node has a source; "reads_codes", where the last columns of its input
        are those of the network's and hold codes; "keeps_input", where its output ends with its input;
        "by_member", where the first setting is how many members the network has, and rows are theirs in turn.
    settings : mapping
        The kind's own numbers, a `Setting` by name.
    """

    arrays: Callable[[Node, int], dict[str, ArrayKind]]
    forward: Callable[[Array, Arrays, Node, Any, Training | None], list[Array]]
    backward: Callable[[Array, Array, Arrays, Node, Arrays, bool], list[Array]]
    after_step: Callable[[Arrays, Node, Arrays], None] | None = None
    width: Callable[[Node, int], int] | None = None
    traits: frozenset[str] = frozenset()
    settings: Mapping[str, Setting] = {}


def _nothing(node: Node, n_in: int) -> dict[str, ArrayKind]:
    """Of a kind without arrays."""
    return {}


# Dense: z = x @ W + b


def _storage(node: Node) -> int:
    """The number of how the weights are stored."""
    return int(node.get("storage", 0))


def _dense_arrays(node: Node, n_in: int) -> dict[str, ArrayKind]:
    bias = {"b": ArrayKind((node["units"],))} if node["use_bias"] else {}
    trains = _storage(node) == 0
    return {"W": ArrayKind((n_in, node["units"]), decays=trains, moves=trains), **bias}


def _dense_width(node: Node, n_in: int) -> int:
    if STORAGES[_storage(node)] == "int8" and n_in > MOST_INT8_INPUTS:
        return 0
    return int(node["units"] or n_in)


def _planes(x: Array, arrays: Arrays, node: Node) -> int:
    """How many numbers of bfloat16 the factors of a layer's products are split in; 0: they are not."""
    planes = int(node.get("planes", 0))
    return planes if planes and products.takes_planes(arrays[0].shape, x.dtype) else 0


def _dense(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    planes, bias = _planes(x, arrays, node), arrays[1] if node["use_bias"] else None
    if STORAGES[_storage(node)] == "int8":
        return [dense_int8(x, arrays[0], bias)]
    if planes and not _storage(node):
        return [products.dense_forward(x, arrays[0], bias, planes)]
    return [dense_forward(x, arrays[0], bias)]


def _dense_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    planes, w = _planes(x, arrays, node), arrays[0]
    gradients = products.dense_backward(dz, x, w, planes) if planes else dense_backward(dz, x, w)
    return list(gradients[: 1 + len(arrays)])


# Normalisations: z = x_hat * gamma + beta


def _gamma_and_beta(node: Node, n_in: int) -> dict[str, ArrayKind]:
    return {"gamma": ArrayKind((n_in,), start=1.0), "beta": ArrayKind((n_in,))}


def _batch_arrays(node: Node, n_in: int) -> dict[str, ArrayKind]:
    moving = {"mean": ArrayKind((n_in,), moves=False), "variance": ArrayKind((n_in,), 1.0, moves=False)}
    return {**_gamma_and_beta(node, n_in), **moving}


def _normalize(x: Array, arrays: Arrays, node: Node, mean: Array, variance: Array) -> list[Array]:
    z = normalized(x, mean, variance, node["epsilon"]) * arrays[0] + arrays[1]
    return [z, mean, variance]


def _batch(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    of_batch = training is not None and training.of_batch and node["trainable"]
    mean, variance = statistics(x, axis=0) if of_batch else (arrays[2], arrays[3])
    return _normalize(x, arrays, node, mean, variance)


def _layer(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    return _normalize(x, arrays, node, *statistics(x, axis=-1))


def _normalization_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, axis: int | None
) -> list[Array]:
    mean, variance = taken
    x_hat = normalized(x, mean, variance, node["epsilon"])
    dx, *found = normalization_backward(dz, x_hat, arrays[0], variance, node["epsilon"], axis)
    return [flush(dx), *found, *(np.zeros_like(array) for array in arrays[2:])]


def _batch_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    of_batch = training and node["trainable"]
    return _normalization_backward(dz, x, arrays, node, taken, 0 if of_batch else None)


def _move_statistics(arrays: Arrays, node: Node, taken: Arrays) -> None:
    """moving = momentum * moving + (1 - momentum) * batch"""
    if not node["trainable"]:
        return
    for moving, batch in zip(arrays[2:], taken, strict=True):
        moving[...] = node["momentum"] * moving + (1 - node["momentum"]) * batch[0]


def _layer_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    return _normalization_backward(dz, x, arrays, node, taken, 1)


# Scale: z = x * s, a factor a column


def _scale_arrays(node: Node, n_in: int) -> dict[str, ArrayKind]:
    return {"s": ArrayKind((n_in,), start=1.0)}


def _scale(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    return [x * arrays[0]]


def _scale_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    return [flush(dz * arrays[0]), (dz * x).sum(axis=0)]


# Parametric activation: z = x + alpha (f(x) - x), alpha a column


def _alpha(node: Node, n_in: int) -> dict[str, ArrayKind]:
    return {"alpha": ArrayKind((n_in,), start=1.0)}


def _function(x: Array, node: Node) -> Array:
    return activation_forward(node["function"], x, node["function_parameter"])


def _parametric(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    return [x + arrays[0] * (_function(x, node) - x)]


def _parametric_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    f, name, parameter = _function(x, node), node["function"], node["function_parameter"]
    through = activation_backward(name, dz, x if ACTIVATIONS[name].saved == "z" else f, parameter)
    return [flush(dz + arrays[0] * (flush(through) - dz)), (dz * (f - x)).sum(axis=0)]


# PReLU: z = x where x > 0, else slope x, a slope a column


def _slope(node: Node, n_in: int) -> dict[str, ArrayKind]:
    return {"slope": ArrayKind((n_in,), start=0.25)}


def _prelu(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    return [np.where(x > 0, x, arrays[0] * x)]


def _prelu_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    return [flush(np.where(x > 0, dz, dz * arrays[0])), (dz * np.minimum(x, 0)).sum(axis=0)]


# Periodic embedding: p columns of x as F cosines each and K values linear in them, then x


def _periodic_shape(node: Node) -> tuple[int, int, int]:
    """p, F and K."""
    return int(node["columns"]), int(node["frequencies"]), int(node["width"]) - 1


def _periodic_width(node: Node, n_in: int) -> int:
    p, _, K = _periodic_shape(node)
    return n_in + p * K if p <= n_in else 0


def _periodic_arrays(node: Node, n_in: int) -> dict[str, ArrayKind]:
    p, F, K = _periodic_shape(node)
    return {
        "frequency": ArrayKind((F, p)),
        "phase": ArrayKind((F, p)),
        "W": ArrayKind((F * K, p), decays=True),
        "b": ArrayKind((K, p)),
    }


def _angles(x: Array, arrays: Arrays) -> Array:
    """2 pi x frequency + phase, (rows, F, p)."""
    frequency, phase = arrays[:2]
    return 2 * np.pi * x[:, None, : frequency.shape[1]] * frequency + phase


def _periodic(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    p, F, K = _periodic_shape(node)
    W, b = arrays[2].reshape(F, K, p), arrays[3]
    values = np.einsum("rfp,fkp->rpk", np.cos(_angles(x, arrays)), W) + b.T
    return [np.concatenate([values.reshape(len(x), p * K), x], axis=1)]


def _periodic_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    p, F, K = _periodic_shape(node)
    W, angles = arrays[2].reshape(F, K, p), _angles(x, arrays)
    d = dz[:, : p * K].reshape(len(dz), p, K)
    d_angles = -np.sin(angles) * np.einsum("rpk,fkp->rfp", d, W)
    dx = dz[:, p * K :].copy()
    dx[:, :p] += 2 * np.pi * (d_angles * arrays[0]).sum(axis=1)
    d_frequency = 2 * np.pi * (d_angles * x[:, None, :p]).sum(axis=0)
    d_W = np.einsum("rpk,rfp->fkp", d, np.cos(angles)).reshape(F * K, p)
    return [flush(dx), d_frequency, d_angles.sum(axis=0), d_W, d.sum(axis=0).T]


# Embedding: the last columns of x, codes, each as a row of its table, after the columns before them


def _embedding_width(node: Node, n_in: int) -> int:
    codes = len(node["sizes"])
    return n_in - codes + sum(node["dims"]) if 0 < codes <= n_in else 0


def _tables(node: Node, n_in: int) -> dict[str, ArrayKind]:
    count = sum(size * dim for size, dim in zip(node["sizes"], node["dims"], strict=True))
    return {"tables": ArrayKind((count,), decays=True)}


def _places(x: Array, node: Node) -> list[Array]:
    """Of each table (rows, dim): which of all its numbers each row has."""
    found, begin = [], 0
    for size, dim, code in zip(node["sizes"], node["dims"], x.T[-len(node["sizes"]) :], strict=True):
        found.append(begin + code.astype(np.int64)[:, None] * dim + np.arange(dim))
        begin += size * dim
    return found


def _embedding(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    rows = [arrays[0][places] for places in _places(x, node)]
    return [np.concatenate([x[:, : -len(rows)], *rows], axis=1)]


def _embedding_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    dx, d_tables = np.zeros_like(x), np.zeros_like(arrays[0])
    at = x.shape[1] - len(node["sizes"])
    dx[:, :at] = dz[:, :at]
    for places in _places(x, node):
        np.add.at(d_tables, places, dz[:, at : at + places.shape[1]])
        at += places.shape[1]
    return [dx, d_tables]


# Members: k networks that share weights; row r of theirs is member r % k's


def _of_members(sums: Array, members: int) -> Array:
    """Sums over the rows of each member, (k, ...), from what is summed, (rows, ...)."""
    return sums.reshape(-1, members, *sums.shape[1:]).sum(axis=0)


def _member_count(node: Node) -> int:
    return int(node["members"])


def _by_row(array: Array, x: Array) -> Array:
    """What each row of x has of an array (k, ...)."""
    return array[np.arange(len(x)) % len(array)]


def _members_arrays(node: Node, n_in: int) -> dict[str, ArrayKind]:
    k = _member_count(node)
    return {"r": ArrayKind((k, n_in), start=1.0), **({"b": ArrayKind((k, n_in))} if node["use_bias"] else {})}


def _members(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    z = x * _by_row(arrays[0], x)
    return [z + _by_row(arrays[1], x) if node["use_bias"] else z]


def _members_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    k = _member_count(node)
    found = [_of_members(dz * x, k), _of_members(dz, k)]
    return [flush(dz * _by_row(arrays[0], x)), *found[: len(arrays)]]


# Member dense: z_j = W_j . x + b_j with weights of each row's member


def _member_dense_arrays(node: Node, n_in: int) -> dict[str, ArrayKind]:
    k, units = _member_count(node), node["units"]
    bias = {"b": ArrayKind((k, units))} if node["use_bias"] else {}
    return {"W": ArrayKind((k * units, n_in), decays=True), **bias}


def _weights_by_row(x: Array, arrays: Arrays, node: Node) -> Array:
    """(rows, units, n_in)"""
    return _by_row(arrays[0].reshape(_member_count(node), node["units"], -1), x)


def _member_dense(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    z = np.einsum("ri,rji->rj", x, _weights_by_row(x, arrays, node))
    return [z + _by_row(arrays[1], x) if node["use_bias"] else z]


def _member_dense_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    k = _member_count(node)
    dx = np.einsum("rj,rji->ri", dz, _weights_by_row(x, arrays, node))
    d_W = _of_members(dz[:, :, None] * x[:, None, :], k).reshape(arrays[0].shape)
    return [flush(dx), d_W, *([_of_members(dz, k)] if node["use_bias"] else [])]


# Add: z = x + the output of the source; the gradient goes to both as it is


def _add(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    return [x + other]


def _add_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    return [dz]


_BY_MEMBER: dict[str, Any] = {
    "traits": frozenset({"by_member"}),
    "settings": {"members": Setting(2, 1, 1024)},
}
# Gaussian noise: z = x + stddev n in training


def _gaussian(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    if training is None:
        return [x]
    return [x + x.dtype.type(node["stddev"]) * normal_noise(*training.key, x.shape, x.dtype)]


def _gaussian_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    return [dz]


# Alpha dropout: in training z = a x + b where x is kept, else b - a s, s the limit of selu below


def _alpha_constants(p: float) -> tuple[float, float, float]:
    """a, b and s of a rate; a and b make mean 0 and variance 1 of all again."""
    s = 1.7580993408473766
    a = 1 / np.sqrt((1 - p) * (1 + p * s * s))
    return a, a * p * s, s


def _alpha_dropout(
    x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None
) -> list[Array]:
    if training is None:
        return [x, np.ones_like(x)]
    a, b, s = _alpha_constants(node["rate"])
    kept, real = kept_units(*training.key, x.shape, node["rate"]), x.dtype.type
    return [np.where(kept, x * real(a) + real(b), real(b - a * s)), np.where(kept, real(a), real(0))]


def _alpha_dropout_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    return [flush(dz * taken[0]) if training else dz]


# Max pieces: z_j = the largest of x_(k n + j) over the pieces k; the gradient goes to the first such


def _pieces_width(node: Node, n_in: int) -> int:
    pieces = int(node["pieces"])
    return 0 if n_in % pieces else n_in // pieces


def _max_pieces(x: Array, arrays: Arrays, node: Node, other: Any, training: Training | None) -> list[Array]:
    pieces = x.reshape(len(x), int(node["pieces"]), -1)
    return [pieces.max(axis=1), pieces.argmax(axis=1)]


def _max_pieces_backward(
    dz: Array, x: Array, arrays: Arrays, node: Node, taken: Arrays, training: bool
) -> list[Array]:
    chosen = taken[0][:, None] == np.arange(int(node["pieces"]))[:, None]  # (rows, pieces, n)
    return [np.where(chosen, dz[:, None], 0).reshape(x.shape)]


_EPSILON = Setting(1e-3, 1e-30, np.inf)  # of a variance
KINDS: dict[str, LayerKind] = {
    "dense": LayerKind(
        _dense_arrays, _dense, _dense_backward, width=_dense_width,
        settings={"storage": Setting(0, 0, len(STORAGES) - 1)},
    ),
    "batch_normalization": LayerKind(
        _batch_arrays, _batch, _batch_backward, _move_statistics,
        settings={"epsilon": _EPSILON, "momentum": Setting(0.99, 0.0, 1.0)},
    ),
    "layer_normalization": LayerKind(
        _gamma_and_beta, _layer, _layer_backward, settings={"epsilon": _EPSILON}
    ),
    "scale": LayerKind(_scale_arrays, _scale, _scale_backward),
    "add": LayerKind(_nothing, _add, _add_backward, traits=frozenset({"two_inputs"})),
    "parametric_activation": LayerKind(_alpha, _parametric, _parametric_backward),
    "prelu": LayerKind(_slope, _prelu, _prelu_backward),
    "gaussian_noise": LayerKind(
        _nothing, _gaussian, _gaussian_backward, settings={"stddev": Setting(1.0, 0.0, 1e30)}
    ),
    "alpha_dropout": LayerKind(
        _nothing, _alpha_dropout, _alpha_dropout_backward, settings={"rate": Setting(0.5, 0.0, 0.999)}
    ),
    "max_pieces": LayerKind(
        _nothing, _max_pieces, _max_pieces_backward, width=_pieces_width,
        settings={"pieces": Setting(2, 1, 65536)},
    ),
    "embedding": LayerKind(
        _tables, _embedding, _embedding_backward, width=_embedding_width, traits=frozenset({"reads_codes"})
    ),
    "periodic_embedding": LayerKind(
        _periodic_arrays, _periodic, _periodic_backward, width=_periodic_width,
        traits=frozenset({"keeps_input"}),
        settings={
            "columns": Setting(1, 1, 2**20), "frequencies": Setting(16, 1, 64), "width": Setting(4, 2, 64)
        },
    ),
    "members": LayerKind(_members_arrays, _members, _members_backward, **_BY_MEMBER),
    "member_dense": LayerKind(
        _member_dense_arrays, _member_dense, _member_dense_backward, width=_dense_width, **_BY_MEMBER
    ),
}  # fmt: skip
