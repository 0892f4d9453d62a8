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
uniform             uniform, limit given: ("uniform", 0.05)
normal              normal, deviation given: ("normal", 0.001)
zeros               0
==================  ============================================  ==========================================

The normal distributions are not truncated.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .errors import unknown
from .validation import real

DEFAULT = "glorot_uniform"
DEFAULT_SCALE = 0.05  # Keras' for "uniform" and "normal" without a scale

# name -> (distribution, its width from n_in and n_out)
_SCALED: dict[str, tuple[str, Callable[[int, int], float]]] = {
    "glorot_uniform": ("uniform", lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "glorot_normal": ("normal", lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "he_uniform": ("uniform", lambda n_in, n_out: math.sqrt(6 / n_in)),
    "he_normal": ("normal", lambda n_in, n_out: math.sqrt(2 / n_in)),
    "lecun_uniform": ("uniform", lambda n_in, n_out: math.sqrt(3 / n_in)),
    "lecun_normal": ("normal", lambda n_in, n_out: math.sqrt(1 / n_in)),
    "zeros": ("uniform", lambda n_in, n_out: 0.0),
}
_GIVEN = ("uniform", "normal")
NAMES = (*_SCALED, *_GIVEN)

Initializer = str | tuple[str, float]


def resolve(value: object, argument: str = "initializer") -> Initializer:
    """A known name, or a pair ("uniform" or "normal", scale).

    >>> resolve(("normal", 0.001))
    ('normal', 0.001)
    """
    if isinstance(value, str):
        if value not in NAMES:
            raise unknown(argument, value, NAMES)
        return (value, DEFAULT_SCALE) if value in _GIVEN else value
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str):
        name, scale = value
        if name in _GIVEN:
            return name, real(scale, f"scale of {argument} {name!r}", minimum=0.0)
        if name in NAMES:
            raise ValueError(f"{argument} {name!r} takes no scale, got {scale!r}")
        raise unknown(argument, name, NAMES)
    raise TypeError(f"{argument} is {value!r}, expected a name or a pair (name, scale)")


def distribution(initializer: Initializer, n_in: int, n_out: int) -> tuple[str, float]:
    """("uniform", limit) or ("normal", deviation) of a layer's weights.

    >>> distribution("lecun_normal", 4, 3)
    ('normal', 0.5)
    """
    if isinstance(initializer, tuple):
        return initializer
    kind, scale = _SCALED[initializer]
    return kind, scale(n_in, n_out)
