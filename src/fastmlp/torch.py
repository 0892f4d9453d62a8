"""PyTorch: modules to networks and back, and state dicts from safetensors files without torch."""

from .adapters.torch import from_state_dict, from_torch, to_torch

__all__ = ["from_state_dict", "from_torch", "to_torch"]
