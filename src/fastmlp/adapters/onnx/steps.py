"""Blocks of nodes as steps: what each does to a row of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set

import numpy as np

from ...errors import ModelFileError, listed
from ...layers import Activation, BatchNormalization, Dense, Dropout, LayerNormalization, PReLU
from .. import chain
from ..chain import Part, part
from . import affine, recognition
from .affine import Affine, Step
from .graph import Graph
from .known import REARRANGING
from .nodes import Array, Node


def steps(graph: Graph, use: Callable[[int], None]) -> list[Step]:
    """What the graph does, in order; raises ModelFileError at the first node that is not understood.

    Arrays of a normalisation may be (), for all columns alike.  `use` is told of the bytes of weights.
    """
    result: list[Step] = []
    start, at, blocks = graph.input, 0, graph.blocks
    named = set[str]()
    while at < len(blocks):
        if start in graph.sources - named:
            named.add(start)
            result.append(chain.named(f"tensor {start!r}", start))
        count, found = _next(graph, at, start, result, named)
        result += found
        use(sum(array.nbytes for step in found if isinstance(step, Part) for array in step.arrays))
        at += count
        start = blocks[at - 1][-1].output if at else start
    while result and isinstance(result[-1], Part) and result[-1].layer.drops() is not None:
        result.pop()  # a file is for prediction, where it does nothing
    return result


def _next(
    graph: Graph, at: int, start: str, before: Sequence[Step], named: Set[str]
) -> tuple[int, list[Step]]:
    """How many blocks from one on belong together, and what they do; 0 where that one was divided."""
    blocks = _run(graph, at)
    if len(blocks[0]) == 1 and blocks[0][0].source:
        return 1, [_sum(graph, blocks[0][0], named)]
    normalized = _batch_normalized(graph, blocks[:4])
    if normalized:
        return 4, normalized
    reader = _READERS.get(blocks[0][0].op) if len(blocks[0]) == 1 else None
    known = recognition.recognized(blocks, start, graph.opset)
    if known is None and reader is None:
        known = recognition.recognized(blocks, start, graph.opset, between_factors=True)
    if known is not None and (known[0] > 1 or reader is None):
        count, found = known
        return count, _recognized(blocks[count - 1][-1], found, before, last=at + count == len(graph.blocks))
    if reader is None:
        if graph.divide(at, start):
            return 0, []
        raise _refusal(blocks[0])
    return 1, reader(blocks[0][0])


def _run(graph: Graph, at: int) -> list[list[Node]]:
    """Blocks from one on that may belong together: no sum is among them, and no source but at their end."""
    result = [graph.blocks[at]]
    for block in graph.blocks[at + 1 : at + recognition.MOST_BLOCKS]:
        if result[-1][-1].output in graph.sources or any(node.source for node in block):
            break
        result.append(block)
    return result


def _sum(graph: Graph, node: Node, named: Set[str]) -> Step:
    if node.source == graph.input:
        raise node.error(f"it adds {node.source!r}, the network's input", "the output of a layer")
    if node.source not in named:
        came = f"it adds {node.source!r}, which is computed within an activation or a layer"
        raise node.error(came, "the output of a layer")
    return chain.total(str(node), node.source)


def _recognized(node: Node, found: recognition.Found, before: Sequence[Step], *, last: bool) -> list[Step]:
    name, parameter = found
    if name in recognition.BETWEEN_FACTORS:
        inner = part(str(node), Activation, recognition.BETWEEN_FACTORS[name])
        return [affine.factor(str(node), parameter), inner, affine.factor(str(node), 1 / parameter)]
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
        if node.op not in (*_READERS, *recognition.OPERATORS):
            known = f"{listed(_READERS)}, {listed(REARRANGING)}"
            return ModelFileError(f"{node}: expected one of {known} or an activation")
    node = block[-1]
    if len(node.data()) > 1:
        expected = "a chain of layers, or an Add of a tensor and what layers make of it"
        return node.error(f"{listed(map(repr, node.data()))} meet there", expected)
    bounds = any(node.op in ("Clip", "Max", "Min") for node in block)
    clipping = ", or Clip from -c to c, 0 to c or -c to 0 with c between 2^-64 and 2^64" if bounds else ""
    return node.error("no activation is computed like that", f"a layer or an activation{clipping}")


def _dense(node: Node) -> list[Step]:
    """Gemm and MatMul."""
    if node.attribute("transA", 0):
        raise node.error("it turns its first operand", "transA 0")
    if not node.operands or not isinstance(node.operands[0], str):
        raise node.error("its first operand is a constant", "the weights in the second")
    W, bias = node.constant(1), node.constant(2)
    if W is None or W.ndim != 2 or W.dtype.kind != "f" or 0 in W.shape:
        shape = "nothing" if W is None else f"{W.dtype} of shape {W.shape}"
        raise node.error(f"its weights are {shape}", "floats of shape (n_in, n_out)")
    W = W.T if node.attribute("transB", 0) else W
    width, alpha, beta = W.shape[1], node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    arrays = [W if alpha == 1 else W * W.dtype.type(alpha)]
    if bias is not None:
        b = _vector(node, bias)
        if b.shape not in ((), (width,)):
            raise node.error(f"a constant has shape {bias.shape}", f"({width},)")
        arrays.append(np.broadcast_to(b if beta == 1 else b * b.dtype.type(beta), width))
    return [part(str(node), lambda: Dense(width, "identity", use_bias=len(arrays) > 1), arrays=arrays)]


def _vector(node: Node, array: Array | None) -> Array:
    """A constant that goes with every row alike, as (n,) or ()."""
    if array is None:
        raise ModelFileError(f"{node}: an operand is left out")
    if array.dtype.kind != "f" or array.size == 0 or array.size != math.prod(array.shape[-1:]):
        came = f"a constant has shape {array.shape} and dtype {array.dtype}"
        raise node.error(came, "floats, one for each column")
    return array.reshape(() if array.size == 1 else -1)


def _affine(node: Node) -> list[Step]:
    """Add, Sub, Mul, Div of the data and a constant."""
    place = 0 if isinstance(node.operands[0], str) else 1
    other = node.constant(1 - place) if len(node.operands) == 2 and len(node.data()) == 1 else None
    if other is None:
        expected = "a tensor and a constant, or an Add of a tensor and what layers make of it"
        raise node.error(f"{listed(map(repr, node.data()))} meet there", expected)
    if node.op == "Div" and place == 1:
        raise node.error("it divides a constant by a tensor", "the reverse")
    value = _vector(node, other).astype(np.float64)
    if node.op == "Sub" and place == 1:
        return [*_negative(node), Affine.of(str(node), "Add", value)]
    return [Affine.of(str(node), node.op, value)]


def _negative(node: Node) -> list[Step]:
    return [Affine.of(str(node), "Mul", np.float64(-1))]


def _scaler(node: Node) -> list[Step]:
    """(x - offset) * scale, of ai.onnx.ml."""
    given = [(op, np.array(node.attribute(key, ()))) for op, key in (("Sub", "offset"), ("Mul", "scale"))]
    return [Affine.of(str(node), op, _vector(node, value)) for op, value in given if value.size]


def _batch_normalization(node: Node) -> list[Step]:
    if node.attribute("training_mode", 0):
        raise node.error("it is in training mode", "a model exported for inference")
    arrays = [_vector(node, node.constant(i)) for i in range(1, 5)]
    momentum, epsilon = node.attribute("momentum", 0.9), node.attribute("epsilon", 1e-5)
    return [part(str(node), BatchNormalization, momentum, epsilon, arrays=arrays)]


def _batch_normalized(graph: Graph, blocks: Sequence[list[Node]]) -> list[Step]:
    """(x - mean) / Sqrt(variance + epsilon) * gamma + beta, as `save` writes it in float64, or nothing."""
    nodes = [block[0] for block in blocks if len(block) == 1]
    if [node.op for node in nodes] != ["Sub", "Div", "Mul", "Add"] or any(
        len(node.operands) != 2 or isinstance(node.operands[1], str) for node in nodes
    ):
        return []
    known = graph.deviation(nodes[1].names[1])
    if known is None or known[1].size != 1:
        return []
    mean, _, gamma, beta = (_vector(node, node.constant(1)) for node in nodes)
    arrays = [gamma, beta, mean, _vector(nodes[1], known[0])]
    return [part(str(nodes[1]), BatchNormalization, 0.9, known[1].item(), arrays=arrays)]


def _layer_normalization(node: Node) -> list[Step]:
    axis = node.attribute("axis", -1)
    if axis not in (-1, 1):
        raise node.error(f"its axis is {axis}", "-1")
    gamma, shift = _vector(node, node.constant(1)), node.constant(2)
    beta = np.zeros_like(gamma) if shift is None else _vector(node, shift)
    return [part(str(node), LayerNormalization, node.attribute("epsilon", 1e-5), arrays=[gamma, beta])]


def shortest(value: float) -> float:
    """The shortest decimal of a FLOAT attribute: 0.1 of 0.10000000149."""
    return float(str(np.float32(value)))


def _dropout(node: Node) -> list[Step]:
    mode, ratio = node.constant(2), node.constant(1)
    if mode is not None and mode.any():
        raise node.error("it is in training mode", "a model exported for inference")
    if ratio is not None and ratio.size != 1:
        raise node.error(f"its ratio has shape {ratio.shape}", "one number")
    rate = node.attribute("ratio", 0.5) if ratio is None else ratio.item()
    return [part(str(node), Dropout, shortest(rate))]


def _prelu(node: Node) -> list[Step]:
    """One slope for all columns is a leaky_relu, as programs write that so."""
    slope = _vector(node, node.constant(1))
    if slope.shape:
        return [part(str(node), PReLU, arrays=[slope])]
    value = shortest(float(slope)) if slope.itemsize <= 4 else float(slope)
    return [part(str(node), Activation, ("leaky_relu", value))]


def _shrink(node: Node) -> list[Step]:
    bound, bias = node.attribute("lambd", 0.5), node.attribute("bias", 0.0)
    if bias and (bias != bound or bound < 0):
        expected = "a bias of 0, or of lambd above 0"
        raise node.error(f"its lambd is {bound:g} and its bias {bias:g}", expected)
    name = "soft_shrink" if bias else "hard_shrink"
    return [part(str(node), Activation, (name, shortest(bound)))]


def _thresholded_relu(node: Node) -> list[Step]:
    return [part(str(node), Activation, ("thresholded_relu", shortest(node.attribute("alpha", 1.0))))]


_READERS: dict[str, Callable[[Node], list[Step]]] = {
    **dict.fromkeys(("Gemm", "MatMul"), _dense),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _affine),
    "Neg": _negative,
    "Scaler": _scaler,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Dropout": _dropout,
    "PRelu": _prelu,
    "Shrink": _shrink,
    "ThresholdedRelu": _thresholded_relu,
}
