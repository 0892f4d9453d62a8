"""Nodes of a graph, as the file has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ...errors import ModelFileError

Array = np.ndarray[Any, Any]
T = TypeVar("T", float, int, bytes, tuple[float, ...])

# AttributeProto.AttributeType -> the field that holds it
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}


def text(value: str | bytes) -> str:
    """A name in a file: a parser gives bytes where it is no UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


@dataclass
class Node:
    """Where a node stands, and its operands: tensors' names, constant arrays, or None where left out."""

    position: int
    name: str
    op: str
    names: list[str]  # of the operands in the file
    outputs: list[str]
    attributes: dict[str, Any] = field(repr=False)
    operands: list[str | Array | None]
    source: str = ""  # of a sum, the tensor that it adds to its one operand

    @classmethod
    def of(cls, position: int, proto: Any) -> Node:
        """The node of a NodeProto."""
        domain, names = text(proto.domain), [text(name) for name in proto.input]
        return cls(
            position,
            text(proto.name),
            ("" if domain in ("", "ai.onnx", "ai.onnx.ml") else f"{domain}.") + text(proto.op_type),
            names,
            [text(name) for name in proto.output] or [""],
            {text(attribute.name): _value(attribute) for attribute in proto.attribute},
            [name or None for name in names],
        )

    def __str__(self) -> str:
        name = f", {self.name!r}" if self.name else ""
        return f"node {self.position}{name} ({self.op}), takes {(self.names or [''])[0]!r}"

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
            raise self.error(f"its operand {index}, {operand!r}, is computed", "a constant")
        return operand

    def error(self, came: str, expected: str) -> ModelFileError:
        """What is said of a node that is refused."""
        return ModelFileError(f"{self}: {came}, expected {expected}")

    def attribute(self, key: str, default: T) -> T:
        """An attribute, which must be of the default's type."""
        value = self.attributes.get(key, default)
        if type(value) is not type(default):
            came = f"its attribute {key!r} has type {type(value).__name__}"
            raise self.error(came, type(default).__name__)
        return value


def _value(attribute: Any) -> Any:
    """What an attribute holds; itself, which no reader takes, where that is a graph or the like."""
    value = getattr(attribute, _FIELDS[attribute.type]) if attribute.type in _FIELDS else attribute
    return tuple(value) if attribute.type in (6, 7) else value
