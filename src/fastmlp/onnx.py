"""Networks to and from ONNX files; needs the package onnx."""

from .adapters.onnx import from_model, load, save, to_model

__all__ = ["from_model", "load", "save", "to_model"]
