"""What a network does to one row, as a list of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import registry
from ..layers import (
    Add,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Embedding,
    GaussianNoise,
    Layer,
    LayerNormalization,
    MaxPieces,
    MemberDense,
    Members,
    OutputRescaling,
    ParametricActivation,
    PeriodicEmbedding,
    PReLU,
    QuantizedDense,
    Scale,
)
from ..layers.base import entry
from ..layers.lowering import input_vectors, nodes_of, output_vectors
from ..model import Model
from ..reference.storage import int8_columns

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rescale:
    """(x - shift) / divisor, either of shape (n,) or None."""

    shift: Array | None
    divisor: Array | None


@dataclass(frozen=True)
class Product:
    """x @ W + b, W (k, n), b (n,) or None."""

    W: Array
    b: Array | None

    @property
    def segments(self) -> int:
        """How many runs of the inputs are summed apart: the numeric contract's rule."""
        k, n = self.W.shape
        lanes = 64 // self.W.dtype.itemsize
        return 1 if k < 32 or n > 2 * lanes else 4 if n <= lanes else 2


@dataclass(frozen=True)
class Int8Product:
    """x @ (q * scale) + b by whole numbers, q (k, n) of int8, scale (n,) and b (n,) or None of float32."""

    q: Array
    scale: Array
    b: Array | None


@dataclass(frozen=True)
class Activate:
    """An activation by name, of each element or (softmax, log_softmax) of the row."""

    name: str
    parameter: float


@dataclass(frozen=True)
class BatchNormalize:
    """(x - mean) * inverse * gamma + beta, all of shape (n,); inverse is 1 / sqrt(variance + epsilon)."""

    mean: Array
    inverse: Array
    gamma: Array
    beta: Array


@dataclass(frozen=True)
class LayerNormalize:
    """The same with the mean and the variance of the row's n numbers."""

    gamma: Array
    beta: Array
    epsilon: float


@dataclass(frozen=True)
class Largest:
    """max over k of x_(k n + j), n numbers out of `pieces` n."""

    pieces: int


@dataclass(frozen=True)
class Share:
    """x + alpha (f(x) - x), f an activation by name and alpha (n,)."""

    name: str
    parameter: float
    alpha: Array


@dataclass(frozen=True)
class Slope:
    """x where it is above 0, elsewhere x * slope, slope (n,)."""

    slope: Array


@dataclass(frozen=True)
class LookUp:
    """The last of x, which are codes, as rows of tables (size, dim), one each, behind the others."""

    tables: tuple[Array, ...]


@dataclass(frozen=True)
class Waves:
    """W_j.T @ cos(2 pi (x_j frequency_j + turns_j)) + b_j for each of the first p of x, before all of x.

    frequency and turns (F, p), W (F K, p), b (K, p).
    """

    frequency: Array
    turns: Array
    W: Array
    b: Array


@dataclass(frozen=True)
class OfMember:
    """x * r + b with a row of r and b (k, n), or None, for each member."""

    r: Array
    b: Array | None


@dataclass(frozen=True)
class MemberProduct:
    """W_i @ x + b_i with W (k, units, n) and b (k, units), or None, of each member i."""

    W: Array
    b: Array | None


@dataclass(frozen=True)
class Keep:
    """x, which is also kept under a number for the steps `AddKept` that have it."""

    place: int


@dataclass(frozen=True)
class AddKept:
    """x + what was kept under a number."""

    place: int


@dataclass(frozen=True)
class Mean:
    """Of what k members give."""

    members: int


Step = (
    Rescale
    | Product
    | Int8Product
    | Activate
    | BatchNormalize
    | LayerNormalize
    | Largest
    | Share
    | Slope
    | LookUp
    | Waves
    | OfMember
    | MemberProduct
    | Keep
    | AddKept
    | Mean
)


