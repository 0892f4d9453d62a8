"""Writing: a network's layers as nodes of ONNX operators."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import registry, validation
from ...config import __version__
from ...files import atomic
from ...layers import (
    Activation,
    ActivationName,
    Add,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    Layer,
    LayerNormalization,
    MemberDense,
    Members,
    OutputRescaling,
    ParametricActivation,
    PeriodicEmbedding,
    PReLU,
    Rescaling,
    Scale,
    Standardize,
)
from ...layers.base import entry
from ...network import Network
from ...optional import require
from . import description, forms

Array = np.ndarray[Any, Any]

DEFAULT_OPSET = 17  # read by ONNX Runtime 1.12 and what came after it
INPUT, OUTPUT = "X", "output"
_MAX_BYTES = 2**31 - 2**20  # a message of protocol buffers, less what is not weights


def save(
    net: Network, path: str | os.PathLike[str], *, opset: int | None = None, batch: int | None = None
) -> None:
    """Write a network as an ONNX file, which other programs can run.

    The graph's input is "X" of shape (rows, n_in), its output "output" of shape (rows, n_out), both of the
    network's dtype.  Preprocessing and activations are part of it, dropout is not.

    Parameters
    ----------
    net : Network
    path : str or path
        An older file there is replaced once the new one is complete.
    opset : int, optional
        Version of the operators, from 13 to the newest the installed onnx knows; 17 by default, which runs
        wherever ONNX Runtime 1.12 or newer does.
    batch : int, optional
        The number of rows, for programs that want it fixed; by default any.

    Raises
    ------
    ValueError
        If the opset is not supported, or the weights take 2 GB and more, which no ONNX file can hold.
    ImportError
        Without the package onnx.

    Notes
    -----
    Before anything is written onnx's checker looks at the model, with its inference of types and shapes.
    Programs round differently: predictions agree to a few units in the last place of the sums they are made
    of.  Where ONNX Runtime has an operator in float32 alone, float64 networks have a composition of operators
    that it does have; `load` recognises it.

    Examples
    --------
    >>> import fastmlp.onnx, os, tempfile
    >>> net = fastmlp.Network([4, 3], output="softmax", seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.onnx")
    ...     fastmlp.onnx.save(net, path, opset=21)
    ...     os.listdir(folder)
    ['net.onnx']
    """
    data = to_model(net, opset=opset, batch=batch).SerializeToString()
    atomic.write(path, lambda file: file.write(data))


def to_model(net: Network, *, opset: int | None = None, batch: int | None = None) -> Any:
    """The network as an ``onnx.ModelProto``, checked; see `save`.

    Examples
    --------
    >>> import fastmlp.onnx
    >>> model = fastmlp.onnx.to_model(fastmlp.Network([4, 3], output="softmax", seed=0))
    >>> [node.op_type for node in model.graph.node]
    ['Gemm', 'Softmax']
    """
    onnx = require("onnx", "onnx")
    if not isinstance(net, Network):
        raise TypeError(f"net is a {type(net).__name__}, expected a Network")
    opset = checked_opset(onnx, opset)
    rows = "rows" if batch is None else validation.integer(batch, "batch", 1, validation.MAX_UNITS)
    weights = net.state_dict()
    if sum(array.nbytes for array in weights.values()) > _MAX_BYTES:
        raise ValueError(
            f"net has more than {_MAX_BYTES} bytes of weights, expected what an ONNX file can hold"
        )
    writer = Writer(onnx, net, opset)
    writer.end(writer.written(INPUT), OUTPUT)
    element = onnx.helper.np_dtype_to_tensor_dtype(net.dtype)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        writer.nodes,
        "fastmlp",
        [value(INPUT, element, [rows, net.layer_sizes[0]])],
        [value(OUTPUT, element, [rows, net.layer_sizes[-1]])],
        writer.constants,
    )
    return checked_model(onnx, graph, opset, {description.KEY: description.text(net)})


def checked_opset(onnx: Any, opset: int | None) -> int:
    newest = onnx.defs.onnx_opset_version()
    return DEFAULT_OPSET if opset is None else validation.integer(opset, "opset", forms.OLDEST_OPSET, newest)


def checked_model(onnx: Any, graph: Any, opset: int, metadata: dict[str, str]) -> Any:
    """A graph as a model, that onnx's checker has looked at."""
    imports = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(
        graph,
        opset_imports=imports,
        ir_version=onnx.helper.find_min_ir_version_for(imports),
        producer_name="fastmlp",
        producer_version=__version__,
    )
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


class Writer:
    """Nodes and constants, layer by layer; tensors are named after the layer they belong to.

    From the first layer of members on, tensors have the shape (rows, members, n).

    Parameters
    ----------
    onnx : module
    net : Network
    opset : int
    root : str
        What all names begin with.
    """

    def __init__(self, onnx: Any, net: Network, opset: int, root: str = "") -> None:
        self._helper, self._numpy = onnx.helper, onnx.numpy_helper
        self._net, self._opset, self._root = net, opset, root
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = root
        self._of_members = False
        self._outputs: dict[int, tuple[str, bool]] = {}  # by places that an `Add` names; whether of members

    def written(self, tensor: str) -> str:
        """The tensor of predictions of rows in another, of the network's dtype."""
        weights = self._net.state_dict()
        width, count = self._net.layer_sizes[0], 0
        for place, layer in enumerate(self._net.layers, 1):
            shapes = layer.arrays(width)
            prefix = f"layers.{count}" if layer.kind else "input"
            self._prefix = f"{self._root}{prefix}" if layer.kind or layer.leads else self._prefix
            names = [f"{self._prefix}.{name}" for name in shapes]
            for name, own in zip(names, shapes, strict=True):
                self._constant(name, weights[f"{prefix}.{own}"])
            self._width = width
            tensor = entry(_LAYERS, layer, "ONNX")(self, tensor, layer, names)
            self._outputs[place] = tensor, self._of_members
            count += bool(shapes)
            width = layer.output_width(width)
        return self._mean_over(tensor, 1) if self._of_members else tensor

    def _dense(self, tensor: str, layer: Dense, names: list[str]) -> str:
        if not self._of_members:
            return self._activation(self._node("Gemm", [tensor, *names]), layer.activation)
        tensor = self._node("MatMul", [tensor, names[0]])
        return self._activation(self._sum(tensor, names[1:]), layer.activation)

    def _sum(self, tensor: str, others: list[str]) -> str:
        for other in others:
            tensor = self._node("Add", [tensor, other])
        return tensor

    def _add(self, tensor: str, layer: Add, names: list[str]) -> str:
        other, of_members = self._outputs[layer.from_layer]
        if self._of_members and not of_members:
            other = self._one_for_members(other)
        return self._node("Add", [tensor, other])

    def _scale(self, tensor: str, layer: Scale, names: list[str]) -> str:
        return self._node("Mul", [tensor, *names])

    def _prelu(self, tensor: str, layer: PReLU, names: list[str]) -> str:
        if self._single:
            return self._node("PRelu", [tensor, *names])
        negative = self._node("Less", [tensor, self._constant(f"{self._prefix}.zero", np.array(0.0))])
        return self._node("Where", [negative, self._node("Mul", [tensor, *names]), tensor])

    def _parametric_activation(self, tensor: str, layer: ParametricActivation, names: list[str]) -> str:
        change = self._node("Sub", [self._activation(tensor, layer.activation), tensor])
        return self._node("Add", [tensor, self._node("Mul", [change, *names])])

    def _embedding(self, tensor: str, layer: Embedding, names: list[str]) -> str:
        """Each table and its codes; what of the tensor is no code comes first."""
        codes = self._width - len(layer.sizes)
        parts = [self._columns(tensor, 0, codes)] if codes else []
        last, begin = self._integers("last", [-1]), 0
        for t, table in enumerate(layer.split(self._array(names[0]))):
            part = self._cut(names[0], begin, begin + table.size, axis=0)
            rows = self._node("Reshape", [part, self._integers("table", table.shape)])
            code = self._node("Squeeze", [self._columns(tensor, codes + t, codes + t + 1), last])
            code = self._node("Cast", [code], to=self._helper.np_dtype_to_tensor_dtype(np.dtype(np.int64)))
            parts.append(self._node("Gather", [rows, code], axis=0))
            begin += table.size
        return self._node("Concat", parts, axis=-1)

    def _periodic_embedding(self, tensor: str, layer: PeriodicEmbedding, names: list[str]) -> str:
        """cos of (rows, p, F) angles; then W as p matrices (F, K), which a product of p x (rows, F) takes."""
        frequency, phase, W, b = names
        waves, columns = self._array(frequency).shape
        values = layer.width - 1
        turned = (self._node("Transpose", [name], perm=[1, 0]) for name in (frequency, phase))
        rate, start = turned
        x = self._node("Unsqueeze", [self._columns(tensor, 0, columns), self._integers("last", [-1])])
        turn = self._constant(f"{self._prefix}.turn", np.array(2 * np.pi))
        angle = self._node("Mul", [self._node("Mul", [x, rate]), turn])
        wave = self._node("Cos", [self._node("Add", [angle, start])])
        wave = self._node("Transpose", [wave], perm=[1, 0, 2])
        shape = self._integers("shape", [waves, values, columns])
        W = self._node("Transpose", [self._node("Reshape", [W, shape])], perm=[2, 0, 1])
        found = self._node("Transpose", [self._node("MatMul", [wave, W])], perm=[1, 0, 2])
        found = self._node("Add", [found, self._node("Transpose", [b], perm=[1, 0])])
        found = self._node("Reshape", [found, self._integers("flat", [-1, columns * values])])
        return self._node("Concat", [found, tensor], axis=-1)

    def _members(self, tensor: str, layer: Members, names: list[str]) -> str:
        tensor = self._with_members(tensor)
        return self._sum(self._node("Mul", [tensor, names[0]]), names[1:])

    def _member_dense(self, tensor: str, layer: MemberDense, names: list[str]) -> str:
        """(rows, k, n) as k x (rows, n), the heads as k x (n, units), and back."""
        tensor = self._with_members(tensor)
        shape = self._integers("shape", [layer.members, layer.units, self._width])
        heads = self._node("Transpose", [self._node("Reshape", [names[0], shape])], perm=[0, 2, 1])
        tensor = self._node("MatMul", [self._node("Transpose", [tensor], perm=[1, 0, 2]), heads])
        tensor = self._node("Transpose", [tensor], perm=[1, 0, 2])
        return self._activation(self._sum(tensor, names[1:]), layer.activation)

    def _with_members(self, tensor: str) -> str:
        if self._of_members:
            return tensor
        self._of_members = True
        return self._one_for_members(tensor)

    def _one_for_members(self, tensor: str) -> str:
        """(rows, 1, n) of (rows, n)"""
        return self._node("Unsqueeze", [tensor, self._integers("member", [1])])

    def _columns(self, tensor: str, first: int, last: int) -> str:
        return self._cut(tensor, first, last, axis=-1)

    def _cut(self, tensor: str, first: int, last: int, axis: int) -> str:
        ends = self._integers("first", [first]), self._integers("last", [last])
        return self._node("Slice", [tensor, *ends, self._integers("axis", [axis])])

    def _integers(self, name: str, values: Sequence[int]) -> str:
        name = f"{self._prefix}.{name}_{len(self.constants)}"
        self.constants.append(self._numpy.from_array(np.array(values, np.int64), name))
        return name

    def _array(self, name: str) -> Array:
        found = next(each for each in self.constants if each.name == name)
        return np.asarray(self._numpy.to_array(found))

    @property
    def _single(self) -> bool:
        """An attribute is float32, and so is not the epsilon of a float64 network."""
        return self._net.dtype == np.float32

    def _batch_normalization(self, tensor: str, layer: BatchNormalization, names: list[str]) -> str:
        known = self._opset >= 14  # before, programs differ on whether this is training
        if self._single and known and not self._of_members:
            attributes = {"epsilon": layer.epsilon, "momentum": layer.momentum}
            return self._node("BatchNormalization", [tensor, *names], **attributes)
        gamma, beta, mean, variance = names
        epsilon = self._constant(f"{self._prefix}.epsilon", np.array(layer.epsilon))
        deviation = self._node("Sqrt", [self._node("Add", [variance, epsilon])])
        tensor = self._node("Div", [self._node("Sub", [tensor, mean]), deviation])
        return self._node("Add", [self._node("Mul", [tensor, gamma]), beta])

    def _layer_normalization(self, tensor: str, layer: LayerNormalization, names: list[str]) -> str:
        if self._single and self._opset >= 17:
            return self._node("LayerNormalization", [tensor, *names], axis=-1, epsilon=layer.epsilon)
        tensor = self._node("Mul", [self._expression(forms.NORMALIZED, layer.epsilon, tensor), names[0]])
        return self._node("Add", [tensor, names[1]])

    def _preprocessing(self, tensor: str, layer: Rescaling | Standardize, names: list[str]) -> str:
        return self._rescaling(tensor, *layer.shift_and_divisor(self._width))

    def _output_rescaling(self, tensor: str, layer: OutputRescaling, names: list[str]) -> str:
        scale = self._constant(f"{self._root}output.scale", np.array(layer.scale))
        offset = self._constant(f"{self._root}output.offset", np.array(layer.offset))
        return self._node("Add", [self._node("Mul", [tensor, scale]), offset])

    def _rescaling(self, tensor: str, shift: Array, divisor: Array) -> str:
        """(x - shift) / divisor, which are the engine's two operations; numbers alone where all are equal."""
        for op, name, values, neutral in (("Sub", "shift", shift, 0.0), ("Div", "divisor", divisor, 1.0)):
            if (values != neutral).any():
                alike = (values == values[0]).all()
                tensor = self._node(
                    op, [tensor, self._constant(f"{self._prefix}.{name}", values[0] if alike else values)]
                )
        return tensor

    def _activation(self, tensor: str, activation: ActivationName | None) -> str:
        return self._expression(*registry.resolve_activation(activation), tensor)

    def _expression(self, name: str, parameter: float, tensor: str) -> str:
        """The tensor of the form that has this name; what stands in it twice is computed once."""
        form = ast.parse(forms.text(name, self._net.dtype.name, self._opset), mode="eval").body
        known: dict[str, float | str] = {"x": tensor, "p": parameter}
        done: dict[str, str] = {}

        def made(item: ast.expr) -> str:
            key = ast.dump(item)
            if key not in done:
                done[key] = self._operation(item, made, known)
            return done[key]

        return made(form)

    def _operation(
        self, item: ast.expr, made: Callable[[ast.expr], str], known: dict[str, float | str]
    ) -> str:
        """A node, a constant or a tensor that is there, of one part of an expression."""
        value = known[item.id] if isinstance(item, ast.Name) else _number(item)
        if isinstance(value, str):
            return value
        if value is not None:
            return self._constant(f"{self._prefix}.constant_{len(self.constants)}", np.array(value))
        op, operands, attributes = _taken_apart(item)
        names = [made(operand) for operand in operands]
        given = {
            key: known["p"] if isinstance(value, ast.Name) else ast.literal_eval(value)
            for key, value in attributes
        }
        return self._node(op, names, **given, **self._axes(op, names))

    def _axes(self, op: str, operands: list[str]) -> dict[str, list[int]]:
        return self._axis(operands, -1) if op == "ReduceMean" else {}

    def _axis(self, operands: list[str], axis: int) -> dict[str, list[int]]:
        """The one of ReduceMean: an attribute, from opset 18 on an operand."""
        if self._opset < 18:
            return {"axes": [axis]}
        operands.append(self._integers("axes", [axis]))
        return {}

    def _mean_over(self, tensor: str, axis: int) -> str:
        operands = [tensor]
        return self._node("ReduceMean", operands, keepdims=0, **self._axis(operands, axis))

    def _constant(self, name: str, value: Array) -> str:
        self.constants.append(self._numpy.from_array(np.asarray(value, self._net.dtype), name))
        return name

    def _node(self, op: str, operands: list[str], **attributes: Any) -> str:
        name = f"{self._prefix}.{op}_{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(op, operands, [name], name=name, **attributes))
        return name

    def end(self, tensor: str, name: str) -> None:
        """Gives the last node's result another name."""
        assert self.nodes and self.nodes[-1].output[0] == tensor
        self.nodes[-1].output[0] = name


_LAYERS: dict[type[Layer], Callable[[Writer, str, Any, list[str]], str]] = {
    Activation: lambda writer, tensor, layer, names: writer._activation(tensor, layer.activation),
    Add: Writer._add,
    AlphaDropout: lambda writer, tensor, layer, names: tensor,
    BatchNormalization: Writer._batch_normalization,
    Dense: Writer._dense,
    Dropout: lambda writer, tensor, layer, names: tensor,
    Embedding: Writer._embedding,
    GaussianNoise: lambda writer, tensor, layer, names: tensor,
    LayerNormalization: Writer._layer_normalization,
    MemberDense: Writer._member_dense,
    Members: Writer._members,
    OutputRescaling: Writer._output_rescaling,
    ParametricActivation: Writer._parametric_activation,
    PeriodicEmbedding: Writer._periodic_embedding,
    PReLU: Writer._prelu,
    Rescaling: Writer._preprocessing,
    Scale: Writer._scale,
    Standardize: Writer._preprocessing,
}

_OPERATORS = {
    ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.USub: "Neg",
    ast.Lt: "Less", ast.Gt: "Greater",
}  # fmt: skip


def _number(item: ast.expr) -> float | None:
    """The number that an expression is, or None."""
    try:
        return float(ast.literal_eval(item))
    except ValueError:
        return None


def _taken_apart(item: ast.expr) -> tuple[str, list[ast.expr], list[tuple[str, ast.expr]]]:
    """The operator of an expression, its operands and attributes."""
    if isinstance(item, ast.BinOp):
        return _OPERATORS[type(item.op)], [item.left, item.right], []
    if isinstance(item, ast.UnaryOp):
        return _OPERATORS[type(item.op)], [item.operand], []
    if isinstance(item, ast.Compare):
        return _OPERATORS[type(item.ops[0])], [item.left, item.comparators[0]], []
    assert isinstance(item, ast.Call) and isinstance(item.func, ast.Name)
    return item.func.id, item.args, [(str(keyword.arg), keyword.value) for keyword in item.keywords]
