"""A whole tabular model, from numbers and codes to predictions, as a C file and as an ONNX file."""
