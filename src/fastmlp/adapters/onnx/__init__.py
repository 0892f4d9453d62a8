"""ONNX: `save` writes a network's graph, `load` reads graphs of multi-layer perceptrons, ours and others'.

`save` writes activations as the expressions of `forms`; `load` knows them by their values (`recognition`).
"""

from .reading import from_model, load
from .writing import save, to_model

__all__ = ["from_model", "load", "save", "to_model"]
