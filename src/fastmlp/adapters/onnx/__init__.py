"""ONNX: `save` writes a network's graph, `load` reads graphs of multi-layer perceptrons, ours and others'.

`expressions` and `operators` hold what both directions share: one table of activations as expressions of ONNX
operators, which the writer turns into nodes and the reader finds among nodes.
"""

from .reading import from_model, load
from .writing import save, to_model

__all__ = ["from_model", "load", "save", "to_model"]
