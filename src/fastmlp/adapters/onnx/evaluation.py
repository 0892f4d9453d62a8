"""One node computed by onnx's reference evaluator.

The evaluator is given arrays and plain attributes alone: a tensor or a graph among a file's attributes could
name another file, or nest without end.  What operands may be, and how large a result, is the callers' care.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ... import reference
from ...optional import require
from ...reference.functions import erf
from .nodes import Array, Node

_PLAIN = (float, int, bytes, tuple)


def evaluated(node: Node, arrays: Sequence[Array | None], opset: int) -> Array:
    """What the node gives for its operands; ValueError where it cannot be computed."""
    for key, value in node.attributes.items():
        if not isinstance(value, _PLAIN):
            raise ValueError(f"its attribute {key!r} is a {type(value).__name__}, expected numbers or a text")
    try:
        if node.op in _OWN:
            return np.asarray(_OWN[node.op](node, *arrays))
        given = tuple(array is not None for array in arrays)
        evaluator = _evaluator(node.op, tuple(sorted(node.attributes.items())), given, opset)
        feeds = {f"x{i}": array for i, array in enumerate(arrays) if array is not None}
        return np.asarray(evaluator.run(None, feeds, attributes={})[0])
    except MemoryError:
        raise
    except Exception as error:  # the evaluator raises whatever comes
        raise ValueError(f"{type(error).__name__}: {error}".splitlines()[0]) from None


@lru_cache(64)
def _evaluator(op: str, attributes: tuple[tuple[str, Any], ...], given: tuple[bool, ...], opset: int) -> Any:
    onnx, evaluators = require("onnx", "onnx"), require("onnx.reference", "onnx")
    names = [f"x{i}" if here else "" for i, here in enumerate(given)]
    node = onnx.helper.make_node(op, names, ["y"], **dict(attributes))
    imports = [onnx.helper.make_opsetid("", min(opset, onnx.defs.onnx_opset_version()))]
    function = onnx.helper.make_function("", "one", list(filter(None, names)), ["y"], [node], imports)
    return evaluators.ReferenceEvaluator(function)


def _gelu(node: Node, x: Array) -> Array:
    tanh = node.attribute("approximate", b"none") == b"tanh"
    return reference.activation_forward("gelu_tanh" if tanh else "gelu", x)


def _simplest(value: float) -> float:
    """The fraction that an attribute, which is float32, stands for: 1/6 for 0.16666667."""
    fraction = float(Fraction(value).limit_denominator(1000))
    return fraction if np.float32(fraction) == np.float32(value) else value


def _hard_sigmoid(node: Node, x: Array) -> Array:
    alpha, beta = (_simplest(node.attribute(key, value)) for key, value in (("alpha", 0.2), ("beta", 0.5)))
    return np.clip(alpha * x + beta, 0, 1)


# The evaluator's Erf has seven digits, its HardSigmoid and HardSwish know 1/6 as float32, and it cannot
# compute Gelu without the types of a whole graph.
_OWN: dict[str, Any] = {
    "Erf": lambda node, x: erf(x),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda node, x: reference.activation_forward("hard_swish", x),
}
