"""Nodes of a graph, as the file has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import ModelFileError

Array = np.ndarray[Any, Any]

LAYERS = ("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Scaler", "BatchNormalization", "LayerNormalization")
SHAPES = ("Flatten", "Reshape", "Squeeze")
SMALL = 64  # numbers of a shape that is computed from other shapes


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
        return float(self.attribute(key, 1, "f", default))

    def integer(self, key: str, default: int) -> int:
        """An INT attribute."""
        return int(self.attribute(key, 2, "i", default))

    def text(self, key: str, default: str) -> str:
        """A STRING attribute."""
        value = self.attribute(key, 3, "s", default.encode())
        return bytes(value).decode("utf-8", "replace")

    def numbers(self, key: str) -> list[float]:
        """A FLOATS attribute."""
        return list(self.attribute(key, 6, "floats", []))

    def integers(self, key: str) -> list[int] | None:
        """An INTS attribute."""
        value = self.attribute(key, 7, "ints", None)
        return None if value is None else list(value)

    def attribute(self, key: str, kind: int, member: str, default: Any) -> Any:
        """An attribute of an AttributeProto.AttributeType, which is kept in the member, or the default."""
        attribute = self.attributes.get(key)
        if attribute is None:
            return default
        if attribute.type != kind:
            raise ModelFileError(f"{self}: its attribute {key!r} has type {attribute.type}, expected {kind}")
        return getattr(attribute, member)

    def axes(self, operand: Array | None) -> list[int] | None:
        """Axes, which newer opsets have as an operand and older ones as an attribute."""
        return self.integers("axes") if operand is None else [int(axis) for axis in operand.ravel()[:SMALL]]
