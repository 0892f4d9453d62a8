"""One node computed by onnx's reference evaluator.

The evaluator is given arrays and plain attributes alone: a tensor or a graph among a file's attributes could
name another file, or nest without end.  What operands may be, and how large a result, is the callers' care.
"""

from __future__ import annotations

from collections.abc import Sequence
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


# The evaluator's Erf has seven digits, and it cannot compute Gelu without the types of a whole graph.
_OWN: dict[str, Any] = {"Erf": lambda node, x: erf(x), "Gelu": _gelu}