def steps_of(net: Model) -> list[Step]:
    """The steps of a network's prediction."""
    n_in, dtype = net.plan.n_in, net.dtype
    shift, divisor = input_vectors(n_in, net.layers, dtype)
    steps: list[Step] = []
    if shift is not None or divisor is not None:
        steps.append(Rescale(_of_type(shift, dtype), _of_type(divisor, dtype)))
    arrays = iter(net.get_weights())
    added = {layer.second_input() for layer in net.layers}
    for node in nodes_of(n_in, net.layers):
        made = entry(_STEPS, node.layer, _WHERE)(node.layer, [next(arrays) for _ in node.shapes])
        steps += [] if made is None else [made]
        name, parameter = node.activation
        if name != "identity":
            steps.append(Activate(name, float(dtype.type(parameter))))
        steps += [Keep(node.place)] if node.place in added else []
    vectors = output_vectors(net.plan.n_out, net.layers, dtype) or ()
    last = [entry(_STEPS, layer, _WHERE)(layer, list(vectors)) for layer in net.layers if layer.ends]
    steps += [step for step in last if step is not None]
    members = members_of(steps)
    return [*steps, Mean(members)] if members else steps


def members_of(steps: Sequence[Step]) -> int:
    """Networks that share the weights; 0 where nothing is by member."""
    found = [
        len(step.r if isinstance(step, OfMember) else step.W) for step in steps if isinstance(step, _MEMBERS)
    ]
    return found[0] if found else 0


def _dense(layer: Any, arrays: list[Array]) -> Step:
    return Product(arrays[0], arrays[1] if layer.use_bias else None)


def _quantized_dense(layer: Any, arrays: list[Array]) -> Step:
    if layer.storage == "bf16":  # the chains of float32 on these weights
        return _dense(layer, arrays)
    return Int8Product(*int8_columns(arrays[0]), arrays[1] if layer.use_bias else None)


def _layer_normalization(layer: Any, arrays: list[Array]) -> Step:
    return LayerNormalize(arrays[0], arrays[1], float(arrays[0].dtype.type(layer.epsilon)))


def _batch_normalization(layer: Any, arrays: list[Array]) -> Step:
    gamma, beta, mean, variance = arrays
    return BatchNormalize(mean, 1 / np.sqrt(variance + gamma.dtype.type(layer.epsilon)), gamma, beta)


def _scale(layer: Any, arrays: list[Array]) -> Step:
    [s] = arrays
    return _affine(s, np.zeros_like(s))


def _parametric_activation(layer: Any, arrays: list[Array]) -> Step:
    name, parameter = registry.resolve_activation(layer.activation)
    return Share(name, float(arrays[0].dtype.type(parameter)), arrays[0])


def _embedding(layer: Any, arrays: list[Array]) -> Step:
    return LookUp(tuple(layer.split(arrays[0])))


def _periodic_embedding(layer: Any, arrays: list[Array]) -> Step:
    frequency, phase, W, b = arrays
    return Waves(frequency, phase * (1 / phase.dtype.type(2 * np.pi)), W, b)  # as the engine's wave_panel_of


def _members(layer: Any, arrays: list[Array]) -> Step:
    return OfMember(arrays[0], arrays[1] if layer.use_bias else None)


def _member_dense(layer: Any, arrays: list[Array]) -> Step:
    W = arrays[0].reshape(layer.members, layer.units, -1)
    return MemberProduct(W, arrays[1] if layer.use_bias else None)


def _affine(scale: Array, offset: Array) -> Step:
    """x * scale + offset"""
    return BatchNormalize(np.zeros_like(scale), np.ones_like(scale), scale, offset)


def _of_training_alone(layer: Any, arrays: list[Array]) -> None:
    """Nothing is done to a row."""


_STEPS: dict[type[Layer], Callable[[Any, list[Array]], Step | None]] = {
    Add: lambda layer, arrays: AddKept(layer.from_layer),
    AlphaDropout: _of_training_alone,
    BatchNormalization: _batch_normalization,
    Dense: _dense,
    Embedding: _embedding,
    GaussianNoise: _of_training_alone,
    LayerNormalization: _layer_normalization,
    MaxPieces: lambda layer, arrays: Largest(layer.pieces),
    MemberDense: _member_dense,
    Members: _members,
    OutputRescaling: lambda layer, arrays: _affine(*arrays),
    ParametricActivation: _parametric_activation,
    PeriodicEmbedding: _periodic_embedding,
    QuantizedDense: _quantized_dense,
    PReLU: lambda layer, arrays: Slope(arrays[0]),
    Scale: _scale,
}
_WHERE = "an exported network"  # for the error where a kind is not here
_MEMBERS = (OfMember, MemberProduct)


def _of_type(array: Array | None, dtype: np.dtype[Any]) -> Array | None:
    return None if array is None else array.astype(dtype)
