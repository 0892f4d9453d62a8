"""Layers of a network, checked when they are made.

They are frozen descriptions, a file a kind, without arithmetic.

A network is the width of its input and then layers; a width alone stands for a dense layer.

>>> from fastmlp import Dense, Network
>>> net = Network([784, Dense(100, "relu"), Dense(10, "softmax")])
>>> net.layer_sizes
(784, 100, 10)

A kind of layer that the engine has, `layers.def` says which, is in the file of its name here; files that
`_BESIDE` names have those that become parts of others, or are another form of a kind.  What a file has in
its ``__all__`` is public here and in `fastmlp`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .. import registry
from .base import ActivationName as ActivationName
from .base import Layer as Layer
from .base import short_activation as short_activation

if TYPE_CHECKING:  # names that type checkers know
    from .activation import *
    from .add import *
    from .alpha_dropout import *
    from .batch_normalization import *
    from .dense import *
    from .embedding import *
    from .gaussian_noise import *
    from .input import *
    from .layer_normalization import *
    from .max_pieces import *
    from .member_dense import *
    from .members import *
    from .output import *
    from .parametric_activation import *
    from .periodic_embedding import *
    from .prelu import *
    from .quantized_dense import *
    from .scale import *

_BESIDE = ("activation", "input", "output", "quantized_dense")

PUBLIC: list[str] = []
for _name in (*registry.LAYER_KINDS, *_BESIDE):
    _file = import_module(f".{_name}", __name__)
    PUBLIC += _file.__all__
    globals().update({name: getattr(_file, name) for name in _file.__all__})
if not TYPE_CHECKING:
    __all__ = PUBLIC
