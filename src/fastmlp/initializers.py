"""How weights begin: a distribution and its width, from the sizes of a layer.  Biases begin at zero.

The numbers themselves come from the counter-based generator of the compiled module, so that a seed gives the
same weights on every machine.

==================  ============================================  ==========================================
name                weights of a layer (n_in, n_out)              for
==================  ============================================  ==========================================
glorot_uniform      uniform, limit sqrt(6 / (n_in + n_out))       the default (Glorot and Bengio 2010)
glorot_normal       normal, deviation sqrt(2 / (n_in + n_out))    sigmoid and tanh
he_uniform          uniform, limit sqrt(6 / n_in)                 relu and its kin (He et al. 2015)
he_normal           normal, deviation sqrt(2 / n_in)              relu and its kin
lecun_uniform       uniform, limit sqrt(3 / n_in)                 selu (LeCun et al. 1998)
lecun_normal        normal, deviation sqrt(1 / n_in)              selu
orthogonal          W.T @ W = 1, or W @ W.T = 1 if n_in < n_out   deep networks (Saxe et al. 2014)
uniform             uniform, limit given: ("uniform", 0.05)
normal              normal, deviation given: ("normal", 0.001)
truncated_normal    the same, but none beyond two deviations
zeros               0
==================  ============================================  ==========================================

A gain multiplies those whose width follows from the layer: ``("he_normal", 0.5)``, ``("orthogonal", 1.41)``.
Keras' "random_uniform" and "random_normal" are "uniform" and "normal", its names of classes, "HeNormal", and
PyTorch's, "xavier_uniform_" and "kaiming_normal_", what they are there.  The deviation of a truncated normal
is that before it is truncated, as in Keras; the other normal distributions are not truncated.

>>> from fastmlp import Network
>>> W = Network([3, 2], initializer="orthogonal", dtype="float64", seed=0).weights[0]
>>> abs(W.T @ W).round(12)
array([[1., 0.],
       [0., 1.]])
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .errors import shown, unknown
from .validation import real

DEFAULT = "glorot_uniform"
DEFAULT_SCALE = 0.05  # Keras' for those that are given theirs

# name -> (distribution, its width from n_in and n_out)
_SCALED: dict[str, tuple[str, Callable[[int, int], float]]] = {
    "glorot_uniform": ("uniform", lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "glorot_normal": ("normal", lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "he_uniform": ("uniform", lambda n_in, n_out: math.sqrt(6 / n_in)),
    "he_normal": ("normal", lambda n_in, n_out: math.sqrt(2 / n_in)),
    "lecun_uniform": ("uniform", lambda n_in, n_out: math.sqrt(3 / n_in)),
    "lecun_normal": ("normal", lambda n_in, n_out: math.sqrt(1 / n_in)),
    "orthogonal": ("orthogonal", lambda n_in, n_out: 1.0),
    "zeros": ("uniform", lambda n_in, n_out: 0.0),
}
_GIVEN = ("uniform", "normal", "truncated_normal")
NAMES = (*_SCALED, *_GIVEN)
_OF_KERAS = {
    **{name: name for name in (*_SCALED, "truncated_normal")},
    "random_uniform": "uniform",
    "random_normal": "normal",
}
_OF_TORCH = {
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "orthogonal": "orthogonal",
    "zeros": "zeros",
}
_ALIASES = {
    **_OF_KERAS,
    **{name.title().replace("_", ""): ours for name, ours in _OF_KERAS.items()},
    **_OF_TORCH,
    **{f"{name}_": ours for name, ours in _OF_TORCH.items()},
}

Initializer = str | tuple[str, float]


def resolve(value: object, argument: str = "initializer") -> Initializer:
    """A known name, or a pair of it and a scale, the width itself or its factor.

    >>> resolve(("random_normal", 0.001)), resolve(("he_normal", 0.5)), resolve(("he_normal", 1.0))
    (('normal', 0.001), ('he_normal', 0.5), 'he_normal')
    """
    if isinstance(value, str):
        name = _named(value, argument)
        return (name, DEFAULT_SCALE) if name in _GIVEN else name
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str):
        name = _named(value[0], argument)
        if name == "zeros":
            raise ValueError(f"{argument} {name!r} takes no scale, got {value[1]!r}")
        scale = real(value[1], f"scale of {argument} {name!r}", minimum=0.0)
        return name if name in _SCALED and scale == 1 else (name, scale)
    raise TypeError(f"{argument} is {shown(value)}, expected a name or a pair (name, scale)")


def _named(name: str, argument: str) -> str:
    """The name here of an initializer, by that, Keras' or PyTorch's."""
    name = _ALIASES.get(name, name)
    if name not in NAMES:
        raise unknown(argument, name, NAMES, _ALIASES)
    return name


def distribution(initializer: Initializer, n_in: int, n_out: int) -> tuple[str, float]:
    """("uniform", limit), ("normal" or "truncated_normal", deviation) or ("orthogonal", gain) of weights.

    >>> distribution("lecun_normal", 4, 3), distribution(("lecun_normal", 3.0), 4, 3)
    (('normal', 0.5), ('normal', 1.5))
    """
    name, factor = (initializer, 1.0) if isinstance(initializer, str) else initializer
    if name in _GIVEN:
        return name, factor
    kind, scale = _SCALED[name]
    return kind, factor * scale(n_in, n_out)
