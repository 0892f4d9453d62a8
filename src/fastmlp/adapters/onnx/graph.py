"""A file's graph as a chain: constants computed, what does nothing left out, then blocks of nodes in a row.

A block ends at a tensor through which alone everything later depends on it: most have one node, an activation
made of several nodes is one block, or several.  A sum of a tensor and what layers make of it is a block of
one node, which has the second as its operand and the first, as a name, as its source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
from typing import Any

import numpy as np

from ...errors import ModelFileError
from . import known, outputs, recognition
from .nodes import Array, Node, text
from .tensors import FLOATS, Reader

SUMS = ("Add", "Sum")
_OLDEST_OPSET = 7  # where operands began to be broadcast
_MOST_DIVIDED = 64  # nodes of a block without a layer, each of which is tried as an activation again


class Graph:
    """What a ModelProto computes from its one input to one output.

    Attributes
    ----------
    opset : int
    input : str
        A tensor.
    width : int or None
        Numbers in a row of the input, where the file says it.
    blocks : list of list of Node
        In order, constants in place, without nodes that do nothing.
    sources : set of str
        The tensors that sums add.
    """

    def __init__(self, model: Any, reader: Reader, output: str | None) -> None:
        self._reader, graph = reader, model.graph
        versions = {text(item.domain): item.version for item in model.opset_import}
        self.opset = int(versions.get("", versions.get("ai.onnx", 0)))
        if self.opset < _OLDEST_OPSET:
            raise ModelFileError(f"is written in opset {self.opset}, expected {_OLDEST_OPSET} or newer")
        self._initializers = {text(tensor.name): tensor for tensor in graph.initializer}
        self._inputs = {text(item.name): item for item in graph.input}
        self._producers = _producers(Node.of(i, proto) for i, proto in enumerate(graph.node))
        # What a name stands for: a constant, or the tensor that nodes which do nothing made it of.
        self._known: dict[str, str | Array] = {}
        self._shapes: dict[str, known.Shape] = {}
        self.input, self.width = "", None
        target = outputs.chosen([text(item.name) for item in graph.output], output, self._producers)
        kept = [node for node in self._leading_to(target) if self._take(node, last=node.output == target)]
        if not self.input:
            raise ModelFileError(f"computes its output {target!r} from no input")
        self.sources: set[str] = set()
        self.blocks = _blocks(self._with_sums(kept), self.input)

    def _leading_to(self, target: str) -> list[Node]:
        """The nodes that the target depends on, each after those it depends on itself."""
        if target not in self._producers:
            came = "its input" if target in self._inputs else "never computed"
            raise ModelFileError(f"has the output {target!r}, which is {came}")
        nodes = {node.position: node for node in self._producers.values()}
        before, waiting = dict[int, list[int]](), [self._producers[target].position]
        while waiting:
            at = waiting.pop()
            if at not in before:
                made = [name for name in nodes[at].names if name in self._producers]
                before[at] = [self._producers[name].position for name in made]
                waiting += before[at]
        try:
            return [nodes[at] for at in TopologicalSorter(before).static_order()]
        except CycleError as error:
            node = nodes[error.args[1][0]]
            raise node.error("it is part of a loop", "a chain") from None

    def _take(self, node: Node, *, last: bool) -> bool:
        """Computes the node if it is a constant, leaves it out if it does nothing; whether it is kept."""
        node.operands = [self._resolved(node, name) if name else None for name in node.names]
        data = node.data()
        if not data:
            self._known[node.output] = known.constant(node, self._reader, self.opset)
            return False
        pairs = zip(node.names, node.operands, strict=True)
        before = {self._shapes[name] for name, operand in pairs if isinstance(operand, str)}
        first = next(iter(before))
        if node.op == "Shape":
            self._known[node.output] = known.shape(node, first, self.opset)
            return False
        kept, after = False, first
        if node.op in known.REARRANGING:
            after = known.rearranged(node, first, self.opset, last=last)
        elif node.op != "Identity" and not (node.op == "Cast" and node.attribute("to", 0) in FLOATS):
            kept, after = True, known.after_layer(node, before)
        self._known[node.output], self._shapes[node.output] = node.output if kept else data[0], after
        return kept

    def _resolved(self, node: Node, name: str) -> str | Array:
        if name not in self._known:
            if name in self._producers:
                other = self._producers[name]
                place = other.outputs.index(name)
                raise node.error(f"that is output {place} of node {other.position}", "its first")
            if name in self._initializers:
                self._known[name] = self._reader.array(self._initializers[name])
            elif name in self._inputs:
                self._enter(node, name)
            else:
                raise ModelFileError(f"{node}: tensor {name!r} is computed nowhere")
        return self._known[name]

    def _enter(self, node: Node, name: str) -> None:
        """Begins with an input."""
        if self.input:
            raise node.error(f"{name!r} is a second input beside {self.input!r}", "one")
        kind = self._inputs[name].type.tensor_type
        lengths = [item.dim_value for item in kind.shape.dim]
        if kind.HasField("shape") and len(lengths) < 2:
            raise ModelFileError(f"has input {name!r} with {len(lengths)} axes, expected rows and columns")
        rows, columns = (lengths or [0])[0], lengths[1:]
        if columns and min(columns) > 0:
            self.width = math.prod(columns)
        self.input = self._known[name] = name
        self._shapes[name] = (rows or known.ANY_ROWS, *(columns if self.width else [known.ANY_COLUMNS]))

    def _with_sums(self, nodes: list[Node]) -> list[Node]:
        """The nodes, with a source in each sum of a tensor and what layers make of it.

        An Add without a layer between may be part of an activation: see `divide`.
        """
        made = {node.output: i for i, node in enumerate(nodes)}
        layers = [0, *accumulate(map(_is_layer, nodes))]
        first, result = _first_reads(nodes), list[Node]()
        for i, node in enumerate(nodes):
            total = _sum(node, nodes[i - 1].output, first, i)
            if total is not None and layers[i] > layers[made.get(total.source, -1) + 1]:
                self.sources.add(total.source)
                node = total
            result.append(node)
        return result

    def divide(self, at: int, start: str) -> str:
        """Makes a sum of the Add at the end of a block, begun by `start`, that is no activation.

        The block then is several; returned is the sum's source, "" where there is none.
        """
        nodes = self.blocks[at]
        if not 1 < len(nodes) <= _MOST_DIVIDED:
            return ""
        total = _sum(nodes[-1], nodes[-2].output, _first_reads(nodes), len(nodes) - 1)
        if total is None:
            return ""
        self.sources.add(total.source)
        self.blocks[at : at + 1] = _blocks([*nodes[:-1], total], start)
        return total.source

    def deviation(self, name: str) -> tuple[Array, Array] | None:
        """The variance and the epsilon that a constant is the root of the sum of, or None."""
        root = self._producers.get(name)
        total = self._producers.get(root.names[0]) if root is not None and root.op == "Sqrt" else None
        if total is None or total.op != "Add":
            return None
        variance, epsilon = total.constant(0), total.constant(1)
        return None if variance is None or epsilon is None else (variance, epsilon)


def _producers(nodes: Iterable[Node]) -> dict[str, Node]:
    """The node that writes each tensor."""
    result: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in result:
                both = f"node {result[name].position} and node {node.position}"
                raise ModelFileError(f"writes tensor {name!r} twice, in {both}, expected one of them")
            result[name] = node
    return result


def _sum(node: Node, before: str, first: dict[str, int], at: int) -> Node | None:
    """The Add at a place as the sum of what the node before it makes and of a source, if it is one.

    The source is read elsewhere before, so that without this read the node still leads to the output.
    """
    data = node.data()
    if node.op not in SUMS or len(node.operands) != 2 or len(set(data)) != 2 or before not in data:
        return None
    [source] = set(data) - {before}
    return replace(node, operands=[before], source=source) if first[source] < at else None


def _is_layer(node: Node) -> bool:
    """Whether no activation has such a node."""
    constants = [operand for operand in node.operands if isinstance(operand, np.ndarray)]
    return node.op not in recognition.OPERATORS or any(array.size > 1 for array in constants)


def _first_reads(nodes: Sequence[Node]) -> dict[str, int]:
    """The place of the first node that reads each tensor."""
    return {name: i for i, node in reversed(list(enumerate(nodes))) for name in node.data()}


def _blocks(nodes: list[Node], start: str) -> list[list[Node]]:
    """The nodes in runs, between which one tensor alone leads on."""
    last = {name: i for i, node in enumerate(nodes) for name in node.data()}
    reach, result = last.get(start, 0), list[list[Node]]([[]])
    for i, node in enumerate(nodes):
        result[-1].append(node)
        if reach <= i:
            result.append([])
        reach = max(reach, last.get(node.output, i))
    return result[:-1]
