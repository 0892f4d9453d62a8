"""Blocks of nodes as steps: what each does to a row of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from ...layers import Activation, BatchNormalization, Dense, Dropout, LayerNormalization
from ..chain import Part, part
from . import recognition
from .graph import Graph
from .nodes import LAYERS, SHAPES, Node

Array = np.ndarray[Any, Any]

_RUN = 8  # blocks that may be one activation: 1 / (1 + exp(-x)) has four


@dataclass
class Affine:
    """x + value, x * value or x / value, as the operation says; value is (n,) or ()."""

    path: str
    operation: str
    value: Array


Step = Part | Affine


def steps(graph: Graph, use: Callable[[int], None]) -> list[Step]:
    """What the graph does, in order; raises ModelFileError at the first node that is not understood.

    Arrays of a normalisation may be (), for all columns alike.  `use` is told of the bytes of weights.
    """
    result: list[Step] = []
    blocks = graph.blocks()
    start, at = graph.input, 0
    while at < len(blocks):
        count, found = _batch_normalized(graph, blocks[at : at + 4]) or _next(
            graph, blocks, at, start, result
        )
        result += found
        use(sum(array.nbytes for step in found if isinstance(step, Part) for array in step.arrays))
        at += count
        start = blocks[at - 1][-1].output
    while result and isinstance(result[-1], Part) and result[-1].layer.drops() is not None:
        result.pop()  # a file is for prediction, where it does nothing
    return result


def _next(
    graph: Graph, blocks: list[list[Node]], at: int, start: str, before: Sequence[Step]
) -> tuple[int, list[Step]]:
    """How many blocks belong together, and what they do."""
    node = blocks[at][0]
    reader = _READERS.get(node.op) if len(blocks[at]) == 1 else None
    longest = 0
    while longest < _RUN and at + longest < len(blocks) and _elementary(blocks[at + longest]):
        longest += 1
    known = recognition.recognized(blocks[at : at + longest], start, graph.opset) if longest else None
    if known is not None and (known[0] > 1 or reader is None):
        count, found = known
        return count, _recognized(blocks[at + count - 1][-1], found, before, last=at + count == len(blocks))
    if reader is not None:
        return 1, reader(node)
    raise _refusal(blocks[at])


def _elementary(block: Sequence[Node]) -> bool:
    return all(node.op in recognition.OPERATORS for node in block)


def _recognized(node: Node, found: recognition.Found, before: Sequence[Step], *, last: bool) -> list[Step]:
    name, parameter = found
    if name == recognition.NORMALIZED:
        return [part(str(node), LayerNormalization, parameter, arrays=[np.ones(()), np.zeros(())])]
    if name != recognition.TWO_COLUMNS:
        return [part(str(node), Activation, found if parameter else name)]
    ends = before[-1] if before else None
    if not (last and isinstance(ends, Part) and ends.layer == Activation("sigmoid")):
        raise ModelFileError(f"{node}: expected such columns at the end, of one sigmoid output")
    return []


def _refusal(block: Sequence[Node]) -> ModelFileError:
    for node in block:
        if node.op not in (*LAYERS, *_READERS, *recognition.OPERATORS):
            expected = f"expected one of {listed(LAYERS)}, {listed(SHAPES)}, Dropout or an activation"
            return ModelFileError(f"{node}: {expected}")
    node = block[-1]
    if len(block) > 1 and len(node.data()) > 1:
        return ModelFileError(
            f"{node}: {listed(map(repr, node.data()))} meet there, expected a chain of layers"
        )
    return ModelFileError(f"{node}: no activation is computed like that, expected a layer or an activation")


# ---- layers ----


def _gemm(node: Node) -> list[Step]:
    if node.integer("transA", 0):
        raise ModelFileError(f"{node}: it turns its first operand, expected transA 0")
    W = _matrix(node)
    W = W.T if node.integer("transB", 0) else W
    bias = node.constant(2)
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    W = W if alpha == 1 else W * W.dtype.type(alpha)
    if bias is None:
        return [_dense(node, W)]
    b = np.broadcast_to(_vector(node, bias, W.shape[1]), W.shape[1:])
    return [_dense(node, W, b if beta == 1 else b * b.dtype.type(beta))]


def _matmul(node: Node) -> list[Step]:
    return [_dense(node, _matrix(node))]


def _dense(node: Node, W: Array, *b: Array) -> Part:
    return part(str(node), lambda: Dense(W.shape[1], "identity", use_bias=bool(b)), arrays=[W, *b])


def _matrix(node: Node) -> Array:
    if not node.operands or not isinstance(node.operands[0], str):
        raise ModelFileError(f"{node}: its first operand is a constant, expected the weights in the second")
    W = node.constant(1)
    if W is None or W.ndim != 2 or W.dtype.kind != "f" or 0 in W.shape:
        shape = "nothing" if W is None else f"{W.dtype} of shape {W.shape}"
        raise ModelFileError(f"{node}: its weights are {shape}, expected floats of shape (n_in, n_out)")
    return W


def _vector(node: Node, array: Array | None, width: int | None = None) -> Array:
    """A constant that goes with every row alike, as (n,) or ()."""
    if array is None:
        raise ModelFileError(f"{node}: an operand is left out")
    if array.dtype.kind != "f" or array.size == 0 or array.size != math.prod(array.shape[-1:]):
        came = f"a constant has shape {array.shape} and dtype {array.dtype}"
        raise ModelFileError(f"{node}: {came}, expected floats, one for each column")
    flat = array.reshape(()) if array.size == 1 else array.reshape(-1)
    if width is not None and flat.shape not in ((), (width,)):
        raise ModelFileError(f"{node}: a constant has shape {array.shape}, expected ({width},)")
    return flat


def _affine(node: Node) -> list[Step]:
    """Add, Sub, Mul, Div of the data and a constant."""
    position = 0 if isinstance(node.operands[0], str) else 1
    other = node.constant(1 - position) if len(node.operands) == 2 and len(node.data()) == 1 else None
    if other is None:
        raise ModelFileError(
            f"{node}: {listed(map(repr, node.data()))} meet there, expected a tensor and a constant"
        )
    value = _vector(node, other).astype(np.float64)
    if node.op == "Div" and position == 1:
        raise ModelFileError(f"{node}: it divides a constant by a tensor, expected the reverse")
    if node.op == "Sub":
        return (
            [*_negative(node), Affine(str(node), "+", value)]
            if position
            else [Affine(str(node), "+", -value)]
        )
    return [Affine(str(node), {"Add": "+", "Mul": "*", "Div": "/"}[node.op], value)]


def _negative(node: Node) -> list[Step]:
    return [Affine(str(node), "*", np.array(-1.0))]


def _scaler(node: Node) -> list[Step]:
    """(x - offset) * scale, of ai.onnx.ml."""
    offset, scale = (np.array(node.numbers(key)) for key in ("offset", "scale"))
    pairs = [("+", -offset), ("*", scale)]
    return [Affine(str(node), operation, _vector(node, value)) for operation, value in pairs if len(value)]


def _batch_normalization(node: Node) -> list[Step]:
    if node.integer("training_mode", 0):
        raise ModelFileError(f"{node}: it is in training mode, expected a model exported for inference")
    arrays = [_vector(node, node.constant(i)) for i in range(1, 5)]
    momentum, epsilon = node.number("momentum", 0.9), node.number("epsilon", 1e-5)
    return [part(str(node), BatchNormalization, momentum, epsilon, arrays=arrays)]


def _batch_normalized(graph: Graph, blocks: Sequence[list[Node]]) -> tuple[int, list[Step]] | None:
    """(x - mean) / Sqrt(variance + epsilon) * gamma + beta, as `save` writes it in float64, or None."""
    nodes = [block[0] for block in blocks if len(block) == 1]
    if [node.op for node in nodes] != ["Sub", "Div", "Mul", "Add"] or any(
        len(node.operands) != 2 or isinstance(node.operands[1], str) for node in nodes
    ):
        return None
    known = graph.deviation(nodes[1].constant(1))
    if known is None or known[1].size != 1:
        return None
    mean, _, gamma, beta = (_vector(node, node.constant(1)) for node in nodes)
    arrays = [gamma, beta, mean, _vector(nodes[1], known[0])]
    epsilon = float(known[1].reshape(-1)[0])
    return 4, [part(str(nodes[1]), BatchNormalization, 0.9, epsilon, arrays=arrays)]


def _layer_normalization(node: Node) -> list[Step]:
    if node.integer("axis", -1) not in (-1, 1):
        raise ModelFileError(f"{node}: its axis is {node.integer('axis', -1)}, expected -1")
    gamma, shift = _vector(node, node.constant(1)), node.constant(2)
    beta = np.zeros_like(gamma) if shift is None else _vector(node, shift)
    return [part(str(node), LayerNormalization, node.number("epsilon", 1e-5), arrays=[gamma, beta])]


def shortest(value: float) -> float:
    """The shortest decimal of a FLOAT attribute: 0.1 of 0.10000000149."""
    return float(str(np.float32(value)))


def _dropout(node: Node) -> list[Step]:
    mode, ratio = node.constant(2), node.constant(1)
    if mode is not None and mode.any():
        raise ModelFileError(f"{node}: it is in training mode, expected a model exported for inference")
    if ratio is not None and ratio.size != 1:
        raise ModelFileError(f"{node}: its ratio has shape {ratio.shape}, expected one number")
    rate = node.number("ratio", 0.5) if ratio is None else float(ratio.reshape(-1)[0])
    return [part(str(node), Dropout, shortest(rate))]


_READERS: dict[str, Callable[[Node], list[Step]]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _affine,
    "Sub": _affine,
    "Mul": _affine,
    "Div": _affine,
    "Neg": _negative,
    "Scaler": _scaler,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Dropout": _dropout,
}
