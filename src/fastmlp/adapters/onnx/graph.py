"""A file's graph as a chain: constants computed, what does nothing left out, then blocks of nodes in a row.

A block ends at a tensor through which alone everything later depends on it: most have one node, an activation
made of several nodes is one block, or several.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import ModelFileError, listed
from .tensors import FLOATS, Reader, text

Array = np.ndarray[Any, Any]

LAYERS = ("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Scaler", "BatchNormalization", "LayerNormalization")
SHAPES = ("Flatten", "Reshape", "Squeeze")
_OLDEST_OPSET = 7  # where operands began to be broadcast
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
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
_SMALL = 64  # numbers of a shape that is computed from other shapes


@dataclass
class Node:
    """Where a node stands, and its operands: tensors' names, constant arrays, or None where left out."""

    position: int
    name: str
    op: str
    operands: list[str | Array | None]
    outputs: list[str]
    attributes: dict[str, Any] = field(repr=False)
    source: str = ""  # the first tensor it takes, as the file names it

    def __str__(self) -> str:
        name = f", {self.name!r}" if self.name else ""
        return f"node {self.position}{name} ({self.op}), takes {self.source!r}"

    @property
    def output(self) -> str:
        return self.outputs[0]

    def data(self) -> list[str]:
        """The tensors among the operands."""
        return [operand for operand in self.operands if isinstance(operand, str)]

    def constant(self, index: int) -> Array | None:
        """An operand that must be a constant, or may be left out."""
        operand = self.operands[index] if index < len(self.operands) else None
        if isinstance(operand, str):
            raise ModelFileError(
                f"{self}: its operand {index}, {operand!r}, is computed, expected a constant"
            )
        return operand

    def number(self, key: str, default: float) -> float:
        """A FLOAT attribute."""
        return float(self._attribute(key, 1, "f", default))

    def integer(self, key: str, default: int) -> int:
        """An INT attribute."""
        return int(self._attribute(key, 2, "i", default))

    def text(self, key: str, default: str) -> str:
        """A STRING attribute."""
        value = self._attribute(key, 3, "s", default.encode())
        return bytes(value).decode("utf-8", "replace")

    def numbers(self, key: str) -> list[float]:
        """A FLOATS attribute."""
        return list(self._attribute(key, 6, "floats", []))

    def integers(self, key: str) -> list[int] | None:
        """An INTS attribute."""
        value = self._attribute(key, 7, "ints", None)
        return None if value is None else list(value)

    def _attribute(self, key: str, kind: int, member: str, default: Any) -> Any:
        attribute = self.attributes.get(key)
        if attribute is None:
            return default
        if attribute.type != kind:
            raise ModelFileError(f"{self}: its attribute {key!r} has type {attribute.type}, expected {kind}")
        return getattr(attribute, member)


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
        self._check_opset(model)
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
        self._sums: dict[str, tuple[Any, Any]] = {}
        self._deviations: list[tuple[Array, Any, Any]] = []
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

    def _check_opset(self, model: Any) -> None:
        versions = {text(item.domain): item.version for item in model.opset_import}
        version = versions.get("", versions.get("ai.onnx", 0))
        if version < _OLDEST_OPSET:
            raise ModelFileError(f"is written in opset {version}, expected {_OLDEST_OPSET} or newer")

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
            tensor = str(node.operands[index])
            label = label or node.op in _LABELS
            if node.op in (*_LABELS, "ZipMap", "Identity"):
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
            order_input = target in self._inputs
            raise ModelFileError(
                f"has the output {target!r}, which is {'its input' if order_input else 'never computed'}"
            )
        return order

    # ---- one node after another ----

    def _take(self, node: Node) -> None:
        """Computes the node if it is a constant, leaves it out if it does nothing, and keeps it otherwise."""
        node.operands = [self._resolved(node, operand) for operand in node.operands]
        data = node.data()
        lengths = self._lengths.get(node.source)
        if not data:
            self._constants[node.output] = self._computed(node)
        elif node.op == "Shape":
            self._constants[node.output] = _shape(node, lengths)
        elif node.op in SHAPES:
            self._aliases[node.output] = data[0]
            self._know(node, _row_shape(node, lengths, self._rows, last=node.output == self._target))
        elif node.op == "Identity" or (node.op == "Cast" and node.integer("to", 0) in FLOATS):
            self._aliases[node.output] = data[0]
            self._know(node, lengths)
        else:
            self._know(node, _next_shape(node, lengths))
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

    # ---- constants ----

    def _computed(self, node: Node) -> Array:
        """The value of a node without operands, or of constants alone."""
        if node.op == "Constant":
            return self._constant(node)
        arrays = [node.constant(i) for i in range(len(node.operands))]
        first = arrays[0] if arrays else None
        try:
            result = None if first is None else _FOLDED[node.op](node, first, *arrays[1:])
        except KeyError:
            result = None
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ModelFileError(f"{node}: it cannot be computed: {error}") from None
        if result is None:
            raise ModelFileError(f"{node}, of constants: expected one of {listed(_FOLDED)}")
        if result.base is None:
            self._reader.use(result.nbytes)
        if node.op == "Sqrt" and node.source in self._sums:
            self._deviations.append((result, *self._sums[node.source]))
        if node.op == "Add":
            self._sums[node.output] = (first, arrays[1])
        return result

    def deviation(self, array: Array | None) -> tuple[Array, Array] | None:
        """The variance and the epsilon that a constant is the root of the sum of, or None."""
        return next(((v, e) for root, v, e in self._deviations if root is array), None)

    def _constant(self, node: Node) -> Array:
        for key, kind, member, dtype in (
            ("value_float", 1, "f", "f4"), ("value_int", 2, "i", "i8"),
            ("value_floats", 6, "floats", "f4"), ("value_ints", 7, "ints", "i8"),
        ):  # fmt: skip
            if key in node.attributes:
                return np.array(node._attribute(key, kind, member, None), dtype)
        if "value" not in node.attributes:
            raise ModelFileError(
                f"{node}: a Constant of {listed(node.attributes) or 'nothing'}, expected numbers"
            )
        return self._reader.array(node._attribute("value", 4, "t", None))

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


