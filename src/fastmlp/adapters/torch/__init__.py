"""PyTorch's conventions: W is (n_out, n_in), activations are modules, momentum is the share of the new batch.

`modules` holds what PyTorch lacks.
"""

from .from_module import from_torch
from .from_state import from_state_dict
from .to_module import to_torch

__all__ = ["from_state_dict", "from_torch", "to_torch"]
