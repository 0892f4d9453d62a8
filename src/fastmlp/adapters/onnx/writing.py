"""Writing: a network's layers as nodes of ONNX operators."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import registry, validation
from ...config import __version__
from ...files import atomic
from ...layers import (
    Activation,
    ActivationName,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    Layer,
    LayerNormalization,
    OutputRescaling,
    PReLU,
    Rescaling,
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
    newest = onnx.defs.onnx_opset_version()
    opset = DEFAULT_OPSET if opset is None else validation.integer(opset, "opset", forms.OLDEST_OPSET, newest)
    rows = "rows" if batch is None else validation.integer(batch, "batch", 1, validation.MAX_UNITS)
    weights = net.state_dict()
    if sum(array.nbytes for array in weights.values()) > _MAX_BYTES:
        raise ValueError(
            f"net has more than {_MAX_BYTES} bytes of weights, expected what an ONNX file can hold"
        )
    nodes, constants = _Writer(onnx, net, opset).written(weights)
    element = onnx.helper.np_dtype_to_tensor_dtype(net.dtype)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "fastmlp",
        [value(INPUT, element, [rows, net.layer_sizes[0]])],
        [value(OUTPUT, element, [rows, net.layer_sizes[-1]])],
        constants,
    )
    imports = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(
        graph,
        opset_imports=imports,
        ir_version=onnx.helper.find_min_ir_version_for(imports),
        producer_name="fastmlp",
        producer_version=__version__,
    )
    onnx.helper.set_model_props(model, {description.KEY: description.text(net)})
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    """Nodes and constants, layer by layer; tensors are named after the layer they belong to."""

    def __init__(self, onnx: Any, net: Network, opset: int) -> None:
        self._helper, self._numpy = onnx.helper, onnx.numpy_helper
        self._net, self._opset = net, opset
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._prefix = ""

    def written(self, weights: dict[str, Array]) -> tuple[list[Any], list[Any]]:
        """All nodes and constants."""
        tensor, width, count = INPUT, self._net.layer_sizes[0], 0
        for layer in self._net.layers:
            shapes = layer.arrays(width)
            self._prefix = f"layers.{count}" if layer.kind else "input" if layer.leads else self._prefix
            names = [f"{self._prefix}.{name}" for name in shapes]
            for name in names:
                self._constant(name, weights[name])
            tensor = entry(_LAYERS, layer, "ONNX")(self, tensor, layer, names)
            count += bool(shapes)
            width = layer.output_width(width)
        self._end(tensor)
        return self._nodes, self._constants

    def _dense(self, tensor: str, layer: Dense, names: list[str]) -> str:
        return self._activation(self._node("Gemm", [tensor, *names]), layer.activation)

    @property
    def _single(self) -> bool:
        """An attribute is float32, and so is not the epsilon of a float64 network."""
        return self._net.dtype == np.float32

    def _batch_normalization(self, tensor: str, layer: BatchNormalization, names: list[str]) -> str:
        if self._single and self._opset >= 14:  # before, programs differ on whether this is training
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
        return self._rescaling(tensor, *layer.shift_and_divisor(self._net.layer_sizes[0]))

    def _output_rescaling(self, tensor: str, layer: OutputRescaling, names: list[str]) -> str:
        scale = self._constant("output.scale", np.array(layer.scale))
        offset = self._constant("output.offset", np.array(layer.offset))
        return self._node("Add", [self._node("Mul", [tensor, scale]), offset])

    def _rescaling(self, tensor: str, shift: Array, divisor: Array) -> str:
        """(x - shift) / divisor, which are the engine's two operations; numbers alone where all are equal."""
        for op, name, values, neutral in (("Sub", "shift", shift, 0.0), ("Div", "divisor", divisor, 1.0)):
            if (values != neutral).any():
                alike = (values == values[0]).all()
                tensor = self._node(
                    op, [tensor, self._constant(f"input.{name}", values[0] if alike else values)]
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
            return self._constant(f"{self._prefix}.constant_{len(self._constants)}", np.array(value))
        op, operands, attributes = _taken_apart(item)
        names = [made(operand) for operand in operands]
        given = {
            key: known["p"] if isinstance(value, ast.Name) else ast.literal_eval(value)
            for key, value in attributes
        }
        return self._node(op, names, **given, **self._axes(op, names))

    def _axes(self, op: str, operands: list[str]) -> dict[str, list[int]]:
        """The axes of ReduceMean: an attribute, from opset 18 on an operand."""
        if op != "ReduceMean":
            return {}
        if self._opset < 18:
            return {"axes": [-1]}
        name = f"{self._prefix}.axes_{len(self._constants)}"
        self._constants.append(self._numpy.from_array(np.array([-1]), name))
        operands.append(name)
        return {}

    def _constant(self, name: str, value: Array) -> str:
        self._constants.append(self._numpy.from_array(np.asarray(value, self._net.dtype), name))
        return name

    def _node(self, op: str, operands: list[str], **attributes: Any) -> str:
        name = f"{self._prefix}.{op}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(op, operands, [name], name=name, **attributes))
        return name

    def _end(self, tensor: str) -> None:
        """Names the last node's result as the graph's."""
        assert self._nodes and self._nodes[-1].output[0] == tensor
        self._nodes[-1].output[0] = OUTPUT


_LAYERS: dict[type[Layer], Callable[[_Writer, str, Any, list[str]], str]] = {
    Activation: lambda writer, tensor, layer, names: writer._activation(tensor, layer.activation),
    AlphaDropout: lambda writer, tensor, layer, names: tensor,
    BatchNormalization: _Writer._batch_normalization,
    Dense: _Writer._dense,
    Dropout: lambda writer, tensor, layer, names: tensor,
    GaussianNoise: lambda writer, tensor, layer, names: tensor,
    LayerNormalization: _Writer._layer_normalization,
    OutputRescaling: _Writer._output_rescaling,
    PReLU: lambda writer, tensor, layer, names: writer._node("PRelu", [tensor, *names]),
    Rescaling: _Writer._preprocessing,
    Standardize: _Writer._preprocessing,
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