# ---- shapes: the lengths of all axes but the first, that of the rows ----


def _shape(node: Node, lengths: list[int] | None) -> Array:
    """What Shape gives, with 0 rows: to Reshape that means as many as come."""
    if lengths is None:
        raise ModelFileError(f"{node}: of a tensor whose shape is not known, expected a chain of layers")
    shape = [0, *lengths]
    return np.array(shape[node.integer("start", 0) : node.integer("end", len(shape))])


def _row_shape(node: Node, lengths: list[int] | None, rows: int, *, last: bool) -> list[int] | None:
    """The lengths after a node that must leave rows as they are, or make one of all that belongs to it.

    The last node may also put all numbers in one column, as skl2onnx does with those of several outputs.
    """
    width = math.prod(lengths) if lengths is not None else None
    known = None if width is None else [width]
    if node.op == "Flatten" and node.integer("axis", 1) == 1:
        return known
    if node.op == "Squeeze" and lengths == [1] and _axes(node, node.constant(1)) in ([1], [-1], None):
        return known
    target = node.constant(1) if node.op == "Reshape" else None
    if target is not None and target.size <= 2 and target.dtype.kind == "i":
        shape = target.ravel().tolist()
        if (last or width == 1) and shape in ([-1], [-1, 1]):
            return known
        if len(shape) == 2 and shape[0] in (-1, 0, rows) and (shape[1] == width or sum(shape) != -2):
            if shape[1] in (-1, width) or width is None:
                return known or ([shape[1]] if shape[1] > 0 else None)
    came = "" if lengths is None else f" of shape (rows, {listed(map(str, lengths))})"
    to = "" if target is None else f" to {target.ravel()[:_SMALL].tolist()}"
    raise ModelFileError(f"{node}{came}{to}: expected Flatten, or Reshape to (-1, columns)")


def _next_shape(node: Node, lengths: list[int] | None) -> list[int] | None:
    """The lengths after a node that is kept."""
    if lengths is not None and len(lengths) > 1:
        constants = [operand for operand in node.operands if isinstance(operand, np.ndarray)]
        if node.op not in _ARITHMETIC or any(constant.size != 1 for constant in constants):
            raise ModelFileError(
                f"{node}, rows of shape ({listed(map(str, lengths))}): expected Flatten before it"
            )
    if node.op in ("Gemm", "MatMul"):
        W = node.operands[1] if len(node.operands) > 1 else None
        turned = node.op == "Gemm" and node.integer("transB", 0)
        return [W.shape[0 if turned else 1]] if isinstance(W, np.ndarray) and W.ndim == 2 else None
    return None if node.op == "Concat" else lengths


# ---- constants ----


def _cast(node: Node, x: Array, *_: Any) -> Array:
    dtype = {1: np.float32, 11: np.float64, 6: np.int32, 7: np.int64}[node.integer("to", 0)]
    return x.astype(dtype, copy=False)


def _axes(node: Node, second: Array | None) -> list[int] | None:
    return node.integers("axes") if second is None else [int(axis) for axis in second.ravel()[:_SMALL]]


def _squeeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    chosen = _axes(node, axes)
    return np.squeeze(x, None if chosen is None else tuple(chosen))


def _unsqueeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(x, tuple(_axes(node, axes) or ()))


def _reshape(node: Node, x: Array, shape: Array) -> Array:
    wanted = [int(n) for n in shape.ravel()[:_SMALL]]
    if not node.integer("allowzero", 0):
        wanted = [n if n else x.shape[i] for i, n in enumerate(wanted)]
    return x.reshape(wanted)


def _transpose(node: Node, x: Array) -> Array:
    return x.transpose(node.integers("perm"))


def _gather(node: Node, x: Array, indices: Array) -> Array:
    if x.size > _SMALL or indices.size > _SMALL:
        raise ValueError(f"of {x.size} numbers, expected those of a shape")
    return np.asarray(np.take(x, indices.astype(np.int64), axis=node.integer("axis", 0)))


def _concat(node: Node, *arrays: Array | None) -> Array:
    parts = [array for array in arrays if array is not None]
    if sum(part.size for part in parts) > _SMALL:
        raise ValueError("it has too many numbers, expected those of a shape")
    return np.concatenate(parts, axis=node.integer("axis", 0))


def _add(node: Node, x: Array, y: Array) -> Array:
    if x.size > 1 and y.size > 1:
        raise ValueError("of two tensors, expected a tensor and a number")
    return np.asarray(x + y)


def _sqrt(node: Node, x: Array) -> Array:
    if not (x >= 0).all():
        raise ValueError("of negative numbers")
    return np.asarray(np.sqrt(x))


_FOLDED: dict[str, Any] = {
    "Add": _add,
    "Sqrt": _sqrt,
    "Identity": lambda node, x: x,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Concat": _concat,
}
