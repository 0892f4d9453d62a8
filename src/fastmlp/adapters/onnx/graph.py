"""A file's graph as a chain: constants computed, what does nothing left out, then blocks of nodes in a row.

A block ends at a tensor through which alone everything later depends on it: most have one node, an activation
made of several nodes is one block, or several.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from . import shapes
from .constants import computed
from .nodes import SHAPES, Node
from .tensors import FLOATS, Reader, text

Array = np.ndarray[Any, Any]

_OLDEST_OPSET = 7  # where operands began to be broadcast
# Of labels and tables of probabilities, which classifiers have beside their outputs; the operand that counts.
_POST = {
    "ZipMap": 0,
    "ArgMax": 0,
    "Binarizer": 0,
    "ArrayFeatureExtractor": 1,
    "Cast": 0,
    "Identity": 0,
    "Reshape": 0,
    "Squeeze": 0,
}
_LABELS = ("ArgMax", "Binarizer", "ArrayFeatureExtractor")


class Graph:
    """What a ModelProto computes from its one input to one output.

    Attributes
    ----------
    input, output : str
        Tensors.
    width : int or None
        Numbers in a row of the input, where the file says it.
    nodes : list of Node
        In order, constants in place, without nodes that do nothing.
    """

    # Beside them, by tensor: constants, what nodes that were left out stood for, and the lengths of all axes
    # but the first, where they are known.

    def __init__(self, model: Any, reader: Reader, output: str | None) -> None:
        self._reader = reader
        self.opset = self._checked_opset(model)
        graph = model.graph
        self._initializers = {text(tensor.name): tensor for tensor in graph.initializer}
        self._producers: dict[str, Node] = {}
        for position, proto in enumerate(graph.node):
            self._add(position, proto)
        inputs = {text(item.name): item for item in graph.input}
        self._inputs = {name: item for name, item in inputs.items() if name not in self._initializers}
        self._constants: dict[str, Array] = {}
        self._aliases: dict[str, str] = {}
        self._lengths: dict[str, list[int]] = {}
        self._origins: dict[int, Node] = {}  # of constants that are computed, by their id
        self.input = ""
        self.width: int | None = None
        self._rows = 0
        self.nodes: list[Node] = []
        self._target = self._chosen(graph, output)
        for node in self._ancestors(self._target):
            self._take(node)
        self.output = self._aliases.get(self._target, self._target)
        if not self.input:
            raise ModelFileError(f"computes its output {self._target!r} from no input")

    def _checked_opset(self, model: Any) -> int:
        versions = {text(item.domain): item.version for item in model.opset_import}
        version = versions.get("", versions.get("ai.onnx", 0))
        if version < _OLDEST_OPSET:
            raise ModelFileError(f"is written in opset {version}, expected {_OLDEST_OPSET} or newer")
        return int(version)

    def _add(self, position: int, proto: Any) -> None:
        domain = text(proto.domain)
        prefix = "" if domain in ("", "ai.onnx", "ai.onnx.ml") else f"{domain}."
        operands = [text(name) for name in proto.input]
        node = Node(
            position,
            text(proto.name),
            prefix + text(proto.op_type),
            [name or None for name in operands],
            [text(name) for name in proto.output] or [""],
            {text(attribute.name): attribute for attribute in proto.attribute},
            operands[0] if operands else "",
        )
        for name in filter(None, node.outputs):
            if name in self._producers:
                first = self._producers[name].position
                raise ModelFileError(f"writes tensor {name!r} twice, in node {first} and node {position}")
            self._producers[name] = node

    # ---- the output, and what leads to it ----

    def _chosen(self, graph: Any, wanted: str | None) -> str:
        names = [text(item.name) for item in graph.output]
        if wanted is not None:
            if wanted not in names:
                raise ModelFileError(f"has no output {wanted!r}, expected one of {listed(names)}")
            return self._without_post(wanted)[0]
        found = [self._without_post(name) for name in names]
        scores = dict.fromkeys(tensor for tensor, label in found if not label)
        scores = scores or dict.fromkeys(tensor for tensor, _ in found)
        if len(scores) != 1:
            raise ModelFileError(
                f"has the outputs {listed(names) or 'none'}, expected one, or its name as `output`"
            )
        return next(iter(scores))

    def _without_post(self, name: str) -> tuple[str, bool]:
        """The tensor that an output's label or table is made of, and whether it is a label."""
        tensor, result, label, seen = name, name, False, set[str]()
        while tensor in self._producers and tensor not in seen:
            seen.add(tensor)
            node = self._producers[tensor]
            index = _POST.get(node.op)
            if index is None or len(node.operands) <= index or not isinstance(node.operands[index], str):
                break
            label = label or node.op in _LABELS
            whole = node.op == "Identity" and result == tensor  # nothing between it and the output
            tensor = str(node.operands[index])
            if whole or node.op in (*_LABELS, "ZipMap"):
                result = tensor
        return result, label

    def _ancestors(self, target: str) -> Iterable[Node]:
        """The nodes that the target depends on, each after those it depends on itself."""
        done: dict[int, bool] = {}  # False: its operands are being looked at
        order: list[Node] = []
        stack = [target]
        while stack:
            node = self._producers.get(stack[-1])
            if node is None or done.get(node.position):
                stack.pop()
            elif node.position in done:
                done[node.position] = True
                order.append(node)
                stack.pop()
            else:
                done[node.position] = False
                for name in node.data():
                    other = self._producers.get(name)
                    if other is not None and done.get(other.position) is False:
                        raise ModelFileError(f"{node}: it is part of a loop, expected a chain")
                    stack.append(name)
        if target not in self._producers:
            came = "its input" if target in self._inputs else "never computed"
            raise ModelFileError(f"has the output {target!r}, which is {came}")
        return order

    # ---- one node after another ----

    def _take(self, node: Node) -> None:
        """Computes the node if it is a constant, leaves it out if it does nothing, and keeps it otherwise."""
        node.operands = [self._resolved(node, operand) for operand in node.operands]
        data = node.data()
        lengths = self._lengths.get(node.source)
        if not data:
            value = computed(node, self._reader, self.opset)
            self._constants[node.output] = value
            self._origins[id(value)] = node
        elif node.op == "Shape":
            self._constants[node.output] = shapes.shape(node, lengths)
        elif node.op in SHAPES:
            self._aliases[node.output] = data[0]
            self._know(node, shapes.row_shape(node, lengths, self._rows, last=node.output == self._target))
        elif node.op == "Identity" or (node.op == "Cast" and node.integer("to", 0) in FLOATS):
            self._aliases[node.output] = data[0]
            self._know(node, lengths)
        else:
            self._know(node, shapes.next_shape(node, lengths))
            self.nodes.append(node)

    def _know(self, node: Node, lengths: list[int] | None) -> None:
        if lengths is not None:
            self._lengths[node.output] = lengths

    def _resolved(self, node: Node, operand: str | Array | None) -> str | Array | None:
        if not isinstance(operand, str):
            return operand
        name = self._aliases.get(operand, operand)
        if name in self._constants:
            return self._constants[name]
        if name in self._producers:
            producer = self._producers[name]
            if name != producer.output:
                which = f"output {producer.outputs.index(name)} of node {producer.position}"
                raise ModelFileError(f"{node}: that is {which}, expected its first")
            return name
        if name in self._initializers:
            self._constants[name] = self._reader.array(self._initializers[name])
            return self._constants[name]
        if name not in self._inputs:
            raise ModelFileError(f"{node}: tensor {name!r} is computed nowhere")
        if self.input not in ("", name):
            raise ModelFileError(f"{node}: {name!r} is a second input beside {self.input!r}, expected one")
        if not self.input:
            self._set_input(name)
        return name

    def _set_input(self, name: str) -> None:
        self.input = name
        kind = self._inputs[name].type.tensor_type
        if not kind.HasField("shape"):
            return
        shape = [item.dim_value for item in kind.shape.dim]
        if len(shape) < 2:
            raise ModelFileError(f"has the input {name!r} with {len(shape)} axes, expected rows and columns")
        self._rows = shape[0]
        if all(length > 0 for length in shape[1:]):
            self._lengths[name] = shape[1:]
            self.width = math.prod(shape[1:])

    def deviation(self, array: Array | None) -> tuple[Array, Array] | None:
        """The variance and the epsilon that a constant is the root of the sum of, or None."""
        root = self._origins.get(id(array))
        total = self._origins.get(id(root.operands[0])) if root is not None and root.op == "Sqrt" else None
        if total is None or total.op != "Add":
            return None
        variance, epsilon = total.constant(0), total.constant(1)
        return None if variance is None or epsilon is None else (variance, epsilon)

    # ---- blocks ----

    def blocks(self) -> list[list[Node]]:
        """The nodes in runs, each from one tensor to the next that alone leads on."""
        uses: dict[str, int] = {self.output: 1}
        for node in self.nodes:
            for name in node.data():
                uses[name] = uses.get(name, 0) + 1
        live = {self.input}
        result: list[list[Node]] = [[]]
        for node in self.nodes:
            for name in node.data():
                uses[name] -= 1
                if not uses[name]:
                    live.discard(name)
            live.add(node.output)
            result[-1].append(node)
            if live == {node.output}:
                result.append([])
        if result.pop():
            raise ModelFileError(f"{self.nodes[-1]}: branches do not meet, expected a chain of layers")
        return result
