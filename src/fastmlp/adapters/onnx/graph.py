"""A file's graph as a chain: constants computed, what does nothing left out, then blocks of nodes in a row.

A block ends at a tensor through which alone everything later depends on it: most have one node, an activation
made of several nodes is one block, or several.
"""

from __future__ import annotations

import math
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from . import shapes
from .constants import ANY_ROWS, computed
from .nodes import Node, text
from .tensors import FLOATS, Reader

Array = np.ndarray[Any, Any]

_OLDEST_OPSET = 7  # where operands began to be broadcast
# Of labels and tables of probabilities, which classifiers have beside their outputs: the operand that counts,
# and whether it becomes a label.
_POST = {
    "ZipMap": (0, False),
    "ArgMax": (0, True),
    "Binarizer": (0, True),
    "ArrayFeatureExtractor": (1, True),
    **dict.fromkeys(("Cast", "Identity", "Reshape", "Squeeze"), (0, False)),
}


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
    """

    def __init__(self, model: Any, reader: Reader, output: str | None) -> None:
        self._reader, graph = reader, model.graph
        versions = {text(item.domain): item.version for item in model.opset_import}
        self.opset = int(versions.get("", versions.get("ai.onnx", 0)))
        if self.opset < _OLDEST_OPSET:
            raise ModelFileError(f"is written in opset {self.opset}, expected {_OLDEST_OPSET} or newer")
        self._initializers = {text(tensor.name): tensor for tensor in graph.initializer}
        self._inputs = {text(item.name): item for item in graph.input}
        self._producers = _producers([Node.of(i, proto) for i, proto in enumerate(graph.node)])
        self._constants: dict[str, Array] = {}
        self._aliases: dict[str, str] = {}  # of what nodes that do nothing give
        self._shapes: dict[str, shapes.Shape] = {}  # by the name in the file
        self.input, self.width = "", None
        self._target = self._chosen([text(item.name) for item in graph.output], output)
        kept = [node for node in self._leading_to(self._target) if self._take(node)]
        if not self.input:
            raise ModelFileError(f"computes its output {self._target!r} from no input")
        self.blocks = _blocks(kept, self.input)

    # ---- the output, and what leads to it ----

    def _chosen(self, names: list[str], wanted: str | None) -> str:
        if wanted is not None and wanted not in names:
            raise ModelFileError(f"has no output {wanted!r}, expected one of {listed(names)}")
        found = [self._without_post(name) for name in (names if wanted is None else [wanted])]
        scores = {tensor for tensor, label in found if not label} or {tensor for tensor, _ in found}
        if len(scores) != 1:
            raise ModelFileError(
                f"has the outputs {listed(names) or 'none'}, expected one, or its name as `output`"
            )
        return scores.pop()

    def _without_post(self, name: str) -> tuple[str, bool]:
        """The tensor that an output's label or table is made of, and whether it is a label."""
        tensor, result, label, seen = name, name, False, set[str]()
        while tensor in self._producers and tensor not in seen:
            seen.add(tensor)
            node = self._producers[tensor]
            index, makes_label = _POST.get(node.op, (-1, False))
            operand = dict(enumerate(node.names)).get(index)
            if not operand:
                break
            whole = node.op == "Identity" and result == tensor  # nothing between it and the output
            tensor, label = operand, label or makes_label
            if whole or makes_label or node.op == "ZipMap":
                result = tensor
        return result, label

    def _leading_to(self, target: str) -> list[Node]:
        """The nodes that the target depends on, each after those it depends on itself."""
        if target not in self._producers:
            came = "its input" if target in self._inputs else "never computed"
            raise ModelFileError(f"has the output {target!r}, which is {came}")
        nodes, before, waiting = dict[int, Node](), dict[int, list[int]](), [target]
        while waiting:
            node = self._producers.get(waiting.pop())
            if node is not None and node.position not in nodes:
                nodes[node.position] = node
                known = [name for name in node.data() if name in self._producers]
                before[node.position] = [self._producers[name].position for name in known]
                waiting += known
        try:
            return [nodes[position] for position in TopologicalSorter(before).static_order()]
        except CycleError as error:
            node = nodes[error.args[1][0]]
            raise ModelFileError(f"{node}: it is part of a loop, expected a chain") from None

    # ---- one node after another ----

    def _take(self, node: Node) -> bool:
        """Computes the node if it is a constant, leaves it out if it does nothing; whether it is kept."""
        node.operands = [self._resolved(node, operand) for operand in node.operands]
        data = node.data()
        if not data:
            self._constants[node.output] = computed(node, self._reader, self.opset)
            return False
        pairs = zip(node.names, node.operands, strict=True)
        before = {self._shapes[name] for name, operand in pairs if isinstance(operand, str)}
        first = next(iter(before))
        if node.op == "Shape":
            self._constants[node.output] = shapes.shape(node, first, self.opset)
        elif node.op in shapes.REARRANGING:
            last = node.output == self._target
            self._aliases[node.output] = data[0]
            self._shapes[node.output] = shapes.rearranged(node, first, self.opset, last=last)
        elif node.op == "Identity" or (node.op == "Cast" and node.attribute("to", 0) in FLOATS):
            self._aliases[node.output], self._shapes[node.output] = data[0], first
        else:
            self._shapes[node.output] = shapes.after_layer(node, before)
            return True
        return False

    def _resolved(self, node: Node, operand: str | Array | None) -> str | Array | None:
        if not isinstance(operand, str):
            return operand
        name = self._aliases.get(operand, operand)
        if name not in self._constants and name in self._initializers and name not in self._producers:
            self._constants[name] = self._reader.array(self._initializers[name])
        if name in self._constants:
            return self._constants[name]
        if name in self._producers:
            other = self._producers[name]
            if name != other.output:
                which = f"output {other.outputs.index(name)} of node {other.position}"
                raise ModelFileError(f"{node}: that is {which}, expected its first")
        elif name not in self._inputs:
            raise ModelFileError(f"{node}: tensor {name!r} is computed nowhere")
        elif name != self.input:
            self._enter(node, name)
        return name

    def _enter(self, node: Node, name: str) -> None:
        """Begins with an input."""
        if self.input:
            raise ModelFileError(f"{node}: {name!r} is a second input beside {self.input!r}, expected one")
        kind = self._inputs[name].type.tensor_type
        lengths = [item.dim_value for item in kind.shape.dim]
        if kind.HasField("shape") and len(lengths) < 2:
            raise ModelFileError(f"has input {name!r} with {len(lengths)} axes, expected rows and columns")
        rows, columns = (lengths or [0])[0], lengths[1:]
        if columns and min(columns) > 0:
            self.width = math.prod(columns)
        self.input = name
        self._shapes[name] = (rows or ANY_ROWS, *(columns if self.width else [shapes.ANY_COLUMNS]))

    def deviation(self, name: str) -> tuple[Array, Array] | None:
        """The variance and the epsilon that a constant is the root of the sum of, or None."""
        root = self._producers.get(name)
        total = self._producers.get(root.names[0]) if root is not None and root.op == "Sqrt" else None
        if total is None or total.op != "Add":
            return None
        variance, epsilon = total.constant(0), total.constant(1)
        return None if variance is None or epsilon is None else (variance, epsilon)


def _producers(nodes: list[Node]) -> dict[str, Node]:
    """The node that writes each tensor."""
    result: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in result:
                both = f"node {result[name].position} and node {node.position}"
                raise ModelFileError(f"writes tensor {name!r} twice, in {both}, expected one of them")
            result[name] = node
    return result


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
