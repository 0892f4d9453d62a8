"""Blocks of nodes as steps: what each does to a row of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from . import operators
from .expressions import Tree
from .graph import Graph
from .nodes import LAYERS, SHAPES, Node
from .tensors import Reader

Array = np.ndarray[Any, Any]

_RUN = 8  # blocks that may be one activation: 1 / (1 + exp(-x)) has four
_ARITY = dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), 2) | {"Neg": 1, "Reciprocal": 1}
_REDUCTIONS = frozenset({"ReduceMean", "ReduceSum", "ReduceMax"})


@dataclass
class Step:
    """One thing done to every row; `node` is what it was read from."""

    node: Node


@dataclass
class Product(Step):
    """x @ W + b: W (n_in, n_out), b (n_out,) or None."""

    W: Array
    b: Array | None


@dataclass
class Affine(Step):
    """x + value, x * value or x / value, as the operation says; value is (n,) or ()."""

    operation: str
    value: Array


@dataclass
class Function(Step):
    """An activation, or another row of the table of forms."""

    name: str
    parameter: float


@dataclass
class Normalization(Step):
    """BatchNormalization with mean and variance, LayerNormalization without; gamma and beta (n,) or ()."""

    gamma: Array
    beta: Array
    epsilon: float
    mean: Array | None = None
    variance: Array | None = None
    momentum: float = 0.9


@dataclass
class Drop(Step):
    """Dropout outside training."""

    rate: float


def steps(graph: Graph, reader: Reader) -> list[Step]:
    """What the graph does, in order; raises ModelFileError at the first node that is not understood."""
    result: list[Step] = []
    blocks = graph.blocks()
    start, at = graph.input, 0
    while at < len(blocks):
        count, found = _batch_normalized(graph, blocks[at : at + 4]) or _next(blocks, at, start)
        for step in found:
            _count(step, reader)
        result += found
        at += count
        start = blocks[at - 1][-1].output
    return result


def _count(step: Step, reader: Reader) -> None:
    for value in vars(step).values():
        if isinstance(value, np.ndarray):
            reader.use(value.nbytes)


def _next(blocks: list[list[Node]], at: int, start: str) -> tuple[int, list[Step]]:
    """How many blocks belong together, and what they do."""
    node = blocks[at][0]
    single = len(blocks[at]) == 1
    longest = 0
    while longest < _RUN and at + longest < len(blocks) and _elementary(blocks[at + longest]):
        longest += 1
    shortest = 2 if single and node.op in _READERS else 1
    for count in range(longest, shortest - 1, -1):
        function = _function([node for block in blocks[at : at + count] for node in block], start)
        if function is not None:
            return count, [function]
    if single and node.op in _READERS:
        return 1, _READERS[node.op](node)
    raise _refusal(blocks[at])


def _refusal(block: Sequence[Node]) -> ModelFileError:
    for node in block:
        if node.op not in (*LAYERS, *_READERS, *operators.OPERATORS, *_REDUCTIONS):
            expected = f"expected one of {listed(LAYERS)}, {listed(SHAPES)}, Dropout or an activation"
            return ModelFileError(f"{node}: {expected}")
    node = block[-1]
    if len(block) > 1 and len(node.data()) > 1:
        return ModelFileError(
            f"{node}: {listed(map(repr, node.data()))} meet there, expected a chain of layers"
        )
    return ModelFileError(f"{node}: no activation is computed like that, expected a layer or an activation")


# ---- activations ----


def _elementary(block: Sequence[Node]) -> bool:
    return all(node.op in operators.OPERATORS for node in block)


def _function(nodes: Sequence[Node], start: str) -> Function | None:
    """The activation that the nodes compute from the tensor `start`, or None."""
    trees: dict[str, Tree] = {start: "x"}
    for node in nodes:
        operands: list[Tree] = []
        for operand in node.operands[: 1 if node.op in _REDUCTIONS else None]:
            tree = trees.get(operand) if isinstance(operand, str) else _number(operand)
            if tree is None and operand is not None:
                return None
            if tree is not None:
                operands.append(tree)
        attributes = _attributes(node)
        if attributes is None or len(operands) != _ARITY.get(node.op, len(operands)):
            return None
        trees[node.output] = (node.op, tuple(operands), attributes)
    found = operators.found(trees[nodes[-1].output])
    return None if found is None else Function(nodes[-1], *found)


def _number(operand: Array | None) -> float | None:
    if operand is None or operand.size != 1 or operand.ndim > 2:
        return None
    return float(operand.reshape(-1)[0])


def _attributes(node: Node) -> tuple[tuple[str, Any], ...] | None:
    """The attributes that matter, sorted; None if there is one that no form has."""
    if node.op in _REDUCTIONS:
        given = node.constant(1)
        axes = node.integers("axes") if given is None else given.ravel().tolist()
        return () if axes in ([-1], [1]) and node.integer("keepdims", 1) == 1 else None
    result: list[tuple[str, Any]] = []
    for key, attribute in sorted(node.attributes.items()):
        if attribute.type == 1:
            result.append((key, float(attribute.f)))
        elif attribute.type == 2:
            result.append((key, int(attribute.i)))
        elif attribute.type == 3:
            result.append((key, node.text(key, "")))
        else:
            return None
    return tuple(result)


# ---- layers ----


def _gemm(node: Node) -> list[Step]:
    if node.integer("transA", 0):
        raise ModelFileError(f"{node}: it turns its first operand, expected transA 0")
    W = _matrix(node)
    W = W.T if node.integer("transB", 0) else W
    b = node.constant(2)
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    if b is not None:
        b = _vector(node, b, W.shape[1])
        b = np.broadcast_to(b, W.shape[1:])
    return [
        Product(
            node,
            W if alpha == 1 else W * W.dtype.type(alpha),
            b if b is None or beta == 1 else b * b.dtype.type(beta),
        )
    ]


def _matmul(node: Node) -> list[Step]:
    return [Product(node, _matrix(node), None)]


def _matrix(node: Node) -> Array:
    if not node.operands or not isinstance(node.operands[0], str):
        raise ModelFileError(f"{node}: its first operand is a constant, expected the weights in the second")
    W = node.constant(1)
    if W is None or W.ndim != 2 or W.dtype.kind != "f" or 0 in W.shape:
        shape = "nothing" if W is None else f"{W.dtype} of shape {W.shape}"
        raise ModelFileError(f"{node}: its weights are {shape}, expected floats of shape (n_in, n_out)")
    return W


def _vector(node: Node, array: Array, width: int | None = None) -> Array:
    """A constant that goes with every row alike, as (n,) or ()."""
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
    value = _vector(node, other)
    if node.op in ("Add", "Mul"):
        return [Affine(node, "+" if node.op == "Add" else "*", value)]
    if position == 0:
        return [Affine(node, "-" if node.op == "Sub" else "/", value)]
    if node.op == "Sub":
        return [Affine(node, "*", np.array(-1.0, value.dtype)), Affine(node, "+", value)]
    raise ModelFileError(f"{node}: it divides a constant by a tensor, expected the reverse")


def _negative(node: Node) -> list[Step]:
    return [Affine(node, "*", np.array(-1.0))]


def _scaler(node: Node) -> list[Step]:
    """(x - offset) * scale, of ai.onnx.ml."""
    found: list[Step] = []
    for key, operation in (("offset", "-"), ("scale", "*")):
        numbers = node.numbers(key)
        if numbers:
            found.append(Affine(node, operation, _vector(node, np.array(numbers, np.float32))))
    return found


def _batch_normalization(node: Node) -> list[Step]:
    if node.integer("training_mode", 0):
        raise ModelFileError(f"{node}: it is in training mode, expected a model exported for inference")
    arrays = [node.constant(i) for i in range(1, 5)]
    gamma, beta, mean, variance = (_vector(node, _present(node, array)) for array in arrays)
    epsilon, momentum = node.number("epsilon", 1e-5), node.number("momentum", 0.9)
    return [Normalization(node, gamma, beta, epsilon, mean, variance, momentum)]


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
    constants = (node.constant(1) for node in nodes)
    mean, _, gamma, beta = (_vector(nodes[1], _present(nodes[1], array)) for array in constants)
    epsilon = float(known[1].reshape(-1)[0])
    variance = _vector(nodes[1], known[0])
    return 4, [Normalization(nodes[1], gamma, beta, epsilon, mean, variance)]


def _layer_normalization(node: Node) -> list[Step]:
    if node.integer("axis", -1) not in (-1, 1):
        raise ModelFileError(f"{node}: its axis is {node.integer('axis', -1)}, expected -1")
    gamma = _vector(node, _present(node, node.constant(1)))
    shift = node.constant(2)
    beta = np.zeros_like(gamma) if shift is None else _vector(node, shift)
    return [Normalization(node, gamma, beta, node.number("epsilon", 1e-5))]


def _present(node: Node, array: Array | None) -> Array:
    if array is None:
        raise ModelFileError(f"{node}: an operand is left out")
    return array


def shortest(value: float) -> float:
    """The shortest decimal of a FLOAT attribute: 0.1 of 0.10000000149."""
    return float(str(np.float32(value)))


def _dropout(node: Node) -> list[Step]:
    mode = node.constant(2)
    if mode is not None and mode.any():
        raise ModelFileError(f"{node}: it is in training mode, expected a model exported for inference")
    ratio = node.constant(1)
    rate = (
        node.number("ratio", 0.5)
        if ratio is None
        else float(ratio.reshape(-1)[0])
        if ratio.size == 1
        else math.nan
    )
    rate = shortest(rate)
    if not 0 <= rate < 1:
        raise ModelFileError(f"{node}: its ratio is {rate}, expected 0 <= ratio < 1")
    return [Drop(node, rate)]


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
