"""Layers as descriptions: frozen dataclasses with sizes and names, checked when they are made, no arithmetic.

A network is the width of its input and then layers; a width alone stands for a `Dense` layer:

>>> from fastmlp import Dense, Dropout, Network, Rescaling
>>> net = Network([784, Rescaling(1 / 255), Dense(100, "relu"), Dropout(0.2), Dense(10, "softmax")], seed=0)
>>> net.layer_sizes
(784, 100, 10)

A kind of layer is a file here, a line in `chain.LAYERS`, and its arithmetic in csrc/plan/layers and
`fastmlp.reference.layers`.
"""

from __future__ import annotations

from .activation import Activation, Dropout
from .base import ActivationName, Layer, short_activation
from .dense import Dense
from .input import Rescaling, Standardize
from .normalization import BatchNormalization, LayerNormalization
from .scale import Scale
from .skip import Add, Residual

__all__ = [
    "Activation",
    "ActivationName",
    "Add",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Layer",
    "LayerNormalization",
    "Rescaling",
    "Residual",
    "Scale",
    "Standardize",
    "short_activation",
]
