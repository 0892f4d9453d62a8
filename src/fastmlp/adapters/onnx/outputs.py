"""Which tensor of a graph is the network's output: what labels and tables of probabilities are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import ModelFileError, listed
from .nodes import Node

# The operand that counts, of what classifiers have beside their outputs.
_LABELS = {"ArgMax": 0, "Binarizer": 0, "ArrayFeatureExtractor": 1}
_PASSED = _LABELS | dict.fromkeys(("ZipMap", "Cast", "Identity", "Reshape", "Squeeze"), 0)


def chosen(names: Sequence[str], wanted: str | None, producers: Mapping[str, Node]) -> str:
    """The one tensor that the outputs, or the wanted one of them, are made of."""
    if wanted is not None and wanted not in names:
        raise ModelFileError(f"has no output {wanted!r}, expected one of {listed(names)}")
    made = [_made_of(name, producers) for name in (names if wanted is None else [wanted])]
    scores = {tensor for tensor, label in made if not label} or {tensor for tensor, _ in made}
    if len(scores) != 1:
        came = listed(names) or "none"
        raise ModelFileError(f"has the outputs {came}, expected one, or its name as `output`")
    return scores.pop()


def _made_of(name: str, producers: Mapping[str, Node]) -> tuple[str, bool]:
    """The tensor that an output's label or table is made of, and whether it is a label."""
    tensor, result, label = name, name, False
    for _ in producers:  # a loop ends here, too
        node = producers.get(tensor)
        operand = node and dict(enumerate(node.names)).get(_PASSED.get(node.op, -1))
        if not node or not operand:
            break
        as_it_is = node.op == "Identity" and result == tensor  # nothing between it and the output
        tensor, label = operand, label or node.op in _LABELS
        if as_it_is or node.op == "ZipMap" or node.op in _LABELS:
            result = tensor
    return result, label
